import hashlib
import json
import subprocess
import sys
from dataclasses import fields

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.errors import ModelError
from impasto.models import modelfile
from impasto.models.modelfile import ModelInfo, network_hash, read_info, read_model, read_onnx, write_model
from tests.graphs import INVERT, NOISE, write_test_model

INFO = ModelInfo(
    architecture="light",
    arguments={"width": 16, "norm": "instance", "ratios": [0.5, 1]},
    styles=("Große Welle", "udnie"),
    multiple_of=4,
    minimum_size=32,
    noise_channels=3,
    noise_stride=4,
    noise_scales=(1, 2, 4),
    reach=48,
    strides=(1, 2, 4, 4, 2),
    ranges={"a.weight": (0.0, 255.0)},
    training={"preset": None, "steps": 2000, "objective": 1.96, "crops": {"first": 192}},
    style_title="神奈川沖浪裏, Hokusai",
    license="public domain",
    source="a museum",
)


@pytest.fixture
def model(tmp_path):
    write_model(tmp_path / "m.onnx", INVERT, INFO)
    return tmp_path / "m.onnx"


def with_description(path, text):
    """A model file with any text as its description."""
    model = onnx.load_from_string(INVERT)
    model.metadata_props.add(key="impasto", value=text)
    path.write_bytes(model.SerializeToString())
    return path


def test_the_description_that_is_written_is_read(model):
    assert read_info(model) == INFO


def test_onnx_itself_agrees(model):
    loaded = onnx.load(model)
    onnx.checker.check_model(loaded, full_check=True)
    assert [entry.key for entry in loaded.metadata_props] == ["impasto"]
    assert ModelInfo.from_json(loaded.metadata_props[0].value) == INFO
    session = onnxruntime.InferenceSession(model)
    assert session.get_modelmeta().custom_metadata_map.keys() == {"impasto"}
    image = np.full((1, 3, 2, 2), 0.25, np.float32)
    assert (session.run(None, {"image": image})[0] == 0.75).all()


def test_a_description_is_replaced_and_other_metadata_kept(tmp_path, model):
    other = onnx.load(model)
    other.metadata_props.add(key="author", value="someone")
    second = ModelInfo(architecture="residual", arguments={}, styles=("b",))
    write_model(tmp_path / "m.onnx", other.SerializeToString(), second)
    assert read_info(tmp_path / "m.onnx") == second
    loaded = onnx.load(model)
    assert sorted(entry.key for entry in loaded.metadata_props) == ["author", "impasto"]
    assert loaded.graph == other.graph


def test_equal_descriptions_give_equal_bytes(tmp_path, model):
    shuffled = {item.name: getattr(INFO, item.name) for item in reversed(fields(INFO))}
    shuffled = ModelInfo(**shuffled | {"training": dict(reversed(INFO.training.items()))})
    write_model(tmp_path / "again.onnx", INVERT, shuffled)
    assert (tmp_path / "again.onnx").read_bytes() == model.read_bytes()


def test_a_network_described_anew_keeps_its_hash(tmp_path, model):
    assert network_hash(model) == hashlib.sha256(INVERT).hexdigest()
    write_model(
        tmp_path / "again.onnx", model.read_bytes(), ModelInfo(architecture="light", arguments={}, styles=("b",))
    )
    assert network_hash(tmp_path / "again.onnx") == network_hash(model)
    write_model(tmp_path / "other.onnx", NOISE, INFO)
    assert network_hash(tmp_path / "other.onnx") != network_hash(model)


def test_a_long_description_is_read(tmp_path):
    path = write_test_model(tmp_path / "m.onnx", training={"log": "x" * 300_000})
    assert len(read_info(path).training["log"]) == 300_000


@given(st.data())
def test_every_truncation_is_refused(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "cut.onnx"
    write_model(path, NOISE, INFO)
    whole = path.read_bytes()
    length = data.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(whole[:length])
    with pytest.raises(ModelError) as caught:
        read_info(path)
    message = str(caught.value)
    assert "\n" not in message
    assert "cut short" in message or "not a complete ONNX" in message or "empty" in message or length < 3


@given(st.binary(max_size=200))
def test_random_bytes_are_never_a_model(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "noise.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError):
        read_info(path)


@pytest.mark.parametrize("text", ["hello", "readme, first of all", "Bad.", ":-)", "# Title\n\nText " * 99, "\b\b\b"])
def test_a_text_file_is_refused(tmp_path, text):
    (tmp_path / "m.onnx").write_text(text)
    with pytest.raises(ModelError, match=r"m\.onnx: is (not an ONNX|cut short)"):
        read_info(tmp_path / "m.onnx")


def test_files_that_are_not_models_are_refused(tmp_path):
    (tmp_path / "empty.onnx").touch()
    for name, message in [("missing.onnx", "no such model file"), ("empty.onnx", "is empty"), ("", "is a folder")]:
        with pytest.raises(ModelError, match=message):
            read_info(tmp_path / name)


def test_any_project_s_onnx_is_read_if_it_is_complete(tmp_path):
    path = tmp_path / "theirs.onnx"
    path.write_bytes(INVERT)
    assert read_onnx(path) == INVERT
    path.write_bytes(INVERT[:-1])
    with pytest.raises(ModelError, match=r"theirs\.onnx: is cut short"):
        read_onnx(path)


def test_a_model_is_read_once_with_its_content_and_hash(model):
    file = read_model(model)
    assert (file.path, file.info, file.content) == (model, INFO, model.read_bytes())
    assert file.network_hash == network_hash(model)


def test_files_larger_than_an_onnx_file_can_be_are_not_read(tmp_path):
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(2**31 + 1)  # takes no space on disk
    with pytest.raises(ModelError, match="larger than an ONNX file can be"):
        read_info(path)


def test_another_project_s_onnx_is_refused_and_the_message_says_what_reads_it(tmp_path):
    (tmp_path / "theirs.onnx").write_bytes(INVERT)
    with pytest.raises(ModelError, match=r"another project's ONNX.*impasto evaluate.*--range"):
        read_info(tmp_path / "theirs.onnx")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, r"format 2, this version of Impasto reads 1;"),
        ({"format": "1"}, "reads 1"),
        ({"format": [1]}, "reads 1"),
        ({"architecture": "diffusion"}, "architecture 'diffusion', this version of Impasto knows texture, residual"),
        ({"architecture": ["texture"]}, "knows texture"),
        ({"color": "blue"}, "unknown entry 'color'"),
        ({"multiple_of": 4.0}, "'multiple_of' must be an integer"),
        ({"multiple_of": 0}, "multiple_of"),
        ({"noise_channels": -1}, "noise_channels"),
        ({"minimum_size": True}, "'minimum_size' must be an integer"),
        ({"arguments": [1]}, "'arguments' must be an object"),
        ({"styles": "wave"}, "'styles' must be an array"),
        ({"styles": [1]}, "styles"),
        ({"styles": []}, "styles"),
        ({"noise_stride": 0}, "noise_stride"),
        ({"noise_scales": [1, 2]}, "noise_scales"),
        ({"noise_scales": [1, 2, 0]}, "noise_scales"),
        ({"reach": -16, "strides": [1]}, "reach"),
        ({"reach": 40, "strides": [4]}, "bad 'reach'"),
        ({"reach": 48, "strides": [3]}, "bad 'strides'"),
        ({"reach": 48, "strides": []}, "without 'strides'"),
        ({"reach": 0, "strides": [4]}, "without 'strides'"),
        ({"ranges": {"k": [0]}}, "'ranges.k' must have 2 values"),
        ({"ranges": {"k": [1, 1]}}, "bad range for 'k'"),
    ],
)
def test_descriptions_that_do_not_fit_are_refused(tmp_path, change, message):
    record = json.loads(INFO.to_json()) | change
    with pytest.raises(ModelError, match=message):
        read_info(with_description(tmp_path / "m.onnx", json.dumps(record)))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 1, "architecture": "texture"}'])
def test_damaged_descriptions_are_refused(tmp_path, text):
    with pytest.raises(ModelError, match=r"description is|is of format"):
        read_info(with_description(tmp_path / "m.onnx", text))


@pytest.mark.parametrize("content", [b"", b"text", INVERT[:-1], INVERT[:2]])
def test_only_a_complete_onnx_is_written(tmp_path, content):
    with pytest.raises(ModelError, match="not written"):
        write_model(tmp_path / "m.onnx", content, INFO)
    assert not list(tmp_path.iterdir())


def test_only_what_can_be_read_is_written(tmp_path):
    with pytest.raises(ModelError, match="knows texture"):
        write_test_model(tmp_path / "m.onnx", architecture="mystery")
    with pytest.raises(ModelError, match="JSON"):
        write_test_model(tmp_path / "m.onnx", training={"loss": float("nan")})
    with pytest.raises(ModelError, match="JSON"):
        write_test_model(tmp_path / "m.onnx", training={"loss": np.float32(1)})
    with pytest.raises(ModelError, match="does not exist"):
        write_test_model(tmp_path / "nowhere" / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_reading_needs_neither_onnx_nor_an_engine(model):
    code = (
        "import sys; from impasto.models.modelfile import read_info; read_info(sys.argv[1]);"
        "sys.exit(any(name in sys.modules for name in ('onnx', 'onnxruntime', 'openvino', 'torch', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(model)]).returncode == 0


def test_the_known_architectures_are_those_that_can_be_built():
    generators = pytest.importorskip("impasto.nn.generators")
    assert {*modelfile.ARCHITECTURES} - {modelfile.CONVERTED} == {*generators.GENERATORS}
