"""Tasks about clips, and learning a style; see :class:`impasto.web.tasks.Tasks`."""

import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from impasto.errors import ImpastoError, VideoError
from impasto.painting.settings import Settings
from impasto.painting.stylizer import Stylizer
from impasto.pictures.picture import Pixels
from impasto.video.clip import Part
from impasto.video.paint import VideoOptions, VideoProgress, paint_video
from impasto.video.reader import open_clip
from impasto.web.failures import naming

REPORT_SECONDS = 0.25
"""Time between two events of a task."""
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (4, b"ftyp", ".mp4"),
    (4, b"moov", ".mov"),
    (4, b"mdat", ".mov"),
    (4, b"wide", ".mov"),
    (0, b"\x1a\x45\xdf\xa3", ".mkv"),
    (8, b"AVI ", ".avi"),
    (0, b"OggS", ".ogv"),
    (0, b"FLV\1", ".flv"),
    (0, b"\0\0\1\xba", ".mpg"),
    (0, b"\0\0\1\xb3", ".mpg"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", ".wmv"),
    (0, b"GIF8", ".gif"),
    (0, b"\x89PNG\r\n\x1a\n", ".png"),
    (8, b"WEBP", ".webp"),
)
"""Offset, bytes and suffix of the containers that are accepted.

Playlists are not among them: FFmpeg would open the files and addresses that they name.
"""

Report = Callable[[dict[str, Any]], None]


def suffix_of(head: bytes, name: str) -> str:
    """The suffix for a clip with these first bytes; raises VideoError if it is no container of our list."""
    for offset, signature, suffix in _SIGNATURES:
        if head[offset:].startswith(signature):
            return suffix
    if len(head) > 376 and head[0] == head[188] == head[376] == 0x47:
        return ".ts"
    raise VideoError(f"{name}: is not a video that the page accepts; convert it to MP4, WebM or MKV")


def describe(path: str, name: str) -> dict[str, Any]:
    """The size and length of a clip, and its suffix, which its file gets: readers of animations go by it."""
    with Path(path).open("rb") as file:
        suffix = suffix_of(file.read(512), name)
    named = Path(path).rename(Path(path).with_suffix(suffix))
    with naming(str(named), name), open_clip(named) as clip:
        info = clip.info
        frames = info.frames
        seconds = None if frames is None else float(frames / info.rate)
        return {"width": info.width, "height": info.height, "frames": frames, "seconds": seconds, "suffix": suffix}


def frame_at(path: str, name: str, seconds: float, side: int) -> Pixels:
    """The frame at a time, uint8 (H, W, 3); its short side is at most ``side``."""
    for start in (seconds, max(0.0, seconds - 0.5), 0.0):  # the duration is an estimate
        with naming(path, name), open_clip(path, Part(start=start, short_side=side)) as clip:
            frame = next(iter(clip.frames()), None)
        if frame is not None:
            return frame.pixels
    raise VideoError(f"{name}: has no frame that can be read")


def film(
    path: str,
    name: str,
    target: str,
    stylizer: Stylizer,
    settings: Settings,
    steady: float,
    size: int | None,
    stop: Callable[[], bool],
    report: Report,
) -> dict[str, Any]:
    """Paint a clip; stopped early, what is painted is written."""
    told = 0.0

    def progress(now: VideoProgress) -> None:
        nonlocal told
        if stop():
            raise KeyboardInterrupt  # paint_video ends the file properly
        if time.monotonic() - told > REPORT_SECONDS:
            told = time.monotonic()
            report({"frames": now.frames, "total": now.total, "seconds_left": now.seconds_left})

    options = VideoOptions(steady=steady, size=size, force=True)
    with naming(path, name), naming(target, name):
        result = paint_video(path, target, stylizer, settings, options, progress=progress)
        with open_clip(target) as clip:
            size_made = {"width": clip.info.width, "height": clip.info.height}
    return {**size_made, "frames": result.frames, "notes": [*result.notes], "damaged": result.damaged}


def learn(
    picture: str,
    output: str,
    title: str,
    minutes: float,
    options: Mapping[str, Any],
    stop: Callable[[], bool],
    report: Report,
) -> dict[str, Any]:
    """Learn a style. An unfinished run of the same output goes on."""
    import impasto

    nothing = {"step": 0, "fraction": 0.0, "seconds_left": None, "objective": None}
    report({**nothing, "message": "preparing: loading PyTorch"})
    train = impasto.train  # which imports it
    report({**nothing, "message": "preparing: reading the picture's style, and the photos to learn from"})
    told, asked = 0.0, False

    def progress(now: Any) -> None:
        nonlocal told, asked
        wants_end = stop() and not asked
        if wants_end or (now.message and now.fraction >= 1):
            # As Ctrl-C: the run ends after this step; at the end it leaves a long comparison out.
            asked = True
            signal.raise_signal(signal.SIGINT)
        if now.message or time.monotonic() - told > REPORT_SECONDS:
            told = time.monotonic()
            values = {name: getattr(now, name) for name in ("step", "fraction", "seconds_left", "objective", "message")}
            if now.message:
                values["message"] = now.message.replace(picture, title)
            report(values)

    there = any(Path(output).parent.glob("*.run/checkpoint.pt"))

    def run(resume: bool) -> Any:
        return train(
            picture,
            output,
            title=title,
            minutes=minutes,
            resume=resume,
            restart=not resume,
            progress=progress,
            **options,
        )

    with naming(picture, title), naming(output, title):
        try:
            result = run(there)
        except ImpastoError:
            if not there:
                raise
            result = run(False)  # the checkpoint is damaged
    return {"message": f"{title}: {_words(result)}", "steps": result.steps}


def _words(result: Any) -> str:
    how = "learned" if result.finished else "stopped early"
    found = result.evaluation
    return f"{how} after {result.steps} steps" + (f": {found.words}" if found is not None else "")
