"""Trainings: they run one at a time, and survive the end of the server."""

import asyncio
import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from impasto.errors import ImpastoError
from impasto.files import replacing
from impasto.models.records import RecordError, from_json, to_json
from impasto.web.jobs import Board, Job
from impasto.web.limits import Refusal
from impasto.web.sessions import new_id
from impasto.web.styles import SUFFIXES, Kind, Styles, safe_file
from impasto.web.worker import Reply, WorkerDied

RECORD, PICTURE, CARD = "training.json", "picture", "card.jpg"
MOST_POINTS = 400
"""Number of points of a curve; beyond it every other one is left out."""
MOST_STARTS = 3
"""A training is begun at most this often: by one server, if its process ends by itself, and by later servers."""


class Trainer(Protocol):
    """Runs the task `learn`: a :class:`impasto.web.worker.Worker`."""

    async def call(
        self,
        task: str,
        arguments: dict[str, Any],
        block: bytes = b"",
        *,
        on_event: Callable[[dict[str, Any]], None] = lambda event: None,
    ) -> Reply | None:
        """Run a task."""

    def stop(self) -> None:
        """Ask it to end early, with what there is."""

    def kill(self) -> None:
        """End it at once."""


@dataclass(frozen=True)
class Training:
    """What is to be learned; stored beside its picture.

    Attributes:
        id: The id of its job.
        title: The name of the style.
        kind: A style file for the shared network, or a model file.
        minutes: Time to learn.
        options: Other arguments of :func:`impasto.train`.
        starts: How many servers have begun it.
    """

    id: str
    title: str
    kind: Kind
    minutes: float
    options: dict[str, Any] = field(default_factory=dict)
    starts: int = 1


class Trainings:
    """The trainings of a server.

    Args:
        folder: An existing folder of our own, with one folder for each training.
        board: Where their jobs are queued.
        styles: Where the results go.
        closing: Set when the server ends; a training is then continued by the next one.
    """

    def __init__(self, folder: Path, board: Board, styles: Styles, closing: asyncio.Event) -> None:
        self._folder = folder
        self._board = board
        self._styles = styles
        self._closing = closing
        self._trainer: Trainer | None = None
        self.options: dict[str, Any] = {}
        """Other arguments of :func:`impasto.train`, for every training that is added."""

    def resume(self, trainer: Trainer) -> None:
        """Queue the trainings that an earlier server did not end; ``trainer`` runs all of them."""
        self._trainer = trainer
        for folder in sorted(self._folder.iterdir()):
            training = _read(folder)
            if training is None or training.starts >= MOST_STARTS:
                _remove(folder)
                continue
            training = replace(training, starts=training.starts + 1)
            with contextlib.suppress(ImpastoError, Refusal):
                _write(folder, training)
                self._queue(training, f"{training.title}: goes on after the server was started again")

    def add(self, title: str, kind: Kind, minutes: float, picture: Path, card: bytes) -> Job:
        """Queue a training. The picture's file is moved; ``card`` is a JPEG of it, which stays with the style.

        Raises:
            Refusal: Too many wait already, or the disk is full.
        """
        training = Training(new_id(), title, kind, minutes, self.options)
        folder = self._folder / training.id
        try:
            folder.mkdir(mode=0o700)
            shutil.move(picture, folder / PICTURE)
            (folder / CARD).write_bytes(card)
            _write(folder, training)
            return self._queue(training, title)
        except (OSError, ImpastoError) as error:
            _remove(folder)
            raise Refusal(503, f"cannot store the picture: {error}; free some space on the disk") from None
        except Refusal:
            _remove(folder)
            raise

    def stop(self, job: Job) -> None:
        """End a training now, and keep what there is."""
        if job.kind != "train" or job.has_ended:
            raise Refusal(409, "this is not a training that runs or waits")
        if job.state == "queued" or self._trainer is None:
            self._board.cancel(job)
        else:
            job.changed(message="stopping: the style is being written")
            self._trainer.stop()

    def preview(self, job: Job) -> Path:
        """The contact sheet of a training; raises Refusal if there is none yet."""
        path = _preview(self._folder / job.id)
        if path is None:
            raise Refusal(404, "there is no preview yet: the first comes after a minute")
        return safe_file(path, "the preview")

    def _queue(self, training: Training, message: str) -> Job:
        job = Job("train", 1, None, lambda job: self._work(job, training), self._cancelled, id=training.id)
        job.message = message
        job.training = {"title": training.title, "minutes": training.minutes, "step": 0, "fraction": 0.0, "curve": []}
        job.training |= {"preview": None, "style": None}
        return self._board.add(job)

    def _cancelled(self, job: Job) -> None:
        if job.settled:
            _remove(self._folder / job.id)
        elif self._trainer is not None:
            self._trainer.kill()

    async def _work(self, job: Job, training: Training) -> None:
        folder = self._folder / training.id
        try:
            await self._learn(job, training)
        except Exception as error:
            if self._closing.is_set():  # the next server goes on
                return
            if job.state == "running" and any(folder.glob("*.run/checkpoint.pt")):
                raise Refusal(
                    500, f"{error}; what is learned is kept, and goes on when the server is started again"
                ) from None
            _remove(folder)
            raise
        _remove(folder)

    async def _learn(self, job: Job, training: Training) -> None:
        """Run a training to its end, and add its style."""
        assert self._trainer is not None
        folder = self._folder / training.id
        output = folder / f"style{SUFFIXES[training.kind]}"
        picture = safe_file(folder / PICTURE, "this training")
        wanted: dict[str, Any] = {"picture": str(picture), "output": str(output), "options": training.options}
        wanted |= {"title": training.title, "minutes": training.minutes}
        job.changed(message="preparing")
        for start in range(MOST_STARTS):
            try:
                reply = await self._trainer.call(
                    "learn", wanted, on_event=lambda event: self.progress(job, folder, event)
                )
                break
            except WorkerDied:
                if self._closing.is_set() or job.state != "running" or start == MOST_STARTS - 1:
                    raise
                job.changed(message="the training process ended (perhaps there was not enough memory); it goes on")
        if job.state != "running" or reply is None:
            return
        name = self._styles.add(training.title, training.kind, output, folder / CARD)
        assert job.training is not None
        job.training["style"] = name
        job.changed(message=reply.values["message"], done=1, seconds_left=None)

    def progress(self, job: Job, folder: Path, event: dict[str, Any]) -> None:
        """Note an event of the task `learn`."""
        assert job.training is not None
        curve = job.training["curve"]
        if event["step"] and (not curve or event["step"] > curve[-1][0]):
            curve.append([event["step"], event["objective"]])
        if len(curve) > MOST_POINTS:
            del curve[1:-1:2]
        path = _preview(folder)
        if path is not None:
            job.training["preview"] = f"api/jobs/{job.id}/preview?v={path.stat().st_mtime_ns}"
        job.training |= {"step": event["step"], "fraction": event["fraction"]}
        job.changed(
            done=event["fraction"],
            seconds_left=event["seconds_left"],
            message=event["message"] or job.training["title"],
        )


def _write(folder: Path, training: Training) -> None:
    with replacing(folder / RECORD, ImpastoError) as part:
        part.write_text(to_json(training), encoding="utf-8")


def _preview(folder: Path) -> Path | None:
    return next(iter(folder.glob("*.run/preview.jpg")), None)


def _read(folder: Path) -> Training | None:
    """The training in a folder; None if there is none."""
    try:
        if folder.is_symlink():
            return None
        training = from_json(Training, safe_file(folder / RECORD, "it").read_text(encoding="utf-8"))
        return training if training.id == folder.name else None
    except (OSError, ValueError, RecordError, Refusal):
        return None


def _remove(folder: Path) -> None:
    with contextlib.suppress(OSError):
        if folder.is_symlink() or not folder.is_dir():
            folder.unlink()
        else:
            shutil.rmtree(folder)
