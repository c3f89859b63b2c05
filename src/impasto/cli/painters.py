"""Makes the painter of `impasto stylize` from styles, masks and refinement."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from impasto.cli.console import note
from impasto.cli.engine import load_stylizer
from impasto.cli.flags import PaintingFlags
from impasto.cli.request import Request
from impasto.errors import ImpastoError, UsageError
from impasto.models.catalog import Variant
from impasto.painting.settings import Settings
from impasto.painting.stylizer import Stylizer
from impasto.pictures.picture import Picture, Pixels

if TYPE_CHECKING:
    from impasto.painting.batch import Painter, PicturePainter

Loader = Callable[[str | Mapping[str, float]], Stylizer]
"""`impasto.load` with the engine, threads and precision of the command line."""


def load_painter(request: Request, engine: PaintingFlags) -> "PicturePainter":
    """A function that repaints a picture, or makes a contact sheet of it.

    Raises:
        ImpastoError: A style, model, mask or engine cannot be loaded, or the model cannot apply the settings.
    """
    loader: Loader = partial(load_stylizer, variant=request.saved.variant, engine=engine)
    return _sheet_painter(request, loader) if request.extra.grid else _painter(request, loader)


def _painter(request: Request, load: Loader) -> "PicturePainter":
    """A function that repaints a picture, with masks and refinement."""
    saved = request.saved
    masks = _masks(request) if request.masks else []
    painter: Painter
    if len(masks) > 1:
        first, *others = saved.style
        stylizers = [load(first)]
        stylizers += [_other(stylizers[0], name, saved.variant, load) for name in others]
        painter = list(zip(stylizers, masks, strict=True))
    else:
        stylizer = load(saved.model or saved.style)
        painter = [(stylizer, mask) for mask in masks] or stylizer
    from impasto.painting.batch import picture_painter  # Pillow; another thread imports it while the network loads

    paint = picture_painter(painter, saved.settings, request.files)
    return _refined(paint, request) if request.extra.refine else paint


def _masks(request: Request) -> list[Pixels]:
    """The masks: 255 where the style is painted."""
    from impasto.pictures.read import read_mask  # with Pillow

    masks = []
    for path in request.masks:
        mask = read_mask(path)
        for text in mask.notes:
            note(f"{path}: {text}")
        masks.append(np.asarray(255 - mask.values, np.uint8) if request.background_only else mask.values)
    return masks


def _refined(paint: "PicturePainter", request: Request) -> "PicturePainter":
    """``paint``, followed by Gatys' optimization. Colors are matched at the end."""
    from impasto.optimize.refine import refined
    from impasto.pictures.colors import keep_colors

    settings = request.saved.settings
    without_colors = replace(settings, keep_colors=None)

    def network(photo: Pixels) -> Pixels:
        return paint(Picture(photo), without_colors).pixels

    refine = refined(network, request.saved.style, request.extra.picture, request.extra.refine)

    def both(picture: Picture, _: Settings) -> Picture:
        pixels = refine(picture.pixels)
        if settings.keep_colors is not None:
            pixels = keep_colors(pixels, picture.pixels, settings.keep_colors)
        return replace(picture, pixels=pixels)

    return both


def _other(first: Stylizer, name: str, variant: Variant, load: Loader) -> Stylizer:
    """Load another style, with the network of ``first`` if it is the same."""
    try:
        return first.restyled(name, variant=variant)
    except UsageError:
        raise
    except ImpastoError:
        return load(name)


def _sheet_painter(request: Request, load: Loader) -> "PicturePainter":
    """A function that makes a contact sheet of a photo, with one row of strengths for each style."""
    from impasto.painting.sheets import STRENGTHS, strength_sheet

    saved = request.saved
    names = [*saved.style] if saved.model is None else [saved.model]
    first = load(names[0])
    stylizers = [first, *(_other(first, name, saved.variant, load) for name in names[1:])]
    rows = [(Path(name).stem, stylizer) for name, stylizer in zip(names, stylizers, strict=True)]
    for stylizer in stylizers:
        stylizer.check(replace(saved.settings, strength=STRENGTHS[0]))  # before all the work

    def sheet(photo: Picture, settings: Settings) -> Picture:
        return Picture(strength_sheet(photo.pixels, rows, settings, alpha=photo.alpha))

    return sheet
