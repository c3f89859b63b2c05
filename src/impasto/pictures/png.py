"""The chunks of a PNG file."""

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END_OF_HEADER = 33
"""The signature and the IHDR chunk, which always comes first."""


class Chunk(NamedTuple):
    """One chunk of a PNG file."""

    kind: bytes
    """The four letters of its type."""
    data: bytes
    start: int
    """Byte of the file at which the chunk begins; -1 for a new chunk."""
    intact: bool
    """Whether the checksum is right; a chunk that is cut off within or before it counts as intact."""


def chunks(file: bytes) -> Iterator[Chunk]:
    """Iterate over the chunks of a PNG file, up to the end of the file."""
    start = len(SIGNATURE)
    while start + 12 <= len(file):
        length, kind = struct.unpack_from(">I4s", file, start)
        end = start + 8 + length
        data = file[start + 8 : end]
        intact = len(file) < end + 4 or file[end : end + 4] == checksum(kind, data)
        yield Chunk(kind, data, start, intact)
        start = end + 4


def checksum(kind: bytes, data: bytes) -> bytes:
    """The checksum of a chunk."""
    return zlib.crc32(data, zlib.crc32(kind)).to_bytes(4)


def with_chunks(file: bytes, new: Iterable[tuple[bytes, bytes]], *, without: Iterable[bytes] = ()) -> bytes:
    """Insert new chunks, pairs of type and data, after the header, and remove chunks of the types in ``without``."""
    parts = [file[:_END_OF_HEADER]]
    for kind, data in new:
        parts += [struct.pack(">I", len(data)), kind, data, checksum(kind, data)]
    kept_from = _END_OF_HEADER
    for chunk in chunks(file):
        if chunk.kind in without:
            parts.append(file[kept_from : chunk.start])
            kept_from = chunk.start + 12 + len(chunk.data)
    parts.append(file[kept_from:])
    return b"".join(parts)
