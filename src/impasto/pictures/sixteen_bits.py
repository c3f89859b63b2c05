"""Images of 16 bits per sample, by libvips: Pillow has none in colour. libvips comes with the extra `formats`."""

import functools
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ImageError

Samples16 = NDArray[np.uint16]


@functools.cache
def available() -> bool:
    """Whether libvips is installed, and not only its Python part."""
    try:
        _pyvips()
    except (ImportError, OSError):
        return False
    return True


def decode(data: bytes, *, use_profile: bool, has_alpha: bool) -> tuple[Samples16, Samples16 | None]:
    """A grey or RGB file of 16 bits, in sRGB and not turned: pixels, uint16 (H, W, 3), and opacity, uint16 (H, W).

    Args:
        data: The bytes of the file.
        use_profile: Convert from the embedded colour profile; a broken one is ignored.
        has_alpha: Whether a channel beyond the colours is opacity; otherwise it is ignored.

    Raises:
        ImageError: The file is damaged.
    """
    pyvips = _pyvips()
    try:
        image = pyvips.Image.new_from_buffer(data, "")
        alpha = None
        colours = 1 if image.bands < 3 else 3
        if image.bands > colours:
            alpha = _array(image[colours])[..., 0] if has_alpha else None
            image = image.extract_band(0, n=colours)
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
        ImageError: libvips is not installed.
    """
    if not available():
        raise ImageError("pictures of 16 bits need libvips: pip install 'impasto[formats]'")
    pyvips = _pyvips()
    samples = pixels if alpha is None else np.dstack([pixels, alpha])
    image = pyvips.Image.new_from_array(np.ascontiguousarray(samples)).copy(interpretation="rgb16")
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    data: bytes = image.write_to_buffer(".png", keep="icc")
    return data


def _to_srgb(image: Any, use_profile: bool) -> Any:
    """The image in RGB of 16 bits."""
    if use_profile:
        try:
            return image.icc_transform("srgb", embedded=True, depth=16)
        except _pyvips().Error:  # the profile does not fit the pixels, or is damaged: ignored
            pass
    return image.colourspace("rgb16", source_space="grey16" if image.bands == 1 else "rgb16")


def _pyvips() -> ModuleType:
    import pyvips

    found: ModuleType = pyvips
    return found


def _array(image: Any) -> Samples16:
    samples: Samples16 = np.asarray(image.numpy(), np.uint16).reshape(image.height, image.width, image.bands)
    return samples
