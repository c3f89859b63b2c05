"""Painting a picture in parts: which parts, what they need of their neighbours, and the graphs that paint them."""

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from impasto.errors import ModelError
from impasto.models import forms as graph
from impasto.models.modelfile import ModelInfo
from impasto.painting.engines import Array, Backend
from impasto.pictures.picture import Pixels

SAMPLE = 192
"""Side, pixels, of the squares that stand for a large picture."""


class Forms:
    """A model's other graphs, see :mod:`impasto.models.forms`; each is loaded when it is first needed.

    Args:
        norms: The model's instance normalisations.
        make: Loads the graph in a form.
    """

    def __init__(self, norms: Callable[[], tuple[graph.Norm, ...]], make: Callable[[graph.Form], Backend]) -> None:
        self._norms = norms
        self._make = make
        self._loaded: dict[graph.Form, Backend] = {}
        self._one_at_a_time = threading.Lock()  # several threads may come to need the same graph

    @functools.cached_property
    def norms(self) -> tuple[graph.Norm, ...]:
        """The model's instance normalisations."""
        return self._norms()

    @property
    def measuring(self) -> Backend:
        """The graph with its statistics as further outputs."""
        return self._form("measuring")

    @property
    def frozen(self) -> Backend:
        """The graph with statistics as inputs."""
        return self._form("frozen")

    @property
    def frozen_by_place(self) -> Backend:
        """The graph with statistics as inputs that may differ from position to position."""
        return self._form("frozen_by_position")

    def _form(self, form: graph.Form) -> Backend:
        with self._one_at_a_time:
            if form not in self._loaded:
                self._loaded[form] = self._make(form)
            return self._loaded[form]

    def blended(self, each: Sequence[dict[str, Array]], weights: Array, info: ModelInfo) -> dict[str, Array]:
        """Statistics of several pictures as one, at every place in these shares, as inputs of `frozen_by_place`.

        Args:
            each: What `measure` gave, for one picture after the other.
            weights: float32 (pictures, H, W), of the size of the picture that is painted with them, summing to 1
                at every place.
            info: The model's, which says at what size its normalisations work.
        """
        sizes = info.feature_sizes(*weights.shape[1:])
        if len(sizes) != len(self.norms):
            raise ModelError("its graph is not the one its description names: train it again")
        pooled = {cell: _pooled(weights, cell) for cell in {cell for cell, _, _ in sizes}}
        blend = {}
        for (cell, height, width), norm in zip(sizes, self.norms, strict=True):
            shares = pooled[cell][:, :height, :width]
            for name in (norm.scale, norm.shift, *norm.limits):
                values = np.stack([statistics[name].reshape(-1) for statistics in each], axis=1)  # (C, pictures)
                blend[name] = np.tensordot(values, shares, axes=1)[np.newaxis].astype(np.float32)
        return blend

    def measure(self, inputs: dict[str, Array]) -> tuple[Array, dict[str, Array]]:
        """The picture of these inputs, and its statistics as the inputs of the frozen graph."""
        *found, picture = self.measuring.run_all(inputs)
        return picture, graph.statistics(self.norms, found)


class Tile(NamedTuple):
    """A part of a picture, as index pairs: what is painted of it, what that needs, and where the first is in it."""

    inner: tuple[slice, slice]
    outer: tuple[slice, slice]
    kept: tuple[slice, slice]


def tiles(height: int, width: int, size: int, margin: int) -> Iterator[Tile]:
    """Tiles that cover a picture, each with a margin where there is more picture.

    ``size`` and ``margin`` are multiples of all strides of the network, so that it sees every tile in step.
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
    """The picture; of one of more than ``most`` pixels, squares from all over it side by side: for its statistics.

    No smaller copy: at another scale a picture has other edges, and other statistics. Many small squares stand for a
    picture better than a few large ones, and their seams add little (docs/results.md, "Tiles").
    """
    height, width = picture.shape[:2]
    if height * width <= most:
        return picture
    down, across = min(SAMPLE, height), min(SAMPLE, width)
    count = max(1, most // (down * across))
    (short, side), (long, along) = sorted([(height, down), (width, across)])
    # Along the short side at least two: of a panorama not the middle alone.
    few = max(1, min(max(2, round((count * short / long) ** 0.5)), count, short // side))
    many = max(1, min(count // few, long // along))
    rows, columns = (few, many) if height <= width else (many, few)
    tops, lefts = (
        [int((place + 0.5) * whole / places - side / 2) for place in range(places)]
        for whole, side, places in ((height, down, rows), (width, across, columns))
    )
    strips = [np.concatenate([picture[y : y + down, x : x + across] for x in lefts], axis=1) for y in tops]
    return np.concatenate(strips)


def _pooled(weights: Array, cell: int) -> Array:
    """Means of ``cell`` x ``cell`` places of (K, H, W), of H and W made up to multiples of 4 by the edge."""
    whole = np.pad(weights, [(0, 0), *((0, -size % 4) for size in weights.shape[1:])], mode="edge")
    count, height, width = whole.shape
    means: Array = whole.reshape(count, height // cell, cell, width // cell, cell).mean(axis=(2, 4))
    return means
