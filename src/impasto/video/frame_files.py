"""Clips as folders or patterns of numbered picture files."""

import glob
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Self

from impasto.errors import ImageError, VideoError
from impasto.pictures.folders import find_images
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize
from impasto.pictures.write import save_image
from impasto.video.animation import SRGB
from impasto.video.clip import ClipInfo, Damage, Frame, Part
from impasto.video.timeline import Timeline

RATE = Fraction(25)
"""Assumed frame rate: picture files have no timestamps."""


def is_frames(name: str) -> bool:
    """Whether a name is a folder or a glob pattern, and not the name of an existing file."""
    return Path(name).is_dir() or (not Path(name).is_file() and bool(re.search(r"[*?\[]", name)))


class FrameFiles:
    """Picture files as a clip, sorted naturally by name (2 before 10).

    Raises:
        VideoError: There are no pictures, or the first cannot be read.
    """

    def __init__(self, name: str, part: Part) -> None:
        self.source = Path(name) if Path(name).is_dir() else None
        self.damage = Damage()
        self.timeline = Timeline()
        self._part = part
        found = find_images(Path(name)) if self.source else [Path(path) for path in glob.glob(name)]  # noqa: PTH207 (a pattern may be absolute)
        paths = sorted(found, key=lambda path: _natural(str(path)))
        if not paths:
            raise VideoError(f"{name}: no pictures there")
        first, last = round(part.start * RATE), None if part.end is None else round(part.end * RATE)
        self._paths = list(enumerate(paths))[first : last : part.every]
        if not self._paths:
            raise VideoError(
                f"{name}: no frame lies between the start and the end ({len(paths)} frames at {RATE} a second)"
            )
        try:
            self._shape = load_image(self._paths[0][1]).shape
        except ImageError as cause:
            raise VideoError(str(cause)) from cause
        width, height = part.size_of(self._shape[1], self._shape[0])
        self.info = ClipInfo(width, height, 1 / RATE, RATE / part.every, RATE / part.every, len(self._paths), SRGB)

    def frames(self) -> Iterator[Frame]:
        """See :class:`impasto.video.clip.Clip`. Unreadable frames are skipped and counted in ``damage``.

        Raises:
            VideoError: A frame has another size than the first.
        """
        for number, path in self._paths:
            try:
                pixels = load_image(path)
            except ImageError as cause:
                self.damage.packets += 1
                self.damage.messages.append(str(cause))
                continue
            if pixels.shape != self._shape:
                raise VideoError(
                    f"{path}: {pixels.shape[1]} x {pixels.shape[0]} pixels, the frames before it "
                    f"{self._shape[1]} x {self._shape[0]}; make them all of one size"
                )
            size = (self.info.width, self.info.height)
            yield Frame(pixels if pixels.shape[1::-1] == size else resize(pixels, *size), number, 1 / RATE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class FrameFilesWriter:
    """Writes one PNG per frame, frame_000001.png and so on, to a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise VideoError(f"{folder}: cannot make this folder: {cause.strerror}") from cause

    def write(self, frame: Frame) -> None:
        """See :class:`impasto.video.clip.Writer`."""
        self._count += 1
        save_image(self._folder / f"frame_{self._count:06d}.png", frame.pixels)

    def finish(self) -> None:
        """See :class:`impasto.video.clip.Writer`. Nothing to do: each frame is a complete file."""

    def abandon(self) -> None:
        """See :class:`impasto.video.clip.Writer`. The frames written so far stay."""


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(piece), "") if piece.isdigit() else (-1, piece) for piece in re.split(r"(\d+)", name)]
