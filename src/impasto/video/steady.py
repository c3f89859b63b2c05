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

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ImageError, UsageError
from impasto.painting.finishing import color_match, restore_detail, to_pixels
from impasto.painting.framing import WHOLE, Area, faded
from impasto.painting.settings import Settings
from impasto.painting.strokes import paint_strokes, working_side
from impasto.painting.stylizer import Stylizer
from impasto.painting.tiles import WHOLE_PIXELS
from impasto.pictures.colors import keep_colors
from impasto.pictures.picture import check_picture
from impasto.video.clip import Pixels
from impasto.video.motion import Difference, Warp, difference, mixed, vision

Statistics = dict[str, NDArray[np.float32]]
"""Instance normalization statistics, as :meth:`impasto.painting.network.Network.measure` returns them."""

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


@dataclass(frozen=True)
class Prepared:
    """A frame before painting.

    Attributes:
        frame: The frame itself.
        small: The frame at the size at which it is painted.
        clean: ``small``, with less noise.
        starts: Whether a new shot starts here.
        warp: The motion from the previous frame to this one; None if a shot starts.
        differing: How much the two differ; None if a shot starts.
    """

    frame: Pixels
    small: Pixels
    clean: Pixels
    starts: bool = False
    warp: Warp | None = None
    differing: Difference | None = None


@dataclass(frozen=True)
class Painted:
    """A frame after painting.

    Attributes:
        prepared: The frame before.
        pixels: The painting of its small copy.
        settings: The settings that it is painted with.
    """

    prepared: Prepared
    pixels: Pixels
    settings: Settings


class Steady:
    """Paints the frames of one clip, in order.

    A call is :meth:`prepare`, :meth:`paint` and :meth:`finish`. Each of them may run in a thread of its own, which gets
    the frames in order.

    Args:
        stylizer: Paints each frame.
        settings: How the style is applied; None for the defaults.
        smoothing: One number from 0 (off) to 1, or the strength of each method.
        use_flow: Whether to use optical flow; None uses it if OpenCV is installed.
        most_side: Frames are painted with at most this short side, pixels, and enlarged; None for no limit.

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
        most_side: int | None = None,
    ) -> None:
        self.stylizer = stylizer
        self.settings = _for_frames(settings or Settings())
        self.smoothing = smoothing if isinstance(smoothing, Smoothing) else Smoothing.scaled(smoothing)
        self.most_side = most_side
        self._vision = vision(use_flow)
        self.reset()

    def reset(self) -> None:
        """Discard all state, as before the first frame."""
        self._clean: Pixels | None = None
        self._thumbnail: NDArray[np.float32] | None = None
        self._usual = 0.0
        self.cuts = 0
        self._painted: Pixels | None = None
        self._tracks: dict[tuple[int, ...], _Track] = {}

    def restyle(self, stylizer: Stylizer, settings: Settings | None = None) -> None:
        """Use another style or other settings from the next frame on that is painted."""
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
        return self.finish(self.paint(self.prepare(frame)))

    def prepare(self, frame: Pixels) -> Prepared:
        """Shrink the next frame, remove noise, and find cuts and motion.

        Raises:
            ImageError: ``frame`` has another shape or dtype.
        """
        check_picture(frame)
        if frame.dtype != np.uint8:
            raise ImageError(f"expected a frame of uint8, not {frame.dtype}")
        small = self._shrunk(frame)
        if self.smoothing == Smoothing(0, 0, 0):
            return Prepared(frame, small, small, starts=True)
        before = None if self._is_cut(small) else self._clean
        self._clean = small
        if before is None or before.shape != small.shape:
            return Prepared(frame, small, small, starts=True)
        warp = self._vision.warp(small, before)
        moved = warp(before)
        differing = difference(small, moved, warp)
        self._clean = mixed(small, moved, differing, self.smoothing.noise)
        return Prepared(frame, small, self._clean, warp=warp, differing=differing)

    def paint(self, prepared: Prepared) -> Painted:
        """Paint a prepared frame at the size of its small copy."""
        if prepared.starts:
            self._tracks, self._painted = {}, None
        # A small copy has the size that the stroke size asks for.
        is_small = prepared.small.shape != prepared.frame.shape
        settings = replace(self.settings, stroke_size=0, crisp=False, keep_colors=None) if is_small else self.settings
        pixels = self._paint(prepared.clean, settings)
        before, weight = self._painted, self.smoothing.mixing
        if before is not None and weight and prepared.warp is not None and prepared.differing is not None:
            pixels = mixed(pixels, prepared.warp(before), prepared.differing, weight)
        self._painted = pixels
        return Painted(prepared, pixels, self.settings)

    def finish(self, painted: Painted) -> Pixels:
        """The painted frame at its own size."""
        frame, small, settings = painted.prepared.frame, painted.prepared.small, painted.settings
        if small.shape == frame.shape:
            return painted.pixels
        large = self._vision.enlarged(painted.pixels, small, frame, settings.strength)
        return large if settings.keep_colors is None else keep_colors(large, frame, settings.keep_colors, None)

    def _shrunk(self, frame: Pixels) -> Pixels:
        """The frame at the size at which it is painted: its own for fine or crisp strokes."""
        height, width = frame.shape[:2]
        short = min(height, width)
        side = short if self.settings.crisp else working_side(frame, self.settings, WHOLE)
        side = min(side, short, self.most_side or short)
        if side == short:
            return frame
        return self._vision.shrunk(frame, *(max(1, round(size * side / short)) for size in (width, height)))

    def _paint(self, frame: Pixels, settings: Settings) -> Pixels:
        if not (self.smoothing.statistics and self.stylizer.network.reach and settings.strength):
            return self.stylizer(frame, settings)
        self.stylizer.check(settings)
        fades = self.stylizer.network.takes_strength
        return paint_strokes(frame, settings, self._paint_at_own_size, fades=fades)

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
            return False
        differs = float(np.abs(thumbnail - before).mean())
        usual, self._usual = self._usual, 0.8 * self._usual + 0.2 * differs
        if differs > CUT and differs > CUT_RATIO * usual:
            self._usual = 0.0
            self.cuts += 1
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
