"""Compare Ray with the same number of local processes, and time a list of a million paths on Ray.

    python benchmarks/cluster.py pace [--photos 80] [--rounds 3] [--workers 2]
    python benchmarks/cluster.py list [--counts 10000,100000,1000000]

`pace` paints photos of one megapixel with `impasto stylize --ray`, and with one `--shard` process for each worker,
alternating, each with one thread and the priority of Ray's workers. The whole time runs from the start of the command
to its end; the rate is that of the results between the first tenth and seven tenths of them, when all workers are busy
on both sides.

`list` starts `impasto stylize --ray --list` with lists of several lengths, whose paths all exist (links to a thousand
small files). It prints when the first result is there, and the command's memory after 500 results, when it is stopped.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from stopwatch import timed

import impasto
from impasto.pictures.folders import find_images
from impasto.pictures.resize import resize

EXAMPLES = Path(__file__).parents[1] / "examples" / "photos"
COMMAND = [sys.executable, "-m", "impasto", "stylize", "--style", "udnie", "--threads", "1", "--json"]
NICENESS = 15
"""Of Ray's workers, by default."""
BUSY = (0.1, 0.7)
"""The share of results between which the rate is measured."""
RESULTS = 500
SMALL = 1000
"""Small files behind a list."""


# ---- the pace ------------------------------------------------------------------------------------------------------


def pace(folder: Path, photos: int, rounds: int, workers: int) -> None:
    """Print the whole time and the rate of both sides, and their ratio."""
    source = folder / "photos"
    source.mkdir()
    examples = [resize(impasto.load_image(path), 1248, 832) for path in find_images(EXAMPLES)]
    for number in range(photos):
        impasto.save_image(source / f"{number:03}.jpg", examples[number % len(examples)])
    sides = {
        "Ray": [["--ray"]],
        "processes": [["--shard", f"{part}/{workers}"] for part in range(1, workers + 1)],
    }
    whole: dict[str, list[float]] = {name: [] for name in sides}
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name, parts in sides.items():
            output = folder / f"{name}-{number}"
            first = [] if name == "Ray" else ["nice", "-n", str(NICENESS)]
            commands = [[*first, *COMMAND, str(source), "-o", str(output), *part] for part in parts]
            whole[name].append(timed(lambda commands=commands: _run_all(commands)))  # type: ignore[misc]
            finished = sorted(path.stat().st_mtime for path in output.iterdir())
            assert len(finished) == photos
            begin, end = (int(share * photos) for share in BUSY)
            rates[name].append((end - begin) / (finished[end] - finished[begin]))
            text = f"{whole[name][-1]:.1f} s, {rates[name][-1]:.2f} photos a second when busy"
            print(f"round {number + 1}, {name}: {text}", flush=True)
    seconds = {name: statistics.median(found) for name, found in whole.items()}
    rate = {name: statistics.median(found) for name, found in rates.items()}
    for name in sides:
        print(f"{name}: {seconds[name]:.1f} s, {rate[name]:.2f} photos a second when busy")
    paired = [mine / other for mine, other in zip(rates["Ray"], rates["processes"], strict=True)]
    print(
        f"Ray: {statistics.median(paired):.2f} x the rate of processes ({min(paired):.2f} to {max(paired):.2f}), "
        f"{seconds['Ray'] - seconds['processes']:.1f} s more in all"
    )


def _run_all(commands: Sequence[Sequence[str]]) -> None:
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]
    if any(code != 0 for code in [process.wait() for process in running]):
        raise SystemExit("a command failed")


# ---- a long list ---------------------------------------------------------------------------------------------------


def long_lists(folder: Path, counts: Sequence[int]) -> None:
    """Print seconds to the first result and the command's memory, for each length."""
    small = folder / "small"
    small.mkdir()
    picture = small / "0000.png"
    impasto.save_image(picture, resize(impasto.load_image(find_images(EXAMPLES)[0]), 48, 32))
    for number in range(1, SMALL):
        (small / f"{number:04}.png").hardlink_to(picture)
    for number in range(-(-max(counts) // SMALL)):
        (folder / f"{number:05}").symlink_to(small)
    for count in counts:
        listed = folder / "paths.txt"
        names = (f"{number // SMALL:05}/{number % SMALL:04}.png\n" for number in range(count))
        listed.write_text("".join(names), encoding="utf-8")
        output = folder / f"painted-{count}"
        start = time.perf_counter()
        command = [*COMMAND, "--list", str(listed), "-o", str(output), "--ray"]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        process.stdout.readline()
        first = time.perf_counter() - start
        for _ in range(RESULTS - 1):
            process.stdout.readline()
        memory = _memory(process.pid)
        process.send_signal(signal.SIGINT)
        process.communicate()
        print(f"{count} paths: first result after {first:.1f} s; after {RESULTS}, {memory} MB", flush=True)


def _memory(process: int) -> int:
    """Memory of a process at its highest, in MB."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(peak) // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=("pace", "list"))
    parser.add_argument("--photos", type=int, default=80)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes; Ray starts one for each core"
    )
    parser.add_argument("--counts", default="10000,100000,1000000")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if options.part == "pace":
            pace(Path(name), options.photos, options.rounds, options.workers)
        else:
            long_lists(Path(name), [int(count) for count in options.counts.split(",")])


if __name__ == "__main__":
    main()
