"""`impasto evaluate` as a person calls it."""

import json
import shutil

import pytest

from impasto.cli.main import main
from tests.cli.commands import error_of

pytest.importorskip("torch")  # without it the command only names the missing extra


def test_evaluate_compares_with_gatys_past_unreadable_photos(
    train, tmp_path, photo_folder, style_file, capsys, monkeypatch
):
    monkeypatch.setattr("impasto.evaluation.scores.MOST_COMPARED", 3)
    assert train() == 0
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.jpg").write_text("hello")
    (photos / "b.jpg").write_bytes((photo_folder / "0.JPG").read_bytes())
    words = ["--style", str(style_file), "--content", str(photos), "--size", "64", "--gatys", "1", "--json"]
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "model.onnx"), *words]) == 0
    captured = capsys.readouterr()
    assert "left out" in captured.err
    (equal,) = json.loads(captured.out)["gatys"]
    assert (equal["photo"], equal["size"]) == ("b.jpg", 64)


def test_evaluate_measures_ours_and_others(train, tmp_path, style_file, photo_folder, capsys, monkeypatch):
    assert train("--set.noise_scales", "[]") == 0  # the graph has one input, as other projects' have
    capsys.readouterr()
    model = tmp_path / "model.onnx"
    (tmp_path / "photos" / "deeper").mkdir(parents=True)
    for name in ("0.JPG", "2.JPG", "deeper/1.png"):
        shutil.copy(photo_folder / name, tmp_path / "photos" / name)
    words = ["--style", str(style_file), "--content", str(tmp_path / "photos"), "--size", "64"]
    monkeypatch.setattr("impasto.evaluation.scores.equal_evaluations", None)  # nobody asks for it
    assert main(["evaluate", str(model), *words, "--json"]) == 0
    ours = json.loads(capsys.readouterr().out)
    assert ours["objective"] == pytest.approx(ours["content_error"] + 4 * ours["style_error"], rel=1e-4)
    assert len(ours["photos"]) == 3  # all that were given
    # The same graph, measured as another project's: it takes and returns 0..1.
    assert main(["evaluate", str(model), *words, "--json", "--range", "1"]) == 0
    theirs = json.loads(capsys.readouterr().out)
    assert theirs["style_distance"] == pytest.approx(ours["style_distance"], rel=1e-3)
    assert theirs["objective"] == pytest.approx(ours["objective"], rel=1e-3)
    assert main(["evaluate", str(model), *words]) == 0
    said = capsys.readouterr().out
    assert ours["words"] in said
    for name in ("style distance", "broad", "fine", "form", "sharp", "contrast", "noise", "repeat"):
        assert any(line.startswith(name) for line in said.splitlines()), name
    assert "content + 4 x style" in said


def test_evaluate_wants_the_style_picture_and_not_a_style(capsys):
    assert main(["evaluate", "udnie", "--style", "udnie"]) == 2
    assert "udnie: is the name of a style; give a picture" in error_of(capsys)


def test_evaluate_says_what_is_wrong(tmp_path, style_file, capsys):
    assert main(["evaluate", str(tmp_path / "no.onnx"), "--style", str(style_file)]) == 1
    assert "no such model file" in error_of(capsys)
    assert main(["evaluate", "x.onnx", "--style", str(style_file), "--size", "8"]) == 2
    assert "size must be 64" in error_of(capsys)
    assert main(["evaluate", "x.onnx", "--style", str(style_file), "--backend", "cuda"]) == 2
    error_of(capsys)
    (tmp_path / "text.onnx").write_text("hello")
    assert main(["evaluate", str(tmp_path / "text.onnx"), "--style", str(style_file), "--range", "255"]) == 1
    assert "is not an ONNX file" in error_of(capsys)
