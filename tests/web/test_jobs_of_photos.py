"""Jobs that paint photos: progress, results, cancelling, and what goes wrong."""

import io
import json
import os
import signal
import zipfile

import numpy as np
import pytest
from PIL import Image

from tests.conftest import make_photo
from tests.web.conftest import STYLE, add_negative, make_endless, photo_file, start, wait_until
from tests.web.test_pictures import NEGATIVE, events_of, upload


def paint(client, photos, **options):
    answer = client.post("/api/paint", json={"photos": photos, **NEGATIVE, **options})
    assert answer.status_code == 200, answer.text
    return answer.json()["job"]


def ended(client, job):
    """The job's last record."""
    events = events_of(client.get(f"/api/jobs/{job}/events"))
    return events[-1][1]


def test_a_job_paints_each_photo_and_its_events_end_with_the_result(client, tmp_path):
    photos = [upload(client, photo_file(tmp_path, name, seed))["id"] for seed, name in enumerate(("a.png", "b.png"))]
    record = ended(client, paint(client, photos, format="png"))
    assert (record["state"], record["done"], record["total"], record["failures"]) == ("done", 2, 2, [])
    for seed, result in enumerate(record["results"]):
        answer = client.get(result["url"])
        assert answer.headers["content-disposition"].startswith('attachment; filename="')
        assert (np.asarray(Image.open(io.BytesIO(answer.content))) == 255 - make_photo(seed)).all()
        assert result["bytes"] == len(answer.content)
    archive = zipfile.ZipFile(io.BytesIO(client.get(f"/api/jobs/{record['id']}/zip").content))
    assert archive.namelist() == ["a.png", "b.png"]
    assert archive.read("b.png") == client.get(record["results"][1]["url"]).content


def test_each_photo_of_a_job_has_its_own_mask(client, tmp_path):
    photos = [upload(client, photo_file(tmp_path, f"{seed}.png", seed))["id"] for seed in range(2)]
    height, width = make_photo(0).shape[:2]
    mask = io.BytesIO()
    Image.fromarray(np.zeros((height, width), np.uint8)).save(mask, "PNG")
    nowhere = client.post("/api/masks", content=mask.getvalue(), headers={"content-type": "image/png"}).json()["id"]
    record = ended(client, paint(client, photos, format="png", masks={photos[1]: nowhere}))
    painted = [np.asarray(Image.open(io.BytesIO(client.get(result["url"]).content))) for result in record["results"]]
    assert (painted[0] == 255 - make_photo(0)).all()
    assert (painted[1] == make_photo(1)).all()


def test_two_photos_of_one_name_get_two_names_in_the_archive(client, tmp_path):
    photos = [upload(client, photo_file(tmp_path))["id"] for _ in range(2)]
    record = ended(client, paint(client, photos, format="jpg", size=32))
    archive = zipfile.ZipFile(io.BytesIO(client.get(f"/api/jobs/{record['id']}/zip").content))
    assert archive.namelist() == ["photo.jpg", "photo_2.jpg"]
    assert max(record["results"][0][side] for side in ("width", "height")) == 32


def test_a_reload_finds_the_job_and_its_results(client, tmp_path):
    job = paint(client, [upload(client, photo_file(tmp_path))["id"]])
    record = ended(client, job)
    assert client.get("/api/jobs").json() == [record]
    assert client.get(f"/api/jobs/{job}").json() == record


def test_a_photo_that_cannot_be_painted_is_named_and_the_others_are_painted(client, tmp_path, server):
    photos = [upload(client, photo_file(tmp_path, f"{name}.png"))["id"] for name in "abc"]
    (folder,) = [path for path in (server.folder / "sessions").iterdir() if path.is_dir() and any(path.iterdir())]
    files = sorted(folder.glob("*.upload"), key=lambda path: path.stat().st_mtime_ns)
    files[1].write_bytes(files[1].read_bytes()[:200])  # damaged on the disk
    record = ended(client, paint(client, photos))
    assert record["state"] == "done"
    assert [result["name"] for result in record["results"]] == ["a.jpg", "c.jpg"]
    (failure,) = record["failures"]
    assert failure["name"] == "b.png"
    assert failure["error"].startswith("b.png: is damaged")
    assert str(server.folder) not in failure["error"]


@pytest.fixture(scope="module")
def small_server(tmp_path_factory):
    """A server that lets two jobs of a session wait."""
    folder = tmp_path_factory.mktemp("small")
    add_negative(folder)
    running = start(folder, jobs=2)
    yield running
    running.end()


@pytest.fixture
def stuck(small_server, tmp_path):
    """A server, a client and the id of a photo whose painting never ends."""
    with small_server.client() as client:
        endless = upload(client, photo_file(tmp_path, "endless.png"))["id"]
        make_endless(small_server, endless)
        yield small_server, client, endless
        client.delete("/api/session")


def test_cancelling_does_not_wait_for_the_work_and_keeps_what_is_done(stuck, tmp_path):
    _, client, endless = stuck
    small = upload(client, photo_file(tmp_path))["id"]
    job = paint(client, [small, endless, small], format="png")
    wait_until(lambda: client.get(f"/api/jobs/{job}").json()["message"] == "endless.png")
    record = client.delete(f"/api/jobs/{job}").json()
    assert record["state"] == "cancelled"
    assert len(record["results"]) == 1
    assert client.get(record["results"][0]["url"]).status_code == 200
    following = ended(client, paint(client, [small]))  # the worker is there again
    assert following["state"] == "done"


def test_a_flood_of_jobs_is_refused_with_a_reason(stuck):
    _, client, endless = stuck
    jobs = [paint(client, [endless]) for _ in range(2)]
    answer = client.post("/api/paint", json={"photos": [endless], **NEGATIVE})
    assert answer.status_code == 429
    assert "2 jobs wait already" in answer.json()["error"]
    assert answer.headers["retry-after"]
    for job in jobs:
        client.delete(f"/api/jobs/{job}")
    assert client.post("/api/paint", json={"photos": [endless], **NEGATIVE}).status_code == 200


def test_a_worker_that_is_killed_is_started_again_and_the_job_says_so(stuck, tmp_path):
    running, client, endless = stuck
    small = upload(client, photo_file(tmp_path))["id"]
    job = paint(client, [endless, small])
    worker = running.page.background
    wait_until(lambda: worker.pid is not None and client.get(f"/api/jobs/{job}").json()["message"])
    os.kill(worker.pid, signal.SIGKILL)
    record = ended(client, job)
    assert record["failures"] == [{"name": "endless.png", "error": record["failures"][0]["error"]}]
    assert "was started again" in record["failures"][0]["error"]
    assert [result["name"] for result in record["results"]] == ["photo.jpg"]


def test_deleting_the_session_deletes_every_file(stuck, tmp_path):
    running, client, _ = stuck
    small = upload(client, photo_file(tmp_path))["id"]
    ended(client, paint(client, [small]))
    assert list((running.folder / "sessions").rglob("*.*"))
    client.delete("/api/session")
    assert not list((running.folder / "sessions").iterdir())
    assert client.get("/api/photos").json() == []
    assert client.get("/api/jobs").json() == []


def test_another_session_sees_neither_photos_nor_jobs_nor_results(client, server, tmp_path):
    photo = upload(client, photo_file(tmp_path))["id"]
    record = ended(client, paint(client, [photo]))
    with server.client() as other:
        other.get("/")
        assert other.get("/api/photos").json() == []
        assert other.get("/api/jobs").json() == []
        for address in (f"/api/photos/{photo}", f"/api/jobs/{record['id']}", record["results"][0]["url"]):
            assert other.get(address).status_code == 404
        assert other.post("/api/preview", json={"photo": photo, **NEGATIVE}).status_code == 404


def test_settings_and_command_are_those_of_the_command_line(client, tmp_path, capsys):
    import shlex

    from impasto.cli.main import main
    from impasto.painting.settings import read_settings

    body = {"styles": {STYLE: 1}, "settings": {"stroke_size": 0.0, "seed": 7}}
    (tmp_path / "settings.json").write_bytes(client.post("/api/settings", json=body).content)
    saved = read_settings(tmp_path / "settings.json")
    assert (saved.settings.stroke_size, saved.settings.seed) == (0, 7)
    command = client.post("/api/command", json=body).json()["command"]
    words = [str(tmp_path / word) if word.endswith(".jpg") else word for word in shlex.split(command)]
    photo_file(tmp_path, "PHOTO.jpg")
    assert main(words[1:]) == 0, capsys.readouterr().err
    assert json.dumps(saved.model) in json.dumps(words)
