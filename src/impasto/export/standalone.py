"""Rewrites a network to a graph with one input and one output: style, strength, noise and finishing become part of it.

Every step keeps the painting. What is known before a picture is painted (scales and shifts of the style; with a fixed
size also all shapes) is computed once and stored as constants, so simple runtimes can read the graph.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.models.forms import LazyGraph
from impasto.models.onnx_file import DATA_TYPES, Model, Node, Tensor, Value, attribute
from impasto.models.protobuf import text_field
from impasto.painting.finishing import NEAR_PHOTO
from impasto.painting.onnxruntime_engine import OnnxRuntimeEngine

Constants = Mapping[str, NDArray[Any]]

PATCH = 768
"""Side of the noise that a graph of any size contains, in pixels. Larger pictures repeat it, mirrored."""
_KEPT = {"DequantizeLinear"}
"""Operators on constants that stay: they keep the file small."""


def with_constants(model: Model, constants: Constants) -> Model:
    """The model with some inputs replaced by constants."""
    tensors = {name: Tensor.from_array(name, array) for name, array in constants.items()}
    inputs = tuple(value for value in model.inputs if value.name not in constants)
    return replace(model, inputs=inputs, constants={**model.constants, **tensors})


def folded(model: Model, example: Constants, *, shapes: bool) -> Model:
    """The model with everything that does not depend on the picture computed.

    Args:
        model: The model.
        example: Inputs of the size for which shapes are computed.
        shapes: Whether shapes are constants, because the size is fixed.
    """
    known, folds, kept = {"", *model.constants}, set[str](), []
    for node in model.nodes:
        constant = known.issuperset(node.inputs) and node.operator not in _KEPT
        if constant or (shapes and node.operator == "Shape"):
            known.update(node.outputs)
            folds.update(node.outputs)
        else:
            kept.append(node)
    used = dict.fromkeys(name for node in kept for name in node.inputs if name)
    wanted = [name for name in used if name in folds]
    constants = {name: model.constants[name] for name in used if name in model.constants}
    if wanted:
        values = values_of(model, wanted, example)
        constants |= {name: Tensor.from_array(name, array) for name, array in values.items()}
    return replace(model, nodes=tuple(kept), constants=constants)


def values_of(model: Model, names: Sequence[str], inputs: Constants) -> dict[str, NDArray[Any]]:
    """The values of some of a model's tensors, for these inputs."""
    shown = replace(model, outputs=tuple(Value(name, (), message=text_field(1, name)) for name in names))
    engine = OnnxRuntimeEngine(LazyGraph(shown.encoded()), "the network", threads=1)
    return dict(zip(names, engine.run_all(inputs), strict=True))


class Nodes:
    """Collects nodes and constants that are added to a model.

    Args:
        prefix: Begins the name of every tensor, so that none has the name of another.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[Node] = []
        self.constants: dict[str, Tensor] = {}

    def constant(self, array: Any, kind: type[np.generic]) -> str:
        """The name of a new constant."""
        name = f"{self.prefix}_constant_{len(self.constants)}"
        self.constants[name] = Tensor.from_array(name, np.asarray(array, kind))
        return name

    def add(self, operator: str, *inputs: str, output: str = "", attributes: bytes = b"") -> str:
        """Add a node; returns its output."""
        output = output or f"{self.prefix}_{len(self.nodes)}"
        self.nodes.append(Node(operator, inputs, (output,), attributes, output))
        return output


def with_noise_patch(model: Model, noise: NDArray[np.float32], stride: int) -> Model:
    """The model with its noise cut from a patch, as large as the picture needs; beyond the patch it is mirrored.

    Args:
        model: A model with the inputs `image` and `noise`.
        noise: The patch, (1, C, n, n).
        stride: Pixels between two values of the noise.
    """
    made, count = Nodes("noise"), noise.shape[2]
    size = made.add("Shape", "image")
    cut = made.add("Cast", made.constant(noise, np.float16), attributes=attribute("to", DATA_TYPES["float32"]))
    for axis in (2, 3):
        pixels = made.add("Slice", size, made.constant([axis], np.int64), made.constant([axis + 1], np.int64))
        more = made.add("Add", pixels, made.constant([stride - 1], np.int64))
        length = made.add("Squeeze", made.add("Div", more, made.constant([stride], np.int64)))
        place = made.add("Range", made.constant(0, np.int64), length, made.constant(1, np.int64))
        forth = made.add("Mod", place, made.constant(2 * count, np.int64))
        back = made.add("Sub", made.constant(2 * count - 1, np.int64), forth)
        cut = made.add(
            "Gather",
            cut,
            made.add("Min", forth, back),
            output="noise" if axis == 3 else "",
            attributes=attribute("axis", axis),
        )
    inputs = tuple(value for value in model.inputs if value.name != "noise")
    nodes, constants = (*made.nodes, *model.nodes), {**model.constants, **made.constants}
    return replace(model, nodes=nodes, inputs=inputs, constants=constants)


def finished(model: Model, strength: float) -> Model:
    """The model with what :mod:`impasto.painting.finishing` does for strengths below 1."""
    if strength >= 1:
        return model
    (output,) = model.outputs
    made, photo = Nodes("finishing"), "image"
    nodes = [
        replace(node, outputs=tuple("painted" if name == output.name else name for name in node.outputs))
        for node in model.nodes
    ]

    def moments(picture: str) -> tuple[str, str, str]:
        mean = made.add("GlobalAveragePool", picture)
        away = made.add("Sub", picture, mean)
        return mean, away, made.add("Sqrt", made.add("GlobalAveragePool", made.add("Mul", away, away)))

    def between(one: str, other: str, share: float) -> str:
        return made.add("Add", one, made.add("Mul", made.add("Sub", other, one), made.constant(share, np.float32)))

    mean, away, deviation = moments("painted")
    mean_of_photo, _, deviation_of_photo = moments(photo)
    wanted_mean = between(mean, mean_of_photo, 1 - strength)
    wanted = between(deviation, deviation_of_photo, 1 - strength)
    scale = made.add("Div", wanted, made.add("Add", deviation, made.constant(1e-6, np.float32)))
    matched = made.add("Add", made.add("Mul", away, scale), wanted_mean)
    rest = max(0.0, 1 - strength / NEAR_PHOTO)
    detailed = between(matched, photo, rest) if rest else matched
    made.add("Clip", detailed, made.constant(0, np.float32), made.constant(1, np.float32), output=output.name)
    return replace(model, nodes=(*nodes, *made.nodes), constants={**model.constants, **made.constants})
