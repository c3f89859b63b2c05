"""Contact sheets that show one photo in several styles or strengths."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from impasto.errors import ImageError
from impasto.models.catalog import Variant, shipped
from impasto.painting.load import load
from impasto.painting.settings import Settings
from impasto.painting.stylizer import DEFAULT, Stylizer
from impasto.pictures.contact_sheet import contact_sheet
from impasto.pictures.picture import MAX_PIXELS, Picture, Pixels, Samples, on_white
from impasto.pictures.resize import resize_short_side

STRENGTHS = (0.25, 0.5, 0.75, 1.0, 1.5)


def style_sheet(
    photo: Pixels,
    names: Iterable[str] | None = None,
    *,
    variant: Variant = "best",
    size: int = 384,
    columns: int = 4,
) -> Pixels:
    """A contact sheet of one photo in several shipped styles, with captions.

    Args:
        photo: The photo, uint8 (H, W, 3), which is shown first.
        names: The names of shipped styles; None for all.
        variant: The network for shipped styles, as for :func:`impasto.load`.
        size: Short side of each picture, pixels.
        columns: Number of pictures in a row.

    Returns:
        The sheet, uint8 (H', W', 3).

    Raises:
        UsageError: The name of a shipped style is unknown.
    """
    photo = resize_short_side(photo, size)
    pictures = {"photo": photo}
    stylizer: Stylizer | None = None
    for name in names or shipped(variant):
        stylizer = load(name, variant=variant) if stylizer is None else stylizer.restyled(name)
        pictures[name] = stylizer(photo)
    rows = [[*pictures][i : i + columns] for i in range(0, len(pictures), columns)]
    return contact_sheet([[pictures[name] for name in row] for row in rows], captions=rows, cell=size)


def strength_sheet(
    photo: Pixels,
    styles: Sequence[tuple[str, Stylizer]],
    settings: Settings = DEFAULT,
    *,
    alpha: Samples | None = None,
) -> Pixels:
    """A contact sheet of one photo in several strengths (:data:`STRENGTHS`), with one row for each style.

    Args:
        photo: The photo, uint8 (H, W, 3), which is the first picture of each row.
        styles: Pairs of a caption and a stylizer, one for each row.
        settings: The other settings; the strength is ignored.
        alpha: The photo's opacity, (H, W), same dtype; pictures are composited on white. None if the photo is opaque.

    Returns:
        The sheet, uint8 (H', W', 3).

    Raises:
        ImageError: The sheet would be too large.
        UsageError: A model supports only strength 1.
    """
    cell = max(photo.shape[:2])
    if len(styles) * (1 + len(STRENGTHS)) * cell**2 > MAX_PIXELS:
        raise ImageError(
            f"{photo.shape[1]} x {photo.shape[0]} pixels are too long for a sheet of {len(styles)} x {len(STRENGTHS)} "
            "pictures: crop the photo, or give a smaller size"
        )
    steps = [replace(settings, strength=strength) for strength in STRENGTHS]
    rows = [
        [on_white(Picture(one, alpha)) for one in (photo, *(stylizer(photo, step) for step in steps))]
        for _, stylizer in styles
    ]
    captions = [["photo", *(f"{name} {strength:g}" for strength in STRENGTHS)] for name, _ in styles]
    return contact_sheet(rows, captions=captions, cell=cell)
