"""The live stream over a real WebSocket."""

import io
import json
import struct
import time
from contextlib import ExitStack

import numpy as np
import pytest
from PIL import Image

from tests.web.conftest import STYLE, wait_until

sync = pytest.importorskip("websockets.sync.client")

NEGATIVE = json.dumps({"styles": {STYLE: 1}, "settings": {"stroke_size": 0}, "steady": 0})


@pytest.fixture
def camera(server):
    origin = f"http://127.0.0.1:{server.port}"
    with sync.connect(f"ws://127.0.0.1:{server.port}/api/live", origin=origin, proxy=None, compression=None) as socket:
        yield socket


def jpeg(color, size=(64, 48)):
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, "jpeg", quality=95)
    return file.getvalue()


def receive(socket):
    """Number, rate, latency, dropped, pixels."""
    message = socket.recv(timeout=600)
    assert isinstance(message, bytes), message
    return *struct.unpack_from("<IffI", message), np.asarray(Image.open(io.BytesIO(message[16:])).convert("RGB"))


def test_a_frame_comes_back_painted_with_its_number_and_latency(camera):
    camera.send(NEGATIVE)
    for number, color in enumerate([(200, 100, 50), (10, 20, 30)]):
        camera.send(jpeg(color))
        told, _, latency, dropped, pixels = receive(camera)
        assert (told, dropped) == (number, 0)
        assert 0 < latency < 60
        assert np.abs(pixels.astype(int) - (255 - np.array(color))).max() < 8


def test_of_frames_that_come_too_fast_the_newest_is_painted_and_the_others_are_dropped(camera):
    camera.send(NEGATIVE)
    camera.send(jpeg((0, 0, 0)))
    receive(camera)
    for level in range(0, 250, 5):
        camera.send(jpeg((level, level, level), (640, 360)))
    numbers, dropped = [], 0
    while not numbers or numbers[-1] < 50:
        number, _, _, dropped, pixels = receive(camera)
        numbers.append(number)
    assert numbers == sorted(set(numbers))
    assert dropped == 51 - 1 - len(numbers)
    assert abs(int(pixels[0, 0, 0]) - 10) < 8  # the last one, of level 245


def test_a_mistake_is_answered_with_one_line_and_the_stream_goes_on(camera):
    for wrong in ("{", "[]", '{"styles": {"nothing": 1}}', '{"styles": {"udnie": 1}, "steady": 5}'):
        camera.send(wrong)
        error = json.loads(camera.recv(timeout=300))["error"]
        assert error
        assert "\n" not in error
    camera.send(NEGATIVE)
    camera.send(b"no picture")
    assert "not a picture" in json.loads(camera.recv(timeout=300))["error"]
    camera.send(jpeg((1, 2, 3)))
    assert receive(camera)[0] == 1


def test_frames_before_the_settings_wait_for_them(camera):
    camera.send(jpeg((1, 2, 3)))
    time.sleep(0.05)
    camera.send(NEGATIVE)
    assert receive(camera)[0] == 0


def test_more_cameras_than_allowed_are_refused_and_a_place_gets_free_again(server):
    address = f"ws://127.0.0.1:{server.port}/api/live"
    most = server.page.limits.cameras
    with ExitStack() as stack:
        for _ in range(most):
            stack.enter_context(sync.connect(address, proxy=None)).send(NEGATIVE)
        wait_until(lambda: server.page.cameras == most)
        with sync.connect(address, proxy=None) as surplus:
            assert f"{most} cameras" in json.loads(surplus.recv(timeout=300))["error"]
    wait_until(lambda: not server.page.cameras)
    with sync.connect(address, proxy=None) as again:
        again.send(NEGATIVE)
        again.send(jpeg((9, 9, 9)))
        assert receive(again)[0] == 0
