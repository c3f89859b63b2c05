"""Converts the input pictures of the Python interface (files, Pillow images) to arrays, and checks arrays."""

import io
import os
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from impasto.errors import ImageError
from impasto.pictures.picture import Pixels

if TYPE_CHECKING:  # the command line imports Pillow while a network loads, not before
    from PIL import Image

    from impasto.pictures.sources import Source

Input: TypeAlias = "Pixels | Image.Image | Source"
"""A picture: an array, uint8 or uint16 (H, W, 3); a Pillow image; or a file: its path, its bytes or a stream."""

_WANTED = "uint8 or uint16 (H, W, 3), RGB, from 0 to white"


def as_array(image: Input) -> Pixels:
    """Convert a picture to an array, uint8 or uint16 (H, W, 3), sRGB. Such an array is returned unchanged.

    Files and Pillow images are rotated upright, converted to sRGB and composited on white, as by
    :func:`impasto.load_image`.

    Raises:
        ImageError: The argument is no picture; the message says how to convert it.
    """
    if isinstance(image, np.ndarray):
        return _checked(np.asarray(image))  # also of a subclass, such as a masked array
    from PIL import Image

    from impasto.pictures.read import load_image

    if isinstance(image, Image.Image):
        return _from_pillow(image)
    if isinstance(image, str | os.PathLike | bytes | bytearray | memoryview) or hasattr(image, "read"):
        return load_image(image)
    kind = f"{type(image).__module__}.{type(image).__qualname__}".removeprefix("builtins.")
    hint = ""
    if kind.startswith("torch."):
        hint = ": of a float tensor (3, H, W) from 0 to 1, give (255 * x).byte().permute(1, 2, 0).cpu().numpy()"
    raise ImageError(
        f"expected a picture (an array {_WANTED}; a Pillow image; a path, bytes or a stream), got {kind}{hint}"
    )


def _checked(array: Pixels) -> Pixels:
    """The array in native byte order, if it is a picture; else raise ImageError."""
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        array = array.astype(np.uint16, copy=False)
    shape = array.shape
    if array.dtype in (np.uint8, np.uint16) and array.ndim == 3 and shape[2] == 3 and array.size:
        return array
    hint = ""
    if array.size == 0:
        hint = "it is empty"
    elif array.dtype.kind == "f":
        hint = "of values from 0 to 1, give (255 * a).round().astype(numpy.uint8)"
    elif array.dtype not in (np.uint8, np.uint16):
        hint = "give a.astype(numpy.uint8) if values are 0 to 255"
    elif array.ndim == 2 or (array.ndim == 3 and shape[2] == 1):
        hint = "of a gray picture, give numpy.repeat(a.reshape(*a.shape[:2], 1), 3, axis=2)"
    elif array.ndim == 3 and shape[2] == 4:
        hint = "of RGBA, give a[..., :3], or the Pillow image"
    elif array.ndim == 3 and shape[0] == 3:
        hint = "give a.transpose(1, 2, 0)"
    elif array.ndim == 4:
        hint = "give one picture at a time"
    raise ImageError(f"expected a picture, {_WANTED}, got {array.dtype} {shape}{': ' if hint else ''}{hint}")


def _from_pillow(image: "Image.Image") -> Pixels:
    """A Pillow image as an array: upright, in sRGB, composited on white."""
    from PIL import ImageOps

    from impasto.pictures.read import load_image

    if not image.width or not image.height:
        raise ImageError(f"this Pillow image is {image.width} x {image.height} pixels; it is empty")
    try:
        image = ImageOps.exif_transpose(image)
        profile = image.info.get("icc_profile")
        if image.mode == "RGB" and not profile and "transparency" not in image.info:
            return np.asarray(image)
        if "transparency" in image.info or image.mode in ("RGBa", "La"):
            image = image.convert("LA" if image.mode == "La" else "RGBA")
        elif image.mode == "HSV":
            image = image.convert("RGB")
        stream = io.BytesIO()
        image.save(stream, "TIFF", icc_profile=profile)
    except (OSError, ValueError, KeyError) as cause:  # its file is damaged, or no format can store its mode
        raise ImageError(f"this Pillow image cannot be read ({cause}); give one of mode RGB") from cause
    return load_image(stream.getvalue())
