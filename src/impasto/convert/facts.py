"""What a graph says about itself: the sizes that it takes, its strides, and its receptive field."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from impasto.convert.attributes import attributes_of
from impasto.convert.graph import PIXELS, Body
from impasto.errors import ModelError
from impasto.models.onnx_file import Node, Tensor

LEAST_SIDE = 16
"""The smallest side of a picture, as of all of Impasto's networks."""
_MULTIPLES = (1, 2, 4, 8, 16)
_TRIED = range(64, 97)
"""Sides at which the sizes of all features are computed."""


@dataclass(frozen=True)
class Facts:
    """Entries of `ModelInfo`, see there."""

    multiple_of: int
    minimum_size: int
    reach: int
    strides: tuple[int, ...]


def facts_of(body: Body) -> Facts:
    """The facts of a network.

    ``reach`` is an upper limit; whether the network paints the same in tiles is for a test to say.

    Raises:
        ModelError: No size of a picture gives a picture of at least the same size.
    """
    strides, reach = _strides_and_reach(body)
    for multiple in _MULTIPLES:
        if all(_fits(body, side, strides) for side in _TRIED if side % multiple == 0):
            break
    else:
        raise ModelError("does not return a picture of its input's size; it is not a stylizing network")
    least = _TRIED.start
    for side in range(least, LEAST_SIDE - 1, -multiple):
        if not _fits(body, side, strides):
            break
        least = side
    fine = all(stride.denominator == 1 and stride.numerator in _MULTIPLES for stride in strides)
    whole = tuple(int(stride) for stride in strides) if fine else ()
    return Facts(multiple, least, -(-int(reach) // 16) * 16 if whole else 0, whole)


def _fits(body: Body, side: int, strides: Sequence[Fraction]) -> bool:
    """Whether the network paints pictures of this height, and its features have the sizes of `feature_sizes`."""
    sizes = _sizes(body, side)
    if sizes is None or sizes[body.output] < side:
        return False
    coarsest = Fraction(1)
    norms = [node for node in body.nodes if node.operator == "InstanceNormalization"]
    for node, stride in zip(norms, strides, strict=True):
        coarsest = max(coarsest, stride)
        if sizes[node.output] != -(-side // coarsest) * coarsest / stride:
            return False
    return True


# ---- sizes ----------------------------------------------------------------------------------------------------------


def _sizes(body: Body, side: int) -> dict[str, int] | None:
    """The height of every value for a picture of this height; None where the graph does not take it."""
    sizes = {PIXELS: side}
    for node in body.nodes:
        inputs = {sizes[name] for name in node.inputs if name in sizes}
        if len(inputs) != 1:  # a sum of features of two sizes
            return None
        size = _SIZE.get(node.operator, _unchanged)(inputs.pop(), node, body.constants)
        if size < 1:
            return None
        sizes[node.output] = size
    return sizes


def _unchanged(size: int, node: Node, constants: Mapping[str, Tensor]) -> int:
    return size


def _padded(size: int, node: Node, constants: Mapping[str, Tensor]) -> int:
    edges = np.frombuffer(constants[node.inputs[1]].data, "<i8")
    before, after = int(edges[2]), int(edges[6])
    reflects = attributes_of(node).get("mode") == "reflect"
    return 0 if reflects and max(before, after) >= size else size + before + after


def _convolved(size: int, node: Node, constants: Mapping[str, Tensor]) -> int:
    kernel, stride, before, after, _ = _window(node)
    return (size + before + after - kernel) // stride + 1


def _transposed(size: int, node: Node, constants: Mapping[str, Tensor]) -> int:
    kernel, stride, before, after, more = _window(node)
    return (size - 1) * stride + kernel - before - after + more


def _doubled(size: int, node: Node, constants: Mapping[str, Tensor]) -> int:
    return 2 * size


_SIZE: dict[str, Callable[[int, Node, Mapping[str, Tensor]], int]] = {
    "Pad": _padded,
    "Conv": _convolved,
    "ConvTranspose": _transposed,
    "Resize": _doubled,
}


def _window(node: Node) -> tuple[int, int, int, int, int]:
    """A convolution's kernel height, stride, paddings before and after, and output padding."""
    found: dict[str, Any] = attributes_of(node)
    pads = found.get("pads", [0, 0, 0, 0])
    height = found["kernel_shape"][0]
    return height, found.get("strides", [1])[0], pads[0], pads[2], found.get("output_padding", [0])[0]


# ---- strides and reach ----------------------------------------------------------------------------------------------


def _strides_and_reach(body: Body) -> tuple[list[Fraction], Fraction]:
    """The stride of the features at each normalization, in pixels, and the receptive field's radius at the end."""
    stride, reach = {PIXELS: Fraction(1)}, {PIXELS: Fraction(0)}
    norms = []
    for node in body.nodes:
        before = [name for name in node.inputs if name in stride]
        step, far = _only(stride[name] for name in before), max(reach[name] for name in before)
        if node.operator in ("Conv", "ConvTranspose"):
            kernel, by, *_ = _window(node)
            far += step * (kernel // 2 if node.operator == "Conv" else -(-kernel // 2))
            step = step * by if node.operator == "Conv" else step / by
        elif node.operator == "Resize":
            far += step
            step /= 2
        elif node.operator == "InstanceNormalization":
            norms.append(step)
        stride[node.output], reach[node.output] = step, far
    return norms, reach[body.output]


def _only(values: Iterable[Fraction]) -> Fraction:
    found = set(values)
    if len(found) != 1:
        raise ModelError("adds features of two sizes; it is not a stylizing network")
    return found.pop()
