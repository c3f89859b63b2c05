"""Gatys, Ecker, Bethge 2016: optimise the pixels themselves. Slow; the quality every fast network is measured by."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.errors import ImageError, TrainingError, UsageError
from impasto.files import check_writable, replacing
from impasto.nn.losses import Objective, PerceptualLoss
from impasto.nn.tensors import to_picture, to_tensor
from impasto.nn.vgg import Convention, VGGFeatures
from impasto.nn.weights import load_loss_network
from impasto.pictures.picture import Pixels
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side
from impasto.pictures.write import check_saving, save_image
from impasto.training.config import opt

LEAST_SIZE = 32
"""Short side of pictures, pixels."""


@dataclass(frozen=True)
class GatysConfig:
    """One optimisation: which pictures, which objective, how long."""

    objective: Objective = field(
        default_factory=Objective, metadata={"help": "layers, statistics, weights of the loss"}
    )
    method: Literal["lbfgs", "adam"] = opt("lbfgs", "L-BFGS with line search (the paper's choice), or Adam")
    start: Literal["content", "noise"] = opt("content", "the first picture: the photo, or white noise")
    evaluations: int = opt(200, "evaluations of the objective (Gatys' code: 1000 iterations)")
    goal: float | None = opt(None, "objective at which to stop before")
    size: int = opt(512, "short side of photo and result, pixels")
    style_size: int | None = opt(None, "short side of the style picture, pixels; as the photo when absent")
    adam_rate: float = opt(0.02, "Adam's learning rate, of a pixel range of 1")
    seed: int = opt(0, "seed of the noise")
    loss_network: Path | None = opt(None, "weights of another VGG-16 or VGG-19; the package's VGG-16 when absent")
    convention: Convention = opt("torchvision", "the preprocessing those weights expect")

    def __post_init__(self) -> None:
        if self.method not in ("lbfgs", "adam"):
            raise UsageError(f"unknown method '{self.method}': choose one of lbfgs, adam")
        if self.start not in ("content", "noise"):
            raise UsageError(f"unknown start '{self.start}': choose one of content, noise")
        if self.evaluations < 1:
            raise UsageError(f"evaluations must be 1 or more, not {self.evaluations}")
        if not 0 <= self.seed < 2**31:
            raise UsageError(f"seed must be from 0 to 2147483647, not {self.seed}")
        if not 0 < self.adam_rate < 10:
            raise UsageError(f"adam-rate must be more than 0 and less than 10, not {self.adam_rate}")
        if self.size < LEAST_SIZE or (self.style_size is not None and self.style_size < LEAST_SIZE):
            raise UsageError(f"size must be {LEAST_SIZE} pixels or more: the loss network shrinks pictures eightfold")


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
    """The best picture found and the curve of how it was. ``finished`` is False after an interruption."""

    picture: Pixels
    curve: tuple[Evaluated, ...]
    finished: bool


YARDSTICK_SIZE = 512
"""Short side of photo and style picture, pixels, at which results are judged in every report."""
REFINED_PIXELS = 1_000_000
"""Pixels that are optimised at once: the loss network's features take some 2 KB a pixel."""


class StyleStatistics:
    """A style's statistics without its picture: Gram matrices by layer, as (C, rank) factors F with G = F F^T."""

    def __init__(self, factors: dict[str, Tensor]) -> None:
        self.factors = factors

    @classmethod
    def of(cls, loss: PerceptualLoss, rank: int | None = None) -> "StyleStatistics":
        """The look of the first style of ``loss``; of each layer the ``rank`` strongest directions, None for all."""
        assert loss.objective.style_statistic == "gram"
        factors = {}
        for layer, gram in loss.style_targets.items():
            values, vectors = torch.linalg.eigh(gram[0, 0].double())
            factors[layer] = (vectors[:, -(rank or 0) :] * values[-(rank or 0) :].clamp_min(0).sqrt()).float()
        return cls(factors)

    def loss(self, network: VGGFeatures, objective: Objective) -> PerceptualLoss:
        """An objective against this look; its style layers must be among those of the look.

        Raises:
            UsageError: it compares more than Gram matrices: by another statistic, or colors and detail of places.
        """
        if objective.style_statistic != "gram" or objective.needs_picture:
            what = "tones, palette and detail" if objective.style_statistic == "gram" else objective.style_statistic
            raise UsageError(f"a look holds Gram matrices: it cannot be compared by {what}")
        grams = {layer: (x @ x.T)[None, None].to(network.mean.device) for layer, x in self.factors.items()}
        return PerceptualLoss(network, objective, targets=grams)


class _Enough(Exception):
    """Raised inside the optimiser to leave it."""


def optimize(
    content: Pixels,
    style: Pixels | StyleStatistics,
    config: GatysConfig,
    report: Callable[[Evaluated], None] = lambda _: None,
    *,
    begin: Pixels | None = None,
    network: VGGFeatures | None = None,
) -> GatysResult:
    """Return the picture that minimises the objective of ``content`` and ``style``, pictures as uint8 (H, W, 3).

    The first picture is ``begin``, a good one of any size, or what ``config.start`` says. A style may also be its
    statistics. The loss network is ``network``, or what the configuration names.

    The pixels are free while they are optimised and clipped to [0, 1] in the end, as in Gatys' code. Ctrl-C ends the
    search; the best picture so far is returned.

    Raises:
        UsageError: for a layer the loss network has not.
        TrainingError: if the objective is not finite from the start.
    """
    if network is None:
        network, _ = load_loss_network(config.loss_network, config.convention)
    device = network.mean.device
    photo = to_tensor(resize_short_side(content, config.size)).to(device)
    if isinstance(style, StyleStatistics):
        loss = style.loss(network, config.objective)
    else:
        loss = PerceptualLoss(
            network, config.objective, to_tensor(resize_short_side(style, config.style_size or config.size)).to(device)
        )
    target = loss.content_target(photo)

    source = torch.Generator().manual_seed(config.seed)
    if begin is not None:
        start = F.interpolate(to_tensor(begin), photo.shape[2:], mode="bicubic", antialias=True)
    elif config.start == "content":
        start = photo
    else:
        start = torch.rand(photo.shape, generator=source)
    start = start.to(device).contiguous()
    refining = begin is not None and config.method == "lbfgs"
    variable, pixels_of = _spectrum(start) if refining else (start.clone(), _same)
    variable.requires_grad_(True)
    curve: list[Evaluated] = []
    best, best_value = start, float("inf")
    begun = time.perf_counter()

    def closure() -> Tensor:
        nonlocal best, best_value
        if len(curve) == config.evaluations:
            raise _Enough
        optimizer.zero_grad()
        pixels = pixels_of(variable)
        terms = loss(pixels, target)
        total: Tensor = terms.total.sum()
        total.backward()  # type: ignore[no-untyped-call]  # missing in torch's annotations
        value = float(total.detach())
        content, style_term = float(terms.content.detach()), float(terms.style.detach())
        if value < best_value:
            best, best_value = pixels.detach().clamp(0, 1).clone(), value
        seconds = time.perf_counter() - begun
        curve.append(Evaluated(len(curve) + 1, seconds, content, style_term, value))
        report(curve[-1])
        if config.goal is not None and value <= config.goal:
            raise _Enough
        return total

    optimizer: torch.optim.Optimizer
    if config.method == "lbfgs":
        optimizer = torch.optim.LBFGS(
            [variable],
            max_iter=config.evaluations,
            max_eval=2 * config.evaluations,
            history_size=20,
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn="strong_wolfe",
        )
    else:
        optimizer = torch.optim.Adam([variable], lr=config.adam_rate)
    try:
        while len(curve) < config.evaluations:
            optimizer.step(closure)  # type: ignore[no-untyped-call]  # of LBFGS, in torch's own annotations
    except _Enough:
        pass
    except KeyboardInterrupt:
        if not curve:
            raise
    if not best_value < float("inf"):
        raise TrainingError("the objective is not finite: lower --style-weight")
    reached = config.goal is not None and best_value <= config.goal
    return GatysResult(to_picture(best), tuple(curve), reached or len(curve) == config.evaluations)


FIRST_STEP = 0.01
"""Root mean square change of the pixels in the first step from a picture that is good already, of a range of 1."""


def _same(pixels: Tensor) -> Tensor:
    return pixels


def _spectrum(start: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Coordinates in which L-BFGS goes on from the picture ``start``, (1, 3, H, W), quickly; and what pixels they mean.

    They are the change's Fourier coefficients, those of low frequencies enlarged: the loss network's gradient is
    mostly fine noise, and large shapes, of which there are few coefficients, move late in pixels. And they are scaled
    so that torch's first step, 1 over the gradient's sum of magnitudes, is of a useful length; in pixels it is so
    short that the line search spends four or five evaluations on lengthening it.
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


def refine(
    picture: Pixels,
    photo: Pixels,
    style: StyleStatistics,
    evaluations: int,
    *,
    network: VGGFeatures | None = None,
) -> Pixels:
    """Go on from a network's ``picture`` of ``photo`` by optimising its pixels; the same size, uint8 (H, W, 3).

    Of a picture of more than :data:`REFINED_PIXELS` a smaller copy is refined, and what changed is enlarged.

    Raises:
        ImageError: if the picture is too narrow for the loss network.
        KeyboardInterrupt: after Ctrl-C: half refined is not what was asked for.
    """
    height, width = photo.shape[:2]
    shrink = min(1.0, (REFINED_PIXELS / (height * width)) ** 0.5)
    size = round(min(height, width) * shrink)
    if size < LEAST_SIZE:
        raise ImageError(f"a picture of {width} x {height} is too narrow to refine: leave --refine out")
    config = GatysConfig(evaluations=evaluations, size=size, style_size=YARDSTICK_SIZE)
    result = optimize(photo, style, config, begin=picture, network=network)
    if not result.finished:
        raise KeyboardInterrupt
    refined = result.picture
    if refined.shape == picture.shape:
        return refined
    before = F.interpolate(to_tensor(picture), refined.shape[:2], mode="bicubic", antialias=True)
    change = F.interpolate(to_tensor(refined) - before, (height, width), mode="bicubic")
    return to_picture(to_tensor(picture) + change)


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
    """How many evaluations L-BFGS needs to bring the yardstick's objective as low; None if more than ``most``."""
    config = GatysConfig(evaluations=most, goal=objective, start=start, size=size, style_size=YARDSTICK_SIZE)
    result = optimize(photo, style, config, network=network)
    if not result.finished:
        raise KeyboardInterrupt
    curve = result.curve
    return len(curve) if curve[-1].objective <= objective else None


def paint(
    content: Path,
    style: Path,
    output: Path,
    config: GatysConfig,
    report: Callable[[Evaluated], None] = lambda _: None,
) -> GatysResult:
    """Optimise as :func:`optimize` does, from files to a file; the curve is saved beside the picture.

    Raises:
        ImageError: if a picture cannot be read or written.
        TrainingError, UsageError: as :func:`optimize`; and if the output is one of the inputs.
    """
    # All that could refuse the result, before the work and not after it.
    if output.resolve() in (content.resolve(), style.resolve()):
        raise UsageError(f"{output}: is one of the inputs and would be overwritten; choose another output")
    check_saving(output)
    check_writable(curve_file(output), TrainingError)
    result = optimize(load_image(content), load_image(style), config, report)
    save_image(output, result.picture)
    with replacing(curve_file(output), TrainingError) as part:
        part.write_text(
            json.dumps({"config": asdict(config), "curve": [asdict(point) for point in result.curve]}, default=str)
        )
    return result


def curve_file(output: Path) -> Path:
    """Where the curve of the picture ``output`` is saved."""
    return output.with_suffix(".curve.json")
