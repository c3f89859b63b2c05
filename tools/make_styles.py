"""Make the package's network and styles from a finished run over several pictures.

impasto train PICTURES/*.jpg -o made --content PHOTOS --held-out benchmarks/held_out.txt --pool 512 --minutes 70
python tools/make_styles.py made PICTURES/manifest.csv
python tools/make_light.py made-light --data DATA
python tools/make_styles.py made-light PICTURES/manifest.csv --fast

PICTURES/manifest.csv names titles, artists, years and licences; the pictures stay where they are, and only their
statistics come along, for `impasto stylize --refine`. The run's style files replace the package's, for its best
network or the fast one.
"""

import argparse
import csv
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from safetensors.torch import save_file

from impasto.catalogue import NETWORK, shipped_network
from impasto.image import load_image, resize_short_side
from impasto.nn.losses import YARDSTICK, PerceptualLoss
from impasto.refine import LOOKS
from impasto.stylefile import SUFFIX, Style, read_style, write_style
from impasto.train.data import to_tensor
from impasto.train.gatys import YARDSTICK_SIZE, Look
from impasto.train.weights import load_loss_network

RANK = 96


def emptied(folder: Path) -> Path:
    """The folder, with nothing in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def copy_styles(made: Path, rows: dict[str, dict[str, str]], data: Path) -> None:
    """The network and its styles, with what the manifest says of each."""
    styles = emptied(data / "styles")
    shutil.copyfile(made / NETWORK, data / NETWORK)
    for path in sorted(made.glob(f"*{SUFFIX}")):
        style, row = read_style(path), rows[path.stem]
        info = replace(
            style.info,
            title=row["title"],
            artist=row["artist_died"].split(" (")[0],
            year=row["year"],
            licence=row["status"],
        )
        write_style(styles / path.name, Style(info, style.code, style.photo))


def write_looks(pictures: dict[str, Path], folder: Path) -> None:
    """What refining needs of the style pictures."""
    network, _ = load_loss_network()
    for name, path in pictures.items():
        picture = resize_short_side(load_image(path), YARDSTICK_SIZE)
        loss = PerceptualLoss(network, YARDSTICK, to_tensor(picture))
        look = Look.of(loss, RANK)
        kept = look.loss(network, YARDSTICK).style_targets
        wrong = max(float((kept[k] - x).norm() / x.norm()) for k, x in loss.style_targets.items())
        factors = {k: x.half().contiguous() for k, x in look.factors.items()}
        save_file(factors, folder / f"{name}{SUFFIX}")
        print(f"{name}: statistics kept to {wrong:.1%}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("made", type=Path, help="the run's output")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--fast", action="store_true", help="it is the fast network")
    options = parser.parse_args()
    rows = {Path(row["file"]).stem: row for row in csv.DictReader(options.manifest.open(encoding="utf-8"))}
    names = sorted(path.stem for path in options.made.glob(f"*{SUFFIX}"))
    missing = [name for name in names if name not in rows]
    if missing:
        sys.exit(f"{options.manifest} knows nothing of {', '.join(missing)}")
    copy_styles(options.made, rows, shipped_network(fast=options.fast).parent)
    if not options.fast:
        pictures = {name: options.manifest.parent / rows[name]["file"] for name in names}
        write_looks(pictures, emptied(shipped_network().parent / LOOKS))
    print(f"{len(names)} styles made")
