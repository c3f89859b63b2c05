"""Jobs: long work in the background, with progress, one after another."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from impasto.web.limits import Limits, Refusal
from impasto.web.sessions import Result, Session, new_id
from impasto.web.worker import TaskError

_log = logging.getLogger(__name__)

State = Literal["queued", "running", "done", "failed", "cancelled"]
MOST_KEPT = 200
"""Number of jobs that are remembered; the oldest that have ended are forgotten."""
PING_SECONDS = 15.0


@dataclass
class Job:
    """One job.

    Attributes:
        kind: What it does.
        total: Number of pictures, frames or steps; 0 if unknown.
        session: Key of the session that owns it; None for one that everybody sees.
        work: Does it. It changes the job and calls :meth:`changed`.
        cancelled: Called when it is cancelled.
        id: Its name in the interface.
    """

    kind: Literal["paint", "train", "video"]
    total: int
    session: str | None
    work: Callable[["Job"], Awaitable[None]]
    cancelled: Callable[["Job"], None] = lambda job: None
    id: str = field(default_factory=new_id)
    state: State = "queued"
    done: float = 0
    message: str = ""
    seconds_left: float | None = None
    results: list[Result] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)
    training: dict[str, Any] | None = None
    begun: float | None = None
    settled: bool = False
    """Whether the work has ended; after cancelling, it may still write what there is."""
    version: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event, init=False, repr=False)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens."""
        return self.state in ("done", "failed", "cancelled")

    def changed(self, **values: Any) -> None:
        """Set attributes, and tell everybody who follows the job."""
        for name, value in values.items():
            setattr(self, name, value)
        self.version += 1
        self._news.set()
        self._news = asyncio.Event()

    def progressed(self, done: float) -> None:
        """Set how much is done, and estimate the rest."""
        left = None
        if self.begun is not None and done and self.total:
            left = (time.monotonic() - self.begun) / done * (self.total - done)
        self.changed(done=done, seconds_left=left)

    def record(self) -> dict[str, Any]:
        """What the interface says of it."""
        record = {
            **{name: getattr(self, name) for name in ("id", "kind", "state", "done", "total", "message", "failures")},
            "seconds_left": None if self.seconds_left is None or self.has_ended else round(self.seconds_left, 1),
            "results": [result.record() for result in self.results],
        }
        return record if self.training is None else {**record, "training": self.training}

    async def follow(self) -> AsyncIterator[dict[str, Any] | None]:
        """The record now and after each change, until the job ends; None now and then where nothing happens."""
        seen = -1
        while True:
            if self.version != seen:
                seen = self.version
                ended = self.has_ended and self.settled
                yield self.record()
                if ended:
                    return
            else:
                try:
                    await asyncio.wait_for(self._news.wait(), PING_SECONDS)
                except TimeoutError:
                    yield None


async def _nothing(job: Job) -> None:
    """The work of a job that has ended."""


class Board:
    """All jobs. Those of one queue run one after another.

    Args:
        limits: The limits of the server.
        remember: Called when a job begins or ends, and when it has a new result.
    """

    def __init__(self, limits: Limits, remember: Callable[[Job], None] = lambda job: None) -> None:
        self._limits = limits
        self._remember = remember
        self._jobs: dict[str, Job] = {}
        self._queues: dict[str, deque[Job]] = {"paint": deque(), "train": deque()}
        self._added = {name: asyncio.Event() for name in self._queues}
        self._runners: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to run jobs."""
        self._runners = [asyncio.create_task(self._run(name)) for name in self._queues]

    async def close(self) -> None:
        """Stop running jobs."""
        for runner in self._runners:
            runner.cancel()
        await asyncio.gather(*self._runners, return_exceptions=True)

    def add(self, job: Job) -> Job:
        """Queue a job.

        Raises:
            Refusal: Too many wait already.
        """
        queue = "train" if job.kind == "train" else "paint"
        active = [
            other
            for other in self._jobs.values()
            if not other.has_ended and (other.kind == "train") == (queue == "train")
        ]
        own = sum(other.session == job.session for other in active)
        if queue == "train" and len(active) >= self._limits.trainings:
            raise Refusal(429, f"{len(active)} trainings wait already: wait for one to end, or cancel one")
        if queue == "paint" and own >= self._limits.jobs:
            raise Refusal(429, f"{own} jobs wait already: wait for one to end, or cancel one")
        if queue == "paint" and len(active) >= self._limits.all_jobs:
            raise Refusal(503, f"{len(active)} jobs of all users wait already: try again later")
        self._jobs[job.id] = job
        ended = [other.id for other in self._jobs.values() if other.has_ended]
        for id in ended[: max(0, len(ended) - MOST_KEPT)]:
            del self._jobs[id]
        self._queues[queue].append(job)
        self._added[queue].set()
        self._remember(job)
        return job

    def add_result(self, job: Job, result: Result) -> None:
        """A job has made a result."""
        job.results.append(result)
        self._remember(job)

    def revive(self, session: Session, records: list[dict[str, Any]]) -> None:
        """Take over the jobs of a session from an earlier server; those that ran then have failed."""
        for record in records:
            done = [session.results[found["id"]] for found in record["results"] if found["id"] in session.results]
            job = Job(record["kind"], record["total"], session.key, _nothing, id=record["id"], state=record["state"])
            job.done, job.message, job.failures = record["done"], record["message"], record["failures"]
            job.results, job.settled = done, True
            if not job.has_ended:
                kept = "; what was painted before is kept" if done else ""
                job.state, job.message = "failed", f"the server ended while this job ran{kept}; start it again"
            self._jobs[job.id] = job

    def list(self, session: str | None) -> list[Job]:
        """The jobs that a session sees, oldest first."""
        return [job for job in self._jobs.values() if job.session is None or job.session == session]

    def find(self, id: str, session: str | None) -> Job:
        """A job that a session sees; raises Refusal if there is none."""
        job = self._jobs.get(id)
        if job is None or (job.session is not None and job.session != session):
            raise Refusal(404, "there is no such job; it was deleted, or the server was started again in between")
        return job

    def cancel(self, job: Job) -> None:
        """Cancel a job; what is done stays."""
        if job.has_ended:
            return
        running = job.state == "running"
        if job in (queue := self._queues["train" if job.kind == "train" else "paint"]):
            queue.remove(job)
        job.changed(state="cancelled", message="cancelled", settled=not running)
        job.cancelled(job)
        self._remember(job)

    def forget(self, session: str) -> None:
        """Cancel and forget all jobs of a session."""
        for job in [job for job in self._jobs.values() if job.session == session]:
            self.cancel(job)
            del self._jobs[job.id]

    async def _run(self, name: str) -> None:
        queue, added = self._queues[name], self._added[name]
        while True:
            added.clear()
            while queue:
                job = queue.popleft()
                job.changed(state="running", begun=time.monotonic(), message="")
                self._remember(job)
                try:
                    await job.work(job)
                except (TaskError, Refusal) as error:
                    if job.state == "running":
                        job.changed(state="failed", message=str(error))
                except Exception as error:
                    _log.error("impasto: a job failed: %r", error)
                    job.changed(state="failed", message="an internal error, which the terminal names")
                if job.state == "running":
                    lost = job.failures and not job.results
                    job.changed(state="failed" if lost else "done", seconds_left=None)
                job.changed(settled=True)
                self._remember(job)
            await added.wait()
