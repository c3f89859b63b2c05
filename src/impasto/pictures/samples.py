"""Extracts the samples of a decoded image, upright and in sRGB."""

import contextlib
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, TiffImagePlugin

from impasto.errors import ImageError
from impasto.pictures import sixteen_bits
from impasto.pictures.color_spaces import ColorSpace
from impasto.pictures.metadata import orientation_of
from impasto.pictures.picture import Samples, rounded_to_8_bit
from impasto.pictures.profiles import is_srgb, to_srgb
from impasto.pictures.unsupported import jpeg_2000_bits

_STRIP_PIXELS = 4_000_000
"""Number of pixels copied from Pillow to numpy at once. Copying the whole image takes three times its memory."""


def pixels_of(
    image: Image.Image, data: bytes, own_depth: int, space: ColorSpace | None
) -> tuple[Samples, Samples | None]:
    """Pixels and opacity, upright and in sRGB, with the highest bit depth that can be read."""
    orientation = image.info["orientation"] or orientation_of(image)
    deep = None
    if own_depth == 16 and sixteen_bits.available():
        with contextlib.suppress(ImageError):  # of a kind that libvips does not support, and Pillow does
            deep = _deep_samples(image, data, orientation, use_profile=space is None)
    if deep is not None or (space is not None and space.is_hdr and (deep := _deep_hdr(image, data)) is not None):
        pixels, alpha = deep
    else:
        pixels, alpha = samples_of_8_bits(image, space, data)
        return pixels, alpha
    return pixels if space is None else space.to_srgb(pixels), alpha


def _deep_samples(
    image: Image.Image, data: bytes, orientation: int, *, use_profile: bool
) -> tuple[Samples, Samples | None]:
    """Pixels and opacity of a file of 16 bits, upright and in sRGB, read by libvips."""
    use_profile = use_profile and not is_srgb(image.info.get("icc_profile"))
    extra = image.tag_v2.get(0x0152, (2,)) if isinstance(image, TiffImagePlugin.TiffImageFile) else (2,)
    pixels, alpha = sixteen_bits.decode(data, use_profile=use_profile, has_alpha=extra[0] != 0)  # ExtraSamples
    return turned(pixels, orientation), None if alpha is None else turned(alpha, orientation)


def turned(stored: Samples, orientation: int) -> Samples:
    """Stored samples, (H, W, ...), upright: EXIF orientations 2 to 8; any other value changes nothing."""
    upright = stored.swapaxes(0, 1) if orientation in (5, 6, 7, 8) else stored
    if orientation in (3, 4, 7, 8):
        upright = upright[::-1]
    if orientation in (2, 3, 6, 7):
        upright = upright[:, ::-1]
    return np.ascontiguousarray(upright)


def _deep_hdr(image: Image.Image, data: bytes) -> tuple[Samples, Samples | None] | None:
    """Pixels and opacity of an HDR file, upright, with 16 bits to avoid banding; None if only 8 bits can be read."""
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


def samples_of_8_bits(
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
    if image.mode == "La":  # colors multiplied by opacity
        image = image.convert("LA")
    if image.has_transparency_data and image.mode in ("L", "LA"):  # stay gray: the profile is one for gray
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
    """A gray image of 9 to 16 bits per sample in 8."""
    samples = np.asarray(image).astype(np.int64)
    most = 65535
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        most = (1 << max(image.tag_v2.get(0x0102, (16,)))) - 1  # BitsPerSample; Pillow does not scale 12 bits
    if samples.min() < 0 or samples.max() > most or most > 65535:
        raise ImageError("has 32-bit pixels, which have no defined range; save it with 8 or 16 bits")
    return Image.fromarray(rounded_to_8_bit((samples * 65535 // most).astype(np.uint16)))
