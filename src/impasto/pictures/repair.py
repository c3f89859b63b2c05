"""Repairs harmless damage: a missing end marker or a wrong checksum in a file whose pixels are complete."""

import functools
import re
from collections.abc import Callable
from itertools import pairwise

from PIL import Image, ImageChops

from impasto.errors import ImageError
from impasto.pictures import png

_END_OF_JPEG = b"\xff\xd9"
_LEAST = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9, b"acTL": 8}
"""Kinds of PNG chunks, and the least number of bytes in them."""
_LEAST_TRANSPARENCY = {0: 2, 2: 6}
"""The same for tRNS, by the color type of the picture."""
_LEAST_IN_JPEG = {0xE0: (b"JFIF", 12), 0xE2: (b"ICC_PROFILE", 14), 0xEE: (b"Adobe", 12)}
"""Markers of JPEG segments, what the segment begins with, and the least number of bytes in it."""
_PNG_END = bytes(4) + b"IEND\xae\x42\x60\x82"

NO_END = "lacks its end marker, but has all its pixels"
LARGE_METADATA = "has metadata of unusual size, which are left out"
BAD_METADATA = "has damaged metadata, which are left out"

BAD_ANIMATION = "is a damaged animation: its first picture is painted"


def repaired_png(data: bytes) -> tuple[bytes, str | None]:
    """A PNG file that can be decoded, and a note about the damage, or None.

    Ancillary chunks with a wrong checksum, or that are too short, are removed, and a missing end is added.

    Raises:
        ImageError: The checksum of a critical chunk is wrong. Pillow would ignore this and return black pixels.
    """
    dropped, last = [], None
    for chunk in png.chunks(data):
        last = chunk
        end = chunk.start + 12 + len(chunk.data)
        if chunk.intact:
            if _is_malformed(chunk, data[25]):
                dropped.append((chunk.start, end))
            continue
        if chunk.kind == b"IEND":
            return data[: chunk.start] + _PNG_END, NO_END
        if chunk.kind[:1].isupper():
            raise ImageError(f"is damaged (at bytes {chunk.start} to {end}); copy or download it again")
        dropped.append((chunk.start, end))
    if last is None:
        return data, None
    note = None
    if last.kind != b"IEND":
        end_of_data = last.start + 8 + int.from_bytes(data[last.start : last.start + 4])
        if end_of_data <= len(data):  # else pixels are missing
            checksum = png.checksum(last.kind, last.data)
            data, note = data[:end_of_data] + checksum + _PNG_END, NO_END
    if dropped:
        places = [0, *(place for span in dropped for place in span), len(data)]
        data = b"".join(data[start:stop] for start, stop in list(pairwise(places))[::2])
        note = BAD_METADATA
    return data, note


def repaired_jpeg(data: bytes) -> tuple[bytes, str | None]:
    """A JPEG file without metadata segments that are too short for Pillow, and a note about them, or None."""
    at, kept_from, parts = 2, 0, []
    while data[at : at + 1] == b"\xff" and at + 4 <= len(data) and data[at + 1] != 0xDA:
        length = int.from_bytes(data[at + 2 : at + 4])
        start, least = _LEAST_IN_JPEG.get(data[at + 1], (b"", 0))
        content = data[at + 4 : at + 2 + length]
        if start and content.startswith(start) and len(content) < least:
            parts.append(data[kept_from:at])
            kept_from = at + 2 + length
        at += 2 + length
    return (b"".join([*parts, data[kept_from:]]), BAD_METADATA) if parts else (data, None)


def _is_malformed(chunk: png.Chunk, color_type: int) -> bool:
    """Whether Pillow would refuse the file because of this chunk, without which it can be shown."""
    if chunk.kind == b"tRNS":
        return not _LEAST_TRANSPARENCY.get(color_type, 0) <= len(chunk.data) <= 256
    if chunk.kind in (b"iCCP", b"zTXt"):  # name, 0, method of compression, of which there is one
        method = chunk.data.partition(b"\0")[2][:1]
        return method != b"\0" and (chunk.kind == b"iCCP" or method != b"")
    if chunk.kind == b"acTL" and not 0 < int.from_bytes(chunk.data[:4]) < 1 << 31:  # frames
        return True
    return len(chunk.data) < _LEAST.get(chunk.kind, 0)


def png_without_animation(data: bytes) -> bytes:
    """Only the first picture of an animated PNG."""
    return png.with_chunks(data, [], without=(b"acTL", b"fcTL", b"fdAT"))


def png_without_compressed_metadata(data: bytes) -> bytes:
    """Remove text and color profile from a PNG file, as they may decompress to more memory than there is."""
    return png.with_chunks(data, [], without=(b"tEXt", b"zTXt", b"iTXt", b"iCCP"))


def ended_jpeg_2000(data: bytes) -> bytes | None:
    """Add the missing end marker to a JPEG 2000 file; returns None if it has one."""
    return None if data.endswith(_END_OF_JPEG) else data.removesuffix(b"\xff") + _END_OF_JPEG


@functools.cache
def _fillers() -> tuple[bytes, ...]:
    """Bytes that look like compressed data, to append to a truncated JPEG."""
    noise = bytes((number * 2654435761 >> 11) % 254 + 1 for number in range(4096))  # no byte is FF
    inverse = bytes(255 - byte for byte in noise)  # so that each missing bit is wrong in one of them
    restarts = b"".join(bytes([0xFF, 0xD0 + number % 8]) + noise[:512] for number in range(16))
    return tuple(filler + _END_OF_JPEG for filler in (noise, inverse, restarts))


def complete_jpeg(data: bytes, decode: Callable[[bytes], Image.Image]) -> Image.Image:
    """The image of a JPEG file whose end marker is missing.

    The decoder fills in missing pixels, so the file is decoded with different bytes appended. The images differ where
    pixels are missing.

    Args:
        data: The bytes of the file.
        decode: Decodes the bytes of a JPEG file, and loads the image.

    Raises:
        ImageError: Pixels are missing.
    """
    data = data.rstrip(b"\xff")
    image = decode(data + _END_OF_JPEG)
    differences = [ImageChops.difference(image, decode(data + filler)).getbbox() for filler in _fillers()]
    if tops := [difference[1] for difference in differences if difference is not None]:
        share = 1 - min(tops) / image.height
        raise ImageError(f"is damaged or cut short (the lower {share:.0%} is missing); copy or download it again")
    if not _has_all_scans(data):
        raise ImageError("is damaged or cut short (its details are missing); copy or download it again")
    return image


def _has_all_scans(data: bytes) -> bool:
    """Whether a JPEG has all coefficients of all channels. A file that ends between two scans only lacks details."""
    channels: dict[int, set[str]] = {}
    progressive = False
    at = 2
    while at + 4 < len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        length = int.from_bytes(data[at + 2 : at + 4])
        if data[at + 1] in (0xC0, 0xC1, 0xC2):
            progressive = data[at + 1] == 0xC2
            count = data[at + 9]
            channels = {data[at + 10 + 3 * number]: set() for number in range(count)}
        at += 2 + length
    for found in re.finditer(rb"\xff\xda", data[at:]):  # in compressed data FF is always followed by 00
        start = at + found.start() + 4
        count = data[start]
        first, last, low = data[start + 1 + 2 * count : start + 4 + 2 * count]
        for number in range(count):
            done = channels.setdefault(data[start + 1 + 2 * number], set())
            if low & 0x0F == 0:
                done |= {"first"} if first == 0 else set()
                done |= {"last"} if last == 63 else set()
    needed = {"first", "last"} if progressive else {"first"}
    return bool(channels) and all(needed <= done for done in channels.values())
