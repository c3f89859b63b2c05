"""The objectives of tools/train_shared.py: painting as style pictures are, or imitating another network."""

import random

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.nn.generator import Generator
from impasto.nn.losses import PerceptualLoss
from impasto.nn.pixel_terms import mean_square
from impasto.nn.vgg import VGGFeatures

BORDER = 16
"""Pixels by which squares are extended by reflection for the loss network, on both sides together, at random offsets.
So its zero padding does not affect the border, and no pattern of the network's cells suits its pooling."""
IMITATED = ("relu1_2", "relu2_2", "relu3_1/2")
"""Layers at which the picture of a network is compared with its teacher's, besides the pixels."""


def extended(pictures: Tensor, offsets: tuple[int, int]) -> Tensor:
    """The pictures extended by BORDER rows and columns by reflection: ``offsets`` of them left and above."""
    left, above = offsets
    frame = (left, BORDER - left, above, BORDER - above)
    return F.pad(pictures, frame, mode="reflect").contiguous(memory_format=torch.channels_last)


class Painting:
    """The objective of a network that learns from style pictures, or from the only one that the loss has."""

    def __init__(self, loss: PerceptualLoss) -> None:
        self.loss = loss
        self.alone = len(next(iter(loss.style_targets.values()))) == 1

    def __call__(
        self, painted: Tensor, photos: Tensor, noise: Tensor, which: list[int], strength: Tensor
    ) -> dict[str, Tensor]:
        """The terms, each the mean over the batch; "total" is what to minimize."""
        offsets = (random.randrange(4, BORDER - 3), random.randrange(4, BORDER - 3))
        target = self.loss.content_target(extended(photos, offsets))
        which = [0] if self.alone else which
        terms = self.loss(extended(painted, offsets), target, which=which, strength=strength)
        return {name: getattr(terms, name).mean() for name in ("content", "style", "total")}


def relative_error(found: Tensor, wanted: Tensor) -> Tensor:
    """The mean squared difference relative to the variance of ``wanted``, to which a small constant is added."""
    return (mean_square(found - wanted) / (wanted.var(dim=(1, 2, 3)) + 0.005)).mean()


class Imitation:
    """The objective of a network that imitates another's pictures: relative squared errors of pixels and features."""

    def __init__(self, teacher: Generator, network: VGGFeatures) -> None:
        self.teacher, self.network = teacher, network

    def __call__(
        self, painted: Tensor, photos: Tensor, noise: Tensor, which: list[int], strength: Tensor
    ) -> dict[str, Tensor]:
        """The terms, each the mean over the batch; "total" is what to minimize."""
        with torch.no_grad():
            aim = self.teacher(photos, noise, self.teacher.style_weights(which, strength)).float()
            wanted = self.network(aim, IMITATED)
        found = self.network(painted, IMITATED)
        pixels = relative_error(painted, aim)
        features = torch.stack([relative_error(found[k].float(), wanted[k].float()) for k in IMITATED]).mean()
        return {"pixels": pixels, "features": features, "total": pixels + 0.5 * features}
