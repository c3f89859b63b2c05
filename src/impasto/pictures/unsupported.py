"""Explains why an undamaged file cannot be read: raw photos, rare variants of TIFF and JPEG, other formats."""

import contextlib
import io
import re
from pathlib import PurePath

from PIL import features
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from impasto.pictures.formats import RAW_SUFFIXES

RAW_PHOTO = "is a raw photo; export it as a JPEG or TIFF first"
_CONVERT = "save it as a PNG first"
_READABLE = "JPEG, PNG, WebP, TIFF, BMP, GIF, PPM, JPEG 2000, AVIF, HEIC, JPEG XL"
_OTHER_FORMATS = (
    (b"IIRO", RAW_PHOTO),  # Olympus
    (b"IIRS", RAW_PHOTO),
    (b"MMOR", RAW_PHOTO),
    (b"IIU\0", RAW_PHOTO),  # Panasonic
    (b"FUJIFILMCCD-RAW", RAW_PHOTO),
    (b"FOVb", RAW_PHOTO),  # Sigma
    (b"\0MRM", RAW_PHOTO),  # Minolta
    (b"II\x1a\0\0\0HEAPCCDR", RAW_PHOTO),  # Canon CRW
    (b"8BPS", f"is a Photoshop file; {_CONVERT}"),
    (b"%PDF", f"is a PDF file; {_CONVERT}"),
    (b"%!PS", f"is a PostScript file; {_CONVERT}"),
    (b"gimp xcf", f"is a GIMP file; {_CONVERT}"),
    (b"v/1\x01", f"is an OpenEXR file; {_CONVERT}"),
    (b"#?RADIANCE", f"is a Radiance HDR file; {_CONVERT}"),
    (b"\0\0\1\0", f"is an icon file; {_CONVERT}"),
    (b"DDS ", f"is a DDS texture; {_CONVERT}"),
    (b"qoif", f"is a QOI file; {_CONVERT}"),
    (b"P7\n", f"is a PAM file; {_CONVERT}"),
    (b"PF\n", f"is a PFM file of floating-point pixels; {_CONVERT}"),
    (b"Pf\n", f"is a PFM file of floating-point pixels; {_CONVERT}"),
    (b"\xff\xd8\xff\xf7", f"is a JPEG-LS file; {_CONVERT}"),
    (b"\x1f\x8b", "is a gzip archive; unpack it first"),
    (b"PK\3\4", "is a ZIP archive; unpack it first"),
    (b"version https://git-lfs", "is a pointer to a file in Git LFS, not the file; run git lfs pull"),
)
_FTYP = {b"crx ": RAW_PHOTO}
_TEXT = re.compile(rb"(?i)^(\xef\xbb\xbf)?\s*<(!doctype html|html|\?xml|svg)")

_SUB_DIRECTORIES, _PHOTOMETRIC, _COMPRESSION, _BITS, _SAMPLE_FORMAT, _ORIENTATION = 330, 262, 259, 258, 339, 274
_KIND_OF_PAGE, _DNG_VERSION = 254, 50706
_RAW_PHOTOMETRIC = (32803, 34892)  # color filter array, linear raw
_RAW_COMPRESSION = (32767, 32769, 34713, 65000, 65535)  # Sony, Epson, Nikon, Kodak, Pentax
_BASIC_COMPRESSIONS = (1, 2, 3, 4, 5, 7, 8, 32771, 32773, 32946)
"""TIFF compressions that every build of libtiff reads."""
_PILLOW_FEATURES = {"AVIF": "avif", "WEBP": "webp", "JPEG2000": "jpg_2000"}
"""Optional features of a Pillow build, by format."""
_COMPRESSION_NAMES = {
    6: "old-style JPEG",
    9: "JBIG",
    10: "JBIG",
    32809: "ThunderScan",
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    34661: "JBIG",
    34676: "SGILog",
    34677: "SGILog",
    34712: "JPEG 2000",
    34887: "LERC",
    34925: "LZMA",
    34933: "PNG",
    34934: "JPEG XR",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}


def unknown_format(data: bytes) -> str:
    """Why a file without the signature of a readable format cannot be read."""
    for signature, reason in _OTHER_FORMATS:
        if data.startswith(signature):
            return reason
    if data[4:8] == b"ftyp":
        return _FTYP.get(data[8:12], "is a video or another container, not a picture; take a frame out of it first")
    if _TEXT.match(data[:200]):
        if b"<svg" in data[:2000].lower():
            return f"is an SVG drawing; {_CONVERT}"
        return "is a web page, not a picture; download the picture itself"
    return f"is not a picture Impasto can read (it reads {_READABLE})"


def unsupported_png(data: bytes) -> str | None:
    """Why a PNG file is rejected before decoding; None if it is not. Xcode writes files for Apple's programs only."""
    return "is a PNG in a form of Apple's own; save it as an ordinary PNG first" if data[12:16] == b"CgBI" else None


def unsupported_tiff(data: bytes, name: str) -> str | None:
    """Why a TIFF file is rejected before decoding (raw photo, or samples without a range); None if it is not."""
    if PurePath(name).suffix.lower() in RAW_SUFFIXES or data[8:10] == b"CR":
        return RAW_PHOTO
    try:
        first, *others = _directories(data)
    except Exception:  # damaged, which the decoder will find
        return None
    if _DNG_VERSION in first or any(_is_raw(directory) for directory in (first, *others)):
        return RAW_PHOTO
    bits, formats = ({*_values(first, tag)} for tag in (_BITS, _SAMPLE_FORMAT))
    if formats & {3, 6}:
        return "has floating-point pixels, which have no defined range; save it with 8 or 16 bits"
    if formats & {2, 5}:
        return "has signed pixels, which have no defined range; save it with 8 or 16 bits, unsigned"
    if bits and max(bits) > 16:
        return f"has {max(bits)}-bit pixels, which have no defined range; save it with 8 or 16 bits"
    return None


def jpeg_2000_bits(data: bytes) -> tuple[int, int]:
    """The number of channels of a JPEG 2000 file, and the largest bit depth of a channel; 0 and 8 if it is damaged."""
    start = data.find(b"\xff\x4f\xff\x51")  # the codestream and its SIZ marker
    if start < 0 or len(data) < start + 43:
        return 0, 8
    channels = int.from_bytes(data[start + 40 : start + 42])
    return channels, max((value & 0x7F) + 1 for value in data[start + 42 : start + 42 + 3 * max(1, channels) : 3])


def tiff_pages(data: bytes) -> int:
    """The number of pages of a TIFF file, at least 1; reduced copies and masks are not counted."""
    pages = 0
    with contextlib.suppress(Exception):
        pages = sum(not next(iter(_values(page, _KIND_OF_PAGE)), 0) & 0b101 for page in _directories(data, below=False))
    return max(1, pages)


def tiff_orientation(data: bytes) -> int:
    """The orientation of a TIFF file; 0 if it states none."""
    try:
        return next(iter(_values(_directories(data)[0], _ORIENTATION)), 0)
    except Exception:
        return 0


def unsupported(kind: str | None, data: bytes, cause: Exception) -> str | None:
    """Why a file that failed to decode is unsupported; None if it is damaged instead."""
    text = " ".join(str(cause).split())
    if kind == "TIFF":
        try:
            first = _directories(data)[0]
        except Exception:
            return None
        compression = next(iter(_values(first, _COMPRESSION)), 1)
        if compression not in _BASIC_COMPRESSIONS:
            method = _COMPRESSION_NAMES.get(compression, f"method {compression}")
            return f"is a TIFF compressed with {method}, which Impasto cannot read; save it as a PNG, or with LZW"
        if isinstance(cause, KeyError) or re.search("unknown (pixel mode|data organization)", text):
            bits = next(iter(_values(first, _BITS)), 1)
            return f"is a TIFF of a kind that Impasto cannot read ({bits} bits per sample); save it as a PNG"
    if kind == "JPEG" and (reason := _rare_jpeg(data)):
        return reason
    if kind in _PILLOW_FEATURES and not features.check(_PILLOW_FEATURES[kind]):
        return f"is a {kind} picture, which this build of Pillow cannot read: pip install --upgrade Pillow"
    if re.search(r"(?i)unsupported|not supported|cannot handle|no codec|not implemented|unimplemented", text):
        return f"is of a kind that Impasto cannot read ({text}); save it as a PNG"
    return None


def _rare_jpeg(data: bytes) -> str | None:
    """The variant of a JPEG that is neither baseline nor progressive, or does not have 8 bits per sample."""
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        if marker == 0xF7:
            return f"is a JPEG-LS file; {_CONVERT}"
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if data[at + 4] != 8:
                kind = f"{data[at + 4]} bits per sample"
            elif marker not in (0xC0, 0xC1, 0xC2):
                kind = "lossless, hierarchical or arithmetic coding"
            else:
                return None
            return f"is a JPEG with {kind}, which Impasto cannot read; save it as a PNG"
        at += 2 + length
    return None


def _directories(data: bytes, *, below: bool = True) -> list[ImageFileDirectory_v2]:
    """The directories of a TIFF file, at most 1000; with ``below`` the first dozen, their sub-directories included."""
    big = data[2:3] == b"+" or data[3:4] == b"+"
    file = io.BytesIO(data)
    header = data[:16] if big else data[:8]
    first = ImageFileDirectory_v2(header)
    found: list[ImageFileDirectory_v2] = []
    queue = [first.next]
    while queue and len(found) < (12 if below else 1000):
        offset = queue.pop(0)
        if not 8 <= offset < len(data):
            continue
        directory = ImageFileDirectory_v2(header)
        file.seek(offset)
        directory.load(file)
        found.append(directory)
        queue += [directory.next] if directory.next else []
        if below:
            queue += [offset for offset in _values(directory, _SUB_DIRECTORIES) if isinstance(offset, int)]
    return found


def _is_raw(directory: ImageFileDirectory_v2) -> bool:
    photometric, compression = (_values(directory, tag) for tag in (_PHOTOMETRIC, _COMPRESSION))
    return bool({*photometric} & {*_RAW_PHOTOMETRIC} or {*compression} & {*_RAW_COMPRESSION})


def _values(directory: ImageFileDirectory_v2, tag: int) -> tuple[int, ...]:
    value = directory.get(tag, ())
    return value if isinstance(value, tuple) else (value,)
