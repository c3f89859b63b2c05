"""From a trained generator to the model file everyone can run.

The graph is written node by node rather than traced: it comes out the same whatever torch's version, in milliseconds,
with one node a layer, so that a runtime finds its fused kernels (InstanceNormalization) and a person can read it.
What tracing would guarantee, that the file computes what the generator does, every export checks.
"""

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from impasto.errors import ModelError
from impasto.models.modelfile import ModelInfo, network_hash, write_model
from impasto.models.stylefile import SUFFIX, Style, StyleInfo, read_style, write_style
from impasto.nn.generator import Generator
from impasto.nn.generators import CELL, LightGenerator, ResidualGenerator, TextureGenerator
from impasto.nn.layers import Conv, ConvNorm, ResidualBlock, UpsampleConv
from impasto.nn.norm import BatchNorm, ContrastNorm, InstanceNorm, NoNorm
from impasto.training.base import Base
from impasto.training.config import TrainConfig
from impasto.training.run import results_of

OPSET = 18
IR_VERSION = 9
RANGE_CHANNELS = 48
"""Channels that a convolution sums over, at least, to be computed in 8 bits."""
RANGE_SAMPLE = 2**14
"""Features of each layer and look that ranges are found by."""
AT_ONCE = 2
"""Side of the squares of pixels that the residual network's last convolution makes at once, in its graph."""
TOLERANCE = 1 / 255
"""How far ONNX Runtime's pixels may lie from torch's, in [0, 1]."""


def write_result(
    generator: Generator, config: TrainConfig, training: dict[str, Any], base: Base | None, photos: Sequence[Tensor]
) -> None:
    """Write what a run learnt: a model file; a style file for the shared network; or a network and its style files.

    ``photos``, each (1, 3, H, W), are painted to find the ranges of its features, see :func:`feature_ranges`.

    Raises:
        ModelError: as :func:`export_generator`, or a file cannot be written.
    """
    names = [path.stem for path in config.styles]
    title = config.title or names[0]
    if config.style_only:
        assert base is not None
        record = StyleInfo(
            name=config.output.stem,
            network=base.network,
            title=title,
            licence=config.licence,
            source=config.source,
            training=training,
        )
        parameters, photo = generator.style_parameters()[0], base.style_parameters[-1]
        write_style(config.output, Style(record, _vector(parameters), _vector(photo)))
        return
    alone = len(names) == 1
    info = ModelInfo(
        architecture=config.recipe.generator,
        arguments=config.recipe.generator_arguments(),
        styles=tuple(names),
        style_size=0 if alone else generator.style_parameters().shape[1],
        late_size=0 if alone else generator.late_size(),
        strength=alone and generator.styles > 1,
        style_title=title if alone else "",
        licence=config.licence,
        source=config.source,
        ranges=feature_ranges(generator, photos) if config.recipe.norm == "instance" else {},
        training=training,
    )
    if alone:
        export_generator(generator, info, config.output)
        return
    network, *files = results_of(config)
    stale = _styles_of(network)
    export_generator(generator, info, network)
    for path in stale:
        path.unlink()
    sha256 = network_hash(network)
    *style_parameters, photo = generator.style_parameters()
    for name, file, parameters in zip(names, files, style_parameters, strict=True):
        record = StyleInfo(
            name=name, network=sha256, title=name, licence=config.licence, source=config.source, training=training
        )
        write_style(file, Style(record, _vector(parameters), _vector(photo)))


def _styles_of(network: Path) -> list[Path]:
    """The style files beside ``network`` that fit it and no other."""
    if not network.exists():
        return []
    sha256, found = network_hash(network), []
    for path in network.parent.glob(f"*{SUFFIX}"):
        with contextlib.suppress(ModelError):  # weights of something else
            if read_style(path).info.network == sha256:
                found.append(path)
    return found


def _vector(parameters: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    return parameters.cpu().float().numpy()


@torch.no_grad()
def feature_ranges(generator: Generator, photos: Sequence[Tensor]) -> dict[str, tuple[float, float]]:
    """What convolutions take, for `impasto.models.forms.quantized`: by the kernel's name, the least and largest number.

    Of those that sum over :data:`RANGE_CHANNELS` channels or more: most of the work, and there roundings average out.
    In every style, and at twice its strength, which is as far as strengths go.
    """
    seen: dict[str, list[Tensor]] = {}
    hooks = []
    for name, layer in generator.named_modules():
        if isinstance(layer, nn.Conv2d) and layer.in_channels >= RANGE_CHANNELS:
            found = seen[f"{name}.weight"] = []

            def look(_: nn.Module, taken: tuple[Tensor, ...], found: list[Tensor] = found) -> None:
                features = taken[0]
                step = 1 + features.numel() // RANGE_SAMPLE
                while math.gcd(step, features[0, 0].numel()) > 1:  # not the same places of every channel
                    step += 1
                found.append(features.flatten()[::step].float().cpu().clone())  # a view would keep all of them

            hooks.append(layer.register_forward_pre_hook(look))
    strengths = torch.eye(generator.styles)[:, None]
    if generator.styles > 1:  # the last gives the photo back
        strengths = torch.cat([strengths, 2 * strengths[:-1] - strengths[-1:]])
    training = generator.training
    generator.eval()
    for photo in photos:
        for style in strengths:
            generator(photo, None, style.to(photo.device) if generator.styles > 1 else None)
    generator.train(training)
    for hook in hooks:
        hook.remove()
    ranges = {name: _range(torch.cat(found)) for name, found in seen.items()}
    if _takes_pixels(generator) and "first.conv.conv.weight" in ranges:
        ranges["first.conv.conv.weight"] = (0.0, 255.0)  # levels of a whole number each: nothing is rounded
    return ranges


def _range(features: Tensor) -> tuple[float, float]:
    """The least and largest number that 8 bits should hold: where cutting off and rounding change least, together.

    Changes count to the power of 1.5: squared, a few loud places would make all the faint ones coarse.
    """
    sizes, levels = features.abs(), 255 if float(features.min()) >= 0 else 127
    reaches = [max(float(sizes.max()), 0.01) * share / 64 for share in range(1, 65)]
    rounded = float((sizes > 0).float().mean()) / 2.5  # the mean of |u|^1.5 over half a level, u from 0 to 1
    changes = [
        float((sizes - reach).clamp_min(0).pow(1.5).mean()) + rounded * (reach / (2 * levels)) ** 1.5
        for reach in reaches
    ]
    reach = round(reaches[changes.index(min(changes))], 4)
    return 0.0 if levels == 255 else -reach, reach


def export_generator(generator: Generator, info: ModelInfo, path: Path) -> None:
    """Write the generator as a model file (docs/model-format.md), after checking that ONNX Runtime agrees with torch.

    Batch, height and width are dynamic; weights are float32. Normalisation is that of eval(). What the generator states
    about its sizes and its noise replaces what ``info`` says.

    Raises:
        ModelError: if the two runtimes differ by more than 1/255 anywhere, or the file cannot be written.
    """
    model = to_onnx(generator, strength=info.strength)
    for height, width in ((96, 112), (generator.minimum_size + 3, generator.minimum_size + 14)):
        inputs = example_inputs(generator, height=height, width=width)
        difference = disagreement(generator, model, inputs)
        if not difference <= TOLERANCE:
            raise ModelError(
                f"{path}: not written: ONNX Runtime's picture differs from torch's by {difference * 255:.1f}/255 "
                "at one pixel: please report this with the run's config.json"
            )
    write_model(path, model, replace(info, **facts(generator)))


def facts(generator: Generator) -> dict[str, Any]:
    """What the generator states about its sizes and its noise, as entries of `ModelInfo`."""
    names = ("minimum_size", "noise_channels", "noise_stride", "noise_scales", "reach", "strides")
    return {name: getattr(generator, name) for name in names}


def example_inputs(generator: Generator, *, height: int, width: int, batch: int = 2) -> dict[str, Tensor]:
    """Random inputs of the generator; seeded. All pictures of the batch have one style, a mixture."""
    source = torch.Generator().manual_seed(0)
    inputs = {"image": torch.rand(batch, 3, height, width, generator=source)}
    if generator.noise_channels:
        inputs["noise"] = generator.draw_noise(batch, height, width, source=source)
    if generator.styles > 1:
        inputs["style"] = torch.rand(1, generator.styles, generator=source).softmax(dim=1).expand(batch, -1)
    return inputs


@torch.no_grad()
def disagreement(generator: Generator, model: bytes, inputs: dict[str, Tensor]) -> float:
    """The greatest difference of any pixel between ONNX Runtime and torch on these inputs, in [0, 1]."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it would warn that strength is no constant, which is meant
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    arrays = {name: x.numpy() for name, x in inputs.items()}
    if "strength" in {x.name for x in session.get_overridable_initializers()}:
        arrays["strength"] = arrays.pop("style")[0, :1]
    elif "style" in inputs:
        arrays["style"] = (inputs["style"][0] @ generator.style_parameters().cpu()).numpy()
    (theirs,) = session.run(None, arrays)
    device = next(generator.parameters()).device
    training = generator.training
    ours = generator.eval()(**{name: x.to(device) for name, x in inputs.items()}).clamp(0, 1).cpu().numpy()
    generator.train(training)
    if ours.shape != theirs.shape:
        return float("inf")
    return float(np.abs(ours - theirs).max())


def to_onnx(generator: Generator, *, strength: bool = False) -> bytes:
    """The generator as a serialised ONNX model that keeps the contract of :mod:`impasto.models.modelfile`.

    A network of one style holds its scales and shifts; one of several takes them as its input ``style``. With
    ``strength`` it holds two, the style's and the photo's, and takes how far the style is from the photo; beyond 1, the
    layers that make the colours stay at the style's.
    """
    graph = _Graph(generator)
    shapes: dict[str, list[str | int]] = {"image": ["batch", 3, "height", "width"]}
    if generator.noise_channels:
        sides = [f"noise_{side}" if generator.noise_stride > 1 else side for side in ("height", "width")]
        shapes["noise"] = ["batch", generator.noise_channels, *sides]
    noise = "noise" if "noise" in shapes else None
    style = None
    if strength:
        shapes["strength"] = [1]
        graph.constants.append(numpy_helper.from_array(np.ones(1, np.float32), "strength"))  # unless it is given
        full, none = (_vector(parameters) for parameters in generator.style_parameters())
        late = len(full) - generator.late_size()
        early_part = graph.add("Mul", "strength", (full - none)[:late])
        late_part = graph.add("Mul", graph.add("Min", "strength", np.ones(1, np.float32)), (full - none)[late:])
        style = graph.add("Add", none, graph.add("Concat", early_part, late_part, axis=0))
    elif generator.styles > 1:
        shapes["style"] = [generator.style_parameters().shape[1]]
        style = "style"
    mean = generator.mean.cpu().numpy()
    pixels = graph.add("Mul", "image", np.float32(255.0))
    if not _takes_pixels(generator):
        pixels = graph.add("Sub", pixels, mean)
    painted = _PAINTERS[type(generator)](graph, generator, pixels, noise, style)
    height_width = graph.add("Slice", graph.add("Shape", "image"), _ints(2), _ints(4))
    last = graph.add("Slice", painted, _ints(0, 0), height_width, _ints(2, 3))
    if generator.output != "sigmoid":
        if generator.output == "tanh150":
            last = graph.add("Mul", last, np.float32(150.0))
        last = graph.add("Div", graph.add("Add", last, mean), np.float32(255.0))
        last = graph.add("Clip", last, np.float32(0.0), np.float32(1.0))
    graph.nodes[-1].output[0] = "stylized"
    assert last == graph.last_name

    def value(name: str, shape: list[str | int]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    body = helper.make_graph(
        graph.nodes,
        "impasto",
        [value(name, shape) for name, shape in shapes.items()],
        [value("stylized", shapes["image"])],
        graph.constants,
    )
    model = helper.make_model(
        body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="impasto"
    )
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString()
    return data


def _takes_pixels(generator: Generator) -> bool:
    """Whether the graph centres the first convolution's results rather than the pixels, which 8 bits hold as they are.

    That is the same where its border is made of pixels too.
    """
    return (
        isinstance(generator, LightGenerator)
        and isinstance(generator.first.conv, Conv)
        and generator.first.conv.border > 0
    )


class _Graph:
    """An ONNX graph under construction: ``add`` appends a node and returns its output's name.

    Weights keep the names they have in the generator.
    """

    def __init__(self, generator: Generator) -> None:
        self.parameter_names = {id(x): name for name, x in generator.named_parameters()}
        self.places: dict[nn.Module, int] = {}  # where in a style each normalisation's scales begin; shifts follow
        place = 0
        for norm in generator.conditional_norms():
            self.places[norm] = place
            place += 2 * norm.weight.shape[1]
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.last_name = ""

    def add(self, operator: str, *inputs: Any, **attributes: Any) -> str:
        """Append a node; inputs are names of others' outputs, or arrays and tensors, which become constants."""
        names = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        self.last_name = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [self.last_name], name=self.last_name, **attributes))
        return self.last_name

    def constant(self, x: Any, name: str = "") -> str:
        """Keep an array or tensor, under its own name where it is a weight, and return the name."""
        array = np.asarray(x.detach().cpu().float().contiguous() if isinstance(x, Tensor) else x)
        name = name or self.parameter_names.get(id(x), f"constant_{len(self.constants)}")
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
        return name


def _ints(*values: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)


def _residual(graph: _Graph, net: Any, x: str, noise: str | None, style: str | None) -> str:
    """ResidualGenerator.paint, squashed."""
    assert isinstance(net, ResidualGenerator)
    if net.border:
        x = _pad(graph, x, net.border, "reflect")
    for layer in (*net.down, *net.blocks, *net.up):
        x = _layer(graph, layer, x, style)
    x = _pixels_at_once(graph, net.last.conv, _bordered(graph, net.last, x))
    return graph.add("DepthToSpace", _squashed(graph, net, x), blocksize=AT_ONCE, mode="CRD")


def _pixels_at_once(graph: _Graph, conv: nn.Conv2d, x: str) -> str:
    """A convolution that makes pixels, for squares of them: engines compute 16 channels together, and 3 no quicker.

    The kernel stands in its place of a larger one for each of a square's pixels, which are channels then. Height and
    width are even. (For training see `narrow_conv` of :mod:`impasto.nn.generators`.)
    """
    kernel, bias = conv.weight.detach(), conv.bias
    assert bias is not None
    filters, channels, height, width = kernel.shape
    large = kernel.new_zeros(filters, AT_ONCE, AT_ONCE, channels, height + AT_ONCE - 1, width + AT_ONCE - 1)
    for down in range(AT_ONCE):
        for right in range(AT_ONCE):
            large[:, down, right, :, down : down + height, right : right + width] = kernel
    return graph.add(
        "Conv",
        x,
        graph.constant(large.flatten(0, 2), graph.parameter_names[id(conv.weight)]),
        graph.constant(bias.repeat_interleave(AT_ONCE * AT_ONCE), graph.parameter_names[id(bias)]),
        kernel_shape=[*large.shape[-2:]],
        strides=[AT_ONCE, AT_ONCE],
        pads=[*conv.padding, *conv.padding],
    )


def _light(graph: _Graph, net: Any, x: str, noise: str | None, style: str | None) -> str:
    """LightGenerator.paint, squashed before squares become pixels: a runtime squashes as it convolves."""
    assert isinstance(net, LightGenerator)
    x = graph.add("SpaceToDepth", _whole_cells(graph, x, CELL)(x), blocksize=CELL)
    conv, norm = net.first.conv, net.first.norm
    assert isinstance(conv, Conv)
    x = _layer(graph, conv, x, style)
    if _takes_pixels(net):
        mean = net.mean.flatten().repeat(CELL * CELL)
        x = graph.add("Sub", x, (conv.conv.weight.sum(dim=(2, 3)) @ mean).reshape(1, -1, 1, 1))
    x = _layer(graph, norm, x, style)
    if noise is not None:
        x = graph.add("Add", x, _layer(graph, net.noise.norm, _layer(graph, net.noise.conv, noise, style), style))
    x = graph.add("Relu", x)
    for layer in (*net.blocks, net.up):
        x = _layer(graph, layer, x, style)
    x = _squashed(graph, net, _layer(graph, net.last, x, style))
    return graph.add("DepthToSpace", x, blocksize=CELL, mode="CRD")


def _texture(graph: _Graph, net: Any, image: str, noise: str | None, style: str | None) -> str:
    """TextureGenerator.paint, squashed."""
    assert isinstance(net, TextureGenerator)
    if net.standardize:
        centred = graph.add("Sub", image, _mean_of(graph, image, 2, 3))
        variance = _mean_of(graph, graph.add("Mul", centred, centred), 1, 2, 3)
        deviation = graph.add("Sqrt", graph.add("Add", variance, np.float32(1e-5)))
        image = graph.add("Div", centred, deviation)
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
            large = np.iinfo(np.int64).max
            if ratio > 1:
                starts, ends = _ints(net.noise, ratio // 2, ratio // 2), _ints(2 * net.noise, large, large)
            else:
                starts, ends = _ints(0, 0, 0), _ints(net.noise, large, large)
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
    return _squashed(graph, net, _layer(graph, net.last, below, style))


def _squashed(graph: _Graph, generator: Generator, x: str) -> str:
    """What of the output function is not linear."""
    if generator.output == "linear":
        return x
    return graph.add("Sigmoid" if generator.output == "sigmoid" else "Tanh", x)


def _whole_cells(graph: _Graph, image: str, cell: int) -> Callable[[str], str]:
    """What continues a picture of this one's size by its edge, below and at the right, to whole cells."""
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
    """Any layer of :mod:`impasto.nn`: what its forward does."""
    match layer:
        case Conv():
            return _convolution(graph, "Conv", layer.conv, _bordered(graph, layer, x))
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
            return _limited(graph, y, scale, shift, layer.limit) if layer.limit else y
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
    """The (C,) scale and shift after a normalisation: constants, or parts of the style."""
    if style is None:
        return norm.weight[0], norm.bias[0]
    place, channels = graph.places[norm], norm.weight.shape[1]
    scale = graph.add("Slice", style, _ints(place), _ints(place + channels))
    return scale, graph.add("Slice", style, _ints(place + channels), _ints(place + 2 * channels))


def _limited(graph: _Graph, y: str, scale: Any, shift: Any, limit: float) -> str:
    """What lies more than ``limit`` deviations from the mean cut off, after scaling and shifting."""
    reach = graph.add("Mul", graph.add("Abs", scale), np.float32(limit))
    low, high = (graph.add("Reshape", graph.add(how, shift, reach), _ints(-1, 1, 1)) for how in ("Sub", "Add"))
    return graph.add("Min", graph.add("Max", y, low), high)


def _convolution(graph: _Graph, operator: str, conv: Any, x: str, **attributes: Any) -> str:
    pads = [*conv.padding, *conv.padding]
    shape, strides = list(conv.kernel_size), list(conv.stride)
    return graph.add(operator, x, conv.weight, conv.bias, kernel_shape=shape, strides=strides, pads=pads, **attributes)


def _bordered(graph: _Graph, layer: Conv, x: str) -> str:
    if layer.mode == "circular" and layer.border:
        return _wrap(graph, x, layer.border)
    return _pad(graph, x, layer.border, {"replicate": "edge"}.get(layer.mode, layer.mode)) if layer.border else x


def _pad(graph: _Graph, x: str, border: int, mode: str) -> str:
    return graph.add("Pad", x, _ints(0, 0, border, border, 0, 0, border, border), mode=mode)


def _wrap(graph: _Graph, x: str, border: int) -> str:
    """Circular padding, for runtimes whose Pad does not know it."""
    for axis in (2, 3):
        before = graph.add("Slice", x, _ints(-border), _ints(np.iinfo(np.int64).max), _ints(axis))
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
