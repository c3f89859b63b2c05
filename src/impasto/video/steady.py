"""Temporal smoothing: paints the frames of a clip without flicker.

Frames that are painted one by one flicker: sensor noise changes the network's output, and instance normalization
follows every change of the frame's statistics. :class:`Steady` reduces flicker in four ways. One number scales the
first, second and fourth:

1. **noise**: a recursive filter averages each input pixel with the previous frame's, if the two differ by no more than
   sensor noise. It follows the optical flow if OpenCV is installed.
2. **statistics**: the instance normalization statistics are measured every few frames, smoothed, and passed to the
   network as inputs (Chen et al. 2022 freeze them for tiles).
3. **z**: the network's noise input is the same in every frame.
4. **mixing**: the previous output, warped by the flow, is blended into the output where the two frames agree.

A cut resets all of them.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ImageError, UsageError
from impasto.painting.finishing import color_match, restore_detail, to_pixels
from impasto.painting.framing import Area, faded
from impasto.painting.settings import Settings
from impasto.painting.strokes import paint_strokes
from impasto.painting.stylizer import Stylizer
from impasto.painting.tiles import WHOLE_PIXELS
from impasto.pictures.picture import check_picture
from impasto.video.clip import Pixels

Statistics = dict[str, NDArray[np.float32]]
"""Instance normalization statistics, as :meth:`impasto.painting.network.Network.measure` returns them."""

NOISE = 10
"""Levels of 255. Two frames agree at a pixel if they differ by less than this after a 3 x 3 box blur."""
MEASURE_EVERY = 10
"""Frames between two measurements of the statistics."""
CUT = 0.14
"""A cut is detected if the mean difference of two frames exceeds this share of the value range ..."""
CUT_RATIO = 4.0
"""... and this multiple of the running mean of earlier differences."""
THUMBNAIL = 32
"""Side of the thumbnails that cuts are detected in, pixels."""


@dataclass(frozen=True)
class Smoothing:
    """The strength of each method, 0 (off) to 1.

    Attributes:
        noise: Weight of the earlier frames in an unchanged input pixel.
        statistics: Weight that the earlier statistics keep after a measurement; 0 uses each frame's own statistics.
        mixing: Weight of the previous output, warped by the flow, where frames agree.
    """

    noise: float
    statistics: float
    mixing: float

    @classmethod
    def scaled(cls, steady: float) -> "Smoothing":
        """All methods, scaled by one number from 0 to 1.

        Raises:
            UsageError: The number is out of range.
        """
        if not isinstance(steady, int | float) or isinstance(steady, bool) or not 0 <= steady <= 1:
            raise UsageError(f"steady must be from 0 (frame by frame) to 1, not {steady}")
        return cls(noise=min(0.95, 1.7 * steady), statistics=min(0.97, 1.6 * steady), mixing=min(0.95, 1.6 * steady))


class Steady:
    """Paints the frames of one clip, in order.

    Args:
        stylizer: Paints each frame.
        settings: How the style is applied; None for the defaults.
        smoothing: One number from 0 (off) to 1, or the strength of each method.
        use_flow: Whether to use optical flow; None uses it if OpenCV is installed.

    Raises:
        UsageError: A value is out of range, or ``use_flow`` is True and OpenCV is missing.
    """

    def __init__(
        self,
        stylizer: Stylizer,
        settings: Settings | None = None,
        smoothing: float | Smoothing = 0.5,
        *,
        use_flow: bool | None = None,
    ) -> None:
        self.stylizer = stylizer
        self.settings = _for_frames(settings or Settings())
        self.smoothing = smoothing if isinstance(smoothing, Smoothing) else Smoothing.scaled(smoothing)
        self._motion = _motion_of(use_flow)
        self.reset()

    def reset(self) -> None:
        """Discard all state, as before the first frame."""
        self._forget()
        self._thumbnail: NDArray[np.float32] | None = None
        self._usual = 0.0
        self.cuts = 0

    def _forget(self) -> None:
        """Discard the state that depends on the current shot."""
        self._clean: Pixels | None = None
        self._painted: Pixels | None = None
        self._tracks: dict[tuple[int, ...], _Track] = {}

    def restyle(self, stylizer: Stylizer, settings: Settings | None = None) -> None:
        """Use another style or other settings from the next frame on."""
        settings = self.settings if settings is None else _for_frames(settings)
        if stylizer is not self.stylizer or settings != self.settings:
            self.stylizer, self.settings = stylizer, settings
            self._tracks = {}
            self._painted = None

    def __call__(self, frame: Pixels) -> Pixels:
        """Paint the next frame: uint8 (H, W, 3) in, a new array of the same shape and dtype out.

        Raises:
            ImageError: ``frame`` has another shape or dtype.
        """
        check_picture(frame)
        if frame.dtype != np.uint8:
            raise ImageError(f"expected a frame of uint8, not {frame.dtype}")
        if self.smoothing == Smoothing(0, 0, 0):
            return self.stylizer(frame, self.settings)
        if self._is_cut(frame):
            self._forget()
            self.cuts += 1
        clean, agree, move = frame, None, None
        if self._clean is not None:
            move = self._motion(frame, self._clean)
            before = move(self._clean)
            agree = _sameness(frame, before) * move.inside
            clean = _mixed(frame, before, np.float32(self.smoothing.noise) * agree)
        painted = self._paint(clean)
        if agree is not None and move is not None and self._painted is not None and self.smoothing.mixing:
            painted = _mixed(painted, move(self._painted), np.float32(self.smoothing.mixing) * agree)
        self._clean, self._painted = clean, painted
        return painted

    def _paint(self, frame: Pixels) -> Pixels:
        if not self.smoothing.statistics or not self.stylizer.network.reach or not self.settings.strength:
            return self.stylizer(frame, self.settings)
        self.stylizer.check(self.settings)
        return paint_strokes(frame, self.settings, self._paint_at_own_size)

    def _paint_at_own_size(self, image: Pixels, settings: Settings, area: Area) -> Pixels:
        """Paint an image with the smoothed statistics of its size."""
        network = self.stylizer.network
        if image.shape[0] * image.shape[1] > WHOLE_PIXELS:
            return self.stylizer.paint_at_own_size(image, settings, area)
        inputs = network.image_inputs(image, settings.seed)
        style = network.style_inputs(self.stylizer.style, settings.strength)
        track = self._tracks.setdefault(image.shape, _Track(self.smoothing.statistics))
        if track.is_due():
            inside = network.image_inputs(image[area], settings.seed)
            painted, statistics = network.measure({**inside, **style})
            track.aim(statistics, color_match(painted, inside["image"], settings.strength))
        output = track.match(network.run_frozen({**inputs, **style, **track.step()}))
        finished = restore_detail(output, inputs["image"], np.float32(settings.strength))
        return faded(to_pixels(finished, image), image, area)

    def _is_cut(self, frame: Pixels) -> bool:
        """Whether this frame starts a new shot; False for the first frame."""
        rows, columns = (max(1, size // THUMBNAIL) for size in frame.shape[:2])
        thumbnail = frame[rows // 2 :: rows, columns // 2 :: columns].astype(np.float32).mean(axis=2) / 255
        before, self._thumbnail = self._thumbnail, thumbnail
        if before is None or before.shape != thumbnail.shape:
            return before is not None
        difference = float(np.abs(thumbnail - before).mean())
        usual, self._usual = self._usual, 0.8 * self._usual + 0.2 * difference
        if difference > CUT and difference > CUT_RATIO * usual:
            self._usual = 0.0
            return True
        return False


class _Track:
    """Statistics that move smoothly toward the latest measurement.

    Args:
        inertia: Weight that the earlier statistics keep half a measuring period after a measurement.
    """

    def __init__(self, inertia: float) -> None:
        self._pace = 1 - inertia ** (2 / MEASURE_EVERY)
        self._current: Statistics | None = None
        self._target: Statistics = {}
        self._since = 0
        self.match: Callable[[NDArray[np.float32]], NDArray[np.float32]] = lambda picture: picture

    def is_due(self) -> bool:
        """Whether it is time to measure again."""
        return self._current is None or self._since >= MEASURE_EVERY

    def aim(self, measured: Statistics, match: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> None:
        """Set the statistics to move toward. The first call also sets ``match``, which adjusts the colors."""
        self._target, self._since = measured, 0
        if self._current is None:
            self._current, self.match = measured, match

    def step(self) -> Statistics:
        """The statistics of the next frame."""
        assert self._current is not None
        self._since += 1
        if self._current is not self._target:
            pace = np.float32(self._pace)
            self._current = {name: value + pace * (self._target[name] - value) for name, value in self._current.items()}
        return self._current


def _for_frames(settings: Settings) -> Settings:
    """The settings, with frames only painted again if ``crisp`` is set: it takes twice the time, and they move."""
    return replace(settings, crisp=bool(settings.crisp))


def _sameness(frame: Pixels, before: Pixels) -> NDArray[np.float32]:
    """How well two frames agree at each pixel: 0 to 1, float32 (H, W, 1)."""
    difference = np.abs(frame.astype(np.int16) - before).max(axis=2).astype(np.float32)
    padded = np.pad(difference, 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    mean = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) * np.float32(1 / 9)
    share: NDArray[np.float32] = np.maximum(1 - np.square(mean * np.float32(1 / NOISE)), 0)
    return share[..., np.newaxis]


def _mixed(frame: Pixels, before: Pixels, share: NDArray[np.float32]) -> Pixels:
    """``(1 - share) * frame + share * before``, uint8 (H, W, 3); ``share`` is float32 (H, W, 1)."""
    difference = before.astype(np.float32) - frame
    difference *= share
    difference += frame
    mixed: Pixels = np.rint(difference).astype(np.uint8)
    return mixed


class _Still:
    """No motion: the identity warp."""

    inside: "NDArray[np.float32] | np.float32" = np.float32(1)
    """1 at pixels whose source lies inside the previous frame, else 0: (H, W, 1), or one number for all."""

    def __call__(self, picture: Pixels) -> Pixels:
        """Warp an image of the previous frame to the current frame."""
        return picture


class _Moved(_Still):
    """A warp along the optical flow, float32 (H, W, 2)."""

    def __init__(self, cv2: Any, flow: NDArray[np.float32]) -> None:
        height, width = flow.shape[:2]
        across, down = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        self._places = across + flow[..., 0], down + flow[..., 1]
        x, y = self._places
        within = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        self.inside = within.astype(np.float32)[..., np.newaxis]
        self._cv2 = cv2

    def __call__(self, picture: Pixels) -> Pixels:
        cv2 = self._cv2
        moved: Pixels = cv2.remap(picture, *self._places, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return moved


def _motion_of(use_flow: bool | None) -> Callable[[Pixels, Pixels], _Still]:
    """The function that estimates the motion from the previous frame to the current one.

    It is OpenCV's dense inverse search (Kroeger et al. 2016), or no motion; see :class:`Steady`.
    """
    if use_flow is False:
        return lambda frame, before: _Still()
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError as cause:
        if use_flow:
            raise UsageError("optical flow needs OpenCV: pip install 'impasto[flow]'") from cause
        return lambda frame, before: _Still()
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)

    def motion(frame: Pixels, before: Pixels) -> _Still:
        gray, gray_before = (cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) for x in (frame, before))
        return _Moved(cv2, search.calc(gray, gray_before, None))

    return motion
