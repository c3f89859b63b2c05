"""Background threads: one decodes and prepares frames ahead of the painter, one finishes and encodes them behind it."""

import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

AHEAD = 4
"""Capacity of the queue between decoding and painting, and of that between painting and encoding, in frames."""


@contextmanager
def usual_scheduling() -> Iterator[None]:
    """Take back the real-time priority that the code within gives this process's threads.

    The encoder SVT-AV1, run by root on Linux, gives it to the thread that opens it and to its own threads. Threads and
    processes that these start inherit it, and then keep all other processes off their cores.
    """
    before = real_time_threads()
    try:
        yield
    finally:
        for thread in real_time_threads() - before:
            with suppress(OSError):  # it has ended
                os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))


def real_time_threads() -> set[int]:
    """The ids of this process's threads with real-time priority; none where the system is not Linux."""
    found = set()
    with suppress(OSError, AttributeError):
        for thread in (int(task.name) for task in Path("/proc/self/task").iterdir()):
            with suppress(ProcessLookupError):
                if os.sched_getscheduler(thread) in (os.SCHED_FIFO, os.SCHED_RR):
                    found.add(thread)
    return found


class Ahead(Generic[T]):
    """An iterable of items, which a background thread computes in advance.

    Iterating re-raises an error of the thread.
    """

    def __init__(self, items: Iterator[T]) -> None:
        self._queue: queue.Queue[T | BaseException | None] = queue.Queue(AHEAD)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(items,), daemon=True)
        self._thread.start()

    def _read(self, items: Iterator[T]) -> None:
        try:
            for item in items:
                if not self._offer(item):
                    return
            self._offer(None)
        except BaseException as error:
            self._offer(error)

    def _offer(self, item: T | BaseException | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def __iter__(self) -> Iterator[T]:
        while (item := self._queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def stop(self) -> None:
        """End the thread. Frames in the queue are discarded."""
        self._stopped.set()
        self._thread.join()


class Behind(Generic[T]):
    """A queue of items, which a background thread passes to a function in order.

    Args:
        consume: The function.
    """

    def __init__(self, consume: Callable[[T], None]) -> None:
        self._queue: queue.Queue[T | None] = queue.Queue(AHEAD)
        self._consume = consume
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._error is not None:
                continue  # after an error, the remaining items are discarded
            try:
                self._consume(item)
            except BaseException as error:
                self._error = error

    def put(self, item: T) -> None:
        """Queue an item. If the function failed on an earlier one, its error is raised here."""
        if self._error is not None:
            raise self._error
        self._queue.put(item)

    def close(self) -> None:
        """Wait until all items are consumed. If the function failed, its error is raised."""
        self.stop()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Consume the queued items and end the thread. Errors are not raised."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
