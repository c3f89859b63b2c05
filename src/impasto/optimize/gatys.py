"""Optimizing the pixels of one picture (Gatys, Ecker, Bethge 2016): slow, and the reference for all fast networks."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.errors import TrainingError, UsageError
from impasto.files import check_writable, replacing
from impasto.nn.losses import YARDSTICK, ContentTarget, Objective, PerceptualLoss
from impasto.nn.tensors import to_picture, to_tensor
from impasto.nn.vgg import Convention, VGGFeatures
from impasto.nn.weights import load_loss_network
from impasto.optimize.statistics import StyleStatistics
from impasto.options import check_ranges, opt
from impasto.pictures.picture import Pixels
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side
from impasto.pictures.sources import file_or_name
from impasto.pictures.write import check_saving, save_image
from impasto.training.config import check_seed
from impasto.training.device import DEVICE_HELP, Device, choose_device

MINIMUM_SIZE = 32
"""Short side of pictures, pixels: the loss network downsamples by eight."""
YARDSTICK_SIZE = 512
"""Short side of photo and style picture in all reported results, pixels."""
FIRST_STEP = 0.01
"""Root mean square change of the pixels, in [0, 1], in the first step from a given picture."""


@dataclass(frozen=True)
class GatysConfig:
    """The settings of one optimization."""

    objective: Objective = field(default=YARDSTICK, metadata={"help": "layers, statistics and weights of the loss"})
    method: Literal["lbfgs", "adam"] = opt("lbfgs", "L-BFGS with line search (the paper's choice), or Adam")
    start: Literal["content", "noise"] = opt("content", "the first picture: the photo, or white noise")
    evaluations: int = opt(200, "evaluations of the objective (Gatys' code: 1000 iterations)", least=1)
    goal: float | None = opt(None, "stop when the objective is this low")
    size: int = opt(512, "short side of photo and result, pixels")
    style_size: int | None = opt(None, "short side of the style picture, pixels; default: that of the photo")
    adam_rate: float = opt(0.02, "Adam's learning rate, for pixels in [0, 1]")
    seed: int = opt(0, "seed of the noise")
    device: Device = opt("auto", DEVICE_HELP)
    loss_network: Path | None = opt(None, "weights of another VGG-16 or VGG-19; default: the built-in VGG-16")
    convention: Convention = opt("torchvision", "the preprocessing those weights expect")

    def __post_init__(self) -> None:
        if self.method not in ("lbfgs", "adam"):
            raise UsageError(f"unknown method '{self.method}': choose one of lbfgs, adam")
        if self.start not in ("content", "noise"):
            raise UsageError(f"unknown start '{self.start}': choose one of content, noise")
        check_ranges(self)
        check_seed(self.seed)
        if not 0 < self.adam_rate < 10:
            raise UsageError(f"adam-rate must be more than 0 and less than 10, not {self.adam_rate}")
        if self.size < MINIMUM_SIZE or (self.style_size is not None and self.style_size < MINIMUM_SIZE):
            raise UsageError(f"size must be {MINIMUM_SIZE} pixels or more: the loss network shrinks pictures eightfold")


@dataclass(frozen=True)
class Evaluated:
    """One evaluation of the objective: its number from 1, seconds since the start, and the terms."""

    evaluation: int
    seconds: float
    content: float
    style: float
    objective: float


@dataclass(frozen=True)
class GatysResult:
    """The result of an optimization.

    Attributes:
        picture: the picture with the lowest objective, uint8 (H, W, 3).
        curve: all evaluations, in order.
        finished: False after an interruption.
    """

    picture: Pixels
    curve: tuple[Evaluated, ...]
    finished: bool


def gatys(
    content: str | os.PathLike[str],
    style: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    evaluations: int = GatysConfig.evaluations,
    size: int = GatysConfig.size,
    style_size: int | None = GatysConfig.style_size,
    start: Literal["content", "noise"] = GatysConfig.start,
    method: Literal["lbfgs", "adam"] = GatysConfig.method,
    seed: int = GatysConfig.seed,
    device: Device = GatysConfig.device,
    objective: Objective = YARDSTICK,
    progress: Callable[[Evaluated], None] = lambda _: None,
) -> GatysResult:
    """Repaint a photo in the style of a picture by optimizing its pixels; needs ``impasto[train]``.

        impasto.gatys("photo.jpg", "style.jpg", "painted.png", evaluations=100)

    Ctrl-C ends the optimization; the best picture so far is written. The curve is written to ``painted.curve.json``.

    Args:
        content: path of the photo.
        style: path of the style picture.
        output: path of the picture to write; an existing one is replaced.
        evaluations: number of evaluations of the objective; 100 to 200 take some minutes at 512 pixels on a CPU.
        size: short side of the photo and the result, pixels.
        style_size: short side of the style picture, pixels; with None, as the photo's.
        start: "content", the photo, or "noise".
        method: "lbfgs" or "adam".
        seed: seed of the noise.
        device: "cpu", "cuda", "mps" or "auto": a CUDA GPU if there is one, else the CPU.
        objective: layers, statistics and weights of the loss.
        progress: called after every evaluation.

    Returns:
        The picture and its curve.

    Raises:
        ImageError: if a picture cannot be read or written.
        UsageError: for impossible settings, or if the output is one of the inputs.
        TrainingError: if the objective is not finite.
    """
    config = GatysConfig(
        objective=objective,
        method=method,
        start=start,
        evaluations=evaluations,
        size=size,
        style_size=style_size,
        seed=seed,
        device=device,
    )
    photo, picture, result = (Path(file_or_name(path)) for path in (content, style, output))
    return paint(photo, picture, result, config, progress)


def paint(
    content: Path,
    style: Path,
    output: Path,
    config: GatysConfig,
    progress: Callable[[Evaluated], None] = lambda _: None,
) -> GatysResult:
    """Optimize as :func:`optimize` does, from files to a file; the curve is written beside the picture.

    Raises:
        ImpastoError: see :func:`gatys`.
    """
    # Check everything that could prevent writing the result before the work.
    if output.resolve() in (content.resolve(), style.resolve()):
        raise UsageError(f"{output}: is one of the inputs and would be overwritten; choose another output")
    check_saving(output)
    check_writable(curve_file(output), TrainingError)
    result = optimize(load_image(content), load_image(style), config, progress)
    save_image(output, result.picture)
    with replacing(curve_file(output), TrainingError) as part:
        part.write_text(
            json.dumps({"config": asdict(config), "curve": [asdict(point) for point in result.curve]}, default=str)
        )
    return result


def curve_file(output: Path) -> Path:
    """The path of the curve of the picture ``output``."""
    return output.with_suffix(".curve.json")


def optimize(
    content: Pixels,
    style: Pixels | StyleStatistics,
    config: GatysConfig,
    progress: Callable[[Evaluated], None] = lambda _: None,
    *,
    begin: Pixels | None = None,
    network: VGGFeatures | None = None,
) -> GatysResult:
    """The picture that minimizes the objective of ``content`` and ``style``.

    The pixels are unbounded during the optimization and clipped to [0, 1] at the end, as in Gatys' code. After Ctrl-C
    the best picture so far is returned.

    Args:
        content: the photo, uint8 (H, W, 3).
        style: the style picture, uint8 (H, W, 3), or its statistics.
        config: the settings.
        progress: called after every evaluation.
        begin: the first picture, of any size, which replaces ``config.start``. L-BFGS then optimizes the change to it
            in the frequency domain, see :func:`_spectrum`.
        network: the loss network, on its device, instead of the one in ``config``.

    Raises:
        UsageError: for a layer that the loss network does not have.
        TrainingError: if the objective is not finite from the start.
    """
    if network is None:
        network, _ = load_loss_network(config.loss_network, config.convention)
        network.to(choose_device(config.device))
    device = network.mean.device
    photo = to_tensor(resize_short_side(content, config.size)).to(device)
    if isinstance(style, StyleStatistics):
        loss = style.loss(network, config.objective)
    else:
        picture = to_tensor(resize_short_side(style, config.style_size or config.size)).to(device)
        loss = PerceptualLoss(network, config.objective, picture)
    first = _first_picture(photo, begin, config)
    in_frequencies = begin is not None and config.method == "lbfgs"
    variable, pixels_of = _spectrum(first) if in_frequencies else (first.clone(), _identity)
    search = _Search(loss, loss.content_target(photo), config, variable.requires_grad_(True), pixels_of, progress)
    search.run()
    if search.best is None:
        raise TrainingError("the objective is not finite: lower --style-weight")
    reached = config.goal is not None and search.lowest <= config.goal
    return GatysResult(to_picture(search.best), tuple(search.curve), reached or len(search.curve) == config.evaluations)


def evaluations_to_equal(
    objective: float,
    photo: Pixels,
    style: Pixels,
    *,
    start: Literal["content", "noise"],
    size: int,
    most: int,
    network: VGGFeatures | None = None,
) -> int | None:
    """Number of evaluations after which L-BFGS reaches this value of :data:`YARDSTICK`; None if more than ``most``."""
    config = GatysConfig(
        objective=YARDSTICK, evaluations=most, goal=objective, start=start, size=size, style_size=YARDSTICK_SIZE
    )
    result = optimize(photo, style, config, network=network)
    if not result.finished:
        raise KeyboardInterrupt
    curve = result.curve
    return len(curve) if curve[-1].objective <= objective else None


class _Done(Exception):
    """Raised inside an optimizer to leave it."""


class _Search:
    """The optimizer, and the objective as a function of its variable.

    Attributes:
        curve: the evaluations so far.
        best: the picture with the lowest objective, (1, 3, H, W) in [0, 1]; None before a finite one.
        lowest: its objective.
    """

    def __init__(
        self,
        loss: PerceptualLoss,
        target: ContentTarget,
        config: GatysConfig,
        variable: Tensor,
        pixels_of: Callable[[Tensor], Tensor],
        progress: Callable[[Evaluated], None],
    ) -> None:
        self.loss, self.target, self.config = loss, target, config
        self.variable, self.pixels_of, self.progress = variable, pixels_of, progress
        self.curve: list[Evaluated] = []
        self.best: Tensor | None = None
        self.lowest = float("inf")
        self.begun = time.perf_counter()
        self.optimizer: torch.optim.Optimizer
        if config.method == "lbfgs":
            self.optimizer = torch.optim.LBFGS(
                [variable],
                max_iter=config.evaluations,
                max_eval=2 * config.evaluations,
                history_size=20,
                tolerance_grad=0,
                tolerance_change=0,
                line_search_fn="strong_wolfe",
            )
        else:
            self.optimizer = torch.optim.Adam([variable], lr=config.adam_rate)

    def run(self) -> None:
        """Optimize until the evaluations are used up, the goal is reached, or Ctrl-C."""
        try:
            while len(self.curve) < self.config.evaluations:
                self.optimizer.step(self.evaluate)  # type: ignore[arg-type]  # torch: a float; LBFGS: a tensor
        except _Done:
            pass
        except KeyboardInterrupt:
            if not self.curve:
                raise

    def evaluate(self) -> Tensor:
        """The objective at the variable's current value, with its gradient in ``variable.grad``."""
        if len(self.curve) == self.config.evaluations:
            raise _Done
        self.optimizer.zero_grad()
        pixels = self.pixels_of(self.variable)
        terms = self.loss(pixels, self.target)
        total: Tensor = terms.total.sum()
        total.backward()  # type: ignore[no-untyped-call]  # missing in torch's annotations
        value = float(total.detach())
        if value < self.lowest:
            self.best, self.lowest = pixels.detach().clamp(0, 1).clone(), value
        seconds = time.perf_counter() - self.begun
        content, style = float(terms.content.detach()), float(terms.style.detach())
        self.curve.append(Evaluated(len(self.curve) + 1, seconds, content, style, value))
        self.progress(self.curve[-1])
        if self.config.goal is not None and value <= self.config.goal:
            raise _Done
        return total


def _first_picture(photo: Tensor, begin: Pixels | None, config: GatysConfig) -> Tensor:
    """The picture that the optimization starts from, (1, 3, H, W), of the photo's size and on its device."""
    if begin is not None:
        first = F.interpolate(to_tensor(begin), photo.shape[2:], mode="bicubic", antialias=True)
    elif config.start == "content":
        first = photo
    else:
        first = torch.rand(photo.shape, generator=torch.Generator().manual_seed(config.seed))
    return first.to(photo.device).contiguous()


def _identity(pixels: Tensor) -> Tensor:
    return pixels


def _spectrum(start: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """A variable in which L-BFGS converges quickly from a good picture, and the function from it to pixels.

    The variable contains the Fourier coefficients of the change to ``start``, (1, 3, H, W), with larger weights for low
    frequencies. The loss network's gradient is mostly high-frequency noise, so optimizing pixels changes large shapes
    late. The scale of the weights gives torch's first step (1 over the sum of the gradient's magnitudes) a suitable
    length; in pixels it is so short that the line search needs four or five evaluations.
    """
    height, width = start.shape[2:]
    down = torch.fft.fftfreq(height, device=start.device)[:, None]
    across = torch.fft.rfftfreq(width, device=start.device)[None]
    weight = torch.hypot(down, across).clamp_min(1 / 64).rsqrt()
    weight = weight / weight.mean() * FIRST_STEP * start.numel()
    zero = torch.zeros(*start.shape[:2], height, width // 2 + 1, 2, device=start.device)

    def pixels(coefficients: Tensor) -> Tensor:
        change: Tensor = torch.fft.irfft2(torch.view_as_complex(coefficients) * weight, s=start.shape[2:], norm="ortho")
        return start + change

    return zero, pixels
