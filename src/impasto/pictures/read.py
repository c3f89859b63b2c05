"""Reading pictures and masks from files."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ImageError
from impasto.pictures.decode import decode_picture
from impasto.pictures.picture import Depth, Picture, Pixels, on_white, to_pillow
from impasto.pictures.plugins import format_of_data
from impasto.pictures.sources import Source, read_source
from impasto.pictures.unsupported import unknown_format


@dataclass(frozen=True)
class Mask:
    """A mask that was read from a file."""

    values: NDArray[np.uint8]
    """uint8 (H, W): 255 is painted, 0 is not."""
    notes: tuple[str, ...] = ()
    """Messages for the user about reading the file; each completes a sentence that starts with the file's name."""


def load_image(source: Source, *, depth: Depth = 8) -> Pixels:
    """The image in a file, upright, on white: uint8 (H, W, 3), sRGB; see :func:`decode_picture`.

    Args:
        source: A path, the bytes of a file, or a binary stream.
        depth: As for :func:`decode_picture`.
    """
    return on_white(read_picture(source, depth=depth))


def load_mask(source: Source) -> NDArray[np.uint8]:
    """Read a mask, uint8 (H, W): 255 is painted, 0 is not. See :func:`read_mask`."""
    return read_mask(source).values


def read_mask(source: Source) -> Mask:
    """Read a mask: the opacity of an image with transparent parts, else its lightness.

    The opacity is used if it varies by an eighth or more within the image, or if everything is transparent.
    """
    picture = read_picture(source, metadata=False)
    if picture.alpha is not None and (int(np.ptp(picture.alpha)) >= 32 or not picture.alpha.any()):
        note = "has transparent parts: its opacity is the mask, not its lightness"
        return Mask(picture.alpha.astype(np.uint8, copy=False), (*picture.notes, note))
    return Mask(np.asarray(to_pillow(on_white(picture)).convert("L")), picture.notes)


def check_source(source: Source) -> None:
    """Raise ImageError unless a file can be opened and starts like a picture. Only the first bytes are read."""
    head, name = read_source(source, _check_signature, head_only=True)
    if not head:
        raise ImageError(f"{name}: is empty (0 bytes); copy or download it again")


def read_picture(source: Source, *, short_side: int | None = None, depth: Depth = 8, metadata: bool = True) -> Picture:
    """The picture in a file; see :func:`decode_picture`.

    Args:
        source: A path (~ is expanded), the bytes of a file, or a binary stream.
        short_side: As for :func:`decode_picture`.
        depth: As for :func:`decode_picture`.
        metadata: As for :func:`decode_picture`.

    Raises:
        ImageError: The file is missing; or see :func:`decode_picture`.
    """
    data, name = read_source(source, _check_signature)
    return decode_picture(data, name, short_side=short_side, depth=depth, metadata=metadata)


def _check_signature(head: bytes) -> None:
    if format_of_data(head) is None:
        raise ImageError(unknown_format(head))
