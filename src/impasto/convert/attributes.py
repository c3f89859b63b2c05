"""Reads the attributes of an ONNX node (AttributeProto)."""

import struct
from typing import Any

from impasto.errors import ModelError
from impasto.models.onnx_file import Node
from impasto.models.protobuf import FOUR_BYTES, LENGTH, VARINT, WireError, fields, text, varint_at

_ATTRIBUTE = dict.fromkeys(range(1, 24), LENGTH) | {2: FOUR_BYTES, 3: VARINT, 20: VARINT}
"""The fields of AttributeProto."""
_ONE_BY_ONE = {**_ATTRIBUTE, 7: FOUR_BYTES, 8: VARINT}
"""The same, where lists are not packed, as torch writes them."""
_NODE = dict.fromkeys(range(5, 11), LENGTH)
"""The fields of `Node.attributes`; number 5 is an attribute."""


def attributes_of(node: Node) -> dict[str, Any]:
    """A node's attributes that are numbers, texts or lists of whole numbers, by name.

    Raises:
        ModelError: The node is damaged.
    """
    found = {}
    try:
        for item in fields(node.attributes, _NODE):
            if item.number == 5:
                name, value = _attribute(node.attributes[item.body : item.stop])
                found[name] = value
    except (WireError, struct.error, ValueError):
        raise ModelError(f"has a damaged node {node.operator}; export it again") from None
    return found


def _attribute(message: bytes) -> tuple[str, Any]:
    for wire_types in (_ONE_BY_ONE, _ATTRIBUTE):  # lists are packed, or not
        try:
            items = [*fields(message, wire_types)]
            break
        except WireError:
            continue
    else:
        raise WireError("not an attribute")
    name, value, integers = "", None, []
    for item in items:
        body = message[item.body : item.stop]
        if item.number == 1:
            name = text(body)
        elif item.number == 2:
            value = struct.unpack("<f", body)[0]
        elif item.number == 3:
            value = _signed(item.value)
        elif item.number == 4:
            value = text(body)
        elif item.number == 8 and wire_types[8] == VARINT:
            integers.append(_signed(item.value))
        elif item.number == 8:
            place = 0
            while place < len(body):
                number, place = varint_at(body, place)
                integers.append(_signed(number))
    return name, value if value is not None and not integers else integers or value


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value
