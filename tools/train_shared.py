"""Train one of the shared networks on all its styles at once, from a checkpoint, and write it with its style files.

    python tools/train_shared.py best PICTURES PHOTOS -o made/best --start tools/checkpoints/best.safetensors \
        --minutes 6 --device cuda --batch 16
    python tools/train_shared.py fast PICTURES PHOTOS -o made/fast --start tools/checkpoints/fast.safetensors \
        --minutes 4 --device cuda --batch 16

trains both on one CUDA GPU in ten minutes; without --device and --batch it runs on a CPU in the background, for hours.
PICTURES has the style pictures that tools/styles.csv lists, PHOTOS the photos to learn from. A stopped run continues
from OUT/state.pt, which is saved every two minutes; OUT/checkpoint.safetensors holds the averaged weights for another
start, also with other styles. tools/make_styles.py turns OUT into package data.
"""

import argparse
import copy
import csv
import json
import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from impasto.errors import TrainingError
from impasto.files import replacing
from impasto.nn.generator import Generator
from impasto.nn.generators import NOISE_SCALES, build_generator
from impasto.nn.losses import PAINTERLY, PerceptualLoss
from impasto.nn.tensors import to_tensor
from impasto.nn.weights import load_loss_network
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side
from impasto.training.config import PRESETS, TrainConfig
from impasto.training.export import write_result
from impasto.training.muon import Muon
from impasto.training.photos import content_photos

CATALOGUE = Path(__file__).with_name("styles.csv")
HELD_OUT = Path(__file__).parents[1] / "benchmarks" / "held_out.txt"
PRESET = {"best": "impasto", "fast": "fast"}
CROP, MARGIN = 256, 16
"""Side of the squares that are painted, and how much smaller the window in them is that the loss sees, pixels. The
window's place is random: so no grid of the network can please the loss network's pooling."""
SHORT_SIDES = (272, 512)
"""Photos are scaled to a short side between these, log-uniformly: squares hold nearly all of most photos."""
STYLE_SIZE = 672
"""Short side of the style pictures, pixels: larger than the squares, for large strokes."""
PHOTO_EVERY = 12
"""One of so many squares is to come out as the photo, or part of the way to it: for strengths below 1."""
SECOND_VIEW_WEIGHT = 3.0
"""Weight of the mean difference between the results for a photo and for a disturbed copy of it."""
MUON_RATE, ADAM_RATE, STYLE_RATE = 0.01, 1e-3, 4e-3
DECAY_FROM = 0.4
"""Share of the run after which learning rates fall, linearly, to nothing."""
AVERAGE = 0.995
"""Decay of the running average of the weights, which is what is written."""
SAVE_SECONDS = 120
NEW_STYLE = "wheat_field_cypresses"
"""A style that the checkpoint does not have begins with this one's parameters."""


class Photos:
    """The photos in memory, on the device; squares are cut from them at random sizes and places."""

    def __init__(self, paths: Sequence[Path], device: torch.device) -> None:
        self.pictures = []
        for path in paths:
            photo = load_image(path)
            small = resize_short_side(photo, SHORT_SIDES[1]) if min(photo.shape[:2]) > SHORT_SIDES[1] else photo
            self.pictures.append(torch.from_numpy(small.copy()).to(device))

    def squares(self, count: int) -> Tensor:
        """(count, 3, CROP, CROP) in [0, 1]."""
        return torch.cat([self._square(random.choice(self.pictures)) for _ in range(count)])

    def _square(self, photo: Tensor) -> Tensor:
        least, most = SHORT_SIDES
        short = least * (most / least) ** random.random()
        side = min(round(CROP * min(photo.shape[:2]) / short), *photo.shape[:2])
        top, left = (random.randint(0, x - side) for x in photo.shape[:2])
        square = photo[top : top + side, left : left + side].permute(2, 0, 1)[None].float() / 255
        square = F.interpolate(square, (CROP, CROP), mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
        return square.flip(3) if random.random() < 0.5 else square


def second_view(photos: Tensor, cells: tuple[int, int]) -> Tensor:
    """The photos shifted by so many cells, fainter, noisy and rounded to 8 bits: what must not change the result."""
    view = torch.roll(photos, (4 * cells[0], 4 * cells[1]), (2, 3))
    contrast = random.uniform(0.25, 1.0)
    view = view * contrast + random.uniform(0, 1 - contrast)
    view = view + torch.randn_like(view) * random.uniform(0, 2.5) / 255 * contrast
    return (view * 255).round().clamp(0, 255) / 255


def start_weights(path: Path, names: list[str], generator: Generator) -> None:
    """Load a checkpoint into the generator; styles are matched by name, the photo's own parameters are the last."""
    with safe_open(path, "pt") as file:
        known = json.loads(file.metadata()["styles"])
        weights = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
    rows = [known.index(name if name in known else NEW_STYLE) for name in names] + [len(known)]
    generator.load_state_dict({key: x[rows] if ".norm." in f".{key}" else x for key, x in weights.items()})


def write_checkpoint(path: Path, names: list[str], generator: Generator) -> None:
    """The weights as float16 safetensors, with the names of the styles."""
    weights = {key: x.half().cpu().contiguous() for key, x in generator.state_dict().items()}
    with replacing(path, TrainingError) as part:
        save_file(weights, part, metadata={"styles": json.dumps(names)})


@dataclass
class State:
    """What a run has beside the weights."""

    step: int = 0
    seconds: float = 0.0


def turns(names: Sequence[str]) -> Iterator[int]:
    """Indices of styles, endlessly: each comes once before any comes again."""
    while True:
        yield from random.sample(range(len(names)), len(names))


def draw_strengths(step: int, batch: int, device: torch.device) -> Tensor:
    """1 for most; one of PHOTO_EVERY is 0, or on the way to 1."""
    drawn = [
        max(0.0, random.uniform(-1, 1)) if (step * batch + i) % PHOTO_EVERY == PHOTO_EVERY - 1 else 1.0
        for i in range(batch)
    ]
    return torch.tensor(drawn, device=device)


class Trainer:
    """One network in training: weights, their average, optimisers."""

    def __init__(self, generator: Generator, loss: PerceptualLoss, device: torch.device) -> None:
        generator.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's annotations
        self.generator = generator
        self.average = copy.deepcopy(self.generator)
        self.loss, self.device, self.state = loss, device, State()
        kernels: list[nn.Parameter] = []
        norms: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for name, p in generator.named_parameters():
            (norms if "norm" in name else kernels if p.ndim == 4 and "blocks" in name else others).append(p)
        self.optimizers: list[tuple[torch.optim.Optimizer, float]] = [
            (Muon(kernels, lr=MUON_RATE), MUON_RATE),
            (torch.optim.Adam(others, lr=ADAM_RATE, betas=(0.9, 0.99)), ADAM_RATE),
            (torch.optim.Adam(norms, lr=STYLE_RATE, betas=(0.9, 0.99)), STYLE_RATE),
        ]

    def step(self, photos: Tensor, which: list[int], strength: Tensor, fraction: float) -> dict[str, float]:
        """Follow the gradient once; the terms' means over the batch."""
        style = self.generator.style_weights(which, strength)
        noise = self.generator.draw_noise(len(photos), CROP, CROP, device=self.device)
        top, left = random.randrange(MARGIN), random.randrange(MARGIN)
        window = (..., slice(top, top + CROP - MARGIN), slice(left, left + CROP - MARGIN))
        with torch.autocast(self.device.type, torch.bfloat16):
            painted = self.generator(photos, noise, style).float()
            seen = photos[window].contiguous(memory_format=torch.channels_last)
            terms = self.loss(painted[window], self.loss.content_target(seen), which=which, strength=strength)
            total = terms.total.mean()
            found = {name: float(getattr(terms, name).detach().mean()) for name in ("content", "style", "total")}
            if fraction > 0.5 and self.state.step % 2:
                cells = (random.randint(-2, 2), random.randint(-2, 2))
                other = self.generator(second_view(photos, cells), torch.roll(noise, cells, (2, 3)), style).float()
                other = torch.roll(other, (-4 * cells[0], -4 * cells[1]), (2, 3))
                change = (other[window] - painted[window]).abs().mean()
                total = total + SECOND_VIEW_WEIGHT * change
                found["change"] = 255 * float(change.detach())
        for optimizer, rate in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1.0, (1 - fraction) / (1 - DECAY_FROM))
        total.backward()
        length = nn.utils.clip_grad_norm_(self.generator.parameters(), 1.0)
        if math.isfinite(float(length)):
            for optimizer, _ in self.optimizers:
                optimizer.step()
        self.state.step += 1
        with torch.no_grad():
            decay = min(AVERAGE, (1 + self.state.step) / (10 + self.state.step))
            for mean, p in zip(self.average.parameters(), self.generator.parameters(), strict=True):
                mean.lerp_(p, 1 - decay)
        return found

    def save(self, folder: Path, names: list[str]) -> None:
        """The run's state, and the average as a checkpoint."""
        kept = {
            "names": names,
            "generator": self.generator.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer, _ in self.optimizers],
            "state": asdict(self.state),
        }
        with replacing(folder / "state.pt", TrainingError) as part:
            torch.save(kept, part)
        write_checkpoint(folder / "checkpoint.safetensors", names, self.average)

    def resume(self, folder: Path, names: list[str]) -> None:
        """Continue a run of the same styles, if there is one in the folder."""
        if not (folder / "state.pt").exists():
            return
        kept = torch.load(folder / "state.pt", map_location=self.device, weights_only=True)
        if kept["names"] != names:
            raise SystemExit(f"{folder}: a run of other styles: give another folder, and its checkpoint to --start")
        self.generator.load_state_dict(kept["generator"])
        self.average.load_state_dict(kept["average"])
        for (optimizer, _), saved in zip(self.optimizers, kept["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.state = State(**kept["state"])


def main() -> None:
    """Train for the given minutes, all parts of the run together, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("variant", choices=[*PRESET])
    parser.add_argument("pictures", type=Path, help="folder with the style pictures")
    parser.add_argument("photos", type=Path, help="folder with the photos to learn from")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--start", type=Path, required=True, help="a checkpoint of this variant")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device, folder = torch.device(options.device), options.output
    folder.mkdir(parents=True, exist_ok=True)
    with CATALOGUE.open(encoding="utf-8") as file:
        names = sorted(row["name"] for row in csv.DictReader(file))
    paths = [options.pictures / f"{name}.jpg" for name in names]
    recipe = PRESETS[PRESET[options.variant]]
    recipe = replace(recipe, arguments={**recipe.arguments, "noise_scales": NOISE_SCALES})
    generator = build_generator(recipe.generator, {**recipe.generator_arguments(), "styles": len(names) + 1})
    start_weights(options.start, names, generator)
    learnt_from, _ = content_photos(options.photos, HELD_OUT)
    photos = Photos(learnt_from, device)
    network = load_loss_network()[0]
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's annotations
    styles = [to_tensor(resize_short_side(load_image(path), STYLE_SIZE)).to(device) for path in paths]
    trainer = Trainer(generator, PerceptualLoss(network, PAINTERLY, *styles), device)
    trainer.resume(folder, names)
    state, queue, saved = trainer.state, turns(names), time.monotonic()
    torch.manual_seed(state.step)
    random.seed(state.step)
    while state.seconds < 60 * options.minutes:
        begun = time.monotonic()
        which = [next(queue) for _ in range(options.batch)]
        strength = draw_strengths(state.step, options.batch, device)
        found = trainer.step(photos.squares(options.batch), which, strength, state.seconds / 60 / options.minutes)
        state.seconds += time.monotonic() - begun
        if state.step % 50 == 0:
            print(state.step, f"{state.seconds:.0f} s", {k: round(v, 3) for k, v in found.items()}, flush=True)
        if time.monotonic() - saved > SAVE_SECONDS:
            trainer.save(folder, names)
            saved = time.monotonic()
    trainer.save(folder, names)
    config = TrainConfig(styles=tuple(paths), output=folder, recipe=recipe, content=options.photos)
    record = {"start": "checkpoint", "steps": state.step, "seconds": round(state.seconds)}
    record["objective"] = asdict(PAINTERLY)
    examples = [
        to_tensor(resize_short_side(load_image(path), 256)) for path in learnt_from[:: 1 + len(learnt_from) // 6]
    ]
    write_result(trainer.average.cpu(), config, record, None, examples)


if __name__ == "__main__":
    main()
