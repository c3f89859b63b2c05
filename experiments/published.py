"""The comparison at the papers' scale: their networks, widths and objectives, and squares of 256 pixels.

An arm is one network to train. Only its normalization tells it from its rival: the initial weights are alike, the
squares come in the same order, and the hyper-parameters are those of the paper's recipe
(`impasto.training.config.PRESETS`). Learning rates do not depend on a run's length, so a run has no end: all arms
advance at equal pace, and a later run takes them further.

What an arm has reached is in ``results/published``: NAME.json has its settings and both curves, NAME.safetensors its
weights in half precision. A computer without the arm's checkpoint goes on from there, with fresh moments for Adam.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from experiments.lab import HELD_OUT, HERE, RESULTS, commit, digest, evenly, file_hash, processor
from impasto.errors import TrainingError
from impasto.files import replacing
from impasto.nn.generator import Generator
from impasto.nn.generators import build_generator
from impasto.nn.losses import YARDSTICK, ContentTarget, Objective, PerceptualLoss
from impasto.nn.tensors import to_picture, to_tensor
from impasto.nn.weights import load_loss_network
from impasto.pictures.picture import Pixels
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side
from impasto.training.config import PRESETS, Recipe
from impasto.training.crops import CropPool
from impasto.training.device import use_bfloat16
from impasto.training.draws import draw_noise
from impasto.training.photos import built_in_photos, content_photos

RECORDS = RESULTS / "published"
RECORDS_GPU = RESULTS / "published_gpu"
RECIPES = {"residual": "johnson2016", "texture": "ulyanov2017", "samples": "ulyanov2016"}
"""Whose hyper-parameters each network is trained with; "samples" is the texture network with noise."""
WARM_UP = 100
"""Steps over which the learning rate rises when an arm continues without Adam's moments. Starting at the full rate
undoes hundreds of steps."""


@dataclass(frozen=True)
class Scale:
    """How much of everything but steps."""

    batch: int = 4
    """Squares a step, as in Johnson 2016. With one, batch normalization would be instance normalization."""
    crop: int = 256
    """Their side, pixels."""
    photos: int = 6
    """Held-out photos."""
    photo_size: int = 512
    """Their short side, pixels."""
    first_marks: tuple[int, ...] = (0, 50, 100, 200)
    """Steps after which held-out photos are evaluated, ..."""
    mark_every: int = 200
    """... and then every so many."""
    slice: int = 50
    """Steps that an arm takes before it is the next one's turn, and between checkpoints."""

    def is_mark(self, step: int) -> bool:
        return step in self.first_marks or (step > 0 and step % self.mark_every == 0)


@dataclass(frozen=True)
class Arm:
    """One network to train."""

    generator: str
    """One of :data:`RECIPES`."""
    norm: str
    seed: int = 0
    width: int = 0
    """Of the residual network: 32 as published, 16 as in the released networks with instance normalization."""
    objective: str = "published"
    """What it minimizes: "published", that of its recipe, or "ours", the yardstick of the other reports."""
    photos: int = 0
    """Number of training photos, drawn by the seed; 0: all."""

    @property
    def name(self) -> str:
        """The name of its record."""
        more = [f"{self.photos}photos"] * bool(self.photos) + [self.objective] * (self.objective != "published")
        return "-".join([f"{self.generator}{self.width or ''}", self.norm, *more, str(self.seed)])

    @property
    def recipe(self) -> Recipe:
        """That of its paper, but for normalization and width."""
        recipe = PRESETS[RECIPES[self.generator]]
        arguments = {**recipe.arguments, **({"width": self.width} if self.width else {})}
        if self.objective == "ours":
            recipe = replace(recipe, objective=YARDSTICK)
        return replace(recipe, norm=self.norm, arguments=arguments)

    def build(self) -> Generator:
        """The network before training: alike for all normalizations of a seed."""
        torch.manual_seed(self.seed)
        recipe = self.recipe
        return build_generator(recipe.generator, {**recipe.arguments, "norm": self.norm})


class Studio:
    """Photos, the style, the loss network and the device.

    Args:
        data: a folder with content/open and styles; None for the package's photos and the repository's style.
        scale: how much of everything.
        work: where checkpoints are kept.
        records: where records are written.
        device: where to compute.
        say: called with messages on progress.
    """

    def __init__(
        self,
        data: Path | None,
        scale: Scale,
        work: Path,
        records: Path,
        device: torch.device,
        say: Callable[[str], None],
    ) -> None:
        self.scale, self.work, self.records, self.device, self.say = scale, work, records, device, say
        self.bfloat16 = use_bfloat16("auto", device)
        self.commit = commit()
        if data is None:
            photos, self.style_file = built_in_photos(), HERE.parent / "examples" / "style.jpg"
            self.held_out_files = evenly(photos, scale.photos)
            self.learning = [path for path in photos if path not in self.held_out_files]
        else:
            self.style_file = data / "styles" / "starry_night.jpg"
            self.learning, held_out = content_photos(data / "content" / "open", HELD_OUT)
            self.held_out_files = evenly(held_out, scale.photos)
        if len(self.held_out_files) < scale.photos or not self.learning:
            raise TrainingError(f"{data}: too few photos in content/open")
        self.held_out = [resize_short_side(load_image(path), scale.photo_size) for path in self.held_out_files]
        self.style = load_image(self.style_file)
        self.network, record = load_loss_network()
        self.network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's annotations
        self.photos = {path: resize_short_side(load_image(path), scale.crop) for path in self.learning}
        self._targets: dict[tuple[int, tuple[str, ...]], ContentTarget] = {}
        self.yardstick = self.loss(YARDSTICK, scale.photo_size)
        self.origin = {
            "precision": "bfloat16" if self.bfloat16 else "float32",
            "learning": f"{len(self.learning)} photos, hash {digest(map(file_hash, self.learning))}",
            "held_out": {path.name: file_hash(path) for path in self.held_out_files},
            "style": {self.style_file.name: file_hash(self.style_file)},
            "loss_network": record["sha256"],
        }
        self.machine = {
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }

    def loss(self, objective: Objective, style_size: int) -> PerceptualLoss:
        """This objective against the style picture at this short side."""
        style = to_tensor(resize_short_side(self.style, style_size)).to(self.device)
        return PerceptualLoss(self.network, objective, style)

    def own_loss(self, arm: Arm) -> PerceptualLoss:
        """What the arm minimises. The Gram matrices are means over positions: they serve photos of any size."""
        return self.loss(arm.recipe.objective, self.scale.photo_size if arm.objective == "ours" else self.scale.crop)

    @torch.no_grad()
    def paint(self, generator: Generator, photo: Tensor) -> Tensor:
        """``photo``, (1, 3, H, W), repainted in the mode that the network is in, clipped to [0, 1]."""
        noise = draw_noise(generator, range(1), photo.shape[2:], 0, self.device)
        painted: Tensor = generator(photo, noise).clamp(0, 1)
        return painted

    @torch.no_grad()
    def evaluate(self, arm: Arm, generator: Generator, own: PerceptualLoss) -> list[list[float]]:
        """Of each held-out photo, in float32: own content and style term and objective, then the yardstick's."""
        found = []
        generator.eval()
        layers = sorted({*own.layers, *self.yardstick.layers})
        for number, pixels in enumerate(self.held_out):
            painted = self.paint(generator, to_tensor(pixels).to(self.device))
            features, row = self.network(painted, layers), []
            for loss in (own, self.yardstick):
                terms = loss.compare(features, painted, self._target(number, loss))
                row += [float(terms.content), float(terms.style), float(terms.total)]
            found.append(row)
        return found

    def _target(self, number: int, loss: PerceptualLoss) -> ContentTarget:
        """Of held-out photo ``number``: computed once."""
        wanted = loss.objective.content_layers
        if (number, wanted) not in self._targets:
            photo = to_tensor(self.held_out[number]).to(self.device)
            self._targets[number, wanted] = loss.content_target(photo)
        return self._targets[number, wanted]

    def picture(self, generator: Generator, photo: Pixels) -> Pixels:
        """``photo`` repainted as in use."""
        return to_picture(self.paint(generator.eval(), to_tensor(photo).to(self.device)).cpu())


class Learning:
    """An arm in training, which can stop and go on after any step.

    Args:
        studio: its photos, style picture and loss network.
        arm: the network.
        fresh: whether it starts from nothing, whatever was kept of it.

    Raises:
        TrainingError: the arm's record was made with other photos or settings.
    """

    def __init__(self, studio: Studio, arm: Arm, *, fresh: bool = False) -> None:
        self.studio, self.arm = studio, arm
        recipe, scale = arm.recipe, studio.scale
        self.rate, self.decay_every = recipe.adam_rate, recipe.decay_every
        self.generator = arm.build().to(device=studio.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.Adam(self.generator.parameters(), self.rate)
        self.own = studio.own_loss(arm)
        photos = studio.learning
        if arm.photos:
            photos = [photos[i] for i in np.random.default_rng(arm.seed).permutation(len(photos))[: arm.photos]]
        self.pool = CropPool(photos, 0, (scale.crop, scale.crop), arm.seed)
        self.step, self.seconds, self.exploded = 0, 0.0, False
        self.training: list[tuple[int, float]] = []
        self.held_out: list[tuple[int, list[list[float]]]] = []
        key = digest([json.dumps([asdict(arm), asdict(scale), studio.origin], sort_keys=True, default=str)])
        self.file = studio.work / "published" / f"{arm.name}-{key}.pt"
        self.continued: list[int] = []  # steps at which it went on from half-precision weights
        if fresh:
            return
        if self.file.exists():
            self._load(torch.load(self.file, weights_only=True, map_location=studio.device))
        elif self._recorded.exists():
            self._go_on()

    @property
    def _recorded(self) -> Path:
        return self.studio.records / f"{self.arm.name}.json"

    def advance(self, steps: int) -> None:
        """Take so many steps, evaluate held-out photos on the way, keep a checkpoint and the record."""
        begin, end, seconds = self.step, self.step + steps, self.seconds
        losses: list[Tensor] = []
        while not self.exploded:
            if self.studio.scale.is_mark(self.step) and (not self.held_out or self.held_out[-1][0] < self.step):
                self.held_out.append((self.step, self.studio.evaluate(self.arm, self.generator, self.own)))
            if self.step == end:
                break
            begun = time.monotonic()
            losses.append(self._learn())
            self.step += 1
            self.seconds += time.monotonic() - begun
        mean = float(torch.stack(losses).mean()) if losses else math.nan
        if losses:
            self.training.append((self.step, mean))
        self.exploded = self.exploded or bool(losses and not math.isfinite(mean))
        self._save()
        speed = (self.seconds - seconds) / max(1, self.step - begin)
        self.studio.say(f"{self.arm.name}: step {self.step}, {speed:.2f} s a step, objective {mean:.4g}")

    def timed_steps(self, count: int) -> list[float]:
        """Seconds of processor time of so many steps, which are not kept; on a GPU, of the clock."""
        clock = time.process_time if self.studio.device.type == "cpu" else time.monotonic
        found = []
        for _ in range(count):
            begun = clock()
            float(self._learn())  # waits for a GPU
            found.append(clock() - begun)
        return found

    def agreement(self) -> tuple[float, float]:
        """Bfloat16 beside float32 on the next squares: the objectives' ratio, and the cosine between the gradients."""
        precision = self.studio.bfloat16
        found = []
        for self.studio.bfloat16 in (True, False):
            self.optimizer.zero_grad(set_to_none=True)
            objective = self._objective()
            objective.backward()  # type: ignore[no-untyped-call]  # missing in torch's annotations
            gradients = [p.grad.flatten().double() for p in self.generator.parameters() if p.grad is not None]
            found.append((float(objective.detach()), torch.cat(gradients)))
        self.studio.bfloat16 = precision
        (rough, one), (fine, other) = found
        return rough / fine, float(torch.nn.functional.cosine_similarity(one, other, dim=0))

    def _learn(self) -> Tensor:
        """One step; the objective of its squares."""
        rate = self.rate * (0.8 ** (self.step // self.decay_every) if self.decay_every else 1)
        if self.continued:
            rate *= min(1.0, (self.step - self.continued[-1] + 1) / WARM_UP)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        total = self._objective()
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        objective: Tensor = total.detach()
        return objective

    def _objective(self) -> Tensor:
        """That of the next squares, a scalar."""
        studio, device = self.studio, self.studio.device
        items = range(self.step * studio.scale.batch, (self.step + 1) * studio.scale.batch)
        squares = torch.cat([self._square(item) for item in items]).to(device, memory_format=torch.channels_last)
        noise = draw_noise(self.generator, items, studio.scale.crop, self.arm.seed, device)
        with torch.autocast(device.type, torch.bfloat16, enabled=studio.bfloat16):
            target: ContentTarget = self.own.content_target(squares)
            total: Tensor = self.own(self.generator.train()(squares, noise), target).total.mean()
        return total

    def _square(self, item: int) -> Tensor:
        """The square at this place of the endless sequence, cut from a photo of the squares' short side."""
        crop, size = self.pool.crop(item), self.studio.scale.crop
        photo = self.studio.photos[self.pool.photos[crop.photo]]
        top, left = round(crop.down * (photo.shape[0] - size)), round(crop.across * (photo.shape[1] - size))
        square = photo[top : top + size, left : left + size]
        return to_tensor(np.ascontiguousarray(square[:, ::-1] if crop.mirrored else square))

    def _load(self, kept: dict[str, Any]) -> None:
        self.generator.load_state_dict(kept["generator"])
        if "optimizer" in kept:
            self.optimizer.load_state_dict(kept["optimizer"])
        self.step, self.seconds, self.exploded = kept["step"], kept["seconds"], kept["exploded"]
        self.training = [(step, value) for step, value in kept["training"]]
        self.held_out = [(step, values) for step, values in kept["held_out"]]
        self.continued = kept.get("continued", [])

    def _go_on(self) -> None:
        """Continue from the repository's record."""
        record = json.loads(self._recorded.read_text(encoding="utf-8"))
        now = json.loads(json.dumps([asdict(self.studio.scale), self.studio.origin]))
        if [record["scale"], record["origin"]] != now:
            raise TrainingError(
                f"{self._recorded}: was made with other photos, precision or settings: move it away to start again"
            )
        weights = {name: value.float() for name, value in load_file(self._weights).items()}
        missing = self.generator.state_dict().keys() - weights.keys()  # counters of batches, which nothing reads
        rest = {name: self.generator.state_dict()[name] for name in missing}
        self._load({**record, "generator": {**weights, **rest}})
        self.continued.append(self.step)

    @property
    def _weights(self) -> Path:
        return self._recorded.with_suffix(".safetensors")

    def _save(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "generator": self.generator.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "exploded": self.exploded,
            "training": [[*point] for point in self.training],
            "held_out": [[*point] for point in self.held_out],
            "continued": self.continued,
        }
        with replacing(self.file, TrainingError) as part:
            torch.save(content, part)
        self.studio.records.mkdir(parents=True, exist_ok=True)
        # Averages of batches stay in float32: half precision ends at 65,504, and variances of features are above it.
        halves = {
            name: (value.float() if "running" in name else value.half()).cpu().contiguous()
            for name, value in self.generator.state_dict().items()
            if value.is_floating_point()
        }
        with replacing(self._weights, TrainingError) as part:
            save_file(halves, part)
        with replacing(self._recorded, TrainingError) as part:
            part.write_text(json.dumps(self.record(), sort_keys=True) + "\n", encoding="utf-8")

    def record(self) -> dict[str, Any]:
        """Its settings, how far it is, and its curves."""
        studio = self.studio
        rounded = [[step, [[float(f"{x:.5g}") for x in row] for row in rows]] for step, rows in self.held_out]
        return {
            "arm": asdict(self.arm),
            "scale": asdict(studio.scale),
            "origin": studio.origin,
            "machine": studio.machine,
            "commit": studio.commit,
            "step": self.step,
            "seconds": round(self.seconds, 1),
            "exploded": self.exploded,
            "continued": self.continued,
            "training": [[step, float(f"{value:.5g}")] for step, value in self.training],
            "held_out": rounded,
        }
