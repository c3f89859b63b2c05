"""Folders, names and odd places in `impasto stylize`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from impasto.cli.main import main
from impasto.errors import ImageError
from impasto.painting.stylizer import Stylizer
from impasto.pictures.read import load_image
from impasto.pictures.write import save_image
from tests.cli.commands import fails, paints
from tests.conftest import make_photo


def test_folders_keep_their_structure(here):
    for name in ["in/x.png", "in/deep/y.JPG", "in/deep/z.bmp"]:
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        save_image(name, make_photo(1))
    (here / "in/notes.txt").write_text("not a picture")
    paints("in", "a.png", "-o", "out")
    made = sorted(str(path.relative_to(here / "out")) for path in (here / "out").rglob("*") if path.is_file())
    assert made == ["a.png", "deep/y.JPG", "deep/z.bmp", "x.png"]


def test_an_output_inside_the_input_is_not_painted_again(here):
    (here / "in").mkdir()
    save_image("in/x.png", make_photo(1))
    for _ in range(2):
        paints("in", "-o", "in/out", "--force")
    assert sorted(path.name for path in (here / "in").rglob("*")) == ["out", "x.png", "x.png"]


def test_photos_where_results_go_are_named_and_stay(here, capsys):
    Path("in/own").mkdir(parents=True)
    for name in ("in/x.png", "in/own/x.png", "in/own/y.png"):
        save_image(name, make_photo(1))
    before = Path("in/own/x.png").read_bytes()
    message = fails(capsys, 2, "stylize", "in", "-m", "m.onnx", "-o", "in/own", "--force")
    assert "in/own/x.png: may be a photo, as in/own/y.png is not a result of this command" in message
    assert Path("in/own/x.png").read_bytes() == before
    paints("in", "-o", "in/own", "--resume")
    assert "in/own/y.png and all other files in it are not painted" in capsys.readouterr().err


def test_a_pattern_of_all_folders_keeps_their_structure(here):
    for name in ("in/x.png", "in/deep/er/x.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        save_image(name, make_photo(1))
    for _ in range(2):
        paints("in/**/*", "-o", "in/out", "--resume")  # whose results are no photos of the second time
    assert sorted(map(str, Path("in/out").rglob("*.png"))) == ["in/out/deep/er/x.png", "in/out/x.png"]
    paints("in/deep/e*/*.png", "-o", "flat")  # as the shell has it
    assert [path.name for path in Path("flat").iterdir()] == ["x.png"]


def test_an_output_with_a_slash_is_a_folder(here):
    for name in ("new/", "new.png/"):
        paints("a.png", "-o", name)
        assert Path(name, "a.png").is_file()


def test_a_link_that_leads_nowhere_is_named(here, capsys):
    Path("in").mkdir()
    save_image("in/x.png", make_photo(1))
    Path("in/lost.jpg").symlink_to("gone.jpg")
    assert "in/lost.jpg: no such file" in fails(capsys, 1, "stylize", "in", "-m", "m.onnx", "-o", "out")
    assert [path.name for path in Path("out").iterdir()] == ["x.png"]


def test_a_folder_is_not_a_result(here, capsys):
    Path("out/a.png").mkdir(parents=True)
    for more in ([], ["--resume"], ["--force"]):
        assert "out/a.png: is a folder" in fails(capsys, 1, "stylize", "a.png", "-m", "m.onnx", "-o", "out", *more)


def test_a_folder_that_cannot_be_read_is_named_and_the_others_are_done(here, capsys, monkeypatch):
    for name in ("in/x.png", "in/locked/y.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        save_image(name, make_photo(1))
    scan = os.scandir

    def locked(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", locked)
    assert "in/locked: cannot read this folder: Permission denied" in fails(
        capsys, 1, "stylize", "in", "-m", "m.onnx", "-o", "out"
    )
    assert [path.name for path in Path("out").rglob("*.png")] == ["x.png"]


def test_what_a_format_cannot_hold_is_refused_before_it_is_painted(here, capsys, monkeypatch):
    save_image("long.png", np.zeros((2, 16_400, 3), np.uint8))
    monkeypatch.setattr(Stylizer, "__call__", lambda *_: pytest.fail("painted"))
    message = fails(capsys, 1, "stylize", "long.png", "-m", "m.onnx", "-o", "b.webp")
    assert "16400 x 2 pixels are more than such a file can have" in message


def test_names_are_printed_as_they_are(here, capsys):
    Path("two  spaces.png").write_text("no picture")
    assert "two  spaces.png: is not" in fails(capsys, 1, "stylize", "two  spaces.png", "-m", "m.onnx", "-o", "b.png")
    odd = os.fsdecode(b"\xff.png")
    try:
        save_image(odd, make_photo(1))
    except ImageError:
        pytest.skip("this disk has no such names")
    done = subprocess.run(
        [sys.executable, "-m", "impasto", "stylize", odd, "-m", "m.onnx", "-o", "out/"],
        env={**os.environ, "PYTHONIOENCODING": "ascii:strict"},
        capture_output=True,
        check=True,
    )
    assert b"out/\\udcff.png" in done.stdout


def test_a_format_that_is_only_read_becomes_png(here):
    Image.fromarray(make_photo(0)).save("b.gif")
    paints("a.png", "b.gif", "-o", "out")
    assert (here / "out/b.gif.png").is_file()


def test_a_bad_picture_is_named_and_the_others_are_done(here, capsys):
    (here / "bad.jpg").write_text("no picture")
    (here / "empty").mkdir()
    assert main(["stylize", "bad.jpg", "empty", "missing.png", "a.png", "-m", "m.onnx", "-o", "out"]) == 1
    output = capsys.readouterr()
    assert [line.split(": ")[2] for line in output.err.splitlines()] == ["empty", "bad.jpg", "missing.png"]
    assert [path.name for path in (here / "out").iterdir()] == ["a.png"]


def test_a_dry_run_finds_a_place_that_cannot_be_written(here, capsys):
    assert "a.png: is not a folder" in fails(
        capsys, 1, "stylize", "a.png", "-m", "m.onnx", "-o", "a.png/b/c.png", "--dry-run"
    )
    paints("a.png", "-o", "new/folder/c.png", "--dry-run")
    assert not Path("new").exists()


def test_a_link_that_leads_to_itself_is_named(here, capsys):
    Path("loop.png").symlink_to("loop.png")
    for words in (
        ["loop.png", "-o", "b.png"],
        ["a.png", "-o", "loop.png"],
        ["a.png", "-o", "b.png", "--mask", "loop.png"],
    ):
        assert "loop.png: " in fails(capsys, 2, "stylize", "-m", "m.onnx", *words)


def test_a_photo_too_long_for_a_sheet_is_an_error(here, capsys):
    save_image("long.png", np.zeros((2, 600, 3), np.uint8))
    assert "are too long for a sheet" in fails(capsys, 1, "stylize", "long.png", "-s", "udnie", "-o", "b.png", "--grid")


def test_a_pattern_goes_into_a_folder_however_many_files_it_means(here, capsys):
    paints("a.*", "-o", "out")
    assert [path.name for path in Path("out").iterdir()] == ["a.png"]
    assert "z*.png: no such file" in fails(capsys, 1, "stylize", "z*.png", "-m", "m.onnx", "-o", "none")


def test_standard_input_is_given_once(here, capsys):
    assert "give it once" in fails(capsys, 2, "stylize", "-", "-", "-m", "m.onnx", "-o", "out")


# ---- odd places and names -----------------------------------------------------------------------------------------


def test_a_folder_inside_itself(here):
    Path("in").mkdir()
    save_image("in/x.png", make_photo(1))
    for _ in range(2):
        paints("in", "-o", "in/out/deep", "--resume")
    assert sorted(map(str, Path("in").rglob("*.png"))) == ["in/out/deep/x.png", "in/x.png"]


def test_a_folder_cannot_be_its_own_output(here, capsys):
    Path("in").mkdir()
    save_image("in/x.png", make_photo(1))
    before = Path("in/x.png").read_bytes()
    for output in ("in", "in/", "./in/../in"):
        assert "would be overwritten" in fails(capsys, 2, "stylize", "in", "-m", "m.onnx", "-o", output, "--force")
    assert Path("in/x.png").read_bytes() == before


def test_a_name_that_begins_with_a_hyphen(here):
    save_image("-a.png", make_photo(1))
    paints("./-a.png", "-o", "out/")
    assert (load_image("out/-a.png") == 255 - load_image("-a.png")).all()
    paints("*.png", "-o", "all")
    assert {path.name for path in Path("all").iterdir()} == {"-a.png", "a.png"}


def test_a_result_whose_name_would_be_too_long_is_named_and_the_others_are_done(here, capsys):
    Path("in").mkdir()
    save_image("in/a.png", make_photo(1))
    long = "in/" + 250 * "x" + ".gif"  # and .png is too much
    Image.fromarray(make_photo(0)).save(long)
    assert "this name is too long for the disk" in fails(capsys, 1, "stylize", "in", "-m", "m.onnx", "-o", "out")
    assert [path.name for path in Path("out").iterdir()] == ["a.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a file's name is text")
def test_names_that_are_not_text_are_painted_and_valid_in_json(here):
    odd = os.fsdecode(b"in/\xff \xe4.png")
    Path("in").mkdir()
    save_image(odd, make_photo(1))
    Path("in/Grüße 日本.png").write_bytes(Path("a.png").read_bytes())
    command = [sys.executable, "-m", "impasto", "stylize", "in", "-m", "m.onnx", "-o", "out", "--json"]
    done = subprocess.run(command, env={**os.environ, "LC_ALL": "C"}, capture_output=True, check=True)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert {record["output"] for record in records} == {odd.replace("in/", "out/"), "out/Grüße 日本.png"}
    assert {path.name for path in Path("out").iterdir()} == {path.name for path in Path("in").iterdir()}


def test_a_folder_without_write_permission_is_named(here, capsys):
    Path("locked").mkdir()
    Path("locked").chmod(0o500)
    try:
        if os.access("locked", os.W_OK):
            pytest.skip("this user may write everywhere")
        assert "Permission denied" in fails(capsys, 1, "stylize", "a.png", "-m", "m.onnx", "-o", "locked/")
        assert "Permission denied" in fails(capsys, 1, "stylize", "a.png", "-m", "m.onnx", "-o", "locked/new/")
    finally:
        Path("locked").chmod(0o700)
