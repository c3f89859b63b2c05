"""Rewrites a network's graph: statistics as outputs or inputs, 8-bit convolutions, channels-last layout.

Instance normalization computes y = a x + b for each channel, with a and b from the whole picture. The *measuring* form
has a and b as additional outputs. The *frozen* form has them as inputs, so no layer depends on the whole picture. It
paints pictures in tiles, and video frames with slowly changing statistics (Chen et al. 2022, "thumbnail instance
normalization"). In the form *frozen by position*, a and b may differ at every pixel.

`rewrite` makes all forms in some milliseconds. `LazyGraph` skips this if an engine has cached the compiled graph.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ModelError
from impasto.models.onnx_file import Model, Node, Tensor, Value, attribute, parse_model

Array = NDArray[np.float32]

Form = Literal["plain", "measuring", "frozen", "frozen_by_position"]
"""The inputs and outputs of a graph, see above; "plain" has those of the file."""

VERSION = 1
"""Increment it with every change to the output of `rewrite`: this invalidates cached compiled graphs."""

_GLOBAL = {"ReduceMean", "GlobalAveragePool", "ReduceSum"}
"""Operators, apart from instance normalization, whose output depends on the whole picture."""
_CHANNEL_WISE = {"Mul", "Add", "Sub", "Max", "Min"}
"""Operators that may combine features with one value per channel."""
_SMALLEST_STEP = np.float32(1e-12)


@dataclass(frozen=True)
class Norm:
    """One instance normalization of a graph: the names of its inputs and outputs."""

    input: str
    factor: str
    """The scale input, (C,), by which normalized values are multiplied."""
    output: str
    low: str = ""
    """The lower limit to which its output is clipped, (C, 1, 1); empty if it is not clipped."""
    high: str = ""
    """The upper limit, likewise."""

    @property
    def scale(self) -> str:
        """The name of the frozen form's input for a, float32 (1, C, 1, 1)."""
        return f"{self.output}_scale"

    @property
    def shift(self) -> str:
        """The name of the frozen form's input for b, float32 (1, C, 1, 1)."""
        return f"{self.output}_shift"

    @property
    def limits(self) -> tuple[str, ...]:
        """The names of the frozen form's inputs in place of `low` and `high`, float32 (1, C, 1, 1), if it has them."""
        return (f"{self.output}_low", f"{self.output}_high") if self.low else ()


def rewrite(
    content: bytes,
    form: Form = "plain",
    *,
    ranges: Mapping[str, Sequence[float]] | None = None,
    channels_last: bool = False,
) -> bytes:
    """Rewrite a network in another form.

    Rewritten graphs have no default values for inputs such as `strength`, because OpenVINO treats them as constants.

    Args:
        content: A model file's content.
        form: The inputs and outputs of the graph.

            "measuring" adds five outputs for each of `norms`, in order: the minimum and maximum of x and of y, each
            float32 (1, C, 1, 1), and the scale, (C,); `Norm.low` and `Norm.high` follow if y is clipped. Pass all of
            them to `statistics`. The picture is the last output: OpenVINO computes outputs in order, and would keep
            all features in memory for outputs after the picture.

            "frozen" has the inputs that `Norm` names. "frozen_by_position" has the same inputs with the size of the
            features, (1, C, h, w) (`ModelInfo.feature_sizes`).
        ranges: Kernel name -> minimum and maximum of the convolution's input (`ModelInfo.ranges`). These convolutions
            are quantized to 8 bits, see `_quantized`. None keeps all in float32.
        channels_last: Use the layout in which OpenVINO is fastest, see `_channels_last`; it slows ONNX Runtime down.

    Raises:
        ModelError: The content is damaged; a kernel of `ranges` is missing; or the form is not "plain" and the graph
            has other global operators than instance normalization.
    """
    if form == "plain" and ranges is None and not channels_last:
        return content
    model = _without_defaults(parse_model(content))
    if form == "measuring":
        model = _measuring(model)
    elif form != "plain":
        model = _frozen(model, by_position=form == "frozen_by_position")
    if ranges is not None:
        model = _quantized(model, ranges)
    if channels_last:
        model = _channels_last(model)
    return model.encoded()


@dataclass(frozen=True)
class LazyGraph:
    """A graph that is rewritten when an engine first needs its bytes. See `rewrite` for the attributes."""

    content: bytes = field(repr=False)
    form: Form = "plain"
    ranges: Mapping[str, Sequence[float]] | None = None
    channels_last: bool = False

    @cached_property
    def key(self) -> str:
        """A hash of content and form: the cache key for compiled graphs."""
        made_with = (VERSION, self.form, sorted(self.ranges.items()) if self.ranges else None, self.channels_last)
        return hashlib.sha256(hashlib.sha256(self.content).digest() + repr(made_with).encode()).hexdigest()

    def encoded(self) -> bytes:
        """The content of an ONNX file. Raises ModelError as `rewrite` does."""
        return rewrite(self.content, self.form, ranges=self.ranges, channels_last=self.channels_last)


def norms(content: bytes) -> tuple[Norm, ...]:
    """The instance normalizations of a model, in the graph's order.

    Raises:
        ModelError: The graph has other global operators as well, or the content is damaged.
    """
    return _norms(parse_model(content))


def statistics(norms: Sequence[Norm], outputs: Sequence[Array]) -> dict[str, Array]:
    """The frozen form's inputs by name, from all outputs of the measuring form except the last, the picture."""
    found, results = {}, iter(outputs)
    for norm in norms:
        found[norm.scale], found[norm.shift] = affine(*(next(results) for _ in range(5)))
        for name in norm.limits:
            found[name] = next(results)[np.newaxis]
    return found


def affine(
    x_smallest: Array, x_largest: Array, y_smallest: Array, y_largest: Array, factor: Array
) -> tuple[Array, Array]:
    """The a and b of y = a x + b, each (1, C, 1, 1), from the minima and maxima of x and y.

    The sign of a is that of ``factor``. A constant channel has a = 0.
    """
    x_range, y_range = x_largest.astype(np.float64) - x_smallest, y_largest.astype(np.float64) - y_smallest
    falls = factor.reshape(y_smallest.shape) < 0
    a = np.where(falls, -1, 1) * np.divide(y_range, x_range, out=np.zeros_like(y_range), where=x_range > 0)
    b = np.where(falls, y_largest, y_smallest) - a * x_smallest
    return a.astype(np.float32), b.astype(np.float32)


def _norms(model: Model) -> tuple[Norm, ...]:
    if any(node.operator in _GLOBAL for node in model.nodes):
        raise ModelError(
            "its normalization is not instance normalization alone: it can only paint a picture as a whole"
        )
    # An output is clipped by a Max with the lower limit, and a Min of that with the upper.
    after = {(node.operator, node.inputs[0]): node for node in model.nodes if len(node.inputs) == 2}
    found = []
    for node in model.nodes:
        if node.operator != "InstanceNormalization":
            continue
        below = after.get(("Max", node.output))
        above = after.get(("Min", below.output)) if below else None
        limits = (below.inputs[1], above.inputs[1]) if below and above else ()
        found.append(Norm(node.inputs[0], node.inputs[1], node.output, *limits))
    return tuple(found)


def _without_defaults(model: Model) -> Model:
    inputs = {value.name for value in model.inputs}
    return replace(model, constants={name: x for name, x in model.constants.items() if name not in inputs})


def _measuring(model: Model) -> Model:
    axes = "impasto_axes"
    by_output = {norm.output: norm for norm in _norms(model)}
    nodes: list[Node] = []
    outputs: list[Value] = []
    for node in model.nodes:
        nodes.append(node)
        norm = by_output.get(node.output)
        if norm is None:
            continue
        for of, name in ((norm.input, "x"), (norm.output, "y")):
            for operator, result in (("ReduceMin", f"{name}_smallest"), ("ReduceMax", f"{name}_largest")):
                nodes.append(_node(operator, (of, axes), f"{norm.output}_{result}"))
                outputs.append(Value(nodes[-1].output, (1, "C", 1, 1)))
        nodes.append(_node("Identity", (norm.factor,), f"{norm.output}_factor"))
        outputs.append(Value(nodes[-1].output, ("C",)))
        outputs += [Value(name, ("C", 1, 1)) for name in (norm.low, norm.high) if name]
    constants = {**model.constants, axes: Tensor.from_array(axes, np.array([2, 3], np.int64))}
    return replace(model, nodes=tuple(nodes), constants=constants, outputs=(*outputs, *model.outputs))


def _frozen(model: Model, *, by_position: bool) -> Model:
    found = _norms(model)
    by_output = {norm.output: norm for norm in found}
    limits = {old: new for norm in found for old, new in zip((norm.low, norm.high), norm.limits, strict=False)}
    nodes: list[Node] = []
    for node in model.nodes:
        norm = by_output.get(node.output)
        if norm is not None:
            scaled = f"{norm.output}_scaled"
            nodes.append(_node("Mul", (norm.input, norm.scale), scaled))
            nodes.append(_node("Add", (scaled, norm.shift), norm.output))
        elif node.operator in ("Max", "Min") and node.inputs[-1] in limits:
            nodes.append(replace(node, inputs=(node.inputs[0], limits[node.inputs[1]])))
        else:
            nodes.append(node)
    inputs = [
        Value(name, (1, "C", f"{name}_h", f"{name}_w") if by_position else (1, "C", 1, 1))
        for norm in found
        for name in (norm.scale, norm.shift, *norm.limits)
    ]
    return replace(model, nodes=tuple(nodes), inputs=(*model.inputs, *inputs))


def _quantized(model: Model, ranges: Mapping[str, Sequence[float]]) -> Model:
    """Quantize these convolutions to 8 bits (Jacob et al. 2018); all other operators stay in float32.

    A convolution's input is clipped to its range and quantized to 256 levels (symmetric about 0 if it has negative
    values). Each filter of its kernel is quantized to 255 levels, symmetric about 0. A residual block's skip connection
    carries the quantized features as well, which takes a quarter of the memory. Every engine can run this form;
    OpenVINO multiplies the 8-bit integers with exact sums, others may compute in float32.
    """
    missing = ranges.keys() - model.constants.keys()
    if missing:
        raise ModelError(f"has no kernel called {min(missing)}; export it again")
    added: dict[str, Tensor] = {}
    for name, (low, high) in ranges.items():
        added |= _levels(model.constants[name], low, high)
    # Features are quantized before padding, so that padding copies fewer bytes.
    kernel_of = {
        node.inputs[0]: node.inputs[1] for node in model.nodes if node.operator == "Conv" and node.inputs[1] in ranges
    }
    before_padding = {
        node.output: kernel_of[node.output]
        for node in model.nodes
        if node.operator == "Pad"
        and node.output in kernel_of
        and sum(node.output in other.inputs for other in model.nodes) == 1
    }
    nodes: list[Node] = []
    restored: set[str] = set()
    rounded: dict[str, str] = {}
    for node in model.nodes:
        inputs = [*node.inputs]
        convolves = node.operator == "Conv" and inputs[1] in ranges
        name = inputs[1] if convolves else before_padding.get(node.output, "")
        if convolves:
            inputs[1] = f"{name}_restored"
            if name not in restored:
                restored.add(name)
                stored = (f"{name}_8_bits", f"{name}_steps", f"{name}_zeros")
                nodes.append(_node("DequantizeLinear", stored, inputs[1], attribute("axis", 0)))
        if node.output in before_padding or (convolves and inputs[0] not in before_padding):
            levels, output = (f"{name}_step", f"{name}_zero"), node.output
            nodes.append(_node("QuantizeLinear", (inputs[0], *levels), f"{output}_8_bits"))
            nodes.append(_node("DequantizeLinear", (f"{output}_8_bits", *levels), f"{output}_rounded"))
            rounded[inputs[0]] = f"{output}_rounded"
            inputs[0] = f"{output}_rounded"
        elif node.operator == "Add":
            inputs = [rounded.get(name, name) for name in inputs]
        nodes.append(replace(node, inputs=tuple(inputs)))
    constants = {name: x for name, x in model.constants.items() if name not in ranges}
    return replace(model, nodes=tuple(nodes), constants=constants | added)


def _levels(kernel: Tensor, low: float, high: float) -> dict[str, Tensor]:
    """Constants by name: the 8-bit kernel, the scale of each filter, and scale and zero point of the input."""
    values, name = kernel.floats(), kernel.name
    if values.ndim != 4 or not values.size:
        raise ModelError(f"has a range for {name}, which is not a kernel; export it again")
    steps = np.maximum(np.abs(values).max(axis=(1, 2, 3)), _SMALLEST_STEP) / np.float32(127)
    step, zero = (high / 255, 0) if low >= 0 else (max(-low, high) / 127, 128)
    made = {
        "8_bits": np.rint(values / steps[:, np.newaxis, np.newaxis, np.newaxis]).astype(np.int8),
        "steps": steps,
        "zeros": np.zeros(len(values), np.int8),
        "step": np.array(step, np.float32),
        "zero": np.array(zero, np.uint8),
    }
    return {f"{name}_{part}": Tensor.from_array(f"{name}_{part}", array) for part, array in made.items()}


def _channels_last(model: Model) -> Model:
    """Make OpenVINO keep all features channels-last, in which it is fastest. The output does not change.

    OpenVINO's convolutions produce channels-last features. Scales and shifts computed from the style input are
    channels-first, so OpenVINO would reorder all features to match, and back again for the next convolution. Therefore
    scales and shifts pass through a 1 x 1 identity convolution, whose output is channels-last.
    """
    constants = dict(model.constants)
    known = set(constants)  # constants, and values computed from constants only
    features = {value.name for value in model.inputs if value.shape and not isinstance(value.shape[-1], int)}
    channels: dict[str, int] = {}
    nodes: list[Node] = []
    placed: dict[str, str] = {}

    def placed_as_features(name: str, count: int) -> str:
        if name not in placed:
            kernel, size = f"impasto_identity_{count}", f"impasto_size_{count}"
            if kernel not in constants:
                constants[kernel] = Tensor.from_array(
                    kernel, np.eye(count, dtype=np.float32)[:, :, np.newaxis, np.newaxis]
                )
                constants[size] = Tensor.from_array(size, np.array([1, count, 1, 1], np.int64))
            nodes.append(_node("Reshape", (name, size), f"{name}_by_channel"))
            nodes.append(_node("Conv", (f"{name}_by_channel", kernel), f"{name}_channels_last"))
            placed[name] = nodes[-1].output
        return placed[name]

    def unscaled(count: int) -> tuple[str, str]:
        ones, zeros = f"impasto_ones_{count}", f"impasto_zeros_{count}"
        constants.setdefault(ones, Tensor.from_array(ones, np.ones(count, np.float32)))
        constants.setdefault(zeros, Tensor.from_array(zeros, np.zeros(count, np.float32)))
        return ones, zeros

    for node in model.nodes:
        if features.isdisjoint(node.inputs):
            nodes.append(node)
            if known.issuperset(node.inputs):
                known.update(node.outputs)
            continue
        features.update(node.outputs)
        first, *others = node.inputs
        count = channels.get(first, 0)
        if node.operator == "Conv":
            channels[node.output] = _channels_of(node, model.constants)
        elif node.operator == "InstanceNormalization" or node.operator in _CHANNEL_WISE:
            channels[node.output] = count
        if not count or not features.isdisjoint(others) or known.issuperset(others):
            nodes.append(node)
        elif node.operator == "InstanceNormalization":
            normalized, scaled = f"{node.output}_unscaled", f"{node.output}_scaled"
            nodes.append(replace(node, inputs=(first, *unscaled(count)), outputs=(normalized,), name=normalized))
            factor, term = (placed_as_features(name, count) for name in others)
            nodes.append(_node("Mul", (normalized, factor), scaled))
            nodes.append(_node("Add", (scaled, term), node.output))
        elif node.operator in _CHANNEL_WISE and len(others) == 1:
            placed_name = placed_as_features(others[0], count)
            nodes.append(replace(node, inputs=(first, placed_name)))
        else:
            nodes.append(node)
    return replace(model, nodes=tuple(nodes), constants=constants)


def _node(operator: str, inputs: tuple[str, ...], output: str, attributes: bytes = b"") -> Node:
    """A node with one output; the node has the output's name."""
    return Node(operator, inputs, (output,), attributes, output)


def _channels_of(convolution: Node, constants: Mapping[str, Tensor]) -> int:
    """The number of a convolution's output channels, from its bias; 0 if it is unknown."""
    bias = constants.get(convolution.inputs[2]) if len(convolution.inputs) > 2 else None
    return bias.floats().size if bias else 0
