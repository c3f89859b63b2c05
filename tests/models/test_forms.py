"""The other forms of a graph: what they give must follow from the plain one."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from impasto.errors import ModelError
from impasto.models import forms as graph
from impasto.nn.generators import CELL, build_generator
from impasto.training import export
from impasto.training.export import _range, feature_ranges, to_onnx

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


@pytest.mark.parametrize("damage", ["too few inputs", "feeds itself", "huge bias", "no operator"])
def test_damaged_nodes_are_refused_before_an_engine_sees_them(damage):
    torch.manual_seed(0)
    damaged = onnx.load_from_string(to_onnx(build_generator("light", {"width": 4, "blocks": 1, "styles": 2})))
    by_operator = {node.op_type: node for node in damaged.graph.node}
    if damage == "too few inputs":
        del by_operator["InstanceNormalization"].input[2]
    elif damage == "feeds itself":
        by_operator["Pad"].input[0] = by_operator["Pad"].output[0]
    elif damage == "no operator":
        by_operator["Relu"].op_type = ""
    else:
        bias = next(x for x in damaged.graph.initializer if x.name == "first.conv.conv.bias")
        bias.dims[0] = 10**6
    with pytest.raises(ModelError, match="is damaged"):
        graph.by_pixel(damaged.SerializeToString())


@pytest.mark.parametrize("name", ["residual", "light"])
def test_in_8_bits_what_convolutions_take_and_their_kernels_are_rounded(name, monkeypatch):
    monkeypatch.setattr(export, "RANGE_CHANNELS", 3)
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
        return lambda _, taken: (rounded(taken[0] + mean, *ranges[kernel]) - mean, *taken[1:])

    plain = run(model, {"image": IMAGE})[0]
    for kernel in ranges:
        pixels = name == "light" and kernel.startswith("first.")  # the graph's are not centred
        mean = generator.mean.repeat(1, CELL**2, 1, 1) if pixels else 0.0
        layers[kernel].register_forward_pre_hook(rounding(kernel, mean))
        weight = layers[kernel].weight.data
        steps = weight.abs().amax(dim=(1, 2, 3), keepdim=True) / 127
        weight.copy_((weight / steps).round() * steps)
    for number, block in enumerate(generator.blocks):  # what is added to its result is rounded as well
        block.register_forward_pre_hook(rounding(f"blocks.{number}.first.conv.conv.weight"))
    with torch.no_grad():
        expected = generator(photo).numpy()
    found = run(graph.quantized(model, ranges), {"image": IMAGE})[0]
    assert np.abs(found - expected).mean() < 1e-4  # one rounding on the edge is another step
    assert 1e-4 < np.abs(found - plain).mean() < 3 / 255
    onnx.checker.check_model(onnx.load_from_string(graph.quantized(graph.frozen(model), ranges)), full_check=True)
    with pytest.raises(ModelError, match="has no kernel called nowhere"):
        graph.quantized(model, {**ranges, "nowhere": [0.0, 1.0]})


def test_the_range_is_that_of_least_change():
    sizes = torch.rand(4096, generator=torch.Generator().manual_seed(0))
    loud = torch.cat([sizes, torch.tensor([50.0])])
    for features, levels in ((loud, 255), (torch.cat([loud, -loud]), 127)):
        least, most = _range(features)

        def change(reach, features=features, levels=levels):
            step = reach / levels
            kept = (features.abs() / step).round().clamp(0, levels) * step
            return float((features.abs() - kept).abs().pow(1.5).mean())

        best = min((features.abs().max() * share / 64 for share in range(1, 65)), key=change)
        assert least == (0 if levels == 255 else -most)
        assert change(most) <= 1.1 * change(best)
        assert most < 50


@pytest.mark.parametrize("padding", ["reflect", "replicate", "zero"])
def test_the_light_networks_graph_takes_whole_numbers_where_that_is_the_same(padding):
    torch.manual_seed(0)
    generator = build_generator("light", {"width": 4, "blocks": 1, "padding": padding})
    operators = [node.op_type for node in onnx.load_from_string(to_onnx(generator)).graph.node]
    assert operators[:2] == (["Mul", "Sub"] if padding == "zero" else ["Mul", "Shape"])
    with torch.no_grad():
        expected = generator(torch.from_numpy(IMAGE)).numpy()
    assert np.abs(run(to_onnx(generator), {"image": IMAGE})[0] - expected).max() < 1e-4


FORMS = {"plain": lambda x: x, "measuring": graph.measuring, "frozen": graph.frozen, "by place": graph.frozen_by_place}


@pytest.mark.parametrize("rounded", [False, True], ids=["float32", "8 bits"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["styles", "strength", "one style"])
@pytest.mark.parametrize("name", ["residual", "light"])
def test_by_pixel_gives_the_same(name, kind, form, rounded, monkeypatch):
    monkeypatch.setattr(export, "RANGE_CHANNELS", 3)
    torch.manual_seed(0)
    generator = build_generator(
        name, {"width": 4, "blocks": 1, "styles": {"styles": 3, "strength": 2, "one style": 1}[kind]}
    )
    with torch.no_grad():
        for norm in generator.conditional_norms():
            norm.weight.normal_()
            norm.bias.normal_()
    model = to_onnx(generator, strength=kind == "strength")
    if kind == "strength":
        model = graph.without_default(model, "strength")
    measured_by = graph.measuring(model)
    given = {"image": IMAGE}
    if kind == "styles":
        given["style"] = generator.style_parameters()[0].numpy()
    elif kind == "strength":
        given["strength"] = np.array([0.7], np.float32)
    if form == "frozen":
        *results, _ = run(measured_by, given)
        for norm in graph.norms(model):
            names = (norm.scale, norm.shift, *norm.limits)
            found = [*graph.affine(*results[:5]), *(x[np.newaxis] for x in results[5 : 5 + len(norm.limits)])]
            del results[: 5 + len(norm.limits)]
            given |= dict(zip(names, found, strict=True))
    changed = FORMS[form](model)
    if rounded:
        changed = graph.quantized(changed, feature_ranges(generator, [torch.from_numpy(IMAGE)]))
    again = graph.by_pixel(changed)
    onnx.checker.check_model(onnx.load_from_string(again), full_check=True)
    nodes = onnx.load_from_string(again).graph.node
    laid_out = [node.name for node in nodes if node.name.endswith("_by_pixel")]
    if form == "by place" or (kind == "one style" and form != "frozen"):
        assert [*nodes] == [
            *onnx.load_from_string(changed).graph.node
        ]  # what is a constant, or as large as the features, stays
    else:
        norms = graph.norms(model)
        assert len(laid_out) == sum(2 + len(norm.limits) for norm in norms)
    if form == "by place":
        return
    for old, new in zip(run(changed, given), run(again, given), strict=True):
        assert np.abs(old.ravel() - new.ravel()).max() < 1e-4


def test_only_convolutions_over_many_channels_are_in_8_bits():
    names = {"residual": {"blocks", "up.0"}, "light": {"first", "blocks", "up", "last"}}
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
    least, most = one["blocks.0.conv.conv.weight"]
    assert least == 0
    assert 0.3 * taken[0] < most <= 1.01 * taken[0]  # a few of the largest are cut off
    assert one["first.conv.conv.weight"] == (0.0, 255.0)
    assert all(low < high for low, high in one.values())
