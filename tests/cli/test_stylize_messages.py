"""Errors, JSON, pipes and notes of `impasto stylize`."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from impasto.cli.main import main
from impasto.models.catalog import shipped_network
from impasto.painting.settings import SavedSettings, write_settings
from impasto.pictures.read import load_image
from impasto.pictures.write import save_image
from tests.cli.commands import fails, paints
from tests.conftest import make_photo


def test_json_is_one_object_for_each_picture(here, capsys):
    (here / "bad.jpg").write_text("no picture")
    assert main(["stylize", "a.png", "bad.jpg", "-m", "m.onnx", "-o", "out", "--json"]) == 1
    good, bad = map(json.loads, capsys.readouterr().out.splitlines())
    assert good["input"] == "a.png"
    assert (good["height"], good["width"]) == make_photo(0).shape[:2]
    assert bad["input"] == "bad.jpg"
    assert "is not a picture" in bad["error"]


def test_a_picture_is_never_overwritten_by_itself(here, capsys):
    before = (here / "a.png").read_bytes()
    (here / "link.png").symlink_to("a.png")
    for output in ["a.png", ".", "../" + here.name, "link.png"]:
        assert "would be overwritten" in fails(capsys, 2, "stylize", "a.png", "-m", "m.onnx", "-o", output)
    assert (here / "a.png").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["stylize"], 2, "--output"),
        (["stylize", "a.png", "-o", "b.png"], 2, "--model"),
        (["stylize", "a.png", "-m", "m.onnx"], 2, "--output"),
        (["stylize", "a.png", "-m", "m.onnx", "-o", "b.xyz"], 2, "unknown picture extension '.xyz'; use one of"),
        (["stylize", "a.png", "c.png", "-m", "m.onnx", "-o", "b.png"], 2, "give a folder"),
        (["stylize", "a.png", "in/a.png", "-m", "m.onnx", "-o", "out"], 2, "would both become"),
        (["stylize", "a.png", "b.png", "-m", "m.onnx", "-o", "m.onnx"], 2, "is a file"),
        (["stylize", "a.png", "-m", "m.onnx", "-o", "m.onnx/b.png"], 1, "cannot make this folder"),
        (["stylize", "a.png", "-m", "m.onnx", "-o", "b.png", "--quality", "0"], 2, "--quality"),
        (["stylize", "a.png", "-m", "m.onnx", "-o", "b.png", "--threads", "0"], 2, "--threads"),
        (["stylize", "a.png", "-m", "m.onnx", "-o", "b.png", "--backend", "cuda"], 2, "--backend"),
        (["stylize", "a.png", "-m", "m.onnx", "-o", "b.png", "--color"], 2, "--color"),
        (["stylize", "a.png", "-m", "missing.onnx", "-o", "b.png"], 1, "missing.onnx: no such model file"),
        (["stylize", "a.png", "-m", "text.onnx", "-o", "b.png"], 1, "text.onnx: is not an ONNX file"),
        (["stylize", "missing.png", "-m", "m.onnx", "-o", "b.png"], 1, "missing.png: no such file"),
        (["stylize", "missing", "-m", "m.onnx", "-o", "out"], 1, "missing: no such file or folder"),
        (["stylize", ".", "a.png", "-m", "m.onnx", "-o", "out"], 2, "a.png: is given twice"),
        (["styles", "--sheet", "a.png", "-o", "a.png"], 2, "a.png: is the photo itself"),
        (
            ["styles", "--sheet", "a.png", "-o", f"{300 * 'x'}.png"],
            1,
            "this name is too long for the disk",
        ),
        (["stylize", "a.png", "-m", "m.onnx", "-o", "b.png", "--force", "--resume"], 2, "give one"),
        (["stylize", "a.png", "-m", "m.onnx", "-o", "b.png", "--background-only"], 2, "give --mask FILE"),
        (["stylize", "a.png", "-s", "udnie:0.5", "-o", "b.png"], 2, "for less of it use --strength"),
        (["stylize", "a.png", "-m", "m.onnx", "-o", "b.png", *2 * ["--mask", "a.png"]], 2, "2 masks for 1 styles"),
        (["stylize", "a.png", "-m", "m.onnx", "-o", "b.png", "--mask", "no.png"], 1, "no.png: no such file"),
        (["stylize", "a.png", "-m", "m.onnx", "-o", "b.png", "--strength", "nan"], 2, "strength must be from 0"),
        (
            ["stylize", "a.png", "-m", "m.onnx", "-o", "b.png", "--strength", "abc"],
            2,
            "0 leaves the photo as it is, 1 is the style",
        ),
        (["stylize", "a.png", "-m", "m.onnx", "-o", "b.png", "--seed", "1.5"], 2, "'1.5' is not a whole number"),
        (["stylize", "a.png", "-m", "m.onnx", "-o", "b.png", "--size", "64.5"], 2, "'64.5' is not a whole number"),
        (["stylize", "a.png", "-s", "", "-o", "b.png"], 2, "names no style"),
        (["stylize", "a.png", "-s", "udnie:1,great_wave", "-o", "b.png"], 2, "--style udnie:1 --style great_wave"),
        (["stylize", "a.png", "-s", 300 * "x", "-o", "b.png"], 2, "no style is called 'xxx"),
        (["stylize", "a.png", "-m", 300 * "x", "-o", "b.png"], 2, "cannot be the name of a file"),
        (["stylize", "a.png", "-m", "m.onnx", "-o", ""], 2, "'' is not the name of a file"),
        (["stylize", "", "-m", "m.onnx", "-o", "b.png"], 2, "'' is not the name of a file"),
        (["stylize", "a.png", "a.png", "-m", "m.onnx", "-o", "out"], 2, "a.png: is given twice"),
        (["info", 300 * "x"], 2, "no style is called"),
        (["stylize", "a.png", "-s", "udnie:much", "-o", "b.png"], 2, "the share of a style is a number"),
        (["stylize", "-a.png", "-m", "m.onnx", "-o", "b.png"], 2, "a file of that name is ./-a.png"),
        (["stylize", "a.png", "--styel", "udnie", "-o", "b.png"], 2, "unknown option --styel: did you mean --style?"),
        (["stylize", "a.png", "-m", "m.onnx", "--qualty=9", "-o", "b.png"], 2, "--qualty"),
        (["stylize", "a.png", "--settings", "a.png", "-o", "b.png"], 2, "is a picture, not a settings file"),
        (["stylize", "a.png", "-m", "m.onnx", "-o", "b.png", "--grid", "--depth", "16"], 2, "leave --depth out"),
        (
            ["stylize", "a.png", "-m", "m.onnx", "-o", "b.png", "--grid", "--variants", "2"],
            2,
            "--grid shows only styles and",
        ),
        (["stylize", "a.png", "-m", "m.onnx", "-o", "b.png", "--grid"], 2, "this model has one strength"),
        (["stylize", "a.png", "c.png", "-m", "m.onnx", "-o", "-"], 2, "standard output takes one picture"),
        (["info", "missing.onnx"], 1, "missing.onnx: no such model file"),
        (["info", "."], 1, "is a folder"),
        (["paint"], 2, "paint"),
    ],
)
def test_what_goes_wrong_is_one_line_and_an_exit_code(here, capsys, arguments, code, message):
    Path("text.onnx").write_text("hello")
    assert message in fails(capsys, code, *arguments)
    assert not (here / "b.png").exists()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("stylize a.png -s a.png", "a.png: is a picture, not a style file: learn it first, `impasto train a.png -o"),
        ("stylize a.png -m a.png", "a.png: is a picture, not a model file: learn it first, `impasto train a.png -o"),
        ("stylize a.png -s m.onnx", "m.onnx: is a model file, not a style file: give it with --model"),
        ("stylize a.png -m s.safetensors", "is a style file, not a model file: give it with --style"),
        ("stylize a.png -s a.png:0.5 -s udnie:0.5", "a.png: is a picture, not a style file"),
        ("stylize a.png -s p.json", "is a settings file, not a style file: give it with --settings"),
        ("stylize a.png -s x.jpg", "the style of a picture has to be learned first, `impasto train x.jpg -o x.onnx`"),
        ("stylize m.onnx -s udnie", "m.onnx: is a model file, not a picture: give a picture"),
        ("stylize a.png -m m.onnx --mask m.onnx", "m.onnx: is a model file, not a picture"),
        ("info a.png", "a.png: is a picture, not a model file: learn it first"),
    ],
)
def test_a_file_of_another_kind_is_answered_with_what_to_do(here, capsys, command, message):
    style = shipped_network().parent / "udnie.safetensors"
    Path("s.safetensors").write_bytes(style.read_bytes())
    write_settings("p.json", SavedSettings(style={"udnie": 1.0}))
    words = command.split()
    assert message in fails(capsys, 2, *words, *(["-o", "b.png"] if words[0] == "stylize" else []))
    assert not Path("b.png").exists()


# ---- formats, metadata, skipped files -----------------------------------------------------------------------------


def test_the_format_of_a_folder_can_be_chosen(here, capsys):
    Path("in").mkdir()
    for name in ("a.png", "b.jpg", "c.gif"):
        Image.fromarray(make_photo(0)).save(f"in/{name}")
    for format, expected in {
        "jpg": {"a.png.jpg": "JPEG", "b.jpg": "JPEG", "c.gif.jpg": "JPEG"},
        "webp": {"a.png.webp": "WEBP", "b.jpg.webp": "WEBP", "c.gif.webp": "WEBP"},
        "keep": {"a.png": "PNG", "b.jpg": "JPEG", "c.gif.png": "PNG"},
    }.items():
        paints("in", "-o", format, "--format", format)
        made = {path.name: Image.open(path) for path in Path(format).iterdir()}
        assert {name: image.format for name, image in made.items()} == expected
        for image in made.values():
            image.close()
    assert "--format" in fails(capsys, 2, "stylize", "in", "-m", "m.onnx", "-o", "x", "--format", "gif")


def test_standard_output_has_the_format_that_is_asked_for(here):
    command = [sys.executable, "-m", "impasto", "stylize", "-", "-o", "-", "-m", "m.onnx", "--format", "jpg"]
    done = subprocess.run(command, input=(here / "a.png").read_bytes(), capture_output=True, check=True)
    assert done.stdout.startswith(b"\xff\xd8\xff")


def test_strip_removes_all_metadata(here):
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Camera"
    Image.fromarray(make_photo(0)).save("c.jpg", exif=exif, dpi=(300, 300), comment=b"mine")
    paints("c.jpg", "-o", "d.jpg")
    paints("c.jpg", "-o", "e.jpg", "--strip")
    with Image.open("d.jpg") as image:
        assert [round(x) for x in image.info["dpi"]] == [300, 300]
        assert image.info["comment"] == b"mine"
    with Image.open("e.jpg") as image:
        assert not {"dpi", "exif", "comment"} & {*image.info} or image.info.get("dpi") == (72, 72)
        assert image.getexif().get(ExifTags.Base.Make) is None
    assert b"mine" not in Path("e.jpg").read_bytes()


def test_what_is_skipped_in_a_folder_is_printed_once(here, capsys):
    Path("in").mkdir()
    save_image("in/a.png", make_photo(1))
    for name in ("b.nef", "c.txt", "d.txt"):
        Path("in", name).touch()
    paints("in", "-o", "out")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("impasto: in: 3 files were skipped, not pictures by their extension (2 .txt, 1 .nef)")


def test_a_cut_out_subject_as_a_mask_gives_a_note(here, capsys):
    subject = np.dstack([make_photo(0), np.zeros(make_photo(0).shape[:2], np.uint8)])
    subject[:, :20, 3] = 255
    Image.fromarray(subject).save("cut.png")
    paints("a.png", "-o", "b.png", "--mask", "cut.png")
    assert "cut.png: has transparent parts: its opacity is the mask" in capsys.readouterr().err
    photo, painted = load_image("a.png"), load_image("b.png")
    assert (painted[:, :20] == 255 - photo[:, :20]).all()
    assert (painted[:, 20:] == photo[:, 20:]).all()


# ---- JSON and pipes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["a.png", "bad.jpg", "-o", "out"], 1),
        (["bad.jpg", "-o", "b.png"], 1),
        (["a.png", "-o", "b.xyz"], 2),
        (["a.png", "-o", "b.png", "--strength", "9"], 2),
        (["a.png", "-o", "b.png", "--mask", "bad.jpg"], 1),
        (["a.png", "-o", "b.png", "-s", "no such style"], 2),
        (["missing.png", "-o", "b.png", "--dry-run"], 1),
    ],
)
def test_json_stays_valid_when_something_fails(here, capsys, words, code):
    Path("bad.jpg").write_text("no picture")
    model = [] if "-s" in words else ["-m", "m.onnx"]
    assert main(["stylize", *words, *model, "--json"]) == code
    captured = capsys.readouterr()
    records = [json.loads(line) for line in captured.out.splitlines()]
    assert "error" in records[-1]
    assert records[-1]["error"] in captured.err


def test_a_reader_that_stops_ends_the_command_quietly(here):
    Path("in").mkdir()
    for number in range(20):
        save_image(f"in/{number}.png", make_photo(number))
    command = f"'{sys.executable}' -m impasto stylize in -m m.onnx -o out | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("1/20 out/")
    assert done.stderr == ""
    for path in Path("out").iterdir():  # what was begun is whole
        assert load_image(path).shape == make_photo(0).shape
    assert not [path for path in Path("out").iterdir() if path.name.startswith(".")]


def test_ctrl_c_in_a_folder_keeps_what_is_done_and_says_how_to_continue(here):
    Path("in").mkdir()
    save_image("in/0.png", make_photo(0))
    for number in range(1, 30):
        os.link("in/0.png", f"in/{number}.png")
    out = Path(*["folder" * 40] * 5)  # lines of more than 1 KB: the pipe is full, and the command waits, before the end
    command = [sys.executable, "-m", "impasto", "stylize", "in", "-m", "m.onnx", "-o", str(out)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pipesize=4096,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background would ignore it
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("1/30")
    process.send_signal(2)
    _, error = process.communicate()
    assert process.returncode == 130
    assert "run the same command with --resume to continue" in error
    assert error.splitlines()[-1] == "impasto: error: interrupted"
    done = [*out.iterdir()]
    assert 0 < len(done) < 30
    for path in done:
        assert load_image(path).shape == make_photo(0).shape
    paints("in", "-o", str(out), "--resume")
    assert len([*out.iterdir()]) == 30


def test_a_picture_is_not_written_to_a_terminal(here, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    message = fails(capsys, 2, "stylize", "a.png", "-m", "m.onnx", "-o", "-")
    assert "standard output is a terminal: give a file with -o, or redirect it" in message


def test_a_name_with_a_line_break_takes_one_line(here, capsys):
    (here / "a.png").rename(here / "two\nlines.png")
    paints("two\nlines.png", "-o", "out/")
    assert (here / "out/two\nlines.png").is_file()
    assert capsys.readouterr().out.startswith("1/1 out/two\\nlines.png ")
