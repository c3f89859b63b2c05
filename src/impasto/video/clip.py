"""The interfaces of clips and writers: frames with exact timestamps, and the properties that a writer preserves."""

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
from impasto.video.timeline import Timeline

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Frame:
    """One frame of a clip.

    Attributes:
        pixels: uint8 (H, W, 3), upright, R'G'B' with the clip's own primaries and transfer function.
        pts: Presentation time in units of ``time_base``.
        time_base: Length of one unit of ``pts``, in seconds.
        duration: How long the frame is shown, in units of ``time_base``; 0 if unknown.
    """

    pixels: Pixels
    pts: int
    time_base: Fraction
    duration: int = 0

    @property
    def time(self) -> Fraction:
        """Presentation time in seconds."""
        return self.pts * self.time_base

    @property
    def seconds(self) -> Fraction:
        """How long the frame is shown, in seconds; 0 if unknown."""
        return self.duration * self.time_base


@dataclass(frozen=True)
class Color:
    """The color description of a stream's Y'CbCr samples, as H.273 code points.

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


BT601 = Color(matrix=6, primaries=6, transfer=6, full_range=False)
BT709 = Color(matrix=1, primaries=1, transfer=1, full_range=False)


@dataclass(frozen=True)
class ClipInfo:
    """The properties of a clip.

    Attributes:
        width: Width of the upright frames, pixels.
        height: Height of the upright frames, pixels.
        time_base: Unit of every frame's ``pts``, in seconds.
        rate: Average frame rate, frames per second.
        base_rate: Lowest frame rate at which every frame has a timestamp of its own; ``rate`` if it is constant.
        frames: Estimated number of frames; None if unknown.
        color: Color description of the frames, for the writer.
        pixel_aspect: Width of a pixel divided by its height.
        loop: Number of times an animation plays, 0 for ever; None for other clips.
        notes: One sentence for each conversion on reading.
    """

    width: int
    height: int
    time_base: Fraction
    rate: Fraction
    base_rate: Fraction
    frames: int | None
    color: Color = BT709
    pixel_aspect: Fraction = Fraction(1)
    loop: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """The part of a clip to read, and the frame size.

    Attributes:
        start: Seconds from the first frame.
        end: Seconds from the first frame; None for the end.
        every: Read every n-th frame.
        short_side: Length of the frames' short side in pixels; None for the clip's own. Frames are never enlarged.
    """

    start: float = 0.0
    end: float | None = None
    every: int = 1
    short_side: int | None = None

    def size_of(self, width: int, height: int) -> tuple[int, int]:
        """The width and height to which frames of this size are scaled."""
        if self.short_side is None or self.short_side >= min(width, height):
            return width, height
        scale = self.short_side / min(width, height)
        return max(1, round(width * scale)), max(1, round(height * scale))


WHOLE = Part()


@dataclass
class Damage:
    """Counts the parts of a clip that cannot be read; updated while the clip is read."""

    packets: int = 0
    messages: list[str] = field(default_factory=list)


class Clip(Protocol):
    """A source of frames. It is a context manager, and can be read once."""

    info: ClipInfo
    damage: Damage
    source: Path | None
    """The clip's file or folder; None for standard input and patterns."""
    timeline: Timeline
    """The corrections of the file's timestamps, complete once all frames are read."""

    def frames(self) -> Iterator[Frame]:
        """Iterate over the frames in presentation order. Can be called once."""

    def __enter__(self) -> Self:
        """Return the clip."""

    def __exit__(self, *_: object) -> None:
        """Close the files."""


class Writer(Protocol):
    """A sink of frames."""

    def write(self, frame: Frame) -> None:
        """Append a frame; timestamps must increase."""

    def finish(self) -> None:
        """Flush all frames and move the finished output to its final path."""

    def abandon(self) -> None:
        """Close files and remove unfinished ones."""


def pyav() -> ModuleType:
    """The module ``av``, with FFmpeg's log messages off.

    Raises:
        VideoError: PyAV is not installed, or broken.
    """
    try:
        av = importlib.import_module("av")
        importlib.import_module("av.logging").set_level(importlib.import_module("av.logging").PANIC)
    except ImportError as cause:
        missing = isinstance(cause, ModuleNotFoundError) and cause.name == "av"
        reason = "is not installed" if missing else f"cannot be loaded ({cause})"
        raise VideoError(f"video needs PyAV, which {reason}: pip install 'impasto[video]'") from cause
    return av
