"""Reading pictures from files."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, TiffImagePlugin

from impasto.errors import ImageError
from impasto.pictures import png, sixteen_bits
from impasto.pictures.formats import READABLE_SUFFIXES
from impasto.pictures.metadata import kept_exif, orientation_of
from impasto.pictures.picture import (
    MAX_PIXELS,
    Depth,
    Picture,
    Pixels,
    Samples,
    as_8_bit,
    as_16_bit,
    on_white,
    rounded_to_8_bit,
    to_pillow,
    white,
)
from impasto.pictures.plugins import open_header
from impasto.pictures.profiles import is_srgb, to_srgb
from impasto.pictures.resize import resize, resize_short_side
from impasto.pictures.transparency import fill_hidden

_PACKED = ("PNG", "JPEG", "BMP", "packbits", "jpeg", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate")
_PLAIN = ("raw", "PPM")
LARGEST_RATIO = dict.fromkeys(_PACKED, 1500) | dict.fromkeys(_PLAIN, 1)
"""Bytes of pixels that one byte of a file can hold, by format or compression of a TIFF.

Other formats have no limit: a blank page needs next to nothing in fax compression, WebP and AVIF.
"""
_STRIP_PIXELS = 4_000_000
"""Pixels that are copied from Pillow to numpy at once: the whole image at once needs its memory three times."""


def load_image(path: str | os.PathLike[str], *, depth: Depth = 8) -> Pixels:
    """The image in a file, upright, on white: uint8 (H, W, 3), sRGB; see :func:`decode_picture`."""
    return on_white(read_picture(path, depth=depth))


def load_mask(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """The lightness of an image as a mask, uint8 (H, W), 255 for white; see :func:`read_picture`.

    For an image with transparency whose visible pixels all have one colour, the mask is its opacity.
    """
    picture = read_picture(path)
    if picture.alpha is not None:
        visible = picture.pixels[picture.alpha > 0]
        if not len(visible) or not np.ptp(visible.astype(int), axis=0).any():
            return picture.alpha.astype(np.uint8, copy=False)
    return np.asarray(to_pillow(on_white(picture)).convert("L"))


def read_picture(path: str | os.PathLike[str], *, short_side: int | None = None, depth: Depth = 8) -> Picture:
    """The picture in a file; see :func:`decode_picture`.

    Raises:
        ImageError: The file is missing, or as there.
    """
    with open_picture(path) as file:
        data = file.read()
    return decode_picture(data, str(path), short_side=short_side, depth=depth)


@contextlib.contextmanager
def open_picture(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """The file, open for reading.

    Raises:
        ImageError: It does not exist, or cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        raise ImageError(f"{path}: is a folder, not a picture; give a file")
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file; check the name") from None
    except OSError as cause:
        raise ImageError(f"{path}: cannot read: {cause.strerror or cause}") from cause


def decode_picture(data: bytes, name: str, *, short_side: int | None = None, depth: Depth = 8) -> Picture:
    """The picture in the bytes of a file, upright and in sRGB, with its transparency and EXIF.

    The EXIF orientation is applied, the embedded colour profile is converted to sRGB (a broken one is ignored), and
    of an animation the first frame is used. Pillow's warnings about damaged metadata pass through Python's filters.

    Args:
        data: The bytes of the file.
        name: The name used in error messages.
        short_side: Scale to this short side, pixels. A large JPEG is then decoded at a fraction of its size.
        depth: 8 gives uint8, 16-bit samples rounded; 16 gives uint16; "own" what the file has. Files of 16 bits are
            read by libvips (the extra `formats`); without it, the upper 8 bits by Pillow.

    Raises:
        ImageError: The file is empty, truncated, not an image, larger than `MAX_PIXELS`, or in a pixel format
            without a defined range (32-bit integer, floating point).
    """
    if not data:
        raise ImageError(f"{name}: is empty (0 bytes); copy or download it again")
    try:
        picture = _decoded(data, short_side)
    except ImageError as refusal:
        raise ImageError(f"{name}: {refusal}") from None
    except Image.DecompressionBombError as cause:
        raise ImageError(f"{name}: is too large; make it smaller first") from cause
    except Exception as cause:  # decoders raise nearly anything for broken files, SyntaxError included
        reason = " ".join(str(cause).split()) or type(cause).__name__
        raise ImageError(f"{name}: is damaged or cut short ({reason}); copy or download it again") from cause
    if depth == "own":
        return picture
    return as_16_bit(picture) if depth == 16 else as_8_bit(picture)


def _decoded(data: bytes, short_side: int | None) -> Picture:
    """The picture with the bits per sample of the file; raises ImageError without the name, or any exception."""
    image = _open(data)
    if short_side:
        image.draft(None, (2 * short_side, 2 * short_side))  # by 2, 4 or 8, and none smaller than this
    orientation = orientation_of(image)  # before loading: Pillow turns a TIFF when it loads it
    image.load()  # decodes all of it, so a truncated file fails here; libvips would accept it
    own_depth, exif, frames = _depth_of(image, data), kept_exif(image), _frames(image)
    if own_depth == 16 and sixteen_bits.available():
        pixels, alpha = _deep_samples(image, data, orientation or orientation_of(image))
    else:
        pixels, alpha = _samples(image)
    del image
    if alpha is not None and alpha.min() == white(alpha):
        alpha = None
    if alpha is not None:
        pixels = fill_hidden(pixels, alpha)
    picture = Picture(pixels, alpha, exif, frames=frames, own_depth=own_depth)
    return _scaled(picture, short_side) if short_side else picture


def _open(data: bytes) -> Image.Image:
    """The image of which only the header has been read, after checks of its size."""
    try:
        image = open_header(data)
    except ImageError as refusal:
        if "not a picture" in str(refusal):
            known = ", ".join(suffix[1:] for suffix in READABLE_SUFFIXES)
            raise ImageError(f"{refusal} (it reads {known})") from None
        raise
    except (SyntaxError, IndexError, TypeError, KeyError, EOFError) as cause:
        if data[:2] in (b"II", b"MM"):
            raise ImageError("is a TIFF of a kind that Impasto cannot read; save it as a PNG") from cause
        raise
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(
            f"is too large: {image.width} x {image.height} pixels, the limit is "
            f"{MAX_PIXELS // 1_000_000} million; make it smaller first"
        )
    _check_plausible(image, len(data))
    if image.format == "PNG":
        _check_png(data)
    return image


def _check_plausible(image: Image.Image, size: int) -> None:
    """Raise ImageError if a file of ``size`` bytes claims to hold far more than its format can compress into them.

    Otherwise a damaged header, or one made for the purpose, allocates gigabytes before the decoder finds the end.
    """
    pixels = image.width * image.height
    kind = image.info.get("compression", "raw") if image.format == "TIFF" else image.format
    bands = len(image.getbands())
    bits = 8 * bands if bands > 1 else 1  # per pixel, at least
    if kind in LARGEST_RATIO and pixels > max(10_000_000, 8 * LARGEST_RATIO[kind] * size // bits):
        raise ImageError(
            f"is damaged or cut short ({size} bytes cannot hold {image.width} x {image.height} pixels); "
            "copy or download it again"
        )


def _check_png(data: bytes) -> None:
    """Raise ImageError if a checksum of a PNG is wrong: Pillow ignores it and shows black."""
    for chunk in png.chunks(data):
        if chunk.kind[:1].isupper() and not chunk.intact:
            end = chunk.start + 12 + len(chunk.data)
            raise ImageError(f"is damaged (at bytes {chunk.start} to {end}); copy or download it again")


def _scaled(picture: Picture, short_side: int) -> Picture:
    pixels = resize_short_side(picture.pixels, short_side)
    alpha = None if picture.alpha is None else resize(picture.alpha, pixels.shape[1], pixels.shape[0])
    return replace(picture, pixels=pixels, alpha=alpha)


def _frames(image: Image.Image) -> int:
    return getattr(image, "n_frames", 1)


def _depth_of(image: Image.Image, data: bytes) -> int:
    """Bits per sample of a file: 16 if it can be read with 16, else 8."""
    if image.format == "PNG":
        return 16 if data[24] == 16 else 8  # in IHDR, which always comes first
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits, sample_format = (image.tag_v2.get(tag, (1,)) for tag in (0x0102, 0x0153))
        grey_or_rgb = image.tag_v2.get(0x0106) in (0, 1, 2)  # PhotometricInterpretation
        return 16 if grey_or_rgb and {*bits} == {16} and {*sample_format} == {1} else 8
    return 8


def _deep_samples(image: Image.Image, data: bytes, orientation: int) -> tuple[Samples, Samples | None]:
    """Pixels and opacity of a file of 16 bits, upright and in sRGB, read by libvips."""
    use_profile = not is_srgb(image.info.get("icc_profile"))
    has_alpha = not isinstance(image, TiffImagePlugin.TiffImageFile) or image.tag_v2.get(0x0152) != (0,)
    pixels, alpha = sixteen_bits.decode(data, use_profile=use_profile, has_alpha=has_alpha)
    return _turned(pixels, orientation), None if alpha is None else _turned(alpha, orientation)


def _turned(stored: Samples, orientation: int) -> Samples:
    """Stored samples, (H, W, ...), upright: EXIF orientations 2 to 8; any other value changes nothing."""
    upright = stored.swapaxes(0, 1) if orientation in (5, 6, 7, 8) else stored
    if orientation in (3, 4, 7, 8):
        upright = upright[::-1]
    if orientation in (2, 3, 6, 7):
        upright = upright[:, ::-1]
    return np.ascontiguousarray(upright)


def _samples(image: Image.Image) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Pixels and opacity, upright and in sRGB, of 8 bits."""
    profile = image.info.get("icc_profile")
    with contextlib.suppress(Exception):  # damaged EXIF data are common, and the pixels matter more
        ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I"):
        if isinstance(image, TiffImagePlugin.TiffImageFile) and 32 in image.tag_v2.get(0x0102, ()):  # BitsPerSample
            raise ImageError("has 32-bit pixels, which have no defined range; save it with 8 or 16 bits")
        image = _from_16_bit(image)
    elif image.mode == "F":
        raise ImageError("has floating-point pixels, which have no defined range; save it with 8 or 16 bits")

    alpha = None
    if image.has_transparency_data and image.mode in ("L", "LA"):  # stay grey: the profile is one for grey
        image = image if image.mode == "LA" else image.convert("LA")
        alpha = np.asarray(image.getchannel("A"))
        image = image.getchannel("L")
    elif image.has_transparency_data:
        image = image if image.mode == "RGBA" else image.convert("RGBA")
        alpha = np.asarray(image.getchannel("A"))
        image = image.convert("RGB")
    elif image.mode not in ("RGB", "L", "CMYK", "LAB"):
        image = image.convert("RGB")

    return _array_of(to_srgb(image, profile)), alpha


def _array_of(image: Image.Image) -> NDArray[np.uint8]:
    """The pixels of an RGB image, copied strip by strip."""
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return pixels


def _from_16_bit(image: Image.Image) -> Image.Image:
    samples = np.asarray(image).astype(np.int64)
    if samples.min() < 0 or samples.max() > 65535:
        raise ImageError("has 32-bit pixels, which have no defined range; save it with 8 or 16 bits")
    return Image.fromarray(rounded_to_8_bit(samples.astype(np.uint16)))
