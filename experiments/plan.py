"""What is trained at the papers' scale, in which order, and what it costs.

    python -m experiments published --data FOLDER [--stage N] [--steps N]
    python -m experiments plan [--time] [--agree] [--data FOLDER]

``published`` advances the arms stage by stage; it can be stopped at any time and goes on where it was. ``plan`` prints
the table of seconds a step x steps x arms, with what is done; with --time it first measures the seconds here, with
--agree how far bfloat16 agrees with float32.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from experiments.lab import HERE
from experiments.published import RECORDS, Arm, Learning, Scale, Studio
from impasto.errors import ImpastoError, TrainingError
from impasto.files import replacing
from impasto.processor import cores

STEPS = 4000
"""Of each arm."""
NORMS = ("instance", "batch")
FEW = 16
"""The papers' number of photos."""
QUICK = Scale(batch=2, crop=64, photos=2, photo_size=96, first_marks=(0,), mark_every=4, slice=2)
TIMED_STEPS = 3


@dataclass(frozen=True)
class Stage:
    """Arms that are compared with each other, and so advance together."""

    claim: str
    """Module of the claim that they decide."""
    title: str
    arms: tuple[Arm, ...]


def _pair(generator: str, seed: int = 0, **changed: Any) -> tuple[Arm, ...]:
    return tuple(Arm(generator, norm, seed, **changed) for norm in NORMS)


STAGES = (
    Stage("norms", "residual, half width", _pair("residual", width=16)),
    Stage("norms", "texture pyramid", _pair("texture")),
    Stage("norms", "residual, half width, seed 1", _pair("residual", 1, width=16)),
    Stage("norms", "residual, half width, seed 2", _pair("residual", 2, width=16)),
    Stage("norms", "texture pyramid, seed 1", _pair("texture", 1)),
    Stage("norms", "texture pyramid, seed 2", _pair("texture", 2)),
    Stage("norms", "residual, full width", _pair("residual", width=32)),
    Stage("norms", "residual, half width, our objective", _pair("residual", width=16, objective="ours")),
    Stage("few_photos", "texture pyramid, 16 photos", (Arm("texture", "batch", photos=FEW),)),
    Stage("recipes", "texture network of 2016, with noise", (Arm("samples", "batch"),)),
)
"""In the order that decides most. Claims 2 and 3 are measured with the networks of claim 1; claim 4 compares with its
texture pyramid, and claim 8 shows a network of claim 1 for two recipes."""


def arms() -> Iterator[Arm]:
    """All arms, in their order."""
    for stage in STAGES:
        yield from stage.arms


def advance(
    studio: Studio, together: Sequence[Arm], steps: int, going_on: Callable[[], bool] = lambda: True
) -> list[Learning]:
    """Bring these arms to so many steps at equal pace, so that they can be compared whenever they are stopped.

    Args:
        studio: what they learn from.
        together: the arms.
        steps: in all, those of earlier runs included.
        going_on: asked before each slice whether there is time for it.
    """
    learnings = [Learning(studio, arm) for arm in together]
    while behind := [one for one in learnings if one.step < steps and not one.exploded]:
        if not going_on():
            break
        last = min(behind, key=lambda one: one.step)
        last.advance(min(studio.scale.slice, steps - last.step))
    return learnings


def kind(arm: Arm) -> str:
    """What an arm's seconds a step depend on: its record's name without seed and number of photos."""
    return replace(arm, seed=0, photos=0).name.removesuffix("-0")


def measure_agreement(studio: Studio, wanted: Sequence[Arm]) -> dict[str, tuple[float, float]]:
    """Of each arm that has begun, where it is: see :meth:`Learning.agreement`."""
    begun = [Learning(studio, arm) for arm in wanted if (studio.records / f"{arm.name}.json").exists()]
    found = {}
    for learning in begun:
        ratio, cosine = learning.agreement()
        found[learning.arm.name] = (round(ratio, 5), round(cosine, 5))
        studio.say(
            f"{learning.arm.name}: bfloat16 beside float32: objective x {ratio:.4f}, gradients' cosine {cosine:.4f}"
        )
    return found


def measure_seconds(studio: Studio, wanted: Sequence[Arm]) -> dict[str, float]:
    """Seconds a step of each kind of arm, here and now: the least of a few steps after the first."""
    found: dict[str, float] = {}
    for arm in wanted:
        if kind(arm) not in found:
            learning = Learning(studio, arm, fresh=True)
            found[kind(arm)] = min(learning.timed_steps(1 + TIMED_STEPS)[1:])
            studio.say(f"{kind(arm)}: {found[kind(arm)]:.2f} s a step")
    return found


def load_records(folder: Path = RECORDS) -> dict[str, dict[str, Any]]:
    """The records of all arms that have begun, by name."""
    files = sorted(folder.glob("*-[0-9]*.json"))
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


@dataclass(frozen=True)
class Cost:
    """One line of the plan."""

    stage: Stage
    seconds: float
    """A step, mean over the stage's arms."""
    done: tuple[int, ...]
    """Steps of each arm."""

    @property
    def hours(self) -> float:
        """Of all its arms, from the first step to the last."""
        return self.seconds * STEPS * len(self.stage.arms) / 3600

    @property
    def hours_left(self) -> float:
        return self.seconds * sum(max(0, STEPS - done) for done in self.done) / 3600


def costs(records: dict[str, dict[str, Any]], folder: Path = RECORDS) -> list[Cost]:
    """The plan, line by line; of steps that were timed on their own, as arms may have shared their core."""
    file = folder / "seconds.json"
    if not file.exists():
        return []
    timed = json.loads(file.read_text(encoding="utf-8"))["seconds"]
    found = []
    for stage in STAGES:
        seconds = [timed[kind(arm)] for arm in stage.arms if kind(arm) in timed]
        done = tuple(records[arm.name]["step"] if arm.name in records else 0 for arm in stage.arms)
        if seconds:
            found.append(Cost(stage, sum(seconds) / len(seconds), done))
    return found


def table(records: dict[str, dict[str, Any]], folder: Path = RECORDS) -> str:
    """The plan as text."""
    lines = [f"{'stage':<40} {'s a step':>8}   {'steps':>5}   arms {'hours':>6}   done"]
    lines += [
        f"{number}. {one.stage.title:<37} {one.seconds:8.2f} x {STEPS:5} x {len(one.stage.arms):4} "
        f"{one.hours:6.1f}   {' and '.join(map(str, one.done))} steps"
        for number, one in enumerate(costs(records, folder), 1)
    ]
    return "\n".join(lines)


def studio_for(
    data: Path | None, work: Path, *, quick: bool, device: torch.device, say: Callable[[str], None]
) -> Studio:
    """The photos and the scale of a run; a quick one writes nothing into the repository."""
    records = work / "results" / "published" if quick else RECORDS
    return Studio(data, QUICK if quick else Scale(), work, records, device, say)


def main(arguments: Sequence[str], say: Callable[[str], None]) -> int:
    """Run ``published`` or ``plan``; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("published", "plan"))
    parser.add_argument("--data", type=Path, help="folder with content/open and styles; else the built-in photos")
    parser.add_argument("--stage", type=int, action="append", help=f"1 to {len(STAGES)}, may be repeated; else all")
    parser.add_argument("--steps", type=int, help=f"of each arm in all; else {STEPS}")
    parser.add_argument("--quick", action="store_true", help="tiny: shows that everything runs")
    parser.add_argument("--time", action="store_true", help="measure seconds a step here")
    parser.add_argument("--agree", action="store_true", help="compare bfloat16 with float32, of what has begun")
    parser.add_argument("--work", type=Path, default=HERE.parent / "runs" / "paper", help="where checkpoints are kept")
    options = parser.parse_args(arguments)
    chosen = options.stage or range(1, len(STAGES) + 1)
    if not all(1 <= number <= len(STAGES) for number in chosen):
        parser.error(f"--stage: 1 to {len(STAGES)}")
    if options.what == "plan" and not (options.time or options.agree):
        print(table(load_records()))
        return 0
    torch.set_num_threads(cores())
    try:
        studio = studio_for(options.data, options.work, quick=options.quick, device=torch.device("cpu"), say=say)
        stages = [STAGES[number - 1] for number in chosen]
        if options.agree:
            both = [arm for stage in stages for arm in stage.arms]
            keep_measured(studio, "agreement", measure_agreement(studio, both))
        if options.what == "plan":
            if not options.time:
                return 0
            seconds = measure_seconds(studio, [arm for stage in stages for arm in stage.arms])
            keep_measured(studio, "seconds", {name: round(value, 3) for name, value in sorted(seconds.items())})
            print(table(load_records(studio.records), studio.records))
            return 0
        for stage in stages:
            say(f"{stage.title}")
            advance(studio, stage.arms, options.steps or (4 if options.quick else STEPS))
    except ImpastoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def keep_measured(studio: Studio, what: str, values: dict[str, Any]) -> None:
    """Keep a measurement of steps, and where it was made."""
    studio.records.mkdir(parents=True, exist_ok=True)
    file = studio.records / "seconds.json"
    kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    kept |= {what: values, "machine": studio.machine, "scale": asdict(studio.scale)}
    with replacing(file, TrainingError) as part:
        part.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
