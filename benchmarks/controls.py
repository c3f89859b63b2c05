"""Measure what the controls of `impasto stylize` do and cost: one table each, and pictures for docs/images.

    python benchmarks/controls.py DATA [--out docs/images]

DATA contains `content/open` and `styles`.
"""

import argparse
import contextlib
import itertools
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from stopwatch import timed

import impasto
from impasto.errors import BackendError
from impasto.models.catalog import VARIANTS, Variant
from impasto.nn.losses import YARDSTICK, PerceptualLoss
from impasto.nn.lpips import Lpips
from impasto.nn.tensors import to_tensor
from impasto.nn.weights import load_loss_network
from impasto.painting.engine import Precision
from impasto.painting.settings import AS_IT_IS, Settings
from impasto.painting.stylizer import Stylizer
from impasto.pictures.contact_sheet import contact_sheet
from impasto.pictures.picture import Pixels, white
from impasto.pictures.resize import resize, resize_short_side
from impasto.pictures.write import save_image
from impasto.training.photos import content_photos

HELD_OUT = Path(__file__).parent / "held_out.txt"
CASTLE = Path(__file__).parents[1] / "examples" / "photos" / "castle.jpg"
STYLES = ("starry_night", "udnie", "roman_mosaic_duck")
ROBUST = ("udnie", "great_wave", "starry_night", "composition_vii", "the_scream")
STRENGTHS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 2.0)
WAY = (0.25, 0.5, 0.75)
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16", "int8")  # the first, which all have, is the measure
FALLING = (1.0, 0.5, 0.25, 0.125)
LARGE = 2048
SMALL = 512
ROUNDS = 11


def cost(photo: Pixels) -> None:
    """The time of each control relative to the network alone, alternating; each runs twice, and the second counts."""
    stylizer = impasto.load("udnie")
    network = stylizer.network
    inputs = {**network.image_inputs(photo), **network.style_inputs(stylizer.style, 1.0)}
    everywhere, count = np.full(photo.shape[:2], 255, np.uint8), itertools.count(1)
    work: dict[str, Callable[[], object]] = {
        "the network alone, without uint8 in and out": lambda: network.run(inputs),
        "defaults: all controls off": lambda: stylizer(photo),
        "--strength 0.7": lambda: stylizer(photo, Settings(strength=0.7)),
        "--strength 0.1": lambda: stylizer(photo, Settings(strength=0.1)),
        "--keep-colors luminance": lambda: stylizer(photo, Settings(keep_colors="luminance")),
        "--keep-colors match": lambda: stylizer(photo, Settings(keep_colors="match")),
        "--mask, white": lambda: impasto.paint_regions(photo ^ np.uint8(next(count) % 16), [(stylizer, everywhere)]),
        "--mask, white, on the same photo again": lambda: impasto.paint_regions(photo, [(stylizer, everywhere)]),
    }
    found: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(ROUNDS):
        for name, run in work.items():
            run()
            found[name].append(timed(run))
    medians = {name: statistics.median(times) for name, times in found.items()}
    base = medians["defaults: all controls off"]
    print(f"\n| {photo.shape[1]} x {photo.shape[0]}, medians of {ROUNDS} | ms | of the defaults |\n|---|---|---|")
    for name, median in medians.items():
        print(f"| {name} | {1000 * median:.0f} | {median / base:.2f} |")


def strength(photos: list[Pixels], pictures: Path, out: Path) -> None:
    """The objective's terms against strength."""
    network, _ = load_loss_network()
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    content, style = figure.subplots(1, 2)
    for name in STYLES:
        picture = impasto.load_image(pictures / f"{name}.jpg")
        loss = PerceptualLoss(network, YARDSTICK, to_tensor(resize_short_side(picture, SMALL)))
        stylizer = impasto.load(name)
        curve = []
        for value in STRENGTHS:
            terms = []
            for photo in photos:
                painted = to_tensor(stylizer(photo, Settings(strength=value, stroke_size=0)))
                with torch.no_grad():
                    found = loss(painted, loss.content_target(to_tensor(photo)))
                terms.append((float(found.content), float(found.style)))
            curve.append(np.mean(terms, axis=0))
        for axes, column in ((content, 0), (style, 1)):
            axes.plot(STRENGTHS, [point[column] for point in curve], marker="o", markersize=3, label=name)
        print(f"{name}: " + ", ".join(f"{s:g}: {c:.2f} {t:.2f}" for s, (c, t) in zip(STRENGTHS, curve, strict=True)))
    for axes, what in ((content, "content error"), (style, "style error")):
        axes.set(xlabel="strength", ylabel=what, ylim=(0, None))
        axes.grid(alpha=0.3)
    style.legend(fontsize=8)
    figure.savefig(out / "strength.png", dpi=110)


def between(photos: list[Pixels]) -> None:
    """How far the mean colors of cells of 16 x 16 pixels are outside the range between the photo and the full style."""
    print("\n| beyond both, of 255: worst hundredth of places | " + " | ".join(f"{x:g}" for x in WAY) + " |")
    print("|---" * (1 + len(WAY)) + "|")
    for style in impasto.styles():
        stylizer = impasto.load(style.name)
        beyond: dict[float, list[float]] = {value: [] for value in WAY}
        for photo in photos:
            begin, end = (by_place(picture) for picture in (photo, stylizer(photo, AS_IT_IS)))
            least, most = torch.minimum(begin, end), torch.maximum(begin, end)
            for value in WAY:
                found = by_place(stylizer(photo, Settings(strength=value, stroke_size=0)))
                outside = (found - found.clamp(least, most)).norm(dim=1)
                beyond[value].append(255 * float(outside.quantile(0.99)))
        print(f"| {style.name} | " + " | ".join(f"{np.mean(found):.0f}" for found in beyond.values()) + " |")


def by_place(picture: Pixels) -> torch.Tensor:
    """Mean colors of cells, (1, 3, rows, columns), in [0, 1]."""
    return torch.nn.functional.avg_pool2d(to_tensor(picture), 16)


def strokes(photos: list[Pixels]) -> None:
    """How similar the results for the same photo at two sizes are, compared at the smaller one."""
    lpips = Lpips(load_loss_network()[0])
    print(f"\n| painted at {LARGE} px and scaled, beside at {SMALL} px | of 255 | LPIPS |\n|---|---|---|")
    for name, settings in (("default", Settings()), ("--stroke-size 0", AS_IT_IS)):
        wrong, distance = [], []
        for style in STYLES:
            stylizer = impasto.load(style)
            for photo in photos:
                small = stylizer(resize_short_side(photo, SMALL), settings)
                large = stylizer(resize_short_side(photo, LARGE), settings)
                large = resize(large, small.shape[1], small.shape[0])
                wrong.append(np.abs(small.astype(float) - large).mean())
                distance.append(float(lpips(to_tensor(small), to_tensor(large))))
        print(f"| {name} | {np.mean(wrong):.1f} | {np.mean(distance):.3f} |")


def dimmed(photo: Pixels, share: float = 0.25) -> Pixels:
    """The photo with a fraction of its contrast, at its own bit depth; only rounding loses information."""
    middle = white(photo) / 2
    faint: Pixels = np.rint(middle + share * (photo.astype(float) - middle)).astype(photo.dtype)
    return faint


def noisy(photo: Pixels, deviation: float = 2.0) -> Pixels:
    """The photo with normal noise, as of a small sensor; the same at every call."""
    noise = np.random.default_rng(0).normal(0, deviation, photo.shape)
    return np.rint(photo + noise).clip(0, 255).astype(np.uint8)


def in_every_precision(style: str, variant: Variant = "best") -> dict[str, Stylizer]:
    """The painting of the shipped style in each precision that this processor supports."""
    found: dict[str, Stylizer] = {}
    for precision in PRECISIONS:
        with contextlib.suppress(BackendError):
            found[precision] = impasto.load(style, variant=variant, precision=precision)
    return found


def precisions(photos: list[Pixels]) -> None:
    """The mean distance from float32 of pictures in every shipped style, levels of 255, at two strengths."""
    print("\n| from float32, of 255 | strength | mean | the style furthest off |\n|---|---|---|---|")
    for variant in VARIANTS:
        away: dict[tuple[str, float], dict[str, float]] = {}
        for style in impasto.styles():
            (_, reference), *others = in_every_precision(style.name, variant).items()
            for value in (1.0, 2.0):
                settings = Settings(strength=value, stroke_size=0)
                exact = [reference(photo, settings).astype(float) for photo in photos]
                for precision, stylizer in others:
                    each = [np.abs(stylizer(x, settings) - y).mean() for x, y in zip(photos, exact, strict=True)]
                    away.setdefault((precision, value), {})[style.name] = float(np.mean(each))
        for (precision, value), found in away.items():
            worst = max(found, key=found.__getitem__)
            mean = statistics.fmean(found.values())
            print(f"| {variant}, {precision} | {value:g} | {mean:.2f} | {found[worst]:.2f} ({worst}) |")


def robustness(photos: list[Pixels], out: Path) -> None:
    """The change of pictures by contrast cut to a quarter, in 8 and 16 bits, and by noise; one at falling contrast."""
    titles = [
        f"{change}, {which}" for change in ("contrast", "contrast, 16 bits", "noise") for which in ("mean", "worst")
    ]
    print(f"\n| change, levels of 255 | {' | '.join(titles)} |\n|---{'|---' * len(titles)}|")
    ours = {f"{x}, {how}": stylizer for x in ROBUST for how, stylizer in in_every_precision(x).items()}
    for name, stylizer in ours.items():
        changes = []
        for photo in photos:
            deep = photo.astype(np.uint16) * np.uint16(257)
            pairs = [(photo, dimmed(photo)), (deep, dimmed(deep)), (photo, noisy(photo))]
            painted = [[stylizer(x, AS_IT_IS) for x in pair] for pair in pairs]
            changes.append([255 * np.abs(one.astype(float) - other).mean() / white(one) for one, other in painted])
        cells = [f"{number:.2f}" for each in zip(*changes, strict=True) for number in (np.mean(each), max(each))]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    falling = [dimmed(photos[0], share) for share in FALLING]
    stylizer = next(iter(ours.values()))
    rows = [falling, [stylizer(photo, AS_IT_IS) for photo in falling]]
    labels = [f"contrast {share:g}" for share in FALLING]
    save_image(out / "contrast.jpg", contact_sheet(rows, labels=labels, cell=360), quality=85)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    _, held_out = content_photos(options.data / "content" / "open", HELD_OUT)
    whole = [impasto.load_image(path) for path in held_out[::10]]
    photos = [resize_short_side(photo, SMALL) for photo in whole]
    cost(resize_short_side(whole[0], SMALL))
    strength(photos[:3], options.data / "styles", options.out)
    between([impasto.load_image(CASTLE), *photos])
    strokes(whole[:2])
    precisions(photos[:2])
    robustness([resize_short_side(impasto.load_image(path), SMALL) for path in held_out[::4]], options.out)


if __name__ == "__main__":
    main()
