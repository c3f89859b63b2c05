"""Borders that are not part of a picture, and pictures with next to nothing in them.

Instance normalisation divides by the picture's own contrast. Black bars and white borders would change the statistics
of the picture between them, and a blank page has a contrast of zero, which normalisation turns into the strongest
contrast there is.
"""

import numpy as np
from numpy.typing import NDArray

from impasto.pictures.picture import Pixels, white

Area = tuple[slice, slice]
"""Rows and columns of a picture."""

SAME = 3.0
"""Levels of 255: standard deviation of a row or column that is a border, and the difference between such rows."""
LEAST_BORDER = 0.02
"""Share of the height or width that a pair of borders takes at least."""
LEAST_INSIDE = 0.2
"""Share of the height or width between borders at least: with less there may be no picture at all."""
BLANK, PLAIN = 1.0, 4.0
"""Levels of 255: pictures of a lower standard deviation than the first are not painted, above the second wholly."""
SAMPLED = 256
"""Rows and columns that are looked at, at most, for the contrast of a picture."""


def picture_area(image: Pixels) -> Area:
    """The rows and columns of a picture between plain borders: letterbox bars, or a frame of one color.

    Borders come in pairs of one color, above and below or on the left and right; a plain sky on one side is none.

    Args:
        image: uint8 or uint16 (H, W, 3).
    """
    rows = _between(image)
    columns = _between(image[rows].transpose(1, 0, 2))
    return rows, columns


def is_framed(image: Pixels, area: Area) -> bool:
    """Whether an area is less than the whole picture."""
    return image[area].shape != image.shape


def presence(image: Pixels) -> float:
    """How much there is to paint in a picture, 0 for a blank page to 1: a matter of its standard deviation."""
    rows, columns = (max(1, size // SAMPLED) for size in image.shape[:2])
    sample = image[::rows, ::columns].astype(np.float32) * np.float32(255 / white(image))
    deviation = float(sample.std(axis=(0, 1)).max())
    share = min(1.0, max(0.0, (deviation - BLANK) / (PLAIN - BLANK)))
    return share * share * (3 - 2 * share)


def faded(painted: Pixels, image: Pixels) -> Pixels:
    """The painted picture, or as much less of it as the photo has next to no contrast; see :func:`presence`."""
    share = presence(image[picture_area(image)])
    if share == 1:
        return painted
    mixed = image + np.float32(share) * (painted.astype(np.float32) - image)
    return np.rint(mixed).astype(image.dtype)


def _between(image: Pixels) -> slice:
    """The rows between a pair of plain borders above and below."""
    count = len(image)
    scale = np.float32(255 / white(image))
    seen = image[:, :: max(1, image.shape[1] // 512)]

    def border(order: NDArray[np.intp]) -> tuple[int, NDArray[np.float32]]:
        color = seen[order[0]].astype(np.float32).mean(axis=0) * scale
        for number, row in enumerate(order):
            values = seen[row].astype(np.float32) * scale
            if values.std(axis=0).max() > SAME or np.abs(values.mean(axis=0) - color).max() > SAME:
                return number, color
        return count, color

    top, above = border(np.arange(count))
    if top == 0:
        return slice(0, count)
    bottom, below = border(np.arange(count)[::-1])
    plain = np.abs(above - below).max() <= 2 * SAME and min(top, bottom) > 0 and top + bottom >= LEAST_BORDER * count
    if not plain or count - top - bottom < LEAST_INSIDE * count:
        return slice(0, count)
    return slice(top, count - bottom)
