"""One photo in many looks, on one sheet."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from impasto.errors import ImageError
from impasto.models.catalogue import Variant, shipped
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
    """One picture that shows ``photo``, uint8 (H, W, 3), in shipped styles, each named.

    Args:
        photo: The photo; it is shown first.
        names: The shipped styles' names; all when None.
        variant: The network that paints them, as in :func:`impasto.load`.
        size: Short side it is painted at, pixels.
        columns: How many pictures stand side by side.

    Raises:
        UsageError: No shipped style of such a name.
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
    looks: Sequence[tuple[str, Stylizer]],
    settings: Settings = DEFAULT,
    *,
    alpha: Samples | None = None,
) -> Pixels:
    """One picture that shows ``photo``, uint8 (H, W, 3), from weak to strong (:data:`STRENGTHS`), each look in a row.

    Args:
        photo: The photo; each row begins with it.
        looks: What to call each, and what paints it.
        settings: All else; the strength in it does not count.
        alpha: The photo's opacity, (H, W) as the photo: its pictures are laid on white. None where it is opaque.

    Raises:
        ImageError: The sheet would be too large.
        UsageError: A model that has one strength only.
    """
    cell = max(photo.shape[:2])
    if len(looks) * (1 + len(STRENGTHS)) * cell**2 > MAX_PIXELS:
        raise ImageError(
            f"{photo.shape[1]} x {photo.shape[0]} pixels are too long for a sheet of {len(looks)} x {len(STRENGTHS)} "
            "pictures: crop the photo, or give a smaller size"
        )
    steps = [replace(settings, strength=strength) for strength in STRENGTHS]
    rows = [
        [on_white(Picture(one, alpha)) for one in (photo, *(stylizer(photo, step) for step in steps))]
        for _, stylizer in looks
    ]
    captions = [["photo", *(f"{name} {strength:g}" for strength in STRENGTHS)] for name, _ in looks]
    return contact_sheet(rows, captions=captions, cell=cell)
