"""Make one of the package's networks and its styles from a finished run over several pictures.

impasto train PICTURES/*.jpg -o made --content PHOTOS --held-out benchmarks/held_out.txt --pool 512 --minutes 70
python tools/make_styles.py made PICTURES/manifest.csv best

and with `--generator light` and `fast` the other.

PICTURES/manifest.csv names titles, artists, years and licences; the pictures stay where they are, and only their
statistics come along, for `impasto stylize --refine`. The run's style files replace the package's.
"""

import csv
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from safetensors.torch import save_file

import impasto
from impasto.catalogue import NETWORK, VARIANTS
from impasto.image import load_image, resize_short_side
from impasto.nn.losses import YARDSTICK, PerceptualLoss
from impasto.refine import LOOKS
from impasto.stylefile import SUFFIX, Style, read_style, write_style
from impasto.train.data import to_tensor
from impasto.train.gatys import YARDSTICK_SIZE, Look
from impasto.train.weights import load_loss_network

RANK = 96
DATA = Path(impasto.__file__).parent / "data"

if __name__ == "__main__":
    made, manifest, variant = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    if variant not in VARIANTS:
        sys.exit(f"{variant}: choose one of {', '.join(VARIANTS)}")
    pictures = {Path(row["file"]).stem: row for row in csv.DictReader(manifest.open(encoding="utf-8"))}
    missing = [path.stem for path in made.glob(f"*{SUFFIX}") if path.stem not in pictures]
    if missing:
        sys.exit(f"{manifest} knows nothing of {', '.join(missing)}")
    if not (made / NETWORK).exists():
        sys.exit(f"{made}: there is no {NETWORK} here: nothing is replaced")
    for folder in (variant, LOOKS):
        shutil.rmtree(DATA / folder, ignore_errors=True)
        (DATA / folder).mkdir()
    network, _ = load_loss_network()
    shutil.copyfile(made / NETWORK, DATA / variant / NETWORK)
    for path in sorted(made.glob(f"*{SUFFIX}")):
        style, row = read_style(path), pictures[path.stem]
        info = replace(
            style.info,
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
        print(f"{path.stem}: statistics kept to {wrong:.1%}")
    print(f"{len(pictures)} pictures known, {len([*(DATA / variant).glob(f'*{SUFFIX}')])} styles made")
