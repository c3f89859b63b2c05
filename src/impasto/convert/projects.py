"""The networks of other projects, from the names and shapes of their weights.

Each builds the graph that the project's own code describes: layers, padding, order, epsilon, range of pixels.
"""

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from impasto.convert.graph import PIXELS, Body, GraphBuilder
from impasto.errors import ModelError

Array = NDArray[np.float32]

EPSILON = 1e-5
"""torch's InstanceNorm2d."""
EPSILON_LENGSTROM = 1e-3
_RUNNING = re.compile(r".*\.(running_mean|running_var|num_batches_tracked)")
"""Statistics that torch before 0.4 saved with InstanceNorm2d, and does not use."""
_EXAMPLES, _RRMINA = "conv1.conv2d.weight", "ConvBlock.0.conv_layer.weight"
"""The first weights of the networks in torch."""
_VARIABLE = re.compile(r"Variable(?:_(\d+))?")


class _Weights:
    """Weights by name, of which each is used once."""

    def __init__(self, weights: Mapping[str, Array], project: str) -> None:
        self._left = {name: array for name, array in weights.items() if not _RUNNING.fullmatch(name)}
        self._project = project

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str) -> Array:
        """The array of this name. Raises ModelError if there is none, or it is not finite."""
        if name not in self._left:
            raise ModelError(f"has no {name}, which the network of {self._project} has; it is another network")
        array = self._left.pop(name)
        if not np.isfinite(array).all():
            raise ModelError(f"has values in {name} that are not numbers; its training went wrong")
        return array

    def finish(self) -> None:
        """Raise ModelError if weights are left: the network has more layers than are known."""
        if self._left:
            raise ModelError(
                f"has {min(self._left)[:60]!r}, which the network of {self._project} has not; it is another network"
            )


def recognize(weights: Mapping[str, Array], *, tanh: bool = False) -> Body:
    """The network whose weights these are.

    Args:
        weights: Name -> array, of a checkpoint.
        tanh: For rrmina's TransformerNetworkTanh, whose weights have the same names as those of TransformerNetwork.

    Raises:
        ModelError: They are of no network that is known, or do not fit each other.
    """
    weights = _of_network(weights)
    if tanh and _RRMINA not in weights:
        raise ModelError("is not of rrmina/fast-neural-style-pytorch, whose TransformerNetworkTanh alone needs --tanh")
    if _EXAMPLES in weights:
        return _pytorch_examples(weights)
    if _RRMINA in weights:
        return _rrmina(weights, tanh=tanh)
    if "Variable" in weights:
        return _lengstrom(weights)
    found = ", ".join(sorted(weights)[:3])
    raise ModelError(
        f"has weights called {found[:100]}; only networks of pytorch/examples, rrmina and lengstrom are known"
    )


def _of_network(weights: Mapping[str, Array]) -> Mapping[str, Array]:
    """The weights of the network alone, under their own names.

    Wrappers put names before them: `module.` (several GPUs), `_orig_mod.` (compiled), or the name of an attribute.
    """
    for name in weights:
        for first in (_EXAMPLES, _RRMINA):
            before = name.removesuffix(first)
            if name.endswith(f".{first}") and not re.search(r"\bres\d+\.$", before):
                return {name[len(before) :]: array for name, array in weights.items() if name.startswith(before)}
    return weights


def _pytorch_examples(weights: Mapping[str, Array]) -> Body:
    """TransformerNet of fast_neural_style/neural_style/transformer_net.py."""
    graph, left = GraphBuilder(), _Weights(weights, "pytorch/examples")

    def conv(x: str, name: str, stride: int = 1) -> str:
        kernel = f"{name}.conv2d.weight"
        return graph.conv(x, left.take(kernel), left.take(f"{name}.conv2d.bias"), stride=stride, name=kernel)

    def norm(x: str, name: str) -> str:
        return graph.norm(x, left.take(f"{name}.weight"), left.take(f"{name}.bias"), EPSILON)

    x = PIXELS
    for number, stride in ((1, 1), (2, 2), (3, 2)):
        x = graph.add("Relu", norm(conv(x, f"conv{number}", stride), f"in{number}"))
    block = 1
    while f"res{block}.conv1.conv2d.weight" in left:
        y = graph.add("Relu", norm(conv(x, f"res{block}.conv1"), f"res{block}.in1"))
        x = graph.add("Add", norm(conv(y, f"res{block}.conv2"), f"res{block}.in2"), x)
        block += 1
    for number in (1, 2):
        x = graph.add("Relu", norm(conv(graph.doubled(x), f"deconv{number}"), f"in{number + 3}"))
    x = conv(x, "deconv3")
    left.finish()
    return Body(
        graph.nodes,
        graph.constants,
        x,
        project="pytorch/examples fast_neural_style",
        license="BSD-3-Clause",
        source="https://github.com/pytorch/examples/tree/main/fast_neural_style",
        record={"blocks": block - 1},
    )


def _rrmina(weights: Mapping[str, Array], *, tanh: bool) -> Body:
    """TransformerNetwork, its V2 and Tanh, and TransformerResNextNetwork; pixels are BGR."""
    graph, left = GraphBuilder(), _Weights(weights, "rrmina/fast-neural-style-pytorch")

    def conv(x: str, name: str, stride: int = 1) -> str:
        kernel = f"{name}.conv_layer.weight"
        return graph.conv(x, left.take(kernel), left.take(f"{name}.conv_layer.bias"), stride=stride, name=kernel)

    def up(x: str, name: str) -> str:
        kernel = left.take(f"{name}.conv_transpose.weight")
        edge = kernel.shape[2] // 2 if kernel.ndim == 4 else 0
        bias = left.take(f"{name}.conv_transpose.bias")
        kernel_name = f"{name}.conv_transpose.weight"
        return graph.transposed(x, kernel, bias, before=edge, after=edge, more=1, name=kernel_name)

    def norm(x: str, name: str) -> str:
        return graph.norm(x, left.take(f"{name}.norm_layer.weight"), left.take(f"{name}.norm_layer.bias"), EPSILON)

    x = PIXELS
    for number, stride in ((0, 1), (2, 2), (4, 2)):
        name = f"ConvBlock.{number}"
        x = graph.add("Relu", norm(conv(x, name, stride), name))
    # The layers of TransformerNetworkV2 have the same names in another order.
    order = [name for name in weights if name.startswith("ResidualBlock.0.conv1.")]
    norm_first = order[:1] == ["ResidualBlock.0.conv1.norm_layer.weight"]
    block = 0
    while f"ResidualBlock.{block}.conv1.conv_layer.weight" in left:
        y, layer = x, 1
        while f"ResidualBlock.{block}.conv{layer}.conv_layer.weight" in left:
            name = f"ResidualBlock.{block}.conv{layer}"
            if norm_first:
                y = conv(graph.add("Relu", norm(y, name)), name)
            else:
                y = norm(conv(graph.add("Relu", y) if layer > 1 else y, name), name)
            layer += 1
        x = graph.add("Add", y, x)
        block += 1
    for number in (0, 2):
        x = graph.add("Relu", norm(up(x, f"DeconvBlock.{number}"), f"DeconvBlock.{number}"))
    x = conv(x, "DeconvBlock.4")
    left.finish()
    if tanh:
        x = graph.add("Mul", graph.add("Tanh", x), np.array(150, np.float32))
    return Body(
        graph.nodes,
        graph.constants,
        x,
        project="rrmina/fast-neural-style-pytorch",
        license="none in the project; its author says to use it freely (issue 21)",
        source="https://github.com/rrmina/fast-neural-style-pytorch",
        bgr=True,
        record={"blocks": block, "output": "tanh150" if tanh else "linear", **({"version": 2} if norm_first else {})},
    )


def _lengstrom(weights: Mapping[str, Array]) -> Body:
    """The network of src/transform.py; for each layer a kernel (h, w, C, F), shifts and scales, as Variable_N."""
    numbered = {int(found[1] or 0): x for name, x in weights.items() if (found := _VARIABLE.fullmatch(name))}
    count = len(numbered)
    if count < 18 or (count - 18) % 6 or sorted(numbered) != list(range(count)):
        raise ModelError(f"has {count} variables, and a network of lengstrom/fast-style-transfer has 18 + 6 a block")
    ordered = {f"Variable_{number}": numbered[number] for number in range(count)}
    graph, left = GraphBuilder(), _Weights(ordered, "lengstrom/fast-style-transfer")
    place = 0

    def layer(x: str, *, stride: int = 1, up: bool = False, relu: bool = True) -> str:
        nonlocal place
        kernel, shift, scale = (left.take(f"Variable_{place + offset}") for offset in range(3))
        name = f"Variable_{place}"
        place += 3
        if kernel.ndim != 4:
            raise ModelError(f"has {name} of shape {kernel.shape}, which is not a kernel; it is another network")
        if up:  # (h, w, F, C)
            size = kernel.shape[0] - 2
            y = graph.transposed(x, kernel.transpose(3, 2, 0, 1), before=size // 2, after=size - size // 2, name=name)
        else:
            y = graph.conv(x, kernel.transpose(3, 2, 0, 1), stride=stride, padding="zero", name=name)
        y = graph.norm(y, scale, shift, EPSILON_LENGSTROM)
        return graph.add("Relu", y) if relu else y

    x = layer(layer(layer(PIXELS), stride=2), stride=2)
    for _ in range((count - 18) // 6):
        x = graph.add("Add", layer(layer(x), relu=False), x)
    x = layer(layer(layer(x, up=True), up=True), relu=False)
    left.finish()
    x = graph.add("Mul", graph.add("Tanh", x), np.array(150, np.float32))
    x = graph.add("Add", x, np.array(127.5, np.float32))
    return Body(
        graph.nodes,
        graph.constants,
        x,
        project="lengstrom/fast-style-transfer",
        license="research only, no commercial use (the project's README); ask its author",
        source="https://github.com/lengstrom/fast-style-transfer",
        record={"blocks": (count - 18) // 6},
    )
