"""Gatys, Ecker, Bethge 2016: optimise the pixels themselves. Slow; the quality every fast network is measured by."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from impasto.atomic import check_writable, replacing
from impasto.errors import TrainingError, UsageError
from impasto.image import Pixels, check_saving, load_image, resize_short_side, save_image
from impasto.nn.losses import Objective, PerceptualLoss
from impasto.nn.vgg import Convention
from impasto.train.config import opt
from impasto.train.data import to_picture, to_tensor
from impasto.train.weights import load_loss_network


@dataclass(frozen=True)
class GatysConfig:
    """One optimisation: which pictures, which objective, how long."""

    objective: Objective = field(
        default_factory=Objective, metadata={"help": "layers, statistics, weights of the loss"}
    )
    method: Literal["lbfgs", "adam"] = opt("lbfgs", "L-BFGS with line search (the paper's choice), or Adam")
    start: Literal["content", "noise"] = opt("content", "the first picture: the photo, or white noise")
    evaluations: int = opt(200, "evaluations of the objective (Gatys' code: 1000 iterations)")
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
        if self.size < 32 or (self.style_size is not None and self.style_size < 32):
            raise UsageError("size must be 32 pixels or more: the loss network shrinks pictures eightfold")


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


class _Enough(Exception):
    """Raised inside the optimiser to leave it."""


def optimize(
    content: Pixels, style: Pixels, config: GatysConfig, report: Callable[[Evaluated], None] = lambda _: None
) -> GatysResult:
    """Return the picture that minimises the objective of ``content`` and ``style``, pictures as uint8 (H, W, 3).

    The pixels are free while they are optimised and clipped to [0, 1] in the end, as in Gatys' code. Ctrl-C ends the
    search; the best picture so far is returned.

    Raises:
        UsageError: for a layer the loss network has not.
        TrainingError: if the objective is not finite from the start.
    """
    network, _ = load_loss_network(config.loss_network, config.convention)
    photo = to_tensor(resize_short_side(content, config.size))
    painted_style = to_tensor(resize_short_side(style, config.style_size or config.size))
    loss = PerceptualLoss(network, config.objective, painted_style)
    target = loss.content_target(photo)

    source = torch.Generator().manual_seed(config.seed)
    start = photo.contiguous().clone() if config.start == "content" else torch.rand(photo.shape, generator=source)
    pixels = start.requires_grad_(True)
    curve: list[Evaluated] = []
    best, best_value = pixels.detach().clone(), float("inf")
    begun = time.perf_counter()

    def closure() -> Tensor:
        nonlocal best, best_value
        if len(curve) == config.evaluations:
            raise _Enough
        optimizer.zero_grad()
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
        return total

    optimizer: torch.optim.Optimizer
    if config.method == "lbfgs":
        optimizer = torch.optim.LBFGS(
            [pixels],
            max_iter=config.evaluations,
            max_eval=2 * config.evaluations,
            history_size=20,
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn="strong_wolfe",
        )
    else:
        optimizer = torch.optim.Adam([pixels], lr=config.adam_rate)
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
    return GatysResult(to_picture(best), tuple(curve), len(curve) == config.evaluations)


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
