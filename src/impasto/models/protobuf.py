"""The few lines of protobuf that reading and changing ONNX files takes: no other package is needed for them.

A message is a row of fields; each starts with a varint `number << 3 | wire type`. Wire type 0 is a varint, 2 a length
(varint) and that many bytes; 1 and 5, eight and four bytes, are used nowhere in what is read here.
"""

import io
from collections.abc import Iterator, Mapping
from typing import BinaryIO, NamedTuple


class Field(NamedTuple):
    """Where a field lies in its message, in bytes."""

    number: int
    start: int
    """Of the field."""
    body: int
    """Of its payload."""
    stop: int
    """Of both."""


def read_fields(stream: BinaryIO, size: int, wire_types: Mapping[int, int]) -> Iterator[Field]:
    """The fields of one message that fills the stream; ValueError when it is no such message, EOFError at a cut."""
    stop = 0
    while stop < size:
        start = stream.seek(stop)
        tag = _read_varint(stream)
        number, wire_type = tag >> 3, tag & 7
        if wire_types.get(number) != wire_type:
            raise ValueError(f"no field {number} of wire type {wire_type}")
        value = _read_varint(stream)
        body = stream.tell()
        stop = body + value if wire_type == 2 else body
        if stop > size:
            raise EOFError
        yield Field(number, start, body, stop)


def split_fields(message: bytes, wire_types: Mapping[int, int]) -> list[tuple[int, bytes, bytes]]:
    """The fields of one message: number, the whole field, its payload (of a varint: nothing)."""
    return [
        (field.number, message[field.start : field.stop], message[field.body : field.stop])
        for field in read_fields(io.BytesIO(message), len(message), wire_types)
    ]


def _read_varint(stream: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):  # 64 bits take at most ten bytes of seven
        byte = stream.read(1)
        if not byte:
            raise EOFError
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("a number of more than 64 bits")


def encode(number: int, payload: bytes) -> bytes:
    """A field of wire type 2."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def varint(value: int) -> bytes:
    """A whole number of 0 or more."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
