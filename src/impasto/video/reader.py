"""Reading clips: video files, animations, folders of frames, and raw video on standard input."""

import itertools
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np

from impasto.errors import VideoError
from impasto.video import frame_files
from impasto.video.animation import Animation, is_animation
from impasto.video.clip import WHOLE, Clip, ClipInfo, Damage, Frame, Part, Pixels, pyav
from impasto.video.color import color_of, to_rgb, written_color

STANDARD_INPUT = "-"
MOST_PIXELS = 64_000_000
"""Largest accepted frame, width times height."""
MOST_DAMAGED = 1000
"""Reading stops after this many undecodable packets in a row."""


def open_clip(source: str | Path, part: Part = WHOLE) -> Clip:
    """Open a clip for reading.

    Args:
        source: A video file; an animated GIF, WebP or PNG; a folder of frames, or a pattern of their names
            (``shot_*.png``); or "-" for a YUV4MPEG2 stream on standard input.
        part: The part to read, and the frame size.

    Raises:
        VideoError: The source does not exist, contains no video, or cannot be decoded.
    """
    name = str(source)
    if name == STANDARD_INPUT:
        return FileClip(sys.stdin.buffer, part)
    if frame_files.is_frames(name):
        return frame_files.FrameFiles(name, part)
    path = Path(name).expanduser()
    if "://" in name:
        raise VideoError(f"{name}: is an address; download the file first")
    if not path.is_file():
        raise VideoError(f"{path}: no such file")
    return Animation(path, part) if is_animation(path) else FileClip(path, part)


class FileClip:
    """A video file or stream, decoded by FFmpeg.

    Raises:
        VideoError: see :func:`open_clip`.
    """

    def __init__(self, source: Path | BinaryIO, part: Part = WHOLE) -> None:
        self._av = pyav()
        self._name = str(source) if isinstance(source, Path) else "standard input"
        self.source = source if isinstance(source, Path) else None
        self._part = part
        self.damage = Damage()
        try:
            self._container = (
                self._av.open(str(source), metadata_errors="replace")
                if isinstance(source, Path)
                else self._av.open(source, format="yuv4mpegpipe")
            )
        except (self._av.error.FFmpegError, OSError, ValueError) as cause:
            raise VideoError(f"{self._name}: cannot be read as a video: {_reason(cause)}") from cause
        try:
            self._begin()
        except BaseException:
            self._container.close()
            raise

    def _begin(self) -> None:
        pictures = [s for s in self._container.streams.video if not int(s.disposition) & _ATTACHED_PICTURE]
        if not pictures:
            kinds = sorted({s.type for s in self._container.streams})
            raise VideoError(f"{self._name}: has no video stream, only {', '.join(kinds) or 'nothing'}")
        self._stream = pictures[0]
        if self._stream.codec_context is None:
            raise VideoError(f"{self._name}: its video codec is unknown here, or the stream is encrypted")
        self._stream.thread_type = "AUTO"
        decoded = self._decoded()
        first = next(decoded, None)
        if first is None:
            raise VideoError(f"{self._name}: not one frame can be decoded; it is damaged, encrypted or empty")
        if first.width * first.height > MOST_PIXELS:
            raise VideoError(f"{self._name}: frames of {first.width} x {first.height} pixels are too large")
        self._color = color_of(first)
        self._turns = round(first.rotation / 90) % 4
        self._interlaced = bool(first.interlaced_frame)
        self._first_time = first.time if first.time is not None else 0.0
        self._size = self._part.size_of(first.width, first.height)
        self._pending: Iterator[Any] | None = decoded
        self._first = first
        self.info = self._facts(first)

    def _facts(self, first: Any) -> ClipInfo:
        stream, part = self._stream, self._part
        width, height = self._size if self._turns % 2 == 0 else self._size[::-1]
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        if not Fraction(1, 20) < aspect < 20:
            aspect = Fraction(1)
        rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
        seconds = self._seconds()
        frames = stream.frames or (round(seconds * rate) if seconds else None)
        if frames and seconds and (part.start or part.end is not None):
            share = max(0.0, min(part.end or seconds, seconds) - part.start) / seconds
            frames = round(frames * share)
        notes = []
        if self._color.is_hdr:
            kind = "PQ" if self._color.transfer == 16 else "HLG"
            notes.append(f"high dynamic range ({kind}) is tone-mapped to BT.709")
        if self._interlaced:
            notes.append("interlaced fields are combined into frames")
        if self._turns:
            notes.append(f"frames are turned upright (by {90 * self._turns} degrees)")
        return ClipInfo(
            width=width,
            height=height,
            time_base=Fraction(stream.time_base),
            rate=rate / part.every,
            frames=-(-frames // part.every) if frames else None,
            color=written_color(self._color),
            pixel_aspect=1 / aspect if self._turns % 2 else aspect,
            notes=tuple(notes),
        )

    def _seconds(self) -> float | None:
        if self._stream.duration:
            return float(self._stream.duration * self._stream.time_base)
        return self._container.duration / 1_000_000 if self._container.duration else None

    def frames(self) -> Iterator[Frame]:
        """See :class:`impasto.video.clip.Clip`."""
        part = self._part
        decoded = self._pending
        assert decoded is not None, "a clip can be read once"
        self._pending = None
        begin = self._first_time + part.start
        if part.start > 2 and self.source is not None:
            self._container.seek(int(begin / self._stream.time_base), stream=self._stream, backward=True)
            decoded = self._decoded()
        else:
            decoded = itertools.chain([self._first], decoded)
        if self._interlaced:
            decoded = self._deinterlaced(decoded)
        number, last = 0, None
        for frame in decoded:
            time = float(frame.pts * frame.time_base)
            if time < begin - 1e-6:
                continue
            if part.end is not None and time >= self._first_time + part.end - 1e-6:
                break
            number += 1
            if (number - 1) % part.every or (last is not None and frame.pts <= last):
                continue
            last = frame.pts
            yield Frame(self._upright(frame), frame.pts, Fraction(frame.time_base))

    def _upright(self, frame: Any) -> Pixels:
        pixels = to_rgb(frame, self._color, self._size)
        return np.ascontiguousarray(np.rot90(pixels, self._turns)) if self._turns else pixels

    def _decoded(self) -> Iterator[Any]:
        """Decoded frames, each with a presentation time. Decoding errors are counted in ``damage``."""
        errors = self._av.error
        step = max(1, round(1 / (Fraction(self._stream.average_rate or 25) * Fraction(self._stream.time_base))))
        last, failures = None, 0
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
                frames = packet.decode() if packet is not None else []
            except errors.EOFError:
                return
            except (errors.FFmpegError, ValueError) as cause:
                self._note(cause)
                failures += 1
                if failures > MOST_DAMAGED:
                    return
                continue
            if packet is None:
                return
            for frame in frames:
                failures = 0
                if frame.pts is None:
                    frame.pts = frame.dts if frame.dts is not None else (0 if last is None else last + step)
                    frame.time_base = self._stream.time_base
                last = frame.pts
                if frame.is_corrupt:
                    self._note("a frame is damaged")
                yield frame

    def _deinterlaced(self, frames: Iterator[Any]) -> Iterator[Any]:
        """Combine each pair of fields into one frame (FFmpeg's filter bwdif)."""
        graph = self._av.filter.Graph()
        source = graph.add_buffer(template=self._stream)
        combine, sink = graph.add("bwdif", "mode=send_frame"), graph.add("buffersink")
        source.link_to(combine)
        combine.link_to(sink)
        graph.configure()
        for frame in itertools.chain(frames, [None]):  # None flushes the filter
            graph.push(frame)
            while True:
                try:
                    yield graph.pull()
                except (self._av.error.BlockingIOError, self._av.error.EOFError):
                    break

    def _note(self, cause: object) -> None:
        self.damage.packets += 1
        if len(self.damage.messages) < 20:
            self.damage.messages.append(_reason(cause) if isinstance(cause, Exception) else str(cause))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()


_ATTACHED_PICTURE = 0x0400
"""FFmpeg's AV_DISPOSITION_ATTACHED_PIC: cover art, not video."""


def _reason(cause: Exception) -> str:
    """The first line of an FFmpeg error, without the file's name, at most 120 characters."""
    text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return str(text).splitlines()[0][:120]
