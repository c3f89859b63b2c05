"""Paints a large picture in tiles that share the normalization statistics of a sample."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from impasto.painting.engine import Array
from impasto.painting.finishing import color_match, restore_detail, to_pixels
from impasto.painting.framing import Area
from impasto.painting.network import Network
from impasto.pictures.picture import Pixels

WHOLE_PIXELS = 4_200_000
"""Pictures with more pixels are painted in tiles, so that memory is needed only for the features of one tile."""
SAMPLED_PIXELS = 2_000_000
"""Number of pixels in the sample on which a larger picture's statistics are measured."""
TILE = 1024
"""Side of a tile, pixels, without its margin."""
SHORT_OF_MEMORY = 250_000, 256
"""The number of sampled pixels, and the tile side, after an engine ran out of memory."""
SAMPLE = 192
"""Side of the squares that make up a sample, pixels."""


def paint_in_tiles(
    image: Pixels,
    area: Area,
    network: Network,
    style: dict[str, Array],
    strength: float,
    seed: int,
    *,
    sampled: int,
    side: int,
) -> Pixels:
    """Paint a picture tile by tile, with the statistics of a sample from inside its borders.

    Args:
        image: The picture, uint8 or uint16 (H, W, 3).
        area: The area inside its borders.
        network: A network whose ``reach`` is not 0.
        style: The graph's inputs for the style.
        strength: The strength of these inputs.
        seed: The seed of the noise, for networks with noise.
        sampled: The number of pixels in the sample.
        side: The side of a tile without its margin, pixels.

    Returns:
        A new array with the shape and dtype of ``image``.
    """
    small = network.image_inputs(sample(image[area], sampled), seed)
    picture, statistics = network.measure({**small, **style})
    network.release("measuring")  # tiles need the memory
    match = color_match(picture, small["image"], strength)
    painted = np.empty_like(image, order="C")
    height, width = image.shape[:2]
    for tile in tiles(height, width, side, network.reach):
        inputs = network.image_inputs(image[tile.outer], seed, tile.origin)
        output = network.run_frozen({**inputs, **style, **statistics})
        finished = restore_detail(match(output), inputs["image"], np.float32(strength))
        painted[tile.inner] = to_pixels(finished, image[tile.outer])[tile.kept]
    network.release("frozen")  # resizing needs the memory
    return painted


class Tile(NamedTuple):
    """A part of a picture, as index pairs: the part, the part with its margin, and the part's place in the latter."""

    inner: tuple[slice, slice]
    outer: tuple[slice, slice]
    kept: tuple[slice, slice]

    @property
    def origin(self) -> tuple[int, int]:
        """The upper left corner of the tile including its margin, pixels."""
        return self.outer[0].start, self.outer[1].start


def tiles(height: int, width: int, size: int, margin: int) -> Iterator[Tile]:
    """Tiles that cover a picture, with a margin on the sides that do not touch the picture's edge.

    ``size`` and ``margin`` must be multiples of all strides of the network, so that all tiles have the same feature
    grid.
    """
    for top in range(0, height, size):
        for left in range(0, width, size):
            spans = []
            for start, whole in ((top, height), (left, width)):
                stop = min(start + size, whole)
                first, last = max(0, start - margin), min(whole, stop + margin)
                spans.append((slice(start, stop), slice(first, last), slice(start - first, stop - first)))
            yield Tile(*zip(*spans, strict=True))


def sample(picture: Pixels, most: int) -> Pixels:
    """A picture with similar statistics and at most ``most`` pixels: the picture itself, or a grid of squares from it.

    A downscaled copy has other statistics, because its edges are sharper. Many small squares represent a picture better
    than a few large ones, and their seams change little (docs/results.md, "Tiles").
    """
    height, width = picture.shape[:2]
    if height * width <= most:
        return picture
    down, across = min(SAMPLE, height), min(SAMPLE, width)
    count = max(1, most // (down * across))
    (short, side), (long, along) = sorted([(height, down), (width, across)])
    # At least two along the short side, so that more than the middle of a panorama is sampled.
    few = max(1, min(max(2, round((count * short / long) ** 0.5)), count, short // side))
    many = max(1, min(count // few, long // along))
    rows, columns = (few, many) if height <= width else (many, few)
    tops, lefts = (
        [int((place + 0.5) * whole / places - side / 2) for place in range(places)]
        for whole, side, places in ((height, down, rows), (width, across, columns))
    )
    strips = [np.concatenate([picture[y : y + down, x : x + across] for x in lefts], axis=1) for y in tops]
    return np.concatenate(strips)
