"""Learning a style: one visible loop, for one process or several under torchrun.

Nothing random is kept between steps: crops and noise are functions of (seed, step). So a checkpoint needs no random
state, and a run that stops and resumes ends where a straight run ends.
"""

import contextlib
import copy
import hashlib
import io
import itertools
import json
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from impasto import __version__
from impasto.atomic import check_writable, replacing
from impasto.errors import ImpastoError, TrainingError
from impasto.image import Pixels, contact_sheet, load_image, resize_short_side, save_image
from impasto.modelfile import ModelInfo
from impasto.nn.generators import Generator, build_generator
from impasto.nn.losses import YARDSTICK, ContentTarget, LossTerms, PerceptualLoss
from impasto.nn.vgg import VGGFeatures
from impasto.train.config import Recipe, TrainConfig
from impasto.train.data import CropPool, content_photos, read_photos, to_picture, to_tensor
from impasto.train.export import export_generator
from impasto.train.muon import Muon
from impasto.train.weights import base_weights, load_loss_network

REPORT_SECONDS = 60.0
"""How often a run looks at held-out photos, renews its preview and writes a checkpoint."""
SNAPSHOT_STEPS = 50
"""How often the state is kept in memory, to go back to when the loss explodes."""
MOST_ROLLBACKS = 5
YARDSTICK_SIZE = 512
"""Short side, in pixels, at which results are judged in every report; on the way and on the sheet smaller ones do."""
GLANCE_SIZE = 256
SHEET_SIZE = 384
CACHE_BYTES = 600_000_000
"""Content features are kept while they fit in this much memory."""


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
    """What a run made, and how it went. ``finished`` is False after an interruption: resume goes on from there."""

    model: Path
    folder: Path
    preview: Path
    steps: int
    seconds: float
    finished: bool
    content_error: float
    style_error: float
    objective: float
    unreadable: dict[Path, str]


@dataclass
class State:
    """What changes as a run goes on, besides weights and optimisers."""

    step: int = 0
    seconds: float = 0.0
    rate: float = 1.0  # lowered by every rollback
    rollbacks: int = 0
    content: float = 0.0  # running means of the terms, over some 10 steps,
    style: float = 0.0
    usual: float = 0.0  # and of the objective, over some 100: far above it, the run has exploded


class Run:
    """The generator, its optimisers and state: all that a checkpoint keeps.

    Attributes:
        from_base: whether the generator began with the package's trained weights.
    """

    def __init__(self, recipe: Recipe, seed: int, device: torch.device) -> None:
        torch.manual_seed(seed)
        self.recipe = recipe
        self.generator = build_generator(recipe.generator, recipe.generator_arguments()).to(device)
        base = base_weights(recipe.generator, recipe.generator_arguments()) if recipe.start == "base" else None
        self.from_base = base is not None
        if base is not None:
            self.generator.load_state_dict(base)
        _channels_last(self.generator)
        inner, rest = _split_parameters(self.generator, use_muon=recipe.muon_rate > 0)
        self.optimizers: list[tuple[torch.optim.Optimizer, float]] = []
        if inner:
            self.optimizers.append((Muon(inner, recipe.muon_rate), recipe.muon_rate))
        self.optimizers.append((torch.optim.Adam(rest, recipe.adam_rate), recipe.adam_rate))
        self.state = State()

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on exactly; tensors are the live ones."""
        return {
            "generator": self.generator.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer, _ in self.optimizers],
            "state": asdict(self.state),
            "from_base": self.from_base,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Continue from a saved state."""
        self.generator.load_state_dict(saved["generator"])
        for (optimizer, _), state in zip(self.optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(copy.deepcopy(state))
        self.state = State(**saved["state"])
        self.from_base = saved["from_base"]

    def set_rates(self, fraction: float) -> None:
        """Set the learning rates for this point of the run."""
        recipe = self.recipe
        factor = self.state.rate
        if recipe.decay:
            factor *= min(1.0, (1.0 - fraction) / recipe.decay)
        if recipe.decay_every:
            factor *= 0.8 ** (self.state.step // recipe.decay_every)
        for optimizer, rate in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * factor

    def style_weight(self, fraction: float) -> float:
        """The style weight at this point: it rises while a network from nothing first learns to keep the photo."""
        ramp = 0.0 if self.from_base else self.recipe.ramp
        risen = min(1.0, 0.05 + 0.95 * fraction / ramp) if ramp else 1.0
        return self.recipe.objective.style_weight * risen

    def exploded(self, content: float, style: float) -> bool:
        """Take in a step's terms; True if the run must go back: not finite, or lastingly at twice the usual.

        One odd photo does not count: ten times the usual, once, doubles the running mean at the most.
        """
        state = self.state
        if not math.isfinite(content + style):
            return True
        if state.step == 0:
            state.content, state.style = content, style
            state.usual = self.objective(content, style)
        state.content += 0.1 * (content - state.content)
        state.style += 0.1 * (style - state.style)
        state.usual += 0.01 * (self.objective(content, style) - state.usual)
        return state.step > SNAPSHOT_STEPS and self.objective(state.content, state.style) > 2.0 * state.usual

    def objective(self, content: float, style: float) -> float:
        """The objective of these terms, at the full style weight and without total variation."""
        return self.recipe.objective.content_weight * content + self.recipe.objective.style_weight * style


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
        restart: throw an unfinished run of this output away.
        report: called after every step, from this thread.

    Raises:
        TrainingError: if there is nothing to learn from, the output cannot be written, the run cannot be resumed, or
            it keeps exploding.
        ImageError: if the style picture cannot be read.
    """
    world, rank, device = _processes()
    first = rank == 0
    torch.set_num_threads(config.threads or max(1, (os.cpu_count() or 1) // world))
    recipe = config.recipe
    check_writable(config.output, TrainingError)  # before the work, not after it
    if recipe.batch % world:
        raise TrainingError(f"batch {recipe.batch} cannot be shared by {world} processes: make it a multiple")
    style_picture = load_image(config.style)
    style_sha256 = hashlib.sha256(config.style.read_bytes()).hexdigest()
    learning, judges = content_photos(config.content, config.held_out)
    network, network_record = load_loss_network(config.loss_network, config.convention)
    _channels_last(network.to(device))
    style = to_tensor(resize_short_side(style_picture, recipe.style_size)).to(device)
    loss = PerceptualLoss(network, recipe.objective, style)
    judge = Judge(network, style_picture, judges, device)

    folder = run_folder(config.output)
    checkpoint = folder / "checkpoint.pt"
    identity = _identity(config, style_sha256, learning)
    run = Run(recipe, config.seed, device)
    if checkpoint.exists() and not restart:
        saved = _read_checkpoint(checkpoint)
        if resume:
            _check_same(identity, saved, checkpoint)
            run.load_state_dict(saved["run"])
        elif not saved["finished"]:
            raise TrainingError(
                f"{folder}: an unfinished run is here, at step {saved['run']['state']['step']}: "
                "add --resume to go on or --restart to begin anew"
            )
    elif resume:
        raise TrainingError(f"{checkpoint}: nothing to resume here: leave --resume out to begin")
    bfloat16 = _use_bfloat16(config.precision, device)
    pool = CropPool(learning, recipe.pool, (recipe.photo_from, recipe.photo_to), config.seed)
    targets = ContentTargets(loss, pool, device)
    model: nn.Module = run.generator
    if world > 1:
        # Running averages of batch norm stay each process's own; the first one's are saved.
        model = DistributedDataParallel(run.generator, broadcast_buffers=False)
    if first:
        _make_folder(folder)
        if not resume:
            checkpoint.unlink(missing_ok=True)  # of another run: it must not be taken for this one's
        with replacing(folder / "config.json", TrainingError) as part:
            part.write_text(config_json(config) + "\n", encoding="utf-8")
    log = Log(folder / "log.jsonl", append=run.state.step > 0) if first else None

    snapshots = [copy.deepcopy(run.state_dict())]  # the last two: the newer may be ruined already, unnoticed
    held_out: dict[str, float] | None = None
    message: str | None = None
    reported = time.monotonic()
    run.generator.train()
    with _interruptible() as interrupted:
        while True:
            state = run.state
            begun = time.monotonic()
            fraction, stop = _agree(_fraction(config, state), interrupted(), world, device)
            if stop or fraction >= 1.0:
                break
            # One step: paint this process's share of the batch, and follow the gradient of the objective.
            run.set_rates(fraction)
            size = recipe.first_crop if fraction < recipe.grow_at else recipe.crop
            items = range(state.step * recipe.batch, (state.step + 1) * recipe.batch)[rank::world]
            noise = draw_noise(run.generator, items, size, config.seed, device)
            with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
                photos, target = targets.get([pool.index(item) for item in items], size)
                painted = model(photos, noise)
                terms = loss(painted, target, run.style_weight(fraction))
            for optimizer, _ in run.optimizers:
                optimizer.zero_grad(set_to_none=True)
            terms.total.mean().backward()
            content, style_term = _mean_terms(terms, world)

            if run.exploded(content if _finite_gradients(run.generator) else math.nan, style_term):
                del snapshots[1:]
                run.load_state_dict(snapshots[0])
                run.state.seconds = state.seconds
                run.state.rollbacks = state.rollbacks + 1
                run.state.rate = 0.5**run.state.rollbacks
                message = f"the loss exploded at step {state.step}: back to {run.state.step} at half the learning rate"
                if run.state.rollbacks > MOST_ROLLBACKS:
                    raise TrainingError(f"{folder}: the loss keeps exploding: lower --adam-rate and --muon-rate")
                continue
            for optimizer, _ in run.optimizers:
                optimizer.step()
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
    if not first:
        return _finish_other(config, run, finished)
    write_checkpoint(checkpoint, identity, run, finished=False)
    preview = folder / "preview.jpg"
    save_image(preview, judge.sheet(run.generator))
    measured = judge.yardstick(run.generator)
    info = ModelInfo(
        architecture=recipe.generator,
        arguments=recipe.generator_arguments(),
        styles=(config.title or config.style.stem,),
        minimum_size=run.generator.minimum_size,
        noise_channels=run.generator.noise_channels,
        style_title=config.title or config.style.stem,
        licence=config.licence,
        source=config.source,
        training={
            "preset": config.preset,
            "start": "base" if run.from_base else "nothing",
            "steps": run.state.step,
            "seconds": round(run.state.seconds, 1),
            "seed": config.seed,
            "content": "built-in" if config.content is None else config.content.name,
            "photos": len(learning),
            "squares": recipe.pool or run.state.step * recipe.batch,
            "loss_network": network_record,
            "objective": {name: round(value, 4) for name, value in measured.items()},
            "impasto": __version__,
        },
    )
    export_generator(run.generator, info, config.output)
    if finished:  # not before there is a model: an export that fails can be made up for with resume
        write_checkpoint(checkpoint, identity, run, finished=True)
    if dist.is_initialized():
        dist.destroy_process_group()
    return TrainResult(
        model=config.output,
        folder=folder,
        preview=preview,
        steps=run.state.step,
        seconds=run.state.seconds,
        finished=finished,
        content_error=measured["content"],
        style_error=measured["style"],
        objective=measured["objective"],
        unreadable={**judge.unreadable, **pool.unreadable},
    )


class ContentTargets:
    """Photos and what the content term wants of them, by number of crop; features are kept while they fit.

    They are kept as float16, and rounded to it even when not kept: what a step sees must not depend on the cache.
    """

    def __init__(self, loss: PerceptualLoss, pool: CropPool, device: torch.device) -> None:
        self.loss = loss
        self.pool = pool
        self.device = device
        self.size = 0
        self.bytes = 0
        self.kept: dict[int, ContentTarget] = {}

    def get(self, indices: list[int], size: int) -> tuple[Tensor, ContentTarget]:
        """The crops, (N, 3, size, size), and their content target."""
        if size != self.size:
            self.kept.clear()
            self.size, self.bytes = size, 0
        photos = [self.pool.cut(index, size).to(self.device) for index in indices]
        each = [self._target(index, photo) for index, photo in zip(indices, photos, strict=True)]
        layers = each[0].features
        return torch.cat(photos).contiguous(memory_format=torch.channels_last), ContentTarget(
            {layer: torch.cat([target.features[layer] for target in each]) for layer in layers},
            {layer: torch.cat([target.variance[layer] for target in each]) for layer in layers},
        )

    def _target(self, index: int, photo: Tensor) -> ContentTarget:
        if index in self.kept:
            return self.kept[index]
        target = self.loss.content_target(photo.contiguous(memory_format=torch.channels_last))
        target = ContentTarget({layer: x.half() for layer, x in target.features.items()}, target.variance)
        size = sum(2 * x.numel() for x in target.features.values())
        if self.pool.count and self.bytes + size <= CACHE_BYTES:
            self.bytes += size
            self.kept[index] = target
        return target


class Judge:
    """Looks at what the generator makes of photos it does not learn from."""

    def __init__(self, network: VGGFeatures, style: Pixels, photos: list[Path], device: torch.device) -> None:
        self.device = device
        self.style = style
        self.unreadable: dict[Path, str] = {}
        self.photos = [photo for _, photo in itertools.islice(read_photos(photos, self.unreadable), 4)]
        if not self.photos:
            raise TrainingError(f"not one of the {len(photos)} held-out photos can be read: {photos[0]} ...")
        at_512 = to_tensor(resize_short_side(style, YARDSTICK_SIZE)).to(device)
        self.loss = PerceptualLoss(network, YARDSTICK, at_512)

    def glance(self, generator: Generator) -> dict[str, float]:
        """The yardstick's terms on two photos at 256 px: quick, to follow a run by."""
        return self._measure(generator, self.photos[:2], GLANCE_SIZE)

    def yardstick(self, generator: Generator) -> dict[str, float]:
        """The yardstick's terms at 512 px, as in every report, on up to four photos."""
        return self._measure(generator, self.photos, YARDSTICK_SIZE)

    def sheet(self, generator: Generator) -> Pixels:
        """A contact sheet of the style picture, photos and results."""
        rows = []
        for photo in self.photos[:3]:
            small = resize_short_side(photo, SHEET_SIZE)
            rows.append([self.style, small, to_picture(self._paint(generator, to_tensor(small)))])
        return contact_sheet(rows, labels=("style", "photo", "result"), cell=480)

    def _measure(self, generator: Generator, photos: list[Pixels], size: int) -> dict[str, float]:
        found = []
        for photo in photos:
            image = to_tensor(resize_short_side(photo, size)).to(self.device)
            with torch.no_grad():
                terms = self.loss(self._paint(generator, image), self.loss.content_target(image))
            found.append([float(terms.content), float(terms.style), float(terms.total)])
        means = [sum(column) / len(found) for column in zip(*found, strict=True)]
        return dict(zip(("content", "style", "objective"), means, strict=True))

    @torch.no_grad()
    def _paint(self, generator: Generator, image: Tensor) -> Tensor:
        training = generator.training
        generator.eval()
        noise = draw_noise(generator, range(1), image.shape[2:], 0, self.device)
        painted: Tensor = generator(image.to(self.device), noise).clamp(0, 1)
        generator.train(training)
        return painted


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


def run_folder(output: Path) -> Path:
    """Where the run that makes the model ``output`` keeps its files."""
    return output.with_suffix(".run")


def config_json(config: TrainConfig) -> str:
    """The configuration as JSON, keys sorted: what config.json and the checkpoint hold."""
    plain = asdict(config)
    plain["recipe"]["arguments"] = dict(config.recipe.arguments)
    return json.dumps(plain, sort_keys=True, indent=1, default=str)


def write_checkpoint(path: Path, identity: dict[str, str], run: Run, *, finished: bool) -> None:
    """Write everything needed to go on, whole or not at all."""
    content = io.BytesIO()  # torch reports a full disk in ways of its own
    torch.save({"format": 1, **identity, "finished": finished, "run": run.state_dict()}, content)
    with replacing(path, TrainingError) as part:
        part.write_bytes(content.getvalue())


def _identity(config: TrainConfig, style_sha256: str, photos: list[Path]) -> dict[str, str]:
    """What makes a run this one and no other; a checkpoint keeps it, and resuming compares it."""
    names = "\n".join(sorted(path.name for path in photos))
    return {
        "config": config_json(config),
        "style": style_sha256,
        "content": hashlib.sha256(names.encode()).hexdigest(),
    }


def draw_noise(
    generator: Generator, items: range, size: int | tuple[int, ...], seed: int, device: torch.device
) -> Tensor | None:
    """Noise z for these places of the run, (N, channels, H, W) uniform in [0, 1): a function of (seed, place)."""
    if not generator.noise_channels:
        return None
    height, width = (size, size) if isinstance(size, int) else size
    drawn = []
    for item in items:
        source = torch.Generator().manual_seed((seed << 32) + item)
        drawn.append(torch.rand(1, generator.noise_channels, height, width, generator=source))
    return torch.cat(drawn).to(device)


def _channels_last(module: nn.Module) -> None:
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's annotations


def _split_parameters(generator: nn.Module, *, use_muon: bool) -> tuple[list[Tensor], list[Tensor]]:
    """Kernels of convolutions that a normalisation or another layer follows, for Muon; and all the rest.

    The last kernel makes the pixels: how large it is matters there, which an orthogonal step would not respect.
    """
    inner: list[Tensor] = []
    rest: list[Tensor] = []
    for name, parameter in generator.named_parameters():
        kernel = parameter.ndim == 4 and not name.startswith("last.")
        (inner if kernel and use_muon else rest).append(parameter)
    return inner, rest


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


def _use_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether to compute in bfloat16: only where it is native is it faster than float32."""
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    able = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def _processes() -> tuple[int, int, torch.device]:
    """The number of processes under torchrun, this one's number, and its device."""
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if cuda else torch.device("cpu")
    if world > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if cuda else "gloo")
    return world, rank, device


def _agree(fraction: float, stop: bool, world: int, device: torch.device) -> tuple[float, bool]:
    """The first process's clock, and whether any process was told to stop: the same for all."""
    if world == 1:
        return fraction, stop
    clock = torch.tensor([fraction], dtype=torch.float64, device=device)
    dist.broadcast(clock, 0)
    told = torch.tensor([float(stop)], device=device)
    dist.all_reduce(told)
    return float(clock), bool(told > 0)


def _mean_terms(terms: LossTerms, world: int) -> tuple[float, float]:
    """Content and style terms, averaged over the whole batch."""
    both = torch.stack([terms.content.detach().mean(), terms.style.detach().mean()])
    if world > 1:
        dist.all_reduce(both)
        both /= world
    return float(both[0]), float(both[1])


def _finite_gradients(generator: nn.Module) -> bool:
    """Whether a step along the gradients leaves weights that are numbers."""
    return all(bool(p.grad.isfinite().all()) for p in generator.parameters() if p.grad is not None)


def _finish_other(config: TrainConfig, run: Run, finished: bool) -> TrainResult:
    dist.destroy_process_group()
    nan, folder = float("nan"), run_folder(config.output)
    return TrainResult(
        config.output, folder, folder / "preview.jpg", run.state.step, run.state.seconds, finished, nan, nan, nan, {}
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{folder}: cannot make the run's folder: {error.strerror}") from error


def _read_checkpoint(path: Path) -> dict[str, Any]:
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if saved["format"] != 1:
            raise TrainingError(f"{path}: a checkpoint of format {saved['format']}; this Impasto knows 1")
    except TrainingError:
        raise
    except Exception as error:
        raise TrainingError(f"{path}: not a checkpoint, or damaged: add --restart to begin anew") from error
    return saved


def _check_same(identity: dict[str, str], saved: dict[str, Any], path: Path) -> None:
    """Raise TrainingError if the run saved at ``path`` is not this one, its budget and places apart."""
    free = {"minutes", "steps", "output", "style", "content", "held_out", "threads"}
    old, new = json.loads(saved["config"]), json.loads(identity["config"])
    changed = sorted(name for name in new if name not in free and old.get(name) != new[name])
    changed += [name for name in ("style", "content") if saved[name] != identity[name]]
    if changed:
        raise TrainingError(f"{path}: another run, it differs in {', '.join(changed)}: give the same, or --restart")


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C into a question asked once a step; a second Ctrl-C stops at once."""
    asked = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
