"""Learning a style: one visible loop, for one process or several under torchrun.

Nothing random is kept between steps: crops and noise are functions of (seed, step). So a checkpoint needs no random
state, and a run that stops and resumes ends where a straight run ends.
"""

import contextlib
import copy
import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from impasto import __version__
from impasto.errors import ImpastoError, TrainingError, UsageError
from impasto.evaluation.artefacts import Artefacts
from impasto.evaluation.judge import Judge
from impasto.files import check_writable, replacing
from impasto.nn.losses import PerceptualLoss
from impasto.nn.tensors import to_tensor
from impasto.nn.weights import load_loss_network
from impasto.optimize.gatys import YARDSTICK_SIZE
from impasto.pictures.picture import Pixels
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side
from impasto.pictures.write import save_image
from impasto.processor import cores
from impasto.training.base import load_base
from impasto.training.config import TrainConfig
from impasto.training.data import ContentTargets, CropPool, content_photos, draw_frame, draw_noise
from impasto.training.export import write_result
from impasto.training.machine import (
    agree,
    average_gradients,
    content_terms,
    interruptible,
    mean_terms,
    processes,
    together,
    use_bfloat16,
)
from impasto.training.run import (
    Run,
    State,
    channels_last,
    check_same,
    config_json,
    identity_of,
    read_checkpoint,
    results_of,
    run_folder,
    write_checkpoint,
)

REPORT_SECONDS = 60.0
"""How often a run looks at held-out photos, renews its preview and writes a checkpoint."""
SNAPSHOT_STEPS = 50
"""How often the state is kept in memory, to go back to when the loss explodes."""
MOST_ROLLBACKS = 5
RANGE_SQUARES = 4
"""Squares that are painted at a run's end to find the ranges of features."""
LEAST_STYLE_SIZE = 64
"""Pixels: of a smaller style picture the loss network's deepest layer sees next to nothing."""
MOST_ASPECT = 8
"""How many times as long as wide a style picture may be; all are brought to one short side."""
LEAST_STYLE_DEVIATION = 2.0
"""Levels of 255 by which the colours of a style picture must vary."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands. The terms are running means over some 10 steps; ``held_out`` are the last measured ones."""

    step: int
    fraction: float
    seconds: float
    seconds_left: float
    steps_per_second: float
    content: float
    style: float
    objective: float
    held_out: dict[str, float] | None = None
    message: str | None = None


@dataclass(frozen=True)
class TrainResult:
    """What a run made, and how it went. ``finished`` is False after an interruption: resume goes on from there.

    ``from_base`` says whether it began with the package's network. ``equal_evaluations`` of Gatys' optimisation bring
    one held-out photo as low, see :class:`Judge`: inf for more than it tries, None where the run is not finished or the
    comparison was interrupted.
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


def train(
    config: TrainConfig,
    *,
    resume: bool = False,
    restart: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
) -> TrainResult:
    """Learn a style and write the model to ``config.output``; returns what was made.

    Beside the model stands a folder of the run (``MODEL.run``): config.json, log.jsonl, preview.jpg and checkpoint.pt.
    An interruption (Ctrl-C) ends the run after the step under way, with everything written.

    Args:
        config: what to do.
        resume: go on with the unfinished run of this output; its configuration must be the same but for the budget.
        restart: throw an unfinished run of this output away, or replace the result that is there.
        report: called after every step, and once more before the result is measured, from this thread.

    Raises:
        TrainingError: if there is nothing to learn from, the output cannot be written, the run cannot be resumed, or
            it keeps exploding.
        UsageError: if the output is there already.
        ImageError: if the style picture cannot be read.
    """
    world, rank, device = processes()
    first = rank == 0
    torch.set_num_threads(config.threads or max(1, cores() // world))
    recipe = config.recipe
    if len(config.styles) > 1:
        _make_folder(config.output)
    results = results_of(config)
    for path in results:
        check_writable(path, TrainingError)  # before the work
    if recipe.batch % world:
        raise TrainingError(f"batch {recipe.batch} cannot be shared by {world} processes: make it a multiple")
    pictures = [_style_picture(path, max(recipe.style_size, YARDSTICK_SIZE)) for path in config.styles]
    style_sha256 = " ".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in config.styles)
    learning, judges = content_photos(config.content, config.held_out, without=run_folder(config.output))
    network, network_record = load_loss_network(config.loss_network, config.convention)
    channels_last(network.to(device))
    styles = [to_tensor(resize_short_side(picture, recipe.style_size)).to(device) for picture in pictures]
    loss = PerceptualLoss(network, recipe.objective, *styles)
    judge = Judge(network, pictures, judges, device)

    folder = run_folder(config.output)
    checkpoint = folder / "checkpoint.pt"
    run = Run(recipe, len(styles), config.seed, device, style_only=config.style_only)
    base = load_base(recipe.generator, recipe.generator_arguments()) if recipe.start == "base" else None
    if config.style_only and base is None:
        raise TrainingError(
            f"{config.output}: no shared network is made like this: leave the generator's flags "
            "out, or give --preset fast alone"
        )
    network_sha256 = base.network if config.style_only and base is not None else ""
    identity = identity_of(config, style_sha256, learning, network_sha256, network_record["sha256"])
    if checkpoint.exists() and not restart:
        saved = read_checkpoint(checkpoint)
        if resume:
            check_same(identity, saved, checkpoint)
            run.load_state_dict(saved["run"])
        elif not saved["finished"]:
            raise TrainingError(
                f"{folder}: an unfinished run is here, at step {saved['run']['state']['step']}: "
                "add --resume to go on or --restart to begin anew"
            )
    elif resume:
        raise TrainingError(f"{checkpoint}: nothing to resume here: leave --resume out to begin")
    there = [path for path in results if path.exists()]
    if there and not (resume or restart):
        longer = ", --resume and more time to learn on" if checkpoint.exists() else ""
        raise UsageError(f"{there[0]}: is there already: add --restart to replace it{longer}, or give another name")
    bfloat16 = use_bfloat16(config.precision, device)
    pool = CropPool(learning, recipe.pool, (recipe.photo_from, recipe.photo_to), config.seed)
    targets = ContentTargets(loss, pool, device)
    if base is not None and not resume:
        begun = time.monotonic()
        style_parameters = base.nearest(loss, *targets.get([pool.index(0)], recipe.first_crop), device)
        run.begin_with(base, style_parameters)
        run.state.seconds = time.monotonic() - begun
        targets = ContentTargets(loss, pool, device)  # nothing kept: what a step sees must not depend on this
    if first:
        _make_folder(folder)
        if not resume:
            checkpoint.unlink(missing_ok=True)  # of another run: it must not be taken for this one's
        with replacing(folder / "config.json", TrainingError) as part:
            part.write_text(config_json(config) + "\n", encoding="utf-8")
    log = Log(folder / "log.jsonl", append=run.state.step > 0) if first else None

    snapshots = [copy.deepcopy(run.state_dict())]  # the last two: the newer may be ruined already, unnoticed
    held_out: dict[str, float] | None = None
    message = _too_small(config, pictures)
    reported = time.monotonic()
    run.generator.train()
    with interruptible() as interrupted:
        while True:
            state = run.state
            begun = time.monotonic()
            fraction, stop = agree(_fraction(config, state), interrupted(), world, device)
            if stop or fraction >= 1.0:
                break
            # One step: paint this process's share of the batch, and follow the gradient of the objective.
            run.set_rates(fraction)
            size = recipe.first_crop if fraction < recipe.grow_at else recipe.crop
            batch = range(state.step * recipe.batch, (state.step + 1) * recipe.batch)
            items = batch[rank::world]
            noise = draw_noise(run.generator, items, size + max(0, recipe.jitter - 1), config.seed, device)
            which, strength = run.looks(items, config.seed)
            weight, strength = run.style_weight(fraction, which, strength).to(device), strength.to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
                photos, target = targets.get([pool.index(item) for item in items], size)
                frame = draw_frame(batch[0], recipe.jitter, config.seed)
                style = run.generator.style_weights(which, strength)
                painted = run.generator(F.pad(photos, frame, mode="reflect"), noise, style)
                painted = painted[:, :, frame[2] : frame[2] + size, frame[0] : frame[0] + size]
                terms = loss(painted, target, weight, which, strength)
            for optimizer, _ in run.optimizers:
                optimizer.zero_grad(set_to_none=True)
            terms.total.mean().backward()
            average_gradients(run.generator, world)
            content, style_term = mean_terms(terms, world)

            if run.exploded(content if _finite_gradients(run.generator) else math.nan, style_term):
                del snapshots[1:]
                run.load_state_dict(snapshots[0])
                run.state.seconds = state.seconds
                run.state.rollbacks = state.rollbacks + 1
                run.state.rate = 0.5**run.state.rollbacks
                message = f"the loss exploded at step {state.step}: back to {run.state.step} at half the learning rate"
                if run.state.rollbacks > MOST_ROLLBACKS:
                    raise TrainingError(f"{folder}: it keeps exploding: lower --muon-rate, --adam-rate, --style-rate")
                continue
            run.cut_gradients()
            for optimizer, _ in run.optimizers:
                optimizer.step()
            run.balance(*run.looks(batch, config.seed), content_terms(terms, world))
            state.step += 1
            if state.step % SNAPSHOT_STEPS == 0:
                snapshots = [snapshots[-1], copy.deepcopy(run.state_dict())]

            # What a person sees of it, and what survives a crash.
            due = time.monotonic() - reported > REPORT_SECONDS
            if first and due:
                held_out = judge.glance(run.generator)
                state.seconds += time.monotonic() - begun
                begun = reported = time.monotonic()
                try:  # the run goes on without: at its end there may be room again
                    write_checkpoint(checkpoint, identity, run, finished=False)
                    save_image(folder / "preview.jpg", judge.sheet(run.generator))
                except ImpastoError as error:
                    message = f"not saved on the way: {error}"
            state.seconds += time.monotonic() - begun
            if log is not None:
                progress = _progress(config, run, held_out, message)
                report(progress)
                if due or message or state.step % 10 == 1:
                    log.write(progress, size)
            message = None

    finished = fraction >= 1.0
    with together(world, device):
        if not first:
            return _finish_other(config, run, finished)
        with interruptible() as in_a_hurry:  # what was learnt is written whole
            then = "measuring the result, up to a minute more" if finished else "writing what there is"
            report(_progress(config, run, held_out, then))
            write_checkpoint(checkpoint, identity, run, finished=False)
            preview = folder / "preview.jpg"
            save_image(preview, judge.sheet(run.generator))
            measured = judge.yardstick(run.generator)
            artefacts = judge.faults(run.generator)
            training = {
                "preset": config.preset,
                "start": "base" if run.from_base else "nothing",
                "learnt": "scales and shifts" if config.style_only else "everything",
                "steps": run.state.step,
                "seconds": round(run.state.seconds, 1),
                "seed": config.seed,
                "content": "built-in" if config.content is None else config.content.name,
                "photos": len(learning),
                "squares": recipe.pool or run.state.step * recipe.batch,
                "loss_network": network_record,
                "objective": {name: round(value, 4) for name, value in measured.items()},
                "artefacts": {name: round(value, 2) for name, value in asdict(artefacts).items()},
                "impasto": __version__,
            }
            squares = [pool.cut(index, recipe.crop).to(device) for index in range(RANGE_SQUARES)]
            write_result(run.generator, config, training, base, squares)
            if finished:  # not before there is a model: an export that fails can be made up for with resume
                write_checkpoint(checkpoint, identity, run, finished=True)
        equal = None
        if finished and not in_a_hurry():
            with contextlib.suppress(KeyboardInterrupt):  # all is written: who will not wait goes without
                equal = judge.equal_evaluations(run.generator)
        return TrainResult(
            model=config.output,
            folder=folder,
            preview=preview,
            steps=run.state.step,
            seconds=run.state.seconds,
            finished=finished,
            from_base=run.from_base,
            content_error=measured["content"],
            style_error=measured["style"],
            objective=measured["objective"],
            artefacts=artefacts,
            equal_evaluations=equal,
            unreadable={**judge.unreadable, **pool.unreadable},
        )


class Log:
    """The run's log.jsonl: one JSON object a line."""

    def __init__(self, path: Path, *, append: bool) -> None:
        self.path = path
        if not append:
            path.unlink(missing_ok=True)

    def write(self, progress: Progress, crop: int) -> None:
        """Add a line."""
        entry = {name: _rounded(value) for name, value in asdict(progress).items() if value is not None}
        with contextlib.suppress(OSError), self.path.open("a", encoding="utf-8") as file:  # no reason to stop
            file.write(json.dumps({**entry, "crop": crop}) + "\n")


def _fraction(config: TrainConfig, state: State) -> float:
    """How much of the run is done, 0 to 1 and beyond."""
    if config.steps is not None:
        return state.step / config.steps
    assert config.minutes is not None
    return state.seconds / (60.0 * config.minutes)


def _progress(config: TrainConfig, run: Run, held_out: dict[str, float] | None, message: str | None) -> Progress:
    state = run.state
    fraction = min(1.0, _fraction(config, state))
    left = state.seconds * (1.0 / max(fraction, 1e-6) - 1.0)
    return Progress(
        step=state.step,
        fraction=fraction,
        seconds=state.seconds,
        seconds_left=left,
        steps_per_second=state.step / max(state.seconds, 1e-6),
        content=state.content,
        style=state.style,
        objective=run.objective(state.content, state.style),
        held_out=held_out,
        message=message,
    )


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def _finite_gradients(generator: nn.Module) -> bool:
    """Whether a step along the gradients leaves weights that are numbers."""
    return all(bool(p.grad.isfinite().all()) for p in generator.parameters() if p.grad is not None)


def _style_picture(path: Path, size: int) -> Pixels:
    """The picture to learn from, of a short side of at most ``size``, if there is a look in it."""
    picture = load_image(path)
    height, width = picture.shape[:2]
    if min(height, width) < LEAST_STYLE_SIZE:
        raise TrainingError(
            f"{path}: {width} x {height} pixels are too few to show a look: give one of {LEAST_STYLE_SIZE} or more"
        )
    if max(height, width) > MOST_ASPECT * min(height, width):
        raise TrainingError(f"{path}: {width} x {height} pixels are too long a strip: cut out a part of it")
    picture = resize_short_side(picture, min(height, width, size))
    if float(picture.std(axis=(0, 1)).max()) < LEAST_STYLE_DEVIATION:
        raise TrainingError(f"{path}: is one flat colour, there is no look to learn: give a picture with strokes")
    return picture


def _too_small(config: TrainConfig, pictures: Sequence[Pixels]) -> str | None:
    """What to say of style pictures that are enlarged so much that there are no strokes left in them."""
    small = [
        f"{path}: {picture.shape[1]} x {picture.shape[0]} pixels, enlarged to {config.recipe.style_size}: expect soft "
        "strokes, or give a larger picture"
        for path, picture in zip(config.styles, pictures, strict=True)
        if min(picture.shape[:2]) < config.recipe.style_size / 2
    ]
    return "\n".join(small) or None


def _finish_other(config: TrainConfig, run: Run, finished: bool) -> TrainResult:
    nan, folder = float("nan"), run_folder(config.output)
    return TrainResult(
        model=config.output,
        folder=folder,
        preview=folder / "preview.jpg",
        steps=run.state.step,
        seconds=run.state.seconds,
        finished=finished,
        from_base=run.from_base,
        content_error=nan,
        style_error=nan,
        objective=nan,
        artefacts=Artefacts(grid=nan, droplets=nan, border=nan, pattern=nan, weave=nan),
        equal_evaluations=None,
        unreadable={},
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{folder}: cannot make this folder: {error.strerror}") from error
