"""Builds a generator's ONNX graph node by node, and reads the weights back from it.

The graph is not traced. Therefore it does not depend on the version of torch, takes milliseconds to build, and has one
readable node per layer, for which engines have fused kernels (InstanceNormalization). Every export checks that the
graph and the generator give the same output (:func:`impasto.training.export.export_generator`).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from impasto.models.onnx_file import Model, Node, Value, attribute, new_model, parse_model
from impasto.models.onnx_file import Tensor as Constant
from impasto.nn.generator import Generator
from impasto.nn.generators import CELL, LightGenerator, ResidualGenerator, TextureGenerator
from impasto.nn.layers import Conv, ConvNorm, ResidualBlock, UpsampleConv
from impasto.nn.norm import BatchNorm, ContrastNorm, InstanceNorm, NoNorm

OPSET = 18
IR_VERSION = 9
FIRST_KERNEL = "first.conv.conv.weight"
"""The name of the light network's first kernel."""
PACKED = 2
"""Side of the squares of pixels that the residual network's last convolution outputs as channels in the graph."""

_LARGEST_INDEX = np.iinfo(np.int64).max


def to_onnx(generator: Generator, *, strength: bool = False) -> bytes:
    """The generator as the content of an ONNX file that keeps the contract of :mod:`impasto.models.modelfile`.

    A network of one style contains its scales and shifts; one of several has them as its input ``style``.

    Args:
        generator: The network; its normalization is that of eval().
        strength: Whether to add an input ``strength``, with the default 1, to a network of two styles, the second of
            which reproduces the photo. The graph interpolates between them. Above 1, the last normalizations, which
            determine the colors, are not extrapolated.
    """
    graph = _Graph(generator)
    inputs = [Value("image", ("batch", 3, "height", "width"))]
    noise = "noise" if generator.noise_channels else None
    if noise:
        sides = [f"noise_{side}" if generator.noise_stride > 1 else side for side in ("height", "width")]
        inputs.append(Value(noise, ("batch", generator.noise_channels, *sides)))
    style = None
    if strength:
        inputs.append(Value("strength", (1,)))
        style = _mixed_style(graph, generator)
    elif generator.styles > 1:
        style = "style"
        inputs.append(Value(style, (generator.style_parameters().shape[1],)))
    mean = generator.mean.cpu().numpy()
    pixels = graph.add("Mul", "image", np.float32(255.0))
    if not first_layer_sees_pixels(generator):
        pixels = graph.add("Sub", pixels, mean)
    painted = _PAINTERS[type(generator)](graph, generator, pixels, noise, style)
    height_width = graph.add("Slice", graph.add("Shape", "image"), _ints(2), _ints(4))
    painted = graph.add("Slice", painted, _ints(0, 0), height_width, _ints(2, 3))
    if generator.output != "sigmoid":
        if generator.output == "tanh150":
            painted = graph.add("Mul", painted, np.float32(150.0))
        painted = graph.add("Div", graph.add("Add", painted, mean), np.float32(255.0))
        graph.add("Clip", painted, np.float32(0.0), np.float32(1.0))
    return graph.finished(inputs, Value("stylized", inputs[0].shape)).encoded()


def read_weights(content: bytes, generator: Generator) -> dict[str, Tensor]:
    """The weights in a file that :func:`to_onnx` made from a generator of the same architecture, as a state dict.

    If the graph has the input ``style``, the styles' scales and shifts are missing.

    Raises:
        ModelError: The content is damaged.
    """
    constants = parse_model(content).constants
    weights = {}
    for name, parameter in generator.state_dict().items():
        if name in constants:
            stored = torch.from_numpy(constants[name].floats().copy())
            weights[name] = unpack(stored, parameter.shape)
    return weights


def pack_kernel(kernel: Tensor) -> Tensor:
    """Convert a kernel of stride 1 to one of stride 2 that outputs each square of 2 x 2 pixels as channels.

    (F, C, h, w) -> (4 F, C, h + 1, w + 1): the kernel at its four positions in a window that is larger by one. Engines
    compute 16 channels in the time of 3. (:func:`impasto.nn.layers.narrow_conv` does the same in training.)
    """
    filters, channels, height, width = kernel.shape
    packed = kernel.new_zeros(filters, PACKED, PACKED, channels, height + PACKED - 1, width + PACKED - 1)
    for down in range(PACKED):
        for right in range(PACKED):
            packed[:, down, right, :, down : down + height, right : right + width] = kernel
    return packed.flatten(0, 2)


def pack_bias(bias: Tensor) -> Tensor:
    """The bias for the kernel from :func:`pack_kernel`, (F,) -> (4 F,)."""
    return bias.repeat_interleave(PACKED * PACKED)


def unpack(stored: Tensor, shape: Sequence[int]) -> Tensor:
    """The inverse of :func:`pack_kernel` and :func:`pack_bias`; ``shape`` is that of the original tensor.

    A tensor that is not packed is returned unchanged.
    """
    first = stored[
        :: len(stored) // shape[0]
    ]  # the first pixel of each square, whose kernel starts at the corner of the window
    return first[tuple(slice(length) for length in shape)].contiguous()


def first_layer_sees_pixels(generator: Generator) -> bool:
    """Whether the graph subtracts the mean after the first convolution instead of before.

    8 bits represent pixels exactly, but not centered pixels. The results are equal if the padding consists of pixels.
    """
    return (
        isinstance(generator, LightGenerator)
        and isinstance(generator.first.conv, Conv)
        and generator.first.conv.border > 0
    )


class _Graph:
    """An ONNX graph under construction. Weights keep the names that they have in the generator."""

    def __init__(self, generator: Generator) -> None:
        self.parameter_names = {id(x): name for name, x in generator.named_parameters()}
        self.places: dict[nn.Module, int] = {}
        """The index of each normalization's scales in the style input; its shifts follow them."""
        place = 0
        for norm in generator.conditional_norms():
            self.places[norm] = place
            place += 2 * norm.weight.shape[1]
        self._nodes: list[Node] = []
        self._constants: dict[str, Constant] = {}

    def add(self, operator: str, *inputs: Any, **attributes: Any) -> str:
        """Append a node and return its output's name. Inputs are names, or arrays and tensors (as constants)."""
        names = tuple(x if isinstance(x, str) else self.constant(x) for x in inputs)
        name = f"{operator.lower()}_{len(self._nodes)}"
        encoded = b"".join(attribute(key, attributes[key]) for key in sorted(attributes))
        self._nodes.append(Node(operator, names, (name,), encoded, name))
        return name

    def constant(self, x: Any, name: str = "") -> str:
        """Store an array or tensor as a constant and return its name: ``name``, or the weight's own name."""
        array = np.asarray(x.detach().cpu().float().contiguous() if isinstance(x, Tensor) else x)
        name = name or self.parameter_names.get(id(x), f"constant_{len(self._constants)}")
        self._constants[name] = Constant.from_array(name, array)
        return name

    def finished(self, inputs: Sequence[Value], output: Value) -> Model:
        """The finished model. Its output is that of the last node."""
        *nodes, last = self._nodes
        nodes.append(Node(last.operator, last.inputs, (output.name,), last.attributes, last.name))
        return new_model(nodes, self._constants, inputs, [output], opset=OPSET, ir_version=IR_VERSION)


def _mixed_style(graph: _Graph, generator: Generator) -> str:
    """The style input of a network that contains its style and the photo's: the mixture by ``strength``."""
    graph.constant(np.ones(1, np.float32), "strength")  # the default of the input
    style, photo = (parameters.cpu().float().numpy() for parameters in generator.style_parameters())
    late = len(style) - generator.late_size()
    early_part = graph.add("Mul", "strength", (style - photo)[:late])
    late_part = graph.add("Mul", graph.add("Min", "strength", np.ones(1, np.float32)), (style - photo)[late:])
    return graph.add("Add", photo, graph.add("Concat", early_part, late_part, axis=0))


def _ints(*values: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)


def _residual(graph: _Graph, net: Any, x: str, noise: str | None, style: str | None) -> str:
    """ResidualGenerator.paint and the output's activation; the last convolution computes squares of pixels."""
    assert isinstance(net, ResidualGenerator)
    if net.border:
        x = _pad(graph, x, net.border, "reflect")
    for layer in (*net.down, *net.blocks, *net.up):
        x = _layer(graph, layer, x, style)
    conv = net.last.conv
    assert conv.bias is not None
    kernel = pack_kernel(conv.weight.detach())
    x = graph.add(
        "Conv",
        _padded(graph, net.last, x),
        graph.constant(kernel, graph.parameter_names[id(conv.weight)]),
        graph.constant(pack_bias(conv.bias), graph.parameter_names[id(conv.bias)]),
        kernel_shape=[*kernel.shape[-2:]],
        strides=[PACKED, PACKED],  # height and width are even
        pads=[*conv.padding, *conv.padding],
    )
    return graph.add("DepthToSpace", _activated(graph, net, x), blocksize=PACKED, mode="CRD")


def _light(graph: _Graph, net: Any, x: str, noise: str | None, style: str | None) -> str:
    """LightGenerator.paint and the output's activation, which precedes DepthToSpace so that engines fuse it."""
    assert isinstance(net, LightGenerator)
    x = graph.add("SpaceToDepth", _whole_cells(graph, x, CELL)(x), blocksize=CELL)
    conv, norm = net.first.conv, net.first.norm
    assert isinstance(conv, Conv)
    x = _layer(graph, conv, x, style)
    if first_layer_sees_pixels(net):
        mean = net.mean.flatten().repeat(CELL * CELL)
        x = graph.add("Sub", x, (conv.conv.weight.sum(dim=(2, 3)) @ mean).reshape(1, -1, 1, 1))
    x = _layer(graph, norm, x, style)
    if noise is not None:
        x = graph.add("Add", x, _layer(graph, net.noise.norm, _layer(graph, net.noise.conv, noise, style), style))
    x = graph.add("Relu", x)
    for layer in (*net.blocks, net.up):
        x = _layer(graph, layer, x, style)
    x = _activated(graph, net, _layer(graph, net.last, x, style))
    return graph.add("DepthToSpace", x, blocksize=CELL, mode="CRD")


def _texture(graph: _Graph, net: Any, image: str, noise: str | None, style: str | None) -> str:
    """TextureGenerator.paint and the output's activation."""
    assert isinstance(net, TextureGenerator)
    if net.standardize:
        centered = graph.add("Sub", image, _mean_of(graph, image, 2, 3))
        variance = _mean_of(graph, graph.add("Mul", centered, centered), 1, 2, 3)
        deviation = graph.add("Sqrt", graph.add("Add", variance, np.float32(1e-5)))
        image = graph.add("Div", centered, deviation)
    extended = _whole_cells(graph, image, net.ratios[0])
    image = extended(image)
    if noise is not None:
        noise = extended(noise)

    below = ""
    for level, ratio in enumerate(net.ratios):
        x = image
        if ratio > 1:
            x = graph.add("AveragePool", image, kernel_shape=[ratio, ratio], strides=[ratio, ratio])
        if noise is not None:
            if ratio > 1:
                starts, ends = (
                    _ints(net.noise, ratio // 2, ratio // 2),
                    _ints(2 * net.noise, _LARGEST_INDEX, _LARGEST_INDEX),
                )
            else:
                starts, ends = _ints(0, 0, 0), _ints(net.noise, _LARGEST_INDEX, _LARGEST_INDEX)
            z = graph.add("Slice", noise, starts, ends, _ints(1, 2, 3), _ints(1, ratio, ratio))
            x = graph.add("Concat", x, z, axis=1)
        x = _chain(graph, net.branches[level], x, style)
        if level == 0:
            below = x
            continue
        below = _upsample(graph, below, "nearest")
        branch = _layer(graph, net.join_branch[level - 1], x, style)
        below = _layer(graph, net.join_below[level - 1], below, style)
        below = _chain(graph, net.merges[level - 1], graph.add("Concat", branch, below, axis=1), style)
    return _activated(graph, net, _layer(graph, net.last, below, style))


def _activated(graph: _Graph, generator: Generator, x: str) -> str:
    """The activation of the output function."""
    if generator.output == "linear":
        return x
    return graph.add("Sigmoid" if generator.output == "sigmoid" else "Tanh", x)


def _whole_cells(graph: _Graph, image: str, cell: int) -> Callable[[str], str]:
    """A function that pads arrays of the picture's size to multiples of ``cell``, right and below, with edge values."""
    sizes = graph.add("Slice", graph.add("Shape", image), _ints(2), _ints(4))
    missing = graph.add("Mod", graph.add("Neg", sizes), _ints(cell, cell))
    border = graph.add("Concat", _ints(0, 0, 0, 0, 0, 0), missing, axis=0)
    return lambda x: graph.add("Pad", x, border, mode="edge")


_PAINTERS: dict[type, Callable[[_Graph, Any, str, str | None, str | None], str]] = {
    ResidualGenerator: _residual,
    LightGenerator: _light,
    TextureGenerator: _texture,
}


def _chain(graph: _Graph, layers: Any, x: str, style: str | None) -> str:
    for layer in layers:
        x = _layer(graph, layer, x, style)
    return x


def _layer(graph: _Graph, layer: nn.Module, x: str, style: str | None) -> str:
    """The forward pass of any layer of :mod:`impasto.nn`."""
    match layer:
        case Conv():
            return _convolution(graph, "Conv", layer.conv, _padded(graph, layer, x))
        case UpsampleConv():
            return _layer(graph, layer.conv, _upsample(graph, x, layer.mode), style)
        case nn.ConvTranspose2d():
            return _convolution(graph, "ConvTranspose", layer, x, output_padding=list(layer.output_padding))
        case ConvNorm():
            y = _layer(graph, layer.norm, _layer(graph, layer.conv, x, style), style)
            if layer.negative_slope:
                return graph.add("LeakyRelu", y, alpha=layer.negative_slope)
            return graph.add("Relu", y)
        case ResidualBlock():
            y = _layer(graph, layer.norm, _layer(graph, layer.conv, _layer(graph, layer.first, x, style), style), style)
            if layer.crop:
                x = graph.add("Slice", x, _ints(2, 2), _ints(-2, -2), _ints(2, 3))
            x = graph.add("Add", x, y)
            return graph.add("Clip", x, np.float32(-layer.bound), np.float32(layer.bound)) if layer.bound else x
        case InstanceNorm():
            scale, shift = _scale_and_shift(graph, layer, style)
            y = graph.add("InstanceNormalization", x, scale, shift, epsilon=layer.eps)
            return _clipped(graph, y, scale, shift, layer.limit) if layer.limit else y
        case ContrastNorm():
            mean = _mean_of(graph, graph.add("Abs", x), 2, 3)
            divisor = graph.add("Max", mean, np.float32(torch.finfo(torch.float32).tiny))
            scale, shift = (graph.add("Reshape", y, _ints(-1, 1, 1)) for y in _scale_and_shift(graph, layer, style))
            return graph.add("Add", graph.add("Mul", graph.add("Div", x, divisor), scale), shift)
        case BatchNorm():
            assert layer.running_mean is not None
            assert layer.running_var is not None
            statistics = (layer.weight, layer.bias, layer.running_mean, layer.running_var)
            return graph.add("BatchNormalization", x, *statistics, epsilon=layer.eps)
        case NoNorm():
            return x
    raise TypeError(f"no ONNX for {type(layer).__name__}")


def _scale_and_shift(graph: _Graph, norm: InstanceNorm | ContrastNorm, style: str | None) -> tuple[Any, Any]:
    """The scale and shift (C,) of a normalization: constants, or parts of the style input."""
    if style is None:
        return norm.weight[0], norm.bias[0]
    place, channels = graph.places[norm], norm.weight.shape[1]
    scale = graph.add("Slice", style, _ints(place), _ints(place + channels))
    return scale, graph.add("Slice", style, _ints(place + channels), _ints(place + 2 * channels))


def _clipped(graph: _Graph, y: str, scale: Any, shift: Any, limit: float) -> str:
    """Clip ``y``, which is scaled and shifted already, at ``limit`` standard deviations from the mean."""
    distance = graph.add("Mul", graph.add("Abs", scale), np.float32(limit))
    low, high = (
        graph.add("Reshape", graph.add(operator, shift, distance), _ints(-1, 1, 1)) for operator in ("Sub", "Add")
    )
    return graph.add("Min", graph.add("Max", y, low), high)


def _convolution(graph: _Graph, operator: str, conv: Any, x: str, **attributes: Any) -> str:
    pads = [*conv.padding, *conv.padding]
    shape, strides = list(conv.kernel_size), list(conv.stride)
    return graph.add(operator, x, conv.weight, conv.bias, kernel_shape=shape, strides=strides, pads=pads, **attributes)


def _padded(graph: _Graph, layer: Conv, x: str) -> str:
    if layer.mode == "circular" and layer.border:
        return _wrap(graph, x, layer.border)
    return _pad(graph, x, layer.border, {"replicate": "edge"}.get(layer.mode, layer.mode)) if layer.border else x


def _pad(graph: _Graph, x: str, border: int, mode: str) -> str:
    return graph.add("Pad", x, _ints(0, 0, border, border, 0, 0, border, border), mode=mode)


def _wrap(graph: _Graph, x: str, border: int) -> str:
    """Circular padding, which the Pad of this opset does not have."""
    for axis in (2, 3):
        before = graph.add("Slice", x, _ints(-border), _ints(_LARGEST_INDEX), _ints(axis))
        after = graph.add("Slice", x, _ints(0), _ints(border), _ints(axis))
        x = graph.add("Concat", before, x, after, axis=axis)
    return x


def _upsample(graph: _Graph, x: str, mode: str) -> str:
    scales = np.array([1, 1, 2, 2], dtype=np.float32)
    if mode == "bilinear":
        return graph.add("Resize", x, "", scales, mode="linear", coordinate_transformation_mode="half_pixel")
    settings = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return graph.add("Resize", x, "", scales, **settings)


def _mean_of(graph: _Graph, x: str, *axes: int) -> str:
    return graph.add("ReduceMean", x, _ints(*axes), keepdims=1)
