import functools
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import example, given
from hypothesis import settings as trials
from hypothesis import strategies as st
from onnx import helper
from PIL import Image

import impasto
from impasto.errors import BackendError, ImageError, ModelError, UsageError
from impasto.models.catalogue import find_style
from impasto.models.modelfile import ModelInfo
from impasto.models.stylefile import Style, StyleInfo, write_style
from impasto.painting import engines as backends
from impasto.painting import stylizer as runtime
from impasto.painting.engines import BACKENDS, FakeBackend
from impasto.painting.settings import Settings
from impasto.painting.stylizer import Stylizer, load, load_foreign
from impasto.pictures import colors
from impasto.pictures.folders import find_images
from impasto.pictures.resize import resize, resize_short_side
from impasto.processor import has_quick_bfloat16, has_quick_int8
from tests.graphs import CONVOLVE, IMAGE, INVERT, NOISE, make_onnx, write_test_model

ENGINES = sorted(BACKENDS)


def random_picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def fake(function=lambda inputs: inputs["image"], **changes):
    info = {"architecture": "residual", "arguments": {}, "styles": ("a",)} | changes
    return Stylizer(FakeBackend(function), ModelInfo(**info))


# ---- pictures in, pictures out --------------------------------------------------------------------------------


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 32), st.integers(1, 40))
@trials(max_examples=50, deadline=None)
def test_every_size_comes_back_exactly(height, width, multiple_of, minimum_size):
    seen = []

    def look(inputs):
        seen.append(inputs["image"].shape[2:])
        return inputs["image"]

    picture = random_picture(height, width)
    painted = fake(look, multiple_of=multiple_of, minimum_size=minimum_size)(picture)
    assert painted.dtype == np.uint8
    assert (painted == picture).all()
    for size in seen[0]:
        assert size >= minimum_size
        assert size % multiple_of == 0


def test_no_padding_where_none_is_needed_and_the_picture_is_not_changed():
    picture = random_picture(32, 48)
    picture.flags.writeable = False
    shapes = []
    fake(lambda inputs: shapes.append(inputs["image"].shape) or inputs["image"] * 0, multiple_of=16)(picture)
    assert shapes == [(1, 3, 32, 48)]


def test_the_padding_reflects_the_picture():
    batches = []
    picture = random_picture(16, 14)
    fake(lambda inputs: batches.append(inputs["image"]) or inputs["image"], multiple_of=4)(picture)
    padded = np.rint(batches[0][0].transpose(1, 2, 0) * 255)
    assert (padded[:, 14:] == picture[:, [12, 11]]).all()


def test_the_graph_sees_rgb_from_0_to_1():
    seen = []
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[..., 0] = 255
    fake(lambda inputs: seen.append(inputs["image"]) or inputs["image"])(picture)
    assert seen[0].dtype == np.float32
    assert seen[0].flags.c_contiguous
    assert (seen[0][0, 0] == 1).all()
    assert (seen[0][0, 1:] == 0).all()


def test_values_are_rounded_and_clipped_not_cut_off():
    values = np.array([-1, 0.4 / 255, 0.6 / 255, 253.6 / 255, 2], np.float32)
    painted = fake(lambda inputs: np.tile(np.resize(values, 20), (1, 3, 20, 1)).astype(np.float32))(
        random_picture(20, 20)
    )
    assert painted[0, :5, 0].tolist() == [0, 0, 1, 254, 255]


@pytest.mark.parametrize(
    "picture",
    [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)],
)
def test_what_is_no_picture_is_refused(picture):
    with pytest.raises(ImageError, match="expected a picture, uint8"):
        fake()(picture)


@pytest.mark.parametrize("shape", [(1, 3, 20, 19), (1, 1, 20, 20), (3, 20, 20), (2, 3, 20, 20)])
def test_a_graph_that_breaks_the_contract_is_named(shape):
    with pytest.raises(ModelError, match="not a stylising model"):
        fake(lambda inputs: np.zeros(shape, np.float32))(random_picture(20, 20))


def test_nan_is_an_error_not_black():
    with pytest.raises(ModelError, match="not finite"):
        fake(lambda inputs: inputs["image"] * np.float32("nan"))(random_picture(20, 20))


# ---- noise and styles -----------------------------------------------------------------------------------------


def test_noise_is_uniform_and_decided_by_the_seed():
    stylizer = fake(lambda inputs: inputs["noise"][:, :3], noise_channels=5)
    picture = random_picture(100, 100)
    first = stylizer(picture, Settings(seed=1))
    assert (first == stylizer(picture, Settings(seed=1))).all()
    assert (first != stylizer(picture, Settings(seed=2))).any()
    assert abs(first.mean() / 255 - 0.5) < 0.01
    assert first.min() == 0
    assert first.max() == 255


def test_no_noise_and_no_style_for_models_without():
    names = []
    fake(lambda inputs: names.extend(inputs) or inputs["image"])(random_picture(20, 20), Settings(seed=3))
    assert names == ["image"]


def test_a_style_is_an_input_and_its_strength_lies_between():
    seen = []
    info = ModelInfo(architecture="residual", arguments={}, styles=("a",), style_size=2)
    style = Style(StyleInfo(name="a", network=""), np.array([4, 8], np.float32), np.array([0, 2], np.float32))
    backend = FakeBackend(lambda inputs: seen.append(inputs["style"].tolist()) or inputs["image"])
    stylizer = Stylizer(backend, info, style)
    picture = random_picture(20, 20)
    assert (stylizer(picture) == picture).all()
    stylizer(picture, Settings(strength=0.25))
    stylizer(picture, Settings(strength=1.5))
    assert seen == [[4, 8], [1, 3.5], [6, 11]]


def test_beyond_the_style_the_numbers_that_make_the_colours_stay():
    seen = []
    info = ModelInfo(architecture="residual", arguments={}, styles=("a",), style_size=2, late_size=1)
    style = Style(StyleInfo(name="a", network=""), np.array([4, 8], np.float32), np.array([0, 2], np.float32))
    backend = FakeBackend(lambda inputs: seen.append(inputs["style"].tolist()) or inputs["image"])
    for strength in (0.5, 1.5):
        Stylizer(backend, info, style)(random_picture(20, 20), Settings(strength=strength))
    assert seen == [[2, 5], [6, 8]]


def test_a_model_of_its_own_has_one_strength():
    with pytest.raises(UsageError, match="this model has one strength"):
        fake()(random_picture(20, 20), Settings(strength=0.5))


# ---- the size of strokes ----------------------------------------------------------------------------------------


def test_strokes_are_as_large_as_the_picture_is():
    """The network paints at one size, so the same photo in two sizes has the same strokes."""
    sizes = []
    stylizer = fake(lambda inputs: sizes.append(inputs["image"].shape[2:]) or 1 - inputs["image"])
    large = random_picture(1200, 900)
    for picture in (large, resize_short_side(large, 700), resize_short_side(large, 300)):
        assert stylizer(picture).shape == picture.shape
    stylizer(large, Settings(stroke_size=2.0))
    stylizer(large, Settings(stroke_size=0.5))
    stylizer(resize_short_side(large, 300), Settings(stroke_size=2.0))
    stylizer(resize_short_side(large, 300), Settings(stroke_size=0.5))
    assert sizes == [(683, 512), (682, 512), (400, 300), (341, 256), (1365, 1024), (200, 150), (800, 600)]


def test_a_picture_is_enlarged_for_fine_strokes_only_as_far_as_it_is_painted_whole():
    sizes = []
    stylizer = fake(lambda inputs: sizes.append(inputs["image"].shape[2:]) or 1 - inputs["image"])
    for shape in ((512, 768), (40, 4000), (3, 9000), (1500, 3500)):
        assert stylizer(random_picture(*shape), Settings(stroke_size=0.01)).shape == (*shape, 3)
    assert all(height * width <= runtime.WHOLE_PIXELS for height, width in sizes[:3])
    assert sizes[0][0] > 3 * 512
    assert sizes[-1] == (1500, 3500)  # more than that already: as it is


def test_an_enlarged_painting_has_a_share_of_the_photos_detail():
    large = random_picture(1100, 1030)
    painted = fake(lambda inputs: inputs["image"] * 0 + 0.5)(large)
    coarse = resize(resize_short_side(large, 512), 1030, 1100)
    expected = 128 + runtime.DETAIL * (large.astype(float) - coarse)
    assert np.abs(painted - expected.clip(0, 255)).max() <= 1
    info = ModelInfo(architecture="residual", arguments={}, styles=("a",), style_size=1)
    style = Style(StyleInfo(name="a", network=""), np.ones(1, np.float32), np.zeros(1, np.float32))
    stylizer = Stylizer(FakeBackend(lambda inputs: 1 - inputs["image"]), info, style)
    assert (stylizer(large, Settings(strength=0)) == large).all()
    black = np.zeros((4, 4), np.uint8)
    assert (stylizer(large, mask=black) == large).all()


def test_crisp_paints_again_at_each_doubling_up_to_the_pictures_own_size():
    painted = []

    def half_way_to_white(inputs):
        painted.append((inputs["image"].shape[2:], float(inputs["image"].mean())))
        return (inputs["image"] + 1) / 2

    stylizer = fake(half_way_to_white)
    large = random_picture(1100, 1400)
    result = stylizer(large, Settings(crisp=True, stroke_size=2.0))
    assert result.shape == large.shape
    sizes, means = zip(*painted, strict=True)
    assert sizes == ((256, 326), (512, 652), (1024, 1303), (1100, 1400))
    # Each takes what the one before has made, not the photo: 0.5, 0.75, 0.875, 0.94.
    assert means == pytest.approx([0.5, 0.75, 0.875, 0.9375], abs=0.02)
    assert result.mean() / 255 == pytest.approx(0.97, abs=0.02)

    for picture, settings in ((large, Settings(stroke_size=0)), (random_picture(400, 300), Settings(stroke_size=0.5))):
        again = replace(settings, crisp=True)  # painted at its own size, or larger, as it is
        np.testing.assert_array_equal(stylizer(picture, again), stylizer(picture, settings))


def test_crisp_takes_no_strength_twice_that_is_beyond_the_style():
    given = []
    info = ModelInfo(architecture="residual", arguments={}, styles=("a",), style_size=1)
    style = Style(StyleInfo(name="a", network=""), np.ones(1, np.float32), np.zeros(1, np.float32))
    stylizer = Stylizer(FakeBackend(lambda x: given.append(float(x["style"][0])) or 1 - x["image"]), info, style)
    stylizer(random_picture(1100, 1030), Settings(strength=1.5, crisp=True))
    stylizer(random_picture(1100, 1030), Settings(strength=0.5, crisp=True))
    assert given == [1.5, 1.0, 1.0, 0.5, 0.5, 0.5]


def test_crisp_leaves_what_is_masked_and_keeps_colors_of_the_photo():
    large = random_picture(700, 600)
    mask = np.zeros((700, 600), np.uint8)
    mask[:, :300] = 255
    painted = _udnie()(large, Settings(crisp=True), mask=mask)
    np.testing.assert_array_equal(painted[:, 300:], large[:, 300:])
    assert (painted[:, :280] != large[:, :280]).mean() > 0.9
    stylizer = fake(lambda inputs: (inputs["image"] + 1) / 2)
    settings = Settings(crisp=True)
    expected = colors.keep_colors(stylizer(large, settings), large, "luminance")
    np.testing.assert_array_equal(stylizer(large, replace(settings, keep_colors="luminance")), expected)


@pytest.mark.parametrize(
    "wrong",
    [
        {"stroke_size": 0.001},
        {"stroke_size": 9},
        {"stroke_size": "big"},
        {"seed": -1},
        {"keep_colors": "all"},
        {"crisp": 1},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UsageError):
        Settings(**wrong)


# ---- engines --------------------------------------------------------------------------------------------------


@pytest.fixture(params=ENGINES)
def engine(request):
    pytest.importorskip(request.param)
    return request.param


def test_a_model_file_paints(tmp_path, engine):
    stylizer = load(write_test_model(tmp_path / "m.onnx"), backend=engine, threads=1)
    for shape in [(1, 1), (37, 53), (64, 48)]:
        picture = random_picture(*shape)
        assert (stylizer(picture) == 255 - picture).all()
    assert stylizer.info.styles == ("negative",)


def test_auto_finds_an_engine(tmp_path):
    picture = random_picture(20, 20)
    assert (load(write_test_model(tmp_path / "m.onnx"))(picture) == 255 - picture).all()


def test_noise_reaches_the_graph(tmp_path, engine):
    stylizer = load(write_test_model(tmp_path / "m.onnx", NOISE, noise_channels=3), backend=engine)
    expected = np.random.default_rng(5).random((1, 3, 24, 24), dtype=np.float32)[0].transpose(1, 2, 0)
    assert np.abs(stylizer(random_picture(24, 24), Settings(seed=5)) - expected * 255).max() <= 0.51


def test_engines_agree(tmp_path):
    path = write_test_model(tmp_path / "m.onnx", CONVOLVE)
    picture = random_picture(65, 43)
    painted = [
        load(path, backend=name, precision="float32")(picture).astype(int)
        for name in ENGINES
        if backends.find_spec(name)
    ]
    assert all(np.abs(other - painted[0]).max() <= 1 for other in painted)


def has_bfloat16():
    return torch.cpu.get_capabilities().get("avx512_bf16", False)


ROUNDED = [
    pytest.param("bfloat16", marks=pytest.mark.skipif(not has_bfloat16(), reason="this processor has no bfloat16")),
    pytest.param("int8", marks=pytest.mark.skipif(not has_quick_int8(), reason="this processor has no VNNI")),
]


@pytest.mark.skipif(not backends.find_spec("openvino"), reason="OpenVINO is not installed")
@pytest.mark.parametrize("painted_as", ["plain", "masked", "tiled", "half", "twice"])
@pytest.mark.parametrize(
    ("variant", "style", "limit", "limit_twice"),
    [("best", "udnie", 2.0, 2.2), ("best", "roman_mosaic_duck", 2.0, 2.0), ("fast", "starry_night", 2.5, 2.5)],
)
@pytest.mark.parametrize("precision", ROUNDED)
def test_rounded_arithmetic_is_near_float32_and_the_default_where_it_is_quicker(
    precision, variant, style, limit, limit_twice, painted_as, monkeypatch
):
    photo = resize_short_side(
        impasto.load_image(find_images(Path(__file__).parents[2] / "examples" / "photos")[0]), 128
    )
    mask = np.full((2, 2), 255, np.uint8) if painted_as == "masked" else None
    settings = Settings(stroke_size=0, strength={"half": 0.5, "twice": 2.0}.get(painted_as, 1.0))
    if painted_as == "tiled":
        monkeypatch.setattr(runtime, "WHOLE_PIXELS", 1000)
        monkeypatch.setattr(runtime, "TILE", 64)
    exact, rounded, default = (
        load(style, variant=variant, backend="openvino", precision=how)(photo, settings, mask=mask)
        for how in ("float32", precision, "auto")
    )
    quickest = "bfloat16" if has_quick_bfloat16() else "int8" if has_quick_int8() else "float32"
    assert (default == rounded).all() or quickest != precision
    assert 0 < np.abs(exact.astype(float) - rounded).mean() <= (limit_twice if painted_as == "twice" else limit)


def test_a_style_learnt_later_is_painted_in_float32_unless_8_bits_are_asked_for(tmp_path, monkeypatch):
    """Nobody knows its ranges: the network's are those of the styles it was made with."""
    monkeypatch.setattr(runtime, "has_quick_bfloat16", lambda: False)
    style, _ = find_style("udnie")
    write_style(tmp_path / "mine.safetensors", replace(style, info=replace(style.info, name="mine")))
    picture = random_picture(40, 40)
    auto, exact = (load(tmp_path / "mine.safetensors", precision=how)(picture) for how in ("auto", "float32"))
    assert np.abs(auto.astype(int) - exact).max() <= 1
    if has_quick_int8() and backends.find_spec("openvino") and not has_quick_bfloat16():
        assert np.abs(load("udnie")(picture).astype(int) - exact).max() > 1


def test_8_bits_that_are_not_to_be_had_are_said(tmp_path, monkeypatch):
    path = write_test_model(tmp_path / "m.onnx")
    with pytest.raises(BackendError, match="ONNX Runtime computes in float32 only; use OpenVINO"):
        load(path, backend="onnxruntime", precision="int8")
    pytest.importorskip("openvino")
    with pytest.raises(
        BackendError, match="does not say its ranges, which 8 bits take; use precision float32, or auto"
    ):
        load(path, precision="int8")
    monkeypatch.setattr(runtime, "has_quick_int8", lambda: False)
    with pytest.raises(BackendError, match="no products of 8 bits"):
        load("udnie", precision="int8")
    picture = random_picture(20, 20)
    plain, auto = (load("udnie", precision=how)(picture) for how in ("float32", "auto"))
    assert has_quick_bfloat16() or (plain == auto).all()


def test_bfloat16_that_is_not_to_be_had_is_said(tmp_path, monkeypatch):
    path = write_test_model(tmp_path / "m.onnx")
    with pytest.raises(BackendError, match="ONNX Runtime computes in float32 only; use OpenVINO"):
        load(path, backend="onnxruntime", precision="bfloat16")
    pytest.importorskip("openvino")
    if not has_bfloat16():
        with pytest.raises(BackendError, match="no bfloat16; use precision float32, or auto"):
            load(path, backend="openvino", precision="bfloat16")
    picture = random_picture(20, 20)
    assert (load(path, backend="openvino")(picture) == 255 - picture).all()


def test_a_stylizer_may_be_shared_between_threads(tmp_path, engine, all_cores):
    stylizer = load(write_test_model(tmp_path / "m.onnx"), backend=engine)
    pictures = [random_picture(40 + 8 * index, 56, index) for index in range(4)]
    wrong = []

    def work(picture):
        wrong.extend(1 for _ in range(10) if (stylizer(picture) != 255 - picture).any())

    threads = [threading.Thread(target=work, args=(picture,)) for picture in pictures]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_result_outlives_the_next_call(tmp_path, engine):
    stylizer = load(write_test_model(tmp_path / "m.onnx"), backend=engine)
    picture = random_picture(24, 24)
    first = stylizer(picture)
    stylizer(255 - picture)
    assert (first == 255 - picture).all()


def broken_graph():
    """Protobuf says it is fine; the graph adds a tensor that does not exist."""
    model = onnx.load_from_string(INVERT)
    model.graph.node[0].input[0] = "missing"
    return model.SerializeToString()


def test_a_broken_graph_is_one_line(tmp_path, engine, capfd):
    with pytest.raises(ModelError, match=r"m\.onnx: .* cannot load the graph") as caught:
        load(write_test_model(tmp_path / "m.onnx", broken_graph()), backend=engine)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("sizes", [IMAGE, [1, 3, 20, 20]], ids=["of any size", "of one size"])
def test_a_graph_that_fails_at_work_is_one_line(tmp_path, engine, sizes, threads, all_cores, capfd):
    noise = make_onnx(
        [helper.make_node("Mul", ["image", "noise"], ["out"])], {"image": IMAGE, "noise": sizes}, ("out", IMAGE)
    )
    path = write_test_model(tmp_path / "m.onnx", noise)  # its description does not mention the noise input
    with pytest.raises(ModelError, match=r"m\.onnx: .* cannot run the graph.*noise") as caught:
        load(path, backend=engine, threads=threads)(random_picture(20, 20))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_an_input_may_have_another_name_inside(tmp_path, engine):
    """OpenVINO gives an input that is passed on as it is the name of what it is passed on as, too."""
    nodes = [helper.make_node("Identity", ["image"], ["a_copy"]), helper.make_node("Sub", ["one", "a_copy"], ["out"])]
    negative = make_onnx(nodes, {"image": IMAGE}, ("out", IMAGE), {"one": np.float32(1)})
    picture = random_picture(20, 20)
    path = write_test_model(tmp_path / "m.onnx", negative)
    assert (load(path, backend=engine)(picture) == 255 - picture).all()


def test_bytes_flipped_in_a_graph_are_one_line(tmp_path, engine):
    path = write_test_model(tmp_path / "m.onnx")
    content = bytearray(path.read_bytes())
    content[-60:-20] = b"\xff" * 40
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        load(path, backend=engine)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_loaded(tmp_path, monkeypatch):
    path = write_test_model(tmp_path / "m.onnx")
    with pytest.raises(ModelError, match="no such model file"):
        load("wave.onnx")
    with pytest.raises(BackendError, match="unknown backend 'cuda'; use auto, openvino, onnxruntime"):
        load(path, backend="cuda")
    with pytest.raises(UsageError, match="use 1 or more"):
        load(path, threads=0)
    for name, package in [("openvino", r"impasto\[openvino\]"), ("onnxruntime", "onnxruntime")]:
        monkeypatch.setitem(__import__("sys").modules, name, None)  # what a missing package looks like to import
        with pytest.raises(BackendError, match=f"not installed; pip install '?{package}"):
            load(path, backend=name)


# ---- other people's models ------------------------------------------------------------------------------------


def foreign(path, pads=(0, 0), image=IMAGE, inputs=("picture",)):
    """255 - x with any input name, and an output enlarged by `pads` rows and columns."""
    nodes = [
        helper.make_node("Sub", ["white", inputs[0]], ["negative"]),
        helper.make_node("Pad", ["negative", "pads"], ["result"]),
    ]
    constants = {"white": np.float32(255), "pads": np.array([0, 0, 0, 0, 0, 0, *pads], np.int64)}
    path.write_bytes(make_onnx(nodes, dict.fromkeys(inputs, image), ("result", ["n", 3, "h2", "w2"]), constants))
    return path


@pytest.mark.parametrize("pads", [(0, 0), (2, 3)])
def test_foreign_models_take_any_name_and_may_return_a_little_more(tmp_path, engine, pads):
    stylizer = load_foreign(foreign(tmp_path / "theirs.onnx", pads), backend=engine)
    picture = random_picture(75, 90)
    assert (stylizer(picture) == 255 - picture).all()
    assert stylizer.info.styles == ("theirs",)


def test_foreign_models_in_0_to_1(tmp_path, engine):
    (tmp_path / "theirs.onnx").write_bytes(INVERT)
    picture = random_picture(20, 30)
    assert (load_foreign(tmp_path / "theirs.onnx", value_range=1, backend=engine)(picture) == 255 - picture).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": ["n", 3, 256, 320]}, "pictures of 320 x 256 only"),
        ({"image": ["n", 256, "w", 3]}, r"only pictures as \(N, 3, H, W\)"),
        ({"pads": (-8, 0)}, "not a stylising model"),
    ],
)
def test_foreign_models_we_cannot_use_are_named(tmp_path, engine, changes, message):
    with pytest.raises(ModelError, match=message):
        load_foreign(foreign(tmp_path / "theirs.onnx", **changes), backend=engine)(random_picture(64, 64))


def test_foreign_models_of_two_inputs_are_named(tmp_path, engine):
    (tmp_path / "theirs.onnx").write_bytes(NOISE)
    with pytest.raises(ModelError, match=r"takes 2 inputs \(image, noise\)"):
        load_foreign(tmp_path / "theirs.onnx", backend=engine)


def test_foreign_files_that_are_no_model(tmp_path, engine):
    with pytest.raises(ModelError, match="no such model file"):
        load_foreign(tmp_path / "missing.onnx", backend=engine)
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(ModelError, match="is not an ONNX file"):
        load_foreign(tmp_path / "text.onnx", backend=engine)
    with pytest.raises(UsageError, match="255 or 1"):
        load_foreign(tmp_path / "text.onnx", value_range=0)


def test_more_pixels_than_fit_are_refused_before_any_work():
    huge = np.zeros((runtime.MAX_PIXELS // 1000 + 1, 1000, 3), np.uint8)
    with pytest.raises(ImageError, match="40 million"):
        fake(lambda inputs: pytest.fail("must not run"))(huge, Settings(stroke_size=0.01))


def test_ctrl_c_after_several_openvino_engines_is_only_that(tmp_path):
    pytest.importorskip("openvino")
    write_test_model(tmp_path / "m.onnx")
    script = """
import os, signal, sys
from impasto import load
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background would ignore it
engines = [load(sys.argv[1], backend="openvino") for _ in range(3)]
while engines:
    del engines[0]  # in the order they were made
try:
    os.kill(os.getpid(), signal.SIGINT)
    signal.pause()
except KeyboardInterrupt:
    print("interrupted")
"""
    command = [sys.executable, "-c", script, str(tmp_path / "m.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "interrupted\n")


@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.sampled_from([np.uint8, np.uint16]),
    st.floats(0, 2),
    st.sampled_from([0.0, 0.1, 0.5, 1.0, 8.0]),
    st.sampled_from([None, "luminance", "match"]),
    st.sampled_from([None, (1, 1), (7, 3), (90, 80)]),
    st.integers(0, 2**31),
)
@example(60, 9, np.uint8, 1.0, 0.01, None, None, 0)  # enlarged to 4 megapixels: seconds, so once
@trials(max_examples=40, deadline=None)
def test_any_picture_with_any_settings(height, width, kind, strength, stroke_size, keep_colors, mask_size, seed):
    rng = np.random.default_rng(seed)
    photo = rng.integers(0, np.iinfo(kind).max + 1, (height, width, 3), dtype=kind)
    mask = None if mask_size is None else rng.integers(0, 256, mask_size, dtype=np.uint8)
    settings = Settings(strength=strength, stroke_size=stroke_size, keep_colors=keep_colors, seed=seed)
    painted = _udnie()(photo, settings, mask=mask)
    assert painted.dtype == photo.dtype
    assert painted.shape == photo.shape
    if strength == 0 and keep_colors is None:
        np.testing.assert_array_equal(painted, photo)
    if mask is not None:
        untouched = np.array(Image.fromarray(mask).resize((width, height), Image.Resampling.BILINEAR)) == 0
        np.testing.assert_array_equal(painted[untouched], photo[untouched])


@functools.cache
def _udnie():
    return load("udnie")
