"""The types of a picture in memory.

Everywhere in Impasto outside `impasto.nn`, an image is a numpy array of uint8, shape (H, W, 3), in sRGB; or of uint16
where 16 bits per sample are kept.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ImageError

if TYPE_CHECKING:  # Pillow is imported while a network loads, not before
    from PIL import Image

    from impasto.pictures.metadata import Metadata

Samples = NDArray[np.unsignedinteger[Any]]
"""uint8 or uint16."""
Pixels = Samples
"""An image: uint8 or uint16, shape (H, W, 3), sRGB."""
Depth = Literal[8, 16, "own"]
"""Bits per sample; "own" means those of the file."""

MAX_PIXELS = 200_000_000
"""Larger images are rejected, as a small file can decompress to more memory than the computer has."""


@dataclass(frozen=True)
class Picture:
    """The contents of an image file: the pixels to paint, opacity and metadata."""

    pixels: Pixels
    """uint8 or uint16 (H, W, 3), sRGB. Fully transparent pixels have the colors of their visible neighbors."""
    alpha: Samples | None = None
    """Opacity, (H, W), of the same dtype as the pixels; None if the image is opaque."""
    metadata: "Metadata | None" = None
    """EXIF, XMP, IPTC, text and resolution, as far as they are valid for the painted picture."""
    frames: int = 1
    """Number of images in the file. `pixels` is the first."""
    own_depth: int = 8
    """Bits per sample in the file: 16 or 8."""
    notes: tuple[str, ...] = ()
    """Messages for the user about reading the file; each completes a sentence that starts with the file's name."""


def white(samples: Samples) -> int:
    """The value of white for this dtype, 255 or 65535."""
    return int(np.iinfo(samples.dtype).max)


def check_picture(array: Pixels) -> None:
    """Raise ImageError unless the array is an image: uint8 or uint16, shape (H, W, 3), not empty."""
    if not isinstance(array, np.ndarray):
        raise ImageError(f"expected a picture, a numpy array of uint8 (H, W, 3), got {type(array).__name__}")
    if array.dtype not in (np.uint8, np.uint16) or array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise ImageError(f"expected a picture, uint8 (or uint16) (H, W, 3), got {array.dtype} {array.shape}")


def on_white(picture: Picture) -> Pixels:
    """The pixels of a picture composited on white, with the dtype of the picture."""
    if picture.alpha is None:
        return picture.pixels
    if picture.pixels.dtype == np.uint16:
        opacity = picture.alpha[..., np.newaxis].astype(np.float32) / np.float32(65535)
        return np.asarray(np.rint(65535 + opacity * (picture.pixels - np.float32(65535))), np.uint16)
    from PIL import Image

    background = Image.new("RGB", picture.pixels.shape[1::-1], "white")
    return np.asarray(Image.composite(to_pillow(picture.pixels), background, Image.fromarray(picture.alpha)))


def to_pillow(array: Pixels) -> "Image.Image":
    """A Pillow image of mode RGB that holds these pixels, uint8 (H, W, 3)."""
    from PIL import Image

    check_picture(array)
    return Image.fromarray(np.ascontiguousarray(array))


def as_8_bit(picture: Picture) -> Picture:
    """The same picture in uint8; 16-bit samples are rounded."""
    if picture.pixels.dtype == np.uint8:
        return picture
    alpha = None if picture.alpha is None else rounded_to_8_bit(picture.alpha)
    return replace(picture, pixels=rounded_to_8_bit(picture.pixels), alpha=alpha)


def as_16_bit(picture: Picture) -> Picture:
    """The same picture in uint16; 255 becomes 65535."""
    if picture.pixels.dtype == np.uint16:
        return picture
    pixels, alpha = picture.pixels, picture.alpha
    return replace(picture, pixels=_widened(pixels), alpha=None if alpha is None else _widened(alpha))


def rounded_to_8_bit(samples: Samples) -> NDArray[np.uint8]:
    """16-bit samples as uint8, rounded to the nearest."""
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _widened(samples: Samples) -> NDArray[np.uint16]:
    return samples.astype(np.uint16) * np.uint16(257)
