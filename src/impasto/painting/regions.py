"""Paints regions of one picture, given by masks, in different styles."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ImageError, UsageError
from impasto.painting.engine import Array
from impasto.painting.finishing import color_match, restore_detail, to_pixels
from impasto.painting.framing import Area, faded
from impasto.painting.inputs import Input, as_array
from impasto.painting.network import Network
from impasto.painting.settings import Settings
from impasto.painting.strokes import paint_strokes
from impasto.painting.stylizer import DEFAULT, Stylizer
from impasto.painting.tiles import SAMPLED_PIXELS, sample, tiles
from impasto.pictures.picture import Pixels, white
from impasto.pictures.resize import resize_mask

TILE_BY_POSITION = 512
"""Side of a tile with statistics at every position, pixels. These statistics take as much memory as the features."""
OVERLAP = 16
"""Width of the fade-out of a style's statistics outside a hard mask edge, pixels: four positions at stride 4."""
LEAST_SHARE = 1e-3
"""Two styles overlap where both have at least this share: less than a mask's 1/255, more than a rounding error."""
MOST_KEPT = 12
"""The number of measurements that are kept for each network: while a mask is brushed, nothing but the mask changes."""

Mask = NDArray[np.uint8]
"""The opacity of a style: uint8 (h, w), from 0 (transparent) to 255 (opaque)."""


def paint_regions(image: Input, regions: Sequence[tuple[Stylizer, Mask]], settings: Settings = DEFAULT) -> Pixels:
    """Paint each region of a picture in its own style. Pixels outside all masks do not change.

    Styles of one network are blended in feature space: at every position, all layers normalize with a weighted mean of
    the styles' statistics, so a soft mask edge becomes a gradual change of style. Styles of different networks are
    blended as pixels.

    Args:
        image: The picture, as for :meth:`Stylizer.__call__`.
        regions: Pairs of a stylizer and its mask, uint8 (h, w) of any size, from 0 (transparent) to 255 (opaque).
            Overlapping masks are normalized where they sum to more than 255.
        settings: How the styles are applied.

    Returns:
        A new array with the shape and dtype of the picture.

    Raises:
        ImageError: As :meth:`Stylizer.__call__`, or a mask has another shape or dtype.
        ModelError: As :meth:`Stylizer.__call__`.
        UsageError: As :meth:`Stylizer.__call__`, or there is no region.
    """
    if not regions:
        raise UsageError("give at least one region")
    for region in regions:
        if not isinstance(region, tuple | list) or len(region) != 2 or not isinstance(region[0], Stylizer):
            raise UsageError("a region is a stylizer and its mask: give a list of (stylizer, mask)")
        region[0].check(settings)
        check_mask(region[1])
    stylizers, masks = [stylizer for stylizer, _ in regions], [mask for _, mask in regions]
    network = stylizers[0].network
    in_features = (
        all(stylizer.network is network for stylizer in stylizers)
        and network.takes_strength
        and network.reach > 0
        and settings.strength > 0
    )

    def paint(picture: Pixels, settings: Settings, area: Area) -> Pixels:
        weights = _shares(masks, picture)
        if in_features:
            return faded(_blend_features(picture, area, stylizers, weights, settings), picture, area)
        pictures = [stylizer.paint_at_own_size(picture, settings, area) for stylizer in stylizers]
        return to_pixels(_blend_pixels(pictures, weights, picture), picture)

    fades = all(stylizer.network.takes_strength for stylizer in stylizers)
    return paint_strokes(as_array(image), settings, paint, lambda x: _shares(masks, x).sum(axis=0), fades=fades)


def check_mask(mask: Mask) -> None:
    """Raise ImageError unless the mask is a uint8 array (h, w)."""
    if not isinstance(mask, np.ndarray):
        raise ImageError(
            f"expected a mask, uint8 (h, w), got {type(mask).__name__}; impasto.pictures.read.load_mask reads one"
        )
    if mask.dtype != np.uint8 or mask.ndim != 2 or mask.size == 0:
        hint = "; of True and False, give 255 * mask.astype(numpy.uint8)" if mask.dtype == np.bool_ else ""
        raise ImageError(f"expected a mask, uint8 (h, w), got {mask.dtype} {mask.shape}{hint}")


def _blend_features(
    image: Pixels, area: Area, stylizers: Sequence[Stylizer], weights: Array, settings: Settings
) -> Pixels:
    """Blend regions of one network in feature space; ``weights``: float32 (regions, H, W), with a sum of at most 1."""
    network, strength = stylizers[0].network, settings.strength
    # The photo is one more style, which gets the remaining share. Each style's statistics are measured on the whole
    # picture or its sample; the shares at a position only determine how they are blended there.
    covered = weights.sum(axis=0)
    weights = _overlapping(weights)
    shares = np.concatenate([1 - weights.sum(axis=0, keepdims=True), weights])
    # Statistics extend beyond a hard mask edge: without that, the photo's features next to it would cause a dark rim.
    visible = covered / np.maximum(weights.sum(axis=0), np.float32(1e-6))
    styles = [
        network.style_inputs(stylizers[0].style, 0.0),
        *(network.style_inputs(stylizer.style, strength) for stylizer in stylizers),
    ]
    strengths = [0.0, *[strength] * len(stylizers)]
    pairs = _pairs(shares)
    small = network.image_inputs(sample(image[area], SAMPLED_PIXELS), settings.seed)
    statistics, matches = [], []
    for one, other in pairs:
        between = {name: np.float32(0.5) * (value + styles[other][name]) for name, value in styles[one].items()}
        found, match = _measured(network, {**small, **between}, (strengths[one] + strengths[other]) / 2)
        statistics.append(found)
        matches.append(match)
    network.release("measuring")  # tiles need the memory
    painted = image.copy()
    for tile in tiles(image.shape[0], image.shape[1], TILE_BY_POSITION, network.reach):
        if not visible[tile.inner].any():
            continue
        inputs = network.image_inputs(image[tile.outer], settings.seed, tile.origin)
        local = shares[:, *tile.outer]
        height, width = local.shape[1:]
        parts = _parts(local, pairs)
        padding = [(0, whole - size) for whole, size in zip(inputs["image"].shape[2:], (height, width), strict=True)]
        blended = network.blend(statistics, np.pad(parts, [(0, 0), *padding], mode="edge"))
        output = network.run_frozen_by_position({**inputs, **styles[0], **blended})
        output, photo = output[:, :, :height, :width], inputs["image"][:, :, :height, :width]
        mixed = np.zeros_like(output)
        for part, match in zip(parts, matches, strict=True):
            mixed += part * match(output)
        finished = restore_detail(mixed, photo, np.float32(strength) * (1 - local[0]))
        finished = photo + visible[tile.outer] * (finished - photo)
        painted[tile.inner] = to_pixels(finished, image[tile.outer])[tile.kept]
    network.release("frozen_by_position")  # resizing needs the memory
    return painted


_Measured = tuple[dict[str, Array], Callable[[Array], Array]]
_kept: WeakKeyDictionary[Network, tuple[tuple[bytes, _Measured], ...]] = WeakKeyDictionary()
"""The newest measurements of each network, by the digest of their inputs."""


def _measured(network: Network, inputs: Mapping[str, Array], strength: float) -> _Measured:
    """The statistics of a picture in a style, and the function that matches its colors."""
    digest = hashlib.sha256(np.float64(strength).tobytes())
    for name in sorted(inputs):
        digest.update(f"{name} {inputs[name].shape}".encode())
        digest.update(np.ascontiguousarray(inputs[name]).data)
    key, kept = digest.digest(), _kept.get(network, ())
    for known, found in kept:
        if known == key:
            return found
    picture, statistics = network.measure(inputs)
    found = statistics, color_match(picture, inputs["image"], strength)
    _kept[network] = ((key, found), *kept)[:MOST_KEPT]
    return found


def _pairs(shares: Array) -> list[tuple[int, int]]:
    """The mixtures to measure, as pairs of styles: each style with itself, and every two that overlap somewhere.

    The statistics of a half-and-half mixture are not the mean of both styles' statistics, because the inputs of each
    layer differ as well. Hence they are measured.
    """
    count = len(shares)
    meeting = [
        (one, other)
        for one in range(count)
        for other in range(one + 1, count)
        if np.minimum(shares[one], shares[other]).max() > LEAST_SHARE
    ]
    return [*((one, one) for one in range(count)), *meeting]


def _parts(shares: Array, pairs: Sequence[tuple[int, int]]) -> Array:
    """The weight of each pair at every position, with a sum of 1: quadratic interpolation between the mixtures.

    These are the shape functions of a quadratic simplex; between two styles they give the parabola through the three
    measurements. ``shares`` is float32 (regions + 1, H, W).
    """
    return np.stack(
        [
            shares[one] * (2 * shares[one] - 1) if one == other else 4 * shares[one] * shares[other]
            for one, other in pairs
        ]
    )


def _shares(masks: Sequence[Mask], image: Pixels) -> Array:
    """The share of each mask at each pixel of a picture, float32 (masks, H, W), with a sum of at most 1."""
    height, width = image.shape[:2]
    fitted = [mask if mask.shape == (height, width) else resize_mask(mask, width, height) for mask in masks]
    shares = np.stack(fitted).astype(np.float32) / np.float32(255)
    shares /= np.maximum(shares.sum(axis=0), 1)
    return shares


def _overlapping(weights: Array) -> Array:
    """Extend shares (regions, H, W) beyond hard edges into unpainted areas, with a fade-out over `OVERLAP` pixels.

    Softer edges do not change.
    """
    more = weights.copy()
    step = np.float32(1 / OVERLAP)
    for along in (more.transpose(1, 0, 2), more.transpose(2, 0, 1)):  # rows, then columns; views, changed in place
        for way in (along, along[::-1]):
            for here, next_one in pairwise(way):
                np.maximum(next_one, here - step, out=next_one)
    more -= weights
    room = 1 - weights.sum(axis=0)
    more *= np.minimum(1, room / np.maximum(more.sum(axis=0), np.float32(1e-6)))
    more += weights
    return more


def _blend_pixels(pictures: Sequence[Pixels], weights: Array, image: Pixels) -> Array:
    """Blend painted pictures and the photo as pixels by their shares: float32 (1, 3, H, W) in [0, 1]."""
    rest = 1 - weights.sum(axis=0)
    mixed = rest[..., np.newaxis] * image.astype(np.float32)
    for picture, weight in zip(pictures, weights, strict=True):
        mixed += weight[..., np.newaxis] * picture
    batch: Array = mixed.transpose(2, 0, 1)[np.newaxis] / np.float32(white(image))
    return batch
