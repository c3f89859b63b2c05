"""Prepares a run: reads and checks all inputs before the first step."""

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from impasto.errors import TrainingError, UsageError
from impasto.evaluation.held_out import HeldOut
from impasto.files import check_writable, replacing
from impasto.nn.losses import PerceptualLoss
from impasto.nn.tensors import channels_last, to_picture, to_tensor
from impasto.nn.weights import load_loss_network
from impasto.optimize.gatys import YARDSTICK_SIZE
from impasto.pictures.picture import Pixels
from impasto.pictures.resize import resize_short_side
from impasto.training.base import Base, load_base
from impasto.training.checkpoint import check_same, config_json, identity_of, read_checkpoint, write_checkpoint
from impasto.training.config import TrainConfig
from impasto.training.contrast import contrast
from impasto.training.crops import CropPool
from impasto.training.device import use_bfloat16
from impasto.training.distributed import World
from impasto.training.draws import draw_noise
from impasto.training.learner import Learner
from impasto.training.paths import make_folder, results_of, run_folder
from impasto.training.photos import content_photos
from impasto.training.style_pictures import read_style
from impasto.training.targets import ContentTargets


@dataclass
class Run:
    """A prepared run. Its files are in ``folder``; ``pictures`` are the style pictures.

    ``photos`` is the number of photos to learn from.
    ``base`` is the shared network that it starts from, or None; ``loss_record`` describes the loss network.
    """

    config: TrainConfig
    world: World
    folder: Path
    identity: dict[str, str]
    pictures: list[Pixels]
    photos: int
    loss_record: dict[str, str]
    loss: PerceptualLoss
    held_out: HeldOut
    pool: CropPool
    targets: ContentTargets
    learner: Learner
    base: Base | None
    bfloat16: bool

    @property
    def checkpoint(self) -> Path:
        """The checkpoint's path."""
        return self.folder / "checkpoint.pt"

    @property
    def preview(self) -> Path:
        """The path of the contact sheet of held-out photos."""
        return self.folder / "preview.jpg"

    @property
    def contrasts(self) -> list[float]:
        """The contrast of each style picture."""
        return [contrast(to_tensor(picture)) for picture in self.pictures]

    @property
    def fraction(self) -> float:
        """The finished fraction of the run, from 0 to 1. It can exceed 1 if the last step is slow."""
        state = self.learner.state
        if self.config.steps is not None:
            return state.step / self.config.steps
        assert self.config.minutes is not None
        return state.seconds / (60.0 * self.config.minutes)

    @torch.no_grad()
    def paint(self, photo: Pixels, style: int) -> Pixels:
        """Paint a photo, uint8 (H, W, 3), in the style with this index, with the noise of seed 0."""
        generator, device = self.learner.generator, self.world.device
        training = generator.training
        generator.eval()
        image = to_tensor(photo).to(device)
        noise = draw_noise(generator, range(1), (image.shape[2], image.shape[3]), 0, device)
        painted = to_picture(generator(image, noise, generator.style_weights([style])))
        generator.train(training)
        return painted

    def write_checkpoint(self, *, finished: bool) -> None:
        """Write the checkpoint; see :func:`impasto.training.checkpoint.write_checkpoint`."""
        write_checkpoint(self.checkpoint, self.identity, self.learner.state_dict(), finished=finished)


def prepare(config: TrainConfig, world: World, *, resume: bool, restart: bool) -> Run:
    """Read the pictures and photos, build the networks, and restore the checkpoint or start from the shared network.

    Raises:
        ImpastoError: see :func:`impasto.training.trainer.train`.
    """
    recipe, folder, device = config.recipe, run_folder(config.output), world.device
    if len(config.styles) > 1:
        make_folder(config.output)
    for path in results_of(config):
        check_writable(path, TrainingError)
    if recipe.batch % world.size:
        raise TrainingError(f"batch {recipe.batch} cannot be shared by {world.size} processes: make it a multiple")
    pictures = [read_style(path, max(recipe.style_size, YARDSTICK_SIZE)) for path in config.styles]
    photos, held_out = content_photos(config.content, config.held_out, exclude=folder)
    network, loss_record = load_loss_network(config.loss_network, config.convention)
    channels_last(network.to(device))
    styles = [to_tensor(resize_short_side(picture, recipe.style_size)).to(device) for picture in pictures]
    loss = PerceptualLoss(network, recipe.objective, *styles)
    pool = CropPool(photos, recipe.pool, (recipe.photo_from, recipe.photo_to), config.seed)
    base = load_base(recipe.generator, recipe.generator_arguments()) if recipe.start == "base" else None
    if config.style_only and base is None:
        raise TrainingError(
            f"{config.output}: there is no shared network with these arguments: leave the generator's flags out, or "
            "give --preset fast alone"
        )
    run = Run(
        config=config,
        world=world,
        folder=folder,
        identity=identity_of(
            config,
            photos,
            network=base.network if base is not None and config.style_only else "",
            loss_network=loss_record["sha256"],
        ),
        pictures=pictures,
        photos=len(photos),
        loss_record=loss_record,
        loss=loss,
        held_out=HeldOut(pictures, held_out, network),
        pool=pool,
        targets=ContentTargets(loss, pool, device),
        learner=Learner(recipe, len(styles), config.seed, device, style_only=config.style_only),
        base=base,
        bfloat16=use_bfloat16(config.precision, device),
    )
    _resume_or_check(run, resume=resume, restart=restart)
    if not resume:
        _start(run)
    if world.first:
        _write_config(run, resume=resume)
    run.learner.generator.train()
    return run


def _resume_or_check(run: Run, *, resume: bool, restart: bool) -> None:
    """Restore the checkpoint, or raise an error if an unfinished run or a result would be overwritten."""
    there = run.checkpoint.exists()
    if there and not restart:
        saved = read_checkpoint(run.checkpoint)
        if resume:
            check_same(run.identity, saved, run.checkpoint)
            run.learner.load_state_dict(saved["run"])
        elif not saved["finished"]:
            raise TrainingError(
                f"{run.folder}: an unfinished run is here, at step {saved['run']['state']['step']}: "
                "add --resume to go on or --restart to begin anew"
            )
    elif resume:
        raise TrainingError(f"{run.checkpoint}: nothing to resume here: leave --resume out to begin")
    results = [path for path in results_of(run.config) if path.exists()]
    if results and not (resume or restart):
        longer = ", --resume and a larger budget to go on" if there else ""
        raise UsageError(f"{results[0]}: exists already: add --restart to replace it{longer}, or give another name")


def _start(run: Run) -> None:
    """Initialize the learner with the shared network's weights and the parameters of its most similar styles."""
    if run.base is None:
        return
    begun, size = time.monotonic(), run.config.recipe.first_crop
    # Does not use the run's targets, whose cache must not depend on whether a run was resumed.
    targets = ContentTargets(run.loss, run.pool, run.world.device)
    noise = draw_noise(run.learner.generator, range(1), size, run.config.seed, run.world.device)
    nearest = run.base.nearest(run.loss, *targets.get([run.pool.index(0)], size), noise)
    run.learner.start_from(run.base, nearest)
    run.learner.state.seconds = time.monotonic() - begun


def _write_config(run: Run, *, resume: bool) -> None:
    make_folder(run.folder)
    if not resume:
        run.checkpoint.unlink(missing_ok=True)  # another run's: it must not be resumed as this one
    with replacing(run.folder / "config.json", TrainingError) as part:
        part.write_text(config_json(run.config) + "\n", encoding="utf-8")
