"""A model's graph in other forms, made of the file's bytes: with statistics as results or inputs, and in 8 bits.

Instance normalisation at a layer is y = a x + b for each channel, a and b made of the whole picture's statistics. The
*measuring* form gives them besides the picture; the *frozen* form takes them as inputs, and then no layer looks at the
whole picture: it can be painted in tiles, and a film's frames with statistics that change slowly (Chen et al. 2022,
"thumbnail instance normalization").

The *quantized* form multiplies numbers of 8 bits (Jacob et al. 2018). What a convolution takes comes from an instance
normalisation: its range does not depend on the picture, and so it is known beforehand and used well.

The form *by pixel* computes the same and suits OpenVINO better.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ModelError
from impasto.models.protobuf import encode, split_fields, varint

Array = NDArray[np.float32]

# Numbers of fields in onnx.proto.
_MODEL_GRAPH = 7
_NODE, _INITIALIZER, _INPUT, _OUTPUT = 1, 5, 11, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_OPERATOR, _NODE_ATTRIBUTE = 1, 2, 3, 4, 5
_MODEL = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}
_GRAPH_FIELDS = {1: 2, 2: 2, 5: 2, 10: 2, 11: 2, 12: 2, 13: 2, 14: 2, 15: 2, 16: 2}
_TENSOR_SIZE, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_DATA = 1, 2, 8, 9
_TENSOR_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int64": 7}
_TENSOR_FIELDS = {1: 0, 2: 0, 3: 2, 4: 2, 5: 2, 6: 2, 7: 2, 8: 2, 9: 2, 10: 2, 11: 2, 12: 2, 13: 2, 14: 0, 16: 2}
_NODE_FIELDS = {1: 2, 2: 2, 3: 2, 4: 2, 5: 2, 6: 2, 7: 2, 8: 2, 9: 2, 10: 2}

_GLOBAL = {b"ReduceMean", b"GlobalAveragePool", b"ReduceSum"}
"""Operators by which a layer looks at the whole picture in ways other than instance normalisation."""
_LEAST_TAKEN = {b"Conv": 2, b"InstanceNormalization": 3}
"""How much a node takes at least: on less an engine may crash, as it may never end with one that takes its result."""
_DAMAGED = "is damaged, or not a model Impasto wrote; make it again"
_BY_CHANNEL = {b"Mul", b"Add", b"Sub", b"Max", b"Min"}
"""Operators by which features meet numbers of their channels."""


@dataclass(frozen=True)
class Norm:
    """One instance normalisation of a graph: the names of what it takes and gives."""

    taken: str
    factor: str
    """What the normalised values are multiplied by, (C,)."""
    given: str
    low: str = ""
    """What its result is cut off below at, (C, 1, 1), and ..."""
    high: str = ""
    """... above; neither where it is not."""

    @property
    def scale(self) -> str:
        """The name of the frozen graph's input for a, float32 (1, C, 1, 1)."""
        return f"{self.given}_scale"

    @property
    def shift(self) -> str:
        """The name of the frozen graph's input for b, float32 (1, C, 1, 1)."""
        return f"{self.given}_shift"

    @property
    def limits(self) -> tuple[str, ...]:
        """The names of the frozen graph's inputs in place of `low` and `high`, float32 (1, C, 1, 1); if there are."""
        return (f"{self.given}_low", f"{self.given}_high") if self.low else ()


def norms(model: bytes) -> tuple[Norm, ...]:
    """The instance normalisations of a model, in the graph's order.

    Raises:
        ModelError: the graph looks at the whole picture in another way as well, or its bytes are damaged.
    """
    nodes = [_node(body) for number, _, body in _graph(model) if number == _NODE]
    if any(operator in _GLOBAL for operator, _, _ in nodes):
        raise ModelError(
            "its normalisation is not instance normalisation alone: it can only paint a picture as a whole"
        )
    # A result that is cut off goes through Max with what it is cut off at below, and that through Min.
    after = {(operator, taken[0]): (taken[1], given) for operator, taken, given in nodes if len(taken) == 2}
    found = []
    for operator, taken, given in nodes:
        if operator != b"InstanceNormalization":
            continue
        low, between = after.get((b"Max", given), ("", ""))
        high, _ = after.get((b"Min", between), ("", ""))
        found.append(Norm(taken[0], taken[1], given, low, high) if high else Norm(taken[0], taken[1], given))
    return tuple(found)


def measuring(model: bytes) -> bytes:
    """The model with five more results for every instance normalisation, in order; :func:`affine` takes them.

    They are the least and largest x and y, each float32 (1, C, 1, 1), and the factor of y, (C,): two points of each
    line y = a x + b, and which way it leans. Where y is cut off, `Norm.low` and `Norm.high` come after them.
    The picture is the last result: OpenVINO computes them in order, and would keep all features for those after it.
    """
    axes = "impasto_axes"
    parts = [encode(_INITIALIZER, _tensor(axes, np.array([2, 3], np.int64)))]
    outputs: list[bytes] = []
    picture: list[bytes] = []
    by_name = {norm.given: norm for norm in norms(model)}
    for number, field, body in _graph(model):
        (picture if number == _OUTPUT else parts).append(field)
        norm = by_name.get(_node(body)[2]) if number == _NODE else None
        if norm is None:
            continue
        results = _results(norm)
        parts += [
            encode(_NODE, _operation(operator, taken, given))
            for operator, taken, given in (
                ("ReduceMin", (norm.taken, axes), results[0]),
                ("ReduceMax", (norm.taken, axes), results[1]),
                ("ReduceMin", (norm.given, axes), results[2]),
                ("ReduceMax", (norm.given, axes), results[3]),
                ("Identity", (norm.factor,), results[4]),
            )
        ]
        outputs += [encode(_OUTPUT, _value(name, 1, "C", 1, 1)) for name in results[:4]]
        outputs.append(encode(_OUTPUT, _value(results[4], "C")))
        outputs += [encode(_OUTPUT, _value(name, "C", 1, 1)) for name in (norm.low, norm.high) if name]
    return _with_graph(model, parts + outputs + picture)


def without_default(model: bytes, name: str) -> bytes:
    """The model with this input to be given: OpenVINO takes one that has a default for a constant."""
    kept = [field for number, field, body in _graph(model) if number != _INITIALIZER or _tensor_name(body) != name]
    return _with_graph(model, kept)


def frozen(model: bytes) -> bytes:
    """The model with every instance normalisation a multiplication and an addition of inputs, see :class:`Norm`."""
    return _frozen(model, by_place=False)


def frozen_by_place(model: bytes) -> bytes:
    """The same, with inputs (1, C, H, W) of the size that the normalisation works at."""
    return _frozen(model, by_place=True)


def _frozen(model: bytes, *, by_place: bool) -> bytes:
    parts = []
    by_name = {norm.given: norm for norm in norms(model)}
    limits = {
        old: new for norm in by_name.values() for old, new in zip((norm.low, norm.high), norm.limits, strict=False)
    }
    for number, field, body in _graph(model):
        if number != _NODE:
            parts.append(field)
            continue
        operator, taken, given = _node(body)
        norm = by_name.get(given)
        if norm is not None:
            between = f"{norm.given}_scaled"
            parts.append(encode(_NODE, _operation("Mul", (norm.taken, norm.scale), between)))
            parts.append(encode(_NODE, _operation("Add", (between, norm.shift), norm.given)))
            for name in (norm.scale, norm.shift, *norm.limits):
                size = (f"{name}_h", f"{name}_w") if by_place else (1, 1)
                parts.append(encode(_INPUT, _value(name, 1, "C", *size)))
        elif operator in (b"Max", b"Min") and taken[-1] in limits:
            parts.append(encode(_NODE, _operation(operator.decode(), (taken[0], limits[taken[1]]), given)))
        else:
            parts.append(field)
    return _with_graph(model, parts)


def quantized(model: bytes, ranges: Mapping[str, Sequence[float]]) -> bytes:
    """The model with these convolutions in 8 bits; what is between them stays float32.

    What a convolution takes is rounded to 256 levels of its range (symmetrical about 0 where it has negative numbers),
    beyond which it is cut off; each filter of its kernel to 255, symmetrical about 0. What is added to features after
    a residual block are the rounded ones too: a quarter of the bytes. Any runtime computes this form,
    if only as float32; what has it as its own (OpenVINO) multiplies the 8-bit numbers and sums them up exactly.

    Args:
        model: The file's bytes.
        ranges: By the name of a convolution's kernel, the least and largest number that it takes.

    Raises:
        ModelError: a kernel is not there, or the bytes are damaged.
    """
    kernels = {
        name: body
        for number, _, body in _graph(model)
        if number == _INITIALIZER and (name := _tensor_name(body)) in ranges
    }
    if len(kernels) < len(ranges):
        raise ModelError(f"has no kernel called {min(set(ranges) - set(kernels))}; make it again")
    constants, parts = [], []
    for name, body in kernels.items():
        kernel = _floats(body)
        if kernel.ndim != 4 or not kernel.size:
            raise ModelError(f"has a range for {name}, which is no kernel; make it again")
        steps = np.maximum(np.abs(kernel).max(axis=(1, 2, 3)), np.float32(1e-12)) / np.float32(127)
        least, most = ranges[name]
        step, zero = (most / 255, 0) if least >= 0 else (max(-least, most) / 127, 128)
        constants += [
            _tensor(f"{name}_8_bits", np.rint(kernel / steps[:, np.newaxis, np.newaxis, np.newaxis]).astype(np.int8)),
            _tensor(f"{name}_steps", steps),
            _tensor(f"{name}_zeros", np.zeros(len(kernel), np.int8)),
            _tensor(f"{name}_step", np.array(step, np.float32)),
            _tensor(f"{name}_zero", np.array(zero, np.uint8)),
        ]
    # Rounded before they are padded, fewer bytes are copied; borders made of rounded numbers are round.
    nodes = [_node(body) for number, _, body in _graph(model) if number == _NODE]
    kernel_of = {taken[0]: taken[1] for operator, taken, _ in nodes if operator == b"Conv" and taken[1] in kernels}
    before_padding = {
        given: kernel_of[given]
        for operator, _, given in nodes
        if operator == b"Pad" and given in kernel_of and sum(given in taken for _, taken, _ in nodes) == 1
    }
    rounded: dict[str, str] = {}
    for number, field, body in _graph(model):
        if number == _INITIALIZER and _tensor_name(body) in kernels:
            continue
        operator, names, given = _node(body) if number == _NODE else (b"", [], "")
        taken = [*names]
        convolves = operator == b"Conv" and taken[1] in kernels
        name = taken[1] if convolves else before_padding.get(given, "")
        if convolves:
            stored = (f"{name}_8_bits", f"{name}_steps", f"{name}_zeros")
            restored = _operation("DequantizeLinear", stored, f"{name}_again") + _whole_number("axis", 0)
            parts.append(encode(_NODE, restored))
            taken[1] = f"{name}_again"
        if given in before_padding or (convolves and taken[0] not in before_padding):
            levels = (f"{name}_step", f"{name}_zero")
            parts += [
                encode(_NODE, _operation("QuantizeLinear", (taken[0], *levels), f"{given}_coarse")),
                encode(_NODE, _operation("DequantizeLinear", (f"{given}_coarse", *levels), f"{given}_taken")),
            ]
            rounded[taken[0]] = f"{given}_taken"
            taken[0] = f"{given}_taken"
        elif operator == b"Add":
            taken = [rounded.get(name, name) for name in taken]
        parts.append(encode(_NODE, _with_names(body, taken, given)) if taken != names else field)
    return _with_graph(model, [encode(_INITIALIZER, constant) for constant in constants] + parts)


def by_pixel(model: bytes) -> bytes:
    """The model in the form that OpenVINO is quickest at: the same picture.

    Convolutions take and give features pixel by pixel, all channels together. Scales and shifts that are no constants
    are made of a vector, channel by channel, and the engine lays out what is multiplied by them in the same way: all
    features are turned about, and turned back for the next convolution. What a convolution gives is laid out by pixel;
    so these few numbers go through one, of 1 x 1, that changes nothing.

    Raises:
        ModelError: the bytes are damaged.
    """
    fields = _graph(model)
    stored = {_tensor_name(body): body for number, _, body in fields if number == _INITIALIZER}
    constants = set(stored)
    # What is as large as the picture, or a part of it; the rest is a few numbers for all of it.
    features = {
        name for name, is_open in (_name_and_is_open(body) for number, _, body in fields if number == _INPUT) if is_open
    }
    channels: dict[str, int] = {}
    parts: list[bytes] = []
    laid_out: dict[str, str] = {}

    def lay_out(name: str, count: int) -> str:
        if name not in laid_out:
            same = f"impasto_same_{count}"
            if same not in constants:
                constants.add(same)
                kernel = np.eye(count, dtype=np.float32)[:, :, np.newaxis, np.newaxis]
                parts.append(encode(_INITIALIZER, _tensor(same, kernel)))
                parts.append(encode(_INITIALIZER, _tensor(f"{same}_size", np.array([1, count, 1, 1], np.int64))))
            laid_out[name] = f"{name}_by_pixel"
            parts.append(encode(_NODE, _operation("Reshape", (name, f"{same}_size"), f"{name}_by_channel")))
            parts.append(encode(_NODE, _operation("Conv", (f"{name}_by_channel", same), laid_out[name])))
        return laid_out[name]

    for number, field, body in fields:
        if number != _NODE:
            parts.append(field)
            continue
        operator, taken, given = _node(body)
        if features.isdisjoint(taken):
            parts.append(field)
            if constants.issuperset(taken):
                constants.add(given)
            continue
        features.add(given)
        count = channels.get(taken[0], 0)
        if operator == b"Conv":
            channels[given] = _floats(stored[taken[2]]).size if taken[2:] and taken[2] in stored else 0
        elif operator == b"InstanceNormalization" or operator in _BY_CHANNEL:
            channels[given] = count
        if not count or not features.isdisjoint(taken[1:]) or constants.issuperset(taken[1:]):
            parts.append(field)
        elif operator == b"InstanceNormalization":
            ones, zeros = f"impasto_ones_{count}", f"impasto_zeros_{count}"
            if ones not in constants:
                constants.add(ones)
                parts.append(encode(_INITIALIZER, _tensor(ones, np.ones(count, np.float32))))
                parts.append(encode(_INITIALIZER, _tensor(zeros, np.zeros(count, np.float32))))
            even, scaled = f"{given}_even", f"{given}_even_scaled"
            parts.append(encode(_NODE, _with_names(body, (taken[0], ones, zeros), even)))
            parts.append(encode(_NODE, _operation("Mul", (even, lay_out(taken[1], count)), scaled)))
            parts.append(encode(_NODE, _operation("Add", (scaled, lay_out(taken[2], count)), given)))
        elif operator in _BY_CHANNEL and len(taken) == 2:
            parts.append(encode(_NODE, _with_names(body, (taken[0], lay_out(taken[1], count)), given)))
        else:
            parts.append(field)
    return _with_graph(model, parts)


def affine(x_least: Array, x_most: Array, y_least: Array, y_most: Array, factor: Array) -> tuple[Array, Array]:
    """The a and b, each (1, C, 1, 1), with which y = a x + b, from what :func:`measuring` gives.

    A channel that is the same everywhere has a = 0.
    """
    x_reach, y_reach = x_most.astype(np.float64) - x_least, y_most.astype(np.float64) - y_least
    falls = factor.reshape(y_least.shape) < 0
    a = np.where(falls, -1, 1) * np.divide(y_reach, x_reach, out=np.zeros_like(y_reach), where=x_reach > 0)
    b = np.where(falls, y_most, y_least) - a * x_least
    return a.astype(np.float32), b.astype(np.float32)


def _results(norm: Norm) -> tuple[str, ...]:
    return tuple(f"{norm.given}_{name}" for name in ("x_least", "x_most", "y_least", "y_most", "factor"))


def _with_graph(model: bytes, parts: Sequence[bytes]) -> bytes:
    rest = b"".join(field for number, field, _ in _fields(model, _MODEL) if number != _MODEL_GRAPH)
    return rest + encode(_MODEL_GRAPH, b"".join(parts))


def _fields(message: bytes, wire_types: Mapping[int, int]) -> list[tuple[int, bytes, bytes]]:
    """See `split_fields`."""
    try:
        return split_fields(message, wire_types)
    except (EOFError, ValueError):
        raise ModelError(_DAMAGED) from None


def _graph(model: bytes) -> list[tuple[int, bytes, bytes]]:
    graphs = [body for number, _, body in _fields(model, _MODEL) if number == _MODEL_GRAPH]
    if len(graphs) != 1:
        raise ModelError(_DAMAGED)
    return _fields(graphs[0], _GRAPH_FIELDS)


def _tensor_name(body: bytes) -> str:
    """A TensorProto's name."""
    names = [value for number, _, value in _fields(body, _TENSOR_FIELDS) if number == _TENSOR_NAME]
    return b"".join(names).decode(errors="replace")


def _tensor_sizes(body: bytes) -> list[int]:
    """A TensorProto's sizes."""
    return [_value_of(field) for number, field, _ in _fields(body, _TENSOR_FIELDS) if number == _TENSOR_SIZE]


def _node(body: bytes) -> tuple[bytes, list[str], str]:
    """A node's operator, the names it takes, and the first it gives."""
    values: dict[int, list[bytes]] = {_NODE_OPERATOR: [], _NODE_OUTPUT: []}
    for number, _, value in _fields(body, _NODE_FIELDS):
        values.setdefault(number, []).append(value)
    operator, output = ((values[number] or [b""])[0] for number in (_NODE_OPERATOR, _NODE_OUTPUT))
    inputs = values.get(_NODE_INPUT, [])
    if not operator or not output or output in inputs or len(inputs) < _LEAST_TAKEN.get(operator, 0):
        raise ModelError(_DAMAGED)
    return operator, [name.decode(errors="replace") for name in inputs], output.decode(errors="replace")


def _name_and_is_open(body: bytes) -> tuple[str, bool]:
    """A ValueInfoProto's name, and whether its last size is open: it has a type, that of a tensor, and that a shape."""
    name, kind = (dict(_pairs(body, {1: 2, 2: 2, 3: 2, 4: 2})).get(number, b"") for number in (1, 2))
    tensor = dict(_pairs(kind, {1: 2, 4: 2, 5: 2, 6: 2, 8: 2, 9: 2})).get(1, b"")
    shape = dict(_pairs(tensor, {1: 0, 2: 2})).get(2, b"")
    sizes = [size for _, size in _pairs(shape, {1: 2})]
    return name.decode(errors="replace"), bool(sizes) and 1 not in dict(_pairs(sizes[-1], {1: 0, 2: 2, 3: 2}))


def _pairs(message: bytes, wire_types: Mapping[int, int]) -> list[tuple[int, bytes]]:
    return [(number, body) for number, _, body in _fields(message, wire_types)]


def _operation(operator: str, taken: Sequence[str], given: str) -> bytes:
    """A NodeProto."""
    return _with_names(encode(_NODE_OPERATOR, operator.encode()), taken, given)


def _with_names(node: bytes, taken: Sequence[str], given: str) -> bytes:
    """A NodeProto that takes and gives these instead, named after the latter."""
    renamed = (_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME)
    rest = b"".join(field for number, field, _ in _fields(node, _NODE_FIELDS) if number not in renamed)
    inputs = b"".join(encode(_NODE_INPUT, name.encode()) for name in taken)
    return inputs + encode(_NODE_OUTPUT, given.encode()) + encode(_NODE_NAME, given.encode()) + rest


def _whole_number(name: str, value: int) -> bytes:
    """An attribute of a node: an AttributeProto of type INT, as a field."""
    attribute = encode(1, name.encode()) + _number(3, value) + _number(20, 2)
    return encode(_NODE_ATTRIBUTE, attribute)


def _number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def _tensor(name: str, array: NDArray[Any]) -> bytes:
    """A TensorProto."""
    sizes = b"".join(_number(_TENSOR_SIZE, size) for size in array.shape)
    head = sizes + _number(_TENSOR_TYPE, _TENSOR_TYPES[array.dtype.name]) + encode(_TENSOR_NAME, name.encode())
    return head + encode(_TENSOR_DATA, array.astype(array.dtype.newbyteorder("<")).tobytes())


def _value_of(field: bytes) -> int:
    """The number in a field of wire type 0, its tag one byte."""
    return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(field[1:]))


def _floats(body: bytes) -> Array:
    """What a TensorProto of float32 holds."""
    data = b"".join(payload for number, _, payload in _fields(body, _TENSOR_FIELDS) if number == _TENSOR_DATA)
    try:
        return np.frombuffer(data, "<f4").reshape(_tensor_sizes(body)).astype(np.float32)
    except ValueError:
        raise ModelError(_DAMAGED) from None


def _value(name: str, *shape: int | str) -> bytes:
    """A ValueInfoProto of float32; numbers are sizes, strings names of sizes."""
    dimensions = b"".join(
        encode(1, varint(1 << 3) + varint(size) if isinstance(size, int) else encode(2, size.encode()))
        for size in shape
    )
    tensor = varint(1 << 3) + varint(1) + encode(2, dimensions)  # elem_type FLOAT, shape
    return encode(1, name.encode()) + encode(2, encode(1, tensor))
