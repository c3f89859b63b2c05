"""What moves from frame to frame: agreement, optical flow, and mixing along it. Faster with OpenCV."""

import importlib
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from impasto.errors import UsageError
from impasto.painting.strokes import detail_share, enlarged
from impasto.pictures.resize import resize
from impasto.video.clip import Pixels

NOISE = 10
"""Levels of 255. Two frames agree at a pixel if they differ by less than this after a 3 x 3 box blur."""
_ONE = 128
"""The weight 1 in fixed point: products with a difference of two pixels fit into 16 bits."""

Difference = NDArray[np.uint16]
"""(H, W): sum over 3 x 3 pixels of the largest difference of a channel."""
_MOST = 9 * 255


class Warp(Protocol):
    """Moves a picture of the previous frame to the current one."""

    def __call__(self, picture: Pixels) -> Pixels:
        """The moved picture."""

    @property
    def outside(self) -> NDArray[np.bool_] | None:
        """(H, W): pixels whose source lies outside the previous frame; None if there are none."""


class Vision(Protocol):
    """Operations on frames that OpenCV does faster than NumPy and Pillow."""

    def shrunk(self, frame: Pixels, width: int, height: int) -> Pixels:
        """A smaller copy."""

    def warp(self, frame: Pixels, before: Pixels) -> Warp:
        """The motion from the previous frame to this one."""

    def enlarged(self, painted: Pixels, small: Pixels, frame: Pixels, strength: float) -> Pixels:
        """The painting of a smaller copy at the frame's size, with detail; see `impasto.painting.strokes.enlarged`."""


def vision(use_flow: bool | None) -> Vision:
    """The operations, with optical flow if OpenCV is installed.

    Args:
        use_flow: True requires OpenCV, False does without.

    Raises:
        UsageError: OpenCV is required, and missing.
    """
    if use_flow is False:
        return PlainVision()
    try:
        return OpenCV(importlib.import_module("cv2"))
    except ImportError as cause:
        if use_flow:
            raise UsageError("optical flow needs OpenCV: pip install 'impasto[flow]'") from cause
        return PlainVision()


def difference(frame: Pixels, before: Pixels, warp: Warp) -> Difference:
    """How much two frames differ around each pixel; `before` is already moved along ``warp``."""
    each = np.maximum(frame, before) - np.minimum(frame, before)
    largest = np.maximum(np.maximum(each[..., 0], each[..., 1]), each[..., 2])
    padded = np.pad(largest, 1, mode="edge").astype(np.uint16)
    rows = padded[:-2] + padded[1:-1]
    rows += padded[2:]
    total: Difference = rows[:, :-2] + rows[:, 1:-1]
    total += rows[:, 2:]
    if warp.outside is not None:
        total[warp.outside] = _MOST
    return total


def mixed(frame: Pixels, before: Pixels, differing: Difference, weight: float) -> Pixels:
    """The previous frame blended into this one where they agree, with this weight where they are equal."""
    values = np.arange(_MOST + 1) / (9 * NOISE)
    table = np.rint(_ONE * weight * np.maximum(1 - values**2, 0)).astype(np.int16)
    change = before.astype(np.int16)
    change -= frame
    change *= table[differing][..., np.newaxis]
    change += _ONE // 2
    change >>= _ONE.bit_length() - 1
    change += frame
    return change.astype(np.uint8)


class _Still:
    """No motion."""

    outside = None

    def __call__(self, picture: Pixels) -> Pixels:
        return picture


class PlainVision:
    """Without OpenCV: no optical flow."""

    def shrunk(self, frame: Pixels, width: int, height: int) -> Pixels:
        """See :class:`Vision`."""
        return resize(frame, width, height)

    def warp(self, frame: Pixels, before: Pixels) -> Warp:
        """See :class:`Vision`."""
        return _Still()

    def enlarged(self, painted: Pixels, small: Pixels, frame: Pixels, strength: float) -> Pixels:
        """See :class:`Vision`."""
        return enlarged(painted, small, frame, strength)


class OpenCV:
    """With OpenCV, whose optical flow is dense inverse search (Kroeger et al. 2016).

    Args:
        cv2: The module.
    """

    def __init__(self, cv2: Any) -> None:
        self._cv2 = cv2
        self._search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._grid: NDArray[np.float32] | None = None

    def shrunk(self, frame: Pixels, width: int, height: int) -> Pixels:
        """See :class:`Vision`."""
        small: Pixels = self._cv2.resize(frame, (width, height), interpolation=self._cv2.INTER_AREA)
        return small

    def warp(self, frame: Pixels, before: Pixels) -> Warp:
        """See :class:`Vision`."""
        gray, gray_before = (self._cv2.cvtColor(picture, self._cv2.COLOR_RGB2GRAY) for picture in (frame, before))
        places = self._search.calc(gray, gray_before, None)
        height, width = gray.shape
        if self._grid is None or self._grid.shape[:2] != gray.shape:
            across, down = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
            self._grid = np.stack([across, down], axis=2)
        places += self._grid
        return _Moved(self._cv2, places)

    def enlarged(self, painted: Pixels, small: Pixels, frame: Pixels, strength: float) -> Pixels:
        """See :class:`Vision`."""
        size = frame.shape[1::-1]
        large, coarse = (
            self._cv2.resize(picture, size, interpolation=self._cv2.INTER_CUBIC) for picture in (painted, small)
        )
        detail = frame.astype(np.int16)
        detail -= coarse
        detail *= round(_ONE * detail_share(strength))
        detail += _ONE // 2
        detail >>= _ONE.bit_length() - 1
        detail += large
        return np.clip(detail, 0, 255, out=detail).astype(np.uint8)


class _Moved:
    """Motion along an optical flow.

    Args:
        cv2: The module.
        places: float32 (H, W, 2), where each pixel was in the previous frame.
    """

    def __init__(self, cv2: Any, places: NDArray[np.float32]) -> None:
        height, width = places.shape[:2]
        x, y = places[..., 0], places[..., 1]
        self.outside: NDArray[np.bool_] | None = (x < 0) | (x > width - 1) | (y < 0) | (y > height - 1)
        self._cv2 = cv2
        self._places = places

    def __call__(self, picture: Pixels) -> Pixels:
        """The picture, moved."""
        cv2 = self._cv2
        moved: Pixels = cv2.remap(picture, self._places, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return moved
