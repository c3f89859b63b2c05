"""Agreement and mixing of frames against their formulas, and OpenCV's operations against Pillow's."""

import numpy as np
import pytest

from impasto.errors import UsageError
from impasto.painting.strokes import enlarged
from impasto.video.motion import NOISE, OpenCV, PlainVision, difference, mixed, vision


@pytest.fixture
def frames():
    rng = np.random.default_rng(0)
    frame = np.kron(rng.integers(0, 256, (12, 16, 3)), np.ones((4, 4, 1))).astype(np.uint8)
    before = np.clip(frame + rng.normal(0, 4, frame.shape), 0, 255).astype(np.uint8)
    before[:10, :10] = 255 - frame[:10, :10]
    return frame, before


def share(frame, before):
    """How well frames agree: 1 - (d / NOISE)^2, d the mean over 3 x 3 pixels of the largest difference of a channel."""
    largest = np.abs(frame.astype(float) - before).max(axis=2)
    padded = np.pad(largest, 1, mode="edge")
    mean = np.array([[padded[y : y + 3, x : x + 3].mean() for x in range(frame.shape[1])] for y in range(len(frame))])
    return np.maximum(0, 1 - (mean / NOISE) ** 2)


def test_frames_are_mixed_where_they_agree(frames):
    frame, before = frames
    differing = difference(frame, before, PlainVision().warp(frame, before))
    expected = frame + 0.7 * share(frame, before)[..., None] * (before.astype(float) - frame)
    found = mixed(frame, before, differing, 0.7)
    assert np.abs(found - expected).max() <= 1.6  # half a level, and weights in steps of 1 / 128
    assert np.abs(found - expected).mean() < 0.4
    assert np.array_equal(found[:8, :8], frame[:8, :8])


def test_equal_frames_stay_as_they_are(frames):
    frame, _ = frames
    differing = difference(frame, frame, PlainVision().warp(frame, frame))
    assert not differing.any()
    assert np.array_equal(mixed(frame, frame, differing, 0.95), frame)


def test_optical_flow_follows_a_shift_and_knows_what_came_from_outside():
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(0)
    wide = cv2.GaussianBlur(rng.integers(0, 256, (128, 200, 3)).astype(np.uint8), (0, 0), 3)
    wide = cv2.normalize(wide, None, 0, 255, cv2.NORM_MINMAX)
    before, frame = (np.ascontiguousarray(wide[:, left : left + 160]) for left in (10, 4))
    warp = OpenCV(cv2).warp(frame, before)
    moved = warp(before).astype(int)
    assert (
        np.abs(moved - frame)[16:-16, 16:-16].mean() < 0.3 * np.abs(before.astype(int) - frame)[16:-16, 16:-16].mean()
    )
    assert warp.outside[20:-20, :4].mean() > 0.8
    assert warp.outside[20:-20, 20:-20].mean() < 0.05


def test_enlarging_is_the_same_with_and_without_opencv():
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(0)
    frame = cv2.GaussianBlur(rng.integers(0, 256, (180, 240, 3)).astype(np.uint8), (0, 0), 1)
    small = OpenCV(cv2).shrunk(frame, 160, 120)
    assert np.abs(small.astype(int) - PlainVision().shrunk(frame, 160, 120)).mean() < 3
    painted = 255 - small
    for strength in (0.3, 1.0, 1.5):
        expected = enlarged(painted, small, frame, strength)
        assert np.abs(OpenCV(cv2).enlarged(painted, small, frame, strength).astype(int) - expected).mean() < 2


def test_flow_that_is_asked_for_needs_opencv(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    assert isinstance(vision(None), PlainVision)
    with pytest.raises(UsageError, match=r"impasto\[flow\]"):
        vision(True)
