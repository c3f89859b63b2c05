"""How a run looks at its own results: photos it does not learn from, by the yardstick and by eye."""

import itertools
from pathlib import Path

import torch
from torch import Tensor

from impasto.errors import TrainingError
from impasto.image import Pixels, contact_sheet, resize_short_side
from impasto.nn.generators import Generator
from impasto.nn.losses import YARDSTICK, PerceptualLoss
from impasto.nn.vgg import VGGFeatures
from impasto.train.data import draw_noise, read_photos, to_picture, to_tensor

YARDSTICK_SIZE = 512
"""Short side, in pixels, at which results are judged in every report; on the way and on the sheet smaller ones do."""
GLANCE_SIZE = 256
SHEET_SIZE = 384


class Judge:
    """Looks at what the generator makes of photos it does not learn from."""

    def __init__(self, network: VGGFeatures, style: Pixels, photos: list[Path], device: torch.device) -> None:
        self.device = device
        self.style = style
        self.unreadable: dict[Path, str] = {}
        self.photos = [photo for _, photo in itertools.islice(read_photos(photos, self.unreadable), 4)]
        if not self.photos:
            raise TrainingError(f"not one of the {len(photos)} held-out photos can be read: {photos[0]} ...")
        at_512 = to_tensor(resize_short_side(style, YARDSTICK_SIZE)).to(device)
        self.loss = PerceptualLoss(network, YARDSTICK, at_512)

    def glance(self, generator: Generator) -> dict[str, float]:
        """The yardstick's terms on two photos at 256 px: quick, to follow a run by."""
        return self._measure(generator, self.photos[:2], GLANCE_SIZE)

    def yardstick(self, generator: Generator) -> dict[str, float]:
        """The yardstick's terms at 512 px, as in every report, on up to four photos."""
        return self._measure(generator, self.photos, YARDSTICK_SIZE)

    def sheet(self, generator: Generator) -> Pixels:
        """A contact sheet of the style picture, photos and results."""
        rows = []
        for photo in self.photos[:3]:
            small = resize_short_side(photo, SHEET_SIZE)
            rows.append([self.style, small, to_picture(self._paint(generator, to_tensor(small)))])
        return contact_sheet(rows, labels=("style", "photo", "result"), cell=480)

    def _measure(self, generator: Generator, photos: list[Pixels], size: int) -> dict[str, float]:
        found = []
        for photo in photos:
            image = to_tensor(resize_short_side(photo, size)).to(self.device)
            with torch.no_grad():
                terms = self.loss(self._paint(generator, image), self.loss.content_target(image))
            found.append([float(terms.content), float(terms.style), float(terms.total)])
        means = [sum(column) / len(found) for column in zip(*found, strict=True)]
        return dict(zip(("content", "style", "objective"), means, strict=True))

    @torch.no_grad()
    def _paint(self, generator: Generator, image: Tensor) -> Tensor:
        training = generator.training
        generator.eval()
        noise = draw_noise(generator, range(1), image.shape[2:], 0, self.device)
        painted: Tensor = generator(image.to(self.device), noise).clamp(0, 1)
        generator.train(training)
        return painted
