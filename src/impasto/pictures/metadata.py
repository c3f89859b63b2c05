"""Metadata of a picture (EXIF, XMP, IPTC, text, resolution), reduced to entries that are valid for the painted one."""

import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from PIL import ExifTags, Image, JpegImagePlugin, TiffImagePlugin

from impasto.pictures.xmp import kept_xmp

_SUB_DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
_KEPT = {
    *(ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Model, ExifTags.Base.Software),
    *(ExifTags.Base.DateTime, ExifTags.Base.Artist, ExifTags.Base.HostComputer, ExifTags.Base.Copyright),
    *(ExifTags.Base.Rating, ExifTags.Base.RatingPercent),
    *(ExifTags.Base.XResolution, ExifTags.Base.YResolution, ExifTags.Base.ResolutionUnit),
    *(ExifTags.Base.XPTitle, ExifTags.Base.XPComment, ExifTags.Base.XPAuthor),
    *(ExifTags.Base.XPKeywords, ExifTags.Base.XPSubject),
}
"""Tags of the first EXIF directory that are kept.

In a TIFF, the others describe the storage of the pixels, or contain layers and reduced copies, which are not painted.
"""
_DROPPED = {
    *(ExifTags.Base.MakerNote, ExifTags.IFD.Interop),  # offsets into the old file
    *(ExifTags.Base.ColorSpace, ExifTags.Base.Gamma),
    *(ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight),
    *(0x9214, ExifTags.Base.SubjectLocation),  # the subject's area and place, before the image was turned
}
"""Tags of the EXIF sub-directories that are not valid for the painted picture."""
_IPTC_IN_TIFF, _PHOTOSHOP_IN_TIFF, _IPTC_IN_PHOTOSHOP = 33723, 34377, 0x0404
_PHOTOSHOP = b"Photoshop 3.0\0"
_XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"
_INCHES_PER_METER = 1 / 0.0254
_EXIF_OF_TEXT = {
    "title": ExifTags.Base.XPTitle,
    "description": ExifTags.Base.ImageDescription,
    "author": ExifTags.Base.Artist,
    "copyright": ExifTags.Base.Copyright,
    "software": ExifTags.Base.Software,
    "keywords": ExifTags.Base.XPKeywords,
}
"""PNG text keywords, in lower case, and the EXIF tags of the same meaning."""
_XP_TAGS = (ExifTags.Base.XPTitle, ExifTags.Base.XPKeywords)
_TEXT_OF_IPTC = {
    (2, 5): "title",
    (2, 25): "keywords",
    (2, 80): "author",
    (2, 116): "copyright",
    (2, 120): "description",
}
"""Record and number of IPTC datasets, and the text keywords of the same meaning."""
_UNTRUE_TEXT = re.compile(r"(?i)(raw profile type |thumb::|exif:|icc:|png:|xml:com\.adobe\.xmp)")
"""Keywords of text that duplicates other fields or describes the old file."""


@dataclass(frozen=True)
class Metadata:
    """The metadata of a picture, without orientation, thumbnails and color spaces."""

    exif: bytes | None = None
    """EXIF data that begin with "Exif"."""
    xmp: bytes | None = None
    """An XMP packet."""
    iptc: bytes | None = None
    """IPTC-IIM datasets: caption, keywords, byline, copyright."""
    dpi: tuple[float, float] | None = None
    """Horizontal and vertical resolution in pixels per inch."""
    comment: str | None = None
    """The comment of a JPEG, GIF or PNG file."""
    text: tuple[tuple[str, str], ...] = ()
    """Keywords and values of PNG text."""

    def in_exif(self, *, comment: bool, iptc: bool) -> "Metadata":
        """Copy text and resolution into the EXIF data, for formats that have no other fields for them.

        Text that has no EXIF tag is appended to the comment, one line each.

        Args:
            comment: Whether to copy the comment: as the description, the user comment or Windows' comment, the first
                of them that is free.
            iptc: Whether to copy title, author, copyright, caption and keywords from IPTC, where EXIF has none.
        """
        exif = loaded_exif(self.exif)
        rest = []
        for key, value in [*self.text, *(_texts_of_iptc(self.iptc) if iptc else ())]:
            tag = _EXIF_OF_TEXT.get(key.lower())
            if tag is None:
                rest.append(f"{key}: {value}")
            elif tag not in exif:
                exif[tag] = value.encode("utf-16-le") + b"\0\0" if tag in _XP_TAGS else _utf_8(value)
        if self.dpi and not {ExifTags.Base.XResolution, ExifTags.Base.YResolution} <= exif.keys():
            exif[ExifTags.Base.XResolution], exif[ExifTags.Base.YResolution] = self.dpi
            exif[ExifTags.Base.ResolutionUnit] = 2
        remark = "\n".join(filter(None, [self.comment, *rest]))
        if remark and comment:
            if ExifTags.Base.ImageDescription not in exif:
                exif[ExifTags.Base.ImageDescription] = _utf_8(remark)
            elif ExifTags.Base.UserComment not in (below := exif.get_ifd(ExifTags.IFD.Exif)):
                below[ExifTags.Base.UserComment] = b"UNICODE\0" + remark.encode("utf-16-be")
            else:
                exif.setdefault(ExifTags.Base.XPComment, remark.encode("utf-16-le") + b"\0\0")
        return replace(self, exif=_bytes_of(exif), comment=remark or None, text=())


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation; 0 if there is none in the part that has been read, or the EXIF data are damaged."""
    with contextlib.suppress(Exception):
        return int(image.getexif().get(ExifTags.Base.Orientation, 0))
    return 0


def read_metadata(image: Image.Image) -> Metadata | None:
    """The metadata of a loaded image; None if there are none. Damaged parts are omitted."""
    texts = _texts_of(image)
    old_segment = _raw_profile(texts.get("Raw profile type APP1")) or b""  # of a JPEG, as ImageMagick kept it
    exif = _exif_of(image, old_segment)
    comment = _comment_of(image) or texts.pop("Comment", None)
    kept_text = tuple((key, value) for key, value in texts.items() if not _UNTRUE_TEXT.match(key))
    xmp = image.info.get("xmp") or _raw_profile(texts.get("Raw profile type xmp"))
    if old_segment.startswith(_XMP_HEADER):
        xmp = xmp or old_segment.removeprefix(_XMP_HEADER)
    found = Metadata(
        exif=_bytes_of(exif),
        xmp=kept_xmp(xmp) if isinstance(xmp, bytes) else None,
        iptc=_iptc_of(image, texts),
        dpi=_dpi_of(image, exif),
        comment=comment,
        text=kept_text,
    )
    return None if found == Metadata() else found


class _ExactText(str):
    """The text of an ASCII tag, one character per byte, which is written unchanged.

    Pillow decodes the bytes as Latin-1, but replaces non-ASCII characters by ? on writing. This class preserves UTF-8,
    which many programs write.
    """

    def encode(self, encoding: str = "latin-1", errors: str = "replace") -> bytes:
        return str.encode(self, "latin-1", "replace")


def _utf_8(text: str) -> _ExactText:
    return _ExactText(text.encode().decode("latin-1"))


def loaded_exif(data: bytes | None) -> Image.Exif:
    """Parse Metadata.exif, so that Pillow writes text unchanged; empty if there is none, or it is damaged."""
    exif = Image.Exif()
    with contextlib.suppress(Exception):
        exif.load(data or b"")
        return _copy_of(exif, lambda tag: tag not in _SUB_DIRECTORIES, lambda tag: True)
    return Image.Exif()


def _exif_of(image: Image.Image, instead: bytes) -> Image.Exif:
    """The EXIF data that are kept, of the image or, if it has none, of these bytes."""
    with contextlib.suppress(Exception):
        exif = image.getexif()
        if not exif and instead.startswith(b"Exif"):
            exif = Image.Exif()
            exif.load(instead)
        return _copy_of(exif, lambda tag: tag in _KEPT, lambda tag: tag not in _DROPPED)
    return Image.Exif()


def _comment_of(image: Image.Image) -> str | None:
    """The comment; a JPEG may have several."""
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        return "\n".join(filter(None, (_decoded(data) for marker, data in image.applist if marker == "COM"))) or None
    return _decoded(image.info.get("comment"))


def _copy_of(exif: Image.Exif, keep: Callable[[int], bool], keep_below: Callable[[int], bool]) -> Image.Exif:
    """The first directory and its sub-directories, without the second directory, which has the thumbnail."""
    copy = Image.Exif()
    copy.update({tag: _exact(value) for tag, value in exif.items() if keep(tag)})
    for directory in _SUB_DIRECTORIES:
        if below := exif.get_ifd(directory):
            copy.get_ifd(directory).update({tag: _exact(value) for tag, value in below.items() if keep_below(tag)})
    return copy


def _exact(value: Any) -> Any:
    return _ExactText(value) if isinstance(value, str) else value


def _bytes_of(exif: Image.Exif) -> bytes | None:
    with contextlib.suppress(Exception):  # values of a type that their tag cannot have
        if len(exif) or any(exif.get_ifd(directory) for directory in _SUB_DIRECTORIES):
            return exif.tobytes()
    return None


def _texts_of(image: Image.Image) -> dict[str, str]:
    if image.format != "PNG":
        return {}
    with contextlib.suppress(Exception):
        text: Mapping[str, Any] = getattr(image, "text", {})
        return {str(key): str(value) for key, value in text.items()}
    return {}


def _dpi_of(image: Image.Image, exif: Image.Exif) -> tuple[float, float] | None:
    """The resolution that the file states itself, outside EXIF, or else in EXIF."""
    stated: Any = image.info.get("dpi")
    if image.format == "JPEG" and image.info.get("jfif_unit") not in (1, 2):
        stated = None  # Pillow's own 72
    if image.format == "TIFF":
        stated = None  # in the first directory, which is in EXIF already
    with contextlib.suppress(Exception):
        if ExifTags.Base.XResolution in exif:
            factor = 2.54 if exif.get(ExifTags.Base.ResolutionUnit) == 3 else 1.0
            across = float(exif[ExifTags.Base.XResolution]) * factor
            stated = (across, float(exif.get(ExifTags.Base.YResolution, across / factor)) * factor)
        across, down = (float(value) for value in stated)
        if 1 <= across < 1e6 and 1 <= down < 1e6:
            return _whole(across), _whole(down)
    return None


def _whole(dpi: float) -> float:
    """300 for the 11,811 pixels per meter that PNG and BMP have instead."""
    near = float(round(dpi))
    return near if round(near * _INCHES_PER_METER) == round(dpi * _INCHES_PER_METER) else dpi


def _iptc_of(image: Image.Image, texts: Mapping[str, str]) -> bytes | None:
    """The IPTC-IIM datasets, which each format stores in a different field."""
    with contextlib.suppress(Exception):
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            own = image.tag_v2._tagdata.get(_IPTC_IN_TIFF)  # as Pillow: its parsed value is one number of a LONG array
            return _datasets(own) or _datasets(_resource(image.tag_v2.get(_PHOTOSHOP_IN_TIFF), _IPTC_IN_PHOTOSHOP))
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            segments = [data for marker, data in image.applist if marker == "APP13" and data.startswith(_PHOTOSHOP)]
            resources = b"".join(segment.removeprefix(_PHOTOSHOP) for segment in segments)
            return _datasets(_resource(resources, _IPTC_IN_PHOTOSHOP))
        for name in ("iptc", "8bim"):
            if data := _raw_profile(texts.get(f"Raw profile type {name}")):
                return _datasets(_resource(data, _IPTC_IN_PHOTOSHOP) or data)
    return None


def _datasets(data: object) -> bytes | None:
    """The data without padding, if they begin as IPTC-IIM datasets do."""
    return data.rstrip(b"\0") if isinstance(data, bytes) and data.startswith(b"\x1c") else None


def _texts_of_iptc(iptc: bytes | None) -> list[tuple[str, str]]:
    """The datasets of the first record that have an EXIF tag of the same meaning, as keywords and values."""
    found: dict[str, list[str]] = {}
    at = 0
    while iptc is not None and iptc[at : at + 1] == b"\x1c" and at + 5 <= len(iptc):
        length = int.from_bytes(iptc[at + 3 : at + 5])
        name = _TEXT_OF_IPTC.get((iptc[at + 1], iptc[at + 2]))
        value = _decoded(iptc[at + 5 : at + 5 + length])
        if name and value:
            found.setdefault(name, []).append(value)
        at += 5 + length
    return [(name, ", ".join(values)) for name, values in found.items()]


def _resource(data: object, number: int) -> bytes | None:
    """One of Photoshop's image resources ("8BIM", number, name, length, data; names and data padded to even)."""
    at = 0
    while isinstance(data, bytes) and data[at : at + 4] == b"8BIM":
        name_length = data[at + 6] + 1
        start = at + 6 + name_length + name_length % 2 + 4
        length = int.from_bytes(data[start - 4 : start])
        if int.from_bytes(data[at + 4 : at + 6]) == number:
            return data[start : start + length]
        at = start + length + length % 2
    return None


def photoshop_segment(iptc: bytes) -> bytes:
    """The contents of a JPEG's APP13 segment that holds these IPTC datasets."""
    resource = b"8BIM" + _IPTC_IN_PHOTOSHOP.to_bytes(2) + b"\0\0" + len(iptc).to_bytes(4) + iptc
    return _PHOTOSHOP + resource + bytes(len(iptc) % 2)


def raw_profile(kind: str, data: bytes) -> str:
    """Binary metadata as PNG text, as ImageMagick and ExifTool write and read it: name, length, hexadecimal lines."""
    digits = data.hex()
    lines = [digits[at : at + 72] for at in range(0, len(digits), 72)]
    return "\n".join(["", kind, f"{len(data):8d}", *lines, ""])


def _raw_profile(text: str | None) -> bytes | None:
    with contextlib.suppress(ValueError, AttributeError):
        _, length, *lines = (text or "").strip().split("\n")
        return bytes.fromhex("".join(lines))[: int(length)]
    return None


def _decoded(comment: object) -> str | None:
    """A comment as text: UTF-8, or else Latin-1."""
    if isinstance(comment, bytes):
        comment = comment.rstrip(b"\0")
        try:
            return comment.decode() or None
        except UnicodeDecodeError:
            return comment.decode("latin-1")
    return comment if isinstance(comment, str) and comment else None
