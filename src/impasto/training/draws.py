"""Random choices of a run: styles, strengths, offsets and noise.

Each is a function of the run's seed and an item, the position of a crop in the run's endless sequence: step s of a run
of batch b uses items s b to s b + b - 1. So a resumed run sees what an uninterrupted one sees, and no random state is
kept.
"""

import numpy as np
import torch
from torch import Tensor

from impasto.nn.generator import Generator


def draw_styles(
    items: range, styles: int, seed: int, photo_every: int = 0, *, between: bool = True
) -> tuple[list[int], Tensor]:
    """The style index of each item, and its strength, (N,), from 0 (the photo) to 1 (the full style).

    Every style is drawn once before any is drawn twice. The last of every ``photo_every`` items has a strength below 1:
    half of these are 0 and half are uniform in (0, 1). Without ``between``, all of these are 0.
    """
    which, strengths = [], []
    for item in items:
        turn, place = divmod(item, styles)
        which.append(int(np.random.default_rng([seed, 4, turn]).permutation(styles)[place]))
        if not photo_every or item % photo_every < photo_every - 1:
            strengths.append(1.0)
        else:
            drawn = 2 * np.random.default_rng([seed, 6, item]).random() - 1
            strengths.append(max(0.0, drawn) if between else 0.0)
    return which, torch.tensor(strengths)


def draw_frame(item: int, jitter: int, seed: int) -> list[int]:
    """How many pixels to pad a crop by at this item: left, right, above, below, as ``F.pad`` takes it.

    Left and right add up to ``jitter - 1``, as do above and below. The generator's grid then meets the loss network's
    pooling grid at every offset, so that no pattern of the grid's period can suit the pooling.
    """
    if jitter < 2:
        return [0, 0, 0, 0]
    left, above = (int(x) for x in np.random.default_rng([seed, 5, item]).integers(0, jitter, 2))
    return [left, jitter - 1 - left, above, jitter - 1 - above]


def draw_noise(
    generator: Generator, items: range, size: int | tuple[int, ...], seed: int, device: torch.device
) -> Tensor | None:
    """The noise input for pictures of this size at these items; None for a generator without noise.

    Returns float32 (N, noise_channels, h, w), see :meth:`impasto.nn.generator.Generator.draw_noise`.

    Args:
        generator: the network that takes the noise.
        items: the items, one picture each.
        size: side of square pictures, or (height, width), pixels.
        seed: the run's seed.
        device: where to put the result.
    """
    if not generator.noise_channels:
        return None
    height, width = (size, size) if isinstance(size, int) else size
    drawn = []
    for item in items:
        # torch only uses the lower 32 bits of a seed, so they must depend on both numbers.
        source = torch.Generator().manual_seed((item + seed * 0x9E3779B1) % 2**32)
        drawn.append(generator.draw_noise(1, height, width, source=source))
    return torch.cat(drawn).to(device)
