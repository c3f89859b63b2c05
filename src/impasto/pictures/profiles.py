"""Converts colors from embedded ICC profiles to sRGB."""

import functools
import io

import numpy as np
from PIL import Image, ImageCms


@functools.cache
def srgb_profile() -> bytes:
    """The sRGB profile that is written into results. Its date is fixed, so that equal images give equal files."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = (2000).to_bytes(2) + (1).to_bytes(2) * 2 + bytes(6)
    return bytes(profile)


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The image in mode RGB, its colors converted from the embedded profile to sRGB.

    A profile that is damaged, or does not fit the pixels, is ignored, as browsers do.
    """
    srgb = ImageCms.createProfile("sRGB")
    try:
        if image.mode == "LAB":
            return _convert(image, ImageCms.createProfile("LAB"), srgb)
        if profile and not is_srgb(profile):
            return _convert(image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), srgb)
    except (ImageCms.PyCMSError, OSError, ValueError):
        pass
    return image if image.mode == "RGB" else image.convert("RGB")


def is_readable(profile: bytes) -> bool:
    """Whether these are the bytes of an ICC profile."""
    try:
        ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return False
    return True


def is_srgb(profile: bytes | None) -> bool:
    """Whether the profile is sRGB, missing or damaged, so that nothing has to be converted.

    Converting sRGB to sRGB takes a second for a large photo, and changes values by one.
    """
    if not profile:
        return True
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if not ImageCms.getProfileDescription(opened).startswith("sRGB"):
            return False
        # There are linear profiles with that name, too: test shades of gray, red, green and blue.
        shades = np.arange(0, 256, 5, dtype=np.uint8)[:, None, None] * np.array([[1, 1, 1], *np.eye(3)], np.uint8)
        converted = _convert(Image.fromarray(shades), opened, ImageCms.createProfile("sRGB"))
        return bool(np.abs(np.asarray(converted, np.int16) - shades).max() <= 4)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return True


def _convert(image: Image.Image, source: object, target: object) -> Image.Image:
    converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")  # type: ignore[arg-type]
    assert converted is not None  # it is None only with inPlace=True
    return converted
