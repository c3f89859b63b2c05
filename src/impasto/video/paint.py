"""Paints a clip. Decoding, painting and encoding overlap, and an interrupted run can be resumed."""

import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from impasto.errors import UsageError, VideoError
from impasto.options import check_ranges, opt
from impasto.painting.framing import WHOLE
from impasto.painting.settings import Settings
from impasto.painting.strokes import working_side
from impasto.painting.stylizer import Stylizer
from impasto.video import frame_files
from impasto.video.animation import SUFFIXES as ANIMATIONS
from impasto.video.animation import AnimationWriter
from impasto.video.clip import Clip, Frame, Part, Pixels
from impasto.video.codecs import CODECS
from impasto.video.encoder import SegmentWriter, parts_folder
from impasto.video.keyframes import Keyframes, read_keyframes
from impasto.video.mask import Mask, blended
from impasto.video.muxer import join
from impasto.video.raw import STANDARD_OUTPUT, RawWriter
from impasto.video.reader import open_clip
from impasto.video.steady import Painted, Prepared, Steady
from impasto.video.threads import Ahead, Behind


@dataclass(frozen=True, kw_only=True)
class VideoOptions:
    """Options for reading, painting and writing a clip.

    Raises:
        UsageError: A value is out of range, or two options contradict each other.
    """

    start: float = opt(0.0, "start this many seconds after the first frame", least=0)
    end: float | None = opt(None, "end this many seconds after the first frame; default: the clip's end", least=0)
    every: int = opt(1, "paint every n-th frame only", least=1)
    size: int | None = opt(None, "short side of the output, pixels; default: the clip's own", least=16)
    steady: float = opt(
        0.5,
        "temporal smoothing: from 0, each frame is painted independently, to 1, the most",
        least=0,
        most=1,
    )
    flow: bool | None = opt(None, "follow motion by optical flow; default: if OpenCV is installed (impasto[flow])")
    real_time: bool = opt(
        False, "paint frames at a reduced size and enlarge them, so that painting keeps up with the clip's frame rate"
    )
    codec: str = opt("auto", f"video codec: {', '.join(CODECS)}, or auto, the default for the file's suffix")
    quality: int = opt(75, "quality of the encoding, 0 to 100", least=0, most=100)
    audio: Literal["copy", "none"] = opt("copy", "audio: copy the source's, or none")
    keyframes: Path | None = opt(None, "JSON file of strength and mixture over time, see the documentation")
    force: bool = opt(False, "replace an existing file")
    resume: bool = opt(False, "resume an interrupted run")

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.end is not None and self.end <= self.start:
            raise UsageError(f"the end, {self.end:g} s, must be later than the start, {self.start:g} s")
        if self.codec != "auto" and self.codec not in CODECS:
            raise UsageError(f"unknown codec '{self.codec}': use auto, {', '.join(CODECS)}")
        if self.audio not in ("copy", "none"):
            raise UsageError(f"audio must be copy or none, not {self.audio}")

    @property
    def part(self) -> Part:
        """The part of the clip to read, and the frame size."""
        return Part(start=self.start, end=self.end, every=self.every, short_side=self.size)


@dataclass(frozen=True)
class VideoProgress:
    """The progress of a run."""

    frames: int
    total: int | None
    seconds: float
    rate: float
    """Frames per second."""
    seconds_left: float | None


@dataclass(frozen=True)
class VideoResult:
    """The result of :func:`paint_video`.

    Attributes:
        output: The output file or folder; "-" for standard output.
        frames: Number of frames painted in this run.
        resumed: Number of frames from an earlier run.
        finished: False if Ctrl-C ended the run; the output then contains the frames painted so far.
        damaged: Number of packets or frames of the source that could not be read.
        notes: One sentence for each conversion, omission and problem.
        seconds: Duration of this run.
        painting_seconds: Time spent on painting, in seconds.
        cuts: Number of cuts detected.
    """

    output: str
    frames: int
    resumed: int
    finished: bool
    damaged: int
    notes: tuple[str, ...]
    seconds: float
    painting_seconds: float
    cuts: int


def paint_video(
    source: str | Path,
    output: str | Path,
    stylizer: Stylizer,
    settings: Settings | None = None,
    options: VideoOptions | None = None,
    *,
    mask: Path | None = None,
    progress: Callable[[VideoProgress], None] = lambda progress: None,
) -> VideoResult:
    """Paint a clip and write it, with the source's audio, timing and metadata.

    Args:
        source: A clip, see :func:`impasto.video.reader.open_clip`.
        output: A video file; an animated GIF, WebP or PNG; a folder (a name without suffix), which gets one PNG per
            frame; or "-" for a YUV4MPEG2 stream on standard output.
        stylizer: Paints each frame.
        settings: How the style is applied.
        options: How the clip is read and written.
        mask: A picture or clip that limits the painting: white is painted, black keeps the source.
        progress: Called after every frame, from the calling thread.

    Raises:
        VideoError: The clip cannot be read, or the output cannot be written.
        UsageError: The output exists already, or the options do not fit the output.
    """
    settings, options = settings or Settings(), options or VideoOptions()
    with ExitStack() as stack:
        clip = stack.enter_context(open_clip(source, options.part))
        masked = stack.enter_context(Mask(mask, options.part))
        _check_output(str(output), source, options)
        run = _Run(clip, masked, stylizer, settings, options)
        writer = _writer(str(output), clip, stylizer, settings, options, mask)
        return run.paint(str(output), writer, progress)


def _check_output(output: str, source: str | Path, options: VideoOptions) -> None:
    if output == STANDARD_OUTPUT:
        return
    path = Path(output)
    if path.exists() and str(source) != "-" and path.resolve() == Path(source).resolve():
        raise UsageError(f"{output}: is the source itself; give another name")
    unfinished = options.resume and parts_folder(path).is_dir()
    if path.exists() and not (options.force or unfinished or (path.is_dir() and not any(path.iterdir()))):
        raise UsageError(f"{output}: is there already: add --force to replace it, or give another name")


def _writer(
    output: str, clip: Clip, stylizer: Stylizer, settings: Settings, options: VideoOptions, mask: Path | None
) -> "SegmentWriter | AnimationWriter | frame_files.FrameFilesWriter | RawWriter":
    path = Path(output)
    streams = output == STANDARD_OUTPUT or path.suffix.lower() in ANIMATIONS or not path.suffix
    if streams and (options.resume or options.codec != "auto"):
        raise UsageError(f"{output}: --resume and --codec are for video files")
    if output == STANDARD_OUTPUT:
        return RawWriter(sys.stdout.buffer, clip.info)
    if path.suffix.lower() in ANIMATIONS:
        return AnimationWriter(path, clip.info, options.quality)
    if not path.suffix:
        return frame_files.FrameFilesWriter(path)
    made_from = {
        "source": _identity(clip.source),
        "network and style": _fingerprint(stylizer),
        "settings": asdict(settings),
        "mask": _identity(mask),
        "key frames": _identity(options.keyframes),
        "options": _json({name: value for name, value in asdict(options).items() if name not in _NOT_COMPARED}),
    }
    return SegmentWriter(
        path, clip.info, codec=options.codec, quality=options.quality, made_from=made_from, resume=options.resume
    )


_NOT_COMPARED = {"force", "resume", "audio", "keyframes"}
"""Options that do not change the painted frames, or are compared separately."""


def _identity(source: Path | None) -> list[object]:
    """Values that identify a source file."""
    if source is None or not source.is_file():
        return [str(source)]
    stat = source.stat()
    return [source.name, stat.st_size, stat.st_mtime_ns]


def _fingerprint(stylizer: Stylizer) -> str:
    """A hash of the network and the style."""
    style = stylizer.style
    content = stylizer.info.to_json().encode() + (b"" if style is None else style.parameters.tobytes())
    return hashlib.sha256(content).hexdigest()


def _json(value: Any) -> Any:
    """The value, with types that JSON lacks as text."""
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    return value if isinstance(value, int | float | str | bool | None) else str(value)


class _Item(NamedTuple):
    """A frame on its way from the decoder to the encoder."""

    frame: Frame
    mask: NDArray[np.uint8] | None
    prepared: Prepared


class _Run:
    """The state of one run. A thread decodes and prepares frames, this one paints, and another finishes and encodes."""

    def __init__(self, clip: Clip, mask: Mask, stylizer: Stylizer, settings: Settings, options: VideoOptions) -> None:
        self._clip, self._mask = clip, mask
        self._stylizer, self._settings, self._options = stylizer, settings, options
        self._steady = Steady(stylizer, settings, options.steady, use_flow=options.flow)
        self._mixes: dict[tuple[tuple[str, float], ...], Stylizer] = {}
        self._painting = 0.0
        self._keyframes = Keyframes() if options.keyframes is None else read_keyframes(options.keyframes)
        self._first: Frame | None = None
        self._last: Frame | None = None

    def paint(self, output: str, writer: Any, progress: Callable[[VideoProgress], None]) -> VideoResult:
        """Paint all frames; see :func:`paint_video`."""
        begun = time.monotonic()
        done = writer.last_pts if isinstance(writer, SegmentWriter) else None
        resumed = sum(s.frames for s in writer.record.segments) if isinstance(writer, SegmentWriter) else 0
        count, finished = 0, True
        source, sink = Ahead(self._items(done)), Behind(partial(self._write, writer))
        try:
            for item in source:
                sink.put((item, self._painted(item)))
                count += 1
                progress(self._progress(count, resumed, begun))
            sink.close()
        except KeyboardInterrupt:
            finished = False
            sink.close()
        except BaseException:
            sink.stop()
            writer.abandon()
            raise
        finally:
            source.stop()
        if not count and not resumed:
            writer.abandon()
            if not finished:
                raise KeyboardInterrupt
            raise VideoError(f"{self._clip.source or output}: no frame lies in this part of the clip")
        notes = self._finish(output, writer, finished)
        return VideoResult(
            output=output,
            frames=count,
            resumed=resumed,
            finished=finished,
            damaged=self._clip.damage.packets,
            notes=(*self._clip.info.notes, *notes),
            seconds=time.monotonic() - begun,
            painting_seconds=self._painting,
            cuts=self._steady.cuts,
        )

    def _finish(self, output: str, writer: Any, finished: bool) -> list[str]:
        try:
            if not isinstance(writer, SegmentWriter):
                writer.finish()
                return []
            writer.end_segment()
        except BaseException:
            writer.abandon()
            raise
        part, first, last = self._options.part, self._first, self._last
        assert first is not None and last is not None
        is_part = part.start > 0
        cut = part.end is not None or not finished
        notes = join(
            Path(output),
            writer.segments(),
            self._clip,
            begin=first.time if is_part else Fraction(0),
            end=last.time + 1 / self._clip.info.rate if cut else None,
            with_audio=self._options.audio == "copy",
        )
        if finished:
            writer.remove()
        return notes

    def _progress(self, count: int, resumed: int, begun: float) -> VideoProgress:
        seconds = time.monotonic() - begun
        total, rate = self._clip.info.frames, count / max(seconds, 1e-6)
        left = None if total is None else max(0, total - resumed - count) / rate
        return VideoProgress(resumed + count, total, seconds, rate, left)

    def _items(self, done: int | None) -> Iterator[_Item]:
        """The frames after ``done``, the time of the last one that an earlier run painted."""
        for frame in self._clip.frames():
            if self._first is None:
                self._first = frame
            mask = self._mask.following(frame.pixels)
            if done is not None and frame.pts <= done:
                self._last = frame
                continue
            if self._options.real_time and self._steady.most_side is None:
                self._choose_size(frame.pixels)
            yield _Item(frame, mask, self._steady.prepare(frame.pixels))

    def _painted(self, item: _Item) -> Painted:
        begun = time.monotonic()
        assert self._first is not None
        self._restyle(float(item.frame.time - self._first.time))
        painted = self._steady.paint(item.prepared)
        self._painting += time.monotonic() - begun
        self._last = item.frame
        return painted

    def _write(self, writer: Any, painted: tuple[_Item, Painted]) -> None:
        frame, mask, _ = painted[0]
        pixels = blended(self._steady.finish(painted[1]), frame.pixels, mask)
        writer.write(replace(frame, pixels=pixels))

    def _choose_size(self, pixels: Pixels) -> None:
        """Choose the largest size at which frames are painted in real time, by painting this one and timing it."""
        self._steady(pixels)  # loads the network
        begun = time.monotonic()
        self._steady(pixels)
        seconds = time.monotonic() - begun
        share = min(1.0, 0.8 / float(self._clip.info.rate) / seconds)
        side = min(working_side(pixels, self._settings, WHOLE), min(pixels.shape[:2]))
        self._steady.most_side = max(min(96, side), round(side * share**0.5))
        self._steady.reset()

    def _restyle(self, seconds: float) -> None:
        keys = self._keyframes
        if not keys.strength and not keys.mix:
            return
        mix = keys.mix_at(seconds)
        stylizer = self._stylizer
        if mix is not None:
            key = tuple(sorted(mix.items()))
            if key not in self._mixes:
                self._mixes[key] = self._stylizer.restyled(mix)
            stylizer = self._mixes[key]
        strength = round(keys.strength_at(seconds, self._settings.strength), 3)
        self._steady.restyle(stylizer, replace(self._settings, strength=strength))
