"""What errors of tasks say to the user."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from impasto.errors import ImpastoError

KINDS = ("ImageError", "ModelError", "BackendError", "TrainingError", "VideoError", "UsageError", "OSError")


def kind_of(error: BaseException) -> str:
    """The name of the closest class of `impasto.errors`, "OSError" or "MemoryError"; "bug" for other errors."""
    names = [kind.__name__ for kind in type(error).__mro__]
    return next((name for name in (*KINDS, "MemoryError", "KeyboardInterrupt") if name in names), "bug")


def text_of(error: BaseException) -> str:
    """One line about an error."""
    if isinstance(error, MemoryError):
        return "there is not enough memory: choose a smaller size"
    if isinstance(error, OSError):
        return f"cannot read or write a file: {error.strerror or error}; check the disk"
    if kind_of(error) == "bug":
        return " ".join(f"an internal error ({type(error).__name__}: {error!s:.200}); please report it".split())
    return " ".join(str(error).split())


@contextmanager
def naming(path: str, name: str) -> Iterator[None]:
    """Name the user's file, not ours, in errors of the block."""
    try:
        yield
    except ImpastoError as error:
        folder = str(Path(path).parent)
        text = str(error).replace(path, name).replace(folder, "the server's folder")
        raise type(error)(text) from error
