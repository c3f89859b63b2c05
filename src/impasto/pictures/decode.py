"""Decodes the bytes of a picture file."""

import contextlib
import io
from dataclasses import replace
from typing import Literal

from PIL import Image, JpegImagePlugin, TiffImagePlugin

from impasto.errors import ImageError, UsageError
from impasto.pictures import repair, sixteen_bits
from impasto.pictures.color_spaces import color_space_of
from impasto.pictures.metadata import orientation_of, read_metadata
from impasto.pictures.picture import MAX_PIXELS, Depth, Picture, Samples, as_8_bit, as_16_bit, white
from impasto.pictures.plugins import format_of_data, open_header
from impasto.pictures.resize import resize, resize_short_side
from impasto.pictures.samples import pixels_of, turned
from impasto.pictures.transparency import fill_hidden
from impasto.pictures.unsupported import (
    jpeg_2000_bits,
    tiff_orientation,
    tiff_pages,
    unknown_format,
    unsupported,
    unsupported_png,
    unsupported_tiff,
)
from impasto.pictures.xmp import xmp_in_jpeg_xl

_PACKED = ("PNG", "JPEG", "BMP", "packbits", "jpeg", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate")
_PLAIN = ("raw", "PPM")
LARGEST_RATIO = dict.fromkeys(_PACKED, 1500) | dict.fromkeys(_PLAIN, 1)
"""Largest compression ratio (bytes of pixels per byte of the file), by format, or compression of a TIFF.

Other formats have no limit: with fax compression, WebP and AVIF, a blank page takes almost no bytes.
"""
_MULTI_FRAME = (0x020001, 0x020002, 0x020003)
"""Types of images in a multi-picture JPEG that are not previews or maps: panorama, stereo, several angles."""


def decode_picture(
    data: bytes, name: str, *, short_side: int | None = None, depth: Depth = 8, metadata: bool = True
) -> Picture:
    """The picture in the bytes of a file, upright and in sRGB, with its transparency and metadata.

    The EXIF orientation is applied; the embedded color profile, or the color space that the file names, is converted
    to sRGB (a broken one is ignored); HDR (PQ, HLG) is tone-mapped; of an animation the first frame is used. Harmless
    damage, such as a missing end marker, is noted in the result. Pillow's warnings about damaged metadata pass through
    Python's filters.

    Args:
        data: The bytes of the file.
        name: The name used in error messages.
        short_side: Scale to this short side, pixels. A large JPEG is then decoded at a fraction of its size.
        depth: 8 returns uint8, with 16-bit samples rounded; 16 returns uint16; "own" returns the depth of the file.
            16-bit files are read by libvips (the extra `formats`); without it, Pillow reads the upper 8 bits.
        metadata: False leaves the metadata out.

    Raises:
        ImageError: The file is empty, truncated, not an image, larger than `MAX_PIXELS`, a raw photo, or in a pixel
            format without a defined range (32-bit integer, floating point).
        UsageError: `depth` or `short_side` is invalid.
    """
    if depth not in (8, 16, "own"):
        raise UsageError(f"unknown depth {depth!r}: use 8, 16 or 'own'")
    if short_side is not None and short_side < 1:
        raise UsageError(f"cannot resize a picture to {short_side} pixels; use 1 or more")
    if not data:
        raise ImageError(f"{name}: is empty (0 bytes); copy or download it again")
    kind = format_of_data(data)
    try:
        picture = _decoded(data, kind, name, short_side, metadata)
    except ImageError as refusal:
        raise ImageError(f"{name}: {refusal}") from None
    except Image.DecompressionBombError as cause:
        raise ImageError(f"{name}: is too large; make it smaller first") from cause
    except Exception as cause:  # decoders raise nearly anything for broken files, SyntaxError included
        if reason := unsupported(kind, data, cause):
            raise ImageError(f"{name}: {reason}") from cause
        reason = " ".join(str(cause).split()) or type(cause).__name__
        raise ImageError(f"{name}: is damaged or cut short ({reason}); copy or download it again") from cause
    if picture.own_depth == 16 and picture.pixels.itemsize == 1 and depth != 8:
        reason = sixteen_bits.missing()
        why = f"16 need libvips: {reason}" if reason else "libvips cannot read it"
        picture = replace(picture, notes=(*picture.notes, f"has 16 bits per sample, of which 8 are kept; {why}"))
    if depth == "own":
        return picture
    return as_16_bit(picture) if depth == 16 else as_8_bit(picture)


def _decoded(data: bytes, kind: str | None, name: str, short_side: int | None, metadata: bool) -> Picture:
    """The picture with the bits per sample of the file; raises ImageError without the name, or any exception."""
    if kind is None:
        raise ImageError(unknown_format(data))
    refusal = None
    if kind == "TIFF":
        refusal = unsupported_tiff(data, name)
    elif kind == "PNG":
        refusal = unsupported_png(data)
    elif kind == "JPEG2000":
        channels, bits = jpeg_2000_bits(data)
        if channels > 1 and bits > 8:  # Pillow gives black
            refusal = (
                f"is a JPEG 2000 in color with {bits} bits per sample, which Impasto cannot read; save it as a PNG"
            )
    if refusal:
        raise ImageError(refusal)
    note = None
    if kind == "PNG":
        data, note = repair.repaired_png(data)
    elif kind == "JPEG":
        data, note = repair.repaired_jpeg(data)
    try:
        image = _loaded(data, kind, short_side)
    except (OSError, SyntaxError, KeyError, ValueError) as cause:
        if kind == "TIFF" and sixteen_bits.available() and (reason := unsupported(kind, data, cause)):
            return _tiff_by_libvips(data, short_side, reason)
        if kind == "JPEG" and "truncated" in str(cause):
            image = repair.complete_jpeg(data, lambda file: _loaded(file, kind, short_side))
            note = repair.NO_END
        elif kind == "PNG" and ("too large" in str(cause) or "text chunks" in str(cause)):
            image = _loaded(repair.png_without_compressed_metadata(data), kind, short_side)
            note = repair.LARGE_METADATA
        elif kind == "PNG" and "APNG" in str(cause):
            image = _loaded(repair.png_without_animation(data), kind, short_side)
            note = repair.BAD_ANIMATION
        elif kind == "JPEG2000" and (ended := repair.ended_jpeg_2000(data)):
            image = _loaded(ended, kind, short_side)
            note = repair.NO_END
        else:
            raise
    notes = [note] if note else []
    frames = _frames(image, data)
    if frames > 1:
        notes.append(f"holds {frames} pictures: the first is painted")
    space = color_space_of(image, data)
    if space is not None and space.is_hdr:
        notes.append("is HDR: highlights are compressed to fit sRGB")
    own_depth = _depth_of(image, data)
    found_metadata = read_metadata(image) if metadata else None
    pixels, alpha = pixels_of(image, data, own_depth, space)
    del image
    pixels, alpha = _with_filled_colors(pixels, alpha)
    picture = Picture(pixels, alpha, found_metadata, frames=frames, own_depth=own_depth, notes=tuple(notes))
    return _scaled(picture, short_side) if short_side else picture


def _loaded(data: bytes, kind: str, short_side: int | None) -> Image.Image:
    """The decoded image, after checks of its size. All of it is decoded, so a truncated file fails here."""
    image = open_header(data, kind)
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(
            f"is too large: {image.width} x {image.height} pixels, the limit is "
            f"{MAX_PIXELS // 1_000_000} million; make it smaller first"
        )
    _check_plausible(image, len(data))
    if short_side and kind == "JPEG":
        image.draft(None, (2 * short_side, 2 * short_side))  # by 2, 4 or 8, and none smaller than this
    if kind == "JXL" and (xmp := xmp_in_jpeg_xl(data)):
        image.info["xmp"] = xmp  # the plug-in does not read it
    image.info["orientation"] = orientation_of(image)  # before loading: Pillow turns a TIFF when it loads it
    image.load()
    return image


def _tiff_by_libvips(data: bytes, short_side: int | None, reason: str) -> Picture:
    """The picture in a TIFF file that Pillow does not support, without its metadata; ``reason`` is Pillow's error."""
    try:
        pixels, alpha = sixteen_bits.decode(data, use_profile=True, has_alpha=True)
    except ImageError:
        raise ImageError(reason) from None
    orientation = tiff_orientation(data)
    alpha = None if alpha is None else turned(alpha, orientation)
    pixels, alpha = _with_filled_colors(turned(pixels, orientation), alpha)
    picture = Picture(pixels, alpha, own_depth=8 * pixels.itemsize)
    return _scaled(picture, short_side) if short_side else picture


def _with_filled_colors(pixels: Samples, alpha: Samples | None) -> tuple[Samples, Samples | None]:
    """Pixels with colors for the transparent ones, and opacity; None if everything is opaque."""
    if alpha is None or alpha.min() == white(alpha):
        return pixels, None
    return fill_hidden(pixels, alpha), alpha


def _check_plausible(image: Image.Image, size: int) -> None:
    """Raise ImageError if the size in the header is implausible for a file of ``size`` bytes in its format.

    Otherwise a damaged or malicious header could allocate gigabytes before the decoder reaches the end of the file.
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


def _scaled(picture: Picture, short_side: int) -> Picture:
    pixels = resize_short_side(picture.pixels, short_side)
    alpha = None if picture.alpha is None else resize(picture.alpha, pixels.shape[1], pixels.shape[0])
    return replace(picture, pixels=pixels, alpha=alpha)


def _frames(image: Image.Image, data: bytes) -> int:
    """The number of images in a file, without previews, gain maps and depth maps."""
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        frames: int = getattr(image, "n_frames", 1)
        return tiff_pages(data) if frames > 1 and image.format == "TIFF" else frames
    with contextlib.suppress(Exception):  # damaged, or none
        header: bytes = image.info["mp"]  # the multi-picture format of CIPA DC-007
        directory = TiffImagePlugin.ImageFileDirectory_v2(header[:8])
        file = io.BytesIO(header)
        file.seek(directory.next)
        directory.load(file)
        entries = directory[0xB002]
        order: Literal["little", "big"] = "little" if header[:2] == b"II" else "big"
        kinds = [int.from_bytes(entries[at : at + 4], order) & 0xFFFFFF for at in range(0, len(entries), 16)]
        return max(1, sum(kind in _MULTI_FRAME for kind in kinds))
    return 1


def _depth_of(image: Image.Image, data: bytes) -> int:
    """Bits per sample of a file: 16 if it can be read with 16, else 8."""
    if image.format == "PNG":
        return 16 if data[24] == 16 else 8  # in IHDR, which always comes first
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits, sample_format = (image.tag_v2.get(tag, (1,)) for tag in (0x0102, 0x0153))
        gray_or_rgb = image.tag_v2.get(0x0106) in (0, 1, 2)  # PhotometricInterpretation
        return 16 if gray_or_rgb and {*bits} == {16} and {*sample_format} == {1} else 8
    return 8
