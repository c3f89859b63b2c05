"""The pictures in a folder."""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from impasto.errors import ImageError
from impasto.pictures.formats import RAW_SUFFIXES, READABLE_SUFFIXES
from impasto.pictures.sources import local_path


@dataclass
class FolderScan:
    """The content of a folder and its subfolders."""

    images: list[Path] = field(default_factory=list)
    """Files with the extension of a picture, sorted."""
    skipped: list[Path] = field(default_factory=list)
    """Other files, sorted; hidden ones are not counted."""
    failures: list[tuple[Path, ImageError]] = field(default_factory=list)
    """Subfolders that cannot be read."""

    def skipped_summary(self) -> str:
        """One line with the number of skipped files by extension; "" if there are none."""
        if not self.skipped:
            return ""
        counts = Counter(path.suffix.lower() or "no extension" for path in self.skipped)
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in sorted(counts.items(), key=lambda x: (-x[1], x[0])))
        files = "1 file was" if len(self.skipped) == 1 else f"{len(self.skipped)} files were"
        raw = "; raw photos have to be exported as JPEG or TIFF first" if counts.keys() & {*RAW_SUFFIXES} else ""
        return f"{files} skipped, not pictures by their extension ({kinds}){raw}"


def scan_folder(folder: str | os.PathLike[str]) -> FolderScan:
    """Search a folder and its subfolders for pictures, by extension (case-insensitive).

    Hidden files and folders (thumbnails, metadata, unfinished downloads) and links to folders are ignored.

    Raises:
        ImageError: `folder` is missing or not a folder. A folder without pictures gives an empty list.
    """
    folder = local_path(folder)
    if not folder.is_dir():
        raise ImageError(f"{folder}: {'is not a folder' if folder.exists() else 'no such folder'}; check the name")
    scan = FolderScan()

    def refused(cause: OSError) -> None:
        reason = f"{cause.filename}: cannot read this folder: {cause.strerror}; check its permissions"
        scan.failures.append((Path(cause.filename), ImageError(reason)))

    for parent, folders, files in os.walk(folder, onerror=refused):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(parent, name) for name in files if not name.startswith(".")):
            if path.suffix.lower() not in READABLE_SUFFIXES:
                scan.skipped.append(path)
            elif path.is_file() or not path.exists():  # a broken link gives an error when it is read
                scan.images.append(path)
    scan.images.sort()
    scan.skipped.sort()
    return scan


def find_images(
    folder: str | os.PathLike[str], unreadable: Callable[[Path, ImageError], object] = lambda *_: None
) -> list[Path]:
    """The pictures in a folder and its subfolders, sorted; see :func:`scan_folder`.

    Args:
        folder: Where to search.
        unreadable: Called with each subfolder that cannot be read, and the error.
    """
    scan = scan_folder(folder)
    for path, error in scan.failures:
        unreadable(path, error)
    return scan.images
