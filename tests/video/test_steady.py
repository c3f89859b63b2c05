"""Films that hold still: a still scene with noise, a moving one, and cuts."""

from itertools import pairwise

import numpy as np
import pytest

import impasto
from impasto import Settings
from impasto.errors import UsageError
from impasto.video.steady import Smoothing, Steady


@pytest.fixture(scope="module")
def stylizer():
    return impasto.load("udnie", variant="fast", threads=1)


def scene(shift=0, seed=1):
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (9, 30, 3))
    wide = np.kron(coarse, np.ones((12, 12, 1)))
    return np.rint(wide[:96, 40 + shift : 40 + shift + 128]).astype(np.uint8)


def noisy(picture, seed):
    noise = np.random.default_rng(seed).normal(0, 2, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


def changes(painter, frames):
    painted = [painter(frame).astype(float) for frame in frames]
    return [np.abs(a - b).mean() for a, b in pairwise(painted)]


def test_without_smoothing_each_frame_is_painted_independently(stylizer):
    steady = Steady(stylizer, smoothing=0)
    for seed in range(3):
        frame = noisy(scene(), seed)
        assert np.array_equal(steady(frame), stylizer(frame))


def test_noise_in_a_still_scene_is_hardly_seen(stylizer):
    frames = [noisy(scene(), seed) for seed in range(8)]
    alone = np.mean(changes(stylizer, frames)[4:])
    for use_flow in (False, None):
        assert np.mean(changes(Steady(stylizer, use_flow=use_flow), frames)[4:]) < 0.35 * alone


def test_a_still_frame_is_painted_as_it_would_be_alone(stylizer):
    steady, frame = Steady(stylizer), scene()
    for _ in range(3):
        painted = steady(frame)
    # Statistics are measured in float32, whatever the engine paints in.
    assert np.abs(painted.astype(int) - stylizer(frame)).mean() < 3


def test_a_cut_leaves_nothing_of_the_shot_before(stylizer):
    steady, other = Steady(stylizer), 255 - scene(seed=7)
    for seed in range(4):
        steady(noisy(scene(), seed))
    assert steady.cuts == 0
    after = steady(other)
    assert steady.cuts == 1
    assert np.array_equal(after, Steady(stylizer)(other))


def test_motion_is_no_cut(stylizer):
    steady = Steady(stylizer)
    for shift in range(0, 24, 3):
        steady(scene(shift))
    assert steady.cuts == 0


def test_along_a_motion_frames_agree_better_with_flow(stylizer):
    pytest.importorskip("cv2")

    def error(painter):
        painted = [painter(scene(2 * n)).astype(float) for n in range(6)]
        return np.mean([np.abs(b[8:-8, 8:-10] - a[8:-8, 10:-8]).mean() for a, b in pairwise(painted[2:])])

    assert error(Steady(stylizer, use_flow=True)) < 0.8 * error(stylizer)


def test_a_style_changes_between_two_frames(stylizer):
    steady, frame = Steady(stylizer), scene()
    steady(frame)
    other = stylizer.restyled("great_wave")
    steady.restyle(other)
    assert np.array_equal(steady(frame), Steady(other)(frame))
    steady.restyle(other, Settings(strength=0))
    assert np.array_equal(steady(frame), frame)


def test_frames_of_another_size_reset_the_state(stylizer):
    steady = Steady(stylizer)
    steady(scene())
    small = scene()[:64, :80].copy()
    assert np.array_equal(steady(small), Steady(stylizer)(small))


def test_frames_may_be_prepared_ahead_and_finished_behind(stylizer):
    frames = [noisy(scene(2 * n), n) for n in range(5)] + [255 - scene(seed=7)]
    one, other = (Steady(stylizer, most_side=64) for _ in range(2))
    prepared = [other.prepare(frame) for frame in frames]
    painted = [other.paint(item) for item in prepared]
    for frame, item in zip(frames, painted, strict=True):
        assert np.array_equal(one(frame), other.finish(item))


def test_large_frames_are_painted_smaller_as_photos_are(stylizer):
    """Strokes have the size that they have on a photo; crisp strokes are not the default, as they move."""
    frame = np.ascontiguousarray(np.kron(scene(), np.ones((6, 6, 1), np.uint8)))  # 576 x 768
    expected = stylizer(frame, Settings(crisp=False))
    for smoothing in (0, 0.5):
        painted = Steady(stylizer, smoothing=smoothing, use_flow=False)(frame)
        assert painted.shape == frame.shape
        assert np.abs(painted.astype(int) - expected).mean() < 3


def test_colors_are_kept_on_large_frames(stylizer):
    frame = np.ascontiguousarray(np.kron(scene(), np.ones((6, 6, 1), np.uint8)))
    settings = Settings(keep_colors="luminance")
    painted = Steady(stylizer, settings, use_flow=False)(frame)
    assert np.abs(painted.astype(int) - stylizer(frame, Settings(keep_colors="luminance", crisp=False))).mean() < 3


@pytest.mark.parametrize("value", [-0.1, 1.1, "much", True])
def test_a_value_out_of_range_is_refused(stylizer, value):
    with pytest.raises(UsageError):
        Steady(stylizer, smoothing=value)


def test_each_method_can_be_used_alone(stylizer):
    frames = [noisy(scene(), seed) for seed in range(4)]
    for smoothing in (Smoothing(0.8, 0, 0), Smoothing(0, 0.8, 0), Smoothing(0, 0, 0.8)):
        assert all(Steady(stylizer, smoothing=smoothing)(frame).shape == frame.shape for frame in frames)
