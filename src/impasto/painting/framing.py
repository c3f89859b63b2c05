"""Detects plain borders and blank pictures, which would distort instance normalization.

Instance normalization divides by the standard deviation of the features. Black bars and white borders would change the
statistics of the picture inside. In a blank picture it would amplify invisible noise to full contrast.
"""

import numpy as np
from numpy.typing import NDArray

from impasto.pictures.picture import Pixels, white

Area = tuple[slice, slice]
"""Rows and columns of a picture."""
WHOLE: Area = (slice(None), slice(None))

SAME = 3.0
"""Levels of 255 by which the parts of a border of any color may differ."""
DARK, DARK_MAY = 20.0, 8.0
LIGHT, LIGHT_MAY = 200.0, 16.0
"""Levels up to, or from which a border is dark or light, and by which its parts may differ if no plainer border is
found: the black of compressed films, the grain and shadows of scanned paper."""
PLAIN, PASSABLE = 0.98, 0.3
"""Share of a row that has the border's color: in most rows of a border, and where it holds subtitles or a caption."""
LONGEST = 0.12
"""Share of the height or width that subtitles or a caption take, at most."""
LEAST_BORDER = 0.004
"""Smallest share of the height or width for a pair of borders."""
LEAST_ALONE, EXTREME = 0.05, 1.0
"""Share of the height or width that a border on one side only takes at least, and the levels by which it may differ
from black or white."""
LEAST_INSIDE = 0.2
"""Smallest share of the height or width between the borders: with less, there may be no picture at all."""
SEEN, PARTS, ROWS = 512, 64, 64
"""Pixels of a row that are examined, the parts of a row whose means are compared, and the rows examined at a time."""
BLANK, FULL = 1.0, 4.0
"""Levels of 255. Pictures with a standard deviation below the first are not painted, above the second fully."""
SAMPLED = 256
"""Largest number of rows and of columns that the contrast of a picture is computed from."""


def picture_area(image: Pixels) -> Area:
    """The rows and columns of a picture inside its borders: letterbox bars, frames, the margins of a scanned page.

    Only pairs of borders with one color count, above and below or left and right, or black or white on one side. A
    plain sky on one side does not. Borders may lie within borders.

    Args:
        image: uint8 or uint16 (H, W, 3).
    """
    height, width = image.shape[:2]
    rows, columns = slice(0, height), slice(0, width)
    while True:
        inner_rows = _between(image[rows, columns], rows, LEAST_INSIDE * height)
        inner_columns = inner_rows and _between(
            image[inner_rows, columns].transpose(1, 0, 2), columns, LEAST_INSIDE * width
        )
        if inner_rows is None or inner_columns is None or (inner_rows, inner_columns) == (rows, columns):
            return rows, columns
        rows, columns = inner_rows, inner_columns


def scaled_area(area: Area, image: Pixels, other: Pixels) -> Area:
    """The same area of another size of the picture, without the pixels into which resizing has mixed the border."""
    spans = []
    for span, size, wanted in zip(area, image.shape[:2], other.shape[:2], strict=True):
        start, stop = (-(-span.start * wanted // size), span.stop * wanted // size)
        spans.append(slice(min(start, wanted - 1), max(stop, start + 1)))
    return spans[0], spans[1]


def is_framed(image: Pixels, area: Area) -> bool:
    """Whether an area is smaller than the whole picture."""
    return image[area].shape != image.shape


def presence(image: Pixels) -> float:
    """The opacity of the painting on a picture, from 0 for a blank one to 1, by its standard deviation."""
    rows, columns = (max(1, size // SAMPLED) for size in image.shape[:2])
    sample = image[::rows, ::columns].astype(np.float32) * np.float32(255 / white(image))
    deviation = float(sample.std(axis=(0, 1)).max())
    share = min(1.0, max(0.0, (deviation - BLANK) / (FULL - BLANK)))
    return share * share * (3 - 2 * share)


def faded(painted: Pixels, image: Pixels, area: Area) -> Pixels:
    """Blend the painted picture with a photo that has almost no contrast in this area; see :func:`presence`."""
    share = presence(image[area])
    if share == 1:
        return painted
    mixed = image + np.float32(share) * (painted.astype(np.float32) - image)
    return np.rint(mixed).astype(image.dtype)


def _between(lines: Pixels, place: slice, least: float) -> slice | None:
    """The rows of ``lines`` between borders above and below, counted from ``place.start``; None if they are too few."""
    top, bottom = _pair(lines, rough=False) or _one_by_one(lines) or _pair(lines, rough=True) or (0, 0)
    if len(lines) - top - bottom < max(1, least):  # a line of text, say, or nothing at all
        return None
    return slice(place.start + top, place.start + len(lines) - bottom)


def _pair(lines: Pixels, *, rough: bool) -> tuple[int, int] | None:
    """The numbers of rows of two borders of one color."""
    top, above, may = _border(lines, rough=rough)
    if not 0 < top < len(lines):
        return None
    bottom, below, may_below = _border(lines[::-1], rough=rough)
    alike = np.abs(above - below).max() <= may + may_below
    return (top, bottom) if alike and bottom and top + bottom >= LEAST_BORDER * len(lines) else None


def _one_by_one(lines: Pixels) -> tuple[int, int] | None:
    """The numbers of rows of borders that are exactly black or white, where at least one of both is wide enough."""
    found = []
    for side in (lines, lines[::-1]):
        rows, color, _ = _border(side, rough=False, passable=PLAIN)
        extreme = (color <= EXTREME).all() or (color >= 255 - EXTREME).all()
        found.append(rows if extreme and rows >= LEAST_ALONE * len(lines) else 0)
    return (found[0], found[1]) if any(found) else None


def _border(lines: Pixels, *, rough: bool, passable: float = PASSABLE) -> tuple[int, NDArray[np.float32], float]:
    """The border of which the first row is the edge.

    Args:
        lines: The picture from there on.
        rough: Whether the border may vary more if it is dark or light.
        passable: The share of a row that has the border's color, at least, where a dark or light border is interrupted.

    Returns:
        The number of rows, the color in levels of 255, and the levels by which it may vary.
    """
    scale = np.float32(255 / white(lines))
    seen = lines[:, :: max(1, lines.shape[1] // SEEN)]
    color = np.median(seen[0].astype(np.float32) * scale, axis=0)
    dark, light = bool((color <= DARK).all()), bool((color >= LIGHT).all())
    may = DARK_MAY if dark and rough else LIGHT_MAY if light and rough else SAME
    passable = passable if dark or light else PLAIN
    parts = max(1, min(PARTS, seen.shape[1] // 8))
    length = seen.shape[1] // parts
    rows = top = 0
    while top < len(seen):
        some = seen[top : top + (ROWS if top else 1), : parts * length].astype(np.float32) * scale
        some = some.reshape(len(some), parts, length, 3)
        near = np.abs(some.mean(axis=2) - color).max(axis=2) <= may
        near &= some.std(axis=2).max(axis=2) <= 2 * may
        for share in near.mean(axis=1):
            top += 1
            if share >= PLAIN:
                rows = top
            elif share < passable or rows == 0 or top - rows > LONGEST * len(lines):
                return rows, color, may
    return rows, color, may
