"""Make one of the package's networks and its styles from a finished run over several pictures.

impasto train PICTURES/*.jpg -o made --content PHOTOS --held-out benchmarks/held_out.txt --pool 512 --minutes 70
python tools/make_styles.py made PICTURES/manifest.csv best PHOTOS

and with `--preset fast` and `fast` the other.

PICTURES/manifest.csv names titles, artists, years and licences; the pictures stay where they are, and only their
statistics come along, for `impasto stylize --refine`. The run's style files replace the package's. Kernels are rounded
to 10 significant bits, so that a wheel's compression makes them half as large. A style that costs
more of PHOTOS' held-out ones than it may is moved towards the photo's own look: every fourth photo from the third tells
by how much, and tools/measure_styles.py judges by others.
"""

import csv
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from safetensors.torch import save_file
from torch import Tensor

import impasto
from impasto.catalogue import NETWORK, VARIANTS, network_hash
from impasto.image import Pixels, load_image, resize_short_side
from impasto.modelfile import read_info, write_model
from impasto.nn.losses import YARDSTICK, PerceptualLoss
from impasto.nn.vgg import VGGFeatures
from impasto.refine import LOOKS
from impasto.settings import AS_IT_IS
from impasto.stylefile import SUFFIX, Style, read_style, write_style
from impasto.train.config import PRESETS
from impasto.train.data import content_photos, to_tensor
from impasto.train.gatys import YARDSTICK_SIZE, Look
from impasto.train.weights import load_loss_network

RANK = 96
SIGNIFICANT = 10
MOST_CONTENT, LEAST_STRENGTH = 0.94, 0.9
"""Content error that a style may have on the photos that tell, and the strength that is left of it at least.

The former for less than 1 on others: with 0.975 two styles had 1.02 on those that judge, with 0.945 one 1.002.
"""
HELD_OUT = Path(__file__).parents[1] / "benchmarks" / "held_out.txt"
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
    code = style.photo + np.float32(strength) * (style.code - style.photo)
    training = {**style.info.training, "weakened_to": round(strength, 3)}
    return Style(replace(style.info, training=training), code, style.photo)


Seen = Sequence[tuple[Pixels, Tensor]]
"""Photos, and their features at the content layer."""


def seen_by(network: VGGFeatures, picture: Pixels) -> Tensor:
    """The picture's features at the yardstick's content layer."""
    (layer,) = YARDSTICK.content_layers
    with torch.no_grad():
        return network(to_tensor(picture), (layer,))[layer]


def content_error(path: Path, network: VGGFeatures, photos: Seen) -> float:
    """Content error of a style file's pictures, mean over the photos."""
    stylizer = impasto.load(path, precision="float32")
    errors = [(seen_by(network, stylizer(x, AS_IT_IS)) - y).square().mean() / y.var(correction=0) for x, y in photos]
    return float(torch.stack(errors).mean())


def moderate(path: Path, network: VGGFeatures, photos: Seen) -> float:
    """Weaken the style of this file, so far as it may be, to keep enough of the photos; the strength that is left."""
    style, full = read_style(path), content_error(path, network, photos)
    if full <= MOST_CONTENT:
        return 1.0
    write_style(path, weakened(style, LEAST_STRENGTH))
    slope = (full - content_error(path, network, photos)) / (1 - LEAST_STRENGTH)  # nearly a straight line
    if slope <= 0:
        write_style(path, style)
        return 1.0
    strength = max(LEAST_STRENGTH, 1 - (full - MOST_CONTENT) / slope)
    write_style(path, weakened(style, strength))
    return strength


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit("give the run's folder, the manifest, the network (best or fast) and the photos")
    made, manifest, variant, photos_folder = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
    if variant not in VARIANTS:
        sys.exit(f"{variant}: choose one of {', '.join(VARIANTS)}")
    if not manifest.is_file():
        sys.exit(f"{manifest}: no such manifest")
    pictures = {Path(row["file"]).stem: row for row in csv.DictReader(manifest.open(encoding="utf-8"))}
    names = sorted(path.stem for path in made.glob(f"*{SUFFIX}"))
    missing = [
        name for name in names if name not in pictures or not (manifest.parent / pictures[name]["file"]).exists()
    ]
    if missing:
        sys.exit(f"{manifest} has no picture of {', '.join(missing)}")
    if not names or not (made / NETWORK).exists():
        sys.exit(f"{made}: there is no {NETWORK} with styles here: nothing is replaced")
    made_info, recipe = read_info(made / NETWORK), PRESETS[{"best": "impasto", "fast": "fast"}[variant]]
    if (made_info.architecture, made_info.arguments) != (recipe.generator, recipe.generator_arguments()):
        sys.exit(f"{made}: its network is not made as the {variant} one is: nothing is replaced")
    network, _ = load_loss_network()
    _, held_out = content_photos(photos_folder, HELD_OUT)
    small = [resize_short_side(load_image(x), YARDSTICK_SIZE) for x in held_out[2::4]]
    photos = [(x, seen_by(network, x)) for x in small]
    shutil.rmtree(DATA / variant, ignore_errors=True)
    for folder in (variant, LOOKS):
        (DATA / folder).mkdir(exist_ok=True)
    for path in (DATA / LOOKS).iterdir():
        if path.stem not in names:
            path.unlink()
    shipped_as = DATA / variant / NETWORK
    write_model(shipped_as, rounded(made / NETWORK), made_info)
    sha256 = network_hash(shipped_as)
    for path in (made / f"{name}{SUFFIX}" for name in names):
        style, row = read_style(path), pictures[path.stem]
        info = replace(
            style.info,
            network=sha256,
            title=row["title"],
            artist=row["artist_died"].split(" (")[0],
            year=row["year"],
            licence=row["status"],
        )
        write_style(DATA / variant / path.name, Style(info, style.code, style.photo))
        picture = resize_short_side(load_image(manifest.parent / row["file"]), YARDSTICK_SIZE)
        loss = PerceptualLoss(network, YARDSTICK, to_tensor(picture))
        look = Look.of(loss, RANK)
        kept = look.loss(network, YARDSTICK).style_targets
        wrong = max(float((kept[k] - x).norm() / x.norm()) for k, x in loss.style_targets.items())
        save_file({k: x.half().contiguous() for k, x in look.factors.items()}, DATA / LOOKS / path.name)
        strength = moderate(DATA / variant / path.name, network, photos)
        print(f"{path.stem}: statistics kept to {wrong:.1%}, strength {strength:.3f}", flush=True)
    print(f"{len(pictures)} pictures known, {len(names)} styles made")
