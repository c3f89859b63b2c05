"""Make one of the package's networks and its styles from a finished run over several style pictures.

python -m tools.train_shared best PICTURES PHOTOS -o made --checkpoint tools/checkpoints/best.safetensors --minutes 60
python tools/make_styles.py made best PICTURES

The same with `fast` makes the other network. tools/styles.csv has titles, artists, years and licenses. The pictures are
not copied. The statistics of each are written for `impasto stylize --refine`, unless they exist. The run's style files
replace the package's. Kernels are rounded to 10 significant bits, so that a wheel compresses them to half the size.
Nothing is replaced before everything is made.
"""

import argparse
import csv
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from safetensors.torch import save_file

import impasto
from impasto.files import training_data
from impasto.models.catalog import NETWORK, VARIANTS
from impasto.models.modelfile import network_hash, read_info, write_model
from impasto.models.stylefile import SUFFIX, read_style, write_style
from impasto.nn.losses import YARDSTICK, PerceptualLoss
from impasto.nn.tensors import to_tensor
from impasto.nn.vgg import VGGFeatures
from impasto.nn.weights import load_loss_network
from impasto.optimize.gatys import YARDSTICK_SIZE
from impasto.optimize.statistics import STATISTICS, StyleStatistics
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side
from impasto.training.config import PRESETS

RANK = 96
SIGNIFICANT = 10
CATALOG = Path(__file__).with_name("styles.csv")
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
    content: bytes = model.SerializeToString()
    return content


def main() -> None:
    """Make everything in a temporary folder, and then replace the old files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("made", type=Path, help="the run's folder")
    parser.add_argument("variant", choices=VARIANTS)
    parser.add_argument("pictures", type=Path, help="folder of the style pictures")
    options = parser.parse_args()
    made, variant = options.made, options.variant
    catalog = {row["name"]: row for row in csv.DictReader(CATALOG.open(encoding="utf-8"))}
    names = sorted(path.stem for path in made.glob(f"*{SUFFIX}") if path.stem != "checkpoint")
    pictures = {name: options.pictures / f"{name}.jpg" for name in names}
    missing = [name for name in names if name not in catalog or not pictures[name].exists()]
    if missing:
        parser.error(f"no picture or no line in {CATALOG} of {', '.join(missing)}")
    if not names or not (made / NETWORK).exists():
        parser.error(f"{made}: there is no {NETWORK} with styles here")
    info, recipe = read_info(made / NETWORK), PRESETS[{"best": "impasto", "fast": "fast"}[variant]]
    if (info.architecture, info.arguments.get("width")) != (recipe.generator, recipe.generator_arguments()["width"]):
        parser.error(f"{made}: its network is not made as the {variant} one is")
    network, _ = load_loss_network()
    with tempfile.TemporaryDirectory(dir=DATA) as place:
        new, statistics = Path(place) / variant, Path(place) / STATISTICS
        for folder in (new, statistics):
            folder.mkdir()
        write_model(new / NETWORK, rounded(made / NETWORK), info)
        sha256 = network_hash(new / NETWORK)
        for name in names:
            style, path = read_style(made / f"{name}{SUFFIX}"), new / f"{name}{SUFFIX}"
            known: dict[str, Any] = {
                key: catalog[name][key] for key in ("title", "artist", "year", "license", "source")
            }
            write_style(path, replace(style, info=replace(style.info, network=sha256, training=info.training, **known)))
            known_statistics = training_data(STATISTICS) / path.name
            if known_statistics.exists():
                shutil.copy(known_statistics, statistics)
                continue
            wrong = write_statistics(network, pictures[name], statistics / path.name)
            print(f"{name}: statistics kept to {wrong:.1%}", flush=True)
        for folder in (new, statistics):
            target = training_data(STATISTICS) if folder == statistics else DATA / folder.name
            shutil.rmtree(target)
            shutil.move(folder, target)
    print(f"{len(catalog)} pictures known, {len(names)} styles made")


def write_statistics(network: VGGFeatures, picture: Path, path: Path) -> float:
    """Write the statistics of a style picture for `--refine`; returns the largest relative error of a layer."""
    style = to_tensor(resize_short_side(load_image(picture), YARDSTICK_SIZE))
    loss = PerceptualLoss(network, YARDSTICK, style)
    found = StyleStatistics.of(loss, RANK)
    save_file({k: x.half().contiguous() for k, x in found.factors.items()}, path)
    kept = found.loss(network, YARDSTICK).style_targets
    return max(float((kept[k] - x).norm() / x.norm()) for k, x in loss.style_targets.items())


if __name__ == "__main__":
    main()
