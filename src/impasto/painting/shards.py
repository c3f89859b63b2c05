"""Divides a batch among independent processes, and reads lists of paths."""

import codecs
import hashlib
import os
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from impasto.errors import ImageError, UsageError
from impasto.pictures.sources import local_name


@dataclass(frozen=True)
class Shard:
    """One of several equal parts of a batch.

    A picture belongs to the same part on every computer and in every run, whatever other pictures there are: the part
    depends on a hash of its path relative to the input folder alone.

    Raises:
        UsageError: There is no such part.
    """

    number: int
    """From 1."""
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise UsageError(f"shard {self.number}/{self.count}: the first number is from 1 to the second")

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """The part that "3/8" names. Raises UsageError for other texts."""
        number, slash, count = text.partition("/")
        if not slash or not (number.isascii() and number.isdigit()) or not (count.isascii() and count.isdigit()):
            raise UsageError(f"shard must be I/N, as 3/8 for the third of eight parts, not {text!r}")
        return cls(int(number), int(count))

    def __contains__(self, name: PurePath) -> bool:
        """Whether the picture of this relative path belongs to the part."""
        text = unicodedata.normalize("NFC", name.as_posix()).encode("utf-8", "surrogateescape")
        return int.from_bytes(hashlib.sha256(text).digest()[:8]) % self.count == self.number - 1


def read_list(file: Path) -> Iterator[tuple[Path, Path]]:
    """The pictures in a list, one path a line: each with its path relative to the output folder.

    Relative paths are relative to the working folder. A result keeps the whole path of its picture: `a/b.jpg` and
    `/a/b.jpg` become `a/b.jpg` in the output folder; `..` is resolved first. Lines are read one by one, so memory does
    not grow with the list.

    Args:
        file: A text file, or ``-`` for standard input.

    Raises:
        UsageError: The file cannot be read or is no text, or a line is a URL.
    """
    try:
        stream = sys.stdin.buffer if str(file) == "-" else file.open("rb")
        with stream:
            for number, line in enumerate(stream):
                if b"\0" in line:  # a picture, UTF-16, or the output of find -print0
                    raise UsageError(f"{file}: is not a list: give a text file in UTF-8, one path a line")
                if number == 0:
                    line = line.removeprefix(codecs.BOM_UTF8)
                text = os.fsdecode(line.rstrip(b"\r\n"))
                if text.strip():
                    path = Path(local_name(text))
                    yield path, _name_of(path)
    except OSError as cause:
        raise UsageError(f"{file}: cannot read this list: {cause.strerror or cause}; check the name") from cause
    except ImageError as reason:
        raise UsageError(f"{file}: {reason}") from None


def of_shard(listed: Iterable[tuple[Path, Path]], part: Shard | None) -> tuple[list[tuple[Path, Path]], bool]:
    """The pictures of a list (`read_list`) that belong to the part, or all; and whether it lists any.

    Memory grows with the part, not with the list.
    """
    count, found = 0, []
    for item in listed:
        count += 1
        if part is None or item[1] in part:
            found.append(item)
    return found, count > 0


def count_list(file: Path) -> int:
    """The number of pictures in a list; its paths are not looked at.

    Raises:
        UsageError: The file cannot be read.
    """
    try:
        with file.open("rb") as stream:
            return sum(1 for line in stream if line.strip())
    except OSError as cause:
        raise UsageError(f"{file}: cannot read this list: {cause.strerror or cause}; check the name") from cause


def _name_of(path: Path) -> Path:
    whole = Path(os.path.abspath(path)) if ".." in path.parts else path  # noqa: PTH100 (links are kept)
    return whole.relative_to(whole.anchor) if whole.anchor else whole
