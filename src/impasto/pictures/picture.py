"""Pictures on disk and in memory: the only place where pixels enter or leave.

Everywhere in Impasto outside `impasto.nn`, a picture is a numpy array of uint8, shape (H, W, 3), sRGB; or of uint16
where 16 bits are wanted. Pillow reads and writes the first, libvips the second, see
:mod:`impasto.pictures.sixteen_bits`.
"""

import contextlib
import ctypes
import functools
import io
import logging
import os
import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import (
    Image,
    ImageCms,
    ImageDraw,
    ImageFont,
    ImageOps,
    TiffImagePlugin,
    UnidentifiedImageError,
    _imaging,
)

from impasto.errors import ImageError
from impasto.files import check_writable, replacing
from impasto.pictures import exif
from impasto.pictures import sixteen_bits as deep

Samples = NDArray[np.unsignedinteger[Any]]
"""uint8, or uint16 where 16 bits are wanted."""
Pixels = Samples
"""A picture: uint8 (or uint16), shape (H, W, 3), sRGB."""
Depth = Literal[8, 16, "own"]
"""Bits of a sample; or those of the file it comes from."""

MAX_PIXELS = 200_000_000
"""Larger pictures are refused: a small file can unpack to more memory than the machine has."""

_ROWS = 256
"""Rows of a picture that are computed at once, an even number: memory does not grow with the picture."""

OPTIMIZED_PIXELS = 20_000_000
"""Up to so many, a JPEG's code is fitted to the picture."""

_PACKED = ("PNG", "JPEG", "BMP", "packbits", "jpeg", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate")
_PLAIN = ("raw", "PPM")
MOST_BYTES_A_BYTE = dict.fromkeys(_PACKED, 1500) | dict.fromkeys(_PLAIN, 1)
"""How far formats, and TIFF's compressions, can pack. A fax page, a WebP and an AVIF can be blank in no space."""

_FORMAT_OF = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}
WRITABLE_SUFFIXES = tuple(_FORMAT_OF)
"""The file extensions `save_image` knows, in lower case."""

LONGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383}
"""Pixels, of the formats that have such a limit."""
LONGEST_RECORD = 65_533
"""Bytes of EXIF that fit into a JPEG; a longer record is left out."""
DEEP_FORMATS = ("PNG", "TIFF")
"""Formats, by Pillow's names, that are written with 16 bits."""

READABLE_SUFFIXES = (
    *(*WRITABLE_SUFFIXES, ".avif", ".gif", ".heic", ".heif", ".jfif", ".jpe", ".jp2", ".j2k", ".ppm", ".pgm", ".pnm"),
)
"""The file extensions by which `find_images` knows a picture, in lower case. `load_image` looks at content."""

# Named, because Pillow's full list holds formats that run other programs (EPS runs Ghostscript).
_READABLE_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1")

_pillow_limit = threading.Lock()


@dataclass(frozen=True)
class Picture:
    """What is in a picture file: the colours that are painted, and what is kept beside them."""

    pixels: Pixels
    """uint8 or uint16 (H, W, 3), sRGB. Where nothing is seen, the colours of what is seen nearest."""
    alpha: Samples | None = None
    """Opacity, (H, W) as the pixels, white where nothing shines through; None where that is everywhere."""
    exif: bytes | None = None
    """The camera's record, without orientation (the pixels are upright) and thumbnail (it shows something else)."""
    frames: int = 1
    """Pictures in the file, of which this is the first."""
    own_depth: int = 8
    """Bits of the file's samples: 16 for a PNG or TIFF of 16, else 8."""


def white(samples: Samples) -> int:
    """The value of white, 255 or 65535."""
    return int(np.iinfo(samples.dtype).max)


def load_image(path: str | os.PathLike[str], *, depth: Depth = 8) -> Pixels:
    """The picture in a file as a person sees it, on white: uint8 (H, W, 3), sRGB; see :func:`decode_picture`."""
    return on_white(read_picture(path, depth=depth))


def load_mask(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """The lightness of a picture as a mask, uint8 (H, W), 255 where it is white; see :func:`read_picture`.

    A picture that is transparent in places, and of one colour where it is not, is taken as a stencil: its opacity.
    """
    picture = read_picture(path)
    if picture.alpha is not None:
        seen = picture.pixels[picture.alpha > 0]
        if not len(seen) or not np.ptp(seen.astype(int), axis=0).any():
            return picture.alpha.astype(np.uint8, copy=False)
    return np.asarray(_from_array(on_white(picture)).convert("L"))


def read_picture(path: str | os.PathLike[str], *, short_side: int | None = None, depth: Depth = 8) -> Picture:
    """The picture in a file; see :func:`decode_picture`.

    Raises:
        ImageError: The file is missing, or as there.
    """
    with open_picture(path) as file:
        data = file.read()
    return decode_picture(data, str(path), short_side=short_side, depth=depth)


@contextlib.contextmanager
def open_picture(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """The file, open to be read.

    Raises:
        ImageError: There is none, or it cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        raise ImageError(f"{path}: is a folder, not a picture; give a file")
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file; check the name") from None
    except OSError as cause:
        raise ImageError(f"{path}: cannot read: {cause.strerror or cause}") from cause


def decode_picture(data: bytes, name: str, *, short_side: int | None = None, depth: Depth = 8) -> Picture:
    """The picture in a file's bytes, upright and in sRGB, with its transparency and EXIF.

    The EXIF orientation is applied, an embedded colour profile is converted to sRGB (a broken one is ignored),
    and of an animation the first frame is taken.

    Args:
        data: What is in the file.
        name: What errors call it.
        short_side: Scale it to this, pixels. A large JPEG is then decoded at a fraction of its size.
        depth: 8 gives uint8, 16-bit samples rounded; 16 gives uint16; "own" what the file has. Files of 16 bits are
            read by libvips (the extra `formats`); without it, the upper 8 bits by Pillow.

    Raises:
        ImageError: The file is empty, cut short, not a picture, larger than `MAX_PIXELS`, or in a pixel format
            without a defined range (32-bit integer, floating point).
    """
    if not data:
        raise ImageError(f"{name}: is empty (0 bytes); copy or download it again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow's, about damaged records beside the pixels
            image = _open(data)
            if image.width * image.height > MAX_PIXELS:
                raise ImageError(
                    f"is too large: {image.width} x {image.height} pixels, the limit is "
                    f"{MAX_PIXELS // 1_000_000} million; make it smaller first"
                )
            _check_plausible(image, len(data))
            if image.format == "PNG":
                _check_png(data)
            if short_side:
                image.draft(None, (2 * short_side, 2 * short_side))  # by 2, 4 or 8, and none smaller than this
            orientation = exif.orientation(image)  # of a TIFF; loading it turns it
            image.load()  # decodes all of it, so a file that is cut short fails here; libvips would forgive it
            own_depth, record, frames = _depth_of(image, data), exif.kept(image), getattr(image, "n_frames", 1)
            by_libvips = own_depth == 16 and deep.available()
            if by_libvips:
                pixels, alpha = _deep_samples(image, data, orientation or exif.orientation(image))
            else:
                pixels, alpha = _samples(image)
            del image
            picture = replace(_picture(pixels, alpha, record), frames=frames, own_depth=own_depth)
            if short_side:
                picture = _scaled(picture, short_side)
            if depth == "own":
                return picture
            return _at_16(picture) if depth == 16 else _at_8(picture)
    except ImageError as refusal:
        raise ImageError(f"{name}: {refusal}") from None
    except UnidentifiedImageError:
        raise ImageError(f"{name}: {_unreadable(data)}") from None
    except Exception as cause:  # on broken files the decoders raise nearly anything, SyntaxError included
        reason = " ".join(str(cause).split()) or type(cause).__name__
        raise ImageError(f"{name}: is damaged or cut short ({reason}); copy or download it again") from cause


def _check_plausible(image: Image.Image, size: int) -> None:
    """Raise ImageError if a file of ``size`` bytes says that it holds far more than these formats can pack into them.

    Else a damaged header, or one made for the purpose, takes gigabytes before the rest is found to be missing.
    """
    pixels = image.width * image.height
    kind = image.info.get("compression", "raw") if image.format == "TIFF" else image.format
    bands = len(image.getbands())
    bits = 8 * bands if bands > 1 else 1  # of a pixel, at least
    if kind in MOST_BYTES_A_BYTE and pixels > max(10_000_000, 8 * MOST_BYTES_A_BYTE[kind] * size // bits):
        raise ImageError(
            f"is damaged or cut short ({size} bytes cannot hold {image.width} x {image.height} pixels); "
            "copy or download it again"
        )


def _check_png(data: bytes) -> None:
    """Raise ImageError if what is in a PNG's chunks is not what was written: Pillow would go on, and show black."""
    start = 8
    while start + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, start)
        end = start + 8 + length
        critical = kind[:1].isupper()
        if critical and data[end : end + 4] not in (
            b"",
            zlib.crc32(memoryview(data)[start + 4 : end]).to_bytes(4, "big"),
        ):
            raise ImageError(f"is damaged (at bytes {start} to {end + 4}); copy or download it again")
        start = end + 4


def _unreadable(data: bytes) -> str:
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS:
        return "is a HEIC picture, which needs a plug-in: pip install 'impasto[formats]'"
    if data[:4] in (b"II*\0", b"MM\0*"):
        return "is a TIFF of a kind that Impasto cannot read; save it as a PNG"
    known = ", ".join(suffix[1:] for suffix in READABLE_SUFFIXES)
    return f"is not a picture Impasto can read (it reads {known})"


def _scaled(picture: Picture, short_side: int) -> Picture:
    pixels = resize_short_side(picture.pixels, short_side)
    alpha = None if picture.alpha is None else resize(picture.alpha, pixels.shape[1], pixels.shape[0])
    return replace(picture, pixels=pixels, alpha=alpha)


def _at_16(picture: Picture) -> Picture:
    """The same picture in uint16; 255 becomes 65535."""
    if picture.pixels.dtype == np.uint16:
        return picture

    pixels, alpha = (
        None if x is None else x.astype(np.uint16) * np.uint16(257) for x in (picture.pixels, picture.alpha)
    )
    assert pixels is not None
    return replace(picture, pixels=pixels, alpha=alpha)


def save_image(path: str | os.PathLike[str], array: Pixels, *, quality: int = 95) -> None:
    """Write a picture, uint8 (H, W, 3) sRGB, in the format its extension names; see :func:`save_picture`."""
    save_picture(path, Picture(array), quality=quality)


def save_picture(path: str | os.PathLike[str], picture: Picture, *, quality: int = 95) -> None:
    """Write a picture in the format its extension names, tagged as sRGB; whole or not at all.

    Transparency is kept where the format has it, and laid over white in JPEG and BMP; EXIF is kept in all but BMP.

    Args:
        path: Its extension is one of `WRITABLE_SUFFIXES`, in any case. An existing file is replaced.
        picture: The picture. uint16 makes files of 16 bits, PNG or TIFF; in other formats it is rounded to 8.
        quality: 1 to 100, for JPEG and WebP; the other formats lose nothing.

    Raises:
        ImageError: Unknown extension, `path` is a folder, its folder is missing, the disk is full, the array is
            not a picture, or the quality is out of range.
    """
    path = Path(path)
    data = encode_picture(picture, path, quality=quality)
    with replacing(path, ImageError) as part:
        part.write_bytes(data)


def encode_picture(picture: Picture, path: str | os.PathLike[str], *, quality: int = 95) -> bytes:
    """The bytes of a picture file, in the format that the extension of ``path`` names; see :func:`save_picture`."""
    path = Path(path)
    kind = _format_of(path)
    if not 1 <= quality <= 100:
        raise ImageError(f"{path}: quality {quality} is out of range; use 1 to 100")
    check_picture(picture.pixels)
    if picture.pixels.dtype == np.uint16 and kind in DEEP_FORMATS:
        data = deep.encode(picture.pixels, picture.alpha, kind, profile=_srgb_profile())
        data = exif.without_resolution(data, kind)  # libvips makes one up
        if picture.exif and kind == "PNG":
            data = exif.in_png(data, picture.exif)
    else:
        check_size(path, picture.pixels)
        try:
            data = _encoded(_at_8(picture), kind, quality)
        except (OSError, ValueError) as cause:
            raise ImageError(f"{path}: a {kind} file cannot hold this picture ({cause}); write a PNG") from cause
    return exif.in_tiff(data, picture.exif) if picture.exif and kind == "TIFF" else data


def check_size(path: str | os.PathLike[str], pixels: Pixels) -> None:
    """Raise ImageError if a picture of this size does not fit into the format that the extension of ``path`` names."""
    kind = _format_of(Path(path))
    height, width = pixels.shape[:2]
    if max(height, width) > LONGEST_SIDE.get(kind, MAX_PIXELS):
        raise ImageError(
            f"{path}: {width} x {height} pixels are more than such a file can have, {LONGEST_SIDE[kind]} a side; "
            "write a PNG, or give a smaller size"
        )


def _encoded(picture: Picture, kind: str, quality: int) -> bytes:
    """The bytes of a file of 8 bits, in this of Pillow's formats; of a TIFF without EXIF."""
    if picture.alpha is not None and kind in ("PNG", "WEBP", "TIFF"):
        image = _from_array(picture.pixels)
        image.putalpha(Image.fromarray(picture.alpha))
    else:
        image = _from_array(on_white(picture))
    options: dict[str, object] = {}
    if kind != "BMP":
        options["icc_profile"] = _srgb_profile()
        if picture.exif and kind != "TIFF" and (kind != "JPEG" or len(picture.exif) <= LONGEST_RECORD):
            options["exif"] = picture.exif
    if kind == "JPEG":
        # Painted pictures are full of saturated edges, which halved colour resolution smears.
        options |= {"quality": quality, "subsampling": 0 if quality >= 90 else 2}
        # Smaller by a few percent; for it all coefficients are kept, six bytes a pixel.
        options["optimize"] = image.width * image.height <= OPTIMIZED_PIXELS
    elif kind == "WEBP":
        options |= {"quality": quality}
    elif kind == "TIFF":
        options |= {"compression": "tiff_lzw"}
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


def _at_8(picture: Picture) -> Picture:
    if picture.pixels.dtype == np.uint8:
        return picture
    pixels, alpha = (None if x is None else _rounded_to_8(x) for x in (picture.pixels, picture.alpha))
    assert pixels is not None
    return replace(picture, pixels=pixels, alpha=alpha)


def _rounded_to_8(samples: Samples) -> NDArray[np.uint8]:
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)


def holds_16_bits(path: str | os.PathLike[str]) -> bool:
    """Whether the format that this extension names has 16 bits."""
    return _format_of(Path(path)) in DEEP_FORMATS


def check_saving(path: str | os.PathLike[str]) -> None:
    """Make sure that `save_image` could write there now, so that long work does not end in a refusal.

    Raises:
        ImageError: as `save_image`, but for what depends on the picture.
    """
    _format_of(Path(path))
    check_writable(path, ImageError)


def _format_of(path: Path) -> str:
    suffix = (path.suffix or path.name).lower()  # of ".png" alone Path says that it is the name
    if suffix not in _FORMAT_OF:
        known = ", ".join(WRITABLE_SUFFIXES)
        raise ImageError(f"{path}: unknown picture extension {path.suffix!r}; use one of {known}")
    return _FORMAT_OF[suffix]


def resize_short_side(array: Pixels, size: int) -> Pixels:
    """The picture scaled, up or down, so that its shorter side is `size` pixels; aspect kept (Lanczos)."""
    if size < 1:
        raise ImageError(f"cannot resize a picture to {size} pixels; use 1 or more")
    height, width = array.shape[:2]
    short = min(height, width)
    if short == size:
        return array
    scaled = (max(1, round(width * size / short)), max(1, round(height * size / short)))
    if scaled[0] * scaled[1] > MAX_PIXELS:
        raise ImageError(
            f"a picture of {width} x {height} cannot be scaled to a short side of {size}: {scaled[0]} x {scaled[1]} "
            f"pixels are too many, the limit is {MAX_PIXELS // 1_000_000} million; ask for less, or crop it first"
        )
    return resize(array, *scaled)


def resize(array: Samples, width: int, height: int, *, rows: slice | None = None) -> Samples:
    """A picture, (H, W, 3), or one channel, (H, W), at this size (Lanczos); of it these rows, if not all are wanted."""
    if array.dtype == np.uint16 and array.ndim == 3:  # Pillow scales 8 bits, or floats of one channel
        return np.stack([resize(array[..., i], width, height, rows=rows) for i in range(array.shape[2])], axis=2)
    deep_channel = array.dtype == np.uint16
    image = Image.fromarray(array.astype(np.float32) if deep_channel else np.ascontiguousarray(array))
    top, bottom, _ = (rows or slice(None)).indices(height)
    # The filter also looks beyond the box, so that strips fit together (where the width stays: Pillow else chooses for
    # every strip whether to scale rows or columns first, and rounds in between).
    box = (0.0, top * array.shape[0] / height, float(array.shape[1]), bottom * array.shape[0] / height)
    scaled = np.asarray(image.resize((width, bottom - top), Image.Resampling.LANCZOS, box))
    return np.asarray(np.rint(scaled.clip(0, 65535)), np.uint16) if deep_channel else scaled


def resize_mask(mask: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """A mask, uint8 (H, W), at this size: linear, since what is black or white shall stay so."""
    image = Image.fromarray(np.ascontiguousarray(mask))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def find_images(
    folder: str | os.PathLike[str], unreadable: Callable[[Path, ImageError], object] = lambda *_: None
) -> list[Path]:
    """The pictures in a folder and all folders below it, by extension in any case, sorted by path.

    Hidden files and folders are left out: those are thumbnails, metadata and unfinished downloads; and links to
    folders. ``unreadable`` is told of each folder that cannot be read.

    Raises:
        ImageError: `folder` is missing or not a folder. A folder without pictures gives an empty list.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ImageError(f"{folder}: {'is not a folder' if folder.exists() else 'no such folder'}; check the name")

    def refused(cause: OSError) -> None:
        reason = f"{cause.filename}: cannot read this folder: {cause.strerror}; check its permissions"
        unreadable(Path(cause.filename), ImageError(reason))

    found = []
    for parent, folders, files in os.walk(folder, onerror=refused):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = [Path(parent, name) for name in files if not name.startswith(".")]
        found += [
            path  # a link that leads nowhere is one, and will be named when it is read
            for path in paths
            if path.suffix.lower() in READABLE_SUFFIXES and (path.is_file() or not path.exists())
        ]
    return sorted(found)


def contact_sheet(
    rows: Sequence[Sequence[Pixels]],
    *,
    labels: Sequence[str] = (),
    captions: Sequence[Sequence[str]] = (),
    cell: int = 320,
) -> Pixels:
    """Pictures side by side on white, one sequence per row: uint8 (H, W, 3).

    Args:
        rows: Pictures of any sizes, uint8 (H, W, 3). Each is scaled to fit a square of `cell` pixels with its
            aspect kept, and centred in its column and row. Rows may differ in length.
        labels: A heading for each column, at most as many as there are columns; one too long for its column is
            set smaller.
        captions: For each row a text above each picture, instead of headings.
        cell: Side of that square in pixels.

    Raises:
        ImageError: There is no picture, or there are more labels than columns.
    """
    columns = max((len(row) for row in rows), default=0)
    if columns == 0:
        raise ImageError("a contact sheet needs at least one picture")
    if len(labels) > columns:
        raise ImageError(f"{len(labels)} labels for {columns} columns; give at most one for each")
    gutter = max(4, cell // 32)
    text_size = max(10, cell // 16)
    header = 2 * text_size if labels else 0

    cells = [[_fit(picture, cell) for picture in row] for row in rows if row]
    widths = [max(row[column].width for row in cells if column < len(row)) for column in range(columns)]
    strip = 2 * text_size if captions else 0
    heights = [strip + max(picture.height for picture in row) for row in cells]
    lefts = [gutter + sum(widths[:column]) + gutter * column for column in range(columns)]
    sheet = Image.new(
        "RGB",
        (gutter + sum(widths) + gutter * columns, gutter + header + sum(heights) + gutter * len(heights)),
        "white",
    )

    draw = ImageDraw.Draw(sheet)

    def write(label: str, left: int, width: int, middle: float) -> None:
        size = text_size
        while size > 8 and draw.textlength(label, font=ImageFont.load_default(size)) > width:
            size -= 1
        draw.text((left + width / 2, middle), label, fill="black", font=ImageFont.load_default(size), anchor="mm")

    for label, left, width in zip(labels, lefts, widths, strict=False):
        write(label, left, width, gutter + header / 2)

    top = gutter + header
    for number, (row, height) in enumerate(zip(cells, heights, strict=True)):
        for label, left, width in zip(captions[number] if captions else (), lefts, widths, strict=False):
            write(label, left, width, top + strip / 2)
        for picture, left, width in zip(row, lefts, widths, strict=False):
            below = strip + (height - strip - picture.height) // 2
            sheet.paste(picture, (left + (width - picture.width) // 2, top + below))
        top += height + gutter
    return np.asarray(sheet)


def _fit(array: Pixels, cell: int) -> Image.Image:
    image = _from_array(array)
    scale = cell / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)


def on_white(picture: Picture) -> Pixels:
    """The pixels of a picture as they are seen on white paper."""
    if picture.alpha is None:
        return picture.pixels
    if picture.pixels.dtype == np.uint16:
        opacity = picture.alpha[..., np.newaxis].astype(np.float32) / np.float32(65535)
        return np.asarray(np.rint(65535 + opacity * (picture.pixels - np.float32(65535))), np.uint16)
    paper = Image.new("RGB", picture.pixels.shape[1::-1], "white")
    return np.asarray(Image.composite(_from_array(picture.pixels), paper, Image.fromarray(picture.alpha)))


def check_picture(array: Pixels) -> None:
    """Raise ImageError unless it is a picture."""
    if array.dtype not in (np.uint8, np.uint16) or array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise ImageError(f"expected a picture, uint8 (or uint16) (H, W, 3), got {array.dtype} {array.shape}")


def _from_array(array: Pixels) -> Image.Image:
    check_picture(array)
    return Image.fromarray(np.ascontiguousarray(array))


def _open(data: bytes) -> Image.Image:
    """Read the header only, with our own limit on the size in place of Pillow's warnings and errors."""
    with _pillow_limit:  # the limit is a global of Pillow's; put it back for whoever else uses Pillow
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(io.BytesIO(data), formats=_readable())
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@functools.cache
def _readable() -> tuple[str, ...]:
    """Pillow's names of what is read; HEIC with them where its plug-in is installed."""
    _quiet_libtiff()
    if not find_spec("pillow_heif"):
        return _READABLE_FORMATS
    import_module("pillow_heif").register_heif_opener()
    return (*_READABLE_FORMATS, "HEIF")


def _quiet_libtiff() -> None:
    """Keep libtiff and Pillow from writing of damaged TIFFs to stderr: what fails is raised, and told in one line."""
    logging.getLogger(TiffImagePlugin.__name__).setLevel(logging.CRITICAL)
    with contextlib.suppress(AttributeError, OSError):  # a build of Pillow without it, or with it hidden inside
        set_handler = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
        set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
        set_handler(None)


def _depth_of(image: Image.Image, data: bytes) -> int:
    """Bits of a sample, of a file of which only the header has been read: 16 or, whatever else there is, 8."""
    if image.format == "PNG":
        return 16 if data[24] == 16 else 8  # IHDR, always first
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits, kind = (image.tag_v2.get(tag, (1,)) for tag in (0x0102, 0x0153))
        grey_or_rgb = image.tag_v2.get(0x0106) in (0, 1, 2)  # PhotometricInterpretation
        return 16 if grey_or_rgb and {*bits} == {16} and {*kind} == {1} else 8
    return 8


def _deep_samples(image: Image.Image, data: bytes, orientation: int) -> tuple[Samples, Samples | None]:
    """As `_samples`, of a file of 16 bits, by libvips; all but the samples is as Pillow has read it."""
    by_profile = not _is_srgb(image.info.get("icc_profile"))
    has_alpha = not isinstance(image, TiffImagePlugin.TiffImageFile) or image.tag_v2.get(0x0152) != (0,)
    pixels, alpha = deep.decode(data, by_profile=by_profile, has_alpha=has_alpha)
    return _turned(pixels, orientation), None if alpha is None else _turned(alpha, orientation)


def _turned(stored: Samples, orientation: int) -> Samples:
    """Stored samples, (H, W, ...), upright: EXIF's orientation 2 to 8; any other is upright already."""
    upright = stored.swapaxes(0, 1) if orientation in (5, 6, 7, 8) else stored
    if orientation in (3, 4, 7, 8):
        upright = upright[::-1]
    if orientation in (2, 3, 6, 7):
        upright = upright[:, ::-1]
    return np.ascontiguousarray(upright)


def _picture(pixels: Pixels, alpha: Samples | None, record: bytes | None) -> Picture:
    if alpha is None or alpha.min() == white(alpha):
        return Picture(pixels, None, record)
    return Picture(_filled(pixels, alpha), alpha, record)


def _samples(image: Image.Image) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Pixels and opacity, upright and in sRGB."""
    profile = image.info.get("icc_profile")
    _turn_upright(image)
    if image.mode.startswith("I"):
        if isinstance(image, TiffImagePlugin.TiffImageFile) and 32 in image.tag_v2.get(0x0102, ()):  # BitsPerSample
            raise ImageError("has 32-bit pixels, which have no defined range; save it with 8 or 16 bits")
        image = _from_16_bit(image)
    elif image.mode == "F":
        raise ImageError("has floating-point pixels, which have no defined range; save it with 8 or 16 bits")

    alpha = None
    if image.has_transparency_data and image.mode in ("L", "LA"):  # grey still: its profile is one of greys
        image = image if image.mode == "LA" else image.convert("LA")
        alpha = np.asarray(image.getchannel("A"))
        image = image.getchannel("L")
    elif image.has_transparency_data:
        image = image if image.mode == "RGBA" else image.convert("RGBA")
        alpha = np.asarray(image.getchannel("A"))
        image = image.convert("RGB")
    elif image.mode not in ("RGB", "L", "CMYK", "LAB"):
        image = image.convert("RGB")

    return _array_of(_apply_profile(image, profile)), alpha


def _array_of(image: Image.Image) -> NDArray[np.uint8]:
    """The pixels of an RGB picture, strip by strip: at once, numpy and Pillow need them three times over."""
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, 1024):
        strip = (0, top, image.width, min(top + 1024, image.height))
        pixels[top : strip[3]] = np.asarray(image.crop(strip))
    return pixels


def _turn_upright(image: Image.Image) -> None:
    with contextlib.suppress(Exception):  # a damaged record, of which there are many: the picture matters more
        ImageOps.exif_transpose(image, in_place=True)


def _filled(pixels: Pixels, alpha: Samples) -> Pixels:
    """The colours of what is seen, continued to where nothing is: painting spreads what lies beside.

    Pulled together at ever half the size, weighted by opacity, and pushed back to where there is none. What is
    computed at the picture's own size is computed strip by strip: as floats it would be many times the picture.
    """
    height, width = alpha.shape
    half = np.empty((-(-height // 2), -(-width // 2), 4), np.float32)  # colours times opacity, and opacity
    for top in range(0, height, _ROWS):
        rows = slice(top, top + _ROWS)
        opacity = alpha[rows, :, np.newaxis].astype(np.float32) / np.float32(white(alpha))
        half[top // 2 : (top + _ROWS) // 2] = _halved(np.concatenate([pixels[rows] * opacity, opacity], axis=2))
    levels = [half]
    while max(levels[-1].shape[:2]) > 1:
        levels.append(_halved(levels[-1]))
    coarse = np.zeros((1, 1, 4), np.float32)
    for level in reversed(levels):
        for rows, beneath in _beneath(coarse, level):
            part = level[rows]
            empty = part[..., 3] == 0
            part[..., :3] /= np.where(empty, np.float32(1), part[..., 3])[..., np.newaxis]
            part[empty] = beneath[empty]
        coarse = level
    result = pixels.copy()
    for rows, beneath in _beneath(coarse, result):
        hidden = alpha[rows] == 0
        result[rows][hidden] = np.rint(beneath[hidden][:, :3]).clip(0, white(pixels)).astype(pixels.dtype)
    return result


def _beneath(coarse: NDArray[np.float32], fine: NDArray[Any]) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Strips of an array, and what a copy of half its size has at the same places."""
    height, width = fine.shape[:2]
    for top in range(0, height, _ROWS):
        rows = slice(top, min(top + _ROWS, height))
        strip = coarse[top // 2 : (top + _ROWS) // 2]
        yield rows, strip.repeat(2, axis=0).repeat(2, axis=1)[: rows.stop - top, :width]


def _halved(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of 2 x 2 places, of an odd edge with its repetition; (H, W, channels)."""
    height, width = values.shape[:2]
    even = np.pad(values, [(0, height % 2), (0, width % 2), (0, 0)], mode="edge") if height % 2 or width % 2 else values
    half = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) * np.float32(0.25)
    return half.astype(np.float32, copy=False)


@functools.cache
def _srgb_profile() -> bytes:
    made = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    made[24:36] = (
        (2000).to_bytes(2) + (1).to_bytes(2) * 2 + bytes(6)
    )  # the date it was made: equal pictures, equal files
    return bytes(made)


def _from_16_bit(image: Image.Image) -> Image.Image:
    samples = np.asarray(image).astype(np.int64)
    if samples.min() < 0 or samples.max() > 65535:
        raise ImageError("has 32-bit pixels, which have no defined range; save it with 8 or 16 bits")
    return Image.fromarray(_rounded_to_8(samples.astype(np.uint16)))


def _apply_profile(image: Image.Image, data: bytes | None) -> Image.Image:
    """The picture in RGB mode, its colours converted from the embedded profile to sRGB."""
    srgb = ImageCms.createProfile("sRGB")
    try:
        if image.mode == "LAB":
            return _convert(image, ImageCms.createProfile("LAB"), srgb)
        if data and not _is_srgb(data):
            return _convert(image, ImageCms.ImageCmsProfile(io.BytesIO(data)), srgb)
    except (ImageCms.PyCMSError, OSError, ValueError):
        # Wrong for the pixels, or damaged: browsers show such a picture as if it had no profile, and so do we.
        pass
    return image if image.mode == "RGB" else image.convert("RGB")


def _is_srgb(profile: bytes | None) -> bool:
    """Whether it is sRGB, or none. Converting sRGB to sRGB takes a second on a large photo and moves values by one."""
    if not profile:
        return True
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if not ImageCms.getProfileDescription(opened).startswith("sRGB"):
            return False
        # The name alone is not enough, there are linear profiles of that name: shades of grey, red, green and blue.
        shades = np.arange(0, 256, 5, dtype=np.uint8)[:, None, None] * np.array([[1, 1, 1], *np.eye(3)], np.uint8)
        converted = _convert(Image.fromarray(shades), opened, ImageCms.createProfile("sRGB"))
        return bool(np.abs(np.asarray(converted, np.int16) - shades).max() <= 4)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return True  # damaged, which is no reason not to show the picture


def _convert(image: Image.Image, source: object, target: object) -> Image.Image:
    converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")  # type: ignore[arg-type]
    assert converted is not None  # None is for inPlace=True only
    return converted
