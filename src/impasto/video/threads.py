"""Background threads: one decodes frames ahead of the painter, one encodes them behind it."""

import queue
import threading
from collections.abc import Iterator

from impasto.video.clip import Frame, Writer

AHEAD = 4
"""Capacity of the queue between decoding and painting, and of that between painting and encoding, in frames."""


class Ahead:
    """An iterable of frames, which a background thread decodes in advance.

    Iterating re-raises an error of the decoder.
    """

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
        """End the thread. Frames in the queue are discarded."""
        self._stopped.set()
        self._thread.join()


class Behind:
    """A queue of frames, which a background thread passes to a writer."""

    def __init__(self, writer: Writer) -> None:
        self._queue: queue.Queue[Frame | None] = queue.Queue(AHEAD)
        self._writer = writer
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self) -> None:
        while (frame := self._queue.get()) is not None:
            if self._error is not None:
                continue  # after an error, the remaining frames are discarded
            try:
                self._writer.write(frame)
            except BaseException as error:
                self._error = error

    def put(self, frame: Frame) -> None:
        """Queue a frame. If the writer failed on an earlier frame, its error is raised here."""
        if self._error is not None:
            raise self._error
        self._queue.put(frame)

    def close(self) -> None:
        """Wait until all frames are written. If the writer failed, its error is raised."""
        self.stop()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Write the queued frames and end the thread. Errors are not raised."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
