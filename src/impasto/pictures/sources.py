"""Reads the bytes of a picture from a path, bytes, or a binary stream."""

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from impasto.errors import ImageError, UsageError

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]
"""A path (~ is expanded), the bytes of a file, or a stream that was opened in binary mode."""

_ADDRESS = re.compile(r"(?i)([a-z][a-z0-9+.-]+:/|data:image/|www\.[^/]+/)")
"""The start of a URL, of which Path merges slashes. A single letter with a colon is a Windows drive."""
_HEAD = 4096


def local_path(path: str | os.PathLike[str]) -> Path:
    """The path with ~ expanded.

    Raises:
        ImageError: The path is a URL, or cannot be the name of a file.
    """
    try:
        text = os.fsdecode(path)
    except TypeError:
        raise ImageError(f"expected the path of a file, got {_kind(path)}") from None
    if _ADDRESS.match(text) and not Path(text).exists():
        local = text.lower().startswith("file:")
        advice = "give its path alone, without file://" if local else "download it first, and give the file"
        raise ImageError(f"{text[:200]}: is an address; {advice}")
    if "\0" in text:
        raise ImageError(f"{text!r}: cannot be the name of a file; check the name")
    path = Path(text)
    if not text.startswith("~"):  # ./~name is a file of that name, which must not be expanded later either
        return path.absolute() if str(path).startswith("~") else path
    try:
        return path.expanduser()
    except RuntimeError:  # ~unknown_user
        return Path(text)


def local_name(path: str | os.PathLike[str]) -> str:
    """As :func:`local_path`, but as text with a trailing / (which marks a folder) kept.

    Raises:
        ImageError: As :func:`local_path`.
    """
    text = os.fspath(path)
    name = str(local_path(path))
    return f"{name}{os.sep}" if text.endswith(("/", os.sep)) and not name.endswith(os.sep) else name


def file_or_name(text: str | os.PathLike[str]) -> str:
    """The name of a style, or a path with ~ expanded; a / at its end stays there.

    Raises:
        UsageError: It is an address, or cannot be the name of a file.
    """
    text = os.fspath(text)
    try:
        return local_name(text) if "/" in text or text.startswith("~") else text
    except ImageError as reason:
        raise UsageError(str(reason)) from None


def read_source(
    source: Source, check: Callable[[bytes], object] = lambda head: None, *, head_only: bool = False
) -> tuple[bytes, str]:
    """The bytes of a file, and its name for error messages.

    Args:
        source: A path, bytes, or a binary stream, which is read from its position to its end.
        check: Called with the first bytes of a file before the rest is read. It may raise an error, so that a video of
            gigabytes is rejected without being read.
        head_only: Read no more than the first bytes of a file.

    Raises:
        ImageError: The file does not exist or cannot be read, or the source has an unsupported type.
    """
    if (data := _bytes_of(source)) is not None:
        return data, "bytes"
    if hasattr(source, "read"):
        return _from_stream(source)
    if not isinstance(source, (str, os.PathLike)):
        raise ImageError(f"expected a picture as a path, bytes or a binary stream, got {_kind(source)}")
    path = local_path(source)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ImageError(f"{path}: is a folder, not a picture; give a file")
        if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
            raise ImageError(f"{path}: is a device, not a picture; give a file")
        with path.open("rb") as file:
            head = file.read(_HEAD)
            if len(head) == _HEAD or (head and head_only):
                check(head)
            return head if head_only else head + file.read(), str(path)
    except (FileNotFoundError, NotADirectoryError):
        raise ImageError(f"{path}: no such file; check the name") from None
    except OSError as cause:
        raise ImageError(f"{path}: cannot read: {cause.strerror or cause}") from cause
    except ImageError as refusal:
        text = str(refusal)
        raise ImageError(text if text.startswith(str(path)) else f"{path}: {text}") from None


def _bytes_of(source: object) -> bytes | None:
    """The bytes of bytes, bytearrays and other flat buffers of bytes; None for other objects."""
    try:
        view = memoryview(source)  # type: ignore[arg-type]
    except TypeError:
        return None
    return bytes(view) if view.ndim == 1 and view.itemsize == 1 else None


def _from_stream(stream: Any) -> tuple[bytes, str]:
    name = getattr(stream, "name", None)
    name = name if isinstance(name, str) else "stream"
    try:
        data: object = stream.read()
    except Exception as cause:  # closed, or opened for writing; UnicodeDecodeError of a text stream
        raise ImageError(f"{name}: cannot read: {cause}; open it in binary mode, 'rb'") from cause
    if isinstance(data, str):
        raise ImageError(f"{name}: is a text stream; open it in binary mode, 'rb'")
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise ImageError(f"{name}: expected a binary stream, but its read() gave {_kind(data)}")
    if not data:
        raise ImageError(f"{name}: has nothing left to read; call its seek(0) first, or give another file")
    return bytes(data), name


def _kind(value: object) -> str:
    return "None" if value is None else f"an object of type {type(value).__name__}"
