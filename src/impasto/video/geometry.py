"""Frames as they are meant to be seen: upright, and with both fields combined."""

import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from impasto.video.clip import Pixels, pyav


@dataclass(frozen=True)
class Upright:
    """Turns decoded pixels upright, by the display matrix in the file.

    Attributes:
        swapped: Whether rows become columns, as in clips from a phone that is held upright.
        left_right: Whether columns are then reversed.
        up_down: Whether rows are then reversed.
    """

    swapped: bool = False
    left_right: bool = False
    up_down: bool = False

    @classmethod
    def of(cls, frame: Any) -> "Upright":
        """What a decoded frame's display matrix asks for, in steps of 90 degrees."""
        matrix = next((bytes(x) for x in frame.side_data if x.type.name == "DISPLAYMATRIX"), b"")
        if len(matrix) != _MATRIX.size:
            return cls()
        a, b, _, c, d, *_ = _MATRIX.unpack(matrix)  # a place (x, y) is shown at (ax + cy, bx + dy)
        if abs(b) + abs(c) > abs(a) + abs(d):
            return cls(swapped=True, left_right=c < 0, up_down=b < 0)
        return cls(left_right=a < 0, up_down=d < 0)

    @property
    def is_needed(self) -> bool:
        """Whether pixels change."""
        return self != Upright()

    def __call__(self, pixels: Pixels) -> Pixels:
        """The upright pixels (H, W, 3)."""
        if not self.is_needed:
            return pixels
        turned = pixels.transpose(1, 0, 2) if self.swapped else pixels
        return np.ascontiguousarray(turned[:: -1 if self.up_down else 1, :: -1 if self.left_right else 1])

    def __str__(self) -> str:
        if (self.left_right ^ self.up_down) == self.swapped:
            return "turned upright"
        return "turned upright and mirrored" if self.swapped else "mirrored"


_MATRIX = struct.Struct("9i")


class Fields:
    """Combines the two fields of interlaced frames (FFmpeg's filter bwdif); progressive frames pass through."""

    def __init__(self) -> None:
        self._av = pyav()
        self._graph: Any = None
        self._layout: tuple[object, ...] = ()

    def combined(self, frame: Any) -> Iterator[Any]:
        """The frames that are ready once this one is known: the filter looks one frame ahead."""
        layout = (frame.width, frame.height, frame.format.name, frame.time_base)
        if layout != self._layout:
            yield from self.rest()
            self._layout, self._graph = layout, self._av.filter.Graph()
            width, height, name, time_base = layout
            source = self._graph.add_buffer(width=width, height=height, format=name, time_base=time_base)
            chain = [
                source,
                self._graph.add("bwdif", "mode=send_frame:deint=interlaced"),
                self._graph.add("buffersink"),
            ]
            for one, other in itertools.pairwise(chain):
                one.link_to(other)
            self._graph.configure()
        yield from self._pushed(frame)

    def rest(self) -> Iterator[Any]:
        """The frames that are still in the filter."""
        if self._graph is not None:
            yield from self._pushed(None)

    def _pushed(self, frame: Any) -> Iterator[Any]:
        self._graph.push(frame)
        while True:
            try:
                yield self._graph.pull()
            except (self._av.error.BlockingIOError, self._av.error.EOFError):
                return
