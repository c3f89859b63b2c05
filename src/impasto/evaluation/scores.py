"""Numbers for a model: how well it keeps photos, how well it paints the style, how steady it is, how fast.

The yardstick of every report (docs/results.md): content_error, style_error and their objective at style weight 4, over
photos at 512 px short side, against the style picture at 512 px short side.
"""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from impasto.errors import ImageError
from impasto.evaluation.artefacts import Artefacts, measure
from impasto.evaluation.artefacts import mean as mean_artefacts
from impasto.nn.losses import YARDSTICK, PerceptualLoss
from impasto.nn.lpips import Lpips
from impasto.nn.pixel_terms import palette_error
from impasto.nn.tensors import to_tensor
from impasto.nn.weights import load_loss_network
from impasto.optimize.gatys import YARDSTICK_SIZE, evaluations_to_equal
from impasto.painting.settings import AS_IT_IS
from impasto.painting.stylizer import Stylizer
from impasto.pictures.picture import Pixels
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side
from impasto.training.photos import read_photos

CONTRAST = 0.25
"""The photo's contrast is cut to this, about mid-grey, to see what becomes of the picture."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What is measured.

    content_error: mean((phi(y) - phi(x))^2) / var(phi(x)) at relu3_3; above some 1.4 the photo is lost.
    style_error: relative squared distance of Gram matrices, mean over four layers.
    objective: content_error + 4 * style_error.
    palette_error: how far the colors and contrast of large places are from the style picture's: 0 the same, 1 one even
        color; see :func:`impasto.nn.pixel_terms.palette_error`.
    lpips: LPIPS v0.1 (VGG) from the photo to the picture; a distance, not a fault.
    contrast_change: mean absolute change of the picture, of 255, when the photo's contrast is cut to a quarter.
    seconds: to stylize one photo.
    artefacts: faults that networks make, see :mod:`impasto.evaluation.artefacts`.
    """

    content_error: float
    style_error: float
    objective: float
    palette_error: float
    lpips: float
    contrast_change: float
    seconds: float
    artefacts: Artefacts


@dataclass(frozen=True, kw_only=True)
class PhotoScores(Scores):
    """Of one photo."""

    photo: str


@dataclass(frozen=True, kw_only=True)
class Evaluation(Scores):
    """Means over the photos (the median, for seconds)."""

    model: str
    style: str
    size: int
    photos: tuple[PhotoScores, ...]
    unreadable: dict[str, str]


def evaluate(stylizer: Stylizer, style: Path, photos: Sequence[Path], *, size: int = 512, name: str = "") -> Evaluation:
    """Measure ``stylizer`` against its style picture on ``photos``, each at ``size`` px short side.

    Photos that cannot be read are left out and named.

    Raises:
        ImageError: if the style picture, or every photo, cannot be read.
    """
    network, _ = load_loss_network()
    target = to_tensor(resize_short_side(load_image(style), size))
    loss = PerceptualLoss(network, YARDSTICK, target)
    lpips = Lpips(network)
    layers = {*loss.layers, *lpips.LAYERS}  # the network sees each picture once, for all measures
    scores = []
    unreadable: dict[Path, str] = {}
    for path, whole in read_photos(photos, unreadable):
        photo = resize_short_side(whole, size)
        stylizer(photo, AS_IT_IS)  # the first pass at a new size pays for the runtime's planning
        begun = time.perf_counter()
        picture = stylizer(photo, AS_IT_IS)
        seconds = time.perf_counter() - begun
        x, y = to_tensor(photo), to_tensor(picture)
        with torch.no_grad():
            of_photo, of_picture = network(x, layers), network(y, layers)
            terms = loss.compare(of_picture, y, loss.content_target_of(of_photo))
            distance = float(lpips.compare(of_photo, of_picture))
        faded = stylizer(_fade(photo), AS_IT_IS)
        change = float(np.abs(picture.astype(np.float32) - faded.astype(np.float32)).mean())
        scores.append(
            PhotoScores(
                photo=path.name,
                content_error=float(terms.content),
                style_error=float(terms.style),
                objective=float(terms.total),
                palette_error=float(palette_error(y, loss.style_colors)),
                lpips=distance,
                contrast_change=change,
                seconds=seconds,
                artefacts=measure(picture, photo),
            )
        )

    if not scores:
        reason = next(iter(unreadable.values()), "none was given")
        raise ImageError(f"not one of {len(photos)} photos can be read: {reason}")

    def mean(field: str) -> float:
        return statistics.fmean(getattr(score, field) for score in scores)

    return Evaluation(
        model=name,
        style=style.name,
        size=size,
        content_error=mean("content_error"),
        style_error=mean("style_error"),
        objective=mean("objective"),
        palette_error=mean("palette_error"),
        lpips=mean("lpips"),
        contrast_change=mean("contrast_change"),
        seconds=statistics.median(score.seconds for score in scores),
        artefacts=mean_artefacts([score.artefacts for score in scores]),
        photos=tuple(scores),
        unreadable={str(path): reason for path, reason in unreadable.items()},
    )


@dataclass(frozen=True)
class Equal:
    """How many evaluations of Gatys' optimisation reach a model's objective on a photo; None is more than tried."""

    photo: str
    size: int
    objective: float
    from_content: int | None
    from_noise: int | None


MOST_COMPARED = 150
"""Evaluations of Gatys' optimisation tried to equal a model."""

COMPARED_SIZE = 384
"""Short side of the photos that `evaluate --gatys` compares on, pixels, or the size asked for where that is smaller."""


def equal_evaluations(stylizer: Stylizer, style: Path, photos: Sequence[Path], *, size: int) -> tuple[Equal, ...]:
    """Measure how many evaluations of L-BFGS a model equals on each photo, at ``size`` px short side.

    Same objective (the yardstick's), same photo and style picture; from the photo itself and from noise. Slow.

    Raises:
        ImageError: if the style picture or a photo cannot be read.
    """
    network, _ = load_loss_network()
    picture = load_image(style)
    loss = PerceptualLoss(network, YARDSTICK, to_tensor(resize_short_side(picture, YARDSTICK_SIZE)))
    found = []
    for path in photos:
        photo = resize_short_side(load_image(path), size)
        with torch.no_grad():
            terms = loss(to_tensor(stylizer(photo, AS_IT_IS)), loss.content_target(to_tensor(photo)))
        reached = float(terms.total)

        def evaluations(
            start: Literal["content", "noise"], reached: float = reached, photo: Pixels = photo
        ) -> int | None:
            return evaluations_to_equal(
                reached, photo, picture, start=start, size=size, most=MOST_COMPARED, network=network
            )

        found.append(Equal(path.name, size, reached, evaluations("content"), evaluations("noise")))
    return tuple(found)


def _fade(photo: Pixels) -> Pixels:
    faded = (photo.astype(np.float32) - 127.5) * CONTRAST + 127.5
    rounded: Pixels = np.rint(faded).astype(np.uint8)
    return rounded
