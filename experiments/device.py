"""The arms of the plan on one CUDA GPU, in under twelve minutes.

    python -m experiments device --data FOLDER [--minutes 11]

All arms of a stage advance at equal pace, and all stages to one rung after another, so that whatever the time allows
can be compared. Checkpoints are kept in the work folder after every slice: the same command goes on. The records go to
results/published_gpu; where they are, the page shows them in place of those of a CPU.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from experiments.lab import HERE
from experiments.plan import QUICK, STAGES, advance
from experiments.published import RECORDS_GPU, Scale, Studio
from impasto.errors import ImpastoError
from impasto.training.device import choose_device

RUNGS = (500, 1000, 2000, 4000, 8000)
"""Steps that all stages reach before any goes on."""
MARGIN = 20.0
"""Seconds that are left at the end for what was begun: a slice with its held-out photos."""


def run(
    studio: Studio, seconds: float, rungs: Sequence[int] = RUNGS, clock: Callable[[], float] = time.monotonic
) -> bool:
    """Advance all stages until the last rung, or until the time is over; returns whether all is done."""
    end = clock() + seconds
    for rung in rungs:
        for stage in STAGES:
            learnings = advance(studio, stage.arms, rung, lambda: clock() < end)
            if any(one.step < rung and not one.exploded for one in learnings):
                studio.say(f"out of time in stage '{stage.title}', on the way to {rung} steps")
                return False
        studio.say(f"all networks have reached {rung} steps")
    return True


def main(arguments: Sequence[str], say: Callable[[str], None]) -> int:
    """Run it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m experiments device", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with content/open and styles; else the built-in photos")
    parser.add_argument("--minutes", type=float, default=11.0, help="of this run, start and end included")
    parser.add_argument("--device", default="cuda", help="cuda, or cpu to try it with --quick")
    parser.add_argument("--quick", action="store_true", help="tiny: shows that everything runs")
    parser.add_argument("--work", type=Path, default=HERE.parent / "runs" / "gpu", help="where checkpoints are kept")
    options = parser.parse_args(arguments)
    begun = time.monotonic()
    try:
        device = choose_device(options.device)
        torch.backends.cudnn.allow_tf32 = False  # held-out photos are evaluated in float32
        scale = QUICK if options.quick else Scale()
        records = options.work / "results" / "published_gpu" if options.quick else RECORDS_GPU
        studio = Studio(options.data, scale, options.work, records, device, say)
        rungs = (2, 4) if options.quick else RUNGS
        run(studio, 60 * options.minutes - MARGIN - (time.monotonic() - begun), rungs)
    except ImpastoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
