"""Train one of the shared networks on all its styles at once, from a checkpoint, and write it with its style files.

    python -m tools.train_shared best PICTURES PHOTOS -o made/best --checkpoint tools/checkpoints/best.safetensors \
        --minutes 6 --device cuda --batch 16
    python -m tools.train_shared fast PICTURES PHOTOS -o made/fast --checkpoint tools/checkpoints/fast.safetensors \
        --teacher made/best/checkpoint.safetensors --minutes 4 --device cuda --batch 16

trains both on one CUDA GPU in ten minutes. On a CPU it takes hours, without --device and --batch, best with a process
for each core, `torchrun --nproc_per_node 2 -m tools.train_shared ...`: each trains a copy, and every few steps all
continue from the mean of their weights. PICTURES has the style pictures that tools/styles.csv lists, PHOTOS the photos
to learn from. With --teacher the network imitates another one's pictures of the same photos, noise and styles, which
takes a small part of the time. With --only STYLE, that style's scales and shifts alone are trained, in minutes, with
the objective of its line in tools/styles.csv. A stopped run continues from OUT/state.pt, which is saved every two
minutes; OUT/checkpoint.safetensors holds the averaged weights for another start, also with other styles.
tools/make_styles.py turns OUT into package data.
"""

import argparse
import copy
import csv
import json
import math
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from impasto import __version__
from impasto.errors import TrainingError
from impasto.files import replacing
from impasto.nn.generator import Generator
from impasto.nn.generators import LightGenerator, build_generator
from impasto.nn.losses import PAINTERLY, Objective, PerceptualLoss
from impasto.nn.tensors import to_tensor
from impasto.nn.weights import load_loss_network
from impasto.optimize.gatys import YARDSTICK_SIZE
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side
from impasto.training.config import PRESETS, TrainConfig
from impasto.training.contrast import contrast, match_contrast
from impasto.training.distributed import World, join
from impasto.training.export import write_result
from impasto.training.muon import Muon
from impasto.training.photos import content_photos
from tools.shared_objectives import BORDER, Imitation, Painting

CATALOG = Path(__file__).with_name("styles.csv")
HELD_OUT = Path(__file__).parents[1] / "benchmarks" / "held_out.txt"
PRESET = {"best": "impasto", "fast": "fast"}
FIRST_CROP, CROP, GROW_AT = 192, 256, 0.5
"""Side of the squares at the start and at the end, pixels, and the fraction of the run after which it grows."""
SHORT_SIDES = (240, 512)
"""Photos are scaled to a short side between these, log-uniformly: squares contain nearly all of most photos."""
PHOTO_EVERY = 14
"""One crop in this many has a strength below 1."""
SECOND_VIEW_WEIGHT, SECOND_VIEW_FROM = 3.0, 0.5
"""Weight of the mean difference between the pictures of a photo and of a disturbed copy of it, and the fraction of the
run from which every other step has this term."""
MUON_RATE, ADAM_RATE, STYLE_RATE = 0.02, 2e-3, 6e-3
DECAY_FROM = 0.3
"""Fraction of the run after which learning rates fall, linearly, to 0."""
AVERAGE = 0.995
"""Decay of the running average of the weights, which is what is written."""
MEET_EVERY = 20
"""Steps after which the processes of a run continue from their mean."""
SAVE_SECONDS = 120
NEW_STYLE = "wheat_field_cypresses"
"""A style that the checkpoint does not have starts with the parameters of this one."""


class Photos:
    """The photos in memory, on the device; squares are cut from them at random sizes and places."""

    def __init__(self, paths: Sequence[Path], device: torch.device) -> None:
        self.pictures = []
        for path in paths:
            photo = load_image(path)
            small = resize_short_side(photo, SHORT_SIDES[1]) if min(photo.shape[:2]) > SHORT_SIDES[1] else photo
            self.pictures.append(torch.from_numpy(small.copy()).to(device))

    def squares(self, count: int, side: int) -> Tensor:
        """(count, 3, side, side) in [0, 1]."""
        return torch.cat([self._square(random.choice(self.pictures), side) for _ in range(count)])

    def _square(self, photo: Tensor, size: int) -> Tensor:
        least, most = SHORT_SIDES
        short = max(size, least * (most / least) ** random.random())
        side = min(round(size * min(photo.shape[:2]) / short), *photo.shape[:2])
        top, left = (random.randint(0, x - side) for x in photo.shape[:2])
        square = photo[top : top + side, left : left + side].permute(2, 0, 1)[None].float() / 255
        square = F.interpolate(square, (size, size), mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
        return square.flip(3) if random.random() < 0.5 else square


def second_view(photos: Tensor, cells: tuple[int, int]) -> Tensor:
    """The photos shifted by a number of cells, with less contrast, noisy and rounded to 8 bits."""
    view = torch.roll(photos, (4 * cells[0], 4 * cells[1]), (2, 3))
    contrast = random.uniform(0.25, 1.0)
    view = view * contrast + random.uniform(0, 1 - contrast)
    view = view + torch.randn_like(view) * random.uniform(0, 2.5) / 255 * contrast
    return (view * 255).round().clamp(0, 255) / 255


def start_weights(path: Path, names: list[str], generator: Generator) -> None:
    """Load a checkpoint into the generator; styles are matched by name, the photo's own parameters are the last."""
    known = styles_of(path)
    with safe_open(path, "pt") as file:
        weights = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
    rows = [known.index(name if name in known else NEW_STYLE) for name in names] + [len(known)]
    generator.load_state_dict({key: x[rows] if ".norm." in f".{key}" else x for key, x in weights.items()})


def styles_of(path: Path) -> list[str]:
    """The names of a checkpoint's styles, in order."""
    with safe_open(path, "pt") as file:
        names: list[str] = json.loads(file.metadata()["styles"])
    return names


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


def turns(often: Sequence[int]) -> Iterator[int]:
    """Indices of styles, endlessly: in each round, style i comes ``often[i]`` times, in random order."""
    every = [index for index, count in enumerate(often) for _ in range(count)]
    while True:
        yield from random.sample(every, len(every))


def draw_strengths(step: int, batch: int, device: torch.device) -> Tensor:
    """1 for most; one of PHOTO_EVERY is 0, or on the way to 1."""
    drawn = [
        max(0.0, random.uniform(-1, 1)) if (step * batch + i) % PHOTO_EVERY == PHOTO_EVERY - 1 else 1.0
        for i in range(batch)
    ]
    return torch.tensor(drawn, device=device)


class Trainer:
    """One network in training: weights, their average, optimizers. With ``only``, that style's scales and shifts."""

    def __init__(
        self, generator: LightGenerator, objective: Painting | Imitation, world: World, only: int | None = None
    ) -> None:
        self.device = world.device
        generator.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's annotations
        self.generator, self.objective, self.world, self.state = generator, objective, world, State()
        self.average = copy.deepcopy(self.generator)
        kernels: list[nn.Parameter] = []
        norms: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for name, p in generator.named_parameters():
            (norms if "norm" in name else kernels if p.ndim == 4 and "blocks" in name else others).append(p)
        self.optimizers: list[tuple[torch.optim.Optimizer, float]] = [
            (torch.optim.Adam(norms, lr=STYLE_RATE, betas=(0.9, 0.99)), STYLE_RATE)
        ]
        if only is None:
            self.optimizers += [
                (Muon(kernels, lr=MUON_RATE), MUON_RATE),
                (torch.optim.Adam(others, lr=ADAM_RATE, betas=(0.9, 0.99)), ADAM_RATE),
            ]
            return
        for p in (*kernels, *others):
            p.requires_grad_(False)
        chosen = torch.zeros(generator.styles, 1, device=self.device)
        chosen[only] = 1
        for p in norms:
            p.register_hook(lambda gradient: gradient * chosen)  # type: ignore[no-untyped-call]  # missing in torch's annotations

    def step(self, photos: Tensor, which: list[int], strength: Tensor, fraction: float) -> dict[str, float]:
        """Follow the gradient once; the terms' means over the batch."""
        style = self.generator.style_weights(which, strength)
        noise = self.generator.draw_noise(len(photos), *photos.shape[2:], device=self.device)
        with torch.autocast(self.device.type, torch.bfloat16):
            painted = self.generator(photos, noise, style).float()
            terms = self.objective(painted, photos, noise, which, strength)
            if isinstance(self.objective, Painting) and fraction > SECOND_VIEW_FROM and self.state.step % 2:
                cells = (random.randint(-2, 2), random.randint(-2, 2))
                other = self.generator(second_view(photos, cells), torch.roll(noise, cells, (2, 3)), style).float()
                other = torch.roll(other, (-4 * cells[0], -4 * cells[1]), (2, 3))
                inside = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
                terms["change"] = (other[inside] - painted[inside]).abs().mean()
                terms["total"] = terms["total"] + SECOND_VIEW_WEIGHT * terms["change"]
        for optimizer, rate in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1.0, (1 - fraction) / (1 - DECAY_FROM))
        terms["total"].backward()  # type: ignore[no-untyped-call]  # missing in torch's annotations
        length = nn.utils.clip_grad_norm_(self.generator.parameters(), 1.0)
        if math.isfinite(float(length)):
            for optimizer, _ in self.optimizers:
                optimizer.step()
        self.state.step += 1
        with torch.no_grad():
            decay = min(AVERAGE, (1 + self.state.step) / (10 + self.state.step))
            for mean, p in zip(self.average.parameters(), self.generator.parameters(), strict=True):
                mean.lerp_(p, 1 - decay)
        return {name: float(x.detach()) for name, x in terms.items()}

    @torch.no_grad()
    def meet(self) -> None:
        """Continue from the mean of all processes' weights."""
        if self.world.size == 1:
            return
        for p in self.generator.parameters():
            dist.all_reduce(p)
            p.div_(self.world.size)

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
            raise SystemExit(
                f"{folder}: a run of other styles: give another folder, and its checkpoint to --checkpoint"
            )
        self.generator.load_state_dict(kept["generator"])
        self.average.load_state_dict(kept["average"])
        for (optimizer, _), saved in zip(self.optimizers, kept["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.state = State(**kept["state"])


def read_catalog() -> dict[str, Mapping[str, str]]:
    """The lines of tools/styles.csv by name, in alphabetical order."""
    with CATALOG.open(encoding="utf-8") as file:
        return dict(sorted((row["name"], row) for row in csv.DictReader(file)))


def objective_of(row: Mapping[str, str]) -> Objective:
    """The objective that a style is trained with alone: PAINTERLY, with what its line says otherwise."""
    changes: dict[str, float | tuple[str, ...]] = {}
    for word in row["objective"].split():
        name, _, value = word.partition("=")
        changes[name] = tuple(value.split("+")) if name.endswith("layers") else float(value)
    return replace(PAINTERLY, **changes)  # type: ignore[arg-type]  # names and types are those of the fields


def train(
    trainer: Trainer, names: list[str], photos: Photos, often: Sequence[int], options: argparse.Namespace
) -> None:
    """Train until the time is over; save and report on the way.

    Processes have their own clocks, so they agree on the fraction of the run that is over when their weights meet.
    """
    state, world = trainer.state, trainer.world
    seed = state.step * world.size + world.rank
    torch.manual_seed(seed)
    random.seed(seed)
    queue, saved, first = turns(often), time.monotonic(), state.step
    while True:
        if (state.step - first) % MEET_EVERY == 0 or world.size == 1:
            trainer.meet()
            fraction, _ = world.agree(state.seconds / 60 / options.minutes, False)
            if fraction >= 1:
                break
        begun = time.monotonic()
        which = [next(queue) for _ in range(options.batch)]
        strength = draw_strengths(state.step, options.batch, trainer.device)
        side = CROP if options.teacher or fraction >= GROW_AT else FIRST_CROP
        found = trainer.step(photos.squares(options.batch, side), which, strength, fraction)
        state.seconds += time.monotonic() - begun
        if world.first and state.step % 50 == 0:
            print(state.step, f"{state.seconds:.0f} s", {k: round(v, 3) for k, v in found.items()}, flush=True)
        if world.first and time.monotonic() - saved > SAVE_SECONDS:
            trainer.save(options.output, names)
            saved = time.monotonic()
    if world.first:
        trainer.save(options.output, names)


def main() -> None:
    """Train for the given minutes, all parts of the run together, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("variant", choices=[*PRESET])
    parser.add_argument("pictures", type=Path, help="folder with the style pictures")
    parser.add_argument("photos", type=Path, help="folder with the photos to learn from")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True, help="a checkpoint of this variant")
    parser.add_argument("--teacher", type=Path, help="checkpoint of the best network, to imitate")
    parser.add_argument("--only", choices=read_catalog(), metavar="STYLE", help="train only its scales and shifts")
    parser.add_argument("--minutes", type=float, default=10.0, help="0: write the checkpoint as it is")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="for each process")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    world, folder = join(options.device), options.output
    folder.mkdir(parents=True, exist_ok=True)
    catalog = read_catalog()
    names, paths = list(catalog), [options.pictures / f"{name}.jpg" for name in catalog]
    generator = build(options.variant, len(names))
    start_weights(options.checkpoint, names, generator)
    learned_from, _ = content_photos(options.photos, HELD_OUT)
    network = load_loss_network()[0]
    network.to(world.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's annotations
    objective: Painting | Imitation
    aim = objective_of(catalog[options.only]) if options.only else PAINTERLY
    if options.teacher:
        teacher = build("best", len(names))
        start_weights(options.teacher, names, teacher)
        teacher.to(world.device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's annotations
        objective = Imitation(teacher.eval(), network)
    else:
        chosen = [options.only] if options.only else names
        styles = [
            to_tensor(resize_short_side(load_image(options.pictures / f"{name}.jpg"), int(catalog[name]["size"])))
            for name in chosen
        ]
        objective = Painting(PerceptualLoss(network, aim, *(style.to(world.device) for style in styles)))
    trainer = Trainer(generator, objective, world, names.index(options.only) if options.only else None)
    trainer.resume(folder, names)
    often = [
        int(name == options.only) if options.only else 1 if options.teacher else int(row["often"])
        for name, row in catalog.items()
    ]
    with world.leave_together():
        if options.minutes:
            train(trainer, names, Photos(learned_from, world.device), often, options)
    if not world.first:
        return
    recipe = PRESETS[PRESET[options.variant]]
    config = TrainConfig(styles=tuple(paths), output=folder, recipe=recipe, content=options.photos)
    record = {
        "preset": PRESET[options.variant],
        "start": "checkpoint",
        "photos": len(learned_from),
        "impasto": __version__,
        "steps": trainer.state.step,
        "seconds": round(trainer.state.seconds),
    }
    record["objective"] = "imitation of the best network" if options.teacher else asdict(aim)
    examples = [
        to_tensor(resize_short_side(load_image(path), 256)) for path in learned_from[:: 1 + len(learned_from) // 12]
    ]
    generator = trainer.average.cpu()
    wanted = [contrast(to_tensor(resize_short_side(load_image(path), YARDSTICK_SIZE))) for path in paths]
    record["contrast"] = [round(x, 3) for x in match_contrast(generator, wanted, examples)]
    write_result(generator, config, record, None, examples[::2])


def build(variant: str, styles: int) -> LightGenerator:
    """A generator of this variant's shape for so many styles and the photo."""
    recipe = PRESETS[PRESET[variant]]
    generator = build_generator(recipe.generator, {**recipe.generator_arguments(), "styles": styles + 1})
    assert isinstance(generator, LightGenerator)
    return generator


if __name__ == "__main__":
    main()
