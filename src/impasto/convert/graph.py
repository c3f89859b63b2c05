"""Builds the ONNX graph of a converted network, node by node."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ModelError
from impasto.models.onnx_file import Node, Tensor, Value, attribute, new_model

Array = NDArray[Any]
Padding = Literal["reflect", "zero"]

OPSET = 18
IR_VERSION = 9
PIXELS = "pixels"
"""The value with the picture in the original network's range, (N, 3, H, W)."""


class GraphBuilder:
    """A graph under construction. It starts with the value `PIXELS`.

    Args:
        prefix: How the names of its values and constants begin.

    Attributes:
        nodes: The nodes so far, in topological order.
        constants: The constants so far, by name.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self.nodes: list[Node] = []
        self.constants: dict[str, Tensor] = {}
        self._channels: dict[str, int] = {PIXELS: 3}

    def add(self, operator: str, *inputs: str | Array, **attributes: Any) -> str:
        """Append a node and return its output's name. Inputs are names, or arrays (as constants)."""
        names = tuple(x if isinstance(x, str) else self.constant(x) for x in inputs)
        name = f"{self._prefix}{operator.lower()}_{len(self.nodes)}"
        encoded = b"".join(attribute(key, attributes[key]) for key in sorted(attributes))
        self.nodes.append(Node(operator, names, (name,), encoded, name))
        self._channels[name] = self._channels.get(names[0], 0)
        return name

    def constant(self, array: Array, name: str = "") -> str:
        """Store an array as a constant and return its name."""
        name = name or f"{self._prefix}constant_{len(self.constants)}"
        self.constants[name] = Tensor.from_array(name, np.ascontiguousarray(array))
        return name

    def channels(self, value: str) -> int:
        """The number of channels of a value that the methods below made."""
        return self._channels[value]

    def conv(
        self,
        x: str,
        kernel: Array,
        bias: Array | None = None,
        *,
        stride: int = 1,
        padding: Padding = "reflect",
        name: str = "",
    ) -> str:
        """A convolution that keeps the size, divided by the stride.

        Args:
            x: The features.
            kernel: Float32 (F, C, k, k).
            bias: Float32 (F,); None for none.
            stride: 1 or 2.
            padding: What is outside: "reflect", half a kernel on each side, as in torch; or "zero", as TensorFlow's
                SAME for even sizes, which puts less before than after.
            name: The kernel's name.

        Raises:
            ModelError: The kernel does not fit the features.
        """
        count, sides = self._fitting(x, kernel, bias, name, inputs=1)
        size = sides[0]
        pads = [0, 0, 0, 0]
        if padding == "reflect":
            edge = size // 2
            if edge:
                x = self.add("Pad", x, np.array([0, 0, edge, edge, 0, 0, edge, edge]), mode="reflect")
        else:
            before = (size - stride) // 2
            pads = [before, before, size - stride - before, size - stride - before]
        return self._convolved("Conv", x, kernel, bias, count, name, strides=[stride, stride], pads=pads)

    def transposed(
        self,
        x: str,
        kernel: Array,
        bias: Array | None = None,
        *,
        before: int,
        after: int,
        more: int = 0,
        name: str = "",
    ) -> str:
        """A transposed convolution of stride 2, which doubles the size.

        Args:
            x: The features.
            kernel: Float32 (C, F, k, k).
            bias: Float32 (F,); None for none.
            before: Rows and columns that are cut off at the top and left.
            after: Likewise at the bottom and right.
            more: Rows and columns that are added there (output padding).
            name: The kernel's name.

        Raises:
            ModelError: The kernel does not fit the features.
        """
        count, _ = self._fitting(x, kernel, bias, name, inputs=0)
        extra = {"output_padding": [more, more]} if more else {}
        pads = [before, before, after, after]
        return self._convolved("ConvTranspose", x, kernel, bias, count, name, strides=[2, 2], pads=pads, **extra)

    def norm(self, x: str, scale: Array, shift: Array, epsilon: float) -> str:
        """Instance normalization with a scale and a shift for each channel. Raises ModelError unless they fit."""
        if scale.shape != (self._channels[x],) or shift.shape != scale.shape:
            raise ModelError(f"has a normalization of {scale.shape} values for {self._channels[x]} channels; {NOT_ONE}")
        return self.add("InstanceNormalization", x, scale, shift, epsilon=epsilon)

    def doubled(self, x: str) -> str:
        """Twice the size, each value repeated."""
        scales = np.array([1, 1, 2, 2], np.float32)
        settings = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.add("Resize", x, "", scales, **settings)

    def _convolved(
        self, operator: str, x: str, kernel: Array, bias: Array | None, count: int, name: str, **attributes: Any
    ) -> str:
        shift = np.zeros(count, np.float32) if bias is None else bias  # engines know the channels by it
        weights = self.constant(kernel, name)
        y = self.add(operator, x, weights, shift, kernel_shape=[*kernel.shape[2:]], **attributes)
        self._channels[y] = count
        return y

    def _fitting(
        self, x: str, kernel: Array, bias: Array | None, name: str, *, inputs: int
    ) -> tuple[int, tuple[int, ...]]:
        """The number of filters, and the kernel's sides, which are equal and odd."""
        fits = kernel.ndim == 4 and kernel.shape[inputs] == self._channels[x] and kernel.shape[2] == kernel.shape[3]
        if not fits or kernel.shape[2] % 2 == 0 or not kernel.size:
            raise ModelError(f"has a kernel {name} of {kernel.shape} for {self._channels[x]} channels; {NOT_ONE}")
        count = kernel.shape[1 - inputs]
        if bias is not None and bias.shape != (count,):
            raise ModelError(f"has {bias.shape} biases for the {count} filters of {name}; {NOT_ONE}")
        return count, kernel.shape[2:]


NOT_ONE = "it is not a network of the projects that can be converted"


@dataclass(frozen=True)
class Body:
    """A network between pixels in its own range: what a reader of a format returns."""

    nodes: Sequence[Node]
    constants: dict[str, Tensor]
    output: str
    """The value with the painted picture, (N, 3, at least H, at least W)."""
    project: str
    """Where it comes from, in a few words."""
    license: str = ""
    source: str = ""
    white: float = 255.0
    """The value of white in its pixels."""
    bgr: bool = False
    """Whether its pixels are blue, green, red."""
    notes: tuple[str, ...] = ()
    """What the user should know, one line each."""
    record: dict[str, Any] = field(default_factory=dict)
    """Facts for the model's description."""


def assemble(body: Body) -> bytes:
    """The content of an ONNX file that keeps the contract of `impasto.models.modelfile`, without a description."""
    graph = GraphBuilder("around_")
    graph.constants |= body.constants
    turn = np.array([2, 1, 0])
    x = graph.add("Mul", "image", np.array(body.white, np.float32))
    if body.bgr:
        x = graph.add("Gather", x, turn, axis=1)
    start = graph.nodes.pop()
    graph.nodes.append(Node(start.operator, start.inputs, (PIXELS,), start.attributes, PIXELS))
    graph.nodes += body.nodes
    x = graph.add("Gather", body.output, turn, axis=1) if body.bgr else body.output
    sizes = graph.add("Slice", graph.add("Shape", "image"), np.array([2]), np.array([4]))
    x = graph.add("Slice", x, np.array([0, 0]), sizes, np.array([2, 3]))
    x = graph.add("Div", x, np.array(body.white, np.float32))
    graph.add("Clip", x, np.array(0, np.float32), np.array(1, np.float32))
    *nodes, last = graph.nodes
    nodes.append(Node(last.operator, last.inputs, ("stylized",), last.attributes, last.name))
    image, stylized = (Value(name, ("batch", 3, "height", "width")) for name in ("image", "stylized"))
    return new_model(nodes, graph.constants, [image], [stylized], opset=OPSET, ir_version=IR_VERSION).encoded()
