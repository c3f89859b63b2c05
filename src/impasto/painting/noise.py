"""The noise input of networks: a function of seed and position, so that a picture's parts have the whole's noise."""

from collections.abc import Sequence

import numpy as np

from impasto.painting.engine import Array


def uniform_noise(channels: int, height: int, width: int, seed: int) -> Array:
    """Independent values, uniform in [0, 1), float32 (1, channels, height, width)."""
    return np.random.default_rng(seed).random((1, channels, height, width), dtype=np.float32)


def smooth_noise(scales: Sequence[int], rows: int, columns: int, seed: int, *, top: int = 0, left: int = 0) -> Array:
    """Standard normal noise on a grid of ``scales[k]`` values for channel k, enlarged bilinearly.

    It is what `impasto.nn.generator.Generator.draw_noise` describes, from other random numbers: each depends on the
    seed, the channel and its position in the grid alone.

    Args:
        scales: The spacing of each channel's grid, in values.
        rows: The number of rows.
        columns: The number of columns.
        seed: Of the random numbers.
        top: Where in the whole picture's noise the first row lies.
        left: Where the first column lies.

    Returns:
        float32 (1, len(scales), rows, columns).
    """
    channels = []
    for number, scale in enumerate(scales):
        (first_y, above, share_y), (first_x, before, share_x) = (
            _between(*x, scale) for x in ((top, rows), (left, columns))
        )
        grid = _normal(seed, number, first_y, int(above[-1]) + 2, first_x, int(before[-1]) + 2)
        lines = grid[above] + (grid[above + 1] - grid[above]) * share_y[:, None]
        channels.append(lines[:, before] + (lines[:, before + 1] - lines[:, before]) * share_x)
    return np.stack(channels)[None].astype(np.float32)


def _between(start: int, count: int, scale: int) -> tuple[int, np.ndarray, np.ndarray]:
    """For values from ``start`` on: the first grid point, the one before each value, counted from it, and the share."""
    place = np.maximum((np.arange(start, start + count) + 0.5) / scale - 0.5, 0.0)
    before = np.floor(place).astype(np.int64)
    return int(before[0]), before - before[0], place - before


def _normal(seed: int, channel: int, top: int, rows: int, left: int, columns: int) -> np.ndarray:
    """Standard normal values of these grid points, by hashing their positions (SplitMix64) and Box-Muller."""
    with np.errstate(over="ignore"):
        key = _mixed(np.array([seed % 2**64], np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(channel + 1))
        y = _mixed(np.arange(top, top + rows, dtype=np.uint64) + key)
        bits = _mixed(y[:, None] + np.arange(left, left + columns, dtype=np.uint64) * np.uint64(0xD1342543DE82EF95))
    radius, angle = bits >> np.uint64(32), bits & np.uint64(0xFFFFFFFF)
    normal: np.ndarray = np.sqrt(-2.0 * np.log((radius + 0.5) / 2**32)) * np.cos(2.0 * np.pi / 2**32 * angle)
    return normal


def _mixed(bits: np.ndarray) -> np.ndarray:
    """SplitMix64's output function (Steele, Lea, Flood 2014), uint64 -> uint64."""
    with np.errstate(over="ignore"):
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed: np.ndarray = bits ^ (bits >> np.uint64(31))
    return mixed
