"""Devices: speed of painting, and parity with the CPU, on whatever this computer has; in less than five minutes.

    python benchmarks/device.py [--devices cuda,tensorrt] [--photo FILE] [--output device.json]

Each network paints a picture of each size on each device that works (`impasto info --devices`) and on the CPU in
float32. Seconds are the minimum of several runs of one picture in memory, after one to warm up; the first run, which
compiles, is a column of its own. Parity is the largest and the mean difference from the CPU's painting, in levels of
255. A device that computes something else, or does not work, is a row that says so. Exit code 1: parity was missed.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from stopwatch import timed

import impasto
from impasto.errors import ImpastoError
from impasto.painting.devices import CPU, DEVICES, states
from impasto.painting.settings import AS_IT_IS
from impasto.painting.stylizer import Stylizer
from impasto.pictures.picture import Pixels
from impasto.pictures.resize import resize

EXAMPLE = Path(__file__).parents[1] / "examples" / "photos" / "castle.jpg"
SIZES = ((640, 360), (1280, 720), (1920, 1080), (3840, 2160))
STYLE = "great_wave"
BUDGET = 270.0
"""Seconds, after which larger sizes are left out."""
MOST_LEVELS = 2.0
"""Largest difference of any pixel from the CPU's painting, for parity, levels of 255: rounding may differ by one."""


@dataclass(frozen=True)
class Row:
    """One network on one device at one size."""

    device: str
    network: str
    width: int
    height: int
    first: float
    """Seconds of the first painting."""
    seconds: float
    most: int
    """Largest difference of any pixel from the CPU's painting, levels of 255."""
    mean: float


def measured(stylizer: Stylizer, picture: Pixels, exact: Pixels | None, device: str, network: str, rounds: int) -> Row:
    """Paint a picture, and compare it with the CPU's painting."""
    height, width = picture.shape[:2]
    first = timed(lambda: stylizer(picture, AS_IT_IS))
    seconds = min(timed(lambda: stylizer(picture, AS_IT_IS)) for _ in range(rounds))
    painted = stylizer(picture, AS_IT_IS).astype(int)
    away = np.abs(painted - (painted if exact is None else exact))
    return Row(device, network, width, height, first, seconds, int(away.max()), float(away.mean()))


def measure(names: Sequence[str], rounds: int, deadline: float, example: Pixels) -> tuple[list[Row], list[str]]:
    """All rows, and what could not be measured."""
    rows: list[Row] = []
    problems: list[str] = []
    for variant in ("fast", "best"):
        stylizers: dict[str, Stylizer] = {CPU: impasto.load(STYLE, variant=variant, precision="float32")}
        for name in names:
            try:
                stylizers[name] = impasto.load(STYLE, variant=variant, device=name)
            except ImpastoError as reason:
                problems.append(str(reason))
        for width, height in SIZES:
            picture, exact = resize(example, width, height), None
            for name, stylizer in stylizers.items():
                if time.monotonic() > deadline:
                    problems.append(f"{name}, {variant}, {width} x {height}: left out, the time is up")
                    continue
                try:
                    rows.append(measured(stylizer, picture, exact, name, variant, rounds))
                except ImpastoError as reason:
                    problems.append(f"{name}, {variant}, {width} x {height}: {reason}")
                    continue
                exact = stylizer(picture, AS_IT_IS) if name == CPU else exact
    return rows, problems


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", default="", help="names, separated by commas; default: all that work")
    parser.add_argument("--photo", type=Path, default=EXAMPLE)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    options = parser.parse_args(words)
    start = time.monotonic()
    names = [name for name in options.devices.split(",") if name]
    if not names:
        found = [*states()]
        names = [device.name for device, problem in found if problem is None]
        print(f"devices that work: {', '.join([CPU, *names])}; of {len(DEVICES) + 1}")
    rows, problems = measure(names, options.rounds, start + BUDGET, impasto.load_image(options.photo))
    print("\n| device | network | size | first, s | s | frames a second | largest difference | mean |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        size = f"{row.width} x {row.height}"
        rate = f"{1 / row.seconds:.1f}"
        print(
            f"| {row.device} | {row.network} | {size} | {row.first:.2f} | {row.seconds:.4f} | {rate} | {row.most} "
            f"| {row.mean:.3f} |"
        )
    for text in problems:
        print(f"- {text}")
    if options.output is not None:
        record = {
            "system": platform.platform(),
            "version": impasto.__version__,
            "rows": [asdict(row) for row in rows],
            "problems": problems,
        }
        options.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    missed = [row for row in rows if row.most > MOST_LEVELS]
    print(f"{len(rows)} rows in {time.monotonic() - start:.0f} s; parity {'missed' if missed else 'kept'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
