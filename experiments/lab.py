"""What all experiments share: photos, the style, networks trained under one equal budget, and results on disk.

All arms are trained by the same plain loop: Adam, whose learning rate falls to 0 over the second half (for a steady arm
it is constant), the balanced objective with the style weight of `YARDSTICK`, and batches of square crops. On the way
the network is evaluated on held-out photos, in eval() as in use. Training is in bfloat16 if the processor supports it,
evaluation always in float32. Results are kept in the work folder under a hash of everything that determines them (for
the code, `VERSION`, which is raised by hand when the arithmetic changes). A stopped run continues where it was.
"""

import hashlib
import json
import math
import platform
import random
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from experiments.budget import Arm, Budget
from impasto import __version__
from impasto.errors import TrainingError
from impasto.files import replacing
from impasto.nn.generator import Generator
from impasto.nn.generators import build_generator
from impasto.nn.losses import YARDSTICK, Objective, PerceptualLoss
from impasto.nn.tensors import to_picture, to_tensor
from impasto.nn.weights import load_loss_network
from impasto.optimize.gatys import Evaluated, GatysConfig, GatysResult, optimize
from impasto.pictures.folders import find_images
from impasto.pictures.picture import Pixels
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side
from impasto.pictures.write import save_image
from impasto.training.crops import CropPool
from impasto.training.device import use_bfloat16
from impasto.training.draws import draw_noise
from impasto.training.photos import built_in_photos, content_photos
from impasto.training.targets import ContentTargets

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PAGE = HERE.parent / "docs" / "paper"
HELD_OUT = HERE.parent / "benchmarks" / "held_out.txt"
VERSION = 4
"""The version of the code that makes networks, curves and results: raise it to make those that are kept invalid."""
SAVE_EVERY = 50
"""Steps between checkpoints."""
EXPLODED = 1e9
"""Replaces terms that are not finite: far above any value of a trained network, even one that explodes."""


@dataclass(frozen=True)
class Point:
    """The terms of `YARDSTICK` on the held-out photos after a number of steps; means over photos."""

    step: int
    content: float
    style: float
    objective: float


@dataclass(frozen=True)
class Trained:
    """A trained network and how it got there."""

    arm: Arm
    generator: Generator
    curve: tuple[Point, ...]
    seconds: float
    """Training time, without the evaluations."""
    threads: int
    """The number of threads in training."""
    commit: str
    """The commit of the code that trained it."""

    @property
    def last(self) -> Point:
        return self.curve[-1]


class Lab:
    """Photos, the style, the budget and the results so far.

    Args:
        data: a folder with content/research for training, content/open for evaluation, and styles; None for the
            package's photos and the repository's style.
        budget: the numbers of steps, photos, seeds and so on.
        work: the folder in which networks and curves are kept between runs.
        say: called with messages about the progress.

    Raises:
        TrainingError: there are too few photos.
    """

    LEARNING_RATE = 2e-3

    def __init__(self, data: Path | None, budget: Budget, work: Path, say: Callable[[str], None]) -> None:
        self.budget, self.work, self.say = budget, work, say
        self.bfloat16 = use_bfloat16("auto", torch.device("cpu"))
        self.used: dict[str, dict[str, Any]] = {}
        self.commit = commit()  # at the start: the repository may change during a long run
        if data is None:
            photos = built_in_photos()
            held_out = evenly(photos, budget.held_out)
            self.learning = [path for path in photos if path not in held_out]
        else:
            self.learning = find_images(data / "content" / "research")
            held_out = evenly(content_photos(data / "content" / "open", HELD_OUT)[1], budget.held_out)
        if len(held_out) < budget.held_out or not self.learning:
            raise TrainingError(f"{data}: too few photos in content/research and content/open")
        self._paths = held_out
        self.page, self.results = folders(budget, work)
        self.held_out = [resize_short_side(load_image(path), budget.held_out_size) for path in held_out]
        self.held_out_tensors = [to_tensor(photo) for photo in self.held_out]
        self.style_file = (
            HERE.parent / "examples" / "style.jpg" if data is None else data / "styles" / "starry_night.jpg"
        )
        self.style = load_image(self.style_file)
        self.network, record = load_loss_network()
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's annotations
        self.loss = self.objective(budget.held_out_size)
        self.targets = [self.loss.content_target(photo) for photo in self.held_out_tensors]
        self.origin = {
            "lab": VERSION,
            "precision": "bfloat16" if self.bfloat16 else "float32",
            "learning": f"{len(self.learning)} photos, hash {digest(map(file_hash, self.learning))}",
            "held_out": {path.name: file_hash(path) for path in held_out},
            "style": {self.style_file.name: file_hash(self.style_file)},
            "objective": weighed(YARDSTICK),
            "loss_network": record["sha256"],
        }

    def objective(self, style_size: int, **changed: float) -> PerceptualLoss:
        """The objective `YARDSTICK` for the style picture at this short side, with changed weights."""
        style = to_tensor(resize_short_side(self.style, style_size))
        return PerceptualLoss(self.network, replace(YARDSTICK, **changed), style)  # type: ignore[arg-type]  # only weights are changed

    def count(self, photos: int) -> int:
        """The number of photos in a training set of this size: there may be fewer."""
        return min(photos, len(self.learning))

    def arms(self, generator: str, norm: str, **changed: Any) -> list[Trained]:
        """This network, once for each seed."""
        return [self.learn(Arm(generator, norm, seed, **changed)) for seed in self.budget.seeds]

    def learn(self, arm: Arm) -> Trained:
        """The network of this arm: from the work folder, or trained now. One that explodes ends at :data:`EXPLODED`."""
        budget = self.budget
        if arm.photos is not None and arm.photos >= len(self.learning):
            arm = replace(arm, photos=None)
        photos = self.drawn(arm.photos, arm.seed)
        steps = budget.short if arm.short else budget.steps
        marks = [mark for mark in budget.marks if mark <= steps]
        taught = [steps, marks, budget.batch, budget.crop, budget.held_out_size, self.LEARNING_RATE]
        made_of = json.dumps([arm.key(), taught, self.origin], sort_keys=True, default=str)
        file = self.work / "networks" / f"{digest([made_of])}.pt"
        torch.manual_seed(arm.seed)
        generator = build_generator(arm.generator, arm.arguments())
        optimizer = torch.optim.Adam(generator.parameters(), self.LEARNING_RATE)
        step, curve, seconds, threads, code = 0, list[Point](), 0.0, torch.get_num_threads(), self.commit
        if file.exists():
            kept = torch.load(file, weights_only=True)
            generator.load_state_dict(kept["generator"])
            optimizer.load_state_dict(kept["optimizer"])
            step, curve = kept["step"], [Point(*point) for point in kept["curve"]]
            seconds, threads, code = kept["seconds"], kept["threads"], kept["commit"]
            if curve and curve[-1].step == steps:
                return self._noted(Trained(arm, generator.eval(), tuple(curve), seconds, threads, code))
        self.say(f"training {arm}" + (f", from step {step}" if step else ""))

        loss = self.objective(budget.held_out_size, content_weight=arm.content_weight)
        pool = CropPool(photos, 0, (budget.crop, 2 * budget.crop), arm.seed)
        targets = ContentTargets(loss, pool, torch.device("cpu"))
        while True:
            if step in marks and (not curve or curve[-1].step < step):
                curve.append(Point(step, *self.evaluate(generator, arm.seen)))
            if step == steps:
                break
            begun = time.monotonic()
            items = range(step * budget.batch, (step + 1) * budget.batch)
            crops, target = targets.get([pool.index(item) for item in items], budget.crop)
            noise = draw_noise(generator, items, budget.crop, arm.seed, torch.device("cpu"))
            optimizer.zero_grad(set_to_none=True)
            for group in optimizer.param_groups:
                group["lr"] = self.LEARNING_RATE * (1 if arm.steady else min(1, 2 - 2 * step / steps))
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
                total = loss(generator.train()(arm.seen(crops), noise), target).total.mean()
            if not torch.isfinite(total):
                self.say(f"{arm} exploded at step {step}")
                curve += [Point(mark, EXPLODED, EXPLODED, EXPLODED) for mark in marks if mark > curve[-1].step]
                break
            total.backward()
            optimizer.step()
            step += 1
            seconds += time.monotonic() - begun
            if step % SAVE_EVERY == 0:
                _keep(file, generator, optimizer, step, curve, seconds, threads, code)
        _keep(file, generator, optimizer, step, curve, seconds, threads, code)
        return self._noted(Trained(arm, generator.eval(), tuple(curve), seconds, threads, code))

    def _noted(self, trained: Trained) -> Trained:
        """The same network, after adding it to the record of the claim that is measured."""
        self.note(trained.arm.key(), trained.seconds, trained.threads, trained.commit)
        return trained

    def note(self, key: Mapping[str, Any], seconds: float, threads: int, code: str) -> None:
        """Add a network to the record of the claim that is measured: its key, and how it was trained."""
        made = {"seconds": round(seconds, 1), "threads": threads, "commit": code}
        self.used[json.dumps(key, sort_keys=True)] = {**key, **made}

    def drawn(self, count: int | None, seed: int) -> list[Path]:
        """The training set of ``count`` photos that this seed draws; all photos if None."""
        return self.learning if count is None else random.Random(seed).sample(self.learning, count)

    def gatys(self, name: str, photo: Pixels, config: GatysConfig) -> GatysResult:
        """Gatys' optimization of ``photo``, known by ``name``, and the style; kept in the work folder.

        Raises:
            KeyboardInterrupt: after Ctrl-C, so that an incomplete curve is not used.
        """
        # It does not depend on the training photos and the precision of training.
        style = {key: self.origin[key] for key in ("lab", "style", "loss_network")}
        settings = {**asdict(config), "objective": weighed(config.objective)}
        made_of = (name, digest([photo.tobytes().hex()]), settings, style)
        stem = self.work / "gatys" / digest([json.dumps(made_of, sort_keys=True, default=str)])
        picture, points = stem.with_suffix(".png"), stem.with_suffix(".json")
        if not points.exists():
            self.say(f"Gatys, {config.evaluations} evaluations at {config.size} px: {name}")
            result = optimize(photo, self.style, config, network=self.network)
            if not result.finished:
                raise KeyboardInterrupt
            stem.parent.mkdir(parents=True, exist_ok=True)
            save_image(picture, result.picture)
            with replacing(points, TrainingError) as part:
                part.write_text(json.dumps([asdict(point) for point in result.curve]))
        curve = tuple(Evaluated(**point) for point in json.loads(points.read_text()))
        return GatysResult(load_image(picture), curve, finished=True)

    def seconds_an_evaluation(self, photo: Pixels, config: GatysConfig) -> float:
        """The time of an evaluation in Gatys' optimization, measured now: kept curves may be from another computer."""
        curve = optimize(photo, self.style, replace(config, evaluations=4), network=self.network).curve
        return (curve[-1].seconds - curve[0].seconds) / (len(curve) - 1)

    def evaluate(
        self, generator: Generator, seen: Callable[[Tensor], Tensor] = lambda photo: photo
    ) -> tuple[float, float, float]:
        """The terms of `YARDSTICK`, content, style and objective: means over the held-out photos, in eval()."""
        found = [
            self.terms(self.paint(generator, seen(photo)), number) for number, photo in enumerate(self.held_out_tensors)
        ]
        content, style, objective = (sum(column) / len(found) for column in zip(*found, strict=True))
        return content, style, objective

    @torch.no_grad()
    def terms(self, painted: Tensor, number: int) -> tuple[float, float, float]:
        """The terms of `YARDSTICK` for a picture of held-out photo ``number``."""
        terms = self.loss(painted, self.targets[number])
        found = float(terms.content), float(terms.style), float(terms.total)
        return found if all(map(math.isfinite, found)) else (EXPLODED, EXPLODED, EXPLODED)

    @torch.no_grad()
    def paint(self, generator: Generator, photo: Tensor, seed: int = 0) -> Tensor:
        """``photo``, (1, 3, H, W), repainted in eval(), clipped to [0, 1]."""
        noise = draw_noise(generator, range(1), photo.shape[2:], seed, torch.device("cpu"))
        painted: Tensor = generator.eval()(photo, noise).clamp(0, 1)
        return painted

    def whole(self, number: int) -> Pixels:
        """Held-out photo ``number`` at its own size."""
        return load_image(self._paths[number])

    def picture(self, generator: Generator, number: int) -> Pixels:
        """Held-out photo ``number`` repainted."""
        return to_picture(self.paint(generator, self.held_out_tensors[number]))

    def keep_result(self, name: str, found: Mapping[str, Any], seconds: float) -> None:
        """Write the result of a claim, with everything that it depends on, to results/NAME.json."""
        self.results.mkdir(parents=True, exist_ok=True)
        record = {
            "claim": name,
            "version": __version__,
            "commit": self.commit,
            "budget": asdict(self.budget),
            "learning_rate": self.LEARNING_RATE,
            "origin": self.origin,
            "machine": {"processor": processor(), "threads": torch.get_num_threads(), "torch": torch.__version__},
            "seconds": round(seconds, 1),
            "networks": [*self.used.values()],
            "found": found,
        }
        _write_json(self.results / f"{name}.json", record)
        _write_json(self.results / "data.json", self.data_list())

    def data_list(self) -> dict[str, Any]:
        """Every training photo with its file's hash, the held-out photos, and the photos of each smaller set."""
        sizes = sorted({count for count in self.budget.photos if count < len(self.learning)})
        return {
            "learning": {path.name: file_hash(path) for path in sorted(self.learning)},
            "held_out": self.origin["held_out"],
            "style": self.origin["style"],
            "drawn": {
                f"{size} photos, seed {seed}": [path.name for path in self.drawn(size, seed)]
                for size in sizes
                for seed in self.budget.seeds
            },
        }


def weighed(objective: Objective) -> dict[str, Any]:
    """The fields of an objective that are not 0: results stay valid when the objective gets a new term."""
    return {name: value for name, value in asdict(objective).items() if value != 0}


def folders(budget: Budget, work: Path) -> tuple[Path, Path]:
    """The folders of the page and the results: in the repository only with the full budget."""
    return (PAGE, RESULTS) if budget.name == "full" else (work / "page", work / "results")


def digest(words: Iterable[str]) -> str:
    """A short hash."""
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]


def processor() -> str:
    """The name of the processor; on many systems `platform` does not know it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def commit() -> str:
    """The commit of this code, followed by "+" if files were changed since; "unknown" outside a repository."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=HERE.parent, capture_output=True, text=True, check=True).stdout

    try:
        differing = git("status", "--porcelain", "--", "src", "experiments/*.py")
        return git("rev-parse", "--short=12", "HEAD").strip() + ("+" if differing else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def file_hash(path: Path) -> str:
    """A short hash of the file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _write_json(file: Path, content: Mapping[str, Any]) -> None:
    with replacing(file, TrainingError) as part:
        part.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _keep(
    file: Path,
    generator: Generator,
    optimizer: torch.optim.Optimizer,
    step: int,
    curve: Sequence[Point],
    seconds: float,
    threads: int,
    code: str,
) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "generator": generator.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
        "curve": [[point.step, point.content, point.style, point.objective] for point in curve],
        "seconds": seconds,
        "threads": threads,
        "commit": code,
    }
    with replacing(file, TrainingError) as part:
        torch.save(content, part)


def evenly(paths: Sequence[Path], count: int) -> list[Path]:
    """``count`` of the paths, evenly spaced."""
    return [paths[int((i + 0.5) * len(paths) / count)] for i in range(min(count, len(paths)))]
