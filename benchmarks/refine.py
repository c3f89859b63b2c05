"""Compare refining, 25 steps from the network's picture, with 100 steps from the photo.

    python benchmarks/refine.py DATA [--size 256]

DATA contains content/open and styles. Eight held-out photos are painted, each in another shipped style; the objective
is `YARDSTICK` with the style picture itself. Prints a Markdown table with the objectives of the network's picture, of
the same after 25 steps, from the photo after 25 steps in the coordinates that refining uses, and after 25, 50 and 100
steps in pixels, as in Gatys' code; the number of the latter steps that reach the refined picture's objective (101 means
more); and seconds. Writes the pictures to refine.jpg in the current folder.
"""

import argparse
import statistics
import time
from pathlib import Path

import torch

import impasto
from impasto.nn.losses import YARDSTICK, PerceptualLoss
from impasto.nn.tensors import to_tensor
from impasto.nn.weights import load_loss_network
from impasto.optimize.gatys import YARDSTICK_SIZE, GatysConfig, optimize
from impasto.optimize.refine import refine
from impasto.optimize.statistics import StyleStatistics
from impasto.pictures.contact_sheet import contact_sheet
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side
from impasto.pictures.write import save_image
from impasto.training.photos import content_photos

HELD_OUT = Path(__file__).parent / "held_out.txt"
STEPS = 25
STYLES = (
    "udnie",
    "great_wave",
    "starry_night",
    "the_scream",
    "composition_vii",
    "roman_mosaic_duck",
    "klimt_kiss",
    "matisse_woman_hat",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--size", type=int, default=256, help="short side of the photos, pixels")
    options = parser.parse_args()
    network, _ = load_loss_network()
    _, held_out = content_photos(options.data / "content" / "open", HELD_OUT)
    photos = held_out[:: len(held_out) // len(STYLES)][: len(STYLES)]
    print("| photo | style | network | refined | photo, 25 likewise | 25 | 50 | 100 | equals | s, refined | s, 100 |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    columns, rows = [], []
    for path, name in zip(photos, STYLES, strict=True):
        photo = resize_short_side(load_image(path), options.size)
        picture = resize_short_side(load_image(options.data / "styles" / f"{name}.jpg"), YARDSTICK_SIZE)
        loss = PerceptualLoss(network, YARDSTICK, to_tensor(picture))
        target = loss.content_target(to_tensor(photo))
        stylizer = impasto.load(name)
        stylizer(photo)
        begun = time.perf_counter()
        painted = stylizer(photo)
        refined = refine(painted, photo, StyleStatistics.of(loss), STEPS, network=network)
        quick = time.perf_counter() - begun
        config = GatysConfig(evaluations=4 * STEPS, size=options.size, style_size=YARDSTICK_SIZE)
        slow = optimize(photo, picture, config, network=network)
        likewise = refine(photo, photo, StyleStatistics.of(loss), STEPS, network=network)
        with torch.no_grad():
            reached = [float(loss(to_tensor(x), target).total) for x in (painted, refined, likewise)]
        lowest = [min(point.objective for point in slow.curve[:count]) for count in (25, 50, 100)]
        equal = next((p.evaluation for p in slow.curve if p.objective <= reached[1]), None)
        columns.append([*reached, *lowest, float(equal or 4 * STEPS + 1), quick, slow.curve[-1].seconds])
        figures = [f"{x:.2f}" for x in (*reached, *lowest)]
        seconds = [f"{x:.0f}" for x in (quick, slow.curve[-1].seconds)]
        print("|", " | ".join([path.stem, name, *figures, str(equal or "more"), *seconds]), "|", flush=True)
        rows.append([picture, photo, painted, refined, slow.picture])
    medians = [statistics.median(column) for column in zip(*columns, strict=True)]
    print("| median | |", " | ".join(f"{x:.2f}" for x in medians), "|")
    labels = ("style", "photo", "network", f"network + {STEPS}", f"photo + {4 * STEPS}")
    save_image(Path("refine.jpg"), contact_sheet(rows, labels=labels, cell=256), quality=80)


if __name__ == "__main__":
    main()
