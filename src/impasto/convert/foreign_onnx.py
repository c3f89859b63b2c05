"""Reads another project's ONNX file of a stylizing network, and rewrites it in the operators that Impasto uses.

Exporters of torch differ: sizes and scales may be constants, nodes or computed from the picture's size; paddings may be
attributes or inputs. Constants are computed once, by ONNX Runtime. How much a resizing node enlarges is measured, by
running the network on a small picture. `impasto.convert.foreign_nodes` rewrites each node that remains.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from impasto.convert.foreign_nodes import READERS, Constant, Reading
from impasto.convert.graph import PIXELS, Body, GraphBuilder
from impasto.errors import ModelError
from impasto.models.forms import LazyGraph
from impasto.models.modelfile import METADATA_KEY
from impasto.models.onnx_file import METADATA, OPSET_IMPORT, Model, Node, Value, parse_entry, parse_model, top_level
from impasto.models.protobuf import LENGTH, VARINT, fields, text, text_field
from impasto.painting.engine import Array
from impasto.painting.onnxruntime_engine import OnnxRuntimeEngine

LEAST_OPSET = 7
"""The first operator set whose arithmetic broadcasts as today's."""
PROBE_SIDE = 64
"""Height and width of the small picture, unless the file prescribes a size."""
ZOO = "ONNX model zoo fast_neural_style"
ZOO_NAMES = ("input1", "output1")
"""The input and output of the model zoo's files."""
_LARGEST_CONSTANT = 2**27
_FOLDED = {
    *("Constant", "ConstantOfShape", "Identity", "Cast", "Shape", "Concat", "Gather", "Slice", "Reshape", "Transpose"),
    *("Unsqueeze", "Squeeze", "Add", "Sub", "Mul", "Div", "Floor", "Neg"),
}
"""Operators that exporters use to compute constants."""
_SIZES = {"Shape", "Size"}
"""Operators whose result depends on the picture's size alone."""
_LICENSES = ("license", "licence", "model_license")
_OPSET = {1: LENGTH, 2: VARINT}


@dataclass(frozen=True)
class _Source:
    """A file's graph, its constants, and the sizes that its input takes."""

    model: Model
    input: Value
    side: tuple[int, int]
    """Height and width to run it with."""
    fixed: bool
    constants: Mapping[str, Constant]

    def run(self, outputs: Sequence[str], pixels: Array) -> list[Array]:
        """These values for a picture."""
        shown = tuple(map(_inferred, outputs))
        return _engine(replace(self.model, outputs=shown)).run_all({self.input.name: pixels})


@dataclass(frozen=True)
class Foreign:
    """A foreign network in Impasto's operators, and the original to compare it with."""

    body: Body
    only_size: tuple[int, int] | None
    """The only height and width that the original takes; None for any."""
    run: Callable[[Array], Array]
    """Runs the original on pixels (1, 3, H, W) in its own range and order of colors."""


def read_foreign(content: bytes, *, white: float, bgr: bool) -> Foreign:
    """Read another project's network.

    Args:
        content: The file's content.
        white: The value of white in its input and output.
        bgr: Whether its colors are blue, green, red.

    Raises:
        ModelError: The file is damaged, or the graph is not one of a stylizing network that can be converted.
    """
    source = _source(content)
    graph, output = _rewritten(source)
    metadata = _metadata(content)
    is_zoo = (source.input.name, source.model.outputs[0].name) == ZOO_NAMES
    terms = next((value for key, value in metadata.items() if key.lower() in _LICENSES), "").strip()
    body = Body(
        graph.nodes,
        graph.constants,
        output,
        project=ZOO if is_zoo else f"an ONNX file of {metadata.get('producer') or 'an unknown program'}",
        license=terms.splitlines()[0] if terms else "BSD-3-Clause" if is_zoo else "",
        source="https://github.com/onnx/models" if is_zoo else "",
        white=white,
        bgr=bgr,
    )
    whole = _engine(source.model)

    def original(pixels: Array) -> Array:
        return whole.run_all({source.input.name: pixels})[0]

    return Foreign(body, source.side if source.fixed else None, original)


def _inferred(name: str) -> Value:
    """An output whose type and shape ONNX Runtime infers."""
    return Value(name, (), message=text_field(1, name))


def _engine(model: Model) -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine(LazyGraph(model.encoded()), "the original", threads=1)


# ---- the file ------------------------------------------------------------------------------------------------------


def _source(content: bytes) -> _Source:
    try:
        model = parse_model(content)
    except ModelError:
        raise ModelError("is damaged, or has tensors of a kind that cannot be converted; export it again") from None
    if _opset(content) < LEAST_OPSET:
        raise ModelError(f"is of operator set {_opset(content)}; export it again with opset 9 or later")
    inputs = [value for value in model.inputs if value.name not in model.constants]
    if len(inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(
            f"has {len(inputs)} inputs and {len(model.outputs)} outputs; only networks of one style, from a picture to "
            "a picture, can be converted"
        )
    (value,) = inputs
    if len(value.shape) != 4 or value.shape[1] not in (3, None):
        raise ModelError(f"has an input of shape {value.shape}; only pictures as (N, 3, H, W) are supported")
    sizes = [size if isinstance(size, int) and size > 0 else 0 for size in value.shape[2:]]
    if any(size > 4096 for size in sizes):
        raise ModelError(f"takes pictures of {sizes[1]} x {sizes[0]} pixels alone; export it with dynamic sizes")
    side = (sizes[0] or PROBE_SIDE, sizes[1] or PROBE_SIDE)
    return _Source(model, value, side, fixed=any(sizes), constants=_constants(model))


def _opset(content: bytes) -> int:
    versions = [0]
    for item in top_level(content):
        if item.number == OPSET_IMPORT:
            body = content[item.body : item.stop]
            parts = {part.number: part for part in fields(body, _OPSET)}
            domain = body[parts[1].body : parts[1].stop] if 1 in parts else b""
            if domain in (b"", b"ai.onnx") and 2 in parts:
                versions.append(parts[2].value)
    return max(versions)


def _metadata(content: bytes) -> dict[str, str]:
    """The file's metadata, and its producer's name."""
    found = {}
    for item in top_level(content):
        body = content[item.body : item.stop]
        if item.number == METADATA:
            key, value = parse_entry(body)
            found[key] = value
        elif item.number == 2:
            found["producer"] = text(body)[:60]
    if METADATA_KEY in found:
        raise ModelError("is a model of Impasto already; use it with --model")
    return found


def _constants(model: Model) -> dict[str, Constant]:
    """The values that do not depend on the picture: constants, and what nodes compute from constants alone."""
    if sum(len(tensor.message) for tensor in model.constants.values()) > _LARGEST_CONSTANT:
        raise ModelError("has more than 128 MB of weights; it is not one of the networks that can be converted")
    for tensor in model.constants.values():
        if tensor.is_outside:
            raise ModelError("has its weights in another file; export it again as one file")
    known, nodes = {"", *model.constants}, []
    for node in model.nodes:
        if node.operator in _FOLDED and known.issuperset(node.inputs):
            known.update(node.outputs)
            nodes.append(node)
    made = [Node("Identity", (name,), (f"{name} value",)) for name in model.constants]
    names = [*model.constants, *(node.output for node in nodes)]
    shown = [node.output for node in (*made, *nodes)]
    if not shown:
        return {}
    folded = replace(
        model,
        nodes=(*made, *nodes),
        inputs=tuple(value for value in model.inputs if value.name in model.constants),
        outputs=tuple(map(_inferred, shown)),
    )
    return dict(zip(names, _engine(folded).run_all({}), strict=True))


# ---- the graph -----------------------------------------------------------------------------------------------------


def _rewritten(source: _Source) -> tuple[GraphBuilder, str]:
    """The graph in Impasto's operators, and the value with the painted picture."""
    graph = GraphBuilder()
    made = {source.input.name: PIXELS}
    sizes: set[str] = set()
    _check_float32(source)
    growth = _growth(source)
    for node in source.model.nodes:
        if node.output in source.constants:
            continue
        if not node.inputs:
            raise ModelError(f"has a node {node.operator} without an input; export it again")
        if node.operator in _SIZES or (sizes.intersection(node.inputs) and node.inputs[0] not in made):
            sizes.update(node.outputs)
            continue
        reader = READERS.get(node.operator)
        if reader is None:
            raise ModelError(
                f"has the operator {node.operator}, which the networks that can be converted do not use; "
                "`impasto evaluate` measures it with --range"
            )
        reading = Reading(graph, source.constants, node, made, growth)
        made[node.output] = reader(reading)
    output = source.model.outputs[0].name
    if output not in made or made[output] == PIXELS:
        raise ModelError("does not paint its input; it is not a stylizing network")
    return graph, made[output]


def _check_float32(source: _Source) -> None:
    for node in source.model.nodes:
        kernel = source.constants.get(node.inputs[1]) if node.operator == "Conv" and len(node.inputs) > 1 else None
        if kernel is not None and kernel.dtype != np.float32:
            raise ModelError(f"computes in {kernel.dtype}; export it again in float32, or convert its checkpoint")


def _growth(source: _Source) -> dict[str, int]:
    """How many times each resizing node enlarges, by its output's name."""
    resizing = [node for node in source.model.nodes if node.operator in ("Resize", "Upsample")]
    if not resizing:
        return {}
    pixels = np.zeros((1, 3, *source.side), np.float32)
    names = [name for node in resizing for name in (node.inputs[0], node.output)]
    unique = [*dict.fromkeys(names)]
    values = dict(zip(unique, source.run(unique, pixels), strict=True))
    found = {}
    for node in resizing:
        before, after = (values[name].shape[2:] for name in (node.inputs[0], node.output))
        factors = {new // old for old, new in zip(before, after, strict=True) if new % old == 0}
        if len(factors) != 1 or (factor := factors.pop()) not in (2, 4):
            raise ModelError(f"resizes features from {before} to {after}; only enlarging by 2 or 4 is supported")
        found[node.output] = factor
    return found
