"""The command `impasto export`."""

import json

import pytest

from impasto.cli.main import main
from impasto.export import web_page
from impasto.export.runtime import FILES
from tests.cli.commands import fails
from tests.conftest import make_photo


def test_the_command_says_what_it_wrote(here, capsys):
    assert main(["export", "m.onnx", "-o", "n.onnx"]) == 0
    line = capsys.readouterr().out
    assert line.startswith("n.onnx: image (1, 3, height, width) to stylized")
    assert main(["export", "m.onnx", "-o", "n.onnx", "--force", "--size", "64x48", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["shape"] == [1, 3, 48, 64]
    assert record["path"] == "n.onnx"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["udnie", "-o", "a.png"], "extension .onnx"),
        (["m.onnx", "-o", "m.onnx"], "is the model itself"),
        (["m.onnx", "-o", "n.onnx", "--fast"], "--fast is for"),
        (["a.png", "-o", "n.onnx"], "learn it first"),
        (["udnia", "-o", "n.onnx"], "did you mean udnie"),
        (["m.onnx", "-o", "there.onnx"], "exists: add --force"),
        (["m.onnx", "-o", "n.onnx", "--strength", "0"], "strength"),
        (["m.onnx", "-o", "n.onnx", "--precision", "int4"], "precision"),
    ],
)
def test_wrong_words_are_refused_with_one_line(here, capsys, words, message):
    (here / "there.onnx").write_bytes(b"before")
    assert message in fails(capsys, 2, "export", *words)
    assert not (here / "n.onnx").exists()


def test_a_file_that_cannot_be_read_or_written_is_one_line(here, capsys):
    (here / "broken.onnx").write_bytes(b"\x08\x09")
    assert "broken.onnx" in fails(capsys, 1, "export", "broken.onnx", "-o", "n.onnx")
    assert "does not exist" in fails(capsys, 1, "export", "m.onnx", "-o", "nowhere/n.onnx")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["udnie"], "either a file"),
        (["udnie", "-o", "n.onnx", "--web", "page"], "either a file"),
        (["udnie", "pencil", "-o", "n.onnx"], "one style or model"),
        (["udnie", "--web", "page", "--size", "64x64"], "--size is only for a file"),
        (["udnie", "-o", "n.onnx", "--title", "T"], "--title is only for a page"),
        (["m.onnx", "--web", "page", "--fast"], "--fast is for"),
        (["udnie", "--web", "page", "--ort", "nowhere"], "no such folder"),
        (["udnie", "--web", "."], "other files"),
    ],
)
def test_a_page_and_a_file_are_not_confused(here, capsys, words, message):
    assert message in fails(capsys, 2, "export", *words)
    assert not (here / "page").exists()
    assert not (here / "n.onnx").exists()


def test_a_page_is_written_and_described(here, capsys, monkeypatch):
    monkeypatch.setattr(web_page, "runtime_files", lambda place: dict.fromkeys(FILES, b"x"))
    monkeypatch.setattr(web_page, "load_image", lambda path: make_photo(0, 64, 96))
    assert main(["export", "udnie", "m.onnx", "--web", "page", "--title", "Mine"]) == 0
    assert capsys.readouterr().out.startswith("page: a page with 2 styles; a visitor loads")
    assert (here / "page" / "index.html").is_file()
    assert main(["export", "udnie", "--web", "page", "--force", "--json", "--no-webgpu"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["styles"] == ["udnie"]
    assert record["later"] == 0
