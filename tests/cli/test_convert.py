"""The command `impasto convert`."""

import json

import pytest
import torch

from impasto.cli.main import main
from impasto.models.modelfile import read_info
from tests.cli.commands import fails
from tests.convert.malicious import as_zip
from tests.convert.networks import Examples, made
from tests.convert.torch_files import saved, zoo_onnx


@pytest.fixture
def zoo(here):
    (here / "mosaic-9.onnx").write_bytes(zoo_onnx())
    return here


def test_a_converted_model_is_described_and_paints(zoo, capsys):
    assert main(["convert", "mosaic-9.onnx", "-o", "mosaic.onnx", "--title", "Mosaic"]) == 0
    line = capsys.readouterr().out
    assert line.startswith("mosaic.onnx: ONNX model zoo")
    assert "BSD-3-Clause" in line
    engine = ["--backend", "onnxruntime", "--precision", "float32"]
    assert main(["info", "mosaic.onnx", *engine]) == 0
    text = capsys.readouterr().out
    assert "converted (project ONNX model zoo" in text
    assert "one fixed strength" in text
    assert main(["stylize", "a.png", "-m", "mosaic.onnx", "-o", "b.png", *engine]) == 0
    capsys.readouterr()
    error = fails(capsys, 2, "stylize", "a.png", "-m", "mosaic.onnx", "-o", "c.png", "--strength", "0.5", *engine)
    assert "another project trained it" in error


def test_the_record_is_one_json_object(zoo, capsys):
    assert main(["convert", "mosaic-9.onnx", "-o", "m2.onnx", "--json", "--license", "mine"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["license"] == "mine" == read_info("m2.onnx").license
    assert record["tiles"]
    assert record["difference"] <= 1 / 255


def test_results_are_not_replaced_unless_asked(zoo, capsys):
    assert "--force" in fails(capsys, 2, "convert", "mosaic-9.onnx", "-o", "m.onnx")
    assert main(["convert", "mosaic-9.onnx", "-o", "m.onnx", "--force"]) == 0
    capsys.readouterr()
    assert "itself" in fails(capsys, 2, "convert", "mosaic-9.onnx", "-o", "mosaic-9.onnx", "--force")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["missing.pth", "-o", "x.onnx"], 1, "no such file"),
        (["a.png", "-o", "x.onnx"], 1, "of no format"),
        (["m.onnx", "-o", "x.onnx"], 1, "model of Impasto already"),
        (["m.onnx", "-o", "x.pth"], 2, ".onnx"),
        (["bad.pth", "-o", "x.onnx"], 1, "'posix.system'"),
        ([".", "-o", "x.onnx"], 1, "folder without a checkpoint"),
        (["good.pth", "-o", "x.onnx", "--range", "1"], 2, "--range"),
        (["good.pth", "-o", "none/x.onnx"], 1, "does not exist"),
    ],
)
def test_what_cannot_be_converted_is_said_in_one_line(here, capsys, words, code, message):
    (here / "bad.pth").write_bytes(as_zip(b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00ls\x85R."))
    (here / "good.pth").write_bytes(saved(made(Examples).state_dict()))
    assert message in fails(capsys, code, "convert", *words)
    assert not (here / "x.onnx").exists()


def test_converting_loads_no_torch(here):
    from tests.test_architecture import modules_after

    (here / "good.pth").write_bytes(saved({name: torch.clone(x) for name, x in made(Examples).state_dict().items()}))
    words = ["convert", str(here / "good.pth"), "-o", str(here / "x.onnx")]
    loaded = modules_after(f"from impasto.cli.main import main\nassert main({words!r}) == 0")
    assert not loaded & {"torch", "onnx", "matplotlib", "openvino"}
    assert not any(name.startswith("pickle") and name != "pickle" for name in loaded)
