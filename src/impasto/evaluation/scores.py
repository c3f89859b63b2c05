"""Scores painted pictures: content and style error, LPIPS, stability, speed and artifacts.

The same code evaluates models, networks of other projects, and generators during training
(:mod:`impasto.evaluation.held_out`).
"""

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from impasto.errors import ImageError, UsageError
from impasto.evaluation.artifacts import Artifacts, measure, sharpness
from impasto.evaluation.artifacts import mean as mean_artifacts
from impasto.evaluation.measures import LAYERS, StyleMeasure
from impasto.evaluation.words import describe
from impasto.nn.losses import YARDSTICK, LossTerms, PerceptualLoss
from impasto.nn.lpips import Lpips
from impasto.nn.tensors import to_tensor
from impasto.nn.vgg import VGGFeatures
from impasto.nn.weights import load_loss_network
from impasto.optimize.gatys import YARDSTICK_SIZE, evaluations_to_equal
from impasto.painting.settings import AS_IT_IS
from impasto.painting.stylizer import Stylizer
from impasto.pictures.picture import Pixels
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side

Paint = Callable[[Pixels], Pixels]
"""Paints a photo, uint8 (H, W, 3): a picture of the same size."""

CONTRAST = 0.25
"""Factor by which the photo's contrast is reduced, about mid-gray, to measure how much the picture changes."""
NOISE = 2.0
"""Standard deviation of the noise that is added to the photo to measure how much the picture changes, levels of 255."""
LEAST_SIZE = 64
"""Smallest accepted size of photos (short side), pixels."""


QUALITY = ("style_distance", "broad", "fine", "form", "sharp", "contrast_change", "noise_change")
"""The measures of quality, in the order of reports."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The scores of a picture, or means over several. docs/measures.md has the definitions.

    Attributes:
        style_distance: Gaussian Wasserstein-2 distance of VGG features from the style, over five layers and three
            scales; 0 for the style, 1 for the unstyled photo.
        broad: the distance for large strokes and shapes only.
        fine: the distance for contrast, edges and grain only.
        form: change of the self-similarity of VGG features; 0 if the photo's form is kept, 1 if it is lost.
        sharp: energy of the finest octave relative to the style picture's; 1 is equally sharp.
        contrast_change: mean absolute change of the picture, levels of 255, if the photo has a quarter of its contrast.
        noise_change: the same, if the photo has additional noise of 2 levels.
        artifacts: see :class:`impasto.evaluation.artifacts.Artifacts`.
        content_error: the papers' mean((phi(y) - phi(x))^2) / var(phi(x)) at relu3_3.
        style_error: the papers' relative squared distance of Gram matrices, mean over four layers.
        objective: content_error + 4 * style_error.
        lpips: LPIPS v0.1 (VGG) from the photo to the picture.
        seconds: time to paint one photo.
    """

    style_distance: float
    broad: float
    fine: float
    form: float
    sharp: float
    contrast_change: float
    noise_change: float
    artifacts: Artifacts
    content_error: float
    style_error: float
    objective: float
    lpips: float
    seconds: float

    @property
    def words(self) -> str:
        """The style and form measures in one or two sentences."""
        return describe(
            style_distance=self.style_distance,
            broad=self.broad,
            form=self.form,
            sharp=self.sharp,
            noise_change=self.noise_change,
            contrast_change=self.contrast_change,
        )


@dataclass(frozen=True, kw_only=True)
class PhotoScores(Scores):
    """The scores of one photo."""

    photo: str


@dataclass(frozen=True, kw_only=True)
class Evaluation(Scores):
    """The means of the scores over photos; for seconds, the median."""

    model: str
    style: str
    size: int
    photos: tuple[PhotoScores, ...]
    unreadable: dict[str, str]

    def record(self) -> dict[str, Any]:
        """The entries for a model file, rounded: ``quality``, ``words``, ``artifacts``, the papers' ``objective``."""
        objective = {"content": self.content_error, "style": self.style_error, "objective": self.objective}
        return {
            "quality": {name: round(getattr(self, name), 3) for name in QUALITY},
            "words": self.words,
            "held_out_photos": len(self.photos),
            "artifacts": {name: round(value, 2) for name, value in asdict(self.artifacts).items()},
            "objective": {name: round(value, 4) for name, value in objective.items()},
        }


class Evaluator:
    """Measures pictures painted in one style.

    Args:
        style: the style picture, uint8 (H, W, 3).
        size: short side of photos and style picture, pixels.
        network: the package's VGG-16, if it is loaded already.
        loss_network: another network for content, style and objective: the loss network of a run.
    """

    def __init__(
        self,
        style: Pixels,
        *,
        size: int = YARDSTICK_SIZE,
        network: VGGFeatures | None = None,
        loss_network: VGGFeatures | None = None,
    ) -> None:
        self.size = size
        self.network = network or load_loss_network()[0]
        self.device = self.network.mean.device
        self.picture = resize_short_side(style, size)
        self.loss = PerceptualLoss(loss_network or self.network, YARDSTICK, self._tensor(self.picture))
        self.style_sharpness = max(sharpness(self.picture), 1e-6)
        self.lpips = Lpips(self.network)

    @cached_property
    def style(self) -> StyleMeasure:
        """The measure against the style picture. It is made on first use, which takes seconds."""
        return StyleMeasure(self._tensor(self.picture), self.network)

    @torch.no_grad()
    def scores(self, paint: Paint, photo: Pixels, name: str = "") -> PhotoScores:
        """Resize one photo to :attr:`size`, paint it with ``paint``, and score the picture."""
        photo = resize_short_side(photo, self.size)
        paint(photo)  # the first pass at a new size includes an engine's planning
        begun = time.perf_counter()
        picture = paint(photo)
        seconds = time.perf_counter() - begun
        x, y = self._tensor(photo), self._tensor(picture)
        layers = {*LAYERS, *self.lpips.LAYERS, *self.loss.layers}  # the network sees each picture once at full size
        photo_features, features = self.network(x, layers), self.network(y, layers)
        found = self.style.compare(y, self.style.reference(x, photo_features), features)
        if self.loss.network is self.network:
            terms = self._terms(self.loss.compare(features, y, self.loss.content_target_of(photo_features)))
        else:
            terms = self.objective(photo, picture)
        return PhotoScores(
            photo=name,
            content_error=terms["content"],
            style_error=terms["style"],
            objective=terms["objective"],
            style_distance=found.style_distance,
            broad=found.broad,
            fine=found.fine,
            form=found.form,
            sharp=sharpness(picture) / self.style_sharpness,
            contrast_change=_change(picture, paint(_faded(photo))),
            noise_change=_change(picture, paint(_noisy(photo))),
            artifacts=measure(picture, photo),
            lpips=float(self.lpips.compare(photo_features, features)),
            seconds=seconds,
        )

    @torch.no_grad()
    def objective(self, photo: Pixels, picture: Pixels) -> dict[str, float]:
        """Content, style and objective of a picture painted from ``photo``, without resizing."""
        return self._terms(self.loss(self._tensor(picture), self.loss.content_target(self._tensor(photo))))

    @staticmethod
    def _terms(terms: LossTerms) -> dict[str, float]:
        return {"content": float(terms.content), "style": float(terms.style), "objective": float(terms.total)}

    def _tensor(self, picture: Pixels) -> Tensor:
        return to_tensor(picture).to(self.device)


def evaluate(
    stylizer: Stylizer | Paint,
    style: Path | Pixels,
    photos: Sequence[Path | Pixels],
    *,
    size: int = YARDSTICK_SIZE,
    name: str = "",
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Evaluation:
    """Measure how well a model paints a style, as means over photos.

    Args:
        stylizer: a model, which paints each photo at its own size; or a function that paints a picture.
        style: the style picture, or its file.
        photos: pictures, or their files; unreadable files are skipped and listed in the result.
        size: short side of the photos and the style picture, pixels.
        name: the model's name, for the result.
        progress: called before each photo with the number of finished photos and the number of all photos.

    Raises:
        ImageError: if the style picture, or every photo, cannot be read.
        UsageError: if ``size`` is less than 64.
    """
    if size < LEAST_SIZE:
        raise UsageError(f"size must be {LEAST_SIZE} pixels or more, not {size}")
    evaluator = Evaluator(load_image(style) if isinstance(style, Path) else style, size=size)
    paint = painter(stylizer)
    unreadable: dict[str, str] = {}
    scores = []
    for number, photo in enumerate(photos, 1):
        progress(number - 1, len(photos))
        if isinstance(photo, Path):
            try:
                picture, title = load_image(photo), photo.name
            except ImageError as error:
                unreadable[str(photo)] = str(error)
                continue
        else:
            picture, title = photo, f"photo {number}"
        scores.append(evaluator.scores(paint, picture, title))
    if not scores:
        reason = next(iter(unreadable.values()), "none was given")
        raise ImageError(f"not one of {len(photos)} photos can be read: {reason}")
    style_name = style.name if isinstance(style, Path) else ""
    return summary(scores, model=name, style=style_name, size=size, unreadable=unreadable)


def painter(stylizer: Stylizer | Paint) -> Paint:
    """A function that paints a picture at its own size with a model."""
    if isinstance(stylizer, Stylizer):
        return lambda photo: stylizer(photo, AS_IT_IS)
    return stylizer


def summary(
    scores: Iterable[PhotoScores], *, model: str, style: str, size: int, unreadable: dict[str, str]
) -> Evaluation:
    """The means over photos."""
    scores = tuple(scores)

    def mean(field: str) -> float:
        return statistics.fmean(getattr(score, field) for score in scores)

    return Evaluation(
        model=model,
        style=style,
        size=size,
        **{name: mean(name) for name in (*QUALITY, "content_error", "style_error", "objective", "lpips")},
        seconds=statistics.median(score.seconds for score in scores),
        artifacts=mean_artifacts([score.artifacts for score in scores]),
        photos=scores,
        unreadable=unreadable,
    )


@dataclass(frozen=True)
class Equal:
    """Number of evaluations after which Gatys' optimization equals a model on a photo; None if above the limit."""

    photo: str
    size: int
    objective: float
    from_content: int | None
    from_noise: int | None


MOST_COMPARED = 150
"""Largest number of evaluations of Gatys' optimization in a comparison."""

COMPARED_SIZE = 384
"""Short side of the photos in `evaluate --gatys`, pixels, unless the requested size is smaller."""


def equal_evaluations(stylizer: Stylizer, style: Path, photos: Sequence[Path], *, size: int) -> tuple[Equal, ...]:
    """Measure how many evaluations of L-BFGS a model equals on each photo, at ``size`` pixels short side.

    The objective is the yardstick, for the same photo and style picture. L-BFGS starts from the photo and from noise.
    This is slow.

    Raises:
        ImageError: if the style picture or a photo cannot be read.
    """
    picture = load_image(style)
    evaluator = Evaluator(picture)
    paint = painter(stylizer)
    found = []
    for path in photos:
        photo = resize_short_side(load_image(path), size)
        reached = evaluator.objective(photo, paint(photo))["objective"]

        def evaluations(
            start: Literal["content", "noise"], reached: float = reached, photo: Pixels = photo
        ) -> int | None:
            return evaluations_to_equal(
                reached, photo, picture, start=start, size=size, most=MOST_COMPARED, network=evaluator.network
            )

        found.append(Equal(path.name, size, reached, evaluations("content"), evaluations("noise")))
    return tuple(found)


def _change(picture: Pixels, other: Pixels) -> float:
    """Mean absolute difference, levels of 255."""
    return float(np.abs(picture.astype(np.float32) - other.astype(np.float32)).mean())


def _noisy(photo: Pixels) -> Pixels:
    """The photo with normal noise of deviation :data:`NOISE`, the same at every call, rounded to 8 bits."""
    noise = np.random.default_rng(0).normal(0, NOISE, photo.shape)
    noisy: Pixels = np.rint(photo + noise).clip(0, 255).astype(np.uint8)
    return noisy


def _faded(photo: Pixels) -> Pixels:
    """The photo with its contrast cut to :data:`CONTRAST`, rounded to 8 bits."""
    faded: Pixels = np.rint((photo.astype(np.float32) - 127.5) * CONTRAST + 127.5).astype(np.uint8)
    return faded
