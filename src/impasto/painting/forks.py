"""Makes forking safe: a lock that an engine holds during a fork would stay locked in the child process."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

TASKS = Path("/proc/self/task")
"""The folder in which Linux lists the threads of this process."""
MOST_SECONDS = 1.0


def wait_for_workers() -> None:
    """Wait until the engines' threads sleep, for at most a second.

    For some microseconds after a call they still hold locks, on which OpenVINO would hang in the forked process.
    """
    if not TASKS.exists():
        return
    deadline, asleep = time.monotonic() + MOST_SECONDS, 0
    ours = {str(thread.native_id) for thread in threading.enumerate()}
    while asleep < 3 and time.monotonic() < deadline:  # three observations: not merely waiting for a lock
        asleep = asleep + 1 if all(_is_asleep(task) for task in TASKS.iterdir() if task.name not in ours) else 0
        time.sleep(0.001)


def _is_asleep(task: Path) -> bool:
    try:
        state = (task / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):  # the thread has ended
        return True
    return state == "S"


class ForkGate:
    """Delays forks while any thread is inside a `passage`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._closed = False

    @contextlib.contextmanager
    def passage(self) -> Iterator[None]:
        """A context in which the process must not fork. Any number of threads may be inside at the same time."""
        with self._changed:
            self._changed.wait_for(lambda: not self._closed)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def guard_forks(self, in_child: Callable[[], None]) -> None:
        """Delay forks from now on, and call ``in_child`` in each forked process. Call this once."""
        if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork

            def in_forked() -> None:
                self._open()
                in_child()

            os.register_at_fork(before=self._close, after_in_parent=self._open, after_in_child=in_forked)

    def _close(self) -> None:
        self._changed.acquire()  # held until the fork is done
        self._closed = True
        self._changed.wait_for(lambda: self._inside == 0)
        wait_for_workers()

    def _open(self) -> None:
        self._closed = False
        self._changed.notify_all()
        self._changed.release()
