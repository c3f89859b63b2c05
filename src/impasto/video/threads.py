"""Threads that decode ahead of the painter, and encode behind it."""

import queue
import threading
from collections.abc import Iterator

from impasto.video.clip import Frame, Writer

AHEAD = 4
"""Frames that wait between decoding and painting, and between painting and encoding."""


class Ahead:
    """Frames decoded by a thread of their own, a few ahead of who iterates."""

    def __init__(self, frames: Iterator[Frame]) -> None:
        self._queue: queue.Queue[Frame | BaseException | None] = queue.Queue(AHEAD)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(frames,), daemon=True)
        self._thread.start()

    def _read(self, frames: Iterator[Frame]) -> None:
        try:
            for frame in frames:
                if not self._offer(frame):
                    return
            self._offer(None)
        except BaseException as error:
            self._offer(error)

    def _offer(self, item: Frame | BaseException | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def __iter__(self) -> Iterator[Frame]:
        while (item := self._queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def stop(self) -> None:
        """End the thread; nothing is decoded after this."""
        self._stopped.set()
        self._thread.join()


class Behind:
    """Frames handed to a writer by a thread of its own."""

    def __init__(self, writer: Writer) -> None:
        self._queue: queue.Queue[Frame | None] = queue.Queue(AHEAD)
        self._writer = writer
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self) -> None:
        while (frame := self._queue.get()) is not None:
            if self._error is not None:
                continue  # what waits is thrown away
            try:
                self._writer.write(frame)
            except BaseException as error:
                self._error = error

    def put(self, frame: Frame) -> None:
        """Hand over a frame; raises what the writer raised at an earlier one."""
        if self._error is not None:
            raise self._error
        self._queue.put(frame)

    def close(self) -> None:
        """Wait until all is written; raises what the writer raised."""
        self.stop()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """End the thread after the frames that wait."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
