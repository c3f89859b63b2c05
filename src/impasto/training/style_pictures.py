"""Reads and checks the style pictures of a run."""

from collections.abc import Sequence
from pathlib import Path

from impasto.errors import TrainingError
from impasto.pictures.picture import Pixels
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side

MINIMUM_SIZE = 64
"""Smallest short side, pixels. The deepest layers of the loss network have almost no features of a smaller picture."""
MAXIMUM_ASPECT = 8
"""Largest ratio of long to short side; all pictures are scaled to the same short side."""
MINIMUM_DEVIATION = 2.0
"""Smallest standard deviation, which at least one color channel must have, levels of 255."""


def read_style(path: Path, size: int) -> Pixels:
    """The style picture, scaled down to a short side of at most ``size`` pixels.

    Raises:
        ImageError: if it cannot be read.
        TrainingError: if it is too small, too long, or a single color.
    """
    picture = load_image(path)
    height, width = picture.shape[:2]
    if min(height, width) < MINIMUM_SIZE:
        raise TrainingError(
            f"{path}: {width} x {height} pixels are too few for a style: give a picture of {MINIMUM_SIZE} or more"
        )
    if max(height, width) > MAXIMUM_ASPECT * min(height, width):
        raise TrainingError(f"{path}: {width} x {height} pixels are too long a strip: cut out a part of it")
    picture = resize_short_side(picture, min(height, width, size))
    if float(picture.std(axis=(0, 1)).max()) < MINIMUM_DEVIATION:
        raise TrainingError(f"{path}: the picture is a single color: give one with strokes or texture")
    return picture


def warn_small(paths: Sequence[Path], pictures: Sequence[Pixels], style_size: int) -> str | None:
    """A message about the pictures that are enlarged to more than twice their size; None if there are none."""
    small = [
        f"{path}: {picture.shape[1]} x {picture.shape[0]} pixels, enlarged to {style_size}: expect soft strokes, or "
        "give a larger picture"
        for path, picture in zip(paths, pictures, strict=True)
        if min(picture.shape[:2]) < style_size / 2
    ]
    return "\n".join(small) or None
