"""The noise input of networks. It depends only on seed and position, so tiles have the noise of the whole picture."""

import functools

import numpy as np
from numpy.typing import NDArray

from impasto.painting.engine import Array

_EXAMPLE_SCALES = (1, 1, 1, 4, 4, 4, 16, 16, 16, 64, 64, 64)


def uniform_noise(channels: int, height: int, width: int, seed: int) -> Array:
    """Independent values, uniform in [0, 1), float32 (1, channels, height, width)."""
    return np.random.default_rng(seed).random((1, channels, height, width), dtype=np.float32)


def example_picture(height: int, width: int) -> Array:
    """A picture with structure at all scales, float32 (1, 3, H, W), in [0, 1]; always the same."""
    layers = smooth_noise(_EXAMPLE_SCALES, height, width, 0)[0].reshape(4, 3, height, width)
    weights = np.array([8, 16, 24, 32], np.float32)[:, np.newaxis, np.newaxis, np.newaxis]
    picture: Array = np.clip(128 + (weights * layers).sum(axis=0), 0, 255)[np.newaxis].astype(np.float32)
    return picture / np.float32(255)


@functools.lru_cache(maxsize=1)  # frames of a video have the same noise
def smooth_noise(scales: tuple[int, ...], rows: int, columns: int, seed: int, *, top: int = 0, left: int = 0) -> Array:
    """Standard normal noise; channel k is drawn on a grid of spacing ``scales[k]`` and interpolated bilinearly.

    The distribution is that of `impasto.nn.generator.Generator.draw_noise`. The random numbers differ: each depends
    only on the seed, the channel and its position in the grid.

    Args:
        scales: The grid spacing of each channel, in values.
        rows: The number of rows.
        columns: The number of columns.
        seed: The seed of the random numbers.
        top: The position of the first row in the whole picture's noise.
        left: The position of the first column.

    Returns:
        A read-only array, float32 (1, len(scales), rows, columns).
    """
    noise = np.empty((1, len(scales), rows, columns), np.float32)
    spare: dict[int, Array] = {}  # numbers are drawn in pairs: the second is for the next channel of the same scale
    for number, scale in enumerate(scales):
        (first_y, above, share_y), (first_x, before, share_x) = (
            _between(*x, scale) for x in ((top, rows), (left, columns))
        )
        grid = spare.pop(scale, None)
        if grid is None:
            height, width = int(above[-1]) + 2, int(before[-1]) + 2
            grid, spare[scale] = _normal(seed, number, first_y, height, first_x, width)
        if scale == 1:
            noise[0, number] = grid[:rows, :columns]
            continue
        lines = grid[above]
        lines += (grid[above + 1] - lines) * share_y[:, np.newaxis]
        values = lines[:, before]
        np.add(values, (lines[:, before + 1] - values) * share_x, out=noise[0, number])
    noise.flags.writeable = False
    return noise


def _between(start: int, count: int, scale: int) -> tuple[int, NDArray[np.int64], Array]:
    """For values from ``start`` on: the first grid point, and each value's preceding grid point and fraction."""
    place = np.maximum((np.arange(start, start + count) + 0.5) / scale - 0.5, 0.0)
    before = np.floor(place).astype(np.int64)
    return int(before[0]), before - before[0], (place - before).astype(np.float32)


def _normal(seed: int, channel: int, top: int, rows: int, left: int, columns: int) -> tuple[Array, Array]:
    """Two independent arrays of standard normal values at these grid points, by hashing positions and Box-Muller."""
    key = _mixed(np.array([seed % 2**64], np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(channel + 1))
    y = _mixed(np.arange(top, top + rows, dtype=np.uint64) + key)
    bits = _mixed(y[:, None] + np.arange(left, left + columns, dtype=np.uint64) * np.uint64(0xD1342543DE82EF95))
    share = (bits >> np.uint64(32)).astype(np.float32) * np.float32(2**-32) + np.float32(2**-33)
    radius = np.sqrt(np.float32(-2) * np.log(share))
    angle = bits.astype(np.uint32).astype(np.float32) * np.float32(2 * np.pi * 2**-32)
    return radius * np.cos(angle), radius * np.sin(angle)


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's output function (Steele, Lea, Flood 2014)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = bits ^ (bits >> np.uint64(31))
    return mixed
