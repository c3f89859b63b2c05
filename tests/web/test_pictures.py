"""Photos, previews and the gallery, through real requests."""

import asyncio
import io
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from impasto.web.limits import Limits, Refusal
from impasto.web.page import Page
from impasto.web.worker import Reply
from tests.conftest import make_photo
from tests.web.conftest import STYLE, photo_file

NEGATIVE = {"styles": {STYLE: 1}, "settings": {"stroke_size": 0}}


def pixels_of(response):
    assert response.status_code == 200, response.text
    return np.asarray(Image.open(io.BytesIO(response.content)).convert("RGB"))


def upload(client, path):
    (record,) = client.post("/api/photos", files={"file": (path.name, path.read_bytes())}).json()
    return record


@pytest.fixture
def photo(client, tmp_path):
    return upload(client, photo_file(tmp_path))


def events_of(response):
    blocks = [block.splitlines() for block in response.text.split("\n\n") if block.startswith("event")]
    return [(block[0].removeprefix("event: "), json.loads(block[1].removeprefix("data: "))) for block in blocks]


def test_a_photo_is_stored_listed_shown_and_deleted(client, tmp_path):
    record = upload(client, photo_file(tmp_path))
    height, width = make_photo(0).shape[:2]
    assert record == {"id": record["id"], "name": "photo.png", "width": width, "height": height}
    assert client.get("/api/photos").json() == [record]
    shown = pixels_of(client.get(f"/api/photos/{record['id']}"))
    assert np.abs(shown.astype(int) - make_photo(0)).mean() < 4
    assert client.delete(f"/api/photos/{record['id']}").status_code == 200
    assert client.get("/api/photos").json() == []
    assert client.get(f"/api/photos/{record['id']}").status_code == 404


def test_several_photos_are_answered_one_by_one_and_a_text_with_a_reason(client, tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("no picture")
    paths = [photo_file(tmp_path, "a.png"), text, photo_file(tmp_path, "b.jpg", 1)]
    records = client.post("/api/photos", files=[("file", (path.name, path.read_bytes())) for path in paths]).json()
    assert [record["name"] for record in records] == ["a.png", "notes.txt", "b.jpg"]
    assert "is not a picture" in records[1]["error"]
    assert [record["name"] for record in client.get("/api/photos").json()] == ["a.png", "b.jpg"]


def test_a_preview_is_what_the_style_makes_of_the_photo(client, photo):
    painted = pixels_of(client.post("/api/preview", json={"photo": photo["id"], **NEGATIVE}))
    assert np.abs(painted.astype(int) - (255 - make_photo(0).astype(int))).mean() < 4


def test_a_preview_has_the_short_side_that_was_asked_for(client, photo):
    assert (
        min(pixels_of(client.post("/api/preview", json={"photo": photo["id"], "side": 32, **NEGATIVE})).shape[:2]) == 32
    )


def test_a_mask_limits_the_painting_and_can_be_inverted(client, photo):
    height, width = make_photo(0).shape[:2]
    mask = np.zeros((height, width), np.uint8)
    mask[:, : width // 2] = 255
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "png")
    id = client.post("/api/masks", content=file.getvalue()).json()["id"]
    photo_there, negative = make_photo(0).astype(int), 255 - make_photo(0).astype(int)
    for invert, left, right in ((False, negative, photo_there), (True, photo_there, negative)):
        body = {"photo": photo["id"], "mask": id, "invert_mask": invert, **NEGATIVE}
        painted = pixels_of(client.post("/api/preview", json=body)).astype(int)
        half = width // 2
        assert np.abs(painted - left)[:, : half - 8].mean() < 5
        assert np.abs(painted - right)[:, half + 8 :].mean() < 5


def test_a_blurred_mask_is_between_photo_and_painting_at_its_edge(client, photo):
    height, width = make_photo(0).shape[:2]
    mask = np.zeros((height, width), np.uint8)
    mask[:, : width // 2] = 255
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "png")
    id = client.post("/api/masks", content=file.getvalue()).json()["id"]
    body = {"photo": photo["id"], "mask": id, **NEGATIVE}
    hard = pixels_of(client.post("/api/preview", json=body)).astype(int)
    soft = pixels_of(client.post("/api/preview", json={**body, "mask_blur": 60})).astype(int)
    at = width // 2 - 3
    assert np.abs(hard - soft)[:, at].mean() > 5
    assert np.abs(hard - soft)[:, 0].mean() < 5


def test_the_gallery_sends_a_thumbnail_of_each_style_and_then_done(client, server, photo, monkeypatch):
    # Only the style of this test: the others load the network of the package.
    monkeypatch.setattr("impasto.web.styles.Styles.names", lambda self: [STYLE])
    events = events_of(client.post("/api/gallery", json={"photo": photo["id"], "side": 64}))
    assert [name for name, _ in events] == ["thumbnail", "done"]
    assert events[0][1]["style"] == STYLE
    assert min(pixels_of(client.get(events[0][1]["url"])).shape[:2]) == 64


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"styles": {}}, "styles must be"),
        ({"styles": {"no_such_style": 1}}, "no style called"),
        ({"styles": {STYLE: 1, "udnie": 1}}, "cannot be mixed"),
        ({"styles": {"udnie": -1}}, "the share of udnie"),
        ({"styles": {"udnie": "1"}}, "the share of udnie"),
        ({"styles": {"udnie": 0}}, "more than 0"),
        ({"settings": {"strength": 3}}, "strength must be"),
        ({"settings": {"no_such_setting": 3}}, "no_such_setting"),
        ({"settings": []}, "settings must be"),
        ({"side": 5}, "side must be"),
        ({"side": "wide"}, "side must be"),
        ({"photo": "../../etc/passwd"}, "no such photo"),
        ({"photo": None}, "no such photo"),
        ({"mask": "nothing"}, "no such mask"),
    ],
)
def test_a_request_that_makes_no_sense_gets_one_line_that_says_why(client, photo, change, word):
    answer = client.post("/api/preview", json={"photo": photo["id"], **NEGATIVE, **change})
    assert answer.status_code in (404, 422)
    assert word in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def test_another_program_sends_a_picture_and_gets_the_painted_one(client, tmp_path):
    data = photo_file(tmp_path).read_bytes()
    query = f"/api/stylize?style={STYLE}&stroke_size=0&format=png"
    for answer in (client.post(query, content=data), client.post(query, files={"file": ("a.png", data)})):
        assert answer.headers["content-type"] == "image/png"
        assert (pixels_of(answer) == 255 - make_photo(0)).all()


def test_the_painted_picture_of_another_program_has_the_long_side_that_it_asked_for(client, tmp_path):
    answer = client.post(f"/api/stylize?style={STYLE}&size=40&format=webp", content=photo_file(tmp_path).read_bytes())
    assert max(pixels_of(answer).shape) == 40


def test_another_programs_mistakes_are_named(client, tmp_path):
    data = photo_file(tmp_path).read_bytes()
    assert client.post("/api/stylize", content=data).status_code in (404, 422)
    assert "format must be" in client.post(f"/api/stylize?style={STYLE}&format=exe", content=data).json()["error"]
    assert "is an SVG drawing" in client.post(f"/api/stylize?style={STYLE}", content=b"<svg/>" * 20).json()["error"]


def test_nothing_of_another_programs_picture_stays(client, server, tmp_path):
    client.post(f"/api/stylize?style={STYLE}", content=photo_file(tmp_path).read_bytes())
    assert not list((server.folder / "sessions").glob("*.upload"))


def test_of_two_previews_of_a_session_the_newer_one_wins(server, client, photo, monkeypatch):
    gate = threading.Event()

    async def call(task, arguments, block=b"", *, wanted, **options):
        while not gate.is_set():
            await asyncio.sleep(0.01)
        return Reply({}, b"painted") if wanted() else None

    monkeypatch.setattr(server.page.painter, "call", call)
    (session,) = [session for session in server.page.sessions.all() if photo["id"] in session.photos]
    with ThreadPoolExecutor() as pool:
        answers = []
        for number in (1, 2):
            answers.append(pool.submit(client.post, "/api/preview", json={"photo": photo["id"], **NEGATIVE}))
            while session.previews < number:
                time.sleep(0.01)
        gate.set()
        older, newer = (answer.result() for answer in answers)
    assert (older.status_code, older.json()) == (409, {"error": "superseded"})
    assert (newer.status_code, newer.content) == (200, b"painted")


def test_when_too_many_pictures_wait_the_next_is_refused_with_a_reason(tmp_path):
    async def story():
        page = Page(tmp_path, Limits(waiting=0))
        with pytest.raises(Refusal, match="wait to be painted already") as refused:
            await page.ask("view", {})
        return refused.value.status

    assert asyncio.run(story()) == 503


def test_a_disk_that_fills_within_an_upload_is_named_and_nothing_half_stays(server, client, tmp_path, monkeypatch):
    def full(folder, limits):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("impasto.web.uploads.check_disk", full)
    data = photo_file(tmp_path).read_bytes()
    for answer in (
        client.post("/api/photos", files={"file": ("a.png", data)}),
        client.post(f"/api/stylize?style={STYLE}", files={"file": ("a.png", data)}),
        client.post("/api/masks", content=data),
    ):
        assert answer.status_code == 503
        assert "No space left on device" in answer.json()["error"]
    assert not list((server.folder / "sessions").rglob("*.upload"))
