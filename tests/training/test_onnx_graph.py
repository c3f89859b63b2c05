"""The graph writer, compared with torch by ONNX Runtime, and checked by the `onnx` package."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from impasto.errors import ModelError
from impasto.models.onnx_file import parse_model
from impasto.nn.generators import GENERATORS, NOISE_SCALES, build_generator
from impasto.nn.norm import NORMS
from impasto.training.config import PRESETS
from impasto.training.export import disagreement, example_inputs
from impasto.training.onnx_graph import pack_bias, pack_kernel, read_weights, to_onnx, unpack

IMAGE = np.random.default_rng(0).random((1, 3, 40, 56), dtype=np.float32)


def randomized(generator):
    """The generator with all scales, shifts and running averages changed: none can be missing unnoticed."""
    for name, parameter in generator.named_parameters():
        if "norm" in name or "join" in name:
            nn.init.uniform_(parameter, 0.5, 1.5)
    for name, buffer in generator.named_buffers():
        if "running" in name:
            nn.init.uniform_(buffer, 0.5, 1.5)
    return generator


def checked(model):
    """The model, after the onnx package and this project's codec have checked it."""
    onnx.checker.check_model(onnx.load_from_string(model), full_check=True)
    parse_model(model)
    return model


@pytest.mark.parametrize("norm", [*NORMS])
@pytest.mark.parametrize("name", [*GENERATORS])
def test_onnx_runtime_agrees_with_torch_at_any_size_and_batch(name, norm):
    torch.manual_seed(0)
    generator = randomized(build_generator(name, {"norm": norm}))
    model = checked(to_onnx(generator))
    for batch, height, width in ((1, 128, 128), (2, 64, 192), (1, 97, 131)):
        inputs = example_inputs(generator, batch=batch, height=height, width=width)
        assert disagreement(generator, model, inputs) < 1 / 255


@pytest.mark.parametrize("styles", [1, 2])
def test_a_light_network_with_noise_takes_one_value_a_channel_for_each_cell(styles):
    torch.manual_seed(0)
    arguments = {"width": 16, "blocks": 1, "styles": styles, "noise_scales": NOISE_SCALES}
    generator = randomized(build_generator("light", arguments))
    model = checked(to_onnx(generator))
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    assert {x.name: x.shape for x in session.get_inputs()}["noise"] == ["batch", 6, "noise_height", "noise_width"]
    for height, width in ((64, 96), (97, 131)):
        assert disagreement(generator, model, example_inputs(generator, height=height, width=width)) < 1 / 255


@pytest.mark.parametrize("preset", [*PRESETS])
def test_presets_can_be_exported(preset):
    recipe = PRESETS[preset]
    generator = randomized(build_generator(recipe.generator, recipe.generator_arguments()))
    inputs = example_inputs(generator, height=75, width=98)
    assert disagreement(generator, checked(to_onnx(generator)), inputs) < 1 / 255


@pytest.mark.parametrize("padding", ["reflect", "replicate", "circular", "zero"])
def test_every_padding_can_be_exported(padding):
    generator = build_generator("residual", {"width": 4, "blocks": 1, "padding": padding, "upsample": "transposed"})
    inputs = example_inputs(generator, height=33, width=40)
    assert disagreement(generator, checked(to_onnx(generator)), inputs) < 1 / 255


@pytest.mark.parametrize("norm", ["instance", "contrast"])
def test_several_styles_are_an_input(norm):
    generator = randomized(build_generator("residual", {"width": 4, "blocks": 1, "norm": norm, "styles": 3}))
    model = checked(to_onnx(generator))
    inputs = example_inputs(generator, height=40, width=48)
    assert inputs["style"].shape == (2, 3)
    assert disagreement(generator, model, inputs) < 1 / 255


@pytest.mark.parametrize("norm", ["instance", "contrast"])
@pytest.mark.parametrize("name", [*GENERATORS])
def test_strength_is_an_input_with_a_default(name, norm):
    torch.manual_seed(0)
    generator = randomized(build_generator(name, {"width": 4, "norm": norm, "styles": 2}))
    model = checked(to_onnx(generator, strength=True))
    inputs = example_inputs(generator, height=97, width=131)
    assert disagreement(generator, model, inputs) < 1 / 255

    full = {**inputs, "style": torch.tensor([[1.0, 0.0]]).expand(2, -1)}
    session = onnxruntime.InferenceSession(model)
    (theirs,) = session.run(None, {name: x.numpy() for name, x in inputs.items() if name != "style"})
    with torch.no_grad():
        assert np.abs(generator(**full).clamp(0, 1).numpy() - theirs).max() < 1 / 255


def test_the_graph_has_one_instance_norm_a_layer():

    model = onnx.load_from_string(to_onnx(build_generator("residual", {})))
    operators = [node.op_type for node in model.graph.node]
    assert operators.count("InstanceNormalization") == operators.count("Conv") - 1 == 15


def test_noise_is_an_input_and_matters():
    generator = build_generator("texture", {"width": 4, "levels": 3})
    session = onnxruntime.InferenceSession(to_onnx(generator))
    assert [i.name for i in session.get_inputs()] == ["image", "noise"]
    inputs = {name: x.numpy() for name, x in example_inputs(generator, height=40, width=48).items()}
    other = {**inputs, "noise": inputs["noise"][::-1].copy()}
    assert not np.allclose(session.run(None, inputs)[0], session.run(None, other)[0])


@pytest.mark.parametrize("padding", ["reflect", "replicate", "zero"])
def test_the_light_networks_first_convolution_takes_whole_numbers_where_that_is_the_same(padding):
    torch.manual_seed(0)
    generator = build_generator("light", {"width": 4, "blocks": 1, "padding": padding})
    operators = [node.op_type for node in onnx.load_from_string(to_onnx(generator)).graph.node]
    assert operators[:2] == (["Mul", "Sub"] if padding == "zero" else ["Mul", "Shape"])
    with torch.no_grad():
        expected = generator(torch.from_numpy(IMAGE)).numpy()
    (found,) = onnxruntime.InferenceSession(to_onnx(generator)).run(None, {"image": IMAGE})
    assert np.abs(found - expected).max() < 1e-4


@pytest.mark.parametrize("shape", [(3, 5, 9, 9), (4, 2, 3, 3), (1, 1, 1, 1)])
def test_a_packed_kernel_computes_squares_of_pixels(shape):
    torch.manual_seed(0)
    kernel, bias = torch.randn(shape), torch.randn(shape[0])
    x = torch.randn(2, shape[1], 7 + shape[2], 9 + shape[3])
    plain = F.conv2d(x, kernel, bias)
    packed = F.pixel_shuffle(F.conv2d(x, pack_kernel(kernel), pack_bias(bias), stride=2), 2)
    assert torch.allclose(packed, plain[:, :, : packed.shape[2], : packed.shape[3]], atol=1e-4)
    assert packed.shape[2:] == (8, 10)


@pytest.mark.parametrize("shape", [(3, 5, 9, 9), (4, 2, 3, 3), (1, 1, 1, 1)])
def test_unpacking_undoes_packing(shape):
    kernel, bias = torch.randn(shape), torch.randn(shape[0])
    assert torch.equal(unpack(pack_kernel(kernel), kernel.shape), kernel)
    assert torch.equal(unpack(pack_bias(bias), bias.shape), bias)
    assert torch.equal(unpack(kernel, kernel.shape), kernel)


@pytest.mark.parametrize("styles", [1, 3])
@pytest.mark.parametrize("name", [*GENERATORS])
def test_the_weights_that_were_written_are_read(name, styles):
    torch.manual_seed(0)
    generator = randomized(build_generator(name, {"width": 4, "styles": styles}))
    weights = read_weights(to_onnx(generator), build_generator(name, {"width": 4}))
    styled = {
        f"{layer}.{part}"
        for layer, x in generator.named_modules()
        for part in ("weight", "bias")
        if x in generator.conditional_norms()
    }
    assert weights.keys() == generator.state_dict().keys() - styled
    for key, weight in weights.items():
        assert torch.equal(weight, generator.state_dict()[key])
    with pytest.raises(ModelError, match="damaged"):
        read_weights(to_onnx(generator)[:-9], generator)
