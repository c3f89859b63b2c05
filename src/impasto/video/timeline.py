"""Timestamps of broadcast streams, which begin anywhere and jump where recordings are joined, made continuous."""

from fractions import Fraction
from typing import Any

LEAST_GAP = Fraction(10)
"""Seconds. Timestamps that advance by more than this from packet to packet have jumped."""
LEAST_RETURN = Fraction(1, 10)
"""Seconds. Timestamps that go back by more than this have jumped."""


class Timeline:
    """Corrects the timestamps of a file's packets. The video stream finds the jumps, and other streams follow it.

    A file may be read several times: the first reading finds the corrections that later ones know in advance.

    Args:
        start: The time that becomes 0, in seconds.
        jumps: Whether the file's format allows timestamps to jump.
        leader: Index of the video stream; None if no other streams follow.
    """

    def __init__(self, start: Fraction = Fraction(0), *, jumps: bool = False, leader: int | None = None) -> None:
        self.leader = leader
        self._jumps = jumps
        self._offsets = [-start]  # added to timestamps before the first jump, between the first and the second, ...
        self.rewind()

    def rewind(self) -> None:
        """Begin another reading of the file."""
        self._place = 0
        self._expected: Fraction | None = None

    @property
    def offset(self) -> Fraction:
        """What is added to timestamps at the beginning of the file, in seconds."""
        return self._offsets[0]

    def lead(self, packet: Any) -> None:
        """Correct the timestamps of the next packet of the video stream."""
        time = _time(packet)
        if time is None:
            return
        if self._jumps and self._expected is not None:
            gap = time - self._expected
            if gap > LEAST_GAP or gap < -LEAST_RETURN:
                self._place += 1
                if self._place == len(self._offsets):
                    self._offsets.append(self._offsets[-1] - gap)
        self._expected = time + (packet.duration or 0) * packet.time_base
        _shift(packet, self._offsets[self._place])

    def follow(self, packet: Any) -> None:
        """Correct the timestamps of a packet of another stream, which lies near the last video packet in the file."""
        time = _time(packet)
        if time is None:
            return
        nearby = self._offsets[max(0, self._place - 1) : self._place + 2]
        if len(nearby) > 1 and self._expected is not None:
            now = self._expected + self._offsets[self._place]
            offset = min(nearby, key=lambda offset: abs(time + offset - now))
        else:
            offset = self._offsets[self._place]
        _shift(packet, offset)


def _time(packet: Any) -> Fraction | None:
    stamp = packet.pts if packet.dts is None else packet.dts
    return None if stamp is None else Fraction(stamp * packet.time_base)


def _shift(packet: Any, seconds: Fraction) -> None:
    """Add seconds to a packet's timestamps."""
    if seconds:
        ticks = round(seconds / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts + ticks
        packet.dts = None if packet.dts is None else packet.dts + ticks
