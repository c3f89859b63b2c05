"""Chooses the value range of features that are quantized to 8 bits."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

MINIMUM_CHANNELS = 48
"""Smallest number of input channels of a quantized convolution: rounding errors average out over many channels."""


def best_range(features: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """The quantization range that minimizes the error of clipping and rounding.

    The error is the mean of |x|^1.5: with squares, a few large values would make the steps too coarse for all others.

    Args:
        features: Samples of the features, of any shape.

    Returns:
        (0, x) where no feature is negative, else (-x, x).
    """
    sizes, levels = np.abs(features).astype(np.float64), 255 if float(features.min()) >= 0 else 127
    limits = [max(float(sizes.max()), 0.01) * share / 64 for share in range(1, 65)]
    rounded = float((sizes > 0).mean()) / 2.5  # the mean of |u|^1.5 over half a step, u from 0 to 1
    changes = [
        float((np.maximum(sizes - limit, 0) ** 1.5).mean()) + rounded * (limit / (2 * levels)) ** 1.5
        for limit in limits
    ]
    limit = round(limits[changes.index(min(changes))], 4)
    return 0.0 if levels == 255 else -limit, limit
