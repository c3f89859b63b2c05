"""Selects Pillow's decoder for a file. Only the decoder that is needed is imported.

`PIL.Image.open` is not used, because its size limit is a global variable, it imports all plug-ins, and third-party
plug-ins must be registered for the whole process.
"""

import io
from importlib import import_module
from typing import Any

from PIL import Image, ImageFile, TiffImagePlugin

from impasto.errors import ImageError


class TiffFile(TiffImagePlugin.TiffImageFile):
    """A TIFF file without Pillow's size limit. The caller checks the size."""

    def load_prepare(self) -> None:
        """Allocate the image."""
        if self._im is None:
            self.im = Image.new(self.mode, getattr(self, "_tile_size", self.size)).im
        super().load_prepare()


_CLASSES = {
    "JPEG": "PIL.JpegImagePlugin:JpegImageFile",
    "PNG": "PIL.PngImagePlugin:PngImageFile",
    "WEBP": "PIL.WebPImagePlugin:WebPImageFile",
    "TIFF": "impasto.pictures.plugins:TiffFile",
    "BMP": "PIL.BmpImagePlugin:BmpImageFile",
    "GIF": "PIL.GifImagePlugin:GifImageFile",
    "PPM": "PIL.PpmImagePlugin:PpmImageFile",
    "JPEG2000": "PIL.Jpeg2KImagePlugin:Jpeg2KImageFile",
    "AVIF": "PIL.AvifImagePlugin:AvifImageFile",
    "HEIF": "pillow_heif:HeifImageFile",
    "JXL": "pillow_jxl.JpegXLImagePlugin:JXLImageFile",
}
"""Format -> module and class that reads it. The image of an MPO file is read as a JPEG."""
_PLUGINS = {
    "HEIF": ("HEIC", "pillow_heif", "pip install 'impasto[formats]'"),
    "JXL": ("JPEG XL", "pillow_jxl", "pip install pillow-jxl-plugin"),
}
"""Format -> its common name, the package that reads it, and how to install that."""
_SIGNATURES = (
    ("JPEG", b"\xff\xd8\xff"),
    ("PNG", b"\x89PNG\r\n\x1a\n"),
    ("TIFF", b"II*\0"),
    ("TIFF", b"MM\0*"),
    ("TIFF", b"II+\0"),  # BigTIFF
    ("TIFF", b"MM\0+"),
    ("GIF", b"GIF87a"),
    ("GIF", b"GIF89a"),
    ("BMP", b"BM"),
    ("JXL", b"\xff\x0a"),
    ("JXL", b"\0\0\0\x0cJXL \r\n\x87\n"),
    ("JPEG2000", b"\xff\x4f\xff\x51"),
    ("JPEG2000", b"\0\0\0\x0cjP  \r\n\x87\n"),
)
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}


def format_of_data(data: bytes) -> str | None:
    """The format of a file, by its first bytes, as Pillow's name; None if the format is not supported."""
    for name, signature in _SIGNATURES:
        if data.startswith(signature) and not data.startswith(b"\xff\xd8\xff\xf7"):  # JPEG-LS
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[:1] == b"P" and data[1:2] in b"123456" and data[2:3].isspace():
        return "PPM"
    if data[4:8] == b"ftyp":
        size = int.from_bytes(data[:4])
        brands = {data[8:12], *(data[at : at + 4] for at in range(16, min(size, 256), 4))}
        if brands & _AVIF_BRANDS:
            return "AVIF"
        if brands & _HEIF_BRANDS:
            return "HEIF"
    return None


def open_header(data: bytes, kind: str) -> ImageFile.ImageFile:
    """Open a file of this format and read only its header.

    Raises:
        ImageError: The decoder is missing, or is installed but does not work.
        Exception: Whatever Pillow raises for a damaged file.
    """
    module, name = _CLASSES[kind].split(":")
    image: ImageFile.ImageFile
    if kind not in _PLUGINS:
        image = getattr(import_module(module), name)(io.BytesIO(data), "")
        return image
    what, package, install = _PLUGINS[kind]
    try:
        reader: Any = getattr(import_module(module), name)
    except Exception as cause:
        if isinstance(cause, ModuleNotFoundError) and cause.name == package:
            raise ImageError(f"is a {what} picture, which needs a plug-in: {install}") from cause
        raise ImageError(f"is a {what} picture, and {broken(package, cause)}") from cause
    try:
        image = reader(io.BytesIO(data), "")
    except (ImportError, AttributeError) as cause:  # pillow_heif without its library fails at its first use
        raise ImageError(f"is a {what} picture, and {broken(package, cause)}") from cause
    return image


def broken(package: str, cause: BaseException) -> str:
    """The error message for a package that is installed but cannot be imported."""
    reason = " ".join(str(cause).split()) or type(cause).__name__
    return f"{package} is installed but does not work ({reason}): reinstall it"


def silence_decoders() -> None:
    """Disable warnings about damaged files by Pillow, libtiff and libvips on stderr. Errors are still raised.

    This changes the whole process, so only the command line calls it, never the library.
    """
    import contextlib
    import ctypes
    import logging
    import warnings

    from PIL import _imaging

    warnings.filterwarnings("ignore", module=r"PIL\.")
    for logger in ("PIL", "pyvips"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    with contextlib.suppress(AttributeError, OSError):  # a build of Pillow that has no libtiff, or hides it
        set_handler = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
        set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
        set_handler(None)
