"""Trainings: one at a time, with progress; stopped, cancelled, continued. A fake runs them, but for the last test."""

import asyncio
import json
import threading

import pytest
from PIL import Image

from impasto.web.jobs import Board
from impasto.web.limits import Limits, Refusal
from impasto.web.styles import Styles
from impasto.web.trainings import Trainings
from impasto.web.worker import Reply, TaskError, WorkerDied
from tests.conftest import make_photo


class FakeTrainer:
    """Learns in `steps` steps; writes a checkpoint at once and the style at the end."""

    def __init__(self, steps=3, fails=()):
        self.steps, self.fails = steps, list(fails)
        self.calls, self.stopped, self.killed = [], False, asyncio.Event()
        self.running = 0

    async def call(self, task, arguments, block=b"", *, on_event=lambda event: None):
        from pathlib import Path

        assert task == "learn"
        self.running += 1
        assert self.running == 1, "one at a time"
        self.calls.append(arguments)
        run = Path(arguments["output"] + ".run")
        run.mkdir(exist_ok=True)
        (run / "checkpoint.pt").write_bytes(b"x")
        (run / "preview.jpg").write_bytes(b"jpeg")
        try:
            if self.fails:
                raise self.fails.pop(0)
            step = 0
            while step < self.steps and not self.stopped:
                step += 1
                values = {"step": step, "fraction": step / self.steps, "seconds_left": 1.0, "objective": 5.0 / step}
                on_event({**values, "message": None})
                try:
                    await asyncio.wait_for(self.killed.wait(), 0.01)
                    self.killed.clear()
                    raise WorkerDied
                except TimeoutError:
                    pass
            Path(arguments["output"]).write_bytes(b"style")
            return Reply({"message": f"learned after {step} steps", "steps": step}, b"")
        finally:
            self.running -= 1

    def stop(self):
        self.stopped = True

    def kill(self):
        self.killed.set()


class Place:
    """Trainings in a folder, run by a fake."""

    def __init__(self, folder, trainer, **limits):
        for name in ("training", "styles"):
            (folder / name).mkdir(exist_ok=True)
        self.folder = folder
        self.board, self.styles, self.closing = Board(Limits(**limits)), Styles(folder / "styles"), asyncio.Event()
        self.trainings = Trainings(folder / "training", self.board, self.styles, self.closing)
        self.trainings.resume(trainer)

    def add(self, title="Mine"):
        picture = self.folder / "sent"
        picture.write_bytes(b"picture")
        return self.trainings.add(title, "style", 2, picture, b"card")

    async def close(self):
        self.closing.set()
        await self.board.close()


async def last_of(job):
    async with asyncio.timeout(300):
        return [record async for record in job.follow() if record][-1]


def run(coroutine):
    return asyncio.run(coroutine)


def test_a_training_reports_its_curve_and_its_style_joins_the_others(tmp_path):
    async def story():
        place = Place(tmp_path, trainer := FakeTrainer())
        place.board.start()
        record = await last_of(place.add("My Wave"))
        await place.close()
        return record, place.styles.names()[0], trainer.calls[0]["minutes"]

    record, first, minutes = run(story())
    assert (record["state"], record["message"]) == ("done", "learned after 3 steps")
    assert record["training"]["curve"] == [[1, 5.0], [2, 2.5], [3, 5.0 / 3]]
    assert record["training"]["style"] == first == "my_wave"
    assert record["training"]["preview"].startswith(f"api/jobs/{record['id']}/preview")
    assert minutes == 2
    assert (tmp_path / "styles" / "my_wave.safetensors").read_bytes() == b"style"
    assert (tmp_path / "styles" / "my_wave.jpg").read_bytes() == b"card"
    assert not list((tmp_path / "training").iterdir())


def test_two_trainings_run_one_after_the_other_and_too_many_are_refused(tmp_path):
    async def story():
        place = Place(tmp_path, FakeTrainer(), trainings=2)
        jobs = [place.add("One"), place.add("Two")]
        with pytest.raises(Refusal, match="2 trainings wait already"):
            place.add("Three")
        left = len(list((tmp_path / "training").iterdir()))
        place.board.start()
        states = [(await last_of(job))["state"] for job in jobs]
        await place.close()
        return states, left

    assert run(story()) == (["done", "done"], 2)


def test_stopping_keeps_what_there_is(tmp_path):
    async def story():
        place = Place(tmp_path, FakeTrainer(steps=10_000))
        place.board.start()
        job = place.add()
        while not job.done:
            await asyncio.sleep(0.01)
        place.trainings.stop(job)
        record = await last_of(job)
        with pytest.raises(Refusal):
            place.trainings.stop(job)
        await place.close()
        return record

    record = run(story())
    assert record["state"] == "done"
    assert (tmp_path / "styles" / "mine.safetensors").exists()


def test_cancelling_leaves_nothing_and_the_next_one_runs(tmp_path):
    async def story():
        place = Place(tmp_path, FakeTrainer(steps=10_000))
        place.board.start()
        job, following = place.add("One"), place.add("Two")
        while not job.done:
            await asyncio.sleep(0.01)
        place.board.cancel(job)
        assert (await last_of(job))["state"] == "cancelled"
        while following.state != "running":
            await asyncio.sleep(0.01)
        place.trainings.stop(following)
        assert (await last_of(following))["state"] == "done"
        await place.close()

    run(story())
    assert not list((tmp_path / "training").iterdir())
    assert Styles(tmp_path / "styles").names()[0] == "two"


def test_a_training_that_waits_is_cancelled_without_a_trace(tmp_path):
    async def story():
        place = Place(tmp_path, FakeTrainer())
        place.board.cancel(place.add())

    run(story())
    assert not list((tmp_path / "training").iterdir())


def test_a_process_that_dies_is_started_again_and_goes_on(tmp_path):
    async def story():
        place = Place(tmp_path, trainer := FakeTrainer(fails=[WorkerDied()]))
        place.board.start()
        record = await last_of(place.add())
        await place.close()
        return record["state"], len(trainer.calls)

    assert run(story()) == ("done", 2)


def test_a_training_that_fails_says_why_and_a_later_server_tries_again(tmp_path):
    async def first():
        place = Place(tmp_path, FakeTrainer(fails=[TaskError("Mine: cannot write: No space left", "TrainingError")]))
        place.board.start()
        record = await last_of(place.add())
        await place.close()
        return record

    async def second():
        place = Place(tmp_path, FakeTrainer())
        place.board.start()
        (job,) = place.board.list(None)
        record = await last_of(job)
        await place.close()
        return record

    failed = run(first())
    assert failed["state"] == "failed"
    assert failed["message"].startswith("Mine: cannot write: No space left; what is learned is kept")
    assert run(second())["state"] == "done"


def test_a_server_that_ends_leaves_the_training_to_the_next_one_under_the_same_id(tmp_path):
    async def first():
        place = Place(tmp_path, trainer := FakeTrainer(steps=10_000))
        place.board.start()
        job = place.add()
        while not job.done:
            await asyncio.sleep(0.01)
        await place.close()
        trainer.kill()
        return job.id

    async def second():
        place = Place(tmp_path, FakeTrainer())
        place.board.start()
        (job,) = place.board.list(None)
        record = await last_of(job)
        await place.close()
        return record

    id = run(first())
    record = run(second())
    assert (record["id"], record["state"]) == (id, "done")


def test_a_training_that_ends_every_server_is_given_up(tmp_path):
    async def story():
        for _ in range(6):
            Place(tmp_path, FakeTrainer())

    async def begin():
        Place(tmp_path, FakeTrainer()).add()

    run(begin())
    run(story())
    assert not list((tmp_path / "training").iterdir())


def test_foreign_folders_and_links_among_the_trainings_are_removed_and_not_followed(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "training.json").write_text(json.dumps({"id": "x", "title": "x", "kind": "style", "minutes": 1}))
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "x").symlink_to(other)
    (tmp_path / "training" / "y").mkdir()
    (tmp_path / "training" / "z.upload").write_text("x")

    async def story():
        assert Place(tmp_path, FakeTrainer()).board.list(None) == []

    run(story())
    assert not list((tmp_path / "training").iterdir())
    assert (other / "training.json").exists()


def test_a_curve_stays_short(tmp_path):
    async def story():
        place = Place(tmp_path, FakeTrainer())
        job = place.add()
        for step in range(1, 5000):
            values = {"step": step, "fraction": 0.1, "seconds_left": 1.0, "objective": 1.0, "message": None}
            place.trainings.progress(job, tmp_path, values)
        return job.training["curve"]

    curve = run(story())
    assert 100 < len(curve) <= 401
    assert (curve[0][0], curve[-1][0]) == (1, 4999)
    assert sorted(curve) == curve


@pytest.mark.parametrize(
    ("fields", "word"),
    [({"minutes": "0"}, "minutes must be"), ({"minutes": "long"}, "minutes must be"), ({"kind": "x"}, "kind must be")],
)
def test_a_request_that_makes_no_sense_is_refused_and_leaves_nothing(server, client, fields, word):
    pytest.importorskip("torch")
    answer = client.post("/api/train", data={"name": "x", **fields}, files={"file": ("a.png", b"x")})
    assert answer.status_code == 422
    assert word in answer.json()["error"]
    assert not list((server.folder / "training").iterdir())


@pytest.mark.slow
def test_a_style_is_learnt_in_the_page_and_paints(tmp_path, photo_folder):
    pytest.importorskip("torch")
    import io

    from tests.web.conftest import start
    from tests.web.test_jobs_of_photos import ended
    from tests.web.test_pictures import upload

    Image.fromarray(make_photo(5)).resize((256, 256)).save(tmp_path / "style.png")
    Image.fromarray(make_photo(0)).save(tmp_path / "photo.png")
    running = start(tmp_path / "page")
    running.page.trainings.options |= {"steps": 2, "content": str(photo_folder), "threads": 1}
    try:
        with running.client() as client:
            client.timeout = 600
            data = (tmp_path / "style.png").read_bytes()
            answer = client.post("/api/train", data={"name": "Stripes"}, files={"file": ("s.png", data)})
            record = ended(client, answer.json()["job"])
            assert record["state"] == "done", record
            assert record["training"]["style"] == "stripes"
            photo = upload(client, tmp_path / "photo.png")["id"]
            options = {"styles": {"stripes": 1, "udnie": 1}}
            painted = client.post("/api/preview", json={"photo": photo, **options})
            assert Image.open(io.BytesIO(painted.content)).size == make_photo(0).shape[1::-1]
            assert client.get("/api/styles/stripes/file?kind=style").content[8:9] == b"{"
    finally:
        running.end()
    assert threading.active_count() < 50
