"""Writing pictures to files."""

import io
import os
from typing import IO, Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from impasto.errors import ImageError
from impasto.files import check_writable, replacing
from impasto.pictures import png, sixteen_bits
from impasto.pictures.formats import DEEP_FORMATS, FORMAT_OF_SUFFIX, LONGEST_SIDE, format_of
from impasto.pictures.metadata import Metadata, photoshop_segment, raw_profile
from impasto.pictures.picture import MAX_PIXELS, Picture, Pixels, as_8_bit, check_picture, on_white, to_pillow
from impasto.pictures.profiles import srgb_profile
from impasto.pictures.sources import local_path
from impasto.pictures.tiff import encode_tiff

LONGEST_SEGMENT = 65_533
"""Largest size of one kind of metadata in a JPEG, bytes; larger metadata are omitted."""
_XMP_HEADER = len(b"http://ns.adobe.com/xap/1.0/\0")
_METERS_PER_INCH = 0.0254

Target = str | os.PathLike[str] | IO[bytes]
"""A path (~ is expanded), or a stream that was opened in binary mode."""


def save_image(target: Target, array: Pixels, *, quality: int = 95, format: str | None = None) -> None:
    """Write an image, uint8 (H, W, 3) sRGB; see :func:`save_picture`."""
    save_picture(target, Picture(array), quality=quality, format=format)


def save_picture(target: Target, picture: Picture, *, quality: int = 95, format: str | None = None) -> None:
    """Write a picture with the sRGB profile; a file appears whole or not at all.

    Transparency is kept if the format has it, and composited on white in JPEG and BMP. Metadata are kept as far as
    the format can hold them; :class:`Metadata` says which there are. ``replace(picture, metadata=None)`` leaves them
    out.

    Args:
        target: A path, whose extension is one of `WRITABLE_SUFFIXES`, in any case; an existing file is replaced. Or a
            binary stream.
        picture: The picture. uint16 gives a PNG or TIFF of 16 bits; for other formats it is rounded to 8.
        quality: 1 to 100, for JPEG, WebP, AVIF and JPEG XL; the other formats are lossless.
        format: A file extension or name of a format (png, .png, PNG) for a stream; for a path, instead of its own
            extension.

    Raises:
        ImageError: Unknown extension, `target` is a folder, its folder is missing, the disk is full, the array is
            not a picture, or the quality is out of range.
    """
    if hasattr(target, "write"):
        if format is None:
            raise ImageError("a stream does not tell the format of the picture: give one, as format='png'")
        data = encode_picture(picture, _suffix(format), quality=quality)
        try:
            target.write(data)
        except (OSError, ValueError, TypeError) as cause:  # closed, full, or a text stream
            raise ImageError(f"{getattr(target, 'name', 'stream')}: cannot write: {cause}; open it as 'wb'") from cause
        return
    path = local_path(target)
    name = path if format is None else path.with_name(path.name + _suffix(format))
    data = encode_picture(picture, name, quality=quality)
    with replacing(path, ImageError) as part:
        part.write_bytes(data)


def _suffix(format: str) -> str:
    suffix = f".{str(format).lower().lstrip('.')}"
    if suffix not in FORMAT_OF_SUFFIX:
        known = ", ".join(known[1:] for known in FORMAT_OF_SUFFIX)
        raise ImageError(f"unknown picture format '{format}': use one of {known}")
    return suffix


def encode_picture(picture: Picture, path: str | os.PathLike[str], *, quality: int = 95) -> bytes:
    """The bytes of a picture file, in the format of the extension of ``path``; see :func:`save_picture`."""
    path = local_path(path)
    kind = format_of(path)
    if isinstance(quality, bool) or not isinstance(quality, int | np.integer) or not 1 <= quality <= 100:
        raise ImageError(f"{path}: quality {quality!r} is out of range; use a whole number from 1 to 100")
    quality = int(quality)
    check_picture(picture.pixels)
    check_size(path, picture.pixels)
    if kind not in DEEP_FORMATS:
        picture = as_8_bit(picture)
    metadata = picture.metadata or Metadata()
    try:
        if kind == "TIFF":
            return encode_tiff(picture.pixels, picture.alpha, profile=srgb_profile(), metadata=metadata)
        if kind != "PNG":
            return _encoded(picture, kind, quality, _options(kind, metadata))
        if picture.pixels.itemsize == 1:
            data = _encoded(picture, kind, quality, {"icc_profile": srgb_profile()})
        else:
            data = sixteen_bits.encode_png(picture.pixels, picture.alpha, profile=srgb_profile())
    except ImageError:
        raise
    except Exception as cause:  # encoders outside Pillow raise their own
        reason = " ".join(str(cause).split()) or type(cause).__name__
        raise ImageError(f"{path}: a {kind} file cannot hold this picture ({reason}); write a PNG") from cause
    return png.with_chunks(data, _png_chunks(metadata), without=(b"pHYs",))  # libvips invents a resolution


def check_saving(path: str | os.PathLike[str]) -> None:
    """Make sure that `save_image` could write there now, so that it is known before the work begins.

    Raises:
        ImageError: As `save_image`, except for errors that depend on the picture.
    """
    path = local_path(path)
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


def _encoded(picture: Picture, kind: str, quality: int, options: dict[str, Any]) -> bytes:
    """The bytes of a file of 8 bits in one of Pillow's formats."""
    if picture.alpha is not None and kind not in ("JPEG", "BMP"):
        image = to_pillow(picture.pixels)
        image.putalpha(Image.fromarray(picture.alpha))
    else:
        image = to_pillow(on_white(picture))
    if kind == "JPEG":
        # Paintings are full of saturated edges, which chroma subsampling blurs.
        # Pillow's options "optimize" and "progressive" fail where the file is larger than a buffer of guessed size.
        options |= {"quality": quality, "subsampling": 0 if quality >= 90 else 2}
    elif kind == "AVIF":
        options |= {"quality": quality, "subsampling": "4:4:4" if quality >= 90 else "4:2:0", "speed": 9}
    elif kind == "WEBP":
        options["quality"] = quality
    elif kind == "PNG":
        # On paintings, higher levels save less than 1 % of the file, and take half as long again (6) to four times (9).
        options["compress_level"] = 4
    elif kind == "JXL":
        import pillow_jxl  # noqa: F401  it adds itself to Pillow's writers

        options |= {"lossless": True} if quality == 100 else {"quality": quality}
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


def _options(kind: str, metadata: Metadata) -> dict[str, Any]:
    """What Pillow writes beside the pixels: the profile, and the metadata that fit into the format."""
    metadata = metadata.in_exif(comment=kind != "JPEG", iptc=kind != "JPEG")
    if kind == "BMP":
        return {"dpi": metadata.dpi} if metadata.dpi else {}
    options: dict[str, Any] = {} if kind == "JXL" else {"icc_profile": srgb_profile()}
    longest = LONGEST_SEGMENT if kind == "JPEG" else 1 << 30
    if metadata.exif and len(metadata.exif) <= longest:
        options["exif"] = metadata.exif
    if metadata.xmp and len(metadata.xmp) <= longest - _XMP_HEADER:
        options["xmp"] = metadata.xmp
    if kind == "JPEG":
        comment = metadata.comment.encode() if metadata.comment else b""
        if 0 < len(comment) <= longest:
            options["comment"] = comment
        if metadata.dpi:
            options["dpi"] = metadata.dpi
        if metadata.iptc and len(segment := photoshop_segment(metadata.iptc)) <= longest:
            options["extra"] = b"\xff\xed" + (len(segment) + 2).to_bytes(2) + segment
    return options


def _png_chunks(metadata: Metadata) -> list[tuple[bytes, bytes]]:
    """The chunks of a PNG that hold the metadata."""
    chunks: list[tuple[bytes, bytes]] = []
    if metadata.exif:
        chunks.append((b"eXIf", metadata.exif.removeprefix(b"Exif\0\0")))
    if metadata.dpi:
        across, down = (round(value / _METERS_PER_INCH) for value in metadata.dpi)
        chunks.append((b"pHYs", across.to_bytes(4) + down.to_bytes(4) + b"\1"))
    texts = PngInfo()
    for key, value in [*metadata.text, *([("Comment", metadata.comment)] if metadata.comment else [])]:
        if 1 <= len(key.encode("latin-1", "ignore")) <= 79:
            _add_text(texts, key, value)
    if metadata.xmp:
        texts.add_itxt("XML:com.adobe.xmp", metadata.xmp.decode("utf-8", "replace"))
    if metadata.iptc:
        texts.add_text("Raw profile type iptc", raw_profile("iptc", metadata.iptc), zip=True)
    return chunks + [(chunk[0], chunk[1]) for chunk in texts.chunks]


def _add_text(texts: PngInfo, key: str, value: str) -> None:
    try:
        value.encode("latin-1")
        texts.add_text(key, value)
    except UnicodeEncodeError:
        texts.add_itxt(key, value)
