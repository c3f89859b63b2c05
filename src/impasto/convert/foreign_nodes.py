"""Rewrites the nodes of other projects' networks in the operators that Impasto uses, one by one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.convert.attributes import attributes_of
from impasto.convert.graph import GraphBuilder
from impasto.errors import ModelError
from impasto.models.onnx_file import Node

Constant = NDArray[Any]


@dataclass(frozen=True)
class Reading:
    """One node, and what is known before it."""

    graph: GraphBuilder
    constants: Mapping[str, Constant]
    node: Node
    made: Mapping[str, str]
    """Value of the source -> value of the new graph."""
    growth: Mapping[str, int]

    def features(self, place: int = 0) -> str:
        """The new name of an input that is features."""
        name = self.node.inputs[place]
        if name not in self.made:
            raise self.unusual("takes an input that is not computed from the picture")
        return self.made[name]

    def constant(self, place: int) -> Constant | None:
        """An input that is a constant; None if it is left out."""
        name = self.node.inputs[place] if len(self.node.inputs) > place else ""
        if name and name not in self.constants:
            raise self.unusual("takes a computed input")
        return self.constants[name] if name else None

    def weights(self, place: int) -> Constant | None:
        """A constant, which is float32."""
        found = self.constant(place)
        if found is not None and found.dtype != np.float32:
            raise self.unusual(f"has weights of type {found.dtype}")
        return found

    @property
    def attributes(self) -> dict[str, Any]:
        """The node's attributes."""
        return attributes_of(self.node)

    def unusual(self, what: str) -> ModelError:
        """The error for a node that cannot be converted."""
        return ModelError(f"has a node {self.node.operator} that {what}; export it again, with torch.onnx")


def _conv(reading: Reading) -> str:
    kernel, bias, found = reading.weights(1), reading.weights(2), reading.attributes
    if kernel is None or kernel.ndim != 4:
        raise reading.unusual("has no kernel")
    if found.get("auto_pad", "NOTSET") != "NOTSET" or "output_shape" in found or found.get("group", 1) != 1:
        raise reading.unusual("has auto_pad, output_shape or groups")
    if any(step != 1 for step in found.get("dilations", ())):
        raise reading.unusual("has dilations")
    outputs = kernel.shape[0] if reading.node.operator == "Conv" else kernel.shape[1]
    kept = {key: list(found[key]) for key in ("strides", "pads", "output_padding") if key in found}
    name = reading.graph.constant(kernel, f"kernel.{reading.node.inputs[1]}")
    shift = np.zeros(outputs, np.float32) if bias is None else bias
    x = reading.features()
    return reading.graph.add(reading.node.operator, x, name, shift, kernel_shape=list(kernel.shape[2:]), **kept)


def _norm(reading: Reading) -> str:
    scale, shift = reading.weights(1), reading.weights(2)
    if scale is None or shift is None or scale.ndim != 1 or scale.shape != shift.shape:
        raise reading.unusual("has no scales or shifts")
    epsilon = float(reading.attributes.get("epsilon", 1e-5))
    return reading.graph.add("InstanceNormalization", reading.features(), scale, shift, epsilon=epsilon)


def _pad(reading: Reading) -> str:
    found = reading.attributes
    edges = found["pads"] if "pads" in found else reading.constant(1)
    mode, value = found.get("mode", "constant"), reading.constant(2) if "pads" not in found else None
    numbers = [] if edges is None else [int(edge) for edge in np.asarray(edges).reshape(-1)]
    if (
        len(numbers) != 8
        or any(numbers[place] for place in (0, 1, 4, 5))
        or min(numbers) < 0
        or len(reading.node.inputs) > 3
    ):
        raise reading.unusual("does not enlarge pictures")
    if (
        mode not in ("reflect", "edge", "constant")
        or float(found.get("value", 0))
        or (value is not None and value.any())
    ):
        raise reading.unusual(f"has the mode {mode}")
    return reading.graph.add("Pad", reading.features(), np.array(numbers), mode=mode)


def _resize(reading: Reading) -> str:
    if reading.attributes.get("mode", "nearest") != "nearest":
        raise reading.unusual(f"has the mode {reading.attributes['mode']}")
    x = reading.features()
    for _ in range(reading.growth[reading.node.output] // 2):
        x = reading.graph.doubled(x)
    return x


def _clip(reading: Reading) -> str:
    found = reading.attributes
    limits = []
    for place, key in ((1, "min"), (2, "max")):
        value = reading.constant(place)
        limits.append(float(value.reshape(())) if value is not None else found.get(key))
    low, high = (np.array(x, np.float32) if x is not None else "" for x in limits)
    return reading.graph.add("Clip", reading.features(), low, high)


def _arithmetic(reading: Reading) -> str:
    """Features with features, or with one number, or with one for each channel."""
    inputs: list[str | Constant] = []
    for place, name in enumerate(reading.node.inputs):
        if name in reading.made:
            inputs.append(reading.made[name])
            continue
        value = reading.weights(place)
        assert value is not None
        if value.size != 1 and value.shape[-2:] != (1, 1):
            raise reading.unusual(f"takes a constant of shape {value.shape}")
        inputs.append(value)
    if not any(isinstance(item, str) for item in inputs):
        raise reading.unusual("has no features")
    return reading.graph.add(reading.node.operator, *inputs)


def _cast(reading: Reading) -> str:
    if reading.attributes.get("to") != 1:
        raise reading.unusual("makes another type than float32")
    return reading.features()


def _activation(reading: Reading) -> str:
    alpha = {"alpha": float(reading.attributes.get("alpha", 0.01))} if reading.node.operator == "LeakyRelu" else {}
    return reading.graph.add(reading.node.operator, reading.features(), **alpha)


READERS: dict[str, Callable[[Reading], str]] = {
    "Conv": _conv,
    "ConvTranspose": _conv,
    "InstanceNormalization": _norm,
    "Pad": _pad,
    "Upsample": _resize,
    "Resize": _resize,
    "Clip": _clip,
    "Relu": _activation,
    "LeakyRelu": _activation,
    "Tanh": _activation,
    "Sigmoid": _activation,
    "Add": _arithmetic,
    "Sub": _arithmetic,
    "Mul": _arithmetic,
    "Div": _arithmetic,
    "Identity": Reading.features,
    "Dropout": Reading.features,
    "Cast": _cast,
}
"""Operator -> the function that adds a node to the new graph, and returns the name of its output."""
