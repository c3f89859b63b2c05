"""Protobuf's wire format: a message as a sequence of fields.

Each field starts with a varint, `number << 3 | wire type`. Wire type 0 is a varint, 2 is a length and that many bytes,
1 and 5 are 8 and 4 bytes.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

Bytes = bytes | memoryview

VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5
"""Wire types."""
_FIXED = {EIGHT_BYTES: 8, FOUR_BYTES: 4}


class WireError(ValueError):
    """Bytes are not a message of the expected type."""


class TruncatedError(WireError):
    """The bytes end inside a field."""


class Field(NamedTuple):
    """The position of one field in a buffer, and the value of a varint."""

    number: int
    start: int
    """First byte of the field."""
    body: int
    """First byte of the content."""
    stop: int
    """First byte after the field."""
    value: int
    """The varint, or the content's length; 0 for a fixed size."""


def fields(buffer: Bytes, wire_types: Mapping[int, int]) -> Iterator[Field]:
    """Iterate over the fields of a message that fills the buffer.

    Raises:
        WireError: The message has a field that ``wire_types`` does not list, or a varint of more than 64 bits.
        TruncatedError: The buffer ends inside a field.
    """
    place, end = 0, len(buffer)
    while place < end:
        tag, body = varint_at(buffer, place)
        number, wire_type = tag >> 3, tag & 7
        if wire_types.get(number) != wire_type:
            raise WireError(f"no field {number} of wire type {wire_type}")
        value = 0
        if wire_type in _FIXED:
            stop = body + _FIXED[wire_type]
        else:
            value, body = varint_at(buffer, body)
            stop = body + value if wire_type == LENGTH else body
        if stop > end:
            raise TruncatedError("the last field is longer than what is left")
        yield Field(number, place, body, stop, value)
        place = stop


def varint_at(buffer: Bytes, place: int) -> tuple[int, int]:
    """The varint at this offset, and the offset after it.

    Raises:
        WireError: It has more than 64 bits.
        TruncatedError: The buffer ends inside it.
    """
    value = 0
    for shift in range(0, 70, 7):  # 64 bits take at most ten bytes of seven
        if place >= len(buffer):
            raise TruncatedError("the last number is not complete")
        byte = buffer[place]
        value |= (byte & 0x7F) << shift
        place += 1
        if byte < 0x80:
            return value, place
    raise WireError("a number of more than 64 bits")


def bytes_field(number: int, content: Bytes) -> bytes:
    """A field of wire type 2."""
    return b"".join((length_header(number, len(content)), content))


def length_header(number: int, length: int) -> bytes:
    """The bytes before the content of a field of wire type 2: its tag and length."""
    return _varint(number << 3 | LENGTH) + _varint(length)


def text_field(number: int, text: str) -> bytes:
    """A string; lone surrogates stand for bytes that are not UTF-8."""
    return bytes_field(number, text.encode(errors="surrogateescape"))


def integer_field(number: int, value: int) -> bytes:
    """An integer of 64 bits, signed or not."""
    return _varint(number << 3 | VARINT) + _varint(value % 2**64)


def float_field(number: int, value: float) -> bytes:
    """A float of 32 bits."""
    return _varint(number << 3 | FOUR_BYTES) + struct.pack("<f", value)


def text(content: Bytes) -> str:
    """Decode a string that `text_field` encoded."""
    return bytes(content).decode(errors="surrogateescape")


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
