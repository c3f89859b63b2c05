"""The other forms of a graph: what they paint must follow from the plain one, run by ONNX Runtime."""

import hashlib
from typing import get_args

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx.reference import ReferenceEvaluator

from impasto.errors import ModelError
from impasto.models import forms
from impasto.models.forms import rewrite
from impasto.models.modelfile import ModelInfo
from impasto.models.onnx_file import Node, Tensor, Value, new_model
from impasto.nn.generators import CELL, NOISE_SCALES, build_generator
from impasto.training import ranges as training_ranges
from impasto.training.onnx_graph import to_onnx
from impasto.training.ranges import feature_ranges

IMAGE = np.random.default_rng(0).random((1, 3, 40, 56), dtype=np.float32)


@pytest.fixture(scope="module", params=["residual", "light"])
def model(request):
    torch.manual_seed(0)
    return to_onnx(build_generator(request.param, {"width": 4, "blocks": 2}))


def run(model, inputs):
    return onnxruntime.InferenceSession(model).run(None, inputs)


def measured(model, inputs):
    """The picture, and the frozen form's inputs."""
    *outputs, picture = run(rewrite(model, "measuring"), inputs)
    return picture, forms.statistics(forms.norms(model), outputs)


def check(model):
    onnx.checker.check_model(onnx.load_from_string(model), full_check=True)


def test_all_forms_are_valid_onnx(model):
    for form in get_args(forms.Form):
        check(rewrite(model, form))
        check(rewrite(model, form, channels_last=True))
    operators = [node.op_type for node in onnx.load_from_string(rewrite(model, "frozen")).graph.node]
    assert "InstanceNormalization" not in operators


def test_the_files_own_form_is_not_rewritten(model):
    assert rewrite(model) is model


def test_the_measuring_form_paints_the_same_picture(model):
    picture, inputs = measured(model, {"image": IMAGE})
    assert np.array_equal(picture, run(model, {"image": IMAGE})[0])
    norms = forms.norms(model)
    assert len(inputs) == 2 * len(norms) + sum(len(norm.limits) for norm in norms) > 0


def test_the_measuring_form_measures_what_onnx_computes(model):
    """The oracle: a, b and the limits from the values that the reference implementation has at each norm."""
    _, inputs = measured(model, {"image": IMAGE})
    loaded = onnx.load_from_string(model)
    norms = [node for node in loaded.graph.node if node.op_type == "InstanceNormalization"]
    for node in norms:
        loaded.graph.output.extend(onnx.ValueInfoProto(name=name) for name in (node.input[0], node.output[0]))
    values = ReferenceEvaluator(loaded).run(None, {"image": IMAGE})[1:]
    for norm, x, y in zip(forms.norms(model), values[::2], values[1::2], strict=True):
        assert np.abs(inputs[norm.scale] * x + inputs[norm.shift] - y).max() < 1e-3


def test_frozen_with_its_own_statistics_is_the_plain_pass(model):
    picture, inputs = measured(model, {"image": IMAGE})
    again = run(rewrite(model, "frozen"), {"image": IMAGE, **inputs})[0]
    assert np.abs(again - picture).max() < 1e-4


def test_frozen_by_position_with_the_same_statistics_everywhere_is_frozen(model):
    picture, inputs = measured(model, {"image": IMAGE})
    name = "light" if forms.norms(model)[0].input.startswith("sub") else "residual"
    strides = build_generator(name, {"width": 4, "blocks": 2}).strides
    info = ModelInfo(architecture=name, arguments={}, styles=("s",), reach=16, strides=strides)
    for norm, (_, rows, columns) in zip(forms.norms(model), info.feature_sizes(*IMAGE.shape[2:]), strict=True):
        for each in (norm.scale, norm.shift, *norm.limits):
            inputs[each] = np.broadcast_to(inputs[each].reshape(1, -1, 1, 1), (1, inputs[each].size, rows, columns))
    again = run(rewrite(model, "frozen_by_position"), {"image": IMAGE, **inputs})[0]
    assert np.abs(again - picture).max() < 1e-4


def test_frozen_with_the_statistics_of_another_picture_is_another_picture(model):
    """Contrast comes back: with the statistics of the one, a dimmed picture stays dim."""
    _, inputs = measured(model, {"image": IMAGE})
    dim = 0.25 * IMAGE
    kept = run(rewrite(model, "frozen"), {"image": dim, **inputs})[0]
    assert np.abs(kept - run(model, {"image": dim})[0]).mean() > 0.01


def test_the_affine_map_of_a_constant_channel_is_its_value():
    each = [np.array(x, np.float32).reshape(1, 2, 1, 1) for x in ([7, 3], [7, 5], [5, -9], [5, -5])]
    scale, shift = forms.affine(*each, np.array([1, -0.3], np.float32))
    assert scale.ravel().tolist() == [0, -2]
    assert shift.ravel().tolist() == [5, 1]


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_network_with_noise_has_all_forms(channels_last, monkeypatch):
    monkeypatch.setattr(training_ranges, "MINIMUM_CHANNELS", 3)
    torch.manual_seed(0)
    generator = build_generator("light", {"width": 4, "blocks": 1, "styles": 2, "noise_scales": NOISE_SCALES})
    model = to_onnx(generator)
    inputs = {"image": IMAGE, "style": generator.style_parameters()[0].numpy()}
    inputs["noise"] = generator.draw_noise(1, *IMAGE.shape[2:], source=torch.Generator().manual_seed(0)).numpy()
    picture, statistics = measured(model, inputs)
    assert len(forms.norms(model)) == len(generator.strides) == 5
    assert np.array_equal(picture, run(model, inputs)[0])
    again = run(rewrite(model, "frozen", channels_last=channels_last), inputs | statistics)[0]
    assert np.abs(again - picture).max() < 1e-4
    ranges = feature_ranges(generator, [torch.from_numpy(IMAGE)])
    coarse = run(rewrite(model, ranges=ranges, channels_last=channels_last), inputs)[0]
    assert 0 < np.abs(coarse - picture).mean() < 3 / 255


@pytest.mark.parametrize("norm", ["contrast", "instance"])
def test_a_graph_with_other_global_statistics_is_refused(norm):
    generator = build_generator("texture" if norm == "instance" else "residual", {"norm": norm})
    model = to_onnx(generator)
    with pytest.raises(ModelError, match="can only paint a picture as a whole"):
        forms.norms(model)
    with pytest.raises(ModelError, match="can only paint a picture as a whole"):
        rewrite(model, "frozen")


def test_defaults_of_inputs_are_dropped():
    torch.manual_seed(0)
    model = to_onnx(build_generator("light", {"width": 4, "blocks": 1, "styles": 2}), strength=True)
    assert "strength" in {x.name for x in onnx.load_from_string(model).graph.initializer}
    changed = onnx.load_from_string(rewrite(model, channels_last=True))
    assert "strength" not in {x.name for x in changed.graph.initializer}
    assert [x.name for x in changed.graph.input] == ["image", "strength"]


@pytest.mark.parametrize("name", ["residual", "light"])
def test_in_8_bits_inputs_of_convolutions_and_their_kernels_are_rounded(name, monkeypatch):
    monkeypatch.setattr(training_ranges, "MINIMUM_CHANNELS", 3)
    torch.manual_seed(1)
    generator = build_generator(name, {"width": 4, "blocks": 2})
    photo = torch.from_numpy(IMAGE)
    model, ranges = to_onnx(generator), feature_ranges(generator, [photo])
    layers = {f"{name}.weight": m for name, m in generator.named_modules() if isinstance(m, torch.nn.Conv2d)}
    assert ranges.keys() == layers.keys()

    def rounded(x, least, most):
        step, lowest = (most / 255, 0) if least >= 0 else (max(-least, most) / 127, -128)
        return (x / step).round().clamp(lowest, lowest + 255) * step

    def rounding(kernel, mean=0.0):
        return lambda _, inputs: (rounded(inputs[0] + mean, *ranges[kernel]) - mean, *inputs[1:])

    plain = run(model, {"image": IMAGE})[0]
    for kernel in ranges:
        pixels = name == "light" and kernel.startswith("first.")  # the graph's are not centered
        mean = generator.mean.repeat(1, CELL**2, 1, 1) if pixels else 0.0
        layers[kernel].register_forward_pre_hook(rounding(kernel, mean))
        weight = layers[kernel].weight.data
        steps = weight.abs().amax(dim=(1, 2, 3), keepdim=True) / 127
        weight.copy_((weight / steps).round() * steps)
    for number, block in enumerate(generator.blocks):  # what is added to its result is rounded as well
        block.register_forward_pre_hook(rounding(f"blocks.{number}.first.conv.conv.weight"))
    with torch.no_grad():
        expected = generator(photo).numpy()
    found = run(rewrite(model, ranges=ranges), {"image": IMAGE})[0]
    assert np.abs(found - expected).mean() < 1e-4  # one rounding on the edge is another step
    assert 1e-4 < np.abs(found - plain).mean() < 3 / 255
    check(rewrite(model, "frozen", ranges=ranges))
    with pytest.raises(ModelError, match="has no kernel called nowhere"):
        rewrite(model, ranges={**ranges, "nowhere": (0.0, 1.0)})


@pytest.mark.parametrize("rounded", [False, True], ids=["float32", "8 bits"])
@pytest.mark.parametrize("form", get_args(forms.Form))
@pytest.mark.parametrize("kind", ["styles", "strength", "one style"])
@pytest.mark.parametrize("name", ["residual", "light"])
def test_channels_last_computes_the_same(name, kind, form, rounded, monkeypatch):
    monkeypatch.setattr(training_ranges, "MINIMUM_CHANNELS", 3)
    torch.manual_seed(0)
    styles = {"styles": 3, "strength": 2, "one style": 1}[kind]
    generator = build_generator(name, {"width": 4, "blocks": 1, "styles": styles})
    with torch.no_grad():
        for norm in generator.conditional_norms():
            norm.weight.normal_()
            norm.bias.normal_()
    model = to_onnx(generator, strength=kind == "strength")
    inputs = {"image": IMAGE}
    if kind == "styles":
        inputs["style"] = generator.style_parameters()[0].numpy()
    elif kind == "strength":
        inputs["strength"] = np.array([0.7], np.float32)
    if form == "frozen":
        inputs |= measured(model, inputs)[1]
    ranges = feature_ranges(generator, [torch.from_numpy(IMAGE)]) if rounded else None
    first = rewrite(model, form, ranges=ranges)
    last = rewrite(model, form, ranges=ranges, channels_last=True)
    check(last)
    nodes = onnx.load_from_string(last).graph.node
    placed = [node for node in nodes if node.output[0].endswith("_channels_last")]
    if form == "frozen_by_position" or (kind == "one style" and form != "frozen"):
        # Constants, and what is as large as the features, stay as they are.
        assert [*nodes] == [*onnx.load_from_string(first).graph.node]
    else:
        assert len(placed) == sum(2 + len(norm.limits) for norm in forms.norms(model))
    if form == "frozen_by_position":
        return
    for one, other in zip(run(first, inputs), run(last, inputs), strict=True):
        assert np.abs(one.ravel() - other.ravel()).max() < 1e-4


def fixed_model():
    """One instance normalization with scales and shifts from an input; the same on every machine."""
    kernel = (np.arange(4 * 3 * 9, dtype=np.float32).reshape(4, 3, 3, 3) - 50) / 64
    constants = {"kernel": kernel, "bias": np.arange(4, dtype=np.float32)}
    constants |= {name: np.array([value], np.int64) for name, value in (("start", 0), ("half", 4), ("end", 8))}
    nodes = [
        Node("Conv", ("image", "kernel", "bias"), ("features",)),
        Node("Slice", ("style", "start", "half"), ("scale",)),
        Node("Slice", ("style", "half", "end"), ("shift",)),
        Node("InstanceNormalization", ("features", "scale", "shift"), ("stylized",)),
    ]
    inputs = [Value("image", ("n", 3, "h", "w")), Value("style", (8,))]
    tensors = {name: Tensor.from_array(name, array) for name, array in constants.items()}
    outputs = [Value("stylized", ("n", 4, "h", "w"))]
    return new_model(nodes, tensors, inputs, outputs, opset=18, ir_version=9).encoded()


ALL_FORMS = [
    {"form": form, "ranges": ranges, "channels_last": channels_last}
    for form in get_args(forms.Form)
    for ranges in (None, {"kernel": (0.0, 255.0)})
    for channels_last in (False, True)
]
HASHES = {1: "34b936d29244f4d79466f9d70019a9d4428ccb7312137c206cfc02e5b731eacc"}
"""By `forms.VERSION`, what `rewrite` returns: if this changes, raise the version and store the new hash."""


def test_the_version_is_raised_when_forms_change():
    content = fixed_model()
    for arguments in ALL_FORMS:
        check(rewrite(content, **arguments))
    found = hashlib.sha256(b"".join(rewrite(content, **arguments) for arguments in ALL_FORMS)).hexdigest()
    assert HASHES[forms.VERSION] == found


def test_a_lazy_graph_is_named_by_what_makes_it_and_made_when_asked_for(model):
    lazy = [forms.LazyGraph(content, **arguments) for content in (model, fixed_model()) for arguments in ALL_FORMS]
    assert len({graph.key for graph in lazy}) == len(lazy)
    assert forms.LazyGraph(model, channels_last=True).key == forms.LazyGraph(bytes(model), channels_last=True).key
    assert forms.LazyGraph(model, "frozen").encoded() == rewrite(model, "frozen")
    assert forms.LazyGraph(b"damaged", "frozen").key
    with pytest.raises(ModelError, match="is damaged"):
        forms.LazyGraph(b"damaged", "frozen").encoded()
