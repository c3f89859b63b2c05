"""Clips: upload, a frame, a painted frame, and the whole as a job."""

import io
import os
import signal

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av")

from impasto.errors import VideoError
from impasto.painting.load import load
from impasto.pictures.decode import decode_picture
from impasto.video.reader import open_clip
from impasto.video.steady import Steady
from impasto.web.films import frame_at, suffix_of
from impasto.web.tasks import Tasks
from tests.graphs import write_test_model
from tests.video.clips import HEIGHT, WIDTH, make_clip, picture
from tests.web.conftest import STYLE, wait_until
from tests.web.test_jobs_of_photos import ended
from tests.web.test_pictures import NEGATIVE, pixels_of

FRAMES = 8


@pytest.fixture(scope="module")
def clip_bytes(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "a.mp4", frames=FRAMES).read_bytes()


@pytest.fixture
def clip(client, clip_bytes):
    answer = client.post("/api/videos", files={"file": ("holiday.mp4", clip_bytes)})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_clip_is_described_listed_and_deleted(client, clip):
    assert {name: clip[name] for name in ("name", "width", "height", "frames")} == {
        "name": "holiday.mp4",
        "width": WIDTH,
        "height": HEIGHT,
        "frames": FRAMES,
    }
    assert abs(clip["seconds"] - FRAMES / 25) < 0.01
    assert client.get("/api/videos").json() == [clip]
    assert client.delete(f"/api/videos/{clip['id']}").status_code == 200
    assert client.get(f"/api/videos/{clip['id']}/frame").status_code == 404


@pytest.mark.parametrize(("at", "number"), [("0", 0), ("0.5", 4), ("1", FRAMES - 1)])
def test_a_frame_is_that_of_its_time(client, clip, at, number):
    shown = pixels_of(client.get(f"/api/videos/{clip['id']}/frame?at={at}")).astype(int)
    errors = [np.abs(shown - picture(other)).mean() for other in range(FRAMES)]
    assert abs(int(np.argmin(errors)) - number) <= 1 or at == "1"


def test_a_painted_frame_is_the_negative_of_the_frame(client, clip):
    body = {"video": clip["id"], "at": 0, **NEGATIVE}
    painted = pixels_of(client.post("/api/video-preview", json=body)).astype(int)
    assert np.abs(painted - (255 - picture(0).astype(int))).mean() < 6


def test_a_painted_frame_is_as_in_the_clip_not_painted_again_for_crisp_strokes(tmp_path):
    make_clip(tmp_path / "a.mp4", frames=1, size=(768, 1152))
    model = write_test_model(tmp_path / "negative.onnx")
    _, block = Tasks(lambda: False, lambda event: None).clip_preview(
        str(tmp_path / "a.mp4"), "a.mp4", 0, 1152, {"model": str(model), "settings": {}}
    )
    stylizer, frame = load(model), frame_at(str(tmp_path / "a.mp4"), "a.mp4", 0, 1152)
    painted = decode_picture(block, "a.jpg").pixels.astype(int)
    moving, still = (np.abs(painted - other).mean() for other in (Steady(stylizer, None, 0)(frame), stylizer(frame)))
    assert moving < 0.8 * still


def test_a_clip_is_painted_with_progress_and_plays(client, clip, tmp_path):
    answer = client.post("/api/video", json={"video": clip["id"], "steady": 0, **NEGATIVE})
    record = ended(client, answer.json()["job"])
    assert (record["state"], record["done"], record["total"]) == ("done", FRAMES, FRAMES)
    (result,) = record["results"]
    assert (result["name"], result["type"], result["width"]) == ("holiday.mp4", "video/mp4", WIDTH)
    whole = client.get(f"{result['url']}?inline=1")
    assert whole.headers["content-disposition"].startswith("inline")
    (tmp_path / "painted.mp4").write_bytes(whole.content)
    with open_clip(tmp_path / "painted.mp4") as painted:
        frames = list(painted.frames())
    assert len(frames) == FRAMES
    assert np.abs(frames[0].pixels.astype(int) - (255 - picture(0).astype(int))).mean() < 8
    part = client.get(result["url"], headers={"Range": "bytes=0-9"})
    assert (part.status_code, len(part.content)) == (206, 10)


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="processes cannot be paused here")
def test_a_clip_that_is_cancelled_keeps_the_part_that_is_painted(client, clip, tmp_path, server):
    ended(client, client.post("/api/video", json={"video": clip["id"], "steady": 0, **NEGATIVE}).json()["job"])
    worker = server.page.background.pid  # it was needed for this clip, and waits for the next one
    long = make_clip(tmp_path / "long.mp4", frames=400, size=(320, 240))
    clip = client.post("/api/videos", files={"file": ("long.mp4", long.read_bytes())}).json()
    os.kill(worker, signal.SIGSTOP)
    try:
        job = client.post("/api/video", json={"video": clip["id"], "steady": 1, **NEGATIVE}).json()["job"]
        wait_until(lambda: client.get(f"/api/jobs/{job}").json()["state"] == "running")
        assert client.delete(f"/api/jobs/{job}").json()["state"] == "cancelled"  # without waiting for the work
    finally:
        os.kill(worker, signal.SIGCONT)
    record = ended(client, job)
    assert record["state"] == "cancelled"
    (result,) = record["results"]
    (tmp_path / "part.mp4").write_bytes(client.get(result["url"]).content)
    with open_clip(tmp_path / "part.mp4") as part:
        assert 0 < sum(1 for _ in part.frames()) < 400


@pytest.mark.parametrize("format", ["gif", "webp", "png"])
def test_an_animation_is_a_clip(client, tmp_path, format):
    frames = [Image.fromarray(picture(number)) for number in range(3)]
    frames[0].save(tmp_path / "a", format, save_all=True, append_images=frames[1:], duration=40)
    answer = client.post("/api/videos", files={"file": ("a", (tmp_path / "a").read_bytes())})
    assert answer.status_code == 200, answer.text
    assert answer.json()["frames"] == 3
    body = {"video": answer.json()["id"], "at": 0, **NEGATIVE}
    painted = pixels_of(client.post("/api/video-preview", json=body)).astype(int)
    assert np.abs(painted - (255 - picture(0).astype(int))).mean() < 16


@pytest.mark.parametrize(
    "data",
    [
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b'<?xml version="1.0"?><MPD><BaseURL>http://127.0.0.1/</BaseURL></MPD>',
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\n",
        b"",
        b"\0" * 600,
    ],
)
def test_a_playlist_that_names_other_files_is_refused(client, data, server):
    answer = client.post("/api/videos", files={"file": ("a.mp4", data)})
    assert answer.status_code == 422
    assert "is not a video" in answer.json()["error"]
    assert not list((server.folder / "sessions").rglob("*.upload"))


def test_a_damaged_clip_gets_one_line_without_our_paths(client, clip_bytes, server):
    answer = client.post("/api/videos", files={"file": ("a.mp4", clip_bytes[:300])})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("a.mp4: ")
    assert str(server.folder) not in answer.json()["error"]
    assert not [path for path in (server.folder / "sessions").glob("*/*") if path.name != "session.json"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"steady": 2}, "steady must be"),
        ({"video": "x"}, "no such clip"),
        ({"size": 3}, "size must be"),
        ({"at": 2}, "at"),
    ],
)
def test_a_request_that_makes_no_sense_gets_one_line(client, clip, change, word):
    address = "/api/video-preview" if "at" in change else "/api/video"
    answer = client.post(address, json={"video": clip["id"], **NEGATIVE, **change})
    assert answer.status_code in (404, 422)
    assert word in answer.json()["error"]


def test_containers_are_told_by_their_first_bytes():
    assert suffix_of(b"\x1a\x45\xdf\xa3" + b"\0" * 20, "a") == ".mkv"
    assert suffix_of((b"\x47" + b"\0" * 187) * 3, "a") == ".ts"
    animation = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), (number, 0, 0)) for number in range(3)]
    frames[0].save(animation, "gif", save_all=True, append_images=frames[1:])
    assert suffix_of(animation.getvalue(), "a") == ".gif"
    with pytest.raises(VideoError):
        suffix_of(b"G" + b"#EXTM3U" * 100, "a")
    assert STYLE
