"""What the requests of one server share: sessions, styles, workers and jobs."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.requests import HTTPConnection, Request

from impasto.web.jobs import Board, Job
from impasto.web.limits import Limits, Refusal
from impasto.web.sessions import COOKIE, Session, Sessions, is_cookie
from impasto.web.styles import Styles
from impasto.web.trainings import Trainings
from impasto.web.worker import Reply, TaskError, Worker

JANITOR_SECONDS = 60.0
NEW_SESSION = "impasto.cookie"
"""Where a request's scope holds the cookie of a session that it began."""
STATUS = {"ImageError": 422, "UsageError": 422, "VideoError": 422, "ModelError": 409, "BackendError": 503}
"""The HTTP status of each kind of error of a task; 503 for others that the server may recover from, 500 for bugs."""


class Page:
    """The state of one server.

    Args:
        folder: A folder of our own: styles that were learned, trainings, and the files of sessions. It is made.
        limits: The limits.
        verbose: Whether workers print tracebacks.
    """

    def __init__(self, folder: Path, limits: Limits, *, verbose: bool = False) -> None:
        self.limits = limits
        self.folder = folder
        self.closing = asyncio.Event()
        """Set when the server ends."""
        for name in ("sessions", "styles", "training"):
            place = folder / name
            if place.is_symlink():
                place.unlink()
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.sessions = Sessions(folder / "sessions", limits, self._has_jobs)
        self.styles = Styles(folder / "styles")
        self.board = Board(limits, self._remember)
        self.painter = Worker(verbose=verbose)
        """Paints what somebody waits for."""
        self.background = Worker(background=True, verbose=verbose)
        """Paints jobs."""
        self.trainer = Worker(background=True, verbose=verbose)
        self.trainings = Trainings(folder / "training", self.board, self.styles, self.closing)
        self.cameras = 0
        self.examples: dict[str, bytes] = {}
        self._janitor: asyncio.Task[None] | None = None
        self._warming: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to run jobs and to delete idle sessions."""
        for session, records in self.sessions.revived():
            self.board.revive(session, records)
        self.trainings.resume(self.trainer)
        self.board.start()
        self._janitor = asyncio.create_task(self._clean())

    async def close(self) -> None:
        """End all processes, and delete all sessions."""
        self.closing.set()
        if self._janitor is not None:
            self._janitor.cancel()
        await self.board.close()
        await asyncio.gather(*(worker.close() for worker in (self.painter, self.background, self.trainer)))
        self.sessions.close()

    async def _clean(self) -> None:
        while True:
            await asyncio.sleep(JANITOR_SECONDS)
            for session in self.sessions.idle():
                self.delete(session)

    def _has_jobs(self, session: Session) -> bool:
        return any(job.session == session.key and not job.has_ended for job in self.board.list(session.key))

    def remember(self, session: Session) -> None:
        """Write down what a session holds, so that it survives a server that is killed."""
        self.sessions.save(session, [job.record() for job in self.board.list(session.key) if job.session])

    def _remember(self, job: Job) -> None:
        session = self.sessions.of_key(job.session)
        if session is not None:
            self.remember(session)

    def delete(self, session: Session) -> None:
        """Delete a session, with its jobs and files."""
        self.board.forget(session.key)
        self.sessions.delete(session)

    def warm(self) -> None:
        """Load the network that paints previews, before the first photo comes."""
        if self.painter.pid is None and self._warming is None:
            self._warming = asyncio.ensure_future(self._warm())

    async def _warm(self) -> None:
        with contextlib.suppress(TaskError):
            await self.painter.call("warm", {"variant": "best"}, priority=9)
        self._warming = None

    async def ask(
        self,
        task: str,
        arguments: dict[str, Any],
        block: bytes = b"",
        *,
        priority: int = 1,
        wanted: Callable[[], bool] = lambda: True,
    ) -> Reply:
        """Run a task that somebody waits for.

        Raises:
            Refusal: It failed, too many wait, or it is not wanted any more.
        """
        if self.painter.waiting >= self.limits.waiting:
            raise Refusal(503, f"{self.painter.waiting} pictures wait to be painted already: try again soon")
        try:
            reply = await self.painter.call(task, arguments, block, priority=priority, wanted=wanted)
        except TaskError as error:
            raise refusal_of(error) from None
        if reply is None:
            raise Refusal(409, "superseded")
        return reply


def refusal_of(error: TaskError) -> Refusal:
    """The answer to a request whose task failed."""
    return Refusal(STATUS.get(error.kind, 500 if error.kind == "bug" else 503), str(error))


def page_of(connection: HTTPConnection) -> Page:
    """The server's state."""
    page: Page = connection.scope["impasto.page"]
    return page


def found_session(connection: HTTPConnection) -> Session | None:
    """The session of a request, if it has stored anything."""
    cookie = connection.cookies.get(COOKIE)
    return page_of(connection).sessions.find(cookie) if is_cookie(cookie) else None


def session_of(request: Request) -> Session:
    """The session of a request. Without a valid cookie a new one is made, which the guard sends."""
    cookie = request.cookies.get(COOKIE)
    if cookie is None or not is_cookie(cookie):
        cookie = request.scope.setdefault(NEW_SESSION, secrets.token_urlsafe(32))
    return page_of(request).sessions.open(cookie)


def known_session(request: HTTPConnection) -> Session:
    """The session of a request; raises Refusal if it has stored nothing."""
    session = found_session(request)
    if session is None:
        raise Refusal(404, "this session holds nothing; it was deleted, or the server was started again")
    return session
