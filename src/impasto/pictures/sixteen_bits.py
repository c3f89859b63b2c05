"""Reads and writes images of 16 bits per sample with libvips (extra `formats`); Pillow only supports them in gray."""

import functools
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ImageError
from impasto.pictures.picture import MAX_PIXELS, Samples
from impasto.pictures.plugins import broken


@functools.cache
def missing() -> str | None:
    """An error message of one line if libvips cannot be used; None if it can."""
    try:
        _pyvips()
    except ModuleNotFoundError as cause:
        if cause.name == "pyvips":
            return "pip install 'impasto[formats]'"
        return broken("pyvips", cause)
    except Exception as cause:  # OSError without the library itself, and whatever a broken installation raises
        return broken("pyvips", cause)
    return None


def available() -> bool:
    """Whether libvips is installed and works."""
    return missing() is None


def decode(data: bytes, *, use_profile: bool, has_alpha: bool) -> tuple[Samples, Samples | None]:
    """Decode a gray or RGB file to sRGB, ignoring its orientation: pixels, (H, W, 3), and opacity, (H, W).

    Args:
        data: The bytes of the file.
        use_profile: Convert from the embedded color profile; a broken one is ignored.
        has_alpha: Whether a channel beyond the colors is opacity; otherwise it is ignored.

    Raises:
        ImageError: The file is damaged, or its samples are neither 8 nor 16 bits.
    """
    pyvips = _pyvips()
    try:
        image = pyvips.Image.new_from_buffer(data, "", fail_on="error")
        if image.width * image.height > MAX_PIXELS:
            raise ImageError("is too large; make it smaller first")
        if image.format not in ("uchar", "ushort"):
            raise ImageError("has samples of neither 8 nor 16 bits; save it with 8 or 16 bits")
        alpha = None
        colors = 1 if image.bands < 3 else 3
        if image.bands > colors:
            alpha = _array(image[colors])[..., 0] if has_alpha else None
            image = image.extract_band(0, n=colors)
        return _array(_to_srgb(image, use_profile)), alpha
    except pyvips.Error as cause:
        reason = " ".join(str(cause.detail).split())
        raise ImageError(f"is damaged or cut short ({reason}); copy or download it again") from cause


def encode_png(pixels: NDArray[Any], alpha: NDArray[Any] | None, *, profile: bytes) -> bytes:
    """The bytes of a 16-bit PNG file.

    Args:
        pixels: uint16 (H, W, 3), sRGB.
        alpha: Opacity, uint16 (H, W), or None.
        profile: The sRGB profile.

    Raises:
        ImageError: libvips is not installed or does not work.
    """
    if reason := missing():
        raise ImageError(f"a PNG of 16 bits needs libvips: {reason}")
    pyvips = _pyvips()
    samples = pixels if alpha is None else np.dstack([pixels, alpha])
    image = pyvips.Image.new_from_array(np.ascontiguousarray(samples)).copy(interpretation="rgb16")
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    data: bytes = image.write_to_buffer(".png", keep="icc")
    return data


def _to_srgb(image: Any, use_profile: bool) -> Any:
    """The image in RGB of its own depth."""
    deep = image.format == "ushort"
    if use_profile:
        try:
            return image.icc_transform("srgb", embedded=True, depth=16 if deep else 8)
        except _pyvips().Error:  # the profile does not fit the pixels, or is damaged: ignored
            pass
    gray, color = ("grey16", "rgb16") if deep else ("b-w", "srgb")
    return image.colourspace(color, source_space=gray if image.bands == 1 else color)


def _pyvips() -> ModuleType:
    import pyvips

    found: ModuleType = pyvips
    return found


def _array(image: Any) -> Samples:
    samples: Samples = image.numpy()
    return samples.reshape(image.height, image.width, image.bands)
