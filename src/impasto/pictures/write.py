"""Writing pictures to files."""

import io
import os
from pathlib import Path

from PIL import Image

from impasto.errors import ImageError
from impasto.files import check_writable, replacing
from impasto.pictures import png, sixteen_bits
from impasto.pictures.formats import DEEP_FORMATS, LONGEST_SIDE, format_of
from impasto.pictures.picture import MAX_PIXELS, Picture, Pixels, as_8_bit, check_picture, on_white, to_pillow
from impasto.pictures.profiles import srgb_profile
from impasto.pictures.tiff import encode_tiff

OPTIMIZED_PIXELS = 20_000_000
"""JPEG files of at most this size get Huffman tables of their own."""
LONGEST_SEGMENT = 65_533
"""Bytes of EXIF that fit into a JPEG; longer metadata are left out."""


def save_image(path: str | os.PathLike[str], array: Pixels, *, quality: int = 95) -> None:
    """Write an image, uint8 (H, W, 3) sRGB, in the format of the file extension; see :func:`save_picture`."""
    save_picture(path, Picture(array), quality=quality)


def save_picture(path: str | os.PathLike[str], picture: Picture, *, quality: int = 95) -> None:
    """Write a picture in the format of the file extension, with the sRGB profile; whole or not at all.

    Transparency is kept if the format has it, and composited on white in JPEG and BMP; EXIF is kept in all but BMP.

    Args:
        path: Its extension is one of `WRITABLE_SUFFIXES`, in any case. An existing file is replaced.
        picture: The picture. uint16 gives a PNG or TIFF of 16 bits; for other formats it is rounded to 8.
        quality: 1 to 100, for JPEG and WebP; the other formats are lossless.

    Raises:
        ImageError: Unknown extension, `path` is a folder, its folder is missing, the disk is full, the array is
            not a picture, or the quality is out of range.
    """
    path = Path(path)
    data = encode_picture(picture, path, quality=quality)
    with replacing(path, ImageError) as part:
        part.write_bytes(data)


def encode_picture(picture: Picture, path: str | os.PathLike[str], *, quality: int = 95) -> bytes:
    """The bytes of a picture file, in the format of the extension of ``path``; see :func:`save_picture`."""
    path = Path(path)
    kind = format_of(path)
    if not 1 <= quality <= 100:
        raise ImageError(f"{path}: quality {quality} is out of range; use 1 to 100")
    check_picture(picture.pixels)
    check_size(path, picture.pixels)
    if kind not in DEEP_FORMATS:
        picture = as_8_bit(picture)
    try:
        if kind == "TIFF":
            return encode_tiff(picture.pixels, picture.alpha, profile=srgb_profile(), exif=picture.exif)
        if picture.pixels.itemsize == 1:
            return _encoded(picture, kind, quality)
        data = sixteen_bits.encode_png(picture.pixels, picture.alpha, profile=srgb_profile())
    except (OSError, ValueError) as cause:
        raise ImageError(f"{path}: a {kind} file cannot hold this picture ({cause}); write a PNG") from cause
    exif = [] if picture.exif is None else [(b"eXIf", picture.exif.removeprefix(b"Exif\0\0"))]
    return png.with_chunks(data, exif, without=(b"pHYs",))  # libvips invents a resolution


def check_saving(path: str | os.PathLike[str]) -> None:
    """Make sure that `save_image` could write there now, so that it is known before the work begins.

    Raises:
        ImageError: As `save_image`, except for errors that depend on the picture.
    """
    format_of(path)
    check_writable(path, ImageError)


def check_size(path: str | os.PathLike[str], pixels: Pixels) -> None:
    """Raise ImageError if an image of this size does not fit into the format of the extension of ``path``."""
    kind = format_of(path)
    height, width = pixels.shape[:2]
    if max(height, width) > LONGEST_SIDE.get(kind, MAX_PIXELS):
        raise ImageError(
            f"{path}: {width} x {height} pixels are more than such a file can have, {LONGEST_SIDE[kind]} a side; "
            "write a PNG, or give a smaller size"
        )


def _encoded(picture: Picture, kind: str, quality: int) -> bytes:
    """The bytes of a file of 8 bits in one of Pillow's formats."""
    if picture.alpha is not None and kind in ("PNG", "WEBP"):
        image = to_pillow(picture.pixels)
        image.putalpha(Image.fromarray(picture.alpha))
    else:
        image = to_pillow(on_white(picture))
    options: dict[str, object] = {}
    if kind != "BMP":
        options["icc_profile"] = srgb_profile()
        if picture.exif and (kind != "JPEG" or len(picture.exif) <= LONGEST_SEGMENT):
            options["exif"] = picture.exif
    if kind == "JPEG":
        # Paintings are full of saturated edges, which chroma subsampling blurs.
        options |= {"quality": quality, "subsampling": 0 if quality >= 90 else 2}
        # A few percent smaller, but the encoder keeps all coefficients, six bytes per pixel.
        options["optimize"] = image.width * image.height <= OPTIMIZED_PIXELS
    elif kind == "WEBP":
        options["quality"] = quality
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()
