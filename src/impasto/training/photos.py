"""Splits photos into those that a run learns from and held-out photos."""

from pathlib import Path

from impasto.errors import TrainingError
from impasto.files import training_data
from impasto.pictures.folders import find_images

HELD_OUT = 4
"""Number of photos of a content folder that are held out by default."""


def built_in_photos() -> list[Path]:
    """The photos that come with Impasto, for training without a data set."""
    return find_images(training_data("photos"))


def content_photos(
    folder: Path | None, held_out: Path | None, exclude: Path | None = None
) -> tuple[list[Path], list[Path]]:
    """The photos to learn from and the held-out photos; no photo is in both.

    Args:
        folder: photos of any format, subfolders included; None for the built-in photos.
        held_out: a folder of held-out photos, or a text file with names of photos in ``folder``, one per line. None
            holds out :data:`HELD_OUT` evenly spaced photos of ``folder``.
        exclude: a folder to skip, wherever it is: the run's own, which holds its preview.

    Raises:
        TrainingError: if no photo is left to learn from, or a listed one is missing.
    """
    photos = built_in_photos() if folder is None else find_images(folder)
    if exclude is not None:
        photos = [path for path in photos if exclude.resolve() not in path.resolve().parents]
    if not photos:
        raise TrainingError(f"{folder}: no pictures in this folder: give one with photos to learn from")
    if held_out is None:
        if len(photos) < 3 * HELD_OUT:  # too few to hold any out
            return photos, built_in_photos()[:HELD_OUT]
        step = len(photos) / HELD_OUT
        held = [photos[int((i + 0.5) * step)] for i in range(HELD_OUT)]
    elif held_out.is_dir():
        held = find_images(held_out)
    else:
        held = _listed(held_out, photos)
    names = {path.resolve() for path in held}
    learning = [path for path in photos if path.resolve() not in names]
    if not learning:
        raise TrainingError(f"{folder}: all its pictures are held out: none is left to learn from")
    if not held:
        raise TrainingError(f"{held_out}: no held-out pictures there")
    return learning, held


def _listed(file: Path, photos: list[Path]) -> list[Path]:
    """The photos whose names are listed in ``file``; empty lines and lines that start with # are skipped."""
    try:
        names = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"{file}: cannot read the list of held-out pictures") from error
    by_name = {path.name: path for path in photos}
    wanted = [name for name in names if name and not name.startswith("#")]
    missing = [name for name in wanted if name not in by_name]
    if missing:
        raise TrainingError(f"{file}: {len(missing)} held-out pictures are not in the content folder: {missing[0]} ...")
    return [by_name[name] for name in wanted]
