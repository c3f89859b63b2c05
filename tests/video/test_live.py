"""Live painting: newest frame first, styles that change, errors that come out."""

import threading

import numpy as np
import pytest

import impasto
from impasto.errors import ImpastoError
from impasto.video.live import Live


@pytest.fixture(scope="module")
def stylizer():
    return impasto.load("udnie", variant="fast", threads=1)


def frame(value, height=64, width=80):
    return np.random.default_rng(value).integers(0, 256, (height, width, 3), np.uint8)


class Slow:
    """A stylizer that waits for permission before each frame."""

    def __init__(self):
        self.permits = threading.Semaphore(0)
        self.begun = threading.Event()
        self.painted = []

    def __call__(self, image, settings):
        self.begun.set()
        self.permits.acquire()
        self.painted.append(image)
        return 255 - image


def test_a_snapshot_is_what_stylize_makes_of_the_frame(stylizer):
    with Live(stylizer, steady=0) as live:
        number = live.submit(frame(1))
        snapshot = live.latest(number - 1, timeout=60)
    assert snapshot.number == number
    assert np.array_equal(snapshot.painted, stylizer(frame(1)))


def test_the_newest_frame_wins():
    slow = Slow()
    with Live(slow, steady=0) as live:
        live.submit(frame(0))
        assert slow.begun.wait(60)
        for value in (1, 2, 3):
            live.submit(frame(value))
        slow.permits.release(2)
        assert live.latest(2, timeout=60).number == 3
        assert (live.rate.received, live.rate.dropped) == (4, 2)
    assert [np.array_equal(a, frame(b)) for a, b in zip(slow.painted, (0, 3), strict=True)] == [True, True]


def test_nothing_new_in_time_is_none():
    slow = Slow()
    with Live(slow, steady=0) as live:
        live.submit(frame(0))
        assert live.latest(timeout=0.05) is None
        slow.permits.release()
        assert live.latest(timeout=60).number == 0
        assert live.latest(0, timeout=0.05) is None


def test_a_style_changes_between_two_frames(stylizer):
    other = stylizer.restyled("great_wave")
    with Live(stylizer, steady=0) as live:
        live.latest(live.submit(frame(1)) - 1, timeout=60)
        live.restyle(other)
        painted = live.latest(live.submit(frame(2)) - 1, timeout=60).painted
    assert np.array_equal(painted, other(frame(2)))


def test_a_frame_that_cannot_be_painted_raises_where_one_waits(stylizer):
    with Live(stylizer) as live:
        live.submit(np.zeros((64, 64), np.uint8))
        with pytest.raises(ImpastoError):
            live.latest(timeout=60)
        with pytest.raises(ImpastoError):
            live.submit(frame(1))


def test_a_closed_stream_takes_no_more(stylizer):
    live = Live(stylizer)
    live.close()
    with pytest.raises(ImpastoError, match="closed"):
        live.submit(frame(1))
    assert live.latest() is None
