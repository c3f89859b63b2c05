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
    """Whether the checksum is right; a chunk that is cut off before its checksum counts as intact."""


def chunks(file: bytes) -> Iterator[Chunk]:
    """The chunks of a PNG file, up to where the file ends."""
    start = len(SIGNATURE)
    while start + 12 <= len(file):
        length, kind = struct.unpack_from(">I4s", file, start)
        end = start + 8 + length
        checksum = zlib.crc32(memoryview(file)[start + 4 : end]).to_bytes(4, "big")
        yield Chunk(kind, file[start + 8 : end], start, file[end : end + 4] in (b"", checksum))
        start = end + 4


def with_chunks(file: bytes, new: Iterable[tuple[bytes, bytes]], *, without: Iterable[bytes] = ()) -> bytes:
    """The file with new chunks, pairs of type and data, behind its header, and without the chunks of some types."""
    parts = [file[:_END_OF_HEADER]]
    for kind, data in new:
        parts += [struct.pack(">I", len(data)), kind, data, struct.pack(">I", zlib.crc32(kind + data))]
    kept_from = _END_OF_HEADER
    for chunk in chunks(file):
        if chunk.kind in without:
            parts.append(file[kept_from : chunk.start])
            kept_from = chunk.start + 12 + len(chunk.data)
    parts.append(file[kept_from:])
    return b"".join(parts)
