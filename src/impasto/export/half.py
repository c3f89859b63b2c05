"""Converts a graph to float16. Sums over a picture, and features that float16 might not represent, stay in float32."""

from dataclasses import replace

import numpy as np

from impasto.errors import ModelError
from impasto.export.standalone import Constants, values_of
from impasto.models.onnx_file import DATA_TYPES, Model, Node, Tensor, attribute

LARGEST = 65504 / 4
"""Largest value in float16, on the example: a quarter of what it represents, as other pictures have larger ones."""
_STATISTICS = {"InstanceNormalization", "ReduceMean", "ReduceSum", "GlobalAveragePool"}
_FIRST_ONLY = {"Resize", "Slice"}
"""Operators of whose inputs only the first is a feature."""


def halved(model: Model, example: Constants) -> Model:
    """The model computed in float16, with float32 inputs and outputs.

    Args:
        model: A model in float32 without 8-bit operators.
        example: Inputs on which the size of all features is measured.

    Raises:
        ModelError: The features are not finite.
    """
    return _Halving(model, example).result()


class _Halving:
    """Converts node by node. Each tensor exists in float32 (by its name), in float16 (`_half`) or both."""

    def __init__(self, model: Model, example: Constants) -> None:
        self.model = model
        self.nodes: list[Node] = []
        self.constants: dict[str, Tensor] = {}
        self.singles = {value.name for value in model.inputs}
        self.halves: set[str] = set()
        self.integers: set[str] = set()
        self.large = _large(model, example, self.integers)

    def result(self) -> Model:
        """The converted model."""
        for node in self.model.nodes:
            self._add(node)
        for value in self.model.outputs:
            self._single(value.name)
        return replace(self.model, nodes=tuple(self.nodes), constants=self.constants)

    def _add(self, node: Node) -> None:
        features = [name for name in node.inputs[: 1 if node.operator in _FIRST_ONLY else None] if self._is_float(name)]
        whole = node.output in self.integers  # of shapes: the type of the features does not matter
        if whole:
            single = not any(name in self.halves for name in features)
        else:
            single = node.operator in _STATISTICS or not self.large.isdisjoint((*features, *node.outputs))
        named = {name: self._single(name) if single else self._half(name) for name in features}
        inputs = tuple(named.get(name) or self._constant(name) for name in node.inputs)
        if single or whole:
            self.nodes.append(replace(node, inputs=inputs))
            self.singles.update(node.outputs)
        else:
            self.nodes.append(replace(node, inputs=inputs, outputs=tuple(map(_name, node.outputs))))
            self.halves.update(node.outputs)

    def _is_float(self, name: str) -> bool:
        constant = self.model.constants.get(name)
        if constant is not None:
            return constant.data_type == DATA_TYPES["float32"]
        return bool(name) and name not in self.integers

    def _constant(self, name: str) -> str:
        if name in self.model.constants:
            self.constants[name] = self.model.constants[name]
        return name

    def _single(self, name: str) -> str:
        """The name of a tensor in float32, which is made if there is none."""
        if name not in self.singles and name not in self.model.constants:
            self._cast(_name(name), name, "float32")
            self.singles.add(name)
        return self._constant(name)

    def _half(self, name: str) -> str:
        """The name of a tensor in float16, which is made if there is none."""
        if name in self.model.constants:
            values = self.model.constants[name].floats().astype(np.float16)
            self.constants[_name(name)] = Tensor.from_array(_name(name), values)
        elif name not in self.halves:
            self._cast(name, _name(name), "float16")
            self.halves.add(name)
        return _name(name)

    def _cast(self, source: str, target: str, kind: str) -> None:
        self.nodes.append(Node("Cast", (source,), (target,), attribute("to", DATA_TYPES[kind]), f"{target}_cast"))


def _large(model: Model, example: Constants, integers: set[str]) -> set[str]:
    """The tensors with values above `LARGEST`. Adds those of integers to ``integers``."""
    constants = {
        name: constant.floats()
        for name, constant in model.constants.items()
        if constant.data_type == DATA_TYPES["float32"]
    }
    computed = values_of(model, [name for node in model.nodes for name in node.outputs if name], example)
    found = set()
    for name, values in {**constants, **example, **computed}.items():
        if values.dtype.kind != "f":
            integers.add(name)
        elif values.size and not float(np.abs(values).max()) <= LARGEST:
            if not np.isfinite(values).all():
                raise ModelError("its features are not finite; its training went wrong, train it again")
            found.add(name)
    return found


def _name(name: str) -> str:
    return f"{name}_half"
