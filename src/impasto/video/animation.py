"""Reading and writing animated GIF, WebP and PNG with Pillow."""

import math
import struct
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image, ImageSequence

from impasto.errors import VideoError
from impasto.files import replacing
from impasto.video.clip import ClipInfo, Color, Damage, Frame, Part, Pixels
from impasto.video.timeline import Timeline

_FORMATS = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG", ".apng": "PNG"}
SUFFIXES = tuple(_FORMATS)
MILLISECOND = Fraction(1, 1000)
SRGB = Color(matrix=1, primaries=1, transfer=13, full_range=False)
"""The color description of videos made from sRGB pictures. Limited range, which every player shows."""
_DAMAGED = (OSError, ValueError, EOFError, SyntaxError, IndexError, struct.error)
"""What Pillow raises on damaged files."""
MOST_BYTES = 2_000_000_000
"""Limit for the frames of an animation: Pillow keeps all of them in memory until the file is written."""


def is_animation(path: Path) -> bool:
    """Whether a file is a picture with more than one frame."""
    if path.suffix.lower() not in SUFFIXES:
        return False
    try:
        with Image.open(path) as image:
            return bool(getattr(image, "is_animated", False))
    except _DAMAGED:
        return False


class Animation:
    """An animated picture as a :class:`Clip`. Transparent pixels become white.

    Raises:
        VideoError: The file cannot be read.
    """

    def __init__(self, path: Path, part: Part) -> None:
        self.source: Path | None = path
        self.damage = Damage()
        self.timeline = Timeline()
        self._part = part
        try:
            self._image = Image.open(path)
            durations = [self._duration(page) for page in self._pages()]
        except _DAMAGED as cause:
            raise VideoError(f"{path}: cannot be read as an animation: {cause}") from cause
        if not durations:
            raise VideoError(f"{path}: not one frame can be decoded; it is damaged")
        mean = Fraction(sum(durations), 1000 * len(durations))
        width, height = part.size_of(*self._image.size)
        # Without a loop count, an animation plays once; 0 repeats for ever.
        self.info = ClipInfo(
            width=width,
            height=height,
            time_base=MILLISECOND,
            rate=1 / mean / part.every,
            base_rate=Fraction(1000, math.gcd(*durations)) / part.every,
            frames=-(-len(durations) // part.every),
            color=SRGB,
            loop=int(self._image.info.get("loop", 1)),
        )
        self.damage = Damage()  # of the second reading, which yields the frames

    def _pages(self) -> Iterator[Image.Image]:
        """The animation's frames. What cannot be decoded ends them, and is counted in ``damage``."""
        pages = ImageSequence.Iterator(self._image)
        try:
            for number, page in enumerate(pages):
                page.load()  # WebP sets the duration on loading
                if number == 0 and page.info.get("default_image"):
                    continue  # an animated PNG's picture for programs that do not know animations
                yield page
        except _DAMAGED as cause:
            self.damage.packets += 1
            self.damage.messages.append(str(cause))

    @staticmethod
    def _duration(page: Image.Image) -> int:
        """The duration in milliseconds. As in browsers, less than 20 counts as 100."""
        duration = round(float(page.info.get("duration", 100) or 100))
        return duration if duration >= 20 else 100

    def frames(self) -> Iterator[Frame]:
        """See :class:`impasto.video.clip.Clip`."""
        time = number = 0
        for page in self._pages():
            duration, part = self._duration(page), self._part
            if part.end is not None and time >= 1000 * part.end:
                break
            if time >= 1000 * part.start:
                number += 1
                if (number - 1) % part.every == 0:
                    yield Frame(self._pixels(page), time, MILLISECOND, duration)
            time += duration

    def _pixels(self, frame: Image.Image) -> Pixels:
        rgba = frame.convert("RGBA")
        if not self.info.notes and rgba.getchannel("A").getextrema() != (255, 255):
            self.info = replace(self.info, notes=("transparent pixels become white",))
        page = Image.new("RGBA", rgba.size, "white")
        page.alpha_composite(rgba)
        rgb = page.convert("RGB")
        size = (self.info.width, self.info.height)
        return np.asarray(rgb if rgb.size == size else rgb.resize(size, Image.Resampling.LANCZOS))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._image.close()


class AnimationWriter:
    """Writes an animated GIF, WebP or PNG; the suffix selects the format.

    All frames stay in memory until the end. GIF frames are stored as 8 bits per pixel, each with its own palette.
    """

    def __init__(self, path: Path, info: ClipInfo, quality: int) -> None:
        self._path = path
        self._info = info
        self._quality = quality
        self._format = _FORMATS[path.suffix.lower()]
        self._frames: list[Image.Image] = []
        self._times: list[Fraction] = []

    def write(self, frame: Frame) -> None:
        """See :class:`impasto.video.clip.Writer`."""
        if (len(self._frames) + 1) * frame.pixels.nbytes > MOST_BYTES:
            raise VideoError(f"{self._path}: too many frames for an animation; write .mp4 or .webm instead")
        image = Image.fromarray(frame.pixels)
        if self._format == "GIF":
            image = image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
        self._frames.append(image)
        self._times.append(frame.time)
        self._last_seconds = frame.seconds

    def finish(self) -> None:
        """See :class:`impasto.video.clip.Writer`."""
        first, *rest = self._frames
        steps = [b - a for a, b in zip(self._times, self._times[1:], strict=False)]
        durations = [max(1, round(1000 * step)) for step in [*steps, self._last_seconds or 1 / self._info.rate]]
        options: dict[str, object] = {"duration": durations}
        loop = 0 if self._info.loop is None else self._info.loop
        if self._format != "GIF" or loop != 1:  # a GIF without a loop count plays once
            options["loop"] = loop
        if self._format == "WEBP":
            options |= {"quality": self._quality, "method": 4}
        if self._format == "GIF":
            options["disposal"] = 1
        with replacing(self._path, VideoError) as part:
            first.save(part, format=self._format, save_all=True, append_images=rest, **options)

    def abandon(self) -> None:
        """See :class:`impasto.video.clip.Writer`."""
        self._frames.clear()
