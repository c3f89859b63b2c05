"""Detects whether a file is a picture, style, model or settings file, so that errors can say what to do instead."""

import os
import shlex
from pathlib import Path
from typing import Literal

from impasto.errors import UsageError
from impasto.models.stylefile import SUFFIX

FileKind = Literal["picture", "style", "model", "settings", "folder"]

_HEAD = 4096
_NOUNS: dict[FileKind, str] = {
    "picture": "a picture",
    "style": "a style file",
    "model": "a model file",
    "settings": "a settings file",
    "folder": "a folder",
}


def kind_of(path: str | os.PathLike[str]) -> FileKind | None:
    """The kind of a file, by its first bytes, else by its extension; None if it is unknown."""
    from impasto.pictures.formats import READABLE_SUFFIXES
    from impasto.pictures.plugins import format_of_data

    path = Path(path)
    try:
        if path.is_dir():
            return "folder"
        if not path.is_file():  # what is read from a pipe is gone
            return None
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except (OSError, ValueError):
        return None
    suffix = path.suffix.lower()
    if format_of_data(head) is not None:
        return "picture"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 27:  # the header's length, and JSON
        return "style"
    if head.lstrip().startswith(b"{") and b'"impasto"' in head:
        return "settings"
    if head[:1] == b"\x08" or suffix == ".onnx":  # field 1 of an ONNX file, its version
        return "model"
    return "style" if suffix == SUFFIX else "picture" if suffix in READABLE_SUFFIXES else None


def check_kind(path: str | os.PathLike[str], wanted: FileKind) -> None:
    """Raise UsageError if a file exists and has another kind than ``wanted``; the message says what to do.

    Files of unknown kind pass: their reader reports the problem.
    """
    found = kind_of(path)
    if found is not None and found != wanted:
        raise UsageError(f"{path}: is {_NOUNS[found]}, not {_NOUNS[wanted]}: {_advice(Path(path), found, wanted)}")


def training_command(picture: str | os.PathLike[str]) -> str:
    """The command that learns the style of a picture."""
    path = Path(picture)
    return f"`impasto train {_quoted(path)} -o {_quoted(Path(f'{path.stem}.onnx'))}`"


def _advice(path: Path, found: FileKind, wanted: FileKind) -> str:
    """What to do with a file that is ``found`` and not ``wanted``."""
    if found == "picture" and wanted in ("style", "model"):
        return f"learn it first, {training_command(path)}"
    if found == "folder":
        return "give one of the files in it"
    if wanted == "picture" or wanted == "settings":
        return f"give {_NOUNS[wanted]}"
    flags = {"style": "--style", "model": "--model", "settings": "--settings"}
    return f"give it with {flags[found]}"


def _quoted(path: Path) -> str:
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)
