"""Atomic file writes, and access to the training data."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from impasto.errors import ImpastoError, TrainingError, UsageError

TRAINING_DATA = "impasto_train_data"
"""The package with the loss network's weights, the LPIPS heads, photos and style statistics."""


def training_data(name: str) -> Path:
    """Return the path of a file or folder of the training data.

    The data is in a separate package, ``impasto-train-data``, so that installations without training stay small.

    Args:
        name: the path inside that package: ``"photos"``, ``"statistics/udnie.safetensors"``.

    Raises:
        TrainingError: the package is not installed, or is incomplete.
    """
    spec = find_spec(TRAINING_DATA)
    if spec is None or not spec.submodule_search_locations:
        raise TrainingError("the training data is not installed: pip install 'impasto[train]'")
    path = Path(spec.submodule_search_locations[0], name)
    if not path.exists():
        raise TrainingError(f"{path}: is missing: reinstall the package impasto-train-data")
    return path


@contextmanager
def replacing(path: str | os.PathLike[str], error: type[ImpastoError]) -> Iterator[Path]:
    """Yield a temporary path to write to; it takes the place of `path` when the block ends without an exception.

    The temporary file lies in the same folder (a rename across disks is not atomic) and has the same extension.
    It is removed when the block fails, so a full disk or Ctrl-C leaves the old file as it was. A symbolic link
    is followed: the file it points to is replaced, the link stays.

    Raises:
        ImpastoError: of the class `error`, when `path` is a folder or device, its folder is missing, or the
            operating system refuses to write (disk full, no permission).
    """
    target, part = _target_and_part(path, error)
    try:
        yield part
        part.replace(target)
    except OSError as cause:
        raise error(_cannot_write(path, cause)) from cause
    finally:
        _remove(part)


def check_writable(path: str | os.PathLike[str], error: type[ImpastoError]) -> None:
    """Check before long work that `replacing` can write to ``path``.

    Raises:
        ImpastoError: as `replacing`.
    """
    _, part = _target_and_part(path, error)
    try:
        part.touch()
    except OSError as cause:
        raise error(_cannot_write(path, cause)) from cause
    finally:
        _remove(part)


def check_absent(paths: Sequence[Path], otherwise: str = "") -> None:
    """Raise UsageError if one of these files exists; ``otherwise`` ends the advice to add --force."""
    there = [path for path in paths if os.path.exists(path) and not path.is_dir()]  # noqa: PTH110 (long names)
    if there:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise UsageError(f"{there[0]}{more}: exists: add --force to replace it{otherwise}")


def _remove(part: Path) -> None:
    with contextlib.suppress(OSError):  # where nothing can be written nothing can be removed
        part.unlink(missing_ok=True)


def _target_and_part(path: str | os.PathLike[str], error: type[ImpastoError]) -> tuple[Path, Path]:
    """The file that `path` refers to, and a temporary path in the same folder."""
    target = Path(os.path.realpath(path))
    try:
        is_folder = target.is_dir()
    except OSError as cause:  # a name that is too long
        raise error(_cannot_write(path, cause)) from cause
    if is_folder:
        raise error(f"{path}: is a folder; give the name of a file to write")
    if target.exists() and not target.is_file():
        raise error(f"{path}: is not a regular file; give the name of a file to write")
    if not target.parent.is_dir():
        raise error(f"{path}: the folder {target.parent} does not exist; create it first")
    # Not tempfile: its files are private (mode 0600), and the result needs default permissions.
    return target, target.parent / f".impasto-{secrets.token_hex(8)}{target.suffix}"


def _cannot_write(path: str | os.PathLike[str], cause: OSError) -> str:
    if cause.errno == errno.ENAMETOOLONG:
        return f"{path}: this name is too long for the disk; give a shorter name"
    return f"{path}: cannot write: {cause.strerror or cause}; check the disk and permissions"
