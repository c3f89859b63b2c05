"""Whole conversions; the oracles are the projects' networks in torch, TensorFlow's own output, and original graphs."""

from collections import OrderedDict

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

import impasto
from impasto.convert import checks
from impasto.convert.converter import ConvertOptions, convert
from impasto.convert.projects import recognize
from impasto.convert.tensorflow import checkpoint_files, read_tensorflow
from impasto.errors import ModelError, UsageError
from impasto.models import forms
from impasto.models.modelfile import read_info
from tests.conftest import make_photo
from tests.convert.files import DATA, write_weight_folder
from tests.convert.networks import Examples, Rrmina, made, painted
from tests.convert.torch_files import saved, with_running_statistics, zoo_onnx

SIZES = [(48, 64), (61, 50), (33, 47), (16, 16)]


def picture(height, width):
    return torch.tensor(make_photo(3, height, width)).permute(2, 0, 1)[None].float() / 255


def run(path, image):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": np.asarray(image)})[0]


def converted(tmp_path, data, name="their.pth", **options):
    source = tmp_path / name
    source.write_bytes(data)
    return convert(source, tmp_path / "model.onnx", ConvertOptions(**options))


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "before 1.6"])
@pytest.mark.parametrize("statistics", [False, True], ids=["plain", "running statistics"])
def test_a_checkpoint_of_pytorch_examples_paints_the_same(legacy, statistics, tmp_path):
    network = made(Examples)
    state = with_running_statistics(network) if statistics else network.state_dict()
    assert any("running" in name for name in state) == statistics
    result = converted(tmp_path, saved(state, legacy=legacy), "candy.model")
    for size in SIZES:
        image = picture(*size)
        ours, theirs = run(result.path, image), painted(network, image)
        assert theirs.std() > 0.05
        assert np.abs(ours - theirs).max() <= 1 / 255, size
    assert result.info.license == "BSD-3-Clause"
    assert result.info.multiple_of == 1


@pytest.mark.parametrize("kind", [Examples, Rrmina])
def test_names_before_those_of_the_network_are_left_out(kind):
    state = made(kind).state_dict()
    plain = recognize({name: tensor.numpy() for name, tensor in state.items()})
    for before in ("module.", "_orig_mod.", "module._orig_mod.", "transformer."):
        wrapped = {"loss.conv1.weight": np.ones(3, np.float32)} if before == "transformer." else {}
        wrapped |= {before + name: tensor.numpy() for name, tensor in reversed(state.items())}
        found = recognize(wrapped)
        assert found.project == plain.project
        assert len(found.nodes) == len(plain.nodes)


@pytest.mark.parametrize(
    ("options", "tanh"),
    [({}, False), ({"sizes": (1, 3, 1)}, False), ({"tanh": True}, True), ({"norm_first": True}, False)],
    ids=["plain", "ResNeXt", "tanh", "V2"],
)
def test_checkpoints_of_rrmina_paint_the_same(options, tanh, tmp_path):
    network = made(Rrmina, **options, spread=1.5 if tanh else 40.0)
    result = converted(tmp_path, saved(network.state_dict()), tanh=tanh)
    for size in SIZES:
        image = picture(*size)
        ours, theirs = run(result.path, image), painted(network, image, bgr=True)
        assert theirs.std() > 0.05
        assert np.abs(ours - theirs).max() <= 1 / 255, size


def test_a_checkpoint_with_tanh_that_is_not_said_to_have_it_is_noted(tmp_path):
    network = made(Rrmina, tanh=True, spread=1.5)
    result = converted(tmp_path, saved(network.state_dict()))
    assert any("--tanh" in note for note in result.notes)


@pytest.mark.parametrize("name", ["tf1_v1/fns.ckpt", "tf1_v2/fns.ckpt", "tf1_v2/fns.ckpt.meta", "tf1_v2", "folder"])
def test_weights_of_lengstrom_paint_what_tensorflow_painted(name, tmp_path):
    source = DATA / name
    if name == "folder":
        source = write_weight_folder(tmp_path / "wave", read_tensorflow(checkpoint_files(DATA / "tf1_v1/fns.ckpt")))
    result = convert(source, tmp_path / "model.onnx")
    stored = np.load(DATA / "tf1_painted.npz")
    image = stored["picture"].transpose(2, 0, 1)[None].astype(np.float32) / 255
    wanted = np.clip(stored["painted"] / 255, 0, 1)
    ours = run(result.path, image)[0].transpose(1, 2, 0)
    assert wanted.std() > 0.1
    assert np.abs(ours - wanted).max() <= 1 / 255
    assert "no commercial use" in result.info.license
    assert result.info.multiple_of == 4


@pytest.mark.parametrize("opset", [9, 11, 17])
@pytest.mark.parametrize("dynamic", [True, False], ids=["any size", "one size"])
def test_files_of_the_model_zoo_paint_the_same(opset, dynamic, tmp_path):
    network = made(Examples)
    result = converted(tmp_path, zoo_onnx(network, opset=opset, dynamic=dynamic), "mosaic-9.onnx")
    for size in SIZES:
        image = picture(*size)
        assert np.abs(run(result.path, image) - painted(network, image)).max() <= 1 / 255
    assert result.difference <= 1 / 255
    assert result.info.license == "BSD-3-Clause"
    assert result.info.arguments["project"] == "ONNX model zoo fast_neural_style"
    assert result.info.styles == ("mosaic-9",)


def test_a_file_in_float16_is_refused(tmp_path):
    content = zoo_onnx(made(Examples).half(), opset=11)
    with pytest.raises(ModelError, match="float16; export it again in float32"):
        converted(tmp_path, content, "half.onnx")


def test_old_files_with_their_weights_among_the_inputs_are_read(tmp_path):
    content = zoo_onnx(keep_initializers_as_inputs=True)
    model = onnx.load_from_string(content)
    model.ir_version = 3
    assert len(model.graph.input) > 1
    assert converted(tmp_path, model.SerializeToString(), "old.onnx").difference <= 1 / 255


def test_the_range_and_the_order_of_colors_of_an_onnx_file_can_be_given(tmp_path):
    network = made(Examples)

    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, x):
            return self.network(255 * x) / 255

    result = converted(tmp_path, zoo_onnx(Scaled()), "x.onnx", range=1.0, bgr=True)
    image = picture(61, 50)
    assert np.abs(run(result.path, image) - painted(network, image, bgr=True)).max() <= 1 / 255


def test_a_converted_model_is_a_model(tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "MINIMUM_CHANNELS", 5)
    network = made(Examples, widths=(4, 8, 8))
    Image.fromarray(make_photo(5, 64, 80)).save(tmp_path / "photo.png")
    result = converted(
        tmp_path, saved(network.state_dict()), content=tmp_path / "photo.png", title="Candy", source="me"
    )
    info = read_info(result.path)
    assert info == result.info
    assert (info.architecture, info.style_title, info.source) == ("converted", "Candy", "me")
    assert info.training["converted_from"] == "their.pth"
    assert set(info.ranges) == {f"res{n}.conv{m}.conv2d.weight" for n in (1, 2) for m in (1, 2)} | {
        "conv3.conv2d.weight",
        "deconv1.conv2d.weight",
        "deconv2.conv2d.weight",
    }
    assert info.reach == 48
    assert info.strides == (1, 2, 4, 4, 4, 4, 4, 2, 1)
    stylizer = impasto.load(result.path, backend="onnxruntime", precision="float32")
    photo = make_photo(6, 90, 75)
    assert stylizer(photo).shape == photo.shape
    with pytest.raises(UsageError, match="one strength"):
        stylizer(photo, impasto.Settings(strength=0.5))


def test_tiles_of_a_converted_model_are_parts_of_the_whole(tmp_path, monkeypatch):
    from impasto.painting import stylizer

    for kind in (Examples, Rrmina):
        result = converted(tmp_path, saved(made(kind, blocks=1).state_dict()))
        model = impasto.load(result.path, precision="float32", backend="onnxruntime")
        photo, settings = make_photo(7, 161, 150), impasto.Settings(stroke_size=0)
        whole = model(photo, settings).astype(int)
        with monkeypatch.context() as patch:
            patch.setattr(stylizer, "WHOLE_PIXELS", 1000)
            patch.setattr(stylizer, "TILE", 64)
            tiled = model(photo, settings).astype(int)
        assert np.abs(whole - tiled).max() <= 1


def test_8_bits_that_would_change_the_painting_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "MINIMUM_CHANNELS", 5)
    monkeypatch.setattr(checks, "MOST_LEVELS", 1e-6)
    result = converted(tmp_path, saved(made(Examples, widths=(4, 8, 8)).state_dict()))
    assert result.info.ranges == {}
    assert any("8-bit" in note for note in result.notes)


def test_a_network_that_differs_from_its_original_is_not_written(tmp_path, monkeypatch):
    wrong = {"Relu": lambda reading: reading.features()}
    from impasto.convert import foreign_onnx

    monkeypatch.setattr(foreign_onnx, "READERS", {**foreign_onnx.READERS, **wrong})
    with pytest.raises(ModelError, match=r"differs by \d+ of 255"):
        converted(tmp_path, zoo_onnx(), "x.onnx")
    assert not (tmp_path / "model.onnx").exists()


def changed(**changes):
    state = made(Examples).state_dict()
    for name, value in changes.items():
        if value is None:
            del state[name.replace("__", ".")]
        else:
            state[name.replace("__", ".")] = value
    return state


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (changed(in2__weight=None), r"has no in2\.weight"),
        (changed(extra__weight=torch.ones(3)), r"has 'extra\.weight', which the network of pytorch/examples has not"),
        (changed(in2__weight=torch.ones(7)), "normalization of"),
        (changed(conv2__conv2d__weight=torch.ones(5, 9, 3, 3)), "a kernel"),
        (changed(conv2__conv2d__weight=torch.ones(5, 4, 2, 2)), "a kernel"),
        (changed(conv2__conv2d__bias=torch.ones(2)), "biases"),
        (changed(in2__weight=torch.full((5,), float("nan"))), "not numbers"),
        (OrderedDict(layer=torch.ones(3)), "weights called layer"),
        (OrderedDict(Variable=torch.ones(3)), "has 1 variables"),
    ],
    ids=range(9),
)
def test_weights_of_another_network_are_refused(state, message, tmp_path):
    with pytest.raises(ModelError, match=message) as caught:
        converted(tmp_path, saved(OrderedDict(state)))
    assert str(caught.value).startswith(str(tmp_path / "their.pth"))


def test_a_network_that_paints_one_color_is_refused(tmp_path):
    state = made(Examples).state_dict()
    state["deconv3.conv2d.weight"] *= 0
    with pytest.raises(ModelError, match="one color"):
        converted(tmp_path, saved(state))


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\x08", b"{}", bytes(100)], ids=range(5))
def test_files_of_other_formats_are_refused(content, tmp_path):
    with pytest.raises(ModelError) as caught:
        converted(tmp_path, content)
    assert "\n" not in str(caught.value)


def test_options_that_do_not_fit_the_file_are_wrong_usage(tmp_path):
    checkpoint = saved(made(Examples).state_dict())
    for options in ({"range": 1.0}, {"bgr": True}):
        with pytest.raises(UsageError, match="for ONNX files"):
            converted(tmp_path, checkpoint, **options)
    with pytest.raises(ModelError, match="--tanh"):
        converted(tmp_path, checkpoint, tanh=True)
    with pytest.raises(UsageError, match="--tanh"):
        converted(tmp_path, zoo_onnx(), "x.onnx", tanh=True)


def test_the_statistics_of_a_converted_network_can_be_frozen(tmp_path):
    result = converted(tmp_path, saved(made(Examples).state_dict()))
    assert len(forms.norms(result.path.read_bytes())) == 9 == len(result.info.strides)
    assert len(recognize({name: x.numpy() for name, x in made(Examples).state_dict().items()}).nodes) > 9
