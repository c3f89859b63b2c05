"""Controls the stroke size: paints a picture at a working size and scales the result to the picture's size.

A network paints strokes with a fixed size in pixels. Painting at a smaller size and enlarging makes them larger.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from impasto.painting.engine import Array
from impasto.painting.framing import Area, picture_area, scaled_area
from impasto.painting.settings import CRISP_PIXELS, STROKES_AT, Settings
from impasto.painting.tiles import WHOLE_PIXELS
from impasto.pictures import colors
from impasto.pictures.picture import Pixels, white
from impasto.pictures.resize import resize, resize_short_side

DETAIL = 0.4
"""Weight of the photo's fine detail, lost by downscaling, that is added after enlarging."""
AGAIN = 0.8
"""Strength at which an enlarged painting is painted again, relative to the first: faces and windows stay whole."""
LEAST_SIDE = 64
"""Smallest working size to which a picture is downscaled (short side, pixels)."""
ROWS, STRIP = 256, 2_000_000
"""Largest number of rows, and of pixels, that are processed at once, to limit memory."""

Painter = Callable[[Pixels, Settings, Area], Pixels]
"""Paints a picture of any size at its own size, with the statistics of the area inside its borders."""
Coverage = Callable[[Pixels], Array]
"""Returns the opacity of the painting at each pixel of a picture (H, W, 3): float32 (H, W), 0 to 1."""


def paint_strokes(
    image: Pixels, settings: Settings, paint: Painter, coverage: Coverage | None = None, *, fades: bool
) -> Pixels:
    """Paint a picture at its working size, enlarge the result, and keep the photo's colors if requested.

    Args:
        image: The picture, uint8 or uint16 (H, W, 3).
        settings: The settings; this function uses stroke_size, crisp, strength and keep_colors.
        paint: Paints a picture at its own size.
        coverage: The region that ``paint`` changes; None for the whole picture.
        fades: Whether ``paint`` supports strengths below 1.

    Returns:
        A new array with the shape and dtype of ``image``.
    """
    area = picture_area(image)
    small = resize_short_side(image, working_side(image, settings, area))
    painted = paint(small, settings, scaled_area(area, image, small))
    where = None
    for larger, again in _steps(small, image, settings):
        where = None if coverage is None else coverage(larger)
        painted = enlarged(painted, small, larger, settings.strength, where)
        if again:  # a strength above 1 is only applied in the first pass
            # The border of a painting is no longer plain, so its area is the photo's.
            weaker = replace(settings, strength=(AGAIN if fades else 1.0) * min(settings.strength, 1.0))
            painted = paint(painted, weaker, scaled_area(area, image, larger))
        small = larger
    if settings.keep_colors is None:
        return painted
    if coverage is not None and where is None:
        where = coverage(image)
    return colors.keep_colors(painted, image, settings.keep_colors, where)


def working_side(image: Pixels, settings: Settings, area: Area) -> int:
    """The short side, in pixels, at which a picture is painted first for the requested stroke size.

    Strokes fit the size of the area inside the borders. Fine strokes need an enlarged picture; it is not enlarged
    beyond the size at which tiles become necessary.
    """
    height, width = image.shape[:2]
    short: int = min(height, width)
    if not settings.stroke_size:
        return short
    inside: int = min(image[area].shape[:2])
    most = max(short, int(short * (WHOLE_PIXELS / (height * width)) ** 0.5))
    factor = min(1.0, STROKES_AT / inside) / settings.stroke_size
    wanted = max(min(short, LEAST_SIDE), round(short * factor))
    return min(wanted, most)


def detail_share(strength: float) -> float:
    """The weight of the detail lost by downscaling that is added after enlarging: less, the more is painted."""
    return 1 - (1 - DETAIL) * min(1.0, strength)


def _steps(small: Pixels, image: Pixels, settings: Settings) -> Iterator[tuple[Pixels, bool]]:
    """The sizes to which a painting of the small copy is enlarged, and whether it is painted again at each.

    The last is the picture's own. With crisp strokes, the steps are equal factors of about 2; those at which it is not
    painted again are left out.
    """
    if small is image:
        return
    factor = min(image.shape[:2]) / min(small.shape[:2])
    count = round(math.log2(factor)) if factor > 1 and settings.crisp is not False else 0
    if settings.crisp and factor > 1:
        count = max(1, count)
    most = math.inf if settings.crisp else CRISP_PIXELS
    height, width = image.shape[:2]
    for step in range(1, count):
        part = factor ** (step / count - 1)
        if height * width * part**2 <= most:
            yield resize_short_side(image, round(min(height, width) * part)), True
    yield image, count > 0 and height * width <= most


def enlarged(painted: Pixels, small: Pixels, image: Pixels, strength: float, where: Array | None = None) -> Pixels:
    """Enlarge a painted small copy to the picture's size, and add some of the detail that downscaling lost.

    The weaker a pixel is painted, by strength or coverage, the more detail is added; unpainted pixels get all of it.
    """
    height, width = image.shape[:2]
    large = np.empty_like(image, order="C")
    painted, small = (resize(x, width, x.shape[0]) for x in (painted, small))  # the height follows, strip by strip
    lost = np.float32(1 - detail_share(strength))  # where the coverage is 1
    count = max(2, min(ROWS, STRIP // width // 2 * 2))
    for top in range(0, height, count):
        rows = slice(top, top + count)
        strip, coarse = (resize(x, width, height, rows=rows).astype(np.float32) for x in (painted, small))
        share = 1 - lost if where is None else 1 - lost * where[rows, :, np.newaxis]
        large[rows] = np.rint(np.clip(strip + share * (image[rows] - coarse), 0, white(image)))
        if where is not None:  # enlarging blurs the edge of the painted region
            large[rows][where[rows] == 0] = image[rows][where[rows] == 0]
    return large
