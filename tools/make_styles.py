"""Make one of the package's networks and its styles from a finished run over several pictures.

impasto train PICTURES/*.jpg -o made --content PHOTOS --held-out benchmarks/held_out.txt --pool 512 --minutes 70
python tools/make_styles.py made PICTURES best PHOTOS

and with `--preset fast` and `fast` the other.

tools/styles.csv names titles, artists, years and licences, and the content error that a style may have on photos that
were learnt from: it leaves room for photos of other kinds, small smooth ones, of which the same change is a larger
error; Great Wave has less of it, to be as bold as the best peer's. The pictures stay where they are, and only their
statistics come along, for `impasto stylize --refine`. The run's style files replace the package's. Kernels are rounded
to 10 significant bits, so that a wheel's compression makes them half as large. A style that costs
more of the photo than it may is moved towards the photo's own look: every 15th of the photos learnt from tells by how
much, and tools/measure_styles.py judges by others. Nothing is replaced before all is made.
"""

import argparse
import csv
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from safetensors.torch import save_file
from torch import Tensor

import impasto
from impasto.files import training_data
from impasto.models.catalogue import NETWORK, VARIANTS, shipped
from impasto.models.modelfile import network_hash, read_info, write_model
from impasto.models.stylefile import SUFFIX, Style, read_style, write_style
from impasto.nn.losses import YARDSTICK, PerceptualLoss
from impasto.nn.tensors import to_tensor
from impasto.nn.vgg import VGGFeatures
from impasto.nn.weights import load_loss_network
from impasto.optimize.gatys import YARDSTICK_SIZE
from impasto.optimize.statistics import STATISTICS, StyleStatistics
from impasto.painting.settings import AS_IT_IS
from impasto.pictures.picture import Pixels
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side
from impasto.training.config import PRESETS
from impasto.training.photos import content_photos

RANK = 96
SIGNIFICANT = 10
LEAST_STRENGTH = 0.85
"""What is left at least of a style that costs more of photos than it may."""
HELD_OUT = Path(__file__).parents[1] / "benchmarks" / "held_out.txt"
CATALOGUE = Path(__file__).with_name("styles.csv")
DATA = Path(impasto.__file__).parent / "data"


def rounded(path: Path) -> bytes:
    """The model file's graph, its kernels rounded to :data:`SIGNIFICANT` bits; float32 as before."""
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        kernel = numpy_helper.to_array(tensor)
        if kernel.ndim == 4 and tensor.name.endswith("weight"):
            fraction, exponent = np.frexp(kernel)
            few = np.ldexp(np.rint(np.ldexp(fraction, SIGNIFICANT)), exponent - SIGNIFICANT)
            tensor.CopyFrom(numpy_helper.from_array(few.astype(np.float32), tensor.name))
    return model.SerializeToString()


def weakened(style: Style, strength: float) -> Style:
    """The style so far on the way from the photo's own look; its record says so."""
    parameters = style.photo + np.float32(strength) * (style.parameters - style.photo)
    training = {**style.info.training, "weakened_to": round(strength, 3)}
    return Style(replace(style.info, training=training), parameters, style.photo)


Seen = Sequence[tuple[Pixels, Tensor]]
"""Photos, and their features at the yardstick's content layer."""


def seen_by(network: VGGFeatures, picture: Pixels) -> Tensor:
    """The picture's features at that layer, which is all that is looked at here: the style's cost more."""
    (layer,) = YARDSTICK.content_layers
    with torch.no_grad():
        return network(to_tensor(picture), (layer,))[layer]


def content_error(path: Path, network: VGGFeatures, photos: Seen) -> float:
    """Content error of a style file's pictures, mean over the photos."""
    stylizer = impasto.load(path, precision="float32", threads=torch.get_num_threads())
    errors = [(seen_by(network, stylizer(x, AS_IT_IS)) - y).square().mean() / y.var(correction=0) for x, y in photos]
    return float(torch.stack(errors).mean())


def moderate(path: Path, most: float, network: VGGFeatures, photos: Seen) -> float:
    """Weaken the style of this file, so far as it may be, to this content error; the strength that is left."""
    style, full = read_style(path), content_error(path, network, photos)
    if full <= most:
        return 1.0
    write_style(path, weakened(style, LEAST_STRENGTH))
    slope = (full - content_error(path, network, photos)) / (1 - LEAST_STRENGTH)  # nearly a straight line
    if slope <= 0:
        write_style(path, style)
        return 1.0
    strength = max(LEAST_STRENGTH, 1 - (full - most) / slope)
    write_style(path, weakened(style, strength))
    return strength


def with_steps_before(training: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """The record of a run that learnt on from the shipped network, with the steps that ``before``, its record, has."""
    if training["start"] != "base":
        return training
    again = all(training[key] == before[key] for key in ("steps", "seconds"))  # the shipped one was made of this run
    steps = before.get("steps_before", 0) + (0 if again else before["steps"])
    return {**training, "steps_before": steps}


def main() -> None:
    """Make all in a folder of its own, and put it in the place of what was."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("made", type=Path, help="the run's folder")
    parser.add_argument("pictures", type=Path, help="folder of the style pictures")
    parser.add_argument("variant", choices=VARIANTS)
    parser.add_argument("photos", type=Path, help="those that the run learnt from, and the held-out ones")
    options = parser.parse_args()
    made, variant = options.made, options.variant
    catalogue = {row["name"]: row for row in csv.DictReader(CATALOGUE.open(encoding="utf-8"))}
    names = sorted(path.stem for path in made.glob(f"*{SUFFIX}"))
    pictures = {name: options.pictures / f"{name}.jpg" for name in names}
    missing = [name for name in names if name not in catalogue or not pictures[name].exists()]
    if missing:
        parser.error(f"no picture or no line in {CATALOGUE} of {', '.join(missing)}")
    if not names or not (made / NETWORK).exists():
        parser.error(f"{made}: there is no {NETWORK} with styles here")
    made_info, recipe = read_info(made / NETWORK), PRESETS[{"best": "impasto", "fast": "fast"}[variant]]
    if (made_info.architecture, made_info.arguments) != (recipe.generator, recipe.generator_arguments()):
        parser.error(f"{made}: its network is not made as the {variant} one is")
    before = next(iter(shipped(variant).values())).info.training
    made_info = replace(made_info, training=with_steps_before(made_info.training, before))
    network, _ = load_loss_network()
    learnt_from, _ = content_photos(options.photos, HELD_OUT)
    small = [resize_short_side(load_image(path), YARDSTICK_SIZE) for path in learnt_from[7::15]]
    photos = [(photo, seen_by(network, photo)) for photo in small]
    with tempfile.TemporaryDirectory(dir=DATA) as place:
        new, statistics = Path(place) / variant, Path(place) / STATISTICS
        for folder in (new, statistics):
            folder.mkdir()
        write_model(new / NETWORK, rounded(made / NETWORK), made_info)
        sha256 = network_hash(new / NETWORK)
        for name in names:
            style, path = read_style(made / f"{name}{SUFFIX}"), new / f"{name}{SUFFIX}"
            known = {key: catalogue[name][key] for key in ("title", "artist", "year", "licence", "source")}
            info = replace(style.info, network=sha256, training=made_info.training, **known)
            write_style(path, Style(info, style.parameters, style.photo))
            picture = resize_short_side(load_image(pictures[name]), YARDSTICK_SIZE)
            loss = PerceptualLoss(network, YARDSTICK, to_tensor(picture))
            found = StyleStatistics.of(loss, RANK)
            kept = found.loss(network, YARDSTICK).style_targets
            wrong = max(float((kept[k] - x).norm() / x.norm()) for k, x in loss.style_targets.items())
            save_file({k: x.half().contiguous() for k, x in found.factors.items()}, statistics / path.name)
            strength = moderate(path, float(catalogue[name]["most_content"]), network, photos)
            print(f"{name}: statistics kept to {wrong:.1%}, strength {strength:.3f}", flush=True)
        for folder in (new, statistics):
            target = training_data(STATISTICS) if folder == statistics else DATA / folder.name
            shutil.rmtree(target)
            shutil.move(folder, target)
    print(f"{len(catalogue)} pictures known, {len(names)} styles made")


if __name__ == "__main__":
    main()
