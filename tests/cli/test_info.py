"""`impasto info` as a person calls it."""

import json

import pytest

from impasto import __version__
from impasto.cli.main import main
from impasto.errors import BackendError
from tests.cli.commands import fails
from tests.graphs import INVERT, write_test_model


def test_info_is_readable(here, capsys):
    assert main(["info", "m.onnx"]) == 0
    output = capsys.readouterr().out
    for expected in [
        "m.onnx",
        "a model: all weights trained for its style",
        "negative",
        "The Wave",
        "residual (width 8)",
        "2000",
        "s per megapixel on this computer",
    ]:
        assert expected in output


def test_info_as_json(here, capsys):
    assert main(["info", "m.onnx", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["kind"], record["architecture"]) == ("model", "residual")
    assert record["training"]["steps"] == 2000
    assert record["bytes"] == (here / "m.onnx").stat().st_size
    assert record["seconds_per_megapixel"] > 0


def test_info_of_a_model_that_cannot_run_here_says_the_rest_and_why(here, capsys):
    write_test_model(here / "broken.onnx", INVERT.replace(b"Sub", b"Sbu"))
    assert main(["info", "broken.onnx"]) == 0
    output = capsys.readouterr().out
    assert "residual (width 8)" in output
    assert "cannot paint on this computer: broken.onnx:" in output
    assert main(["info", "broken.onnx", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seconds_per_megapixel"] is None


@pytest.mark.parametrize("content", [b"", b"hello\n" * 100, INVERT, INVERT[:-5], b"\xff" * 1000])
def test_info_of_what_is_not_a_model(here, capsys, content):
    (here / "other.onnx").write_bytes(content)
    assert "other.onnx: is " in fails(capsys, 1, "info", "other.onnx")


def test_info_says_what_computes(here, capsys):
    assert main(["info", "m.onnx", "--backend", "onnxruntime", "--threads", "1"]) == 0
    assert "on this computer (ONNX Runtime, float32, 1 thread)" in capsys.readouterr().out
    assert main(["info", "m.onnx", "--backend", "onnxruntime", "--threads", "2", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["engine"], record["precision"], record["threads"]) == ("onnxruntime", "float32", 2)


def test_info_without_a_file_is_about_the_installation(capsys, monkeypatch):
    monkeypatch.setattr("impasto.cli.info.TIMED_SIDE", 64)
    words = ["info", "--backend", "onnxruntime", "--threads", "1", "--precision", "float32"]
    assert main(words) == 0
    shown = capsys.readouterr().out
    for expected in (__version__, "ONNX Runtime, float32, 1 thread", "cores", "HEIC", "fast network", "cache"):
        assert expected in shown
    assert main([*words, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["version"] == __version__
    assert record["networks"]["fast"]["seconds_per_megapixel"] > 0
    assert record["networks"]["best"]["threads"] == 1
    assert "udnie" in record["styles"]


def test_info_names_an_engine_that_does_not_work(capsys, monkeypatch):
    def broken(name):
        raise BackendError(f"{name} is broken")

    monkeypatch.setattr("impasto.cli.info._seconds_per_megapixel", lambda stylizer: 1.0)  # not measured here
    monkeypatch.setattr("impasto.cli.info.choose_engine", broken)
    assert main(["info", "--json", "--backend", "onnxruntime"]) == 0
    assert json.loads(capsys.readouterr().out)["engines"]["openvino"] == "openvino is broken"
