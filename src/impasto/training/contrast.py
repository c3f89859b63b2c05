"""Gives paintings the contrast of the style picture, at the end of a run."""

from collections.abc import Sequence

import torch
from torch import Tensor

from impasto.nn.generators import LightGenerator
from impasto.nn.pixel_terms import lightness
from impasto.training.ranges import evaluating

ROUNDS = 3
SLOPE = 0.75
"""Relative change of contrast for a relative change of what is amplified: the sigmoid flattens it."""
CONTRAST = 1.05
"""The contrast of paintings relative to that of the style picture: viewers preferred factors of 1.25 to 1.3 to none."""
LARGEST = 1.6
"""The largest factor, and the inverse of the smallest."""


@torch.no_grad()
def match_contrast(generator: LightGenerator, wanted: Sequence[float], photos: Sequence[Tensor]) -> list[float]:
    """Amplify each style until its paintings have :data:`CONTRAST` on average; returns the factors.

    The loss leaves paintings some 15 % paler than the style picture: where strokes cannot lie as the style has them,
    their mean costs least. :meth:`LightGenerator.amplify` corrects that without another step of training.

    Args:
        generator: the network, on any device; further styles, such as the photo's own, are left as they are.
        wanted: for each style, :func:`contrast` of its picture.
        photos: float32 (1, 3, H, W) in [0, 1], on the generator's device.
    """
    factors = [1.0] * len(wanted)
    with evaluating(generator):
        for index, aim in enumerate(wanted):
            style = generator.style_weights([index])
            for _ in range(ROUNDS):
                found = 0.0
                for number, photo in enumerate(photos):
                    noise = None
                    if generator.noise_channels:
                        source = torch.Generator().manual_seed(number)
                        noise = generator.draw_noise(1, *photo.shape[2:], source=source).to(photo.device)
                    found += contrast(generator(photo, noise, style)) / len(photos)
                wanted_factor = factors[index] * (CONTRAST * aim / max(found, 1e-3)) ** (1 / SLOPE)
                factor = min(max(wanted_factor, 1 / LARGEST), LARGEST)
                generator.amplify(index, factor / factors[index])
                factors[index] = factor
    return factors


def contrast(picture: Tensor) -> float:
    """The standard deviation of the lightness of a picture, (1, 3, H, W) in [0, 1]."""
    return float(lightness(picture).std())
