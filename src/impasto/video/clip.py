"""What a clip is: frames with exact times, and the facts that a writer needs to keep."""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from impasto.errors import VideoError

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Frame:
    """One picture of a clip.

    Attributes:
        pixels: uint8 (H, W, 3), upright, R'G'B' of the clip's own primaries and transfer function.
        pts: Presentation time in units of ``time_base``.
        time_base: Seconds.
    """

    pixels: Pixels
    pts: int
    time_base: Fraction

    @property
    def time(self) -> Fraction:
        """Presentation time in seconds."""
        return self.pts * self.time_base


@dataclass(frozen=True)
class Color:
    """How a stream's Y'CbCr samples are to be read: H.273 code points, as FFmpeg numbers them.

    Attributes:
        matrix: 1 for BT.709, 5 or 6 for BT.601, 9 for BT.2020.
        primaries: 1 for BT.709, 5 and 6 for BT.601, 9 for BT.2020; 2 for unknown.
        transfer: 1 for BT.709, 16 for PQ, 18 for HLG; 2 for unknown.
        full_range: Whether samples use all of 0..255 instead of 16..235.
    """

    matrix: int
    primaries: int
    transfer: int
    full_range: bool

    @property
    def is_hdr(self) -> bool:
        """Whether the transfer function is PQ or HLG."""
        return self.transfer in (16, 18)


BT709 = Color(matrix=1, primaries=1, transfer=1, full_range=False)


@dataclass(frozen=True)
class ClipInfo:
    """The facts of a clip.

    Attributes:
        width: Pixels of the upright frames.
        height: Pixels of the upright frames.
        time_base: Seconds; every frame's ``pts`` counts these.
        rate: Average frames a second.
        frames: Number of frames to expect; an estimate, None when unknown.
        color: Of the frames as they are handed out and should be written.
        pixel_aspect: Width of a pixel divided by its height.
        loop: How often an animation repeats, 0 for ever; None for other clips.
        notes: What was converted on reading, one sentence each.
    """

    width: int
    height: int
    time_base: Fraction
    rate: Fraction
    frames: int | None
    color: Color = BT709
    pixel_aspect: Fraction = Fraction(1)
    loop: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """Which part of a clip is read, and at what size.

    Attributes:
        start: Seconds from the first frame.
        end: Seconds from the first frame; None for the end.
        every: Only every so many frames are read.
        short_side: Pixels of the frames' short side; None for the clip's own. Never enlarges.
    """

    start: float = 0.0
    end: float | None = None
    every: int = 1
    short_side: int | None = None

    def size_of(self, width: int, height: int) -> tuple[int, int]:
        """The width and height at which frames of this size are read."""
        if self.short_side is None or self.short_side >= min(width, height):
            return width, height
        scale = self.short_side / min(width, height)
        return max(1, round(width * scale)), max(1, round(height * scale))


WHOLE = Part()


@dataclass
class Damage:
    """What could not be read of a clip: counts, filled in while it is read."""

    packets: int = 0
    messages: list[str] = field(default_factory=list)


class Clip(Protocol):
    """A source of frames. It is a context manager, and can be read once."""

    info: ClipInfo
    damage: Damage
    source: Path | None
    """The file, where it is one."""

    def frames(self) -> Iterator[Frame]:
        """The frames in order of presentation."""

    def __enter__(self) -> Self:
        """Return the clip."""

    def __exit__(self, *_: object) -> None:
        """Close the files."""


class Writer(Protocol):
    """A sink of frames."""

    def write(self, frame: Frame) -> None:
        """Append a frame; times increase."""

    def finish(self) -> None:
        """Write what is left and put the result in its place."""

    def abandon(self) -> None:
        """Close files and remove unfinished ones."""


def pyav() -> ModuleType:
    """The module ``av``, quiet.

    Raises:
        VideoError: it is not installed, or broken.
    """
    try:
        av = importlib.import_module("av")
        importlib.import_module("av.logging").set_level(importlib.import_module("av.logging").PANIC)
    except ImportError as cause:
        missing = isinstance(cause, ModuleNotFoundError) and cause.name == "av"
        reason = "is not installed" if missing else f"cannot be loaded ({cause})"
        raise VideoError(f"video needs PyAV, which {reason}: pip install 'impasto[video]'") from cause
    return av
