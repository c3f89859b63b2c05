"""The decoders: which class of Pillow reads a file. Only the one that is needed is imported.

`PIL.Image.open` is not used: its limit on the size of an image is a global variable, it imports all plug-ins to find
one, and plug-ins outside Pillow have to be registered for the whole process.
"""

import io
from importlib import import_module
from typing import Any

from PIL import Image, ImageFile, TiffImagePlugin

from impasto.errors import ImageError


class TiffFile(TiffImagePlugin.TiffImageFile):
    """A TIFF file without Pillow's limit on its size, which is checked by the caller."""

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
}
"""Format -> module and class that reads it. The image of an MPO file is read as a JPEG."""
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
    ("JPEG2000", b"\xff\x4f\xff\x51"),
    ("JPEG2000", b"\0\0\0\x0cjP  \r\n\x87\n"),
)
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}


def format_of_data(data: bytes) -> str | None:
    """The format of a file by its first bytes, by Pillow's name; None if it is none that is read."""
    for name, signature in _SIGNATURES:
        if data.startswith(signature):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[:1] == b"P" and data[1:2] in b"123456fFyY" and data[2:3].isspace():
        return "PPM"
    if data[4:8] == b"ftyp":
        size = int.from_bytes(data[:4])
        brands = {data[8:12], *(data[at : at + 4] for at in range(16, min(size, 256), 4))}
        if brands & _AVIF_BRANDS:
            return "AVIF"
        if brands & _HEIF_BRANDS:
            return "HEIF"
    return None


def open_header(data: bytes) -> ImageFile.ImageFile:
    """The image of which only the header has been read.

    Raises:
        ImageError: The format is unknown, its decoder is missing, or the header is damaged or of an unsupported kind.
        Exception: Whatever Pillow raises for a damaged file.
    """
    kind = format_of_data(data)
    if kind is None:
        raise ImageError("is not a picture Impasto can read")
    module, name = _CLASSES[kind].split(":")
    try:
        reader: Any = getattr(import_module(module), name)
    except ImportError as cause:
        if kind != "HEIF":
            raise
        raise ImageError("is a HEIC picture, which needs a plug-in: pip install 'impasto[formats]'") from cause
    image: ImageFile.ImageFile = reader(io.BytesIO(data), "")
    return image


def silence_decoders() -> None:
    """Keep Pillow, libtiff and libvips from writing warnings about damaged files to stderr; errors are raised as ever.

    This changes the whole process, so only a program calls it, never the library.
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
