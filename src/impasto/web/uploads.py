"""Reads request bodies: JSON objects, and files that go to the disk as they come."""

import json
import re
import secrets
import shutil
import unicodedata
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from impasto.web.limits import Limits, Refusal

LONGEST_NAME = 120
LONGEST_FIELD = 10_000
MOST_PARTS = 1000


@dataclass
class Upload:
    """A file that was sent.

    Attributes:
        name: Its name, for messages and downloads; never part of a path.
        path: Where it lies now.
        bytes: Its size.
    """

    name: str
    path: Path
    bytes: int = 0


@dataclass
class Form:
    """The content of a multipart request."""

    files: list[Upload] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)


async def read_json(request: Request) -> dict[str, Any]:
    """The JSON object in a request.

    Raises:
        Refusal: It is not one.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Refusal(415, "send JSON, with Content-Type: application/json")
    try:
        value = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise Refusal(400, "the request is not JSON") from None
    if not isinstance(value, dict):
        raise Refusal(400, "the request must be a JSON object")
    return value


async def read_form(request: Request, folder: Path, limits: Limits, *, most_bytes: int, files: int) -> Form:
    """Read a multipart request; its files are written to ``folder`` under names of our own.

    Args:
        request: The request.
        folder: An existing folder.
        limits: The limits of the server.
        most_bytes: The largest file.
        files: The largest number of files.

    Raises:
        Refusal: It is not multipart, holds no file or too many, one is too large, or the disk is full. Then no file is
            left.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary or len(boundary) > 200:
        raise Refusal(415, "send the file as multipart/form-data, in a field called file")
    parts = _Parts(folder, most_bytes, files)
    try:
        parser = MultipartParser(boundary, parts.callbacks())  # type: ignore[arg-type]  # bound methods of that form
        async for chunk in request.stream():
            check_disk(folder, limits)
            parser.write(chunk)
        parser.finalize()
        if not parts.ended:
            raise Refusal(400, "the form ends too early: send it again")
        if not parts.form.files:
            raise Refusal(400, "no file came: send one in a field called file")
    except BaseException as error:
        parts.abandon()
        if isinstance(error, FormParserError):
            raise Refusal(400, "the form is damaged: send it again") from None
        if isinstance(error, OSError):
            raise full_disk(error) from None
        raise
    return parts.form


async def read_file(request: Request, folder: Path, limits: Limits, *, most_bytes: int, name: str) -> Upload:
    """Write the body of a request to a file in ``folder``.

    Raises:
        Refusal: It is empty or too large, or the disk is full. Then no file is left.
    """
    upload = Upload(name, folder / f"{secrets.token_hex(8)}.upload")
    try:
        with upload.path.open("xb") as file:
            async for chunk in _checked(request, folder, limits):
                upload.bytes += len(chunk)
                if upload.bytes > most_bytes:
                    raise Refusal(413, f"the file is larger than {most_bytes // 1_000_000} MB")
                file.write(chunk)
        if not upload.bytes:
            raise Refusal(400, "the request is empty: send a file as its body")
    except BaseException as error:
        upload.path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise full_disk(error) from None
        raise
    return upload


async def _checked(request: Request, folder: Path, limits: Limits) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        check_disk(folder, limits)
        yield chunk


class _Parts:
    """The parts of a multipart body, as the parser finds them."""

    def __init__(self, folder: Path, most_bytes: int, files: int) -> None:
        self.form = Form()
        self._folder = folder
        self._most_bytes = most_bytes
        self._files = files
        self._parts = 0
        self.ended = False
        self._header = (b"", b"")
        self._headers: dict[bytes, bytes] = {}
        self._upload: Upload | None = None
        self._file: IO[bytes] | None = None
        self._field: str | None = None
        self._text = b""

    def callbacks(self) -> dict[str, Callable[..., None]]:
        """The parser's callbacks."""
        names = (
            "part_begin",
            "header_field",
            "header_value",
            "header_end",
            "headers_finished",
            "part_data",
            "part_end",
            "end",
        )
        return {f"on_{name}": getattr(self, name) for name in names}

    def part_begin(self) -> None:
        """A part begins."""
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise Refusal(413, f"the form has more than {MOST_PARTS} parts")
        self._header, self._headers = (b"", b""), {}

    def header_field(self, data: bytes, start: int, end: int) -> None:
        """A piece of a header's name."""
        self._header = (self._header[0] + data[start:end], self._header[1])

    def header_value(self, data: bytes, start: int, end: int) -> None:
        """A piece of a header's value."""
        self._header = (self._header[0], self._header[1] + data[start:end])

    def header_end(self) -> None:
        """A header is complete."""
        name, value = self._header
        self._headers[name.lower()] = value
        self._header = (b"", b"")

    def headers_finished(self) -> None:
        """The content of a part follows."""
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if b"filename" not in options:
            self._field, self._text = options.get(b"name", b"").decode("utf-8", "replace"), b""
            return
        if len(self.form.files) >= self._files:
            raise Refusal(413, f"{self._files} files at once are the limit" if self._files > 1 else "send one file")
        self._field = None
        self._upload = Upload(shown_name(options[b"filename"]), self._folder / f"{secrets.token_hex(8)}.upload")
        self.form.files.append(self._upload)
        self._file = self._upload.path.open("xb")

    def part_data(self, data: bytes, start: int, end: int) -> None:
        """A piece of a part's content."""
        if self._file is not None and self._upload is not None:
            self._upload.bytes += end - start
            if self._upload.bytes > self._most_bytes:
                raise Refusal(413, f"{self._upload.name}: is larger than {self._most_bytes // 1_000_000} MB")
            self._file.write(data[start:end])
        else:
            self._text += data[start:end]
            if len(self._text) > LONGEST_FIELD:
                raise Refusal(413, "a field of the form is too long")

    def part_end(self) -> None:
        """A part is complete."""
        if self._field is not None:
            self.form.fields[self._field] = self._text.decode("utf-8", "replace")
        self.close()

    def end(self) -> None:
        """The form is complete."""
        self.ended = True

    def close(self) -> None:
        """Close the file that is open."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def abandon(self) -> None:
        """Remove all files."""
        try:
            self.close()
        except OSError:  # a full disk: the last piece cannot be written
            self._file = None
        for upload in self.form.files:
            upload.path.unlink(missing_ok=True)


def shown_name(raw: bytes | str) -> str:
    """A file's name without folders and control characters, at most `LONGEST_NAME` characters."""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    text = re.split(r"[/\\]", unicodedata.normalize("NFC", text))[-1]
    text = "".join("_" if unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp") else letter for letter in text)
    stem, dot, suffix = text.strip().strip(".").rpartition(".")
    text = f"{stem[: LONGEST_NAME - 10]}.{suffix[:9]}" if dot else suffix[:LONGEST_NAME]
    return text or "picture"


def check_disk(folder: Path, limits: Limits) -> None:
    """Raise Refusal if the disk of this folder is nearly full."""
    if shutil.disk_usage(folder).free < limits.free_bytes:
        raise Refusal(503, "the disk is nearly full: free some space, or delete photos and results here")


def full_disk(error: OSError) -> Refusal:
    """The refusal for a file that cannot be written."""
    return Refusal(503, f"cannot store the file: {error.strerror or error}; free some space on the disk")
