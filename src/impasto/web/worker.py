"""A worker process, seen from the server: it paints, so that the server keeps answering and can end what it began."""

import asyncio
import contextlib
import heapq
import itertools
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from impasto.web.child import HEAD, packed

BEHIND = 5
"""How much nicer than the server a background process is."""
IDLE_SECONDS = 600.0
"""A process without work ends after this time, and its memory is free."""


class Reply(NamedTuple):
    """The result of a task."""

    values: dict[str, Any]
    block: bytes


class TaskError(Exception):
    """A task failed. ``kind`` is as of :func:`impasto.web.failures.kind_of`."""

    def __init__(self, text: str, kind: str) -> None:
        super().__init__(text)
        self.kind = kind


class WorkerDied(TaskError):
    """The process ended in the middle of a task: it was killed, ran out of memory, or crashed."""

    def __init__(self) -> None:
        super().__init__("the painting process ended; it is started again", "WorkerDied")


class Worker:
    """One process, which runs one task at a time. It starts with the first task, and again after its death.

    Args:
        background: Whether it leaves the processor to others.
        verbose: Whether it prints tracebacks.
        idle_seconds: It ends after this time without a task.
    """

    def __init__(self, *, background: bool = False, verbose: bool = False, idle_seconds: float = IDLE_SECONDS) -> None:
        self._background = background
        self._verbose = verbose
        self._idle_seconds = idle_seconds
        self._process: asyncio.subprocess.Process | None = None
        self._numbers = itertools.count(1)
        self._running: int | None = None
        self._asked = 0
        """Number of the task that was asked to end early."""
        self._doomed = 0
        """Number of the task that is to be killed."""
        self._turns = _Turns()
        self._timer: asyncio.TimerHandle | None = None
        self._calls: set[asyncio.Task[Reply | None]] = set()
        self._endings: set[asyncio.Task[int]] = set()
        self._closed = False
        self.starts = 0

    @property
    def waiting(self) -> int:
        """The number of tasks that wait for their turn."""
        return self._turns.waiting

    @property
    def pid(self) -> int | None:
        """The process; None while there is none."""
        return None if self._process is None else self._process.pid

    async def call(
        self,
        task: str,
        arguments: dict[str, Any],
        block: bytes = b"",
        *,
        priority: int = 1,
        wanted: Callable[[], bool] = lambda: True,
        on_event: Callable[[dict[str, Any]], None] = lambda event: None,
    ) -> Reply | None:
        """Run a task; see :class:`impasto.web.tasks.Tasks`.

        Args:
            task: Its name.
            arguments: Its arguments.
            block: Bytes for it.
            priority: Of the tasks that wait, the lowest number is next.
            wanted: Asked when its turn comes; False leaves the task out.
            on_event: Called with every event that the task reports.

        Returns:
            The result, or None if it was not wanted any more.

        Raises:
            TaskError: The task failed.
            WorkerDied: The process ended.
        """
        given_up = False

        async def whole() -> Reply | None:
            async with self._turns.turn(priority):
                return None if given_up or not wanted() else await self._exchange(task, arguments, block, on_event)

        running = asyncio.ensure_future(whole())
        self._calls.add(running)
        running.add_done_callback(self._ended)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:  # nobody waits for the answer any more; it is read nevertheless
            given_up = True
            raise

    def _ended(self, call: "asyncio.Task[Reply | None]") -> None:
        self._calls.discard(call)
        if not call.cancelled():
            call.exception()  # has been seen, if anybody waited

    async def _exchange(
        self, task: str, arguments: dict[str, Any], block: bytes, on_event: Callable[[dict[str, Any]], None]
    ) -> Reply:
        if self._timer is not None:
            self._timer.cancel()
        number = self._running = next(self._numbers)
        try:
            process = await self._started()
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(packed({"number": number, "task": task, "arguments": arguments}, block))
            if self._asked == number:  # while the process started
                self.stop()
            if self._doomed == number:
                self.kill()
            await process.stdin.drain()
            while True:
                head = await process.stdout.readexactly(HEAD.size)
                text_size, block_size = HEAD.unpack(head)
                message, found = await _read(process.stdout, text_size, block_size)
                if "event" in message:
                    on_event(message["event"])
                elif "error" in message:
                    raise TaskError(message["error"], message["kind"])
                else:
                    return Reply(message["result"], found)
        except TaskError:
            raise
        except (asyncio.IncompleteReadError, OSError):
            await self._forget()
            raise WorkerDied from None
        except BaseException:  # what is still to be read would be taken for the answer to the next task
            self.kill()
            raise
        finally:
            self._running = None
            self._timer = asyncio.get_running_loop().call_later(self._idle_seconds, self.kill)

    def stop(self) -> None:
        """Ask the running task to end early, with what it has."""
        if self._running is None:
            return
        self._asked = self._running
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.write(packed({"stop": self._running}))

    def kill(self) -> None:
        """End the process at once. The next task starts another."""
        self._doomed = self._running or 0
        process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            if self._running is None:
                self._process = None
                ending = asyncio.ensure_future(process.wait())
                self._endings.add(ending)
                ending.add_done_callback(self._endings.discard)

    async def close(self) -> None:
        """End the process for good."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._process is not None:
            self.kill()
        unfinished = [*self._calls, *self._endings]
        if unfinished:
            await asyncio.wait(unfinished, timeout=5)

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        if self._closed:
            raise WorkerDied
        words = [sys.executable, "-P", "-m", "impasto.web.child", *(["--verbose"] if self._verbose else [])]
        source = str(Path(__file__).parents[2])  # the same package, wherever it is
        paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = await asyncio.create_subprocess_exec(
            *words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,  # Ctrl-C in the terminal is for the server, which ends it
        )
        self.starts += 1
        if self._background and hasattr(os, "setpriority"):
            with contextlib.suppress(OSError):
                own_niceness = os.getpriority(os.PRIO_PROCESS, 0)
                os.setpriority(os.PRIO_PROCESS, self._process.pid, min(19, own_niceness + BEHIND))
        return self._process

    async def _forget(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            await process.wait()


async def _read(stream: asyncio.StreamReader, text_size: int, block_size: int) -> tuple[dict[str, Any], bytes]:
    text = await stream.readexactly(text_size)
    return json.loads(text), await stream.readexactly(block_size)


class _Turns:
    """Lets one caller in at a time: those with the lowest priority number first, then in order."""

    def __init__(self) -> None:
        self._busy = False
        self._queue: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    @property
    def waiting(self) -> int:
        return len(self._queue)

    @asynccontextmanager
    async def turn(self, priority: int) -> AsyncIterator[None]:
        """Wait for the turn, and keep it within the block."""
        if self._busy:
            mine = asyncio.get_running_loop().create_future()
            heapq.heappush(self._queue, (priority, next(self._numbers), mine))
            try:
                await mine
            except asyncio.CancelledError:
                if mine.done() and not mine.cancelled():
                    self._pass_on()
                raise
        self._busy = True
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        self._busy = False
        while self._queue:
            _, _, following = heapq.heappop(self._queue)
            if not following.done():
                self._busy = True
                following.set_result(None)
                return
