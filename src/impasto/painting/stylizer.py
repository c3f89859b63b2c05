"""Stylising: a picture in, the repainted picture out, on a CPU and without torch.

A `Stylizer` knows about pictures: sizes, padding, rounding, noise, tiles. What computes is a `Backend`, see
:mod:`impasto.painting.engines`.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from impasto.errors import BackendError, ImageError, ModelError, UsageError
from impasto.models import forms as graph
from impasto.models.catalogue import Variant, compiled_folder, find_style, is_style, variant_of
from impasto.models.modelfile import ModelInfo, check_complete, read_model
from impasto.models.stylefile import Style
from impasto.painting.engines import Arithmetic, Array, Backend, FakeBackend, OutOfMemory, chosen_backend, make_backend
from impasto.painting.settings import STROKES_AT, Settings
from impasto.painting.tiles import Forms, sample, tiles
from impasto.pictures import colors
from impasto.pictures.picture import Pixels, check_picture, white
from impasto.pictures.resize import resize, resize_mask, resize_short_side
from impasto.processor import has_quick_bfloat16, has_quick_int8

_log = logging.getLogger(__name__)

MAX_PIXELS = 40_000_000
"""What cannot be painted in tiles is refused beyond this: features take some 300 bytes a pixel, all at once."""
WHOLE_PIXELS = 4_200_000
"""Larger pictures are painted in tiles: features are there for one tile, or the sample, at a time."""
SAMPLED_PIXELS = 2_000_000
"""Of a larger picture: whose statistics its tiles are painted with."""
TILE = 1024
"""Side of a tile, pixels, without the margin that its neighbours need."""
SHORT_OF_MEMORY = 250_000, 256
"""The sampled pixels and the tile's side where memory did not do for a smaller picture either."""
TILE_BY_PLACE = 512
"""The same where statistics differ from place to place: then they take as much memory as the features."""
DETAIL = 0.4
"""How much of the detail that only a large picture has comes back when its small copy has been painted."""
LEAST_SIDE = 64
"""Short side, pixels, below which a picture is not made smaller for its strokes."""
ROWS = 256
"""Rows of a picture that are computed at once where memory shall not grow with it."""
OVERLAP = 16
"""Pixels over which a style fades beyond a hard edge of its mask, in the features: four of the coarsest cells."""
LEAST_MEETING = 1e-3
"""Share of two looks at one place below which they do not meet: less than a mask's 1/255, more than rounding."""
NEAR_PHOTO = 0.2
"""Strength below which what the network blurs is put right in pixels."""

Precision = Literal["auto", "float32", "bfloat16", "int8"]
"""The arithmetic: "auto" is bfloat16, or else 8 bits where the model knows its ranges, where processor and engine are
quicker at it: a picture in less time and within 2 levels of 255 of float32, on average (up to 4 at twice the
strength); else float32."""
Mask = NDArray[np.uint8]
"""Where to paint: uint8 (h, w), 255 for wholly."""
DEFAULT = Settings()


class Stylizer:
    """Repaints pictures of any size with one model.

    Calls from several threads are safe. Equal pictures and seeds give equal results.

    Attributes:
        info: What the model file says about itself.
    """

    def __init__(
        self, backend: Backend, info: ModelInfo, style: Style | None = None, forms: Forms | None = None
    ) -> None:
        self.info = info
        self._backend = backend
        self._style = style
        self._forms = forms if info.reach else None

    def __call__(self, image: Pixels, settings: Settings = DEFAULT, *, mask: Mask | None = None) -> Pixels:
        """The picture repainted: uint8 (H, W, 3) sRGB in, a new array of exactly the same size out; or uint16.

        Args:
            image: The picture, uint8 or uint16 (H, W, 3), sRGB; not changed. A size the graph does not take is
                made up by reflecting the picture at its right and lower edge, and the result is cropped.
            settings: How the style is applied.
            mask: Where, see :func:`paint_regions`; everywhere when None.

        Raises:
            ImageError: `image` is not such an array, or has more than `MAX_PIXELS` pixels and the model cannot paint
                in tiles; `mask` is not one.
            ModelError: The graph fails, or breaks the contract of its output.
            UsageError: The model has one fixed strength and the settings another.
        """
        if mask is not None:
            return paint_regions(image, [(self, mask)], settings)
        self.check(settings)
        return _painted(image, settings, self._paint)

    def _paint(self, image: Pixels, settings: Settings) -> Pixels:
        self._check_size(image)
        if settings.strength == 0:
            return image.copy()
        height, width = image.shape[:2]
        style = self._given(settings.strength)
        if height * width > WHOLE_PIXELS and self._forms is not None:
            return self._in_tiles(image, style, settings.strength, SAMPLED_PIXELS, TILE)
        inputs = self._inputs(image, settings.seed)
        try:
            output = self._backend.run({**inputs, **style})
        except OutOfMemory:
            if self._forms is None:
                raise
            self._backend.release()
            _log.warning("impasto: %d x %d pixels at once take more memory than there is: in tiles", width, height)
            return self._in_tiles(image, style, settings.strength, *SHORT_OF_MEMORY)
        matched = _matched(output, inputs["image"], settings.strength)(output)
        return _to_pixels(_with_rest(matched, inputs["image"], np.float32(settings.strength)), image)

    def _check_size(self, image: Pixels) -> None:
        height, width = image.shape[:2]
        if height * width > MAX_PIXELS and self._forms is None:
            raise ImageError(
                f"{width} x {height} pixels are more than are painted at once ({MAX_PIXELS // 1_000_000} million), and "
                "this model cannot paint in tiles: make the picture smaller first"
            )

    def _given(self, strength: float) -> dict[str, Array]:
        """What the graph takes for a style in this strength, besides the picture."""
        if self.info.strength:
            return {"strength": np.array([strength], np.float32)}
        if self._style is None:
            return {}
        full, photo = self._style.parameters, self._style.photo
        way = np.full(len(full), strength, np.float32)
        way[len(full) - self.info.late_size :] = min(strength, 1.0)  # beyond, colours would only wash out
        return {"style": photo + way * (full - photo)}

    def _inputs(self, image: Pixels, seed: int) -> dict[str, Array]:
        """What the graph takes besides a style, for a picture of any size."""
        multiple_of = self.info.multiple_of
        wanted = [-(-max(size, self.info.minimum_size) // multiple_of) * multiple_of for size in image.shape[:2]]
        padding = [(0, size - there) for size, there in zip(wanted, image.shape[:2], strict=True)]
        # Beyond the first reflection numpy goes on reflecting, and a single row or column is repeated.
        padded = np.pad(image, [*padding, (0, 0)], mode="reflect") if np.any(padding) else image
        batch = np.ascontiguousarray(padded.transpose(2, 0, 1)[np.newaxis], dtype=np.float32)
        batch /= np.float32(white(image))
        inputs = {"image": batch}
        if self.info.noise_channels:
            shape = (1, self.info.noise_channels, *padded.shape[:2])
            inputs["noise"] = np.random.default_rng(seed).random(shape, dtype=np.float32)
        return inputs

    def _in_tiles(self, image: Pixels, style: dict[str, Array], strength: float, sampled: int, side: int) -> Pixels:
        """The same in less memory than all at once: with the statistics of so many pixels, tile by tile."""
        assert self._forms is not None
        small = self._inputs(sample(image, sampled), 0)
        picture, statistics = self._forms.measure({**small, **style})
        self._forms.measuring.release()  # tiles are painted in what it took
        matched = _matched(picture, small["image"], strength)
        painted = np.empty_like(image)
        height, width = image.shape[:2]
        for tile in tiles(height, width, side, self.info.reach):
            inputs = self._inputs(image[tile.outer], 0)
            output = self._forms.frozen.run({**inputs, **style, **statistics})
            finished = _with_rest(matched(output), inputs["image"], np.float32(strength))
            painted[tile.inner] = _to_pixels(finished, image[tile.outer])[tile.kept]
        self._forms.frozen.release()  # enlarging takes as much
        return painted

    def restyled(
        self, name_or_path: str | os.PathLike[str] | Mapping[str, float], *, variant: Variant | None = None
    ) -> "Stylizer":
        """This network, which is not loaded again, in another of its styles.

        Args:
            name_or_path: A shipped style's name, a style file, or several and their shares, as in :func:`load`.
            variant: Which network a shipped style is wanted of: the style is refused where that is not this one. This
                one when None.

        Raises:
            ModelError: No such style file, or damaged; it is another network's; or this model has one style only.
            UsageError: No shipped style of that name, or shares that make no sense.
        """
        if self._style is None:
            raise ModelError("a model of its own has one style; load the other")
        shares = name_or_path if isinstance(name_or_path, Mapping) else {os.fspath(name_or_path): 1.0}
        style, network = _mixed(shares, variant or variant_of(self._style.info.network))
        if style.info.network != self._style.info.network:
            raise ModelError(f"the style {style.info.name} is of another network, {network}; load it by itself")
        _check_fit(style, self.info, network)
        return Stylizer(self._backend, self.info, style, self._forms)

    def check(self, settings: Settings) -> None:
        """Raise UsageError unless this model can paint so."""
        if settings.strength != 1 and self._family() is None:
            raise UsageError(
                "this model has one strength: it has not learnt to give the photo back (`impasto train --photo-every`)"
            )

    def _family(self) -> object | None:
        """What has all looks that lie between this one, others of the same family and the photo: None if nothing."""
        if self._style is not None:
            return self._style.info.network
        return self._backend if self.info.strength else None


def paint_regions(image: Pixels, regions: Sequence[tuple[Stylizer, Mask]], settings: Settings = DEFAULT) -> Pixels:
    """The picture with each region in a style of its own, and what no mask names left as it is.

    Regions of one network's styles blend in its features: at every place all layers normalise by statistics that
    lie between those of the styles, so that a soft edge is painted as one. Different networks blend in pixels.

    Args:
        image: The picture, uint8 or uint16 (H, W, 3), sRGB.
        regions: Stylizers, and where each paints: a mask, uint8 (h, w) of any size, 255 for wholly and 0 for not at
            all. Where masks overlap, each has its share.
        settings: How the styles are applied.

    Raises:
        ImageError, ModelError, UsageError: as :meth:`Stylizer.__call__`; there is no region.
    """
    if not regions:
        raise UsageError("give at least one region")
    first = regions[0][0]
    for stylizer, mask in regions:
        stylizer.check(settings)
        check_mask(mask)
    stylizers, masks = [stylizer for stylizer, _ in regions], [mask for _, mask in regions]
    families = {stylizer._family() for stylizer in stylizers}
    in_features = len(families) == 1 and None not in families and first._forms is not None and settings.strength > 0

    def paint(picture: Pixels, settings: Settings) -> Pixels:
        weights = _shares(masks, picture)
        if in_features:
            return _by_place(picture, stylizers, weights, settings.strength)
        pictures = [stylizer._paint(picture, settings) for stylizer in stylizers]
        return _to_pixels(_mixed_pixels(pictures, weights, picture), picture)

    return _painted(image, settings, paint, masks)


def _by_place(image: Pixels, stylizers: Sequence[Stylizer], weights: Array, strength: float) -> Pixels:
    """:func:`paint_regions` within one network; ``weights``: float32 (regions, H, W), summing to 1 at most."""
    first = stylizers[0]
    forms = first._forms
    assert forms is not None
    # Statistics are those of the picture, or its sample, in each look; the photo's own look takes what is left of
    # every place. How near to the photo a place comes in the end is, as everywhere, a matter of its strength.
    small = first._inputs(sample(image, SAMPLED_PIXELS), 0)
    # Beyond a hard edge the style goes on for a little, unseen: features next to the photo's make a dark rim.
    there = weights.sum(axis=0)
    weights = _overlapping(weights)
    shares = np.concatenate([1 - weights.sum(axis=0, keepdims=True), weights])
    seen = there / np.maximum(weights.sum(axis=0), np.float32(1e-6))
    given = [first._given(0.0), *(stylizer._given(strength) for stylizer in stylizers)]
    strengths = [0.0, *[strength] * len(stylizers)]
    looks = _looks(shares)
    statistics, matched = [], []
    for one, other in looks:
        between = {name: np.float32(0.5) * (value + given[other][name]) for name, value in given[one].items()}
        picture, found = forms.measure({**small, **between})
        statistics.append(found)
        matched.append(_matched(picture, small["image"], (strengths[one] + strengths[other]) / 2))
    forms.measuring.release()  # tiles are painted in what it took
    painted = image.copy()
    whole_height, whole_width = image.shape[:2]
    for tile in tiles(whole_height, whole_width, TILE_BY_PLACE, first.info.reach):
        if not seen[tile.inner].any():
            continue
        inputs = first._inputs(image[tile.outer], 0)
        local = shares[:, *tile.outer]
        parts = _parts(local, looks)
        padding = [(0, whole - size) for whole, size in zip(inputs["image"].shape[2:], local.shape[1:], strict=True)]
        blend = forms.blended(statistics, np.pad(parts, [(0, 0), *padding], mode="edge"), first.info)
        output = forms.frozen_by_place.run({**inputs, **given[0], **blend})
        height, width = local.shape[1:]
        output, photo = output[:, :, :height, :width], inputs["image"][:, :, :height, :width]
        mixed = sum(part * one(output) for part, one in zip(parts, matched, strict=True))
        assert isinstance(mixed, np.ndarray)
        finished = _with_rest(mixed, photo, np.float32(strength) * (1 - local[0]))
        finished = photo + seen[tile.outer] * (finished - photo)
        painted[tile.inner] = _to_pixels(finished, image[tile.outer])[tile.kept]
    forms.frozen_by_place.release()  # enlarging takes as much
    return painted


def _looks(shares: Array) -> list[tuple[int, int]]:
    """The looks to measure: each by itself, and half-way between every two that meet somewhere.

    Half-way between two looks statistics are not half-way between theirs: what a layer is given has changed as well.
    """
    count = len(shares)
    meeting = [
        (one, other)
        for one in range(count)
        for other in range(one + 1, count)
        if np.minimum(shares[one], shares[other]).max() > LEAST_MEETING
    ]
    return [*((one, one) for one in range(count)), *meeting]


def _parts(shares: Array, looks: Sequence[tuple[int, int]]) -> Array:
    """The part of each of these looks at every place, summing to 1: on a line between two, the parabola through three.

    These are the shape functions of a quadratic simplex. ``shares``: float32 (regions + 1, H, W).
    """
    return np.stack(
        [
            shares[one] * (2 * shares[one] - 1) if one == other else 4 * shares[one] * shares[other]
            for one, other in looks
        ]
    )


def load(
    name_or_path: str | os.PathLike[str] | Mapping[str, float],
    *,
    variant: Variant = "best",
    backend: str = "auto",
    threads: int | None = None,
    precision: Precision = "auto",
) -> Stylizer:
    """A style or a model file, ready to paint.

    Args:
        name_or_path: The name of a shipped style (`impasto.styles`), a style file or a model file, both made by
            `impasto train`; or several styles of one network and their shares, as {"udnie": 0.7, "great_wave": 0.3}.
        variant: The network that paints shipped styles: "best", or "fast", which takes half the time. A file
            has a network of its own, and for it this means nothing.
        backend: "onnxruntime", "openvino", or "auto": OpenVINO when it is installed, else ONNX Runtime.
        threads: How many threads one call may use; None for all cores.
        precision: "float32", the same on every machine but for rounding; "bfloat16"; "int8"; or "auto" for what is
            quickest here and not seen, see :data:`Precision`.

    Raises:
        ModelError: No such file, not a model, or damaged; styles of different networks.
        BackendError: An unknown backend, one that is not installed, or one that has no such arithmetic.
        UsageError: No shipped style of that name, shares that make no sense, or `threads` is less than 1.
    """
    style: Style | None = None
    if isinstance(name_or_path, Mapping):
        style, path = _mixed(name_or_path, variant)
    elif is_style(name_or_path):
        style, path = find_style(name_or_path, variant)
    else:
        path = Path(name_or_path)
    file = read_model(path)
    info = file.info
    if style is not None:
        _check_fit(style, info, path)
    if style is None and info.style_size:
        raise ModelError(f"{path}: is a network, which paints in no style of its own; give one of its style files")
    cache = compiled_folder(path)
    by_pixel = chosen_backend(backend) == "openvino"
    measured = style is None or style.info.name in info.styles  # one learnt later may go beyond the network's ranges
    in_8_bits = paints_in_8_bits(info, backend, precision) and (measured or precision == "int8")

    def make(form: graph.Form) -> Backend:
        exact = form == "measuring"  # statistics are differences of what it finds
        rounded = in_8_bits and not exact
        try:
            content = graph.rewrite(file.content, form, ranges=info.ranges if rounded else None, channels_last=by_pixel)
        except ModelError as reason:
            raise ModelError(f"{path}: {reason}") from None
        arithmetic: Arithmetic = "float32" if exact or precision == "int8" or rounded else precision
        return make_backend(content, str(path), backend=backend, threads=threads, precision=arithmetic, cache=cache)

    return Stylizer(make("plain"), info, style, Forms(lambda: graph.norms(file.content), make))


def load_foreign(
    path: str | os.PathLike[str],
    *,
    value_range: float = 255.0,
    backend: str = "auto",
    threads: int | None = None,
    precision: Arithmetic = "float32",
) -> Stylizer:
    """Another project's ONNX model, ready to paint, for measuring it beside ours.

    The picture is padded by reflection to a multiple of 8, which three halvings need, and the result cropped. The
    returned stylizer's `info` has the architecture "foreign".

    Args:
        path: An ONNX file with one input, (N, 3, H, W) RGB of any size, and such an output, at least as large.
        value_range: White in the model's input and output: 255 or 1.
        backend: See `load`.
        threads: See `load`.
        precision: See `load`.

    Raises:
        ModelError: The file is missing or damaged, or the graph takes anything else.
        BackendError: See `load`.
        UsageError: `threads` is less than 1, or `value_range` is not positive.
    """
    if not value_range > 0:
        raise UsageError(f"a value range of {value_range} makes no sense; use 255 or 1")
    path = Path(path)
    check_complete(path)
    engine = make_backend(path, str(path), backend=backend, threads=threads, precision=precision)
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


def paints_in_8_bits(info: ModelInfo, backend: str, precision: Precision) -> bool:
    """Whether a model is computed in 8 bits: where it is asked for, or left open and quicker.

    Raises:
        BackendError: It is asked for and cannot be.
    """
    able = has_quick_int8() and chosen_backend(backend) == "openvino" and bool(info.ranges)
    if precision != "int8":
        # What bfloat16 makes quick are all layers, 8 bits only those of many channels.
        return able and precision == "auto" and not has_quick_bfloat16()
    if chosen_backend(backend) != "openvino":
        raise BackendError("ONNX Runtime computes in float32 only; use OpenVINO (pip install 'impasto[openvino]')")
    if not info.ranges:
        raise BackendError("this model does not say its ranges, which 8 bits take; use precision float32, or auto")
    if not able:
        raise BackendError("no products of 8 bits (VNNI) are known of this processor; use precision float32, or auto")
    return True


def _check_fit(style: Style, info: ModelInfo, network: Path) -> None:
    if len(style.parameters) != info.style_size:
        raise ModelError(f"the style {style.info.name} does not fit its network {network}; make it again")


def _mixed(shares: Mapping[str, float], variant: Variant) -> tuple[Style, Path]:
    """The mixture of several styles, and their network; shares are made to sum to 1."""
    try:
        sound = all(0 <= share < float("inf") for share in shares.values()) and sum(shares.values()) > 0
    except TypeError:  # no numbers
        sound = False
    if not sound:
        given = f", not {', '.join(f'{name}:{share}' for name, share in shares.items())}" if shares else ""
        raise UsageError(f"give at least one style, and shares of 0 or more, not all 0{given}")
    found = [find_style(name, variant) for name in shares]
    style, network = found[0]
    for name, (other, path) in zip(shares, found, strict=True):
        if other.info.network != style.info.network:
            raise ModelError(
                f"{name} is a style of another network, {path}, than those before it, {network}: they cannot be mixed "
                "(--fast, or variant=, says which network paints a shipped style)"
            )
        if len(other.parameters) != len(style.parameters):
            raise ModelError(f"the style {other.info.name} does not fit its network {path}; make it again")
    weights = np.array([*shares.values()], np.float64) / sum(shares.values())
    parameters = np.stack([one.parameters for one, _ in found])
    return Style(style.info, (weights @ parameters).astype(np.float32), style.photo), network


def _matched(painted: Array, photo: Array, strength: float) -> Callable[[Array], Array]:
    """What gives a picture painted in this strength the photo's colours and contrast, in the share that is wanted.

    Normalisation drops them. Seen on a picture that is whole, or a sample, and its photo.
    """
    return _match(painted, photo, np.float32(1 - strength)) if strength < 1 else lambda painted: painted


def _with_rest(painted: Array, photo: Array, strength: Array | np.float32) -> Array:
    """Near strength 0 (of each place) the network's picture is the photo but for a little blur: the rest, in pixels."""
    rest = np.maximum(np.float32(0), 1 - strength / np.float32(NEAR_PHOTO))
    if not rest.any():
        return painted
    height, width = photo.shape[2:]
    there = painted[:, :, :height, :width]
    finished: Array = there + rest * (photo - there)
    return finished


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


def _painted(
    image: Pixels, settings: Settings, paint: Callable[[Pixels, Settings], Pixels], masks: Sequence[Mask] = ()
) -> Pixels:
    """The picture painted at the size at which its strokes come out as wanted, and enlarged to its own.

    ``paint`` takes a picture of any size, and changes it within the masks only, where there are any.
    """
    small = _working_copy(image, settings)
    painted = paint(small, settings)
    where = None
    for larger in _sizes(small, image, doubling=settings.crisp):
        where = _shares(masks, larger).sum(axis=0) if masks else None
        painted = _enlarged(painted, small, larger, settings, where)
        if settings.crisp and min(small.shape[:2]) < min(larger.shape[:2]):
            # What goes beyond the style's own strength is there already.
            painted = paint(painted, replace(settings, strength=min(settings.strength, 1.0)))
        small = larger
    if settings.keep_colors is None:
        return painted
    if masks and where is None:
        where = _shares(masks, image).sum(axis=0)
    return colors.keep_colors(painted, image, settings.keep_colors, where)


def _sizes(small: Pixels, image: Pixels, *, doubling: bool) -> Iterator[Pixels]:
    """The picture at its own size, if that is not the small copy's, and before that at each doubling of the copy's."""
    short = min(small.shape[:2])
    while doubling and 2 * short < min(image.shape[:2]):
        short *= 2
        yield resize_short_side(image, short)
    if small is not image:
        yield image


def _working_copy(image: Pixels, settings: Settings) -> Pixels:
    """The picture at the size at which its strokes come out as they are wanted.

    A small one is enlarged for fine strokes, as far as a picture is still painted whole.
    """
    check_picture(image)
    if not settings.stroke_size:
        return image
    height, width = image.shape[:2]
    short = min(height, width)
    most = max(short, int(short * (WHOLE_PIXELS / (height * width)) ** 0.5))
    wanted = max(min(short, LEAST_SIDE), round(min(short, STROKES_AT) / settings.stroke_size))
    return resize_short_side(image, min(wanted, most))


def _enlarged(painted: Pixels, small: Pixels, image: Pixels, settings: Settings, where: Array | None = None) -> Pixels:
    """A painted small copy at the picture's size, with a share of the detail that only the picture has.

    What is not painted, by strength or by place, has all of its detail: it is the photo again.
    """
    height, width = image.shape[:2]
    large = np.empty_like(image)
    painted, small = (resize(x, width, x.shape[0]) for x in (painted, small))  # in strips they are made higher
    lost = np.float32((1 - DETAIL) * min(1.0, settings.strength))  # of what is painted wholly
    for top in range(0, height, ROWS):
        rows = slice(top, top + ROWS)
        strip, coarse = (resize(x, width, height, rows=rows).astype(np.float32) for x in (painted, small))
        share = 1 - lost if where is None else 1 - lost * where[rows, :, np.newaxis]
        large[rows] = np.rint(np.clip(strip + share * (image[rows] - coarse), 0, white(image)))
        if where is not None:  # enlarging spreads what is painted beyond its edge
            large[rows][where[rows] == 0] = image[rows][where[rows] == 0]
    return large


def check_mask(mask: Mask) -> None:
    """Raise ImageError unless it is uint8 (h, w)."""
    if mask.dtype != np.uint8 or mask.ndim != 2 or mask.size == 0:
        raise ImageError(f"expected a mask, uint8 (h, w), got {mask.dtype} {mask.shape}")


def _shares(masks: Sequence[Mask], image: Pixels) -> Array:
    """The share of each mask at each place of a picture, float32 (masks, H, W), summing to 1 at most."""
    height, width = image.shape[:2]
    fitted = [mask if mask.shape == (height, width) else resize_mask(mask, width, height) for mask in masks]
    shares = np.stack(fitted).astype(np.float32) / np.float32(255)
    shares /= np.maximum(shares.sum(axis=0), 1)
    return shares


def _overlapping(weights: Array) -> Array:
    """Each share going on beyond its edge where nothing else is, falling to 0 over `OVERLAP` pixels; (regions, H, W).

    What falls more gently by itself stays as it is.
    """
    more = weights.copy()
    step = np.float32(1 / OVERLAP)
    for along in (more.transpose(1, 0, 2), more.transpose(2, 0, 1)):  # rows, then columns: views, so in place
        for way in (along, along[::-1]):
            for here, next_one in pairwise(way):
                np.maximum(next_one, here - step, out=next_one)
    more -= weights
    room = 1 - weights.sum(axis=0)
    more *= np.minimum(1, room / np.maximum(more.sum(axis=0), np.float32(1e-6)))
    more += weights
    return more


def _mixed_pixels(pictures: Sequence[Pixels], weights: Array, image: Pixels) -> Array:
    """Pictures and what is left of the photo, mixed in pixels: float32 (1, 3, H, W), 0 to 1."""
    rest = 1 - weights.sum(axis=0)
    mixed = rest[..., np.newaxis] * image.astype(np.float32)
    for picture, weight in zip(pictures, weights, strict=True):
        mixed += weight[..., np.newaxis] * picture
    batch: Array = mixed.transpose(2, 0, 1)[np.newaxis] / np.float32(white(image))
    return batch


def _to_pixels(output: Array, image: Pixels) -> Pixels:
    """Crop (1, 3, h, w) in [0, 1] to the size of ``image``, (H, W, 3), and round it to the same type."""
    height, width = image.shape[:2]
    if output.ndim != 4 or output.shape[:2] != (1, 3) or output.shape[2] < height or output.shape[3] < width:
        raise ModelError(f"the model made {output.shape} of a {width} x {height} picture; it is not a stylising model")
    picture = output[0, :, :height, :width].transpose(1, 2, 0)
    if not np.isfinite(picture).all():
        raise ModelError("the model's output is not finite; its training went wrong, train it again")
    return np.asarray(np.rint(np.clip(picture, 0, 1) * np.float32(white(image))), image.dtype)
