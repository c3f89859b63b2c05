"""Plain ONNX files: what they paint, what is in them, and when none is written."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.reference import ReferenceEvaluator

from impasto.errors import ModelError, UsageError
from impasto.export import graph_file
from impasto.export.graph_file import ExportOptions, export_onnx
from impasto.models.catalog import shipped_network
from impasto.painting.load import load
from impasto.painting.settings import Settings
from tests.conftest import make_photo
from tests.graphs import NOISE, write_test_model

STYLE = "udnie"
pytestmark = pytest.mark.usefixtures("networks_stay_loaded")


def export(path, **options):
    return export_onnx(STYLE, path, ExportOptions(**options), variant="fast")


def painted_by(path, photo):
    """What a program paints that knows nothing but the file's one input."""
    session = onnxruntime.InferenceSession(path)
    (value,) = session.get_inputs()
    picture = photo.transpose(2, 0, 1)[np.newaxis].astype(np.float32) / 255
    (output,) = session.run(None, {value.name: picture})
    return output[0].transpose(1, 2, 0) * 255


def painted_by_impasto(photo, **settings):
    stylizer = load(STYLE, variant="fast", backend="onnxruntime", precision="float32")
    return stylizer(photo, Settings(**settings)).astype(float)


@pytest.mark.parametrize("size", [None, "120x90"])
@pytest.mark.parametrize(
    ("precision", "largest", "mean"), [("float32", 1, 0.3), ("float16", 2, 0.4), ("int8", 40, 2.5)]
)
def test_the_file_paints_what_impasto_paints(precision, largest, mean, size, tmp_path):
    found = export(tmp_path / "a.onnx", precision=precision, size=size)
    photo = make_photo(3, 90, 120)
    away = np.abs(painted_by(found.path, photo) - painted_by_impasto(photo))
    assert away.max() <= largest
    assert away.mean() <= mean
    assert found.shape == ((1, 3, 90, 120) if size else (1, 3, "height", "width"))
    assert found.file_size == found.path.stat().st_size
    onnx.checker.check_model(found.path, full_check=True)


@pytest.mark.parametrize(("strength", "seed"), [(0.1, 0), (0.6, 7), (1.5, 7)])
def test_strength_and_seed_are_part_of_the_file(strength, seed, tmp_path):
    found = export(tmp_path / "a.onnx", strength=strength, seed=seed)
    photo = make_photo(4, 75, 101)
    assert np.abs(painted_by(found.path, photo) - painted_by_impasto(photo, strength=strength, seed=seed)).max() <= 1


def test_a_picture_larger_than_the_patch_of_noise_is_painted(tmp_path, monkeypatch):
    monkeypatch.setattr(graph_file, "PATCH", 64)
    monkeypatch.setattr(graph_file, "_sizes", lambda stylizer: [(64, 48)])
    found = export(tmp_path / "a.onnx")
    photo = make_photo(5, 60, 140)
    painted, wanted = painted_by(found.path, photo), painted_by_impasto(photo)
    assert np.abs(painted - wanted).max() > 2  # noise differs from column 64 on
    assert np.abs(painted - wanted).mean() < 12


def test_noise_is_mirrored_beyond_the_patch(tmp_path):
    from impasto.export.standalone import with_noise_patch
    from impasto.models.onnx_file import parse_model

    noise = np.random.default_rng(0).random((1, 3, 5, 5)).astype(np.float16).astype(np.float32)
    content = with_noise_patch(parse_model(NOISE), noise, 1).encoded()
    (output,) = onnxruntime.InferenceSession(content).run(None, {"image": np.zeros((1, 3, 17, 3), np.float32)})
    expected = np.pad(noise, [(0, 0), (0, 0), (0, 12), (0, 12)], mode="symmetric")
    assert (output == expected[:, :, :17, :3]).all()


def test_the_graph_contains_only_what_depends_on_the_picture(tmp_path):
    for size, unwanted in ((None, {"style"}), ("64x64", {"style", "Shape", "Mod", "Range"})):
        graph = onnx.load(export(tmp_path / "a.onnx", size=size).path).graph
        names = {node.op_type for node in graph.node} | {x for node in graph.node for x in node.input}
        assert not names & unwanted
        produced = {x for node in graph.node for x in node.output}
        assert {x for node in graph.node for x in node.input} <= produced | {c.name for c in graph.initializer} | {
            "image"
        }


def test_float16_keeps_statistics_and_large_features_in_float32(tmp_path):
    model = onnx.load(export(tmp_path / "a.onnx", precision="float16").path)
    types = {c.name: c.data_type for c in model.graph.initializer}
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph.value_info
    types |= {value.name: value.type.tensor_type.elem_type for value in inferred}
    kinds = {
        kind: {
            types[x] for node in model.graph.node if node.op_type == kind for x in node.input if types.get(x) in (1, 10)
        }
        for kind in ("InstanceNormalization", "Conv")
    }
    assert kinds == {"InstanceNormalization": {1}, "Conv": {1, 10}}
    single = [node.name for node in model.graph.node if node.op_type == "Conv" and types[node.input[0]] == 1]
    assert len(single) == 1  # the first, on pixels from 0 to 255
    # ONNX Runtime computes float16 in float32 on many processors; this evaluator does not.
    picture = make_photo(1, 24, 36)
    batch = picture.transpose(2, 0, 1)[np.newaxis].astype(np.float32) / 255
    (output,) = ReferenceEvaluator(model).run(None, {"image": batch})
    assert np.abs(255 * output[0].transpose(1, 2, 0) - painted_by_impasto(picture)).max() < 3


def test_equal_options_give_equal_bytes_and_the_metadata_says_what_it_is(tmp_path):
    first, second = (export(tmp_path / name, strength=0.7) for name in ("a.onnx", "b.onnx"))
    assert first.path.read_bytes() == second.path.read_bytes()
    model = onnx.load(first.path)
    entries = {entry.key: entry.value for entry in model.metadata_props}
    assert entries["title"] == "Udnie"
    assert entries["strength"] == "0.7"
    assert "impasto" not in entries
    assert model.producer_name == "impasto"


def test_a_file_that_paints_something_else_is_not_written(tmp_path, monkeypatch):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"before")
    monkeypatch.setattr(graph_file, "finished", lambda model, strength: model)
    with pytest.raises(ModelError, match=r"not written: it would differ"):
        export(path, strength=0.5)
    assert path.read_bytes() == b"before"
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": "640"}, "WIDTHxHEIGHT"),
        ({"size": "8x8"}, "at least 16 x 16"),
        ({"size": "4000x3000"}, "megapixels"),
        ({"strength": 0}, "strength must be"),
        ({"strength": 3}, "strength must be"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        export(tmp_path / "a.onnx", **options)
    assert not [*tmp_path.iterdir()]


def test_a_model_without_ranges_has_no_8_bits(tmp_path):
    write_test_model(tmp_path / "m.onnx")
    with pytest.raises(UsageError, match="no 8-bit form"):
        export_onnx(str(tmp_path / "m.onnx"), tmp_path / "a.onnx", ExportOptions(precision="int8"))


def test_noise_that_is_drawn_for_each_size_needs_a_size(tmp_path):
    write_test_model(tmp_path / "m.onnx", NOISE, noise_channels=3)
    with pytest.raises(UsageError, match="--size"):
        export_onnx(str(tmp_path / "m.onnx"), tmp_path / "a.onnx")
    found = export_onnx(str(tmp_path / "m.onnx"), tmp_path / "a.onnx", ExportOptions(size="40x30"))
    assert found.difference <= 1


def test_a_network_without_a_style_is_refused(tmp_path):
    with pytest.raises(ModelError, match="style files"):
        export_onnx(str(shipped_network("fast")), tmp_path / "a.onnx")
