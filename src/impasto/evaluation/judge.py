"""How a run looks at its own results: photos it does not learn from, by the yardstick and by eye."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from impasto.errors import TrainingError
from impasto.evaluation.artefacts import Artefacts, mean, measure
from impasto.nn.generator import Generator
from impasto.nn.losses import YARDSTICK, PerceptualLoss
from impasto.nn.tensors import to_picture, to_tensor
from impasto.nn.vgg import VGGFeatures
from impasto.optimize.gatys import YARDSTICK_SIZE, evaluations_to_equal
from impasto.pictures.contact_sheet import contact_sheet
from impasto.pictures.picture import Pixels
from impasto.pictures.resize import resize_short_side
from impasto.training.draws import draw_noise
from impasto.training.photos import read_photos

GLANCE_SIZE = 256
SHEET_SIZE = 384
PHOTOS = 4
MOST_EVALUATIONS = 60
"""Of Gatys' optimisation, when a result is compared with it: half a minute."""


class Judge:
    """Looks at what the generator makes of photos it does not learn from, in each of its styles."""

    def __init__(
        self, network: VGGFeatures, styles: Sequence[Pixels], photos: list[Path], device: torch.device
    ) -> None:
        self.device = device
        self.network = network
        self.styles = styles
        self.unreadable: dict[Path, str] = {}
        self.photos = [photo for _, photo in itertools.islice(read_photos(photos, self.unreadable), PHOTOS)]
        if not self.photos:
            raise TrainingError(f"not one of the {len(photos)} held-out photos can be read: {photos[0]} ...")
        at_512 = [to_tensor(resize_short_side(style, YARDSTICK_SIZE)).to(device) for style in styles]
        self.loss = PerceptualLoss(network, YARDSTICK, *at_512)

    def glance(self, generator: Generator) -> dict[str, float]:
        """The yardstick's terms on two photos, or one for each style, at 256 px: quick, to follow a run by."""
        return self._measure(generator, self._pairs(2), GLANCE_SIZE)

    def yardstick(self, generator: Generator) -> dict[str, float]:
        """The yardstick's terms at 512 px, as in every report: up to four photos, or one for each style."""
        return self._measure(generator, self._pairs(len(self.photos)), YARDSTICK_SIZE)

    def faults(self, generator: Generator) -> Artefacts:
        """The artefacts in what it paints at 512 px."""
        found = []
        for photo, style in self._pairs(len(self.photos)):
            small = resize_short_side(self.photos[photo], YARDSTICK_SIZE)
            found.append(measure(to_picture(self._paint(generator, to_tensor(small), style)), small))
        return mean(found)

    def equal_evaluations(self, generator: Generator) -> float:
        """The evaluations of Gatys' optimisation, from the photo, that its first style equals on one small photo.

        Infinity for more than :data:`MOST_EVALUATIONS`.
        """
        photo = resize_short_side(self.photos[0], GLANCE_SIZE)
        reached = self._measure(generator, [(0, 0)], GLANCE_SIZE)["objective"]
        equal = evaluations_to_equal(
            reached,
            photo,
            self.styles[0],
            start="content",
            size=GLANCE_SIZE,
            most=MOST_EVALUATIONS,
            network=self.network,
        )
        return math.inf if equal is None else equal

    def sheet(self, generator: Generator) -> Pixels:
        """A contact sheet of style pictures, photos and results."""
        rows = []
        for photo, style in self._pairs(3):
            small = resize_short_side(self.photos[photo], SHEET_SIZE)
            painted = to_picture(self._paint(generator, to_tensor(small), style))
            rows.append([self.styles[style], small, painted])
        return contact_sheet(rows, labels=("style", "photo", "result"), cell=480)

    def _pairs(self, least: int) -> list[tuple[int, int]]:
        """Numbers of photo and style: every style, and as many photos as there are up to ``least``."""
        count = max(least, len(self.styles))
        return [(i % len(self.photos), i % len(self.styles)) for i in range(count)]

    def _measure(self, generator: Generator, pairs: list[tuple[int, int]], size: int) -> dict[str, float]:
        found = []
        for photo, style in pairs:
            image = to_tensor(resize_short_side(self.photos[photo], size)).to(self.device)
            with torch.no_grad():
                target = self.loss.content_target(image)
                terms = self.loss(self._paint(generator, image, style), target, which=[style])
            found.append([float(terms.content), float(terms.style), float(terms.total)])
        means = [sum(column) / len(found) for column in zip(*found, strict=True)]
        return dict(zip(("content", "style", "objective"), means, strict=True))

    @torch.no_grad()
    def _paint(self, generator: Generator, image: Tensor, style: int) -> Tensor:
        training = generator.training
        generator.eval()
        noise = draw_noise(generator, range(1), image.shape[2:], 0, self.device)
        painted: Tensor = generator(image.to(self.device), noise, generator.style_weights([style])).clamp(0, 1)
        generator.train(training)
        return painted
