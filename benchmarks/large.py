"""Measure seconds and memory of whole `impasto stylize` processes on pictures of 1 to 100 megapixels.

    python benchmarks/large.py [--rounds 3]

An example photo is enlarged to each size and painted at its own size (`--stroke-size 0`), and the one of 100
megapixels with larger strokes as well. Seconds are medians of the time that the command prints, which includes reading
and writing; peak memory is the operating system's figure for the process.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import impasto
from impasto.pictures.resize import resize

EXAMPLE = Path(__file__).parents[1] / "examples" / "photos" / "castle.jpg"
SIZES = {1: (1160, 870), 4: (2320, 1740), 16: (4640, 3480), 36: (6960, 5220), 100: (11600, 8700)}
STYLE = "udnie"


def painted(photo: Path, out: Path, *flags: str) -> tuple[float, float]:
    """Seconds of painting, and the process's peak memory, GB."""
    command = [sys.executable, "-m", "impasto", "stylize", str(photo), "--style", STYLE, *flags, "--force", "--json"]
    with subprocess.Popen([*command, "-o", str(out)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{photo}: exit code {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return json.loads(said)["seconds"], usage.ru_maxrss * unit / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    example = impasto.load_image(EXAMPLE)
    print("| megapixels | flags | s | s a megapixel | peak memory, GB |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        for size, (width, height) in SIZES.items():
            photo = Path(name) / f"{size}.jpg"
            impasto.save_image(photo, resize(example, width, height))
            more = [("--stroke-size", "0.25"), ()] if size == max(SIZES) else []
            for flags in [("--stroke-size", "0"), ("--stroke-size", "0", "--fast"), *more]:
                found = [painted(photo, Path(name) / "out.jpg", *flags) for _ in range(options.rounds)]
                seconds, memory = (statistics.median(column) for column in zip(*found, strict=True))
                cells = f"{seconds:.2f} | {seconds / size:.3f} | {memory:.2f}"
                print(f"| {size} | {' '.join(flags)} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
