"""`impasto train`, `gatys` and `evaluate` as a person calls them."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from impasto.cli import train as cli_train
from impasto.cli.main import main
from impasto.models.modelfile import read_info
from impasto.models.stylefile import read_style
from impasto.training.paths import run_folder
from tests.cli.commands import QUICK, error_of


def test_train_then_stylize_then_info(train, tmp_path, photo_folder, capsys):
    assert train("--title", "Stripes", "--license", "CC0-1.0", "--seed", "5") == 0
    captured = capsys.readouterr()
    assert "learned after 3 steps" in captured.out
    assert f"model: {tmp_path / 'model.onnx'}" in captured.out
    assert "impasto stylize PHOTO --model" in captured.out
    assert "objective" in captured.err  # progress, as plain lines where there is no terminal
    assert main(["stylize", str(photo_folder), "-m", str(tmp_path / "model.onnx"), "-o", str(tmp_path / "out")]) == 0
    assert len([*(tmp_path / "out").rglob("*.*")]) == 14
    capsys.readouterr()
    assert main(["info", str(tmp_path / "model.onnx"), "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert info["style_title"] == "Stripes"
    assert info["license"] == "CC0-1.0"
    assert info["training"]["seed"] == 5
    assert info["arguments"].items() >= {"norm": "instance", "width": 4, "bound": 4.0}.items()


@pytest.mark.parametrize(
    ("output", "clean"),
    [("model.onnx", True), ("mine.safetensors", False), ("both", True)],
    ids=["model", "style", "both"],
)
def test_the_end_of_a_run_says_how_good_it_is_and_how_to_use_it(
    tmp_path, style_file, photo_folder, tiny_vgg_file, monkeypatch, capsys, output, clean
):
    monkeypatch.setattr(cli_train, "complaints", lambda found: [] if clean else ["a grid", "lone spots"])
    made, styles = tmp_path / output, [str(style_file)]
    if output == "both":
        styles.append(str(photo_folder / "0.JPG"))
    words = ["--content", str(photo_folder), "--loss-network", str(tiny_vgg_file), *QUICK[:-2]]
    words += ["--preset", "fast"]  # half the work
    assert main(["train", *styles, "-o", str(made), *words]) == 0
    captured = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"learned after 3 steps in \d+ s from the shared network", captured[0])
    number = r"\d+\.\d\d"
    words = rf"Style: [a-z, ]+\. Subject: [a-z ]+\..* \(style distance {number}, form {number}\)"
    assert re.fullmatch(f"on held-out photos: {words}", captured.pop(1))
    count = r"(about \d+|more than \d+)"
    assert re.fullmatch(
        rf"as good as {count} iterations of Gatys' optimization from the photo \(one held-out photo, 256 px\)",
        captured[1],
    )
    found = "none found" if clean else "a grid; lone spots: check the preview, and train longer"
    assert captured[2] == f"check for artifacts: {found}"
    assert captured[3] == f"preview: {run_folder(made) / 'preview.jpg'}"
    what, flag = {"model.onnx": ("model", "--model"), "mine.safetensors": ("style", "--style")}.get(
        output, ("styles", "--style")
    )
    assert captured[4] == f"{what}: {made}"
    used = made if output != "both" else made / f"{style_file.stem}.safetensors"
    assert captured[5] == f"use it: impasto stylize PHOTO {flag} {used} --output painted.jpg"
    use = captured[5].removeprefix("use it: impasto ").split()
    use[use.index("PHOTO")], use[use.index("painted.jpg")] = str(photo_folder / "2.JPG"), str(tmp_path / "painted.jpg")
    assert main(use) == 0
    if output == "both":
        capsys.readouterr()
        assert main(["info", str(made / "network.onnx"), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["kind"] == "network"


def test_flags_change_a_preset_and_leave_the_rest_of_it(train, tmp_path):
    assert train("--preset", "ulyanov2017", "--style-weight", "7", "--set.levels", "3", "--norm", "batch") == 0
    saved = json.loads((run_folder(tmp_path / "model.onnx") / "config.json").read_text())
    recipe = saved["recipe"]
    assert recipe["objective"]["style_weight"] == 7
    assert recipe["objective"]["content_layers"] == ["relu4_2"]  # the preset's
    assert recipe["objective"]["scaling"] == "raw"
    assert recipe["norm"] == "batch"
    assert recipe["arguments"]["output"] == "linear"  # the preset's
    assert read_info(tmp_path / "model.onnx").architecture == "texture"


def test_another_generator_does_not_take_the_presets_arguments(train, tmp_path):
    assert train("--preset", "ulyanov2017", "--generator", "light") == 0  # which knows no noise
    assert read_info(tmp_path / "model.onnx").arguments["width"] == 4  # the fixture's
    assert read_info(tmp_path / "model.onnx").architecture == "light"


def test_ctrl_c_leaves_a_model_and_says_how_to_go_on(
    tmp_path, style_file, photo_folder, tiny_vgg_file, monkeypatch, capsys
):
    reporter = cli_train.reporter

    def interrupted(bar):
        report = reporter(bar)

        def press_ctrl_c(progress):
            report(progress)
            if progress.step == 2:
                os.kill(os.getpid(), signal.SIGINT)

        return press_ctrl_c

    monkeypatch.setattr(cli_train, "reporter", interrupted)
    words = ["train", str(style_file), "-o", str(tmp_path / "m.onnx"), "--content", str(photo_folder)]
    words += ["--loss-network", str(tiny_vgg_file), *QUICK[2:], "--minutes", "10"]
    monkeypatch.setattr(sys, "argv", ["impasto", *words])
    assert main(words) == 130
    captured = capsys.readouterr()
    assert "objective" in captured.err
    assert "stopped after 2 steps" in captured.out
    assert f"go on: impasto train {style_file} -o {tmp_path / 'm.onnx'}" in captured.out
    assert captured.out.strip().endswith("--resume")
    assert read_info(tmp_path / "m.onnx").training["steps"] == 2


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--minutes", "0"], 2, "either minutes or steps"),
        (["--preset", "gatys2015"], 2, "unknown preset 'gatys2015': choose one of impasto, fast, johnson2016"),
        (["--norm", "layer"], 2, "unknown norm 'layer': choose one of instance, batch, contrast, none"),
        (["--generator", "unet"], 2, "unknown generator 'unet': choose one of residual, light, texture"),
        (["--content-layers", "relu8_1"], 2, "unknown layer 'relu8_1': vgg16 has relu1_1"),
        (["--set.depth", "3"], 2, "cannot be made with"),
        (["--set.blocks", "-1"], 2, "blocks must be a whole number of 0 or more, not -1"),
        (["--set.blocks", "2.5"], 2, "blocks must be a whole number"),
        (["--set.padding", "null"], 2, "unknown padding 'None': choose one of reflect"),
        (["--set.norm_init", "foo"], 2, "choose one of ones, uniform"),
        (["--set.negative_slope", "abc"], 2, "negative_slope must be a number of 0 or more, not abc"),
        (
            ["--generator", "texture", "--set.standardize", "False"],
            2,
            "unknown standardize 'False': choose one of True",
        ),
        (["--jitter", "40"], 2, "jitter must be at most a crop's side, 32, not 40"),
        (["--longest-gradient", "-1"], 2, "--longest-gradient. Must be >= 0"),
        (["--set.styles", "2"], 2, "'styles' is not for --set"),
        (["--seed", "-1"], 2, "seed must be from 0"),
        (["--empty-style-layers"], 2, "give at least one of each"),
        (["--style-weight", "heavy"], 2, "style-weight"),
        (["--style-weight", "-1"], 2, "style weight must be 0 or more"),
        (["--resume", "--restart"], 2, "exclude each other"),
        (["--resume"], 1, "nothing to resume"),
    ],
)
def test_wrong_wishes_are_one_line(train, tmp_path, capsys, words, code, message):
    assert train(*words) == code
    assert message in error_of(capsys)
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize("budget", ["--minutes=0", "--minutes=-1", "--minutes=nan", "--steps=0", "--steps=-4"])
def test_no_time_is_no_run(tmp_path, style_file, capsys, budget):
    assert main(["train", str(style_file), "-o", str(tmp_path / "m.onnx"), budget]) == 2
    assert "must be" in error_of(capsys).lower()
    assert not list(tmp_path.iterdir())


def bad_pictures(folder: Path):
    from PIL import Image

    whole = folder / "whole.jpg"
    Image.effect_noise((64, 64), 50).convert("RGB").save(whole)
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "cut.jpg").write_bytes(whole.read_bytes()[:700])
    (folder / "text.jpg").write_text("hello")
    return {
        "missing.jpg": "no such file",
        "empty.jpg": "is empty",
        "cut.jpg": "damaged or cut short",
        "text.jpg": "not a picture",
        ".": "is a folder",
    }


def test_bad_style_pictures_are_one_line(train, tmp_path, capsys):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, message in bad_pictures(folder).items():
        assert train(style=folder / name) == (2 if name == "." else 1)
        assert message in error_of(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a file's name is text")
def test_a_name_that_is_not_text_is_learned_from(tmp_path, style_file, photo_folder, tiny_vgg_file):
    odd = Path(os.fsdecode(os.fsencode(tmp_path / "gem") + b"\xe4lde.png"))  # Latin-1
    odd.write_bytes(style_file.read_bytes())
    fixed = ["--content", str(photo_folder), "--loss-network", str(tiny_vgg_file), *QUICK]
    assert main(["train", str(odd), "-o", str(tmp_path / "model.onnx"), *fixed]) == 0
    assert read_info(tmp_path / "model.onnx").style_title == odd.stem
    assert main(["train", str(odd), str(style_file), "-o", str(tmp_path / "both"), *fixed]) == 0
    assert read_style(tmp_path / "both" / f"{odd.stem}.safetensors").info.name == odd.stem
    assert main(["info", str(tmp_path / "model.onnx"), "--json"]) == 0


def test_bad_places_are_one_line(train, tmp_path, capsys):
    (tmp_path / "folder.onnx").mkdir()
    assert train(output="folder.onnx") == 1
    assert "is a folder" in error_of(capsys)
    assert train(output="nowhere/model.onnx") == 1
    assert "does not exist" in error_of(capsys)
    assert train(output="model.jpg") == 2
    assert "ends in .onnx" in error_of(capsys)
    assert train(content=tmp_path / "folder.onnx") == 1
    assert "no pictures in this folder" in error_of(capsys)
    assert train(content=tmp_path / "missing") == 1
    assert "no such folder" in error_of(capsys)


def test_a_full_disk_leaves_no_half_model(train, tmp_path, capsys, monkeypatch):
    def full(self, data):
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert train() == 1
    assert "No space left on device" in error_of(capsys)
    assert {path.name for path in tmp_path.iterdir()} == {"model.run"}


def test_closed_and_full_outputs_are_one_line(train, tmp_path, capsys):
    assert train() == 0
    command = f"{sys.executable} -m impasto info {tmp_path / 'model.onnx'} --json"
    full = subprocess.run(f"{command} > /dev/full", shell=True, capture_output=True, text=True)
    assert full.returncode == 1
    assert full.stderr == "impasto: error: cannot write the output: No space left on device\n"
    closed = subprocess.run(
        f"{command} | true; exit ${{PIPESTATUS[0]}}", shell=True, executable="bash", capture_output=True, text=True
    )
    assert (closed.returncode, closed.stderr) == (1, "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs a shell")
@pytest.mark.parametrize("name", [b"plain.onnx", b"two words.onnx", b"\xff 'a' $HOME \\ 1.onnx", "Über.onnx".encode()])
def test_names_are_said_as_a_shell_takes_them(name):
    word = cli_train.shell_word(os.fsdecode(name))
    assert subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, check=True).stdout == name
