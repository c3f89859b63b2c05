"""The end of a run: evaluate the generator, write the result, and return a summary."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impasto import __version__
from impasto.evaluation.scores import Evaluation
from impasto.nn.generators import LightGenerator
from impasto.pictures.write import save_image
from impasto.training.contrast import match_contrast
from impasto.training.environment import interruptible, seeded
from impasto.training.export import write_result
from impasto.training.run import Run

CROPS = 6
"""Number of crops on which the contrast of paintings is measured."""
RANGE_CROPS = 4
"""Number of them on which feature ranges are measured for 8-bit quantization."""


@dataclass(frozen=True)
class TrainResult:
    """The result of a run.

    Attributes:
        model: the model or style file; for several styles, the folder with the network and the styles.
        folder: the run's folder: config.json, log.jsonl, preview.jpg, checkpoint.pt.
        preview: a contact sheet of style, photo and result.
        steps: steps done.
        seconds: training time.
        finished: False after an interruption; the run can be resumed.
        from_base: whether it started from a shared network.
        evaluation: how good the result is on held-out photos at 512 px, see :func:`impasto.evaluate`; None under
            torchrun in all processes but the first.
        equal_evaluations: how many evaluations of Gatys' optimization reach the same objective on one held-out photo;
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
    evaluation: Evaluation | None
    equal_evaluations: float | None
    unreadable: dict[Path, str]


def finish(run: Run, *, finished: bool, announce: Callable[[str], None]) -> TrainResult:
    """Measure the generator and write the preview, the result and the checkpoint.

    Under torchrun only the first process does this; the others return a result without scores.

    Args:
        run: the run after its last step.
        finished: False if it was interrupted.
        announce: called with a line for the user before the work.
    """
    if not run.world.first:
        return _result(run, finished, None, None)
    generator = run.learner.generator
    with interruptible() as interrupted:  # one Ctrl-C does not interrupt the writing
        announce("measuring the result, up to a minute more" if finished else "writing what there is")
        run.write_checkpoint(finished=False)
        crops = [run.pool.cut(i, run.config.recipe.crop).to(run.world.device) for i in range(CROPS)]
        if isinstance(generator, LightGenerator):
            match_contrast(generator, run.contrasts, crops)
        save_image(run.preview, run.held_out.sheet(run.paint))
        evaluation = run.held_out.evaluate(run.paint)
        with seeded(run.config.seed):
            write_result(generator, run.config, _record(run, evaluation), run.base, crops[:RANGE_CROPS])
        if finished:  # only now: if the export fails, resuming repeats it
            run.write_checkpoint(finished=True)
    equal = None
    if finished and not interrupted():
        with contextlib.suppress(KeyboardInterrupt):  # everything is written: this comparison may be skipped
            equal = run.held_out.equal_evaluations(run.paint)
    return _result(run, finished, evaluation, equal)


def _record(run: Run, evaluation: Evaluation) -> dict[str, Any]:
    """The training record, for the model file."""
    config, state = run.config, run.learner.state
    return {
        "preset": config.preset,
        "start": "base" if run.learner.from_base else "nothing",
        "learned": "scales and shifts" if config.style_only else "everything",
        "steps": state.step,
        "seconds": round(state.seconds, 1),
        "seed": config.seed,
        "content": "built-in" if config.content is None else config.content.name,
        "photos": run.photos,
        "crops": config.recipe.pool or state.step * config.recipe.batch,
        "loss_network": run.loss_record,
        **evaluation.record(),
        "impasto": __version__,
    }


def _result(run: Run, finished: bool, evaluation: Evaluation | None, equal: float | None) -> TrainResult:
    return TrainResult(
        model=run.config.output,
        folder=run.folder,
        preview=run.preview,
        steps=run.learner.state.step,
        seconds=run.learner.state.seconds,
        finished=finished,
        from_base=run.learner.from_base,
        evaluation=evaluation,
        equal_evaluations=equal,
        unreadable={**run.held_out.unreadable, **run.pool.unreadable},
    )
