"""Painting a picture in tiles: where they lie, and the statistics that they share."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from impasto.painting.engine import Array
from impasto.painting.finishing import color_match, restore_detail, to_pixels
from impasto.painting.framing import picture_area
from impasto.painting.network import Network
from impasto.pictures.picture import Pixels

WHOLE_PIXELS = 4_200_000
"""Larger pictures are painted in tiles: then features take memory for one tile, or the sample, at a time."""
SAMPLED_PIXELS = 2_000_000
"""Pixels of a larger picture that its statistics are measured on."""
TILE = 1024
"""Side of a tile, pixels, without its margin."""
SHORT_OF_MEMORY = 250_000, 256
"""The sampled pixels and the tile's side after an engine ran out of memory."""
SAMPLE = 192
"""Side, pixels, of the squares that make up a sample."""


def paint_in_tiles(
    image: Pixels, network: Network, style: dict[str, Array], strength: float, seed: int, *, sampled: int, side: int
) -> Pixels:
    """The picture painted tile by tile, with statistics of a sample of what lies between its borders.

    Args:
        image: The picture, uint8 or uint16 (H, W, 3).
        network: A network with a reach.
        style: The graph's inputs for the style.
        strength: The strength that they stand for.
        seed: For the noise, if the network takes noise.
        sampled: The number of pixels that statistics are measured on.
        side: The side of a tile, pixels, without its margin.
    """
    small = network.image_inputs(sample(image[picture_area(image)], sampled), seed)
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
    network.release("frozen")  # enlarging needs the memory
    return painted


class Tile(NamedTuple):
    """A part of a picture, as index pairs: the part, the part with its margin, and the part's place in the latter."""

    inner: tuple[slice, slice]
    outer: tuple[slice, slice]
    kept: tuple[slice, slice]

    @property
    def origin(self) -> tuple[int, int]:
        """The upper left corner of the part with its margin."""
        return self.outer[0].start, self.outer[1].start


def tiles(height: int, width: int, size: int, margin: int) -> Iterator[Tile]:
    """Tiles that cover a picture, each with a margin on the sides where the picture goes on.

    ``size`` and ``margin`` must be multiples of all strides of the network: then the grid of its features is the same
    in every tile.
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
    """A picture with the statistics of this one: itself, or of more than ``most`` pixels, squares from all over it.

    A smaller copy would not do: at another scale a picture has other edges, and other statistics. Many small squares
    represent a picture better than a few large ones, and their seams add little (docs/results.md, "Tiles").
    """
    height, width = picture.shape[:2]
    if height * width <= most:
        return picture
    down, across = min(SAMPLE, height), min(SAMPLE, width)
    count = max(1, most // (down * across))
    (short, side), (long, along) = sorted([(height, down), (width, across)])
    # At least two along the short side, so that a panorama is not represented by its middle alone.
    few = max(1, min(max(2, round((count * short / long) ** 0.5)), count, short // side))
    many = max(1, min(count // few, long // along))
    rows, columns = (few, many) if height <= width else (many, few)
    tops, lefts = (
        [int((place + 0.5) * whole / places - side / 2) for place in range(places)]
        for whole, side, places in ((height, down, rows), (width, across, columns))
    )
    strips = [np.concatenate([picture[y : y + down, x : x + across] for x in lefts], axis=1) for y in tops]
    return np.concatenate(strips)
