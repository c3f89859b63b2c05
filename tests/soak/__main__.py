"""python -m tests.soak [--count 500] [--seed 0] [--fast] [--keep FOLDER]."""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import impasto
from impasto.models.catalog import Variant
from tests.soak.pictures import LARGEST, Sample, formats, write_sample

GROWTH = 0.10
"""Memory may grow by this share from the second quarter of a run to the last."""
SLACK_MB = 30
"""What an allocator may keep besides."""
ENOUGH = 200
"""Pictures from which on memory is compared: before, engines and allocators are still warming up."""
WARM_UP = ((2048, 2048), (LARGEST, LARGEST))
"""The first pictures of such a run: the largest that is painted whole, and the largest of all.

Engines keep memory for the largest picture that they have painted, so that it grows until then.
"""


def resident_mb(process: int) -> float:
    """Resident memory of a process in MB; nan where the system does not tell (only Linux does, without psutil)."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return float("nan")
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@dataclass
class Run:
    """What one way through the pictures gave."""

    name: str
    memory: list[float] = field(default_factory=list)
    painted: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def quarters(self) -> list[float]:
        """The median of the resident memory in each quarter of the run, MB."""
        known = [value for value in self.memory if value == value]
        if len(known) < 4:
            return []
        step = len(known) / 4
        parts = [sorted(known[int(i * step) : int((i + 1) * step)]) for i in range(4)]
        return [part[len(part) // 2] for part in parts]

    def complaints(self, samples: Iterable[Sample]) -> list[str]:
        """What is wrong: lost pictures, failures of sound files, failures that do not name their file, growth."""
        found = []
        for sample in samples:
            name = sample.path.name
            if name not in self.painted and name not in self.failed:
                found.append(f"{name}: lost")
            if name in self.painted and name in self.failed:
                found.append(f"{name}: painted and failed")
            message = self.failed.get(name)
            if message is not None:
                if not sample.damage:
                    found.append(f"{name}: {sample.width} x {sample.height}, sound, failed: {message}")
                if name not in message or "\n" in message:
                    found.append(f"{name}: its failure is not one line that names it: {message!r}")
        quarters = self.quarters()
        if len(self.memory) >= ENOUGH and quarters and quarters[3] > quarters[1] * (1 + GROWTH) + SLACK_MB:
            found.append(f"memory grows: {', '.join(f'{value:.0f}' for value in quarters)} MB by quarters")
        return found

    def line(self) -> str:
        """One line of figures."""
        quarters = ", ".join(f"{value:.0f}" for value in self.quarters()) or "not measured"
        count = len(self.painted) + len(self.failed)
        return (
            f"{self.name}: {count} pictures in {self.seconds:.0f} s, {len(self.painted)} painted, "
            f"{len(self.failed)} failed; memory by quarters {quarters} MB"
        )


def by_api(samples: Iterable[Sample], style: str, variant: Variant) -> Run:
    """Read, paint and encode every picture in this process."""
    run, start = Run("API"), time.perf_counter()
    stylizer = impasto.load(style, variant=variant)
    for sample in samples:
        try:
            photo = impasto.load_image(sample.path)
            painting = stylizer(photo)
            assert painting.shape == photo.shape
            assert sample.damage or painting.shape == (sample.height, sample.width, 3), sample
            impasto.save_image(io.BytesIO(), painting, format="png")
            run.painted.add(sample.path.name)
        except impasto.ImpastoError as error:
            run.failed[sample.path.name] = str(error)
        run.memory.append(resident_mb(os.getpid()))
    run.seconds = time.perf_counter() - start
    return run


def by_command(samples: Iterable[Sample], folder: Path, output: Path, style: str, variant: Variant) -> Run:
    """Repaint the folder with one `impasto stylize`, and watch its memory from outside."""
    run, start = Run("command"), time.perf_counter()
    words = ["stylize", str(folder), "-o", str(output), "--style", style, f"--{variant}", "--json"]
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "impasto", *words], stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        assert process.stdout is not None
        for text in process.stdout:
            record = json.loads(text)
            name = Path(record["input"]).name
            if "error" in record:
                run.failed[name] = record["error"]
            else:
                assert Path(record["output"]).stat().st_size > 0
                run.painted.add(name)
            run.memory.append(resident_mb(process.pid))
        code = process.wait()
        expected = 1 if run.failed else 0
        errors.seek(0)
        assert code == expected, f"exit code {code}: {errors.read()[-2000:]}"
    run.seconds = time.perf_counter() - start
    return run


def soak(count: int, seed: int, folder: Path, style: str, variant: Variant = "best") -> list[str]:
    """Make the pictures, run both ways, print the figures and return what is wrong."""
    inputs = folder / "inputs"
    inputs.mkdir(parents=True)
    names = formats()
    first = WARM_UP if count >= ENOUGH else ()
    samples = [write_sample(inputs, number, seed, names, sides) for number, sides in enumerate(first)]
    samples += [write_sample(inputs, number, seed, names) for number in range(len(first), count)]
    sides = sorted(side for sample in samples for side in (sample.width, sample.height))
    print(
        f"{count} pictures ({', '.join(names)}), {sum(bool(sample.damage) for sample in samples)} damaged, "
        f"sides {sides[0]} to {sides[-1]}, median {sides[len(sides) // 2]} pixels",
        flush=True,
    )
    found = []
    for way in ("API", "command"):
        if way == "API":
            run = by_api(samples, style, variant)
        else:
            run = by_command(samples, inputs, folder / "painted", style, variant)
        print(run.line(), flush=True)
        found += [f"{run.name}: {text}" for text in run.complaints(samples)]
    return found


def main() -> int:
    """Return 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description="Repaint mixed pictures, and watch memory and losses.")
    parser.add_argument("--count", type=int, default=500, help="number of pictures; the full test has 10,000")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--style", default="udnie", help="shipped style")
    parser.add_argument("--fast", action="store_true", help="with the fast network")
    parser.add_argument("--keep", type=Path, help="folder for the pictures, which must not exist; default: temporary")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = options.keep or Path(place) / "soak"
        found = soak(options.count, options.seed, folder, options.style, "fast" if options.fast else "best")
    for text in found:
        print(text)
    print("passed" if not found else f"{len(found)} complaints")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
