"""`impasto stylize` as a person calls it."""

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
from impasto.errors import ImageError
from impasto.models.catalog import shipped_network
from impasto.painting.settings import SavedSettings, write_settings
from impasto.painting.stylizer import Stylizer
from impasto.pictures.decode import decode_picture
from impasto.pictures.read import load_image
from impasto.pictures.write import save_image
from tests.cli.commands import fails, paints
from tests.conftest import make_photo
from tests.graphs import NOISE, write_test_model


def test_one_picture_to_one_file(here, capsys):
    paints("a.png", "-o", "b.png")
    assert (load_image("b.png") == 255 - load_image("a.png")).all()
    assert capsys.readouterr().out.startswith("1/1 b.png ")


def test_one_picture_to_a_file_in_a_new_folder_or_into_an_existing_one(here):
    paints("a.png", "-o", "new/b.jpg")
    (here / "old").mkdir()
    paints("a.png", "-o", "old")
    assert (here / "new/b.jpg").is_file()
    assert (here / "old/a.png").is_file()


def test_an_older_result_is_replaced_only_with_force(here, capsys):
    paints("a.png", "-o", "b.png")
    before = (here / "b.png").stat().st_ino
    message = fails(capsys, 2, "stylize", "a.png", "-m", "m.onnx", "-o", "c.png", "--save-settings", "b.png")
    assert message.endswith("b.png: exists: add --force to replace it\n")
    message = fails(capsys, 2, "stylize", "a.png", "-m", "m.onnx", "-o", "b.png")
    assert "b.png: exists: add --force" in message
    assert (here / "b.png").stat().st_ino == before
    paints("a.png", "-o", "b.png", "--force")
    assert (here / "b.png").stat().st_ino != before


def test_resume_leaves_out_what_is_done(here, capsys):
    save_image("c.png", make_photo(1))
    paints("a.png", "-o", "out/a.png")
    before = (here / "out/a.png").stat().st_ino
    capsys.readouterr()
    paints("a.png", "c.png", "-o", "out", "--resume")
    captured = capsys.readouterr()
    assert captured.out.startswith("1/1 out/c.png")
    assert captured.err == "impasto: 1 of 2 results exist and are skipped\n"
    assert (here / "out/a.png").stat().st_ino == before


@pytest.mark.parametrize("depth", ["8", "16"])
def test_what_was_done_before_the_disk_was_full_stays_done(here, capsys, monkeypatch, depth):
    Path("in").mkdir()
    names = {"one.png", "other.png"}
    for name in names:
        save_image(f"in/{name}", make_photo(1))
    write, room = Path.write_bytes, iter([True])

    def full_after_the_first(self, data):
        if next(room, False):
            return write(self, data)
        write(self, data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_after_the_first)
    arguments = ["stylize", "in", "-m", "m.onnx", "-o", "out", "--depth", depth]
    message = fails(capsys, 1, *arguments)
    (done,) = (path.name for path in Path("out").iterdir())
    (missing,) = names - {done}
    assert f"{missing}: cannot write: No space left on device; check the disk" in message
    assert load_image(f"out/{done}", depth="own").itemsize == int(depth) // 8
    monkeypatch.setattr(Path, "write_bytes", write)
    paints("in", "-o", "out", "--depth", depth, "--resume")
    assert {path.name for path in Path("out").iterdir()} == names


def test_results_of_another_format_take_the_whole_name(here, capsys):
    Path("in").mkdir()
    for name in ("a.gif", "a.png", "b.gif"):
        Image.fromarray(make_photo(0)).save(f"in/{name}")
    paints("in", "-o", "out", "--dry-run")
    assert capsys.readouterr().out.split() == ["out/a.gif.png", "out/a.png", "out/b.gif.png"]


@pytest.mark.parametrize(
    "arguments", [["--mask", "b.png"], ["--mask", "a.png", "--save-settings", "b.png"]], ids=["mask", "settings"]
)
def test_what_is_needed_to_paint_is_not_overwritten_even_with_force(here, capsys, arguments):
    save_image("b.png", make_photo(1))
    before = Path("b.png").read_bytes()
    message = fails(capsys, 2, "stylize", "a.png", "-m", "m.onnx", "-o", "b.png", "--force", *arguments)
    why = "is where the settings go" if "--save-settings" in arguments else "is needed to paint"
    assert f"b.png: {why} and would be overwritten" in message
    assert Path("b.png").read_bytes() == before


def test_failures_are_named_at_the_end(here, capfd):
    Path("in").mkdir()
    Path("in/1.png").write_text("no picture")
    save_image("in/2.png", make_photo(1))
    assert main(["stylize", "in", "-m", "m.onnx", "-o", "out", "--json"]) == 1
    first, last = map(json.loads, capfd.readouterr().out.splitlines())
    assert first["output"] == "out/2.png"
    assert "is not a picture" in last["error"]


def test_a_folder_that_cannot_be_made_is_named_once_and_before_any_work(here, capsys):
    save_image("c.png", make_photo(1))
    Path("file").touch()
    message = fails(capsys, 1, "stylize", "a.png", "c.png", "-m", "m.onnx", "-o", "file/out")
    assert "file/out: cannot make this folder" in message


def test_a_folder_that_cannot_be_written_is_named_once_and_before_any_work(here, capsys, monkeypatch):
    save_image("c.png", make_photo(1))
    Path("out").mkdir()
    write = Path.touch

    def refused(self, *rest, **options):
        if self.parent.name == "out":
            raise PermissionError(13, "Permission denied")
        write(self, *rest, **options)

    monkeypatch.setattr(Path, "touch", refused)
    monkeypatch.setattr("impasto.painting.batch.read_picture", lambda *_, **__: pytest.fail("begun all the same"))
    message = fails(capsys, 1, "stylize", "a.png", "c.png", "-m", "m.onnx", "-o", "out")
    assert "out/a.png: cannot write: Permission denied; check the disk and permissions" in message


def test_a_wrong_model_leaves_no_folder_behind(here, capsys):
    fails(capsys, 1, "stylize", "a.png", "-m", "missing.onnx", "-o", "out/b.png")
    assert not Path("out").exists()


def test_a_name_that_is_too_long_is_an_error_with_the_name(here, capsys):
    long = 300 * "x" + ".png"
    assert f"{long}: cannot be the name of a file" in fails(capsys, 2, "stylize", "a.png", "-m", "m.onnx", "-o", long)


def test_a_dry_run_prints_what_would_be_done_and_does_nothing(here, capsys):
    save_image("c.png", make_photo(1))
    paints("a.png", "c.png", "-o", "out", "--dry-run")
    assert capsys.readouterr().out.split() == ["out/a.png", "out/c.png"]
    assert not (here / "out").exists()
    (here / "empty").mkdir()
    assert "there are no pictures" in fails(capsys, 1, "stylize", "empty", "-o", "o", "-m", "m.onnx", "--dry-run")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.png", "-s", "udni"], "did you mean udnie"),
        (["a.png", "-m", "gone.onnx"], "gone.onnx"),
        (["a.png", "-m", "m.onnx", "--mask", "gone.png"], "gone.png"),
        (["gone.png", "-m", "m.onnx"], "gone.png: no such file"),
        (["a.png", "-m", "m.onnx", "--grid"], "one strength"),
    ],
    ids=["style", "model", "mask", "input", "grid"],
)
def test_a_dry_run_finds_what_is_wrong(here, capsys, arguments, message):
    assert main(["stylize", *arguments, "-o", "o.png", "--dry-run"]) in (1, 2)
    captured = capsys.readouterr()
    assert message in captured.err
    assert not captured.out


def test_an_interruption_is_answered_with_how_to_continue(here, capsys, monkeypatch):
    save_image("c.png", make_photo(1))

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("impasto.painting.batch._outcome", interrupted)
    assert main(["stylize", "a.png", "c.png", "-o", "out", "-m", "m.onnx"]) == 130
    assert "with --resume to continue" in capsys.readouterr().err


def test_the_sheet_of_strengths_is_reported_like_any_picture(here, capsys):
    assert main(["stylize", "a.png", "-s", "udnie", "--grid", "-o", "g.png", "--json", "--size", "64"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["output"] == "g.png"
    assert (record["height"], record["width"]) == load_image("g.png").shape[:2]


def test_the_sheet_of_a_transparent_photo_is_on_white(here):
    opaque = make_photo(0)
    alpha = np.full(opaque.shape[:2], 255, np.uint8)
    alpha[:, alpha.shape[1] // 2 :] = 0
    Image.fromarray(np.dstack([opaque, alpha])).save("hole.png")
    assert main(["stylize", "hole.png", "-s", "udnie", "-o", "sheet.png", "--grid", "--size", "64"]) == 0
    assert main(["stylize", "a.png", "-s", "udnie", "-o", "whole.png", "--grid", "--size", "64"]) == 0
    ink, of_all = ((load_image(name) < 250).any(axis=2).mean() for name in ("sheet.png", "whole.png"))
    assert 0.4 < ink / of_all < 0.6  # with the captions, which both have


def test_patterns_that_the_shell_left_alone_are_expanded(here, capsys):
    save_image("c.png", make_photo(1))
    paints("*.png", "-o", "out", "--dry-run")
    assert capsys.readouterr().out.split() == ["out/a.png", "out/c.png"]


def test_standard_input_to_standard_output(here):
    command = [sys.executable, "-m", "impasto", "stylize", "-", "-o", "-", "-m", "m.onnx"]
    done = subprocess.run(command, input=(here / "a.png").read_bytes(), capture_output=True, check=True)
    assert (decode_picture(done.stdout, "it").pixels == 255 - load_image("a.png")).all()


def test_the_size_of_results_can_be_chosen(here):
    paints("a.png", "-o", "b.png", "--size", "24")
    assert min(load_image("b.png").shape[:2]) == 24


def test_a_deep_picture_stays_deep_where_it_can(here, capsys):
    deep = np.random.default_rng(0).integers(0, 65536, (40, 50, 3), dtype=np.uint16)
    save_image("deep.png", deep)
    paints("deep.png", "-o", "own.tif", "--json")
    assert json.loads(capsys.readouterr().out)["depth"] == 16
    painted = load_image("own.tif", depth="own")
    assert painted.dtype == np.uint16
    assert np.abs(65535 - deep.astype(int) - painted).max() <= 1
    paints("deep.png", "-o", "eight.png", "--depth", "8")
    assert load_image("eight.png", depth="own").dtype == np.uint8
    paints("a.png", "-o", "more.png", "--depth", "16")
    assert load_image("more.png", depth="own").dtype == np.uint16
    paints("deep.png", "-o", "own.jpg")
    assert "use .png or .tif" in fails(capsys, 2, "stylize", "a.png", "-m", "m.onnx", "-o", "b.jpg", "--depth", "16")


def test_the_cameras_record_stays_unless_it_is_stripped(here):
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Camera"
    Image.fromarray(make_photo(0)).save("c.jpg", exif=exif)
    paints("c.jpg", "-o", "d.jpg")
    paints("c.jpg", "-o", "e.jpg", "--strip")
    for name, made in (("d.jpg", "Camera"), ("e.jpg", None)):
        with Image.open(name) as image:
            assert image.getexif().get(ExifTags.Base.Make) == made


def test_of_an_animation_the_first_frame_is_painted_with_a_note(here, capsys):
    frames = [Image.fromarray(make_photo(number)) for number in (1, 2)]
    frames[0].save("b.gif", save_all=True, append_images=frames[1:])
    paints("b.gif", "-o", "c.png")
    assert "b.gif: holds 2 pictures: the first is painted" in capsys.readouterr().err


def test_variants_differ_and_have_names(here, capsys):
    assert "takes no noise" in fails(capsys, 2, "stylize", "a.png", "-m", "m.onnx", "-o", "b.png", "--variants", "2")
    write_test_model("m.onnx", NOISE, noise_channels=3)
    paints("a.png", "-o", "b.png", "--variants", "3", "--seed", "4")
    pictures = [load_image(f"b_{number}.png") for number in (1, 2, 3)]
    paints("a.png", "-o", "c.png", "--seed", "5")
    assert (pictures[1] == load_image("c.png")).all()
    assert (pictures[0] != pictures[2]).any()
    (here / "b_2.png").unlink()
    paints("a.png", "-o", "b.png", "--variants", "3", "--seed", "4", "--resume")
    assert "results exist and are skipped" in capsys.readouterr().err
    assert (load_image("b_2.png") == pictures[1]).all()
    save_image("b_3.png", make_photo(3))
    message = fails(capsys, 2, "stylize", "b_3.png", "-m", "m.onnx", "-o", "b.png", "--variants", "3", "--force")
    assert "would be overwritten" in message
    with (here / "a.png").open("rb") as file:
        command = [sys.executable, "-m", "impasto", "stylize", "-", "-o", "d.png", "-m", "m.onnx", "--variants", "2"]
        subprocess.run(command, stdin=file, check=True)
    assert (load_image("d_1.png") != load_image("d_2.png")).any()


def test_a_model_of_its_own_keeps_to_its_mask(here):
    mask = np.zeros(make_photo(0).shape[:2], np.uint8)
    mask[:, :20] = 255
    Image.fromarray(mask).save("mask.png")
    paints("a.png", "-o", "b.png", "--mask", "mask.png")
    paints("a.png", "-o", "c.png", "--mask", "mask.png", "--background-only")
    photo = load_image("a.png")
    for name, painted in (("b.png", mask == 255), ("c.png", mask == 0)):
        assert (load_image(name)[painted] == 255 - photo[painted]).all()
        assert (load_image(name)[~painted] == photo[~painted]).all()


def test_settings_are_saved_and_read_again(here, capsys):
    write_test_model("m.onnx", NOISE, noise_channels=3)
    paints("a.png", "-o", "b.png", "--seed", "7", "--save-settings", "settings.json")
    assert main(["stylize", "a.png", "-o", "c.png", "--settings", "settings.json"]) == 0
    assert main(["stylize", "a.png", "-o", "d.png", "--settings", "settings.json", "--seed", "8"]) == 0
    assert (load_image("b.png") == load_image("c.png")).all()
    assert (load_image("b.png") != load_image("d.png")).any()
    for content, message in [
        ("no json", "is not a settings file"),
        ('{"strength": 1}', "is not a settings file of format 1"),
        ('{"impasto": 1, "strenght": 1}', "is not a settings file (unknown entry 'strenght': known are strength,"),
        ('{"impasto": 1, "strength": "much"}', "is not a settings file (the entry 'strength' must be a finite number"),
        ('{"impasto": 1, "strength": 9}', "strength must be from 0"),
        ('{"impasto": 1, "style": ["udnie"]}', "is not a settings file (the entry 'style' must be an object"),
        ('{"impasto": 1, "style": {"udnie": NaN}}', "is not a settings file (NaN"),
        (
            '{"impasto": 1, "variant": "quick"}',
            "is not a settings file (the entry 'variant' must be one of 'best', 'fast'",
        ),
        (
            f'{{"impasto": 1, "style": {{"udnie": 1{"0" * 400}}}}}',
            "is not a settings file (the entry 'style.udnie' must",
        ),
        ('{"impasto": 1, "style": {"udnie": 1e10}}', "shares of styles must be at most 1e+09"),
        ('{"impasto": 1, "style": {"ud\\u0000nie": 1}}', "names of styles and models must not contain a null"),
    ]:
        (here / "settings.json").write_text(content)
        error = fails(capsys, 2, "stylize", "a.png", "-m", "m.onnx", "-o", "e.png", "--settings", "settings.json")
        assert f"settings.json: {message}" in error


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


def test_json_is_one_object_for_each_picture(here, capsys):
    (here / "bad.jpg").write_text("no picture")
    assert main(["stylize", "a.png", "bad.jpg", "-m", "m.onnx", "-o", "out", "--json"]) == 1
    good, bad = map(json.loads, capsys.readouterr().out.splitlines())
    assert good["input"] == "a.png"
    assert (good["height"], good["width"]) == make_photo(0).shape[:2]
    assert bad["input"] == "bad.jpg"
    assert "is not a picture" in bad["error"]


def test_the_seed_draws_the_noise(here):
    write_test_model("m.onnx", NOISE, noise_channels=3)
    for seed, name in [(1, "b.png"), (1, "c.png"), (2, "d.png")]:
        paints("a.png", "-o", name, "--seed", str(seed))
    assert (load_image("b.png") == load_image("c.png")).all()
    assert (load_image("b.png") != load_image("d.png")).any()


@pytest.mark.parametrize("kept", ["a.png", "mask.png", "m.onnx"])
def test_settings_are_not_saved_over_what_is_needed(here, capsys, kept):
    save_image("mask.png", make_photo(1))
    before = Path(kept).read_bytes()
    arguments = ["a.png", "-m", "m.onnx", "--mask", "mask.png", "-o", "b.png", "--force", "--save-settings", kept]
    assert f"{kept}: is " in fails(capsys, 2, "stylize", *arguments)
    assert Path(kept).read_bytes() == before
    fails(capsys, 1, "stylize", "missing.png", "-m", "m.onnx", "-o", "b.png", "--save-settings", "s.json")
    assert not Path("s.json").exists()  # of a run that did nothing
    lost = ["a.png", "-m", "m.onnx", "-o", "b.png", "--save-settings", "no/s.json"]
    assert "no/s.json: the folder" in fails(capsys, 2, "stylize", *lost)
    assert not Path("b.png").exists()
    paints("a.png", "-o", "b.png", "--save-settings", "s.json")
    paints("a.png", "-o", "b.png", "--save-settings", "s.json", "--resume")  # the same settings
    capsys.readouterr()
    other = ["a.png", "-m", "m.onnx", "-o", "c.png", "--seed", "1", "--save-settings", "s.json"]
    assert "s.json: exists" in fails(capsys, 2, "stylize", *other)
    paints("a.png", "-o", "b.png", "--settings", "s.json", "--save-settings", "s.json", "--force")


def test_saved_styles_keep_their_order_in_which_masks_are_given(here):
    masks = np.zeros((2, 40, 60), np.uint8)
    masks[0, :, :30] = masks[1, :, 30:] = 255
    for number, mask in enumerate(masks):
        Image.fromarray(mask).save(f"{number}.png")
    both = ["stylize", "a.png", "--mask", "0.png", "--mask", "1.png"]
    assert main([*both, "-s", "udnie", "-s", "great_wave", "-o", "b.png", "--save-settings", "s.json"]) == 0
    assert main([*both, "--settings", "s.json", "-o", "c.png"]) == 0
    assert (load_image("b.png") == load_image("c.png")).all()


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
