import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

import impasto
from impasto.errors import BackendError, ModelError, UsageError
from impasto.painting import choice
from impasto.painting import stylizer as stylizers
from impasto.painting.load import load, load_foreign
from impasto.painting.regions import paint_regions
from impasto.painting.settings import Settings
from impasto.pictures.folders import find_images
from impasto.pictures.resize import resize_short_side
from tests.graphs import IMAGE, INVERT, NOISE, make_onnx, write_test_model
from tests.painting.fakes import random_picture


def test_auto_finds_an_engine(tmp_path):
    picture = random_picture(20, 20)
    assert (load(write_test_model(tmp_path / "m.onnx"))(picture) == 255 - picture).all()


def supports(precision):
    try:
        load("udnie", variant="fast", backend="openvino", precision=precision, threads=1)
    except BackendError:
        return False
    return True


@pytest.mark.skipif(not find_spec("openvino"), reason="OpenVINO is not installed")
@pytest.mark.usefixtures("networks_stay_loaded")
@pytest.mark.parametrize("painted_as", ["plain", "masked", "tiled", "half", "twice"])
@pytest.mark.parametrize(
    ("variant", "style", "limit", "limit_twice"),
    [("best", "udnie", 2.0, 2.2), ("best", "roman_mosaic_duck", 2.0, 2.0), ("fast", "starry_night", 2.5, 2.5)],
)
@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_rounded_arithmetic_is_near_float32(precision, variant, style, limit, limit_twice, painted_as, monkeypatch):
    if not supports(precision):
        pytest.skip(f"this processor has no {precision}")
    photo = resize_short_side(
        impasto.load_image(find_images(Path(__file__).parents[2] / "examples" / "photos")[0]), 128
    )
    mask = np.full((2, 2), 255, np.uint8) if painted_as == "masked" else None
    settings = Settings(stroke_size=0, strength={"half": 0.5, "twice": 2.0}.get(painted_as, 1.0))
    if painted_as == "tiled":
        monkeypatch.setattr(stylizers, "WHOLE_PIXELS", 1000)
        monkeypatch.setattr(stylizers, "TILE", 64)

    def painted_by(stylizer):
        return stylizer(photo, settings) if mask is None else paint_regions(photo, [(stylizer, mask)], settings)

    exact, rounded = (
        painted_by(load(style, variant=variant, backend="openvino", precision=how)) for how in ("float32", precision)
    )
    assert 0 < np.abs(exact.astype(float) - rounded).mean() <= (limit_twice if painted_as == "twice" else limit)


def test_8_bits_that_are_not_to_be_had_are_said(tmp_path, monkeypatch):
    path = write_test_model(tmp_path / "m.onnx")
    with pytest.raises(BackendError, match="ONNX Runtime computes in float32 only; use OpenVINO"):
        load(path, backend="onnxruntime", precision="int8")
    pytest.importorskip("openvino")
    with pytest.raises(BackendError, match="has no value ranges, which int8 needs; use precision float32, or auto"):
        load(path, precision="int8")
    monkeypatch.setattr(choice, "has_int8", lambda: False)
    with pytest.raises(BackendError, match="no 8-bit products"):
        load("udnie", precision="int8")


def test_bfloat16_that_is_not_to_be_had_is_said(tmp_path, monkeypatch):
    path = write_test_model(tmp_path / "m.onnx")
    with pytest.raises(BackendError, match="ONNX Runtime computes in float32 only; use OpenVINO"):
        load(path, backend="onnxruntime", precision="bfloat16")
    pytest.importorskip("openvino")
    if not supports("bfloat16"):
        with pytest.raises(BackendError, match="no bfloat16 on this processor; use precision float32, or auto"):
            load(path, backend="openvino", precision="bfloat16")
    picture = random_picture(20, 20)
    assert (load(path, backend="openvino")(picture) == 255 - picture).all()


@pytest.mark.skipif(not find_spec("openvino"), reason="OpenVINO is not installed")
def test_bfloat16_that_the_environment_forbids_is_said(tmp_path):
    """OpenVINO reports bfloat16 all the same."""
    code = """
import impasto
try:
    impasto.load("udnie", variant="fast", backend="openvino", precision="bfloat16", threads=1)
except impasto.BackendError as reason:
    print(reason)
"""
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "IMPASTO_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "OpenVINO has no bfloat16 on this processor; use precision float32, or auto\n"


def test_what_cannot_be_loaded(tmp_path, monkeypatch):
    path = write_test_model(tmp_path / "m.onnx")
    with pytest.raises(ModelError, match="no such model file"):
        load("wave.onnx")
    with pytest.raises(UsageError, match="unknown backend 'cuda'; use auto, openvino, onnxruntime"):
        load(path, backend="cuda")
    with pytest.raises(UsageError, match="must be a whole number of 1 or more, not 0"):
        load(path, threads=0)
    for name, package in [("openvino", r"impasto\[openvino\]"), ("onnxruntime", "onnxruntime")]:
        monkeypatch.setitem(__import__("sys").modules, name, None)  # what a missing package looks like to import
        with pytest.raises(BackendError, match=f"not installed; pip install '?{package}"):
            load(path, backend=name)


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
        ({"image": ["n", 3, 256, 320]}, "its input is 320 x 256 only"),
        ({"image": ["n", 256, "w", 3]}, r"only pictures as \(N, 3, H, W\)"),
        ({"pads": (-8, 0)}, "not a stylizing model"),
    ],
)
def test_foreign_models_we_cannot_use_are_named(tmp_path, engine, changes, message):
    with pytest.raises(ModelError, match=message):
        load_foreign(foreign(tmp_path / "theirs.onnx", **changes), backend=engine)(random_picture(64, 64))


def test_foreign_models_of_two_inputs_are_named(tmp_path, engine):
    (tmp_path / "theirs.onnx").write_bytes(NOISE)
    with pytest.raises(ModelError, match=r"has 2 inputs \(image, noise\)"):
        load_foreign(tmp_path / "theirs.onnx", backend=engine)


def test_foreign_files_that_are_no_model(tmp_path, engine):
    with pytest.raises(ModelError, match="no such model file"):
        load_foreign(tmp_path / "missing.onnx", backend=engine)
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(ModelError, match="is not an ONNX file"):
        load_foreign(tmp_path / "text.onnx", backend=engine)
    with pytest.raises(UsageError, match="255 or 1"):
        load_foreign(tmp_path / "text.onnx", value_range=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "openvivo"}, "unknown backend 'openvivo'; use auto, openvino, onnxruntime"),
        ({"backend": None}, "unknown backend None"),
        ({"variant": "bset"}, "unknown variant 'bset'; use one of best, fast"),
        ({"precision": "fp32"}, "unknown precision 'fp32'; use one of auto, float32, bfloat16, int8"),
        ({"precision": None}, "unknown precision None"),
        ({"precision": ["float32"]}, "unknown precision"),
        ({"threads": 0}, "threads must be a whole number of 1 or more, not 0"),
        ({"threads": 1.5}, "threads must be a whole number of 1 or more, not 1.5"),
        ({"threads": "2"}, "threads must be a whole number of 1 or more, not '2'"),
        ({"threads": True}, "threads must be a whole number of 1 or more, not True"),
    ],
)
def test_misspelled_options_are_refused_with_the_known_ones(options, message, tmp_path):
    model = write_test_model(tmp_path / "m.onnx")
    for name in ("udnie", model, {"udnie": 1.0}):
        with pytest.raises(UsageError, match=message):
            load(name, **options)
    if "variant" not in options:
        with pytest.raises(UsageError, match=message):
            load_foreign(model, **options)


@pytest.mark.parametrize("name", [None, 5, "", {}, b"udnie", ["udnie"]])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(UsageError, match=r"give (the name of a style|at least one style)"):
        load(name)


def test_equal_loads_share_a_network_and_others_do_not(tmp_path):
    one, other = load("udnie", threads=1), load("great_wave", threads=1)
    assert one.network is other.network
    assert load("udnie", threads=2).network is not one.network
    assert (
        load("udnie", threads=1, precision="float32").network is load("udnie", threads=1, precision="float32").network
    )
    model = write_test_model(tmp_path / "m.onnx")
    first = load(model)
    write_test_model(model, NOISE, noise_channels=3)
    assert load(model).network is not first.network


def test_home_is_expanded_in_every_name(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    picture = random_picture(20, 20)
    write_test_model(tmp_path / "m.onnx")
    assert (load("~/m.onnx")(picture) == 255 - picture).all()
    with pytest.raises(ModelError, match=str(tmp_path)):
        load({"~/none.safetensors": 1.0})
    with pytest.raises(UsageError, match="is an address"):
        load("https://example.org/m.onnx")


def test_engines_get_no_more_threads_than_there_are_processors(tmp_path):
    graph = load(write_test_model(tmp_path / "m.onnx"), threads=1_000_000).network
    assert graph is load(tmp_path / "m.onnx", threads=2_000_000).network
