"""Measure the speed of each device of this computer, and its agreement with the CPU, in less than five minutes.

    python benchmarks/device.py [--devices cuda,tensorrt] [--photo FILE] [--sizes 640x360] [--output device.json]

Each network paints a picture of each size on each device that works (`impasto info --devices`) and on the CPU in
float32. Seconds are the minimum of several runs of one picture in memory, after one to warm up; the first run, which
compiles, is a separate column. Parity is the largest and the mean difference from the CPU's painting, in levels of 255.
A device that computes something else, or does not work, has a line that says so. If PyTorch supports a graphics card,
some steps of `impasto train` are timed there and on the CPU. The exit code is 1 if a device does not reach parity.
"""

import argparse
import contextlib
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from stopwatch import timed

import impasto
from impasto.errors import ImpastoError
from impasto.painting.devices import CPU, states
from impasto.painting.settings import AS_IT_IS
from impasto.painting.stylizer import Stylizer
from impasto.pictures.picture import Pixels
from impasto.pictures.resize import resize
from impasto.processor import cores

EXAMPLE = Path(__file__).parents[1] / "examples" / "photos" / "castle.jpg"
SIZES = ((640, 360), (1280, 720), (1920, 1080), (3840, 2160))
STYLE = "great_wave"
BUDGET = 250.0
"""Seconds, into which all painting must fit: what would take longer is left out. Training takes half a minute more."""
GROWTH = 3.0
"""How much longer the next size is expected to take than the one before."""
STEPS = 30
"""Steps of training, of which the second half are timed."""
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
    """Paint a picture, and compare it with the CPU's painting if there is one."""
    height, width = picture.shape[:2]
    first = timed(lambda: stylizer(picture, AS_IT_IS))
    seconds = min(timed(lambda: stylizer(picture, AS_IT_IS)) for _ in range(rounds))
    painted = stylizer(picture, AS_IT_IS).astype(int)
    away = np.abs(painted - (painted if exact is None else exact))
    return Row(device, network, width, height, first, seconds, int(away.max()), float(away.mean()))


def measure(
    names: Sequence[str], sizes: Sequence[tuple[int, int]], rounds: int, deadline: float, example: Pixels
) -> tuple[list[Row], list[str]]:
    """All rows, small sizes first, and what could not be measured."""
    rows: list[Row] = []
    problems: list[str] = []
    stylizers: dict[tuple[str, str], Stylizer] = {}
    for variant in ("fast", "best"):
        stylizers[variant, CPU] = impasto.load(STYLE, variant=variant, precision="float32")
        for name in names:
            try:
                stylizers[variant, name] = impasto.load(STYLE, variant=variant, device=name)
            except ImpastoError as reason:
                problems.append(f"{variant}: {reason}")
    exact: dict[str, Pixels] = {}
    last: dict[tuple[str, str], float] = {}
    for width, height in sizes:
        picture = resize(example, width, height)
        for (variant, name), stylizer in stylizers.items():
            title = f"{name}, {variant}, {width} x {height}"
            start = time.monotonic()
            if start + GROWTH * last.get((variant, name), 0.0) > deadline:
                problems.append(f"{title}: left out, it would take more than five minutes in all")
                continue
            print(f"{title} ...", file=sys.stderr, flush=True)
            try:
                if name == CPU:
                    exact[variant] = stylizer(picture, AS_IT_IS)
                rows.append(measured(stylizer, picture, exact.get(variant), name, variant, rounds))
            except ImpastoError as reason:
                problems.append(f"{title}: {reason}")
            last[variant, name] = time.monotonic() - start
        exact.clear()
    return rows, problems


class _Enough(Exception):
    """Ends a run of training whose steps were timed."""


def step_seconds(device: Literal["cpu", "cuda", "mps"]) -> float:
    """Median seconds of a step of `impasto train` with its defaults, after some to warm up."""
    begun: list[float] = []

    def count(_: object) -> None:
        begun.append(time.perf_counter())
        if len(begun) == STEPS:
            raise _Enough

    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(_Enough):
        impasto.train(EXAMPLE, Path(folder) / "model.onnx", steps=1000, device=device, progress=count)
    return statistics.median(after - before for before, after in pairwise(begun[STEPS // 2 :]))


def training() -> list[str]:
    """Lines about training, where PyTorch has a graphics card."""
    try:
        import torch
    except ImportError:
        return ["training was not timed: PyTorch is not installed"]
    devices: list[tuple[Literal["cuda", "mps"], bool]] = [
        ("cuda", torch.cuda.is_available()),
        ("mps", torch.backends.mps.is_available()),
    ]
    there = [name for name, works in devices if works]
    if not there:
        return ["training was not timed: PyTorch has no graphics card here"]
    lines = []
    for name in (*there, "cpu"):
        try:
            seconds = step_seconds(name)  # type: ignore[arg-type]
            lines.append(f"training on {name}: {1000 * seconds:.0f} ms a step")
        except ImpastoError as reason:
            lines.append(f"training on {name}: {reason}")
    return lines


def computer() -> str:
    """The system, the processor and NVIDIA's cards, in one line."""
    found = [platform.platform(), platform.processor() or platform.machine(), f"{cores()} cores"]
    if program := shutil.which("nvidia-smi"):
        query = [program, "--query-gpu=name,driver_version", "--format=csv,noheader"]
        found += subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()
    return "; ".join(found)


def sizes_of(text: str) -> list[tuple[int, int]]:
    """Widths and heights, from "640x360,1280x720"."""
    pairs = [part.split("x") for part in text.split(",")]
    return [(int(width), int(height)) for width, height in pairs]


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", default="", help="names, separated by commas; default: all that work")
    parser.add_argument("--photo", type=Path, default=EXAMPLE)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    parser.add_argument("--sizes", type=sizes_of, default=SIZES, help="default: 640x360 to 3840x2160")
    options = parser.parse_args(words)
    start = time.monotonic()
    print(f"impasto {impasto.__version__}; {computer()}")
    names = [name for name in options.devices.split(",") if name]
    if not names:
        found = [*states()]
        names = [device.name for device, problem in found if problem is None]
        print(f"devices that work: {', '.join([CPU, *names])}")
        for device, problem in found:
            if problem is not None:
                print(f"- {problem if problem.startswith('device') else f'device {device.name}: {problem}'}")
    rows, problems = measure(names, options.sizes, options.rounds, start + BUDGET, impasto.load_image(options.photo))
    print("\n| device | network | size | first, s | s | frames a second | largest difference | mean |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        size = f"{row.width} x {row.height}"
        rate = f"{1 / row.seconds:.1f}"
        print(
            f"| {row.device} | {row.network} | {size} | {row.first:.2f} | {row.seconds:.4f} | {rate} | {row.most} "
            f"| {row.mean:.3f} |"
        )
    learning = training()
    for text in (*problems, *learning):
        print(f"- {text}")
    if options.output is not None:
        record = {
            "computer": computer(),
            "version": impasto.__version__,
            "rows": [asdict(row) for row in rows],
            "problems": problems,
            "training": learning,
        }
        options.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    missed = [row for row in rows if row.most > MOST_LEVELS]
    parity = "missed" if missed else "kept" if any(row.device != CPU for row in rows) else "not checked: only the CPU"
    print(f"{len(rows)} rows in {time.monotonic() - start:.0f} s; parity {parity}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
