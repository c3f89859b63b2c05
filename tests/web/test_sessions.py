"""Sessions: they are deleted when they are idle, survive a server that is killed, and follow no links."""

import json
import os

import pytest

from impasto.web.jobs import Board
from impasto.web.limits import Limits, Refusal
from impasto.web.sessions import EMPTY_SECONDS, STATE, Photo, Result, Sessions, new_id
from impasto.web.styles import Styles, safe_file

COOKIE = "c" * 43


@pytest.fixture
def sessions(tmp_path):
    return Sessions(tmp_path, Limits())


def with_photo(session, name="a.png"):
    path = session.file(".upload")
    path.write_bytes(b"picture")
    photo = Photo(new_id(), name, path, 8, 6, 7)
    session.photos[photo.id] = photo
    return photo


def test_an_idle_session_is_deleted_with_its_files(tmp_path):
    sessions = Sessions(tmp_path, Limits(idle_seconds=1000))
    session = sessions.open(COOKIE)
    with_photo(session)
    assert sessions.idle() == []
    session.seen -= 1001
    sessions.forget_idle()
    assert not list(tmp_path.iterdir())
    assert sessions.find(COOKIE) is None


def test_the_name_of_a_folder_does_not_tell_the_cookie(sessions):
    assert COOKIE not in str(sessions.open(COOKIE).folder)


def test_a_session_that_is_in_use_is_not_idle_and_one_that_holds_nothing_is_idle_sooner(tmp_path):
    sessions = Sessions(tmp_path, Limits())
    session = sessions.open(COOKIE)
    with session.uploading():
        session.seen -= EMPTY_SECONDS + 1
        assert sessions.idle() == []
    assert sessions.idle() == []
    session.seen -= EMPTY_SECONDS + 1
    assert sessions.idle() == [session]
    with_photo(session)
    assert sessions.idle() == []


def test_where_no_session_is_free_those_to_which_nobody_came_back_make_room(tmp_path):
    sessions = Sessions(tmp_path, Limits(sessions=2))
    browser, program = (sessions.open(letter * 43) for letter in "bp")
    for session in (browser, program):
        with_photo(session)
        session.seen -= EMPTY_SECONDS + 1
    assert sessions.find("b" * 43) is browser
    browser.seen -= EMPTY_SECONDS + 1
    assert sessions.open("n" * 43).folder.is_dir()
    assert sessions.all() == [browser, sessions.find("n" * 43)]
    with pytest.raises(Refusal, match="2 browsers"):
        sessions.open("m" * 43)


def test_a_session_for_which_a_job_runs_is_not_idle_however_long_it_takes(tmp_path):
    working = set()
    sessions = Sessions(tmp_path, Limits(), lambda session: session.key in working)
    session = sessions.open(COOKIE)
    with_photo(session)
    working.add(session.key)
    session.seen -= 10**6
    sessions.open("d" * 43)
    assert sessions.find(COOKIE) is session
    session.seen -= 10**6
    working.clear()
    sessions.forget_idle()
    assert sessions.find(COOKIE) is None


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")
def test_only_the_user_can_read_the_folder(sessions):
    assert sessions.open(COOKIE).folder.stat().st_mode & 0o077 == 0


def test_after_a_server_that_was_killed_photos_results_and_jobs_are_there_and_a_running_job_says_what_happened(
    tmp_path,
):
    sessions = Sessions(tmp_path, Limits())
    session = sessions.open(COOKIE)
    photo = with_photo(session)
    made = session.file(".jpg")
    made.write_bytes(b"painted")
    result = Result(new_id(), "a.jpg", made, 8, 6, 7, "image/jpeg")
    session.results[result.id] = result
    running = {
        "id": "job",
        "kind": "paint",
        "state": "running",
        "done": 1,
        "total": 3,
        "message": "b.png",
        "failures": [],
    }
    ended = {**running, "id": "old", "state": "done", "message": ""}
    sessions.save(session, [{**running, "results": [result.record()]}, {**ended, "results": []}])

    later = Sessions(tmp_path, Limits())
    ((revived, records),) = later.revived()
    assert later.find(COOKIE) is revived
    assert revived.photo(photo.id).path.read_bytes() == b"picture"
    board = Board(Limits())
    board.revive(revived, records)
    job = board.find("job", revived.key)
    assert (job.state, job.results[0].record()) == ("failed", result.record())
    assert job.message == "the server ended while this job ran; what was painted before is kept; start it again"
    assert board.find("old", revived.key).state == "done"


@pytest.mark.parametrize("state", ["{", "[]", "{}", '{"photos": [{"id": 1}]}', "null"])
def test_a_session_whose_record_is_damaged_is_deleted(tmp_path, state):
    folder = tmp_path / ("0" * 32)
    folder.mkdir()
    (folder / STATE).write_text(state)
    assert Sessions(tmp_path, Limits()).revived() == []
    assert not list(tmp_path.iterdir())


def test_an_old_session_and_foreign_files_are_deleted_at_the_start(tmp_path):
    sessions = Sessions(tmp_path, Limits())
    session = sessions.open(COOKIE)
    sessions.save(session, [])
    os.utime(session.folder / STATE, (1, 1))
    (tmp_path / "left.upload").write_text("x")
    assert Sessions(tmp_path, Limits()).revived() == []
    assert not list(tmp_path.iterdir())


def test_a_link_among_the_sessions_is_removed_and_what_it_leads_to_stays(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("x")
    folder = tmp_path / "sessions"
    folder.mkdir()
    (folder / ("0" * 32)).symlink_to(other)
    Sessions(folder, Limits())
    assert not list(folder.iterdir())
    assert (other / "mine.txt").exists()


def test_a_photo_that_is_a_link_is_not_revived(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("x")
    (tmp_path / "sessions").mkdir()
    sessions = Sessions(tmp_path / "sessions", Limits())
    session = sessions.open(COOKIE)
    photo = with_photo(session)
    sessions.save(session, [])
    photo.path.unlink()
    photo.path.symlink_to(secret)
    ((revived, _),) = Sessions(tmp_path / "sessions", Limits()).revived()
    assert revived.photos == {}


def test_a_record_cannot_name_a_file_outside(tmp_path):
    (tmp_path / "sessions").mkdir()
    sessions = Sessions(tmp_path / "sessions", Limits())
    session = sessions.open(COOKIE)
    with_photo(session)
    sessions.save(session, [])
    state = json.loads((session.folder / STATE).read_text())
    (tmp_path / "secret").write_text("x")
    state["photos"][0]["path"] = "../../secret"
    (session.folder / STATE).write_text(json.dumps(state))
    revived = Sessions(tmp_path / "sessions", Limits()).revived()
    assert all(not session.photos for session, _ in revived)


def test_a_style_that_is_a_link_is_not_given_away(tmp_path):
    secret = tmp_path / "secret.safetensors"
    secret.write_text("x")
    folder = tmp_path / "styles"
    folder.mkdir()
    (folder / "mine.safetensors").symlink_to(secret)
    (folder / "mine.json").write_text('{"title": "Mine", "kind": "style", "made": 1.0}')
    (folder / "other.json").symlink_to(folder / "mine.json")
    styles = Styles(folder)
    assert [record["name"] for record in styles.records() if record["own"]] == ["mine"]
    with pytest.raises(Refusal, match="has lost its file") as refused:
        styles.file("mine")
    assert refused.value.status == 409
    with pytest.raises(Refusal, match="has lost its file"):
        safe_file(folder / "mine.safetensors", "it")


def test_a_full_session_and_a_full_disk_are_refused_with_one_line(tmp_path):
    session = Sessions(tmp_path, Limits(session_bytes=7)).open(COOKIE)
    with_photo(session)
    with pytest.raises(Refusal, match="this session is full"):
        session.check_room(Limits(session_bytes=7))
    with pytest.raises(Refusal, match="the disk is nearly full") as refused:
        session.check_room(Limits(free_bytes=10**18))
    assert refused.value.status == 503
