"""The end of a run: measure what was learnt, write it, and tell how it went."""

import contextlib
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from impasto import __version__
from impasto.evaluation.artefacts import Artefacts
from impasto.pictures.write import save_image
from impasto.training.environment import interruptible, seeded
from impasto.training.export import write_result
from impasto.training.run import Run

RANGE_CROPS = 4
"""Crops that are painted to find the ranges of features, for 8 bits."""


@dataclass(frozen=True)
class TrainResult:
    """What a run made, and how it went.

    Attributes:
        model: the model or style file; for several styles, the folder with the network and the styles.
        folder: the run's folder: config.json, log.jsonl, preview.jpg, checkpoint.pt.
        preview: a contact sheet of style, photo and result.
        steps: steps done.
        seconds: time spent learning.
        finished: False after an interruption; the run can be resumed.
        from_base: whether it started from a shared network.
        content_error: content error on held-out photos at 512 px, as ``impasto evaluate`` defines it; lower is better.
        style_error: style error, likewise.
        objective: content error plus four times the style error.
        artefacts: measured artefacts on held-out photos.
        equal_evaluations: how many evaluations of Gatys' optimisation reach the same objective on one held-out photo;
            inf for more than the tried number, None for an unfinished run or an interrupted comparison.
        unreadable: pictures that could not be read, with the reason.
    """

    model: Path
    folder: Path
    preview: Path
    steps: int
    seconds: float
    finished: bool
    from_base: bool
    content_error: float
    style_error: float
    objective: float
    artefacts: Artefacts
    equal_evaluations: float | None
    unreadable: dict[Path, str]


def finish(run: Run, *, finished: bool, announce: Callable[[str], None]) -> TrainResult:
    """Measure the generator and write the preview, the result and the checkpoint.

    Under torchrun only the first process does; the others return a result without measures.

    Args:
        run: the run after its last step.
        finished: False if it was interrupted.
        announce: called with a line for the user before the work.
    """
    if not run.world.first:
        nan = float("nan")
        nothing = Artefacts(**{field.name: nan for field in fields(Artefacts)})
        return _result(run, finished, dict.fromkeys(("content", "style", "objective"), nan), nothing, None)
    generator = run.learner.generator
    with interruptible() as interrupted:  # one Ctrl-C does not interrupt the writing
        announce("measuring the result, up to a minute more" if finished else "writing what there is")
        run.write_checkpoint(finished=False)
        save_image(run.preview, run.held_out.sheet(run.paint))
        found = run.held_out.evaluate(run.paint)
        measured = {"content": found.content_error, "style": found.style_error, "objective": found.objective}
        artefacts = found.artefacts
        crops = [run.pool.cut(i, run.config.recipe.crop).to(run.world.device) for i in range(RANGE_CROPS)]
        with seeded(run.config.seed):
            write_result(generator, run.config, _record(run, measured, artefacts), run.base, crops)
        if finished:  # only now: if the export fails, resuming repeats it
            run.write_checkpoint(finished=True)
    equal = None
    if finished and not interrupted():
        with contextlib.suppress(KeyboardInterrupt):  # everything is written: this comparison may be skipped
            equal = run.held_out.equal_evaluations(run.paint)
    return _result(run, finished, measured, artefacts, equal)


def _record(run: Run, measured: dict[str, float], artefacts: Artefacts) -> dict[str, Any]:
    """How the result was trained, for the model file."""
    config, state = run.config, run.learner.state
    return {
        "preset": config.preset,
        "start": "base" if run.learner.from_base else "nothing",
        "learnt": "scales and shifts" if config.style_only else "everything",
        "steps": state.step,
        "seconds": round(state.seconds, 1),
        "seed": config.seed,
        "content": "built-in" if config.content is None else config.content.name,
        "photos": run.photos,
        "crops": config.recipe.pool or state.step * config.recipe.batch,
        "loss_network": run.loss_record,
        "objective": {name: round(value, 4) for name, value in measured.items()},
        "artefacts": {name: round(value, 2) for name, value in asdict(artefacts).items() if math.isfinite(value)},
        "impasto": __version__,
    }


def _result(
    run: Run, finished: bool, measured: dict[str, float], artefacts: Artefacts, equal: float | None
) -> TrainResult:
    return TrainResult(
        model=run.config.output,
        folder=run.folder,
        preview=run.preview,
        steps=run.learner.state.step,
        seconds=run.learner.state.seconds,
        finished=finished,
        from_base=run.learner.from_base,
        content_error=measured["content"],
        style_error=measured["style"],
        objective=measured["objective"],
        artefacts=artefacts,
        equal_evaluations=equal,
        unreadable={**run.held_out.unreadable, **run.pool.unreadable},
    )
