"""`paint_files`: everything that `impasto stylize` does with files and folders, from Python."""

import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

import impasto
from impasto.errors import ImageError, ModelError, UsageError
from impasto.painting import batch
from impasto.painting.plan import Failure, plan_files
from impasto.pictures.read import load_image
from impasto.pictures.write import save_image
from tests.conftest import make_photo
from tests.graphs import NOISE, write_test_model


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of three photos, one of them in a subfolder."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("in/a.png", "in/b.png", "in/deep/c.png")):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        save_image(name, make_photo(number))
    return tmp_path


def negative(pixels, settings):
    """An independent painter."""
    return 255 - pixels


def test_a_folder_is_painted_as_picture_by_picture(here):
    stylizer = impasto.load(write_test_model("m.onnx"))
    result = impasto.paint_files("in", "out", stylizer)
    assert [painted.target for painted in result.painted] == [Path(f"out/{x}.png") for x in ("a", "b", "deep/c")]
    assert not result.failed
    assert not result.skipped
    for painted in result.painted:
        assert (load_image(painted.target) == stylizer(load_image(painted.source))).all()
        assert (painted.height, painted.width, painted.depth) == (*make_photo(0).shape[:2], 8)


def test_any_function_can_paint(here):
    impasto.paint_files("in/a.png", "out.png", negative)
    assert (load_image("out.png") == 255 - load_image("in/a.png")).all()


def test_regions_paint_where_their_masks_are(here):
    stylizer = impasto.load(write_test_model("m.onnx"))
    mask = np.zeros(make_photo(0).shape[:2], np.uint8)
    mask[:, :20] = 255
    impasto.paint_files(["in/a.png"], "out.png", [(stylizer, mask)])
    painted, photo = load_image("out.png"), load_image("in/a.png")
    assert (painted[:, :20] == 255 - photo[:, :20]).all()
    assert (painted[:, 20:] == photo[:, 20:]).all()


def test_failures_are_collected_and_the_others_are_painted(here):
    Path("in/bad.png").write_text("no picture")
    seen = []
    result = impasto.paint_files("in", "out", negative, progress=seen.append)
    ((source, error),) = result.failed
    assert source == Path("in/bad.png")
    assert isinstance(error, ImageError)
    assert len(result.painted) == 3
    assert [(step.done, step.total) for step in seen] == [(n, 4) for n in (1, 2, 3, 4)]
    assert [step.latest for step in seen if isinstance(step.latest, Failure)] == [*result.failed]


def test_results_that_exist_are_refused_replaced_or_skipped(here):
    impasto.paint_files("in/a.png", "out/", negative)
    before = Path("out/a.png").stat().st_ino
    with pytest.raises(UsageError, match=r"out/a\.png: exists"):
        impasto.paint_files("in", "out", negative)
    result = impasto.paint_files("in", "out", negative, options=impasto.FileOptions(resume=True))
    assert [job.target for job in result.skipped] == [Path("out/a.png")]
    assert len(result.painted) == 2
    assert Path("out/a.png").stat().st_ino == before
    impasto.paint_files("in", "out", negative, options=impasto.FileOptions(force=True))
    assert Path("out/a.png").stat().st_ino != before


def test_variants_differ_by_their_seed(here):
    stylizer = impasto.load(write_test_model("m.onnx", NOISE, noise_channels=3))
    impasto.paint_files(
        "in/a.png", "v.png", stylizer, impasto.Settings(seed=4), options=impasto.FileOptions(variants=2)
    )
    for number in (1, 2):
        expected = stylizer(load_image("in/a.png"), impasto.Settings(seed=3 + number))
        assert (load_image(f"v_{number}.png") == expected).all()


def test_what_a_model_cannot_do_is_refused_before_anything_is_written(here):
    stylizer = impasto.load(write_test_model("m.onnx"))
    with pytest.raises(UsageError, match="takes no noise"):
        impasto.paint_files("in", "out", stylizer, options=impasto.FileOptions(variants=2))
    with pytest.raises(UsageError, match="one strength"):
        impasto.paint_files("in", "out", stylizer, impasto.Settings(strength=0.5))
    assert not Path("out").exists()


def test_no_more_pictures_are_in_work_than_asked_for(here):
    for workers in (1, 3):
        lock, busy, most, all_in_work = threading.Lock(), [0], [0], threading.Event()

        def slow(pixels, settings, lock=lock, busy=busy, most=most, all_in_work=all_in_work, workers=workers):
            with lock:
                busy[0] += 1
                most[0] = max(most[0], busy[0])
                if busy[0] == workers:
                    all_in_work.set()
            assert all_in_work.wait(60)
            time.sleep(0.05)  # so that one more could come in
            with lock:
                busy[0] -= 1
            return pixels

        impasto.paint_files("in", f"out{workers}", slow, options=impasto.FileOptions(workers=workers))
        assert most[0] == workers


def test_an_error_that_is_no_failure_of_a_picture_stops_the_batch(here):
    def broken(pixels, settings):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        impasto.paint_files("in", "out", broken)


def test_pictures_that_have_begun_are_finished_when_the_callback_stops_the_batch(here):
    def stop(step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        impasto.paint_files("in", "out", negative, options=impasto.FileOptions(workers=1), progress=stop)
    for made in Path("out").rglob("*.png"):
        assert load_image(made).shape == make_photo(0).shape


def test_a_closed_standard_input_is_an_error(here, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ImageError, match="standard input: is closed"):
        impasto.paint_files("-", "out.png", negative)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "size must be 1 or more, not 0"),
        ({"quality": 101}, "quality must be from 1 to 100, not 101"),
        ({"quality": "high"}, "quality must be from 1 to 100, not high"),
        ({"variants": 0}, "variants must be 1 or more"),
        ({"workers": -1}, "workers must be 1 or more"),
        ({"depth": 12}, "depth must be 8, 16 or own, not 12"),
        ({"force": True, "resume": True}, "give one"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(UsageError, match=message):
        impasto.FileOptions(**options)


def test_the_first_pictures_are_read_while_the_network_is_loaded(here, monkeypatch):
    read, loading = threading.Event(), Future()
    original = batch.read_picture

    def reading(*arguments, **options):
        picture = original(*arguments, **options)
        read.set()
        return picture

    monkeypatch.setattr(batch, "read_picture", reading)
    painter = batch.picture_painter(negative, impasto.Settings(), impasto.FileOptions())

    def load():
        assert read.wait(30), "nothing was read before the network was there"
        loading.set_result(painter)

    thread = threading.Thread(target=load)
    thread.start()
    result = batch.paint_plan(plan_files("in", "out"), loading)
    thread.join()
    assert len(result.painted) == 3


def test_a_network_that_cannot_be_loaded_is_one_error_and_leaves_nothing(here):
    loading = Future()
    loading.set_exception(ModelError("m.onnx: is damaged"))
    with pytest.raises(ModelError, match=r"m\.onnx: is damaged"):
        batch.paint_plan(plan_files("in", "out"), loading)
    assert not Path("out").exists()
