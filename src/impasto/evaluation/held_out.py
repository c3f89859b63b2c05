"""Evaluates a training run on held-out photos, with scores and a contact sheet."""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from impasto.errors import ImageError, TrainingError
from impasto.evaluation.scores import Evaluation, Evaluator, summary
from impasto.nn.vgg import VGGFeatures
from impasto.nn.weights import load_loss_network
from impasto.optimize.gatys import YARDSTICK_SIZE, evaluations_to_equal
from impasto.pictures.contact_sheet import contact_sheet
from impasto.pictures.picture import Pixels
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side


class PaintStyle(Protocol):
    """A function that paints a photo in one of several styles."""

    def __call__(self, photo: Pixels, style: int) -> Pixels:
        """Paint ``photo``, uint8 (H, W, 3), in the style with this index; returns a picture of the same size."""


QUICK_SIZE = 256
SHEET_SIZE = 384
PHOTOS = 4
MOST_EVALUATIONS = 60
"""Largest number of evaluations of Gatys' optimization in the comparison with a result; takes half a minute."""


class HeldOut:
    """The held-out photos and the style pictures of a run.

    Args:
        styles: the style pictures, uint8 (H, W, 3).
        photos: files; the first four that can be read are used.
        loss_network: the loss network of the run, for content, style and objective. All other measures use the
            package's VGG-16, so that the results of all runs are comparable.

    Attributes:
        unreadable: files that cannot be read -> reason.

    Raises:
        TrainingError: if not one of the photos can be read.
    """

    def __init__(self, styles: Sequence[Pixels], photos: Sequence[Path], loss_network: VGGFeatures) -> None:
        self.styles = styles
        self.unreadable: dict[Path, str] = {}
        self.photos: list[tuple[str, Pixels]] = []
        for path in photos:
            if len(self.photos) == PHOTOS:
                break
            try:
                self.photos.append((path.name, load_image(path)))
            except ImageError as error:
                self.unreadable[path] = str(error)
        if not self.photos:
            raise TrainingError(f"not one of the {len(photos)} held-out photos can be read: {photos[0]} ...")
        network = load_loss_network()[0].to(loss_network.mean.device)
        self.evaluators = [
            Evaluator(style, size=YARDSTICK_SIZE, network=network, loss_network=loss_network) for style in styles
        ]

    def quick(self, paint: PaintStyle) -> dict[str, float]:
        """Content, style and objective at 256 pixels, means over two photos, or one for each style."""
        pairs = self._pairs(2)
        found = [self._objective(paint, photo, style) for photo, style in pairs]
        return {name: sum(one[name] for one in found) / len(found) for name in found[0]}

    def evaluate(self, paint: PaintStyle) -> Evaluation:
        """All measures at 512 pixels, means over up to four photos, or one for each style."""
        scores = []
        for photo, style in self._pairs(len(self.photos)):
            name, picture = self.photos[photo]
            scores.append(self.evaluators[style].scores(partial(paint, style=style), picture, name))
        return summary(scores, model="", style="", size=YARDSTICK_SIZE, unreadable={})

    def equal_evaluations(self, paint: PaintStyle) -> float:
        """Number of evaluations after which Gatys' optimization, started from the photo, equals the run's objective.

        Measured for the first style on one small photo. Infinity for more than :data:`MOST_EVALUATIONS`.
        """
        photo = resize_short_side(self.photos[0][1], QUICK_SIZE)
        equal = evaluations_to_equal(
            self._objective(paint, 0, 0)["objective"],
            photo,
            self.styles[0],
            start="content",
            size=QUICK_SIZE,
            most=MOST_EVALUATIONS,
            network=self.evaluators[0].loss.network,
        )
        return math.inf if equal is None else equal

    def sheet(self, paint: PaintStyle) -> Pixels:
        """A contact sheet of style pictures, photos and results."""
        rows = []
        for photo, style in self._pairs(3):
            small = resize_short_side(self.photos[photo][1], SHEET_SIZE)
            rows.append([self.styles[style], small, paint(small, style)])
        return contact_sheet(rows, labels=("style", "photo", "result"), cell=480)

    def _objective(self, paint: PaintStyle, photo: int, style: int) -> dict[str, float]:
        small = resize_short_side(self.photos[photo][1], QUICK_SIZE)
        return self.evaluators[style].objective(small, paint(small, style))

    def _pairs(self, least: int) -> list[tuple[int, int]]:
        """Indices of photo and style: every style, and at least ``least`` photos if there are as many."""
        count = max(least, len(self.styles))
        return [(i % len(self.photos), i % len(self.styles)) for i in range(count)]
