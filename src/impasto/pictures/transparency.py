"""Fills the colors of transparent pixels."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.pictures.picture import Pixels, Samples, white

_ROWS = 256
"""Number of rows that are processed at once, an even number, to limit memory."""


def fill_hidden(pixels: Pixels, alpha: Samples) -> Pixels:
    """Extend the colors of visible pixels into fully transparent ones.

    The network spreads colors, so a file's hidden colors would show at the edges of the painted result.

    The method is pull-push: an image pyramid, weighted by opacity, is built down to one pixel; then each level fills
    its empty pixels from the next coarser one. The finest level is processed in strips, to limit memory.
    """
    height, width = alpha.shape
    half = np.empty((-(-height // 2), -(-width // 2), 4), np.float32)  # colors times opacity, and opacity
    for top in range(0, height, _ROWS):
        rows = slice(top, top + _ROWS)
        opacity = alpha[rows, :, np.newaxis].astype(np.float32) / np.float32(white(alpha))
        half[top // 2 : (top + _ROWS) // 2] = _halved(np.concatenate([pixels[rows] * opacity, opacity], axis=2))
    levels = [half]
    while max(levels[-1].shape[:2]) > 1:
        levels.append(_halved(levels[-1]))
    coarse = np.zeros((1, 1, 4), np.float32)
    for level in reversed(levels):
        for rows, enlarged in _enlarged_strips(coarse, level):
            part = level[rows]
            empty = part[..., 3] == 0
            part[..., :3] /= np.where(empty, np.float32(1), part[..., 3])[..., np.newaxis]
            part[empty] = enlarged[empty]
        coarse = level
    result = pixels.copy()
    for rows, enlarged in _enlarged_strips(coarse, result):
        hidden = alpha[rows] == 0
        result[rows][hidden] = np.rint(enlarged[hidden][:, :3]).clip(0, white(pixels)).astype(pixels.dtype)
    return result


def _enlarged_strips(coarse: NDArray[np.float32], fine: NDArray[Any]) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """For each strip of `fine`: its rows, and the same strip of `coarse` enlarged twofold."""
    height, width = fine.shape[:2]
    for top in range(0, height, _ROWS):
        rows = slice(top, min(top + _ROWS, height))
        strip = coarse[top // 2 : (top + _ROWS) // 2]
        yield rows, strip.repeat(2, axis=0).repeat(2, axis=1)[: rows.stop - top, :width]


def _halved(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of 2 x 2 blocks, (H, W, channels); an odd last row or column is repeated."""
    height, width = values.shape[:2]
    even = np.pad(values, [(0, height % 2), (0, width % 2), (0, 0)], mode="edge") if height % 2 or width % 2 else values
    half = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) * np.float32(0.25)
    return half.astype(np.float32, copy=False)
