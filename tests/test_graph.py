"""The other forms of a graph: what they give must follow from the plain one."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from impasto import graph
from impasto.errors import ModelError
from impasto.nn.generators import build_generator
from impasto.train import export
from impasto.train.export import feature_ranges, to_onnx

IMAGE = np.random.default_rng(0).random((1, 3, 40, 56), dtype=np.float32)


@pytest.fixture(scope="module", params=["residual", "light"])
def model(request):
    torch.manual_seed(0)
    return to_onnx(build_generator(request.param, {"width": 4, "blocks": 2}))


def run(model, inputs):
    return onnxruntime.InferenceSession(model).run(None, inputs)


def measured(model, image=IMAGE):
    *results, picture = run(graph.measuring(model), {"image": image})
    inputs = {}
    for norm in graph.norms(model):
        inputs[norm.scale], inputs[norm.shift] = graph.affine(*results[:5])
        del results[:5]
        for name in norm.limits:
            inputs[name] = results.pop(0)[np.newaxis]
    assert not results
    return picture, inputs


def test_both_forms_are_valid_onnx(model):
    for form in (graph.measuring(model), graph.frozen(model), graph.frozen_by_place(model)):
        onnx.checker.check_model(onnx.load_from_string(form), full_check=True)
    operators = [node.op_type for node in onnx.load_from_string(graph.frozen(model)).graph.node]
    assert "InstanceNormalization" not in operators


def test_the_measuring_form_paints_the_same_picture(model):
    picture, inputs = measured(model)
    assert np.array_equal(picture, run(model, {"image": IMAGE})[0])
    norms = graph.norms(model)
    assert len(inputs) == 2 * len(norms) + sum(len(norm.limits) for norm in norms) > 0


def test_frozen_with_its_own_statistics_is_the_plain_pass(model):
    picture, inputs = measured(model)
    again = run(graph.frozen(model), {"image": IMAGE, **inputs})[0]
    assert np.abs(again - picture).max() < 1e-4


def test_frozen_with_anothers_statistics_is_another_picture(model):
    """Contrast comes back: with the statistics of the one, a dimmed picture stays dim."""
    _, inputs = measured(model)
    dim = 0.25 * IMAGE
    kept = run(graph.frozen(model), {"image": dim, **inputs})[0]
    assert np.abs(kept - run(model, {"image": dim})[0]).mean() > 0.01


def test_the_affine_map_of_a_flat_channel_is_its_value():
    each = [np.array(x, np.float32).reshape(1, 2, 1, 1) for x in ([7, 3], [7, 5], [5, -9], [5, -5])]
    scale, shift = graph.affine(*each, np.array([1, -0.3], np.float32))
    assert scale.ravel().tolist() == [0, -2]
    assert shift.ravel().tolist() == [5, 1]


@pytest.mark.parametrize("norm", ["contrast", "instance"])
def test_what_looks_at_the_whole_picture_otherwise_is_refused(norm):
    generator = build_generator("texture" if norm == "instance" else "residual", {"norm": norm})
    with pytest.raises(ModelError, match="can only paint a picture as a whole"):
        graph.norms(to_onnx(generator))


def test_damaged_bytes_are_refused(model):
    for damaged in (b"", model[:-5], b"\x07" * 40):
        with pytest.raises(ModelError, match="is damaged"):
            graph.norms(damaged)


@pytest.mark.parametrize("name", ["residual", "light"])
def test_in_8_bits_what_convolutions_take_and_their_kernels_are_rounded(name, monkeypatch):
    monkeypatch.setattr(export, "RANGE_CHANNELS", 3)
    torch.manual_seed(1)
    generator = build_generator(name, {"width": 4, "blocks": 2})
    photo = torch.from_numpy(IMAGE)
    model, ranges = to_onnx(generator), feature_ranges(generator, [photo])
    layers = {f"{name}.weight": m for name, m in generator.named_modules() if isinstance(m, torch.nn.Conv2d)}
    assert ranges.keys() == layers.keys() - {"last.conv.weight"}

    def rounded(least, most):
        def round_it(_, taken):
            step, lowest = (most / 255, 0) if least >= 0 else (max(-least, most) / 127, -128)
            return ((taken[0] / step).round().clamp(lowest, lowest + 255) * step,)

        return round_it

    plain = run(model, {"image": IMAGE})[0]
    for kernel, (least, most) in ranges.items():
        layers[kernel].register_forward_pre_hook(rounded(least, most))
        weight = layers[kernel].weight.data
        steps = weight.abs().amax(dim=(1, 2, 3), keepdim=True) / 127
        weight.copy_((weight / steps).round() * steps)
    with torch.no_grad():
        expected = generator(photo).numpy()
    found = run(graph.quantized(model, ranges), {"image": IMAGE})[0]
    assert np.abs(found - expected).mean() < 1e-4  # one rounding on the edge is another step
    assert 1e-4 < np.abs(found - plain).mean() < 3 / 255
    onnx.checker.check_model(onnx.load_from_string(graph.quantized(graph.frozen(model), ranges)), full_check=True)
    with pytest.raises(ModelError, match="has no kernel called nowhere"):
        graph.quantized(model, {**ranges, "nowhere": [0.0, 1.0]})


def test_only_convolutions_over_many_channels_are_in_8_bits():
    names = {"residual": {"blocks", "up.0"}, "light": {"first", "blocks", "up"}}
    for name, wanted in names.items():
        ranges = feature_ranges(build_generator(name, {}), [torch.from_numpy(IMAGE)])
        assert {kernel for kernel in ranges if not kernel.startswith(tuple(wanted))} == set()
        assert all(any(kernel.startswith(part) for kernel in ranges) for part in wanted)


def test_ranges_hold_every_style_at_twice_its_strength(monkeypatch):
    monkeypatch.setattr(export, "RANGE_CHANNELS", 3)
    torch.manual_seed(2)
    generator = build_generator("light", {"width": 4, "blocks": 1, "styles": 2})
    with torch.no_grad():
        for norm in generator.conditional_norms():
            norm.weight[0] = 3.0
    photo = torch.from_numpy(IMAGE)
    one = feature_ranges(generator, [photo])
    taken = []
    generator.blocks[0].conv.register_forward_pre_hook(lambda _, inputs: taken.append(float(inputs[0].max())))
    with torch.no_grad():
        generator(photo, None, torch.tensor([[2.0, -1.0]]))
    assert one["blocks.0.conv.conv.weight"] == [0.0, pytest.approx(taken[0], rel=0.05)]
    assert one["first.conv.conv.weight"][0] >= -123.68
    assert all(low < high for low, high in one.values())
