"""Detects plain borders and blank pictures, which would distort instance normalization.

Instance normalization divides by the standard deviation of the features. Black bars and white borders would change the
statistics of the picture inside. In a blank picture it would amplify invisible noise to full contrast.
"""

import numpy as np
from numpy.typing import NDArray

from impasto.pictures.picture import Pixels, white

Area = tuple[slice, slice]
"""Rows and columns of a picture."""

SAME = 3.0
"""Levels of 255: largest standard deviation of a border row or column, and largest difference between such rows."""
LEAST_BORDER = 0.02
"""Smallest share of the height or width for a pair of borders."""
LEAST_ALONE, EXTREME = 0.05, 1.0
"""Share of the height or width that a border on one side only takes at least, and the levels by which it may differ
from black or white."""
LEAST_INSIDE = 0.2
"""Smallest share of the height or width between the borders: with less, there may be no picture at all."""
BLANK, PLAIN = 1.0, 4.0
"""Levels of 255. Pictures with a standard deviation below the first are not painted, above the second fully."""
SAMPLED = 256
"""Largest number of rows and of columns that the contrast of a picture is computed from."""


def picture_area(image: Pixels) -> Area:
    """The rows and columns of a picture inside plain borders: letterbox bars, or a frame of one color.

    Only pairs of borders with one color count, above and below or left and right. A plain sky on one side does not.

    Args:
        image: uint8 or uint16 (H, W, 3).
    """
    rows = _between(image)
    columns = None if rows is None else _between(image[rows].transpose(1, 0, 2))
    if rows is None or columns is None:
        return slice(0, image.shape[0]), slice(0, image.shape[1])
    return rows, columns


def is_framed(image: Pixels, area: Area) -> bool:
    """Whether an area is smaller than the whole picture."""
    return image[area].shape != image.shape


def presence(image: Pixels) -> float:
    """The opacity of the painting on a picture, from 0 for a blank one to 1, by its standard deviation."""
    rows, columns = (max(1, size // SAMPLED) for size in image.shape[:2])
    sample = image[::rows, ::columns].astype(np.float32) * np.float32(255 / white(image))
    deviation = float(sample.std(axis=(0, 1)).max())
    share = min(1.0, max(0.0, (deviation - BLANK) / (PLAIN - BLANK)))
    return share * share * (3 - 2 * share)


def faded(painted: Pixels, image: Pixels) -> Pixels:
    """Blend the painted picture with a photo that has almost no contrast; see :func:`presence`."""
    share = presence(image[picture_area(image)])
    if share == 1:
        return painted
    mixed = image + np.float32(share) * (painted.astype(np.float32) - image)
    return np.rint(mixed).astype(image.dtype)


def _between(image: Pixels) -> slice | None:
    """The rows between plain borders above and below; None if they are too few to be a picture: a line of text, say."""
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

    def alone(rows: int, color: NDArray[np.float32]) -> bool:
        return rows >= LEAST_ALONE * count and bool((color <= EXTREME).all() or (color >= 255 - EXTREME).all())

    top, above = border(np.arange(count))
    if top == count:
        return slice(0, count)
    bottom, below = border(np.arange(count)[::-1])
    pair = np.abs(above - below).max() <= 2 * SAME and min(top, bottom) > 0 and top + bottom >= LEAST_BORDER * count
    if not pair:
        top, bottom = top if alone(top, above) else 0, bottom if alone(bottom, below) else 0
    if count - top - bottom < LEAST_INSIDE * count:
        return None
    return slice(top, count - bottom)
