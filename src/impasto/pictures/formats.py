"""The image formats: their file extensions and limits, and the choice of a result's format."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from impasto.errors import ImageError
from impasto.pictures.sources import local_path

SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jfi", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "JPEG2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    "AVIF": (".avif", ".avifs"),
    "HEIF": (".heic", ".heif", ".hif", ".heics", ".heifs"),
    "JXL": (".jxl",),
}
"""Formats that can be read, by Pillow's names, and their file extensions."""
READABLE_SUFFIXES = tuple(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
"""The file extensions of pictures in a folder, in lower case. `load_image` ignores the extension."""
FORMAT_OF_SUFFIX = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".avif": "AVIF",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".jxl": "JXL",
}
"""Format of each file extension that can be written; JPEG XL needs a plug-in."""
WRITABLE_SUFFIXES = tuple(FORMAT_OF_SUFFIX)
"""The file extensions that `save_image` accepts, in lower case."""
RAW_SUFFIXES = (
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".gpr", ".iiq", ".k25", ".kdc", ".mef"),
    *(".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"),
)
"""The file extensions of raw photos, which are not read."""

LONGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383, "AVIF": 65_535}
"""Largest width and height in pixels, for the formats that have such a limit."""
DEEP_FORMATS = ("PNG", "TIFF")
"""Formats that are written with 16 bits per sample."""

OutputFormat = Literal["jpg", "png", "webp", "avif", "tiff", "jxl", "keep"]
"""The format of results: one for all, or "keep" for the format of each source."""
_SUFFIX_OF_CHOICE = {"jpg": ".jpg", "png": ".png", "webp": ".webp", "avif": ".avif", "tiff": ".tiff", "jxl": ".jxl"}
_HEAD = 1 << 16
_ALPHA_IN_HEIF = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")


def format_of(path: str | os.PathLike[str]) -> str:
    """The format, by Pillow's name, for an output file's extension.

    Raises:
        ImageError: The extension is unknown, or its plug-in is not installed.
    """
    path = local_path(path)
    suffix = (path.suffix or path.name).lower()  # Path(".png") has no suffix
    if suffix not in FORMAT_OF_SUFFIX:
        known = ", ".join(WRITABLE_SUFFIXES)
        raise ImageError(f"{path}: unknown picture extension {path.suffix!r}; use one of {known}")
    kind = FORMAT_OF_SUFFIX[suffix]
    if kind == "JXL" and find_spec("pillow_jxl") is None:
        raise ImageError(f"{path}: JPEG XL needs a plug-in: pip install pillow-jxl-plugin")
    return kind


def holds_16_bits(path: str | os.PathLike[str]) -> bool:
    """Whether the format of this output file supports 16 bits per sample."""
    return format_of(path) in DEEP_FORMATS


def result_suffix(source: str | os.PathLike[str], choice: OutputFormat | None = None) -> str:
    """The file extension, with its dot, of the result for a source. It depends only on the source.

    If the source's extension already stands for the requested format, it is kept (.JPEG stays .JPEG).

    Args:
        source: The path of the source. The first bytes of existing WebP, AVIF and HEIC files are read.
        choice: The requested format; "keep" is the source's format if it can be written. None is the default: JPEG for
            sources in lossy formats (JPEG, HEIC, AVIF, JPEG 2000, JPEG XL, lossy WebP), or PNG if they are
            transparent; otherwise the source's format if it can be written, else PNG.

    Raises:
        ImageError: `choice` is unknown.
    """
    path = local_path(source)
    own = path.suffix.lower()
    if choice is not None and choice != "keep":
        if choice not in _SUFFIX_OF_CHOICE:
            raise ImageError(f"unknown picture format '{choice}': use one of {', '.join(_SUFFIX_OF_CHOICE)}, keep")
        suffix = _SUFFIX_OF_CHOICE[choice]
        return path.suffix if FORMAT_OF_SUFFIX.get(own) == FORMAT_OF_SUFFIX[suffix] else suffix
    if choice == "keep" and own in FORMAT_OF_SUFFIX:
        return path.suffix
    kind = next((name for name, suffixes in SUFFIXES.items() if own in suffixes), None)
    if kind in ("JPEG", "JPEG2000", "JXL"):
        return path.suffix if FORMAT_OF_SUFFIX.get(own) == "JPEG" else ".jpg"
    if kind in ("WEBP", "AVIF", "HEIF"):
        lossy, transparent = _lossy_and_transparent(kind, _head(path))
        if not lossy:
            return path.suffix
        return ".png" if transparent else ".jpg"
    return path.suffix if own in FORMAT_OF_SUFFIX else ".png"


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError:  # it is named when it is read
        return b""


def _lossy_and_transparent(kind: str, head: bytes) -> tuple[bool, bool]:
    if kind != "WEBP":
        return True, any(mark in head for mark in _ALPHA_IN_HEIF)
    transparent = head[12:16] == b"VP8X" and bool(head[20] & 0x10)
    return b"VP8L" not in head[:4096], transparent
