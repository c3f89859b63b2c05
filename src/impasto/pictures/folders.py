"""The pictures in a folder."""

import os
from collections.abc import Callable
from pathlib import Path

from impasto.errors import ImageError
from impasto.pictures.formats import READABLE_SUFFIXES


def find_images(
    folder: str | os.PathLike[str], unreadable: Callable[[Path, ImageError], object] = lambda *_: None
) -> list[Path]:
    """The pictures in a folder and its subfolders, by extension in any case, sorted by path.

    Hidden files and folders are skipped (thumbnails, metadata, unfinished downloads), and so are links to folders.

    Args:
        folder: Where to search.
        unreadable: Called with each subfolder that cannot be read, and the error.

    Raises:
        ImageError: `folder` is missing or not a folder. A folder without pictures gives an empty list.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ImageError(f"{folder}: {'is not a folder' if folder.exists() else 'no such folder'}; check the name")

    def refused(cause: OSError) -> None:
        reason = f"{cause.filename}: cannot read this folder: {cause.strerror}; check its permissions"
        unreadable(Path(cause.filename), ImageError(reason))

    found = []
    for parent, folders, files in os.walk(folder, onerror=refused):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = [Path(parent, name) for name in files if not name.startswith(".")]
        found += [
            path  # a broken link is included, so that reading it gives an error that names it
            for path in paths
            if path.suffix.lower() in READABLE_SUFFIXES and (path.is_file() or not path.exists())
        ]
    return sorted(found)
