"""Reads and writes ONNX files without the `onnx` package, which is slow to import.

An ONNX file is a protobuf message (onnx.proto) with nested messages. Fields that the classes below do not represent are
kept as bytes and written back unchanged.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from impasto.errors import ModelError
from impasto.models.protobuf import (
    Bytes,
    Field,
    TruncatedError,
    WireError,
    bytes_field,
    fields,
    float_field,
    integer_field,
    length_header,
    text,
    text_field,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# The fields of each message in onnx.proto: number -> wire type. Other field numbers are rejected.
_MODEL = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}
_GRAPH = {1: 2, 2: 2, 5: 2, 10: 2, 11: 2, 12: 2, 13: 2, 14: 2, 15: 2, 16: 2}
_NODE = {1: 2, 2: 2, 3: 2, 4: 2, 5: 2, 6: 2, 7: 2, 8: 2, 9: 2, 10: 2}
_TENSOR = {1: 0, 2: 0, 3: 2, 4: 2, 5: 2, 6: 2, 7: 2, 8: 2, 9: 2, 10: 2, 11: 2, 12: 2, 13: 2, 14: 0, 16: 2}
_ENTRY = {1: 2, 2: 2}
_VALUE, _TYPE, _TENSOR_TYPE = {1: 2, 2: 2, 3: 2, 4: 2}, {1: 2, 4: 2, 5: 2, 6: 2, 8: 2, 9: 2}, {1: 0, 2: 2}
_SHAPE, _SIZE = {1: 2}, {1: 0, 2: 2, 3: 2}

IR_VERSION, GRAPH, OPSET_IMPORT, METADATA = 1, 7, 8, 14
"""Field numbers of ModelProto."""

DATA_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int64": 7, "float16": 10}
"""NumPy dtype name -> ONNX data type number."""
_ITEM_SIZES = {1: 4, 2: 1, 3: 1, 7: 8, 10: 2}

_LEAST_INPUTS = {"Conv": 2, "InstanceNormalization": 3}
"""Minimum number of inputs of an operator; engines may crash with fewer."""
_DAMAGED = "is damaged, or not a model that Impasto wrote; export it again"


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
    return bytes_field(METADATA, text_field(1, key) + text_field(2, value))


def parse_entry(body: bytes) -> tuple[str, str]:
    """Key and value of an entry of metadata, from a field's content.

    Raises:
        ModelError: The entry is damaged.
    """
    values = {1: "", 2: ""}
    try:
        for item in fields(body, _ENTRY):
            values[item.number] = text(body[item.body : item.stop])
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
    """The node's name in engines' error messages; "" for none."""

    @property
    def output(self) -> str:
        """The first output's name."""
        return self.outputs[0]

    def encoded(self) -> bytes:
        """The message (NodeProto)."""
        parts = [text_field(1, name) for name in self.inputs] + [text_field(2, name) for name in self.outputs]
        parts += [text_field(3, self.name)] if self.name else []
        return b"".join((*parts, text_field(4, self.operator), self.attributes))


@dataclass(frozen=True)
class Tensor:
    """A constant of a graph (an initializer)."""

    name: str
    shape: tuple[int, ...]
    data_type: int
    """One of `DATA_TYPES`, or another of ONNX's numbers."""
    data: Bytes
    """The elements, little-endian, in C order; empty if the message stores them in another field."""
    message: Bytes = field(default=b"", repr=False)
    """The encoded message, if it was read from a file."""

    @classmethod
    def from_array(cls, name: str, array: "NDArray[Any]") -> "Tensor":
        """A constant from an array whose dtype is in `DATA_TYPES`."""
        data = array.astype(array.dtype.newbyteorder("<")).tobytes()
        return cls(name, array.shape, DATA_TYPES[array.dtype.name], data)

    @property
    def is_outside(self) -> bool:
        """Whether the elements are in another file (external data)."""
        return any(item.number == 13 or (item.number == 14 and item.value) for item in fields(self.message, _TENSOR))

    def floats(self) -> "NDArray[np.float32]":
        """The elements of a float32 constant, as a read-only array.

        Raises:
            ModelError: The constant has another type, or no elements.
        """
        import numpy as np

        try:
            if self.data_type == DATA_TYPES["float32"]:
                return np.frombuffer(self.data, "<f4").reshape(self.shape)
        except ValueError:
            pass
        raise ModelError(f"has a constant {self.name} that is damaged, or not float32; export it again")

    def encoded(self) -> Bytes:
        """The message (TensorProto)."""
        if self.message:
            return self.message
        head = b"".join(integer_field(1, size) for size in self.shape) + integer_field(2, self.data_type)
        return b"".join((head, text_field(8, self.name), bytes_field(9, self.data)))


@dataclass(frozen=True)
class Value:
    """An input or output of a graph."""

    name: str
    shape: tuple[int | str | None, ...]
    """Sizes; a dynamic size is a name, or None."""
    message: Bytes = field(default=b"", repr=False)
    """The encoded message, if it was read from a file; else the value is a float32 tensor."""

    def encoded(self) -> Bytes:
        """The message (ValueInfoProto)."""
        if self.message:
            return self.message
        sizes = [text_field(2, size) if isinstance(size, str) else integer_field(1, size or 0) for size in self.shape]
        shape = b"".join(bytes_field(1, size) for size in sizes)
        tensor = integer_field(1, DATA_TYPES["float32"]) + bytes_field(2, shape)
        return text_field(1, self.name) + bytes_field(2, bytes_field(1, tensor))


@dataclass(frozen=True)
class Model:
    """An ONNX model: its graph, and all other fields as bytes."""

    nodes: tuple[Node, ...]
    """The nodes in topological order."""
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
            parts += (length_header(number, len(message)), message)
        header = length_header(GRAPH, sum(map(len, parts)))
        return b"".join((self.rest, header, *parts))  # weights are copied once


def parse_model(content: bytes) -> Model:
    """The model in an ONNX file's content.

    Raises:
        ModelError: The content is damaged: it is not ONNX, a value has two producers or none, the nodes are not in
            topological order, or the number of a constant's elements does not match its shape.
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
            names[item.number].append(text(message[item.body : item.stop]))
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
            name = text(message[item.body : item.stop])
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
                size = text(message_of_size[part.body : part.stop])
        sizes.append(size)
    return Value(text(name), tuple(sizes), message)


def _contents(message: memoryview, wire_types: Mapping[int, int], *numbers: int) -> list[memoryview]:
    """The contents of the last field of each of these numbers, empty where there is none."""
    found = {item.number: message[item.body : item.stop] for item in fields(message, wire_types)}
    return [found.get(number, memoryview(b"")) for number in numbers]


def attribute(name: str, value: float | str | Sequence[int]) -> bytes:
    """One attribute, for `Node.attributes`: a float, an integer, a string, or integers (AttributeProto)."""
    if isinstance(value, float):
        content, kind = float_field(2, value), 1
    elif isinstance(value, int):
        content, kind = integer_field(3, value), 2
    elif isinstance(value, str):
        content, kind = text_field(4, value), 3
    else:
        content, kind = b"".join(integer_field(8, each) for each in value), 7
    return bytes_field(5, text_field(1, name) + content + integer_field(20, kind))


def new_model(
    nodes: Sequence[Node],
    constants: Mapping[str, Tensor],
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    *,
    opset: int,
    ir_version: int,
) -> Model:
    """A model of standard ONNX operators, with this operator set version and format version."""
    rest = integer_field(IR_VERSION, ir_version) + text_field(2, "impasto")
    rest += bytes_field(OPSET_IMPORT, text_field(1, "") + integer_field(2, opset))
    return Model(tuple(nodes), constants, tuple(inputs), tuple(outputs), text_field(2, "impasto"), rest)
