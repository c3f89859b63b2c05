"""Stylising: a picture in, the repainted picture out, on a CPU and without torch.

A `Stylizer` knows about pictures: sizes, padding, rounding, noise, tiles. What computes is a `Backend`, see
:mod:`impasto.backends`.
"""

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from impasto import colors, graph
from impasto.backends import Array, Backend, FakeBackend, Precision, make_backend
from impasto.catalogue import find_style, is_style, shipped
from impasto.colors import Method
from impasto.errors import ImageError, ModelError, UsageError
from impasto.image import Pixels, contact_sheet, resize_short_side
from impasto.modelfile import ModelInfo, check_complete, read_info
from impasto.stylefile import Style

MAX_PIXELS = 40_000_000
"""What cannot be painted in tiles is refused beyond this: features take some 300 bytes a pixel, all at once."""
WHOLE_PIXELS = 4_200_000
"""Larger pictures are painted in tiles: features are there for one tile, or the smaller copy, at a time."""
THUMBNAIL_PIXELS = 2_000_000
"""Of the smaller copy whose statistics the tiles are painted with."""
TILE = 1024
"""Side of a tile, pixels, without the margin that its neighbours need."""


class Forms:
    """A model's other graphs, see :mod:`impasto.graph`; each is loaded when it is first needed."""

    def __init__(self, path: Path, make: Callable[[bytes], Backend]) -> None:
        self._path = path
        self._make = make

    @functools.cached_property
    def norms(self) -> tuple[graph.Norm, ...]:
        """The model's instance normalisations."""
        return graph.norms(self._path.read_bytes())

    @functools.cached_property
    def measuring(self) -> Backend:
        """The graph with its statistics as further results."""
        return self._make(graph.measuring(self._path.read_bytes()))

    @functools.cached_property
    def frozen(self) -> Backend:
        """The graph with statistics as inputs."""
        return self._make(graph.frozen(self._path.read_bytes()))

    def measure(self, inputs: dict[str, Array]) -> tuple[Array, dict[str, Array]]:
        """The picture of these inputs, and its statistics as the inputs of the frozen graph."""
        picture, *results = self.measuring.run_all(inputs)
        statistics = {}
        for number, norm in enumerate(self.norms):
            statistics[norm.scale], statistics[norm.shift] = graph.affine(*results[4 * number : 4 * number + 4])
        return picture, statistics


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


def _radius(info: ModelInfo) -> int:
    """How far, in pixels, the picture reaches that a result's pixel depends on, but for statistics; a multiple of 16.

    0 where that is not known, or where there are other statistics than instance normalisation's.
    """
    if info.arguments.get("norm", "instance") != "instance":
        return 0
    if info.arguments.get("padding") in ("circular", "reflect-start"):
        return 0  # of a tile, they would continue its own border in place of the picture's
    match info.architecture:
        case "residual":
            reach = 18 + 8 * int(info.arguments.get("blocks", 5))
        case "light":
            reach = 12 + 8 * int(info.arguments.get("blocks", 3))
        case _:
            return 0
    return -(-reach // 16) * 16


class Stylizer:
    """Repaints pictures of any size with one model.

    Calls from several threads are safe. Equal pictures and seeds give equal results.

    Attributes:
        info: What the model file says about itself.
    """

    def __init__(
        self, backend: Backend, info: ModelInfo, style: Style | None = None, forms: "Forms | None" = None
    ) -> None:
        self.info = info
        self._backend = backend
        self._style = style
        self._forms = forms if _radius(info) else None

    def __call__(
        self, image: Pixels, *, seed: int = 0, strength: float = 1.0, keep_colors: Method | None = None
    ) -> Pixels:
        """The picture repainted: uint8 (H, W, 3) sRGB in, a new array of exactly the same size out.

        Args:
            image: The picture, uint8 (H, W, 3), sRGB; not changed. A size the graph does not take is made up by
                reflecting the picture at its right and lower edge, and the result is cropped.
            seed: Draws the noise, for models that take noise; others ignore it.
            strength: How much of the style, from 0 (the photo as it is) to 1. In between the network's scales and
                shifts lie between the style's and those that give the photo back.
            keep_colors: Give the picture the photo's colours, in one of two ways, see :mod:`impasto.colors`.

        Raises:
            ImageError: `image` is not such an array, or has more than `MAX_PIXELS` pixels and the model cannot paint
                in tiles.
            ModelError: The graph fails, or breaks the contract of its output.
            UsageError: `strength` is out of range, or the model has one fixed strength; no such `keep_colors`.
        """
        painted = self._paint(image, seed, strength)
        return painted if keep_colors is None else colors.keep_colors(painted, image, keep_colors)

    def _paint(self, image: Pixels, seed: int, strength: float) -> Pixels:
        self.check(strength)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise ImageError(f"expected a picture, uint8 (H, W, 3), got {image.dtype} {image.shape}")
        height, width = image.shape[:2]
        if height * width > MAX_PIXELS and self._forms is None:
            raise ImageError(
                f"{width} x {height} pixels are more than are painted at once ({MAX_PIXELS // 1_000_000} million), and "
                "this model cannot paint in tiles: make the picture smaller first"
            )
        codes = self._codes(strength)
        if height * width > WHOLE_PIXELS and self._forms is not None:
            return self._in_tiles(image, codes, strength)
        inputs = self._inputs(image, seed)
        outputs = [self._backend.run({**inputs, **code}) for code in codes]
        combined = _combination(outputs, inputs["image"], strength)(outputs, inputs["image"])
        return _to_pixels(combined, height, width)

    def _codes(self, strength: float) -> list[dict[str, Array]]:
        """The passes that a picture in this strength takes, as what they are given besides the picture."""
        if self._style is None:
            return [{}]
        code, photo = self._style.code, self._style.photo
        if strength == 1:
            return [{"style": code}]
        return [{"style": photo + np.float32(strength) * (code - photo)}, {"style": photo}]

    def _inputs(self, image: Pixels, seed: int) -> dict[str, Array]:
        """What the graph takes besides a style, for a picture of any size."""
        height, width = image.shape[:2]
        padding = [(0, self._padding(height)), (0, self._padding(width)), (0, 0)]
        # Beyond the first reflection numpy goes on reflecting, and a single row or column is repeated.
        padded = np.pad(image, padding, mode="reflect") if np.any(padding) else image
        batch = np.ascontiguousarray(padded.transpose(2, 0, 1)[np.newaxis], dtype=np.float32) / np.float32(255)
        inputs = {"image": batch}
        if self.info.noise_channels:
            shape = (1, self.info.noise_channels, *padded.shape[:2])
            inputs["noise"] = np.random.default_rng(seed).random(shape, dtype=np.float32)
        return inputs

    def _in_tiles(self, image: Pixels, codes: list[dict[str, Array]], strength: float) -> Pixels:
        """The same in less memory than all at once: with the statistics of a smaller copy, tile by tile."""
        assert self._forms is not None
        height, width = image.shape[:2]
        short = round(min(height, width) * (THUMBNAIL_PIXELS / (height * width)) ** 0.5)
        small = self._inputs(resize_short_side(image, max(short, 64)), 0)
        measured = [self._forms.measure({**small, **code}) for code in codes]
        combine = _combination([picture for picture, _ in measured], small["image"], strength)
        given = [{**code, **statistics} for code, (_, statistics) in zip(codes, measured, strict=True)]
        painted = np.empty_like(image)
        for tile in tiles(height, width, TILE, _radius(self.info)):
            inputs = self._inputs(image[tile.outer], 0)
            outputs = [self._forms.frozen.run({**inputs, **one}) for one in given]
            size = (tile.outer[0].stop - tile.outer[0].start, tile.outer[1].stop - tile.outer[1].start)
            painted[tile.inner] = _to_pixels(combine(outputs, inputs["image"]), *size)[tile.kept]
        return painted

    def restyled(self, name_or_path: str | os.PathLike[str] | Mapping[str, float]) -> "Stylizer":
        """This network, which is not loaded again, in another of its styles.

        Args:
            name_or_path: A shipped style's name, a style file, or several and their shares, as in :func:`load`.

        Raises:
            ModelError: No such style file, or damaged; it is another network's; or this model has one style only.
            UsageError: No shipped style of that name, or shares that make no sense.
        """
        if self._style is None:
            raise ModelError("a model of its own has one style; load the other")
        style, network = _mixed(name_or_path if isinstance(name_or_path, Mapping) else {os.fspath(name_or_path): 1.0})
        if style.info.network != self._style.info.network:
            raise ModelError(f"the style {style.info.name} is of another network, {network}; load it by itself")
        _check_fit(style, self.info, network)
        return Stylizer(self._backend, self.info, style, self._forms)

    def check(self, strength: float) -> None:
        """Raise UsageError unless this model can paint in this strength."""
        if not 0 <= strength <= 1:
            raise UsageError(f"strength must be from 0 (the photo) to 1 (the style), not {strength}")
        if strength < 1 and self._style is None:
            raise UsageError(
                "this model has one strength; styles of the shared network, see `impasto styles`, have any"
            )

    def _padding(self, size: int) -> int:
        wanted = max(size, self.info.minimum_size)
        return -(-wanted // self.info.multiple_of) * self.info.multiple_of - size


def load(
    name_or_path: str | os.PathLike[str] | Mapping[str, float],
    *,
    backend: str = "auto",
    threads: int | None = None,
    precision: Precision = "f32",
) -> Stylizer:
    """A style or a model file, ready to paint.

    Args:
        name_or_path: The name of a shipped style (`impasto.styles`), a style file or a model file, both made by
            `impasto train`; or several styles of one network and their shares, as {"udnie": 0.7, "great_wave": 0.3}.
        backend: "onnxruntime", "openvino", or "auto": OpenVINO when it is installed, else ONNX Runtime.
        threads: How many threads one call may use; None for all cores.
        precision: "f32", so that all backends agree, or "auto" for what OpenVINO thinks fastest on this CPU.

    Raises:
        ModelError: No such file, not a model, or damaged; styles of different networks.
        BackendError: An unknown backend, or one that is not installed.
        UsageError: No shipped style of that name, shares that make no sense, or `threads` is less than 1.
    """
    style: Style | None = None
    if isinstance(name_or_path, Mapping):
        style, path = _mixed(name_or_path)
    elif is_style(name_or_path):
        style, path = find_style(name_or_path)
    else:
        path = Path(name_or_path)
    info = read_info(path)
    if style is not None:
        _check_fit(style, info, path)
    if style is None and info.style_size:
        raise ModelError(f"{path}: is a network, which paints in no style of its own; give one of its style files")
    make = partial(make_backend, backend=backend, threads=threads, precision=precision)
    return Stylizer(make(path), info, style, Forms(path, make))


def style_sheet(photo: Pixels, names: Iterable[str] | None = None, *, size: int = 384, columns: int = 4) -> Pixels:
    """One picture that shows ``photo``, uint8 (H, W, 3), in shipped styles, each named.

    Args:
        photo: The photo; it is shown first.
        names: The styles; all when None.
        size: Short side it is painted at, pixels.
        columns: How many pictures stand side by side.
    """
    photo = resize_short_side(photo, size)
    first = load(next(iter(shipped())))
    pictures = {"photo": photo, **{name: first.restyled(name)(photo) for name in names or shipped()}}
    rows = [[*pictures][i : i + columns] for i in range(0, len(pictures), columns)]
    return contact_sheet([[pictures[name] for name in row] for row in rows], captions=rows, cell=size)


def load_foreign(
    path: str | os.PathLike[str],
    *,
    value_range: float = 255.0,
    backend: str = "auto",
    threads: int | None = None,
) -> Stylizer:
    """Another project's ONNX model, ready to paint, for measuring it beside ours.

    The picture is padded by reflection to a multiple of 8, which three halvings need, and the result cropped. The
    returned stylizer's `info` has the architecture "foreign".

    Args:
        path: An ONNX file with one input, (N, 3, H, W) RGB of any size, and such an output, at least as large.
        value_range: White in the model's input and output: 255 or 1.
        backend: See `load`.
        threads: See `load`.

    Raises:
        ModelError: The file is missing or damaged, or the graph takes anything else.
        BackendError: See `load`.
        UsageError: `threads` is less than 1, or `value_range` is not positive.
    """
    if not value_range > 0:
        raise UsageError(f"a value range of {value_range} makes no sense; use 255 or 1")
    path = Path(path)
    check_complete(path)
    engine = make_backend(path, backend=backend, threads=threads, precision="f32")
    inputs = engine.inputs
    if len(inputs) != 1:
        raise ModelError(f"{path}: takes {len(inputs)} inputs ({', '.join(inputs)}); only one, a picture, is supported")
    ((name, shape),) = inputs.items()
    if len(shape) != 4 or shape[1] != 3:
        raise ModelError(f"{path}: takes {shape}; only pictures as (N, 3, H, W) are supported")
    if isinstance(shape[2], int) or isinstance(shape[3], int):
        raise ModelError(
            f"{path}: takes pictures of {shape[3]} x {shape[2]} only; export it with dynamic height and width"
        )

    def run(inputs: dict[str, Array]) -> Array:
        return engine.run({name: inputs["image"] * np.float32(value_range)}) / np.float32(value_range)

    info = ModelInfo(architecture="foreign", arguments={}, styles=(path.stem,), multiple_of=8, minimum_size=64)
    return Stylizer(FakeBackend(run), info)


def _check_fit(style: Style, info: ModelInfo, network: Path) -> None:
    if len(style.code) != info.style_size:
        raise ModelError(f"the style {style.info.name} does not fit its network {network}; make it again")


def _mixed(shares: Mapping[str, float]) -> tuple[Style, Path]:
    """The mixture of several styles, and their network; shares are made to sum to 1."""
    if not shares or not all(0 <= share < float("inf") for share in shares.values()) or not sum(shares.values()) > 0:
        raise UsageError("give at least one style, and shares of 0 or more, not all 0")
    found = [find_style(name) for name in shares]
    style, network = found[0]
    for other, path in found[1:]:
        if other.info.network != style.info.network:
            raise ModelError(f"{network} and {path}: styles of different networks cannot be mixed")
        if len(other.code) != len(style.code):
            raise ModelError(f"the style {other.info.name} does not fit its network {path}; make it again")
    weights = np.array([*shares.values()], np.float64) / sum(shares.values())
    codes = np.stack([one.code for one, _ in found])
    return Style(style.info, (weights @ codes).astype(np.float32), style.photo), network


def _combination(outputs: Sequence[Array], photo: Array, strength: float) -> Callable[[Sequence[Array], Array], Array]:
    """How a picture of this strength is made of the passes' outputs and the photo, seen on a whole (small) picture.

    Normalisation drops the photo's colours and contrast, and the network blurs a little when it gives the photo back:
    both are put right by the share of the photo that is wanted, wholly at strength 0.
    """
    if len(outputs) == 1:
        return lambda outputs, photo: outputs[0]
    kept = np.float32(1 - strength)
    between, returned = _match(outputs[0], photo, kept), _match(outputs[1], photo, np.float32(1))
    return lambda outputs, photo: between(outputs[0]) + kept * (photo - returned(outputs[1]))


def _match(picture: Array, photo: Array, share: np.float32) -> Callable[[Array], Array]:
    """What moves each channel's mean and deviation by this share of the way to the photo's."""
    axes = (2, 3)
    mean, deviation = picture.mean(axes, keepdims=True), picture.std(axes, keepdims=True)
    wanted_mean = mean + share * (photo.mean(axes, keepdims=True) - mean)
    wanted_deviation = deviation + share * (photo.std(axes, keepdims=True) - deviation)
    scale = wanted_deviation / (deviation + np.float32(1e-6))

    def matched(picture: Array) -> Array:
        moved: Array = (picture - mean) * scale + wanted_mean
        return moved

    return matched


def _to_pixels(output: Array, height: int, width: int) -> Pixels:
    """Crop (1, 3, h, w) in [0, 1] to uint8 (height, width, 3), rounding to nearest."""
    if output.ndim != 4 or output.shape[:2] != (1, 3) or output.shape[2] < height or output.shape[3] < width:
        raise ModelError(f"the model made {output.shape} of a {width} x {height} picture; it is not a stylising model")
    picture = output[0, :, :height, :width].transpose(1, 2, 0)
    if not np.isfinite(picture).all():
        raise ModelError("the model's output is not finite; its training went wrong, train it again")
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
