"""Resizes images and masks."""

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ImageError
from impasto.pictures.picture import MAX_PIXELS, Pixels, Samples


def resize_short_side(array: Pixels, size: int) -> Pixels:
    """Resize an image so that its shorter side has `size` pixels; keeps the aspect ratio (Lanczos).

    Raises:
        ImageError: `size` is below 1, or the result would have more than `MAX_PIXELS` pixels.
    """
    if size < 1:
        raise ImageError(f"cannot resize a picture to {size} pixels; use 1 or more")
    height, width = array.shape[:2]
    short = min(height, width)
    if short == size:
        return array
    scaled = (max(1, round(width * size / short)), max(1, round(height * size / short)))
    if scaled[0] * scaled[1] > MAX_PIXELS:
        raise ImageError(
            f"a picture of {width} x {height} cannot be scaled to a short side of {size}: {scaled[0]} x {scaled[1]} "
            f"pixels are too many, the limit is {MAX_PIXELS // 1_000_000} million; ask for less, or crop it first"
        )
    return resize(array, *scaled)


def resize(array: Samples, width: int, height: int, *, rows: slice | None = None) -> Samples:
    """Resize an image, (H, W, 3), or one channel, (H, W), with a Lanczos filter.

    Args:
        array: uint8 or uint16.
        width: Width of the result, pixels.
        height: Height of the result, pixels.
        rows: Compute only these rows of the result; None for all.

    Returns:
        An array with the dtype of ``array``.
    """
    if array.dtype == np.uint16 and array.ndim == 3:  # Pillow resizes 8-bit images, or one channel of floats
        return np.stack([resize(array[..., i], width, height, rows=rows) for i in range(array.shape[2])], axis=2)
    from PIL import Image  # the command line imports Pillow while a network loads, not before

    deep_channel = array.dtype == np.uint16
    image = Image.fromarray(array.astype(np.float32) if deep_channel else np.ascontiguousarray(array))
    top, bottom, _ = (rows or slice(None)).indices(height)
    # Pillow's filter reads beyond the box, so the strips of one result fit together. This requires an unchanged width:
    # otherwise Pillow decides for each strip whether to scale rows or columns first, and rounds in between.
    box = (0.0, top * array.shape[0] / height, float(array.shape[1]), bottom * array.shape[0] / height)
    scaled = np.asarray(image.resize((width, bottom - top), Image.Resampling.LANCZOS, box))
    return np.asarray(np.rint(scaled.clip(0, 65535)), np.uint16) if deep_channel else scaled


def resize_mask(mask: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resize a mask, uint8 (H, W), with a bilinear filter, which does not overshoot."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(mask))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
