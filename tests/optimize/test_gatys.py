import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

import impasto
from impasto.errors import ImageError, TrainingError, UsageError
from impasto.nn.losses import Objective
from impasto.optimize import gatys
from impasto.optimize.gatys import GatysConfig, curve_file, optimize, paint
from tests.conftest import make_photo


@pytest.fixture
def config(tiny_vgg_file):
    return GatysConfig(evaluations=25, size=48, loss_network=tiny_vgg_file, adam_rate=0.05)


@pytest.mark.parametrize("method", ["lbfgs", "adam"])
@pytest.mark.parametrize("start", ["content", "noise"])
def test_the_objective_falls_and_the_best_picture_is_returned(config, method, start):
    result = optimize(make_photo(1), make_photo(2), replace(config, method=method, start=start))
    objectives = [point.objective for point in result.curve]
    assert [point.evaluation for point in result.curve] == [*range(1, 26)]
    assert min(objectives) < 0.8 * objectives[0]
    assert result.picture.dtype == np.uint8
    assert min(result.picture.shape[:2]) == 48


def test_the_start_from_the_photo_has_no_content_error(config):
    first = optimize(make_photo(1), make_photo(2), config).curve[0]
    assert first.content == 0
    assert first.objective == pytest.approx(4 * first.style)


def test_the_noise_is_seeded(config):
    one, two, other = (
        optimize(make_photo(1), make_photo(2), replace(config, start="noise", evaluations=3, seed=seed)).picture
        for seed in (0, 0, 1)
    )
    assert (one == two).all()
    assert (one != other).any()


@pytest.mark.parametrize("size", [(33, 48), (48, 33), (40, 40)])
def test_refining_begins_at_the_picture_and_can_change_every_pixel(size):
    start = torch.rand(1, 3, *size)
    variable, pixels_of = gatys._spectrum(start)
    assert torch.equal(pixels_of(variable), start)
    moved = pixels_of(torch.randn(variable.shape)) - start
    assert torch.linalg.matrix_rank(moved[0, 0]) == min(size)


def test_refining_uses_its_first_evaluations(config):
    photo, style = make_photo(1), make_photo(2)
    begin = optimize(photo, style, replace(config, evaluations=3)).picture
    few = replace(config, evaluations=4)
    in_pixels = optimize(begin, style, few).curve  # from a photo the line search begins with a tiny step
    refining = optimize(photo, style, few, begin=begin).curve
    gains = [1 - curve[1].objective / curve[0].objective for curve in (in_pixels, refining)]
    assert gains[1] > 3 * gains[0] > 0  # 11 % and 1.6 %


def test_lbfgs_beats_adam_at_equal_evaluations(config):
    lbfgs, adam = (
        min(point.objective for point in optimize(make_photo(1), make_photo(2), replace(config, method=m)).curve)
        for m in ("lbfgs", "adam")
    )
    assert lbfgs < adam


def test_the_same_objectives_as_the_trainer(config):
    raw = Objective(scaling="raw", content_layers=("relu2_2",), style_weight=1e3, tv_weight=0.1)
    curve = optimize(make_photo(1), make_photo(2), replace(config, objective=raw)).curve
    assert curve[-1].objective < curve[0].objective


def test_picture_and_curve_are_saved(config, tmp_path, photo_folder, style_file):
    output = tmp_path / "painted.png"
    seen = []
    result = paint(photo_folder / "0.JPG", style_file, output, config, seen.append)
    assert (impasto.load_image(output) == result.picture).all()
    saved = json.loads(curve_file(output).read_text())
    assert len(saved["curve"]) == len(seen) == 25
    assert saved["config"]["objective"]["style_weight"] == 4.0


def test_bad_input_leaves_nothing(config, tmp_path, photo_folder, style_file):
    with pytest.raises(ImageError, match="no such file"):
        paint(tmp_path / "none.jpg", style_file, tmp_path / "out.png", config)
    with pytest.raises(ImageError, match="unknown picture extension"):
        paint(photo_folder / "0.JPG", style_file, tmp_path / "out.xyz", config)
    with pytest.raises(ImageError, match="does not exist"):
        paint(photo_folder / "0.JPG", style_file, tmp_path / "no" / "out.png", config)
    with pytest.raises(UsageError, match="unknown layer"):
        optimize(make_photo(1), make_photo(2), replace(config, objective=Objective(style_layers=("relu6_1",))))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "sgd"}, "unknown method 'sgd': choose one of lbfgs, adam"),
        ({"start": "style"}, "unknown start 'style': choose one of content, noise"),
        ({"evaluations": 0}, "evaluations must be 1 or more"),
        ({"seed": -1}, "seed must be from 0"),
        ({"adam_rate": float("nan")}, "adam-rate must be more than 0"),
        ({"size": 16}, "size must be 32 pixels or more"),
    ],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        GatysConfig(**changes)


def test_inputs_are_not_overwritten(config, tmp_path, style_file):
    photo = tmp_path / "photo.png"
    impasto.save_image(photo, make_photo(1))
    before = photo.read_bytes()
    with pytest.raises(UsageError, match="is one of the inputs"):
        paint(photo, style_file, photo, config)
    curve_file(tmp_path / "out.png").mkdir()
    with pytest.raises(TrainingError, match="is a folder"):
        paint(photo, style_file, tmp_path / "out.png", config)
    assert photo.read_bytes() == before
    assert not (tmp_path / "out.png").exists()


def test_an_interruption_keeps_the_best_picture(config):
    def interrupt(point):
        if point.evaluation == 7:
            raise KeyboardInterrupt

    result = optimize(make_photo(1), make_photo(2), config, interrupt)
    assert not result.finished
    assert len(result.curve) == 7


def test_a_goal_ends_the_search_as_soon_as_it_is_reached(config):
    curve = optimize(make_photo(1), make_photo(2), config).curve
    goal = curve[9].objective
    result = optimize(make_photo(1), make_photo(2), replace(config, goal=goal))
    assert result.finished
    assert result.curve[-1].objective <= goal < min(point.objective for point in result.curve[:-1])


def test_the_public_function_paints_a_file_and_saves_its_curve(tmp_path, photo_folder, style_file):
    seen = []
    result = impasto.gatys(
        photo_folder / "2.JPG", str(style_file), tmp_path / "painted.png", evaluations=2, size=32, progress=seen.append
    )
    assert (impasto.load_image(tmp_path / "painted.png") == result.picture).all()
    assert json.loads((tmp_path / "painted.curve.json").read_text())["curve"] == [asdict(point) for point in seen]
    assert [point.evaluation for point in seen] == [1, 2]


@pytest.mark.parametrize(("settings", "message"), [({"evaluations": 0}, "evaluations"), ({"device": "tpu"}, "device")])
def test_the_public_function_refuses_impossible_settings(tmp_path, photo_folder, style_file, settings, message):
    with pytest.raises(UsageError, match=message):
        impasto.gatys(photo_folder / "2.JPG", style_file, tmp_path / "painted.png", **settings)
    assert not any(tmp_path.iterdir())


def test_optimizing_leaves_torch_as_it_was(config):
    torch.manual_seed(7)
    before = (torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_rng_state())
    optimize(make_photo(1), make_photo(2), replace(config, evaluations=2, start="noise"))
    after = (torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_rng_state())
    assert before[:3] == after[:3]
    assert torch.equal(before[3], after[3])
