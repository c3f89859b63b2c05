"""The camera's record (EXIF) of a picture: what of it is still true of the painted one, and how it goes into files.

Pillow writes it into JPEG, WebP and PNG. Those who compress TIFFs write its first directory or nothing, and libvips
writes one of its own into PNG.
"""

import contextlib
import struct
import zlib

from PIL import ExifTags, Image

_BELOW = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
_RESOLUTION = (ExifTags.Base.XResolution, ExifTags.Base.YResolution, ExifTags.Base.ResolutionUnit)
_OF_THE_PICTURE = {
    *(ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Model, ExifTags.Base.Software),
    *(ExifTags.Base.DateTime, ExifTags.Base.Artist, ExifTags.Base.HostComputer, ExifTags.Base.Copyright),
    *(ExifTags.Base.Rating, ExifTags.Base.RatingPercent, *_RESOLUTION),
    *(ExifTags.Base.XPTitle, ExifTags.Base.XPComment, ExifTags.Base.XPAuthor),
    *(ExifTags.Base.XPKeywords, ExifTags.Base.XPSubject),
}
"""Tags of the first directory that say how the picture was taken, and what is in it.

In a TIFF the others say how the file stores its pixels, or hold what is not painted: layers, smaller copies.
"""
_UNTRUE_BELOW = {
    *(ExifTags.Base.MakerNote, ExifTags.IFD.Interop),  # point to places in the old file
    *(ExifTags.Base.ColorSpace, ExifTags.Base.Gamma),
    *(ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight),
    *(0x9214, ExifTags.Base.SubjectLocation),  # the subject's area and place, before it was turned
}
"""Tags below the first directory that are not true of the painted picture."""


def orientation(image: Image.Image) -> int:
    """EXIF's orientation, as far as the file has been read; 0 where there is none, or the record is damaged."""
    with contextlib.suppress(Exception):
        return int(image.getexif().get(ExifTags.Base.Orientation, 0))
    return 0


def kept(image: Image.Image) -> bytes | None:
    """The record but for what is no longer true of the painted picture, beginning with "Exif"; None if that is all."""
    try:
        exif = image.getexif()
        # Pillow writes the first directory, and the camera's and the place's below it; thumbnails are in the second.
        kept = Image.Exif()
        kept.update({tag: value for tag, value in exif.items() if tag in _OF_THE_PICTURE})
        for directory in _BELOW:
            below = exif.get_ifd(directory)
            if below:
                kept.get_ifd(directory).update({k: v for k, v in below.items() if k not in _UNTRUE_BELOW})
        return kept.tobytes() if len(kept) or any(kept.get_ifd(directory) for directory in _BELOW) else None
    except Exception:
        return None


def in_png(png: bytes, record: bytes) -> bytes:
    """A PNG file that has none, with this record."""
    # The chunk comes after the header, which is 33 bytes with what precedes it.
    chunk = b"eXIf" + record.removeprefix(b"Exif\0\0")
    return png[:33] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[33:]


def without_resolution(file: bytes, kind: str) -> bytes:
    """A PNG, or TIFF of one directory, that has a resolution, without it."""
    if kind == "PNG":
        at = 8
        while at < len(file):
            end = at + 12 + int.from_bytes(file[at : at + 4])  # length, name, and a checksum behind the data
            if file[at + 4 : at + 8] == b"pHYs":
                return file[:at] + file[end:]
            at = end
        return file
    order = "<" if file.startswith(b"II") else ">"
    (directory,) = struct.unpack_from(f"{order}I", file, 4)
    kept = [entry for tag, entry in _entries(bytearray(file), directory, order).items() if tag not in _RESOLUTION]
    (count,) = struct.unpack_from(f"{order}H", file, directory)
    (after,) = struct.unpack_from(f"{order}I", file, directory + 2 + 12 * count)
    table = struct.pack(f"{order}H", len(kept)) + b"".join(kept) + struct.pack(f"{order}I", after)
    return file[:directory] + table + file[directory + len(table) :]


def in_tiff(tiff: bytes, record: bytes) -> bytes:
    """A TIFF file that has none, with this record, behind its pixels, and one first directory made of both."""
    order = "<" if tiff.startswith(b"II") else ">"
    exif = Image.Exif()
    exif.load(record)
    exif.endian = order
    file = bytearray(tiff)
    file += bytes(len(file) % 2)  # directories begin at even places
    start = len(file)
    file += exif.tobytes(start).removeprefix(b"Exif\0\0")[8:]  # without a header, and right from there on
    file += bytes(len(file) % 2)
    (own,) = struct.unpack_from(f"{order}I", file, 4)
    recorded, written = _entries(file, start, order), _entries(file, own, order)
    if {int(ExifTags.Base.XResolution), int(ExifTags.Base.YResolution)} <= recorded.keys():
        unit = int(ExifTags.Base.ResolutionUnit)
        recorded.setdefault(unit, struct.pack(f"{order}HHIHH", unit, 3, 1, 2, 0))  # inches, where none is named
        for tag in _RESOLUTION:
            written.pop(tag, None)
    entries = recorded | written  # what the file says of its pixels goes before the record
    struct.pack_into(f"{order}I", file, 4, len(file))
    file += struct.pack(f"{order}H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + bytes(4)
    return bytes(file)


def _entries(file: bytearray, directory: int, order: str) -> dict[int, bytes]:
    """Of a TIFF's directory: its entries as they are, by tag."""
    (count,) = struct.unpack_from(f"{order}H", file, directory)
    found = (bytes(file[at : at + 12]) for at in range(directory + 2, directory + 2 + 12 * count, 12))
    return {struct.unpack_from(f"{order}H", entry)[0]: entry for entry in found}
