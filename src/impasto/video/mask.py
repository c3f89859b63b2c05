"""Masks that limit the painting of a clip to a region."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from impasto.pictures.read import load_mask
from impasto.pictures.resize import resize_mask
from impasto.video.clip import Clip, Frame, Part, Pixels
from impasto.video.codecs import CONTAINERS
from impasto.video.reader import open_clip


class Mask:
    """A mask for the frames of a clip: white is painted, black keeps the source.

    Args:
        path: A picture for all frames, or a clip with one mask per frame; None paints everywhere.
        part: The part of a mask clip to read.
    """

    def __init__(self, path: Path | None, part: Part) -> None:
        self._clip: Clip | None = None
        self._frames: Iterator[Frame] | None = None
        self._last: NDArray[np.uint8] | None = None
        if path is None:
            return
        if path.suffix.lower() in (*CONTAINERS, ".gif"):
            self._clip = open_clip(path, part)
            self._frames = self._clip.frames()
        else:
            self._last = load_mask(path)

    def following(self, frame: Pixels) -> NDArray[np.uint8] | None:
        """The mask of the clip's next frame, in its size; None if everything is painted."""
        if self._frames is not None:
            following = next(self._frames, None)
            if following is not None:  # a shorter mask clip keeps its last frame
                self._last = np.rint(following.pixels.mean(axis=2)).astype(np.uint8)
        if self._last is not None and self._last.shape != frame.shape[:2]:
            self._last = resize_mask(self._last, frame.shape[1], frame.shape[0])
        return self._last

    def __enter__(self) -> "Mask":
        return self

    def __exit__(self, *_: object) -> None:
        if self._clip is not None:
            self._clip.__exit__()


def blended(painted: Pixels, frame: Pixels, mask: NDArray[np.uint8] | None) -> Pixels:
    """A painted frame where the mask is white, and its source frame where it is black; uint8 (H, W, 3)."""
    if mask is None:
        return painted
    share = mask.astype(np.float32)[..., np.newaxis] / 255
    mixed: Pixels = np.rint(frame + share * (painted.astype(np.float32) - frame)).astype(np.uint8)
    return mixed
