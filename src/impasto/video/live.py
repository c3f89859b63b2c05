"""Live painting: always paints the newest frame and drops frames that arrive while another one is painted."""

import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from impasto.errors import ImpastoError
from impasto.painting.settings import Settings
from impasto.painting.stylizer import Stylizer
from impasto.video.clip import Pixels
from impasto.video.steady import Steady

SMOOTHING = 0.9
"""Weight of the earlier values in the running means of rate and latency."""


@dataclass(frozen=True)
class LiveFrame:
    """A painted frame.

    Attributes:
        number: Index of the submitted frame, from 0.
        source: The submitted frame, uint8 (H, W, 3).
        painted: The painted frame, of the same shape and dtype.
        latency: Seconds from submission to the end of painting.
    """

    number: int
    source: Pixels
    painted: Pixels
    latency: float


@dataclass(frozen=True)
class LiveRate:
    """The throughput of a live stream.

    Attributes:
        rate: Painted frames per second, running mean.
        latency: Seconds from submission to the end of painting, running mean.
        received: Number of submitted frames.
        dropped: Number of frames that a newer one replaced before they were painted.
    """

    rate: float
    latency: float
    received: int
    dropped: int


class Live:
    """Paints a stream of frames in a background thread. At most one frame waits; a newer frame replaces it.

    Args:
        stylizer: Paints each frame.
        settings: How the style is applied; None for the defaults.
        steady: See :class:`impasto.video.steady.Steady`.
        use_flow: See :class:`impasto.video.steady.Steady`.
    """

    def __init__(
        self, stylizer: Stylizer, settings: Settings | None = None, *, steady: float = 0.5, use_flow: bool | None = None
    ) -> None:
        self._steady = Steady(stylizer, settings, steady, use_flow=use_flow)
        self._changed = threading.Condition()
        self._waiting: tuple[int, Pixels, float] | None = None
        self._latest: LiveFrame | None = None
        self._style: tuple[Stylizer, Settings | None] | None = None
        self._error: BaseException | None = None
        self._received = self._dropped = 0
        self._period = self._latency = 0.0
        self._closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def submit(self, frame: Pixels) -> int:
        """Submit a frame, uint8 (H, W, 3), which must not be changed afterward. Returns its number.

        Raises:
            ImpastoError: The stream is closed, or an earlier frame could not be painted.
        """
        with self._changed:
            self._check()
            self._dropped += self._waiting is not None
            number, self._received = self._received, self._received + 1
            self._waiting = number, frame, time.monotonic()
            self._changed.notify_all()
            return number

    def restyle(self, stylizer: Stylizer, settings: Settings | None = None) -> None:
        """Use another style or other settings from the next frame on."""
        with self._changed:
            self._style = stylizer, settings

    def latest(self, after: int = -1, timeout: float | None = None) -> LiveFrame | None:
        """Wait for a painted frame with a number above ``after``, and return the newest.

        Args:
            after: Number of the last frame that the caller has; -1 for none.
            timeout: Seconds to wait; None waits until a frame is painted or the stream is closed.

        Returns:
            The frame, or None after the timeout or if the stream is closed.

        Raises:
            ImpastoError: A frame could not be painted.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._is_newer(after) or self._closed or self._error is not None, timeout)
            if self._error is not None:
                raise self._error
            return self._latest if self._is_newer(after) else None

    @property
    def rate(self) -> LiveRate:
        """The current throughput."""
        with self._changed:
            rate = 1 / self._period if self._period else 0.0
            return LiveRate(rate, self._latency, self._received, self._dropped)

    def close(self) -> None:
        """End the thread. A frame that still waits is discarded."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _is_newer(self, after: int) -> bool:
        return self._latest is not None and self._latest.number > after

    def _check(self) -> None:
        if self._error is not None:
            raise self._error
        if self._closed:
            raise ImpastoError("this live stream is closed")

    def _run(self) -> None:
        finished = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None or self._closed)
                if self._closed or self._waiting is None:
                    return
                (number, frame, received), self._waiting = self._waiting, None
                style, self._style = self._style, None
            try:
                if style is not None:
                    self._steady.restyle(*style)
                painted = self._steady(frame)
            except BaseException as error:
                with self._changed:
                    self._error = error
                    self._changed.notify_all()
                return
            now = time.monotonic()
            with self._changed:
                self._latest = LiveFrame(number, frame, painted, now - received)
                self._latency = _smoothed(self._latency, now - received)
                if finished:
                    self._period = _smoothed(self._period, now - finished)
                self._changed.notify_all()
            finished = now

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _smoothed(before: float, value: float) -> float:
    return value if not before else SMOOTHING * before + (1 - SMOOTHING) * value
