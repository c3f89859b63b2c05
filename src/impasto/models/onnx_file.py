"""Reading and writing ONNX files without the `onnx` package, whose import takes longer than all of this.

An ONNX file is one protobuf message (onnx.proto). A message is a sequence of fields. Each starts with a varint,
`number << 3 | wire type`: wire type 0 is a varint, 2 a length and that many bytes. The others, of eight and of four
bytes, occur in no message that is read here. `fields` is the only parser; everything else is built on it. What the
classes here do not name is kept as bytes and written back unchanged.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from impasto.errors import ModelError

Bytes = bytes | memoryview

_VARINT, _LENGTH = 0, 2
# The fields of each message in onnx.proto: number -> wire type. Fields of other numbers are refused.
_MODEL = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}
_GRAPH = {1: 2, 2: 2, 5: 2, 10: 2, 11: 2, 12: 2, 13: 2, 14: 2, 15: 2, 16: 2}
_NODE = {1: 2, 2: 2, 3: 2, 4: 2, 5: 2, 6: 2, 7: 2, 8: 2, 9: 2, 10: 2}
_TENSOR = {1: 0, 2: 0, 3: 2, 4: 2, 5: 2, 6: 2, 7: 2, 8: 2, 9: 2, 10: 2, 11: 2, 12: 2, 13: 2, 14: 0, 16: 2}
_ENTRY = {1: 2, 2: 2}
_VALUE, _TYPE, _TENSOR_TYPE = {1: 2, 2: 2, 3: 2, 4: 2}, {1: 2, 4: 2, 5: 2, 6: 2, 8: 2, 9: 2}, {1: 0, 2: 2}
_SHAPE, _SIZE = {1: 2}, {1: 0, 2: 2, 3: 2}

IR_VERSION, GRAPH, OPSET_IMPORT, METADATA = 1, 7, 8, 14
"""Numbers of fields of a model."""

DATA_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int64": 7}
"""numpy's name of an element type -> its number in ONNX."""
_ITEM_SIZES = {1: 4, 2: 1, 3: 1, 7: 8}

_LEAST_INPUTS = {"Conv": 2, "InstanceNormalization": 3}
"""Inputs that an operator has at least: with fewer an engine may crash."""
_DAMAGED = "is damaged, or not a model that Impasto wrote; export it again"


class WireError(ValueError):
    """Bytes are not a message of the expected type."""


class TruncatedError(WireError):
    """The bytes end inside a field."""


class Field(NamedTuple):
    """One field of a message: where it lies in the buffer, and for a varint its value."""

    number: int
    start: int
    """First byte of the field."""
    body: int
    """First byte of the content."""
    stop: int
    """First byte after the field."""
    value: int
    """The varint, or the content's length."""


# ---- the wire format -------------------------------------------------------------------------------------------


def fields(buffer: Bytes, wire_types: Mapping[int, int]) -> Iterator[Field]:
    """The fields of the one message that fills a buffer, in order.

    Raises:
        WireError: The message has a field that the table does not list, or a varint of more than 64 bits.
        TruncatedError: The buffer ends inside a field.
    """
    place, end = 0, len(buffer)
    while place < end:
        tag, body = _varint_at(buffer, place)
        number, wire_type = tag >> 3, tag & 7
        if wire_types.get(number) != wire_type:
            raise WireError(f"no field {number} of wire type {wire_type}")
        value, body = _varint_at(buffer, body)
        stop = body + value if wire_type == _LENGTH else body
        if stop > end:
            raise TruncatedError("the last field is longer than what is left")
        yield Field(number, place, body, stop, value)
        place = stop


def _varint_at(buffer: Bytes, place: int) -> tuple[int, int]:
    """The varint at this place, and the place after it."""
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
    return b"".join((_length_header(number, content), content))


def _length_header(number: int, content: Bytes) -> bytes:
    """What comes before a field's content."""
    return _varint(number << 3 | _LENGTH) + _varint(len(content))


def _text_field(number: int, text: str) -> bytes:
    return bytes_field(number, text.encode(errors="surrogateescape"))


def _integer_field(number: int, value: int) -> bytes:
    return _varint(number << 3 | _VARINT) + _varint(value)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


# ---- the top level ---------------------------------------------------------------------------------------------


def top_level(content: bytes) -> list[Field]:
    """The top-level fields of a complete ONNX file.

    Raises:
        ModelError: Empty, not ONNX, or cut short.
    """
    if not content:
        raise ModelError("is empty (0 bytes); copy or download it again")
    found: list[Field] = []
    try:
        for item in fields(content, _MODEL):
            found.append(item)
    except TruncatedError:
        if any(item.number == IR_VERSION for item in found):
            raise ModelError(f"is cut short: it ends at byte {len(content)}; copy or download it again") from None
        raise ModelError("is not an ONNX file; give a model made by `impasto train`") from None
    except WireError:
        raise ModelError("is not an ONNX file, or damaged; give a model made by `impasto train`") from None
    if not {IR_VERSION, GRAPH, OPSET_IMPORT} <= {item.number for item in found}:
        raise ModelError("is not a complete ONNX file; copy or download it again")
    return found


def metadata_entry(key: str, value: str) -> bytes:
    """A field of a model: one entry of its metadata."""
    return bytes_field(METADATA, _text_field(1, key) + _text_field(2, value))


def parse_entry(body: bytes) -> tuple[str, str]:
    """Key and value of an entry of metadata, from a field's content.

    Raises:
        ModelError: The entry is damaged.
    """
    values = {1: "", 2: ""}
    try:
        for item in fields(body, _ENTRY):
            values[item.number] = _text(body[item.body : item.stop])
    except WireError:
        raise ModelError("has damaged metadata; copy or download it again") from None
    return values[1], values[2]


# ---- the graph -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Node:
    """One operation of a graph."""

    operator: str
    inputs: tuple[str, ...]
    """Names of values; "" for an optional input that is left out."""
    outputs: tuple[str, ...]
    attributes: bytes = b""
    """The message's other fields, encoded."""
    name: str = ""
    """What engines call it in messages; "" for none."""

    @property
    def output(self) -> str:
        """The first output's name."""
        return self.outputs[0]

    def encoded(self) -> bytes:
        """The message (NodeProto)."""
        parts = [_text_field(1, name) for name in self.inputs] + [_text_field(2, name) for name in self.outputs]
        parts += [_text_field(3, self.name)] if self.name else []
        return b"".join((*parts, _text_field(4, self.operator), self.attributes))


@dataclass(frozen=True)
class Tensor:
    """A constant of a graph (an initializer)."""

    name: str
    shape: tuple[int, ...]
    data_type: int
    """One of `DATA_TYPES`, or another of ONNX's numbers."""
    data: Bytes
    """The elements, little-endian, in C order; empty where the message holds them in another way."""
    message: Bytes = field(default=b"", repr=False)
    """The whole message where it was read from a file."""

    def encoded(self) -> Bytes:
        """The message (TensorProto)."""
        if self.message:
            return self.message
        head = b"".join(_integer_field(1, size) for size in self.shape) + _integer_field(2, self.data_type)
        return b"".join((head, _text_field(8, self.name), bytes_field(9, self.data)))


@dataclass(frozen=True)
class Value:
    """An input or output of a graph."""

    name: str
    shape: tuple[int | str | None, ...]
    """Sizes; a dynamic size is a name, or None."""
    message: Bytes = field(default=b"", repr=False)
    """The whole message where it was read from a file; else it is a float32 tensor."""

    def encoded(self) -> Bytes:
        """The message (ValueInfoProto)."""
        if self.message:
            return self.message
        sizes = [_text_field(2, size) if isinstance(size, str) else _integer_field(1, size or 0) for size in self.shape]
        shape = b"".join(bytes_field(1, size) for size in sizes)
        tensor = _integer_field(1, DATA_TYPES["float32"]) + bytes_field(2, shape)
        return _text_field(1, self.name) + bytes_field(2, bytes_field(1, tensor))


@dataclass(frozen=True)
class Model:
    """An ONNX model: its graph, and the rest as bytes."""

    nodes: tuple[Node, ...]
    """In an order in which every node comes after those whose outputs it takes."""
    constants: Mapping[str, Tensor]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    rest_of_graph: bytes
    """The graph's other fields, encoded: its name, and documentation."""
    rest: bytes
    """The model's other fields, encoded: versions, operator sets and metadata."""

    def encoded(self) -> bytes:
        """The file's content."""
        messages: list[tuple[int, Bytes]] = [(1, node.encoded()) for node in self.nodes]
        messages += [(5, constant.encoded()) for constant in self.constants.values()]
        messages += [(11, value.encoded()) for value in self.inputs] + [(12, value.encoded()) for value in self.outputs]
        parts: list[Bytes] = [self.rest_of_graph]
        for number, message in messages:
            parts += (_length_header(number, message), message)
        header = _varint(GRAPH << 3 | _LENGTH) + _varint(sum(map(len, parts)))
        return b"".join((self.rest, header, *parts))  # weights are copied once


def parse_model(content: bytes) -> Model:
    """The model in an ONNX file's content.

    Raises:
        ModelError: The content is damaged: not ONNX, a value has two sources or none, a node takes what only a later
            one makes (so that there may be a circle), or a constant has not as many elements as its shape says.
    """
    try:
        return _parsed(memoryview(content))
    except WireError:
        raise ModelError(_DAMAGED) from None


def _parsed(content: memoryview) -> Model:
    graphs = [item for item in fields(content, _MODEL) if item.number == GRAPH]
    if len(graphs) != 1:
        raise WireError("not one graph")
    (graph,) = graphs
    rest = bytes(content[: graph.start]) + bytes(content[graph.stop :])
    body = content[graph.body : graph.stop]
    nodes: list[Node] = []
    constants: list[Tensor] = []
    values: dict[int, list[Value]] = {11: [], 12: []}
    others: list[Bytes] = []
    for item in fields(body, _GRAPH):
        message = body[item.body : item.stop]
        if item.number == 1:
            nodes.append(_parse_node(message))
        elif item.number == 5:
            constants.append(_parse_tensor(message))
        elif item.number in values:
            values[item.number].append(_parse_value(message))
        else:
            others.append(body[item.start : item.stop])
    by_name = {constant.name: constant for constant in constants}
    if len(by_name) < len(constants):
        raise WireError("two constants of one name")
    model = Model(tuple(nodes), by_name, tuple(values[11]), tuple(values[12]), b"".join(others), rest)
    _check_sources(model)
    return model


def _check_sources(model: Model) -> None:
    inputs = {value.name for value in model.inputs}
    if len(inputs) < len(model.inputs):
        raise WireError("two inputs of one name")
    known = {"", *inputs, *model.constants}
    for node in model.nodes:
        if not known.issuperset(node.inputs):
            raise WireError("a node takes what no earlier one makes")
        for name in node.outputs:
            if name in known and name:
                raise WireError("two sources of one value")
            known.add(name)
    if not known.issuperset(value.name for value in model.outputs):
        raise WireError("an output has no source")


def _parse_node(message: memoryview) -> Node:
    names: dict[int, list[str]] = {1: [], 2: [], 3: [], 4: []}
    attributes: list[Bytes] = []
    for item in fields(message, _NODE):
        if item.number in names:
            names[item.number].append(_text(message[item.body : item.stop]))
        else:
            attributes.append(message[item.start : item.stop])
    inputs, outputs, own_name, operators = names.values()
    if len(operators) != 1 or not operators[0] or not outputs or not outputs[0]:
        raise WireError("a node without an operator or an output")
    if len(inputs) < _LEAST_INPUTS.get(operators[0], 0):
        raise WireError("a node with too few inputs")
    return Node(operators[0], tuple(inputs), tuple(outputs), b"".join(attributes), "".join(own_name))


def _parse_tensor(message: memoryview) -> Tensor:
    name, shape, data_type, data = "", [], 0, memoryview(b"")
    for item in fields(message, _TENSOR):
        if item.number == 1:
            shape.append(item.value)
        elif item.number == 2:
            data_type = item.value
        elif item.number == 8:
            name = _text(message[item.body : item.stop])
        elif item.number == 9:
            data = message[item.body : item.stop]
    if len(data) and len(data) != math.prod(shape) * _ITEM_SIZES.get(data_type, len(data)):
        raise WireError("a constant of another size than it says")
    return Tensor(name, tuple(shape), data_type, data, message)


def _parse_value(message: memoryview) -> Value:
    name, kind = _contents(message, _VALUE, 1, 2)
    (tensor,) = _contents(kind, _TYPE, 1)
    (shape,) = _contents(tensor, _TENSOR_TYPE, 2)
    sizes: list[int | str | None] = []
    for item in fields(shape, _SHAPE):
        size: int | str | None = None
        message_of_size = shape[item.body : item.stop]
        for part in fields(message_of_size, _SIZE):
            if part.number == 1:
                size = part.value
            elif part.number == 2:
                size = _text(message_of_size[part.body : part.stop])
        sizes.append(size)
    return Value(_text(name), tuple(sizes), message)


def _contents(message: memoryview, wire_types: Mapping[int, int], *numbers: int) -> list[memoryview]:
    """The contents of the last field of each of these numbers, empty where there is none."""
    found = {item.number: message[item.body : item.stop] for item in fields(message, wire_types)}
    return [found.get(number, memoryview(b"")) for number in numbers]


def _text(content: Bytes) -> str:
    return bytes(content).decode(errors="surrogateescape")


def integer_attribute(name: str, value: int) -> bytes:
    """An attribute for `Node.attributes`: a whole number of 0 or more (AttributeProto of type INT)."""
    return bytes_field(5, _text_field(1, name) + _integer_field(3, value) + _integer_field(20, 2))
