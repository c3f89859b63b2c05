"""Reading clips: video files, animations, folders of frames, and raw video on standard input."""

import itertools
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Self

from impasto.errors import VideoError
from impasto.video import frame_files
from impasto.video.animation import Animation, is_animation
from impasto.video.clip import WHOLE, Clip, ClipInfo, Damage, Frame, Part, pyav
from impasto.video.color import color_of, has_transparency, to_rgb, written_color
from impasto.video.geometry import Fields, Upright
from impasto.video.timeline import Timeline

STANDARD_INPUT = "-"
MOST_PIXELS = 64_000_000
"""Largest accepted frame, width times height."""
MOST_BASE_RATE = 1000
"""Highest frame rate that a clip with variable frame times may have in a container without timestamps."""
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
        self.timeline = Timeline()
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
        self._stream = stream = self._picture_stream()
        if stream.codec_context is None:
            raise VideoError(f"{self._name}: its video codec is unknown here, or the stream is encrypted")
        stream.thread_type = "AUTO"
        begin = Fraction(stream.start_time * stream.time_base) if stream.start_time is not None else Fraction(0)
        is_broadcast = bool(self._container.format.flags & _TIMESTAMPS_JUMP)
        if (is_broadcast or begin < 0) and self._container.start_time is not None:
            begin = min(begin, Fraction(self._container.start_time, 1_000_000))
            self.timeline = Timeline(begin, jumps=is_broadcast, leader=stream.index)
        decoded = self._decoded()
        first = next(decoded, None)
        if first is None:
            raise VideoError(f"{self._name}: not one frame can be decoded; it is damaged, encrypted or empty")
        if first.width * first.height > MOST_PIXELS:
            raise VideoError(f"{self._name}: frames of {first.width} x {first.height} pixels are too large")
        self._color = color_of(first)
        self._upright = Upright.of(first)
        self._first_time = Fraction(first.pts * first.time_base)
        self._size = self._part.size_of(first.width, first.height)
        self._pending: Iterator[Any] | None = decoded
        self._first = first
        self.info = self._facts(first)

    def _picture_stream(self) -> Any:
        """The video stream that players show."""
        streams = [s for s in self._container.streams.video if not int(s.disposition) & _ATTACHED_PICTURE]
        if not streams:
            kinds = sorted({"a cover picture" if s.type == "video" else s.type for s in self._container.streams})
            others = f", only {' and '.join(kinds)}" if kinds else ""
            raise VideoError(f"{self._name}: has no video stream{others}")
        best = self._container.streams.best("video")
        return next((stream for stream in streams if stream is best), streams[0])

    def _facts(self, first: Any) -> ClipInfo:
        stream, part = self._stream, self._part
        width, height = self._size[::-1] if self._upright.swapped else self._size
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        if not Fraction(1, 20) < aspect < 20:
            aspect = Fraction(1)
        rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
        base_rate = Fraction(stream.base_rate or rate)
        seconds = self._seconds()
        frames = stream.frames or (round(seconds * rate) if seconds else None)
        if frames and seconds and (part.start or part.end is not None):
            share = max(0.0, min(part.end or seconds, seconds) - part.start) / seconds
            frames = round(frames * share)
        notes = []
        if self._color.is_hdr:
            kind = "PQ" if self._color.transfer == 16 else "HLG"
            notes.append(f"high dynamic range ({kind}) is tone-mapped to BT.709")
        if has_transparency(first) or stream.metadata.get("alpha_mode") == "1":
            notes.append("transparency is left out: the result is opaque")
        if self._upright.is_needed:
            notes.append(f"frames are {self._upright}")
        return ClipInfo(
            width=width,
            height=height,
            time_base=Fraction(stream.time_base),
            rate=rate / part.every,
            base_rate=(base_rate if rate <= base_rate <= MOST_BASE_RATE else rate) / part.every,
            frames=-(-frames // part.every) if frames else None,
            color=written_color(self._color, first),
            pixel_aspect=1 / aspect if self._upright.swapped else aspect,
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
        begin = float(self._first_time) + part.start
        if part.start > 2 and self.source is not None and self._seek(begin):
            decoded = self._decoded()
        else:
            decoded = itertools.chain([self._first], decoded)
        number, last = 0, None
        for frame in self._deinterlaced(decoded):
            time = float(frame.pts * frame.time_base)
            if time < begin - 1e-6:
                continue
            if part.end is not None and time >= float(self._first_time) + part.end - 1e-6:
                break
            number += 1
            if (number - 1) % part.every or (last is not None and time <= last):
                continue
            last = time
            pixels = self._upright(to_rgb(frame, self._color, self._size))
            yield Frame(pixels, frame.pts, Fraction(frame.time_base), int(frame.duration or 0))

    def _seek(self, begin: float) -> bool:
        """Go to a key frame before this time, if the file's format allows it."""
        if self._stream.start_time is None:  # there are no timestamps to go by
            return False
        raw = begin - float(self.timeline.offset)
        try:
            self._container.seek(int(raw / self._stream.time_base), stream=self._stream, backward=True)
        except (self._av.error.FFmpegError, OSError):
            return False
        self.timeline.rewind()
        return True

    def _decoded(self) -> Iterator[Any]:
        """Decoded frames, each with a presentation time. Decoding errors are counted in ``damage``."""
        errors = self._av.error
        step = max(1, round(1 / (Fraction(self._stream.average_rate or 25) * Fraction(self._stream.time_base))))
        last, failures = None, 0
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is not None:
                    if packet.has_sidedata("encryption_info"):
                        raise VideoError(f"{self._name}: is encrypted; only its owner's player can show it")
                    self.timeline.lead(packet)
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
        """Combine the fields of interlaced frames (FFmpeg's filter bwdif). Others stay as they are."""
        fields: Fields | None = None
        for frame in frames:
            if fields is None and frame.interlaced_frame:
                fields = Fields()
                self.info = replace(self.info, notes=(*self.info.notes, "interlaced fields are combined into frames"))
            if fields is None:
                yield frame
            else:
                yield from fields.combined(frame)
        if fields is not None:
            yield from fields.rest()

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
_TIMESTAMPS_JUMP = 0x0200
"""FFmpeg's AVFMT_TS_DISCONT: formats of broadcasts, in which timestamps may jump."""


def _reason(cause: Exception) -> str:
    """The first line of an FFmpeg error, without the file's name, at most 120 characters."""
    text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return str(text).splitlines()[0][:120]
