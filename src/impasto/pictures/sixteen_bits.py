"""Pictures of 16 bits a sample, by libvips: Pillow has none in colour. Its library comes with the extra `formats`."""

import functools
import logging
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ImageError

Samples16 = NDArray[np.uint16]


@functools.cache
def available() -> bool:
    """Whether libvips is installed, and not its Python part alone."""
    try:
        _pyvips()
    except (ImportError, OSError):
        return False
    return True


def decode(data: bytes, *, by_profile: bool, has_alpha: bool) -> tuple[Samples16, Samples16 | None]:
    """A grey or RGB file of 16 bits as it is stored, in sRGB: pixels, uint16 (H, W, 3), and opacity, uint16 (H, W).

    Args:
        data: What is in the file.
        by_profile: Convert from the embedded colour profile; a broken one is ignored.
        has_alpha: Whether a channel beyond the colours is opacity; else there is none.

    Raises:
        ImageError: the file is damaged.
    """
    pyvips = _pyvips()
    try:
        image = pyvips.Image.new_from_buffer(data, "")
        alpha = None
        colours = 1 if image.bands < 3 else 3
        if image.bands > colours:
            alpha = _array(image[colours])[..., 0] if has_alpha else None
            image = image.extract_band(0, n=colours)
        return _array(_to_srgb(image, by_profile)), alpha
    except pyvips.Error as cause:
        reason = " ".join(str(cause.detail).split())
        raise ImageError(f"is damaged or cut short ({reason}); copy or download it again") from cause


def encode(pixels: NDArray[Any], alpha: NDArray[Any] | None, kind: str, *, profile: bytes) -> bytes:
    """The bytes of a 16-bit file.

    Args:
        pixels: uint16 (H, W, 3), sRGB.
        alpha: Opacity, uint16 (H, W), or None.
        kind: "PNG" or "TIFF".
        profile: sRGB's.

    Raises:
        ImageError: libvips is not installed.
    """
    if not available():
        raise ImageError("pictures of 16 bits need libvips: pip install 'impasto[formats]'")
    pyvips = _pyvips()
    samples = pixels if alpha is None else np.dstack([pixels, alpha])
    image = pyvips.Image.new_from_array(np.ascontiguousarray(samples)).copy(interpretation="rgb16")
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    options = {"TIFF": {"compression": "lzw"}, "PNG": {}}[kind]
    data: bytes = image.write_to_buffer({"TIFF": ".tif", "PNG": ".png"}[kind], keep="icc", **options)
    return data


def _to_srgb(image: Any, by_profile: bool) -> Any:
    """In RGB of 16 bits."""
    if by_profile:
        try:
            return image.icc_transform("srgb", embedded=True, depth=16)
        except _pyvips().Error:  # wrong for the pixels, or damaged: shown as if there were none
            pass
    return image.colourspace("rgb16", source_space="grey16" if image.bands == 1 else "rgb16")


def _pyvips() -> ModuleType:
    import pyvips

    logging.getLogger("pyvips").setLevel(logging.CRITICAL)  # it warns of odd files; what fails is raised
    found: ModuleType = pyvips
    return found


def _array(image: Any) -> Samples16:
    samples: Samples16 = np.asarray(image.numpy(), np.uint16).reshape(image.height, image.width, image.bands)
    return samples
