"""The camera's record (EXIF) of a picture: what of it is still true of the painted one, and how it goes into files.

Pillow writes it into JPEG, WebP and PNG. Those who compress TIFFs write its first directory or nothing, and libvips
writes one of its own into PNG.
"""

import contextlib
import struct
import zlib

from PIL import ExifTags, Image

_BELOW = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
_OF_THE_FILE = {
    *range(0x00FE, 0x0108),  # sizes, depth and compression of a TIFF file's pixels
    *(ExifTags.Base.Orientation, ExifTags.Base.XMLPacket, ExifTags.Base.InterColorProfile),
    *(0x0111, 0x0115, 0x0116, 0x0117, 0x011C, 0x013D, 0x0140, 0x0142, 0x0143, 0x0144, 0x0145, 0x0152, 0x0153),
    *range(0x0211, 0x0215),
    *_BELOW,  # where in the old file these directories were
}
"""EXIF tags that say how a file stores its pixels, not how the picture was taken."""
_UNTRUE_BELOW = {
    *(ExifTags.Base.MakerNote, ExifTags.IFD.Interop),  # point to places in the old file
    *(ExifTags.Base.ColorSpace, ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight),
}
"""Tags below the first directory that are not true of the painted picture."""
_RESOLUTION = {ExifTags.Base.XResolution, ExifTags.Base.YResolution, ExifTags.Base.ResolutionUnit}


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
        kept.update({tag: value for tag, value in exif.items() if tag not in _OF_THE_FILE})
        for directory in _BELOW:
            below = exif.get_ifd(directory)
            if below:
                kept.get_ifd(directory).update({k: v for k, v in below.items() if k not in _UNTRUE_BELOW})
        return kept.tobytes() if len(kept) else None
    except Exception:
        return None


def in_png(png: bytes, record: bytes) -> bytes:
    """A PNG file that has none, with this record."""
    # The chunk comes after the header, which is 33 bytes with what precedes it.
    chunk = b"eXIf" + record.removeprefix(b"Exif\0\0")
    return png[:33] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[33:]


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
    # What the file says of its pixels goes before the record; libvips' resolution is made up, the camera's is not.
    entries = recorded | written | {tag: recorded[tag] for tag in _RESOLUTION & recorded.keys()}
    struct.pack_into(f"{order}I", file, 4, len(file))
    file += struct.pack(f"{order}H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + bytes(4)
    return bytes(file)


def _entries(file: bytearray, directory: int, order: str) -> dict[int, bytes]:
    """Of a TIFF's directory: its entries as they are, by tag."""
    (count,) = struct.unpack_from(f"{order}H", file, directory)
    found = (bytes(file[at : at + 12]) for at in range(directory + 2, directory + 2 + 12 * count, 12))
    return {struct.unpack_from(f"{order}H", entry)[0]: entry for entry in found}
