"""The size of strokes: a picture is painted at a working size, and enlarged to its own.

A network paints strokes of a fixed number of pixels. Painted at a smaller size and enlarged, they are larger.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from impasto.painting.engine import Array
from impasto.painting.settings import STROKES_AT, Settings
from impasto.painting.tiles import WHOLE_PIXELS
from impasto.pictures import colors
from impasto.pictures.picture import Pixels, white
from impasto.pictures.resize import resize, resize_short_side

DETAIL = 0.4
"""Share of the detail that only the large picture has, which is added after enlarging."""
LEAST_SIDE = 64
"""Short side, pixels, below which a picture is not made smaller for its strokes."""
ROWS, STRIP = 256, 2_000_000
"""Rows, and pixels, of a picture that are computed at once at most, so that memory does not grow with the picture."""

Painter = Callable[[Pixels, Settings], Pixels]
"""Paints a picture of any size at its own size."""
Coverage = Callable[[Pixels], Array]
"""The share that is painted at each pixel of a picture (H, W, 3): float32 (H, W), 0 to 1."""


def paint_strokes(image: Pixels, settings: Settings, paint: Painter, coverage: Coverage | None = None) -> Pixels:
    """The picture painted at its working size, enlarged, and with the photo's colors if the settings keep them.

    Args:
        image: The picture, uint8 or uint16 (H, W, 3).
        settings: Those that count here: stroke_size, crisp, strength and keep_colors.
        paint: Paints a picture at its own size.
        coverage: Where ``paint`` changes a picture; everywhere when None.
    """
    small = working_copy(image, settings)
    painted = paint(small, settings)
    where = None
    for larger in _sizes(small, image, doubling=settings.crisp):
        where = None if coverage is None else coverage(larger)
        painted = _enlarged(painted, small, larger, settings, where)
        if settings.crisp and min(small.shape[:2]) < min(larger.shape[:2]):
            # A strength beyond 1 is applied once, in the first pass.
            painted = paint(painted, replace(settings, strength=min(settings.strength, 1.0)))
        small = larger
    if settings.keep_colors is None:
        return painted
    if coverage is not None and where is None:
        where = coverage(image)
    return colors.keep_colors(painted, image, settings.keep_colors, where)


def working_copy(image: Pixels, settings: Settings) -> Pixels:
    """The picture at the size at which the network's strokes have the wanted size.

    For fine strokes a small picture is enlarged, but not beyond the size that is painted as a whole.
    """
    if not settings.stroke_size:
        return image
    height, width = image.shape[:2]
    short = min(height, width)
    most = max(short, int(short * (WHOLE_PIXELS / (height * width)) ** 0.5))
    wanted = max(min(short, LEAST_SIDE), round(min(short, STROKES_AT) / settings.stroke_size))
    return resize_short_side(image, min(wanted, most))


def _sizes(small: Pixels, image: Pixels, *, doubling: bool) -> Iterator[Pixels]:
    """The picture at its own size, if the small copy is not that, and before it at each doubling of the copy's size."""
    short = min(small.shape[:2])
    while doubling and 2 * short < min(image.shape[:2]):
        short *= 2
        yield resize_short_side(image, short)
    if small is not image:
        yield image


def _enlarged(painted: Pixels, small: Pixels, image: Pixels, settings: Settings, where: Array | None) -> Pixels:
    """A painted small copy at the picture's size, with a share of the detail that only the picture has.

    The less a pixel is painted, by strength or by coverage, the more of the detail it gets: all of it where it is not
    painted.
    """
    height, width = image.shape[:2]
    large = np.empty_like(image, order="C")
    painted, small = (resize(x, width, x.shape[0]) for x in (painted, small))  # the height follows, strip by strip
    lost = np.float32((1 - DETAIL) * min(1.0, settings.strength))  # where the coverage is 1
    count = max(2, min(ROWS, STRIP // width // 2 * 2))
    for top in range(0, height, count):
        rows = slice(top, top + count)
        strip, coarse = (resize(x, width, height, rows=rows).astype(np.float32) for x in (painted, small))
        share = 1 - lost if where is None else 1 - lost * where[rows, :, np.newaxis]
        large[rows] = np.rint(np.clip(strip + share * (image[rows] - coarse), 0, white(image)))
        if where is not None:  # enlarging spreads what is painted beyond its edge
            large[rows][where[rows] == 0] = image[rows][where[rows] == 0]
    return large
