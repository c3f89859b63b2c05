from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from impasto.cli.main import main
from impasto.errors import ModelError
from impasto.models.modelfile import ModelInfo, read_info
from impasto.nn.generators import GENERATORS, NOISE_SCALES, build_generator
from impasto.nn.norm import NORMS
from impasto.nn.tensors import to_picture, to_tensor
from impasto.painting import stylizer as runtime
from impasto.painting.engines import ENGINES
from impasto.painting.load import load
from impasto.painting.regions import paint_regions
from impasto.painting.settings import Settings
from impasto.pictures.read import load_image
from impasto.pictures.write import save_image
from impasto.training import export
from impasto.training.base import _first_of_pixels
from impasto.training.config import PRESETS
from impasto.training.export import disagreement, example_inputs, export_generator, facts, to_onnx
from tests.conftest import make_photo


def randomized(generator):
    """With every parameter and running average off its starting value, so that none can be forgotten unnoticed."""
    for name, parameter in generator.named_parameters():
        if "norm" in name or "join" in name:
            nn.init.uniform_(parameter, 0.5, 1.5)
    for name, buffer in generator.named_buffers():
        if "running" in name:
            nn.init.uniform_(buffer, 0.5, 1.5)
    return generator


@pytest.mark.parametrize("norm", [*NORMS])
@pytest.mark.parametrize("name", [*GENERATORS])
def test_onnx_runtime_agrees_with_torch_at_any_size_and_batch(name, norm):
    torch.manual_seed(0)
    generator = randomized(build_generator(name, {"norm": norm}))
    model = to_onnx(generator)
    for batch, height, width in ((1, 128, 128), (2, 64, 192), (1, 97, 131)):
        inputs = example_inputs(generator, batch=batch, height=height, width=width)
        assert disagreement(generator, model, inputs) < 1 / 255


@pytest.mark.parametrize("styles", [1, 2])
def test_a_light_network_with_noise_takes_one_value_a_channel_for_each_cell(styles):
    torch.manual_seed(0)
    arguments = {"width": 16, "blocks": 1, "styles": styles, "noise_scales": NOISE_SCALES}
    generator = randomized(build_generator("light", arguments))
    model = to_onnx(generator)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    assert {x.name: x.shape for x in session.get_inputs()}["noise"] == ["batch", 6, "noise_height", "noise_width"]
    for height, width in ((64, 96), (97, 131)):
        assert disagreement(generator, model, example_inputs(generator, height=height, width=width)) < 1 / 255


@pytest.mark.parametrize("preset", [*PRESETS])
def test_presets_can_be_exported(preset):
    recipe = PRESETS[preset]
    generator = randomized(build_generator(recipe.generator, recipe.generator_arguments()))
    inputs = example_inputs(generator, height=75, width=98)
    assert disagreement(generator, to_onnx(generator), inputs) < 1 / 255


@pytest.mark.parametrize("padding", ["reflect", "replicate", "circular", "zero"])
def test_every_padding_can_be_exported(padding):
    generator = build_generator("residual", {"width": 4, "blocks": 1, "padding": padding, "upsample": "transposed"})
    inputs = example_inputs(generator, height=33, width=40)
    assert disagreement(generator, to_onnx(generator), inputs) < 1 / 255


@pytest.mark.parametrize("norm", ["instance", "contrast"])
def test_several_styles_are_an_input(norm):
    generator = randomized(build_generator("residual", {"width": 4, "blocks": 1, "norm": norm, "styles": 3}))
    model = to_onnx(generator)
    inputs = example_inputs(generator, height=40, width=48)
    assert inputs["style"].shape == (2, 3)
    assert disagreement(generator, model, inputs) < 1 / 255


@pytest.mark.parametrize("norm", ["instance", "contrast"])
@pytest.mark.parametrize("name", [*GENERATORS])
def test_strength_is_an_input_that_may_be_left_out(name, norm):
    torch.manual_seed(0)
    generator = randomized(build_generator(name, {"width": 4, "norm": norm, "styles": 2}))
    model = to_onnx(generator, strength=True)
    inputs = example_inputs(generator, height=97, width=131)
    assert disagreement(generator, model, inputs) < 1 / 255

    full = {**inputs, "style": torch.tensor([[1.0, 0.0]]).expand(2, -1)}
    session = onnxruntime.InferenceSession(model)
    (theirs,) = session.run(None, {name: x.numpy() for name, x in inputs.items() if name != "style"})
    with torch.no_grad():
        assert np.abs(generator(**full).clamp(0, 1).numpy() - theirs).max() < 1 / 255


@pytest.mark.parametrize("backend", sorted(ENGINES))
def test_a_model_of_its_own_paints_in_any_strength(backend, tmp_path, monkeypatch):
    torch.manual_seed(0)
    generator = randomized(build_generator("residual", {"width": 4, "blocks": 1, "styles": 2}))
    info = ModelInfo(architecture="residual", arguments={"width": 4, "blocks": 1}, styles=("s",), strength=True)
    export_generator(generator, info, tmp_path / "model.onnx")
    stylizer = load(tmp_path / "model.onnx", backend=backend, precision="float32")
    photo = make_photo(1, 101, 90)
    full, none = generator.style_parameters()
    reference = build_generator("residual", {"width": 4, "blocks": 1})
    reference.load_state_dict(
        {
            **generator.state_dict(),
            **{k: x[:1] for k, x in generator.state_dict().items() if "norm" in k and x.ndim == 2},
        }
    )
    for strength in (1.0, 1.5):
        way = torch.full_like(full, strength)
        way[-2 * (8 + 4) :] = min(strength, 1)  # the layers at half and at the full size, which make the colours
        reference.set_style_parameters((none + way * (full - none))[None])
        with torch.no_grad():
            expected = to_picture(reference(to_tensor(photo)))
        painted = stylizer(photo, Settings(strength=strength))
        assert np.abs(painted.astype(int) - expected.astype(int)).max() <= 1
    whole = stylizer(photo, Settings(strength=0.4))
    with monkeypatch.context() as patch:
        patch.setattr(runtime, "WHOLE_PIXELS", 1000)
        patch.setattr(runtime, "SAMPLED_PIXELS", photo.shape[0] * photo.shape[1])
        patch.setattr(runtime, "TILE", 64)
        in_tiles = stylizer(photo, Settings(strength=0.4))
    assert np.abs(in_tiles.astype(int) - whole).max() <= 1
    half = np.full((101, 90), 128, np.uint8)
    by_mask, by_strength = paint_regions(photo, [(stylizer, half)]), stylizer(photo, Settings(strength=128 / 255))
    assert np.abs(by_mask.astype(int) - by_strength.astype(int)).mean() < 1
    assert (stylizer(photo, Settings(strength=0)) == photo).all()


def test_the_command_line_shows_a_model_of_its_own_in_all_strengths(tmp_path):
    generator = randomized(build_generator("residual", {"width": 4, "blocks": 1, "styles": 2}))
    info = ModelInfo(architecture="residual", arguments={"width": 4, "blocks": 1}, styles=("s",), strength=True)
    export_generator(generator, info, tmp_path / "model.onnx")
    save_image(tmp_path / "photo.png", make_photo(1, 60, 90))
    words = [str(tmp_path / name) for name in ("photo.png", "model.onnx", "grid.png")]
    assert main(["stylize", words[0], "--model", words[1], "--grid", "-o", words[2]]) == 0
    height, width = load_image(words[2]).shape[:2]
    assert width > 6 * 90
    assert height > 60


def test_the_graph_has_one_instance_norm_a_layer():
    import onnx

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


@pytest.mark.parametrize("name", [*GENERATORS])
def test_the_stylizer_paints_what_torch_paints(name, tmp_path):
    torch.manual_seed(0)
    generator = build_generator(name, {})
    info = ModelInfo(
        architecture=name,
        arguments={},
        styles=("s",),
    )
    export_generator(generator, info, tmp_path / "model.onnx")
    assert read_info(tmp_path / "model.onnx") == replace(info, **facts(generator))
    photo = make_photo(1, 101, 90)
    picture = load(tmp_path / "model.onnx", backend="onnxruntime")(photo, Settings(seed=3))
    noise = None
    if generator.noise_channels:
        shape = (1, generator.noise_channels, 101, 90)
        noise = torch.from_numpy(np.random.default_rng(3).random(shape, dtype=np.float32))
    with torch.no_grad():
        expected = to_picture(generator(to_tensor(photo), noise))
    assert np.abs(picture.astype(int) - expected.astype(int)).max() <= 1


def test_a_file_that_disagrees_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "disagreement", lambda *_: 0.5)
    generator = build_generator("residual", {"width": 4, "blocks": 1})
    info = ModelInfo(architecture="residual", arguments={}, styles=("s",))
    with pytest.raises(ModelError, match=r"not written: ONNX Runtime's picture differs from torch's by 127.5/255"):
        export_generator(generator, info, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_the_last_kernel_makes_four_pixels_at_once_and_is_found_again():
    torch.manual_seed(0)
    generator = build_generator("residual", {"width": 4, "blocks": 1})
    stored = {x.name: torch.from_numpy(numpy_helper.to_array(x).copy()) for x in _graph(generator).initializer}
    assert stored["last.conv.weight"].shape == (3 * 2 * 2, 4, 10, 10)
    for name, weight in generator.state_dict().items():
        if not name.endswith("norm.weight") and not name.endswith("norm.bias"):
            assert torch.equal(_first_of_pixels(stored[name], weight.shape), weight)


def _graph(generator):
    return onnx.load_from_string(to_onnx(generator)).graph
