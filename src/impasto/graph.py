"""A model's graph in other forms, made of the file's bytes: with its statistics as results, and with them as inputs.

Instance normalisation at a layer is y = a x + b for each channel, a and b made of the whole picture's statistics. The
*measuring* form gives them besides the picture; the *frozen* form takes them as inputs, and then no layer looks at the
whole picture: it can be painted in tiles, and a film's frames with statistics that change slowly (Chen et al. 2022,
"thumbnail instance normalization").
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ModelError
from impasto.protobuf import encode, split_fields, varint

Array = NDArray[np.float32]

# Numbers of fields in onnx.proto.
_MODEL_GRAPH = 7
_NODE, _INITIALIZER, _INPUT, _OUTPUT = 1, 5, 11, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_OPERATOR = 1, 2, 3, 4
_MODEL = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}
_GRAPH_FIELDS = {1: 2, 2: 2, 5: 2, 10: 2, 11: 2, 12: 2, 13: 2, 14: 2, 15: 2, 16: 2}
_TENSOR_NAME = 8
_TENSOR_FIELDS = {1: 0, 2: 0, 3: 2, 4: 2, 5: 2, 6: 2, 7: 2, 8: 2, 9: 2, 10: 2, 11: 2, 12: 2, 13: 2, 14: 0, 16: 2}
_NODE_FIELDS = {1: 2, 2: 2, 3: 2, 4: 2, 5: 2, 6: 2, 7: 2, 8: 2, 9: 2, 10: 2}

_GLOBAL = {b"ReduceMean", b"GlobalAveragePool", b"ReduceSum"}
"""Operators by which a layer looks at the whole picture in ways other than instance normalisation."""


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
    parts = [encode(_INITIALIZER, _integers(axes, 2, 3))]
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
    rest = b"".join(field for number, field, _ in split_fields(model, _MODEL) if number != _MODEL_GRAPH)
    return rest + encode(_MODEL_GRAPH, b"".join(parts))


def _graph(model: bytes) -> list[tuple[int, bytes, bytes]]:
    try:
        (graph,) = [body for number, _, body in split_fields(model, _MODEL) if number == _MODEL_GRAPH]
        return split_fields(graph, _GRAPH_FIELDS)
    except (EOFError, ValueError):
        raise ModelError("is damaged, or not a model Impasto wrote; make it again") from None


def _tensor_name(body: bytes) -> str:
    """A TensorProto's name."""
    try:
        names = [value for number, _, value in split_fields(body, _TENSOR_FIELDS) if number == _TENSOR_NAME]
    except (EOFError, ValueError):
        raise ModelError("is damaged, or not a model Impasto wrote; make it again") from None
    return b"".join(names).decode(errors="replace")


def _node(body: bytes) -> tuple[bytes, list[str], str]:
    """A node's operator, the names it takes, and the first it gives."""
    values: dict[int, list[bytes]] = {}
    for number, _, value in split_fields(body, _NODE_FIELDS):
        values.setdefault(number, []).append(value)
    taken = [name.decode() for name in values.get(_NODE_INPUT, [])]
    return values[_NODE_OPERATOR][0], taken, values[_NODE_OUTPUT][0].decode()


def _operation(operator: str, taken: Sequence[str], given: str) -> bytes:
    """A NodeProto."""
    inputs = b"".join(encode(_NODE_INPUT, name.encode()) for name in taken)
    names = encode(_NODE_OUTPUT, given.encode()) + encode(_NODE_NAME, given.encode())
    return inputs + names + encode(_NODE_OPERATOR, operator.encode())


def _integers(name: str, *values: int) -> bytes:
    """A TensorProto of int64, one dimension."""
    numbers = b"".join(value.to_bytes(8, "little", signed=True) for value in values)
    return (
        varint(1 << 3)
        + varint(len(values))
        + varint(2 << 3)
        + varint(7)
        + encode(8, name.encode())
        + encode(9, numbers)
    )


def _value(name: str, *shape: int | str) -> bytes:
    """A ValueInfoProto of float32; numbers are sizes, strings names of sizes."""
    dimensions = b"".join(
        encode(1, varint(1 << 3) + varint(size) if isinstance(size, int) else encode(2, size.encode()))
        for size in shape
    )
    tensor = varint(1 << 3) + varint(1) + encode(2, dimensions)  # elem_type FLOAT, shape
    return encode(1, name.encode()) + encode(2, encode(1, tensor))
