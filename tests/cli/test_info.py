"""`impasto info` as a person calls it."""

import json

import pytest

from impasto.cli.main import main
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
def test_info_of_what_is_no_model_of_ours(here, capsys, content):
    (here / "other.onnx").write_bytes(content)
    assert "other.onnx: is " in fails(capsys, 1, "info", "other.onnx")
