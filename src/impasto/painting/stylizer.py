"""The stylizer: repaints pictures with one network in one style, on the CPU and without torch."""

import logging
import os
from collections.abc import Mapping

import numpy as np

from impasto.errors import ImageError, ModelError, UsageError
from impasto.models.catalog import Variant, variant_of
from impasto.models.modelfile import CONVERTED, ModelInfo
from impasto.models.stylefile import Style
from impasto.painting.engine import OutOfMemory
from impasto.painting.finishing import color_match, restore_detail, to_pixels
from impasto.painting.framing import WHOLE, Area, faded, is_framed
from impasto.painting.inputs import Input, as_array
from impasto.painting.mixing import check_fit, check_name, mix_styles
from impasto.painting.network import Network
from impasto.painting.settings import Settings
from impasto.painting.strokes import paint_strokes
from impasto.painting.tiles import SAMPLED_PIXELS, SHORT_OF_MEMORY, TILE, WHOLE_PIXELS, paint_in_tiles
from impasto.pictures.picture import Pixels

_log = logging.getLogger(__name__)

MAX_PIXELS = 40_000_000
"""The largest picture for a network that cannot paint in tiles: features take some 300 bytes per pixel."""
DEFAULT = Settings()


class Stylizer:
    """Repaints pictures of any size with one network in one style; :func:`impasto.load` makes one.

    Calls from several threads are safe. Equal pictures, settings and seeds give equal results.

    Args:
        network: The network.
        style: The style; None for a network without ``style`` input, whose only style is part of the graph.

    Attributes:
        network: The network, which several stylizers may share.
        style: The style, or None.
    """

    def __init__(self, network: Network, style: Style | None = None) -> None:
        self.network = network
        self.style = style

    @property
    def info(self) -> ModelInfo:
        """The model file's description."""
        return self.network.info

    def __call__(self, image: Input, settings: Settings = DEFAULT) -> Pixels:
        """Repaint a picture.

        Args:
            image: An array, uint8 or uint16 (H, W, 3), sRGB, which is not changed; a Pillow image; or a file as a path,
                bytes or a binary stream, which is read as uint8. If the network does not support the size, the picture
                is padded by reflection, right and below, and the result is cropped.
            settings: How the style is applied.

        Returns:
            A new C-contiguous array, sRGB, with the shape and dtype of the picture.

        Raises:
            ImageError: ``image`` is not a picture, is a damaged file, or has more than `MAX_PIXELS` pixels and the
                network cannot paint in tiles.
            ModelError: The graph fails, or its output is not a picture.
            UsageError: ``settings`` is not a :class:`Settings`, or the model does not support the strength.
        """
        self.check(settings)
        return paint_strokes(as_array(image), settings, self.paint_at_own_size, fades=self.network.takes_strength)

    def paint_at_own_size(self, image: Pixels, settings: Settings, area: Area = WHOLE) -> Pixels:
        """Repaint an array at its own size, ignoring stroke size and color settings; otherwise as `__call__`.

        The statistics are those of the area inside its borders.
        """
        painted = self._paint(image, settings, area)
        return faded(painted, image, area) if self.network.reach else painted

    def _paint(self, image: Pixels, settings: Settings, area: Area) -> Pixels:
        network, strength = self.network, settings.strength
        height, width = image.shape[:2]
        if height * width > MAX_PIXELS and not network.reach:
            raise ImageError(
                f"{width} x {height} pixels are more than can be painted at once ({MAX_PIXELS // 1_000_000} million), "
                "and this model cannot paint in tiles: make the picture smaller first"
            )
        if strength == 0:
            return image.copy()
        style = network.style_inputs(self.style, strength)
        if network.reach and (height * width > WHOLE_PIXELS or is_framed(image, area)):
            sampled, side = SAMPLED_PIXELS, TILE
            return paint_in_tiles(image, area, network, style, strength, settings.seed, sampled=sampled, side=side)
        inputs = network.image_inputs(image, settings.seed)
        try:
            output = network.run({**inputs, **style})
        except OutOfMemory:
            if not network.reach:
                raise
            network.release("plain")
            _log.warning("impasto: %d x %d pixels at once need too much memory: painting in tiles", width, height)
            sampled, side = SHORT_OF_MEMORY
            return paint_in_tiles(image, area, network, style, strength, settings.seed, sampled=sampled, side=side)
        matched = color_match(output, inputs["image"], strength)(output)
        return to_pixels(restore_detail(matched, inputs["image"], np.float32(strength)), image)

    def restyled(
        self, name_or_path: str | os.PathLike[str] | Mapping[str, float], *, variant: Variant | None = None
    ) -> "Stylizer":
        """A stylizer for another style of the same network, which is not loaded again.

        Args:
            name_or_path: The name of a shipped style, a style file, or several styles and their shares, as for
                :func:`impasto.load`.
            variant: The network for shipped styles, as for :func:`impasto.load`; None for this stylizer's.

        Raises:
            ModelError: The style file is missing, damaged or made for another network; or this network has only one
                style.
            UsageError: A shipped style's name is unknown, or a share is not a number of 0 or more.
        """
        if self.style is None:
            raise ModelError("this model has a style of its own, and no other; load the other style with impasto.load")
        check_name(name_or_path)
        shares = name_or_path if isinstance(name_or_path, Mapping) else {os.fspath(name_or_path): 1.0}
        style, path = mix_styles(shares, variant or variant_of(self.style.info.network))
        if style.info.network != self.style.info.network:
            raise ModelError(f"the style {style.info.name} is of another network, {path}; load it by itself")
        check_fit(style, self.info, path)
        return Stylizer(self.network, style)

    def check(self, settings: Settings) -> None:
        """Raise UsageError unless this stylizer supports these settings."""
        if not isinstance(settings, Settings):
            raise UsageError(f"settings must be impasto.Settings, as Settings(strength=0.5), not {settings!r:.80}")
        if settings.strength != 1 and not self.network.takes_strength:
            if self.info.architecture == CONVERTED:
                raise UsageError("this model has one strength: another project trained it to paint its style alone")
            raise UsageError(
                "this model has one strength: it has not learned to return the photo (`impasto train --photo-every`)"
            )
