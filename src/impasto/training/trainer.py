"""The training loop, for one process or several under torchrun.

Crops, styles and noise are functions of (seed, step), so there is no random state. An interrupted and resumed run ends
with the same weights as an uninterrupted one.
"""

import copy
import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from impasto.errors import ImpastoError, TrainingError
from impasto.nn.losses import LossTerms
from impasto.pictures.write import save_image
from impasto.processor import cores
from impasto.training import distributed
from impasto.training.config import TrainConfig
from impasto.training.draws import draw_frame, draw_noise
from impasto.training.environment import interruptible, torch_threads
from impasto.training.progress import Log, Progress
from impasto.training.result import TrainResult, finish
from impasto.training.run import Run, prepare
from impasto.training.style_pictures import warn_small

REPORT_SECONDS = 60.0
"""Interval at which a run evaluates held-out photos and writes its preview and checkpoint."""
FIRST_REPORT_SECONDS = 15.0
"""The first of these comes sooner, so that a short run shows what it learns."""
LOG_STEPS = 10
"""Number of steps between lines of the log."""
SNAPSHOT_STEPS = 50
"""Number of steps between snapshots of the state in memory, which are restored if the loss explodes."""
MAXIMUM_ROLLBACKS = 5


def train(
    config: TrainConfig,
    *,
    resume: bool = False,
    restart: bool = False,
    progress: Callable[[Progress], None] = lambda _: None,
) -> TrainResult:
    """Train as ``config`` says and write the model to ``config.output``.

    The run's folder is beside the model (``MODEL.run``): config.json, log.jsonl, preview.jpg and checkpoint.pt.
    Ctrl-C ends the run after the current step and writes all files. Torch's number of threads, the random state and the
    signal handlers are restored at the end.

    Args:
        config: the configuration of the run.
        resume: continue the unfinished run of this output. Its configuration must be the same, except for the budget.
        restart: replace an unfinished run, or an existing result.
        progress: called after every step, and once more before the result is measured, in this thread.

    Raises:
        TrainingError: if there is nothing to learn from, the output cannot be written, the run cannot be resumed, or
            its loss keeps exploding.
        UsageError: if the output exists already, or torch does not have the device.
        ImageError: if a style picture cannot be read.
    """
    world = distributed.join(config.device)
    with torch_threads(config.threads or max(1, cores() // world.size)):
        run = prepare(config, world, resume=resume, restart=restart)
        finished = _learn(run, progress)
        with world.leave_together():
            return finish(run, finished=finished, announce=lambda text: progress(_progress(run, message=text)))


def _learn(run: Run, progress: Callable[[Progress], None]) -> bool:
    """Take steps until the budget is spent; returns False if interrupted before."""
    config, learner, world = run.config, run.learner, run.world
    log = Log(run.folder / "log.jsonl", append=learner.state.step > 0) if world.first else None
    # Two snapshots, as the newer one may contain the start of an explosion.
    snapshots = deque([copy.deepcopy(learner.state_dict())], maxlen=2)
    held_out: dict[str, float] | None = None
    message = warn_small(config.styles, run.pictures, config.recipe.style_size)
    reported, wait = time.monotonic(), min(FIRST_REPORT_SECONDS, REPORT_SECONDS)
    with interruptible() as interrupted:
        while True:
            begun = time.monotonic()
            fraction, stop = world.agree(run.fraction, interrupted())
            if stop or fraction >= 1.0:
                return fraction >= 1.0
            learner.set_rates(fraction)
            size = config.recipe.first_crop if fraction < config.recipe.grow_at else config.recipe.crop
            terms = _gradients(run, fraction, size)
            if learner.exploded(*_mean_terms(run, terms)):
                message = _roll_back(run, snapshots)
                continue
            _update(run)
            if learner.state.step % SNAPSHOT_STEPS == 0:
                snapshots.append(copy.deepcopy(learner.state_dict()))

            due = world.first and time.monotonic() - reported > wait
            if due:
                wait = REPORT_SECONDS
                held_out = run.held_out.quick(run.paint)
                learner.state.seconds += time.monotonic() - begun
                begun = reported = time.monotonic()
                message = _save(run) or message
            learner.state.seconds += time.monotonic() - begun
            if log is not None:
                current = _progress(run, held_out, message)
                progress(current)
                if due or message or learner.state.step % LOG_STEPS == 1:
                    log.write(current, size)
            message = None


def _gradients(run: Run, fraction: float, size: int) -> LossTerms:
    """Paint this process's share of the next batch, and accumulate the gradient of the whole batch's objective."""
    recipe, seed, device = run.config.recipe, run.config.seed, run.world.device
    learner, generator = run.learner, run.learner.generator
    batch = _batch(run)
    items = run.world.share(batch)
    left, right, above, below = draw_frame(batch[0], recipe.jitter, seed)
    noise = draw_noise(generator, items, (size + above + below, size + left + right), seed, device)
    which, strength = learner.draw_styles(items, seed)
    weight, strength = learner.style_weight(fraction), strength.to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=run.bfloat16):
        photos, target = run.targets.get([run.pool.index(item) for item in items], size)
        framed = F.pad(photos, [left, right, above, below], mode="reflect")
        painted = generator(framed, noise, generator.style_weights(which, strength))
        painted = painted[:, :, above : above + size, left : left + size]
        terms: LossTerms = run.loss(painted, target, weight, which, strength)
    for optimizer, _ in learner.optimizers:
        optimizer.zero_grad(set_to_none=True)
    terms.total.mean().backward()  # type: ignore[no-untyped-call]  # missing in torch's annotations
    run.world.average_gradients(generator)
    return terms


def _mean_terms(run: Run, terms: LossTerms) -> tuple[float, float]:
    """The batch's content and style terms; nan if a gradient is not finite, as a step would destroy the weights."""
    content, style = run.world.mean_terms(terms)
    finite = all(bool(p.grad.isfinite().all()) for p in run.learner.generator.parameters() if p.grad is not None)
    return (content if finite else math.nan), style


def _update(run: Run) -> None:
    """Step along the gradients."""
    learner = run.learner
    learner.clip_gradients()
    for optimizer, _ in learner.optimizers:
        optimizer.step()
    learner.state.step += 1


def _roll_back(run: Run, snapshots: deque[dict[str, Any]]) -> str:
    """Restore the older snapshot and halve the learning rate; returns a message for the user.

    Raises:
        TrainingError: if this happens too often.
    """
    learner, exploded = run.learner, run.learner.state
    while len(snapshots) > 1:
        snapshots.pop()
    learner.load_state_dict(snapshots[0])
    learner.state.seconds = exploded.seconds
    learner.state.rollbacks = exploded.rollbacks + 1
    learner.state.rate = 0.5**learner.state.rollbacks
    if learner.state.rollbacks > MAXIMUM_ROLLBACKS:
        raise TrainingError(f"{run.folder}: the loss keeps exploding: lower --muon-rate, --adam-rate and --style-rate")
    return f"the loss exploded at step {exploded.step}: back to {learner.state.step} at half the learning rate"


def _save(run: Run) -> str | None:
    """Write checkpoint and preview. Returns a message if that fails; writing is tried again later."""
    try:
        run.write_checkpoint(finished=False)
        save_image(run.preview, run.held_out.sheet(run.paint))
    except ImpastoError as error:
        return f"not saved on the way: {error}"
    return None


def _batch(run: Run) -> range:
    """The items of the next step, of all processes."""
    step, size = run.learner.state.step, run.config.recipe.batch
    return range(step * size, (step + 1) * size)


def _progress(run: Run, held_out: dict[str, float] | None = None, message: str | None = None) -> Progress:
    state = run.learner.state
    fraction = min(1.0, run.fraction)
    return Progress(
        step=state.step,
        fraction=fraction,
        seconds=state.seconds,
        seconds_left=state.seconds * (1.0 / max(fraction, 1e-6) - 1.0),
        steps_per_second=state.step / max(state.seconds, 1e-6),
        content=state.content,
        style=state.style,
        objective=run.learner.objective(state.content, state.style),
        held_out=held_out,
        message=message,
    )
