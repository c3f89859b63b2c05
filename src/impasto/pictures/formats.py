"""The image formats: their file extensions and limits."""

import os
from pathlib import Path

from impasto.errors import ImageError

FORMAT_OF_SUFFIX = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}
"""Format (Pillow's name) of each file extension that can be written."""
WRITABLE_SUFFIXES = tuple(FORMAT_OF_SUFFIX)
"""The file extensions that `save_image` accepts, in lower case."""
READABLE_SUFFIXES = (
    *(*WRITABLE_SUFFIXES, ".avif", ".gif", ".heic", ".heif", ".jfif", ".jpe", ".jp2", ".j2k", ".ppm", ".pgm", ".pnm"),
)
"""The file extensions that `find_images` accepts, in lower case. `load_image` ignores the extension."""

# Pillow reads more formats, some of them by running other programs (EPS runs Ghostscript).
PILLOW_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF")
"""Formats that are read by Pillow alone, by Pillow's names."""

LONGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383}
"""Largest width and height in pixels, for the formats that have such a limit."""
DEEP_FORMATS = ("PNG", "TIFF")
"""Formats that are written with 16 bits per sample."""


def format_of(path: str | os.PathLike[str]) -> str:
    """The format, by Pillow's name, that a result of this name is written in.

    Raises:
        ImageError: The extension is unknown.
    """
    path = Path(path)
    suffix = (path.suffix or path.name).lower()  # Path(".png") has no suffix
    if suffix not in FORMAT_OF_SUFFIX:
        known = ", ".join(WRITABLE_SUFFIXES)
        raise ImageError(f"{path}: unknown picture extension {path.suffix!r}; use one of {known}")
    return FORMAT_OF_SUFFIX[suffix]


def holds_16_bits(path: str | os.PathLike[str]) -> bool:
    """Whether a file of this name is written with 16 bits per sample when the pixels have them."""
    return format_of(path) in DEEP_FORMATS
