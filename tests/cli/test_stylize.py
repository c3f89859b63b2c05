"""`impasto stylize` as a person calls it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from impasto.cli.main import main
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
