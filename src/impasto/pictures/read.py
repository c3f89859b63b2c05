"""Reading pictures from files."""

import contextlib
import io
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, JpegImagePlugin, TiffImagePlugin

from impasto.errors import ImageError
from impasto.pictures import repair, sixteen_bits
from impasto.pictures.color_spaces import ColorSpace, color_space_of
from impasto.pictures.metadata import orientation_of, read_metadata
from impasto.pictures.picture import (
    MAX_PIXELS,
    Depth,
    Picture,
    Pixels,
    Samples,
    as_8_bit,
    as_16_bit,
    check_picture,
    on_white,
    rounded_to_8_bit,
    to_pillow,
    white,
)
from impasto.pictures.plugins import format_of_data, open_header
from impasto.pictures.profiles import is_srgb, to_srgb
from impasto.pictures.resize import resize, resize_short_side
from impasto.pictures.sources import Source, read_source
from impasto.pictures.transparency import fill_hidden
from impasto.pictures.unsupported import jpeg_2000_bits, tiff_orientation, unknown_format, unsupported, unsupported_tiff

_PACKED = ("PNG", "JPEG", "BMP", "packbits", "jpeg", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate")
_PLAIN = ("raw", "PPM")
LARGEST_RATIO = dict.fromkeys(_PACKED, 1500) | dict.fromkeys(_PLAIN, 1)
"""Bytes of pixels that one byte of a file can hold, by format or compression of a TIFF.

Other formats have no limit: a blank page needs next to nothing in fax compression, WebP and AVIF.
"""
_STRIP_PIXELS = 4_000_000
"""Pixels that are copied from Pillow to numpy at once: the whole image at once needs its memory three times."""
_MULTI_FRAME = (0x020001, 0x020002, 0x020003)
"""Kinds of images in a JPEG that are meant to be seen: panorama, stereo, several angles."""


@dataclass(frozen=True)
class Mask:
    """Where to paint."""

    values: NDArray[np.uint8]
    """(H, W), 255 where to paint."""
    notes: tuple[str, ...] = ()
    """How the file was read, if not by its lightness; each completes a sentence that begins with its name."""


def load_image(source: Source, *, depth: Depth = 8) -> Pixels:
    """The image in a file, upright, on white: uint8 (H, W, 3), sRGB; see :func:`decode_picture`.

    Args:
        source: A path, the bytes of a file, or a binary stream.
        depth: As for :func:`decode_picture`.
    """
    return on_white(read_picture(source, depth=depth))


def load_mask(source: Source) -> NDArray[np.uint8]:
    """A mask, uint8 (H, W), 255 where to paint; see :func:`read_mask`."""
    return read_mask(source).values


def read_mask(source: Source) -> Mask:
    """The mask in a file: the opacity of an image with transparent parts, else its lightness.

    Transparency counts if the opacity differs by an eighth or more within the image, or everything is transparent.
    """
    picture = read_picture(source, metadata=False)
    if picture.alpha is not None and (int(np.ptp(picture.alpha)) >= 32 or not picture.alpha.any()):
        note = "has transparent parts: its opacity is the mask, not its lightness"
        return Mask(picture.alpha.astype(np.uint8, copy=False), (note,))
    return Mask(np.asarray(to_pillow(on_white(picture)).convert("L")))


def as_pixels(image: object) -> Pixels:
    """An image of any usual kind as pixels, uint8 or uint16 (H, W, 3), on white.

    Args:
        image: An array as described, returned as it is; a Pillow image; or a path, bytes or binary stream.

    Raises:
        ImageError: It is nothing of these; the message says what is wanted.
    """
    if isinstance(image, np.ndarray):
        check_picture(image)
        return image
    if isinstance(image, Image.Image):
        image = image.copy()  # it is turned upright in place
        image.load()
        pixels, alpha = _samples(image, None)
        return on_white(Picture(pixels, alpha))
    if isinstance(image, (str, bytes, bytearray, memoryview)) or hasattr(image, "__fspath__") or hasattr(image, "read"):
        source: Any = image
        return load_image(source)
    raise ImageError(
        "expected a picture: a numpy array of uint8 (H, W, 3), a Pillow image, a path, bytes or a binary stream, "
        f"got {type(image).__name__}"
    )


def check_source(source: Source) -> None:
    """Raise ImageError unless a file can be opened and begins as a picture does; only its first bytes are looked at."""
    head, name = read_source(source, _check_signature, head_only=True)
    if not head:
        raise ImageError(f"{name}: is empty (0 bytes); copy or download it again")


def read_picture(source: Source, *, short_side: int | None = None, depth: Depth = 8, metadata: bool = True) -> Picture:
    """The picture in a file; see :func:`decode_picture`.

    Args:
        source: A path (~ is expanded), the bytes of a file, or a binary stream.
        short_side: As for :func:`decode_picture`.
        depth: As there.
        metadata: As there.

    Raises:
        ImageError: The file is missing, or as there.
    """
    data, name = read_source(source, _check_signature)
    return decode_picture(data, name, short_side=short_side, depth=depth, metadata=metadata)


def decode_picture(
    data: bytes, name: str, *, short_side: int | None = None, depth: Depth = 8, metadata: bool = True
) -> Picture:
    """The picture in the bytes of a file, upright and in sRGB, with its transparency and metadata.

    The EXIF orientation is applied; the embedded colour profile, or the colour space that the file names, is converted
    to sRGB (a broken one is ignored); HDR (PQ, HLG) is tone-mapped; of an animation the first frame is used. Harmless
    damage, such as a missing end marker, is noted in the result. Pillow's warnings about damaged metadata pass through
    Python's filters.

    Args:
        data: The bytes of the file.
        name: The name used in error messages.
        short_side: Scale to this short side, pixels. A large JPEG is then decoded at a fraction of its size.
        depth: 8 gives uint8, 16-bit samples rounded; 16 gives uint16; "own" what the file has. Files of 16 bits are
            read by libvips (the extra `formats`); without it, the upper 8 bits by Pillow.
        metadata: False leaves the metadata out.

    Raises:
        ImageError: The file is empty, truncated, not an image, larger than `MAX_PIXELS`, a raw photo, or in a pixel
            format without a defined range (32-bit integer, floating point).
    """
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
        reason = sixteen_bits.missing() or "libvips cannot read it"
        note = f"has 16 bits per sample, of which 8 are kept: {reason}"
        picture = replace(picture, notes=(*picture.notes, note))
    if depth == "own":
        return picture
    return as_16_bit(picture) if depth == 16 else as_8_bit(picture)


def _check_signature(head: bytes) -> None:
    if format_of_data(head) is None:
        raise ImageError(unknown_format(head))


def _decoded(data: bytes, kind: str | None, name: str, short_side: int | None, metadata: bool) -> Picture:
    """The picture with the bits per sample of the file; raises ImageError without the name, or any exception."""
    if kind is None:
        raise ImageError(unknown_format(data))
    refusal = None
    if kind == "TIFF":
        refusal = unsupported_tiff(data, name)
    elif kind == "JPEG2000":
        channels, bits = jpeg_2000_bits(data)
        if channels > 1 and bits > 8:  # Pillow gives black
            refusal = (
                f"is a JPEG 2000 in colour with {bits} bits per sample, which Impasto cannot read; save it as a PNG"
            )
    if refusal:
        raise ImageError(refusal)
    note = None
    if kind == "PNG":
        data, note = repair.repaired_png(data)
    try:
        image = _loaded(data, kind, short_side)
    except (OSError, SyntaxError, KeyError) as cause:
        if kind == "TIFF" and sixteen_bits.available() and (reason := unsupported(kind, data, cause)):
            return _tiff_by_libvips(data, short_side, reason)
        if kind != "JPEG" or "truncated" not in str(cause):
            raise
        image = repair.complete_jpeg(data, lambda file: _loaded(file, kind, short_side))
        note = repair.NO_END
    notes = [note] if note else []
    frames = _frames(image)
    if frames > 1:
        notes.append(f"holds {frames} pictures: the first is painted")
    space = color_space_of(image, data)
    if space is not None and space.is_hdr:
        notes.append("is HDR: highlights are compressed to fit sRGB")
    own_depth = _depth_of(image, data)
    found_metadata = read_metadata(image) if metadata else None
    pixels, alpha = _pixels_of(image, data, own_depth, space)
    del image
    if alpha is not None and alpha.min() == white(alpha):
        alpha = None
    if alpha is not None:
        pixels = fill_hidden(pixels, alpha)
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
    image.info["orientation"] = orientation_of(image)  # before loading: Pillow turns a TIFF when it loads it
    image.load()
    return image


def _tiff_by_libvips(data: bytes, short_side: int | None, reason: str) -> Picture:
    """The picture in a TIFF file that Pillow does not support, without its metadata; ``reason`` is why."""
    try:
        pixels, alpha = sixteen_bits.decode(data, use_profile=True, has_alpha=True)
    except ImageError:
        raise ImageError(reason) from None
    orientation = tiff_orientation(data)
    pixels, alpha = _turned(pixels, orientation), None if alpha is None else _turned(alpha, orientation)
    if alpha is not None and alpha.min() == white(alpha):
        alpha = None
    pixels = pixels if alpha is None else fill_hidden(pixels, alpha)
    picture = Picture(pixels, alpha, own_depth=8 * pixels.itemsize)
    return _scaled(picture, short_side) if short_side else picture


def _pixels_of(
    image: Image.Image, data: bytes, own_depth: int, space: ColorSpace | None
) -> tuple[Samples, Samples | None]:
    """Pixels and opacity, upright and in sRGB, with as many bits as can be read."""
    orientation = image.info["orientation"] or orientation_of(image)
    deep = None
    if own_depth == 16 and sixteen_bits.available():
        with contextlib.suppress(ImageError):  # of a kind that libvips does not support, and Pillow does
            deep = _deep_samples(image, data, orientation, use_profile=space is None)
    if deep is not None or (space is not None and space.is_hdr and (deep := _deep_hdr(image, data)) is not None):
        pixels, alpha = deep
    else:
        pixels, alpha = _samples(image, space, data)
        return pixels, alpha
    return pixels if space is None else space.to_srgb(pixels), alpha


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


def _scaled(picture: Picture, short_side: int) -> Picture:
    pixels = resize_short_side(picture.pixels, short_side)
    alpha = None if picture.alpha is None else resize(picture.alpha, pixels.shape[1], pixels.shape[0])
    return replace(picture, pixels=pixels, alpha=alpha)


def _frames(image: Image.Image) -> int:
    """The number of images in a file that are meant to be seen: previews, gain maps and depth maps do not count."""
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return getattr(image, "n_frames", 1)
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
        grey_or_rgb = image.tag_v2.get(0x0106) in (0, 1, 2)  # PhotometricInterpretation
        return 16 if grey_or_rgb and {*bits} == {16} and {*sample_format} == {1} else 8
    return 8


def _deep_samples(
    image: Image.Image, data: bytes, orientation: int, *, use_profile: bool
) -> tuple[Samples, Samples | None]:
    """Pixels and opacity of a file of 16 bits, upright and in sRGB, read by libvips."""
    use_profile = use_profile and not is_srgb(image.info.get("icc_profile"))
    extra = image.tag_v2.get(0x0152, (2,)) if isinstance(image, TiffImagePlugin.TiffImageFile) else (2,)
    pixels, alpha = sixteen_bits.decode(data, use_profile=use_profile, has_alpha=extra[0] != 0)  # ExtraSamples
    return _turned(pixels, orientation), None if alpha is None else _turned(alpha, orientation)


def _deep_hdr(image: Image.Image, data: bytes) -> tuple[Samples, Samples | None] | None:
    """Pixels and opacity, upright, of an HDR file whose 8-bit version has too few levels; None if 8 bits must do."""
    if image.format == "HEIF":
        import pillow_heif

        file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
        if not file.mode.endswith(";16") or file.mode.startswith("I"):
            return None
        samples = np.asarray(file)
        alpha = samples[..., 3] if samples.shape[2] == 4 else None
        return np.ascontiguousarray(samples[..., :3]), alpha
    if image.format == "AVIF" and sixteen_bits.available():
        with contextlib.suppress(ImageError):
            pixels, alpha = sixteen_bits.decode(data, use_profile=False, has_alpha=True)
            if pixels.shape[:2] == (image.height, image.width):
                return pixels, alpha
    return None


def _turned(stored: Samples, orientation: int) -> Samples:
    """Stored samples, (H, W, ...), upright: EXIF orientations 2 to 8; any other value changes nothing."""
    upright = stored.swapaxes(0, 1) if orientation in (5, 6, 7, 8) else stored
    if orientation in (3, 4, 7, 8):
        upright = upright[::-1]
    if orientation in (2, 3, 6, 7):
        upright = upright[:, ::-1]
    return np.ascontiguousarray(upright)


def _samples(
    image: Image.Image, space: ColorSpace | None, data: bytes = b""
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Pixels and opacity, upright and in sRGB, of 8 bits."""
    profile = image.info.get("icc_profile")
    with contextlib.suppress(Exception):  # damaged EXIF data are common, and the pixels matter more
        ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I"):
        image = _from_16_bit(image)
    elif image.format == "JPEG2000" and (bits := jpeg_2000_bits(data)[1]) < 8:
        most = ((1 << bits) - 1) << (8 - bits)  # Pillow shifts the samples
        image = image.point([min(255, round(value * 255 / most)) for value in range(256)] * len(image.getbands()))
    elif image.mode == "F":
        raise ImageError("has floating-point pixels, which have no defined range; save it with 8 or 16 bits")

    alpha = None
    if image.mode == "La":  # colours multiplied by opacity
        image = image.convert("LA")
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

    if space is None:
        return _array_of(to_srgb(image, profile)), alpha
    return np.asarray(space.to_srgb(_array_of(image.convert("RGB"))), np.uint8), alpha


def _array_of(image: Image.Image) -> NDArray[np.uint8]:
    """The pixels of an RGB image, copied strip by strip."""
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return pixels


def _from_16_bit(image: Image.Image) -> Image.Image:
    """A grey image of 9 to 16 bits per sample in 8."""
    samples = np.asarray(image).astype(np.int64)
    most = 65535
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        most = (1 << max(image.tag_v2.get(0x0102, (16,)))) - 1  # BitsPerSample; Pillow does not scale 12 bits
    if samples.min() < 0 or samples.max() > most or most > 65535:
        raise ImageError("has 32-bit pixels, which have no defined range; save it with 8 or 16 bits")
    return Image.fromarray(rounded_to_8_bit((samples * 65535 // most).astype(np.uint16)))
