"""Pictures of 16 bits a sample, by libvips: Pillow has none in colour. Its library comes with the extra `formats`."""

import logging
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ImageError

Samples16 = NDArray[np.uint16]


def available() -> bool:
    """Whether libvips is installed."""
    return find_spec("pyvips") is not None


def decode(data: bytes, *, by_profile: bool) -> tuple[Samples16, Samples16 | None]:
    """A 16-bit PNG or TIFF, upright and in sRGB: pixels, uint16 (H, W, 3), and opacity, uint16 (H, W), or None.

    Args:
        data: What is in the file.
        by_profile: Convert from the embedded colour profile; a broken one is ignored.

    Raises:
        ImageError: the file is damaged.
    """
    pyvips = _pyvips()
    try:
        image = pyvips.Image.new_from_buffer(data, "").autorot()
        alpha = None
        if image.hasalpha():
            alpha = _array(image[image.bands - 1])[..., 0]
            image = image.extract_band(0, n=image.bands - 1)
        return _array(_to_srgb(image, by_profile)), alpha
    except pyvips.Error as cause:
        reason = " ".join(str(cause.detail).split())
        raise ImageError(f"is damaged or cut short ({reason}); copy or download it again") from cause


def encode(pixels: NDArray[Any], alpha: NDArray[Any] | None, kind: str, *, profile: bytes, exif: bytes | None) -> bytes:
    """The bytes of a 16-bit file.

    Args:
        pixels: uint16 (H, W, 3), sRGB.
        alpha: Opacity, uint16 (H, W), or None.
        kind: "PNG" or "TIFF".
        profile: sRGB's.
        exif: The camera's record, beginning with "Exif".

    Raises:
        ImageError: libvips is not installed.
    """
    if not available():
        raise ImageError("pictures of 16 bits need libvips: pip install 'impasto[formats]', or use --depth 8")
    pyvips = _pyvips()
    samples = pixels if alpha is None else np.dstack([pixels, alpha])
    image = pyvips.Image.new_from_array(np.ascontiguousarray(samples)).copy(interpretation="rgb16")
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    if exif:
        image.set_type(pyvips.GValue.blob_type, "exif-data", exif)
    suffix, options = {"PNG": (".png", {}), "TIFF": (".tif", {"compression": "lzw"})}[kind]
    data: bytes = image.write_to_buffer(suffix, **options)
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
