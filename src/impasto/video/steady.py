"""Painting the frames of a film so that they hold still.

Painted one by one, frames flicker: noise changes what a network paints, and its instance normalisations follow every
change of the picture's statistics. :class:`Steady` takes four means against that, all scaled by one number:

1. **noise**: where a frame differs from the one before by no more than a sensor's noise, it is averaged with it before
   it is painted (a recursive filter per pixel, along the optical flow where OpenCV is installed);
2. **statistics**: those of the instance normalisations are measured every few frames, smoothed, and given to the
   network as inputs (Chen et al. 2022 freeze them for tiles);
3. **the network's own noise z** is the same in every frame;
4. **mixing**: the painted frame before, moved along the flow, is mixed in where the frames agree.

At a cut all of it begins anew.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ImageError, UsageError
from impasto.painting.finishing import color_match, restore_detail, to_pixels
from impasto.painting.framing import faded, picture_area
from impasto.painting.settings import Settings
from impasto.painting.strokes import paint_strokes
from impasto.painting.stylizer import Stylizer
from impasto.painting.tiles import WHOLE_PIXELS
from impasto.pictures.picture import check_picture
from impasto.video.clip import Pixels

Statistics = dict[str, NDArray[np.float32]]
"""Of a network's instance normalisations, as :meth:`impasto.painting.network.Network.measure` returns them."""

NOISE = 10
"""Levels of 255: two frames that differ by less, after a blur of 3 x 3 pixels, show the same thing."""
MEASURE_EVERY = 10
"""Frames between two measurements of the statistics."""
CUT = 0.14
"""Mean difference of two frames, of the range, above which they are of different shots ..."""
CUT_RATIO = 4.0
"""... if it is also so many times the mean difference of the frames before."""
THUMBNAIL = 32
"""Side, pixels, of the pictures that cuts are looked for in."""


@dataclass(frozen=True)
class Means:
    """How strongly each means is used, 0 to 1.

    Attributes:
        noise: Share of the earlier frames in a pixel that has not changed.
        statistics: Share of the earlier statistics that is left after a measurement; 0: statistics of each frame.
        mixing: Share of the painted frame before, moved along the flow, where frames agree.
    """

    noise: float
    statistics: float
    mixing: float

    @classmethod
    def of(cls, steady: float) -> "Means":
        """All means at this strength, 0 to 1.

        Raises:
            UsageError: it is out of range.
        """
        if not isinstance(steady, int | float) or isinstance(steady, bool) or not 0 <= steady <= 1:
            raise UsageError(f"steady must be from 0 (frame by frame) to 1, not {steady}")
        return cls(noise=min(0.95, 1.7 * steady), statistics=min(0.97, 1.6 * steady), mixing=min(0.95, 1.6 * steady))


class Steady:
    """Paints the frames of one film, in order.

    Args:
        stylizer: What paints.
        settings: How.
        means: A number from 0 to 1, or each means by itself.
        use_flow: Whether optical flow is used; None: where OpenCV is installed.

    Raises:
        UsageError: a value out of range, or flow is wanted and OpenCV is missing.
    """

    def __init__(
        self,
        stylizer: Stylizer,
        settings: Settings | None = None,
        means: float | Means = 0.5,
        *,
        use_flow: bool | None = None,
    ) -> None:
        self.stylizer = stylizer
        self.settings = settings or Settings()
        self.means = means if isinstance(means, Means) else Means.of(means)
        self._motion = _motion_of(use_flow)
        self.reset()

    def reset(self) -> None:
        """Forget the frames so far."""
        self._forget()
        self._thumbnail: NDArray[np.float32] | None = None
        self._usual = 0.0
        self.cuts = 0

    def _forget(self) -> None:
        """Forget what the frames so far showed."""
        self._clean: Pixels | None = None
        self._painted: Pixels | None = None
        self._tracks: dict[tuple[int, ...], _Track] = {}

    def restyle(self, stylizer: Stylizer, settings: Settings | None = None) -> None:
        """Use another style or other settings from the next frame on."""
        if stylizer is not self.stylizer or (settings or self.settings) != self.settings:
            self.stylizer, self.settings = stylizer, settings or self.settings
            self._tracks = {}
            self._painted = None

    def __call__(self, frame: Pixels) -> Pixels:
        """The frame painted: uint8 (H, W, 3) in, a new array of the same size out.

        Raises:
            ImageError: ``frame`` is no such array.
        """
        check_picture(frame)
        if frame.dtype != np.uint8:
            raise ImageError(f"expected a frame of uint8, not {frame.dtype}")
        if self.means == Means(0, 0, 0):
            return self.stylizer(frame, self.settings)
        if self._is_cut(frame):
            self._forget()
            self.cuts += 1
        clean, agree, move = frame, None, None
        if self._clean is not None:
            move = self._motion(frame, self._clean)
            before = move(self._clean)
            agree = _sameness(frame, before) * move.inside
            clean = _mixed(frame, before, np.float32(self.means.noise) * agree)
        painted = self._paint(clean)
        if agree is not None and move is not None and self._painted is not None and self.means.mixing:
            painted = _mixed(painted, move(self._painted), np.float32(self.means.mixing) * agree)
        self._clean, self._painted = clean, painted
        return painted

    def _paint(self, frame: Pixels) -> Pixels:
        if not self.means.statistics or not self.stylizer.network.reach or not self.settings.strength:
            return self.stylizer(frame, self.settings)
        self.stylizer.check(self.settings)
        return paint_strokes(frame, self.settings, self._paint_at_own_size)

    def _paint_at_own_size(self, image: Pixels, settings: Settings) -> Pixels:
        """The picture painted with the smoothed statistics of pictures of its size."""
        network = self.stylizer.network
        if image.shape[0] * image.shape[1] > WHOLE_PIXELS:
            return self.stylizer.paint_at_own_size(image, settings)
        inputs = network.image_inputs(image, settings.seed)
        style = network.style_inputs(self.stylizer.style, settings.strength)
        track = self._tracks.setdefault(image.shape, _Track(self.means.statistics))
        if track.is_due():
            inside = network.image_inputs(image[picture_area(image)], settings.seed)
            painted, statistics = network.measure({**inside, **style})
            track.aim(statistics, color_match(painted, inside["image"], settings.strength))
        output = track.match(network.run_frozen({**inputs, **style, **track.step()}))
        finished = restore_detail(output, inputs["image"], np.float32(settings.strength))
        return faded(to_pixels(finished, image), image)

    def _is_cut(self, frame: Pixels) -> bool:
        """Whether this frame begins another shot; the first frame does not."""
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
    """Statistics that follow those measured now and then.

    Args:
        inertia: Share of the earlier statistics that is left half a period after a measurement.
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
        """Move towards these statistics from now on, and finish pictures by ``match``."""
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


def _sameness(frame: Pixels, before: Pixels) -> NDArray[np.float32]:
    """Where two frames show the same thing, 0 to 1, float32 (H, W, 1)."""
    difference = np.abs(frame.astype(np.int16) - before).max(axis=2).astype(np.float32)
    padded = np.pad(difference, 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    mean = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) * np.float32(1 / 9)
    share: NDArray[np.float32] = np.maximum(1 - np.square(mean * np.float32(1 / NOISE)), 0)
    return share[..., np.newaxis]


def _mixed(frame: Pixels, before: Pixels, share: NDArray[np.float32]) -> Pixels:
    """``frame`` with this share, (H, W, 1), of ``before``."""
    difference = before.astype(np.float32) - frame
    difference *= share
    difference += frame
    mixed: Pixels = np.rint(difference).astype(np.uint8)
    return mixed


class _Still:
    """No motion: what was at a place before is there still."""

    inside: "NDArray[np.float32] | np.float32" = np.float32(1)
    """1 where the frame before shows what this one does, 0 outside it; (H, W, 1) or one number."""

    def __call__(self, picture: Pixels) -> Pixels:
        """A picture of the frame before, where things are now."""
        return picture


class _Moved(_Still):
    """Motion by optical flow."""

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
    """A function of a frame and the one before: by dense inverse search (Kroeger et al. 2016), OpenCV's, or none."""
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
        grey, grey_before = (cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) for x in (frame, before))
        return _Moved(cv2, search.calc(grey, grey_before, None))

    return motion
