"""Encodes video in segments: if a run is killed, only the unfinished segment is lost.

During a run, the folder ``OUTPUT.parts`` contains the finished segments and ``record.json``, which lists the segments
and the inputs and settings of the run. At the end the segments are joined without re-encoding.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from impasto.errors import UsageError, VideoError
from impasto.files import check_writable, replacing
from impasto.video.clip import ClipInfo, Frame, Pixels, pyav
from impasto.video.codecs import Codec, codec_for, container_of
from impasto.video.color import assumed_color, from_rgb
from impasto.video.threads import usual_scheduling

SEGMENT_SECONDS = 10.0
"""Length of a segment."""
_MOST_DENOMINATOR = 65_535
"""The largest denominator of a time base in MPEG-4 Part 2."""


@dataclass(frozen=True)
class Segment:
    """A finished segment of the output."""

    file: str
    frames: int
    last_pts: int
    """Presentation time of the last frame, in units of the clip's time base."""


@dataclass
class Record:
    """The content of ``record.json``.

    Attributes:
        made_from: The values that must be unchanged to resume the run: source, style, settings.
        segments: The finished segments, in order.
    """

    made_from: dict[str, Any]
    segments: list[Segment] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write ``record.json`` into the folder, whole or not at all."""
        with replacing(folder / "record.json", VideoError) as part:
            part.write_text(json.dumps(asdict(self), indent=1, sort_keys=True), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Record":
        """Read ``record.json`` from the folder.

        Raises:
            VideoError: The record is missing or damaged, or a segment is missing.
        """
        try:
            data = json.loads((folder / "record.json").read_text(encoding="utf-8"))
            segments = [Segment(str(s["file"]), int(s["frames"]), int(s["last_pts"])) for s in data["segments"]]
            record = cls(dict(data["made_from"]), segments)
        except (OSError, ValueError, KeyError, TypeError) as cause:
            raise VideoError(f"{folder}: has no run to resume; start again without --resume") from cause
        if any(Path(s.file).name != s.file or not (folder / s.file).is_file() for s in segments):
            raise VideoError(f"{folder}: a segment is missing; remove the folder to start again")
        return record


def parts_folder(output: Path) -> Path:
    """The folder for the segments of an output file."""
    return output.with_name(output.name + ".parts")


class SegmentWriter:
    """Encodes frames into segments.

    Args:
        output: The output file; its suffix selects the container.
        info: Properties of the painted frames.
        codec: A name in :data:`impasto.video.codecs.CODECS`, or "auto".
        quality: 0 to 100.
        made_from: See :class:`Record`.
        resume: Continue an unfinished run, if there is one.

    Raises:
        UsageError: The container cannot hold the codec, an unfinished run exists and ``resume`` is False, or the
            unfinished run has another source, style or settings.
        VideoError: The folder cannot be written, or its record is damaged.
    """

    def __init__(
        self, output: Path, info: ClipInfo, *, codec: str, quality: int, made_from: dict[str, Any], resume: bool
    ) -> None:
        self._av = pyav()
        self._codec: Codec = codec_for(output, codec)
        self._quality = quality
        container = container_of(output)
        if not self._codec.tags_color and not container.tags_color:
            info = replace(info, color=assumed_color(info.width, info.height))
        self._info = info
        self._time_base = info.time_base
        if container.fixed_rate or (self._codec.encoder == "mpeg4" and info.time_base.denominator > _MOST_DENOMINATOR):
            self._time_base = 1 / info.base_rate.limit_denominator(_MOST_DENOMINATOR // 64)
        check_writable(output, VideoError)
        self.folder = parts_folder(output)
        self.record = self._begin(json.loads(json.dumps(made_from)), resume)
        self._segment: Any = None
        self._last_time: int | None = None

    def _begin(self, made_from: dict[str, Any], resume: bool) -> Record:
        if resume and self.folder.is_dir():
            record = Record.read(self.folder)
            if record.made_from != made_from:
                different = [k for k in {*made_from, *record.made_from} if made_from.get(k) != record.made_from.get(k)]
                raise UsageError(
                    f"{self.folder}: is of a run with another {', '.join(sorted(different))}; repeat that command"
                )
            return record
        if self.folder.exists() and (self.folder / "record.json").exists():
            raise UsageError(f"{self.folder}: an unfinished run is here: add --resume to go on, or remove it")
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as cause:
            raise VideoError(f"{self.folder}: cannot make this folder: {cause.strerror}") from cause
        record = Record(made_from)
        record.write(self.folder)
        return record

    @property
    def last_pts(self) -> int | None:
        """Presentation time of the last frame in a finished segment, in the clip's time base; None without segments."""
        return self.record.segments[-1].last_pts if self.record.segments else None

    def write(self, frame: Frame) -> None:
        """Encode one frame, and finish the segment if it is long enough.

        Raises:
            VideoError: The disk is full, or the encoder fails.
        """
        with self._failures():
            if self._segment is None:
                self._open()
            self._encode(frame)
        if (frame.pts - self._first) * frame.time_base >= SEGMENT_SECONDS:
            self.end_segment()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Raise the encoder's errors as VideoError."""
        try:
            yield
        except (self._av.error.FFmpegError, OSError, ValueError) as cause:
            raise VideoError(f"{self.folder}: cannot write: {getattr(cause, 'strerror', None) or cause}") from cause

    def _open(self) -> None:
        name = f"segment_{len(self.record.segments):05d}.{self._codec.segment_format}"
        self._path = self.folder / (name + ".part")
        self._segment = self._av.open(str(self._path), "w", format=self._codec.segment_format)
        stream = self._segment.add_stream(self._codec.encoder, rate=self._info.rate.limit_denominator(100_000))
        context = stream.codec_context
        stream.width, stream.height = (-(-size // 2) * 2 for size in (self._info.width, self._info.height))
        stream.pix_fmt = self._codec.pixel_format
        stream.time_base = context.time_base = self._time_base
        context.options = self._codec.options_at(self._quality)
        context.thread_count = 0
        if self._codec.encoder == "libvpx-vp9":
            context.bit_rate = 0
        context.sample_aspect_ratio = self._info.pixel_aspect
        color = self._info.color
        context.colorspace, context.color_range = color.matrix, 2 if color.full_range else 1
        context.color_primaries, context.color_trc = color.primaries, color.transfer
        with usual_scheduling():
            context.open(strict=False)
        self._stream, self._count, self._first = stream, 0, 0

    def _encode(self, frame: Frame) -> None:
        if not self._count:
            self._first = frame.pts
        pts = round(frame.time / self._time_base)
        if self._last_time is not None and pts <= self._last_time:
            pts = self._last_time + 1  # two frames fall into one unit of a coarser time base
        self._last_time = pts
        picture = from_rgb(_even(frame.pixels), self._info.color, self._codec.pixel_format)
        picture.pts, picture.time_base = pts, self._time_base
        for packet in self._stream.encode(picture):
            self._segment.mux(packet)
        self._count, self._last = self._count + 1, frame.pts

    def end_segment(self) -> None:
        """Finish the current segment, if there is one, so that a later run can resume after it."""
        if self._segment is None:
            return
        with self._failures():
            for packet in self._stream.encode(None):
                self._segment.mux(packet)
            self._segment.close()
            final = self._path.with_suffix("")
            self._path.replace(final)
        self._segment = None
        self.record.segments.append(Segment(final.name, self._count, self._last))
        self.record.write(self.folder)

    def abandon(self) -> None:
        """Remove the unfinished segment; finished segments stay."""
        if self._segment is not None:
            segment, self._segment = self._segment, None
            with suppress(self._av.error.FFmpegError, OSError):  # the disk is full, say
                segment.close()
            self._path.unlink(missing_ok=True)
        if not self.record.segments:
            self.remove()

    def segments(self) -> list[Path]:
        """The finished segments, in order."""
        return [self.folder / segment.file for segment in self.record.segments]

    def remove(self) -> None:
        """Remove the folder with all segments, once the output is written."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _even(pixels: Pixels) -> Pixels:
    """Repeat the last row and column where necessary: 4:2:0 needs even sizes."""
    below, right = pixels.shape[0] % 2, pixels.shape[1] % 2
    return np.pad(pixels, [(0, below), (0, right), (0, 0)], mode="edge") if below or right else pixels
