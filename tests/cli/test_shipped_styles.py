"""Shipped styles on the command line."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import impasto
from impasto.cli.main import main
from impasto.models.catalog import VARIANTS, shipped, shipped_network
from impasto.models.modelfile import network_hash
from impasto.models.stylefile import write_style
from impasto.painting.settings import Settings
from impasto.pictures.colors import keep_colors
from impasto.pictures.resize import resize_short_side
from tests.conftest import make_photo

pytestmark = pytest.mark.usefixtures("networks_stay_loaded")
PHOTO = make_photo(3, 96, 120)


def distance(one, other):
    return float(np.abs(one.astype(float) - other.astype(float)).mean())


@pytest.fixture
def photo_file(tmp_path) -> Path:
    Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_the_command_line_shows_styles_and_strengths_on_one_sheet(tmp_path, photo_file):
    sheet = tmp_path / "sheet.png"
    words = ["stylize", str(photo_file), "--style", "udnie", "--style", "the_scream", "--grid", "-o", str(sheet)]
    assert main(words) == 0
    height, width = impasto.load_image(sheet).shape[:2]
    assert width > 6 * PHOTO.shape[1] > 0
    assert height > 2 * PHOTO.shape[0]


def test_each_of_two_styles_has_its_mask_on_the_command_line(tmp_path, photo_file):
    left = np.zeros(PHOTO.shape[:2], np.uint8)
    left[:, :60] = 255
    for name, mask in (("left", left), ("right", 255 - left)):
        Image.fromarray(mask).save(tmp_path / f"{name}.png")
    words = ["stylize", str(photo_file), "-o", str(tmp_path / "out.png")]
    for style, mask in (("udnie", "left"), ("the_scream", "right")):
        words += ["--style", style, "--mask", str(tmp_path / f"{mask}.png")]
    assert main(words) == 0
    one = impasto.load("udnie")
    wanted = impasto.paint_regions(PHOTO, [(one, left), (one.restyled("the_scream"), 255 - left)])
    assert distance(impasto.load_image(tmp_path / "out.png"), wanted) == 0


def test_the_command_line_lists_paints_and_mixes(tmp_path, photo_file, capsys):
    assert main(["styles"]) == 0
    assert "udnie" in capsys.readouterr().out
    assert main(["styles", "--json"]) == 0
    assert {style["name"] for style in json.loads(capsys.readouterr().out)} == set(shipped())
    assert main(["styles", "--sheet", str(photo_file), "-o", str(tmp_path / "sheet.png")]) == 0
    assert impasto.load_image(tmp_path / "sheet.png").shape[1] > 1000
    assert main(["styles", "--sheet", str(photo_file), "-o", str(tmp_path / "sheet.png")]) == 2  # is there
    words = ["stylize", str(photo_file), "-o", str(tmp_path / "out.png")]
    assert main([*words, "--style", "udnie:0.7", "--style", "great_wave:0.3", "--strength", "0.8"]) == 0
    wanted = impasto.load({"udnie": 0.7, "great_wave": 0.3})(PHOTO, Settings(strength=0.8))
    assert (impasto.load_image(tmp_path / "out.png") == wanted).all()
    capsys.readouterr()
    assert main(["info", "udnie"]) == 0
    assert "a style: scales and shifts" in capsys.readouterr().out


def test_the_list_names_picture_artist_year_license_and_training(capsys):
    assert main(["styles"]) == 0
    printed = capsys.readouterr().out
    for style in impasto.styles():
        assert f"{style.title}, {style.artist}, {style.year}; {style.license}" in printed
        steps = style.training["steps"] + style.training.get("steps_before", 0)
        assert f"{style.training['words']} {steps:,} steps, {style.training['photos']} photos" in printed


def test_a_style_without_its_network_is_described_all_the_same(tmp_path, capsys):
    style = shipped()["udnie"]
    path = tmp_path / "old.safetensors"
    write_style(path, replace(style, info=replace(style.info, network=64 * "0")))
    assert main(["info", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "a style: scales and shifts" in printed
    assert "Udnie, Francis Picabia, 1913" in printed
    assert "not found (000000000000...)" in printed
    assert re.search(
        r"cannot paint on this computer: .*old\.safetensors: its network .* learn the style again", printed
    )


def test_the_command_line_paints_with_the_fast_network(tmp_path, photo_file, capsys):
    words = ["stylize", str(photo_file), "-o", str(tmp_path / "out.png"), "--style", "udnie", "--force"]
    saved = str(tmp_path / "settings.json")
    assert main([*words, "--fast", "--save-settings", saved]) == 0
    wanted = impasto.load("udnie", variant="fast")(PHOTO)
    assert (impasto.load_image(tmp_path / "out.png") == wanted).all()
    kept = ["stylize", str(photo_file), "-o", str(tmp_path / "out.png"), "--settings", saved, "--force"]
    assert main(kept) == 0
    assert (impasto.load_image(tmp_path / "out.png") == wanted).all()
    assert main([*kept, "--best"]) == 0
    assert (impasto.load_image(tmp_path / "out.png") == impasto.load("udnie")(PHOTO)).all()
    sheet = ["styles", "--fast", "--sheet", str(photo_file), "-o", str(tmp_path / "sheet.png")]
    assert main(sheet) == 0
    assert (impasto.load_image(tmp_path / "sheet.png") == impasto.style_sheet(PHOTO, variant="fast")).all()
    capsys.readouterr()
    assert main(["info", "udnie", "--fast", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["kind"], record["network"]) == ("style", network_hash(shipped_network("fast")))
    assert main(["info", str(shipped_network()), "--fast"]) == 2
    # A file in place of what was saved has a network of its own.
    write_style(tmp_path / "mine.safetensors", shipped()["udnie"])
    assert main([*kept, "--style", str(tmp_path / "mine.safetensors")]) == 0
    assert (impasto.load_image(tmp_path / "out.png") == impasto.load("udnie")(PHOTO)).all()
    capsys.readouterr()
    for misspelled in (["info", "udny", "--fast"], [*words[:4], "--style", "udny", "--fast", "--force"]):
        assert main(misspelled) == 2
        assert "did you mean udnie?" in capsys.readouterr().err


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("own", VARIANTS)
def test_masks_and_grids_of_shipped_styles_and_files_keep_to_the_network_that_is_asked_for(
    tmp_path, photo_file, variant, own
):
    write_style(tmp_path / "mine.safetensors", shipped(own)["great_wave"])
    mask = np.zeros(PHOTO.shape[:2], np.uint8)
    mask[:, :60] = 255
    for name, region in (("left", mask), ("right", 255 - mask)):
        Image.fromarray(region).save(tmp_path / f"{name}.png")
    words = ["stylize", str(photo_file), "-o", str(tmp_path / "out.png"), f"--{variant}", "--force"]
    files = [str(tmp_path / "mine.safetensors"), "udnie"]
    pairs = zip(files, ("left", "right"), strict=True)
    assert main([*words, *(x for f, m in pairs for x in ("--style", f, "--mask", str(tmp_path / f"{m}.png")))]) == 0
    stylizers = impasto.load(files[0]), impasto.load("udnie", variant=variant)
    if variant == own:
        stylizers = stylizers[0], stylizers[0].restyled("udnie")
    wanted = impasto.paint_regions(PHOTO, [(stylizers[0], mask), (stylizers[1], 255 - mask)])
    assert (impasto.load_image(tmp_path / "out.png") == wanted).all()
    assert main([*words, "--grid", "--size", "64", *(x for f in files for x in ("--style", f))]) == 0
    small = resize_short_side(PHOTO, 64)
    sheet = impasto.strength_sheet(small, list(zip(("mine", "udnie"), stylizers, strict=True)))
    assert (impasto.load_image(tmp_path / "out.png") == sheet).all()


@pytest.mark.parametrize("method", ["luminance", "match"])
def test_the_photos_colors_are_kept_if_asked(tmp_path, photo_file, method):
    words = ["stylize", str(photo_file), "-o", str(tmp_path / "out.png"), "--style", "udnie", "--keep-colors", method]
    assert main(words) == 0
    kept = impasto.load("udnie")(PHOTO, Settings(keep_colors=method))
    assert (impasto.load_image(tmp_path / "out.png") == kept).all()
    assert (kept == keep_colors(impasto.load("udnie")(PHOTO), PHOTO, method)).all()


def test_stylize_keeps_transparency_and_the_cameras_record(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    alpha = np.full(PHOTO.shape[:2], 255, np.uint8)
    alpha[:20] = 0
    Image.fromarray(np.dstack([PHOTO, alpha])).save(tmp_path / "a.png", exif=exif)
    assert main(["stylize", str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png"), "--style", "udnie"]) == 0
    with Image.open(tmp_path / "b.png") as painted:
        assert (np.asarray(painted.getchannel("A")) == alpha).all()
        assert painted.getexif()[0x010F] == "Camera"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give either a style, --style NAME"),
        (["--style", "udnie", "--model", "x.onnx"], "give either a style, --style NAME"),
        (["--style", "udnie", "--style", "udnie:0.5"], "udnie is given twice"),
        (["--model", "x.onnx", "--fast"], "--fast is for the styles that come with Impasto"),
        (["--style", "udnie:-1"], "shares of 0 or more"),
        (["--style", "udnie:lots"], "the share of a style is a number, as udnie:0.5"),
        (["--style", "udnie", "--strength", "3"], "strength must be from 0"),
        (["--style", "udnie", "--strength", "much"], "strength"),
        (["--style", "udnie", "--strength", "0.5", "--refine", "3"], "leave --strength and --mask out"),
        (["--style", "udnie", "--style", "the_scream", "--refine", "3"], "give its picture: --picture FILE"),
    ],
)
def test_wrong_usage_is_one_line(tmp_path, photo_file, capsys, words, message):
    if "--picture" in message:  # refining needs torch, and says so first
        pytest.importorskip("torch")
    assert main(["stylize", str(photo_file), "-o", str(tmp_path / "out.png"), *words]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
    assert not (tmp_path / "out.png").exists()
