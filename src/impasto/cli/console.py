"""The terminal: standard streams, one-line messages, and the progress bar of every command."""

import contextlib
import io
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from impasto.errors import ImageError, UsageError

LINE_SECONDS = 10.0
"""Time between lines of progress where there is no terminal for a bar."""


class Closed(io.TextIOBase):
    """Replaces a standard stream that is closed; discards what is written."""

    def write(self, text: str) -> int:
        """Discard the text."""
        return len(text)


def open_streams() -> None:
    """Make it safe to print to standard output and error, even where they are closed (``>&-``).

    File names may hold characters that the terminal's encoding lacks: they are printed escaped.
    """
    for number in range(3):  # otherwise the next file that is opened gets the number, and prints go into it
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Closed())
        elif isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def check_standard_output() -> None:
    """Check that a picture can be written to standard output.

    Raises:
        ImageError: It is closed.
        UsageError: It is a terminal.
    """
    if isinstance(sys.stdout, Closed):
        raise ImageError("standard output: is closed; give a file with -o")
    if sys.stdout.isatty():
        raise UsageError("standard output is a terminal: give a file with -o, or redirect it, as in > painted.png")


def one_line(error: object) -> str:
    """The text of an error without line breaks."""
    return printable(re.sub(r"\s*\n\s*", " ", str(error).strip()))


def printable(text: str) -> str:
    """The text with control characters escaped: a name may hold line breaks, or commands to the terminal."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda found: found[0].encode("unicode_escape").decode(), text)


def complain(error: object) -> None:
    """Print an error as one line to stderr, if that can be written to."""
    with contextlib.suppress(OSError):
        print("impasto: error:", one_line(error), file=sys.stderr)


def note(text: str) -> None:
    """Print one line to stderr, which is not an error."""
    print(f"impasto: {printable(text)}", file=sys.stderr, flush=True)


@contextmanager
def log_to_stderr(*, verbose: bool) -> Iterator[None]:
    """Print what the library logs: warnings, and with ``verbose`` everything that it decides."""
    logger = logging.getLogger("impasto")
    level, handler = logger.level, logging.StreamHandler()
    handler.setFormatter(_OneLine())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO if verbose else logging.WARNING)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"impasto: {one_line(record.getMessage()).removeprefix('impasto: ')}"


def has_terminal() -> bool:
    """Whether stderr is a terminal that can redraw a line."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class Progress(Protocol):
    """What `progress_bar` yields."""

    def update(self, done: float, text: str = "", seconds_left: float | None = None) -> None:
        """Show that ``done`` of the total is finished."""

    def message(self, text: str) -> None:
        """Print a line that stays."""


@contextmanager
def progress_bar(title: str, total: float, *, lines: bool = True, quiet: bool = False) -> Iterator[Progress]:
    """Progress of a long command on stderr: a bar with the time left on a terminal, otherwise a line now and then.

    Args:
        title: What is done, "painting" for example.
        total: The value of ``done`` at the end. A whole number is shown as a count, 1.0 as a percentage.
        lines: Whether to print lines where there is no terminal.
        quiet: Show nothing but messages.
    """
    if quiet or not has_terminal():
        yield _Lines(total, silent=quiet or not lines)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    counts = isinstance(total, int)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn() if counts else TaskProgressColumn(),
        TextColumn("{task.fields[text]}", markup=False),
        TextColumn("{task.fields[left]}"),
    )
    estimate = TimeRemainingColumn()
    with Bar(*columns, console=Console(stderr=True), transient=counts) as bar:
        task = bar.add_task(title, total=total, text="", left="")

        def draw(done: float, text: str, seconds_left: float | None) -> None:
            left = str(estimate.render(bar.tasks[0])) if seconds_left is None else _minutes(seconds_left)
            bar.update(task, completed=done, text=text, left=f"{left} left")

        yield _Drawn(draw, lambda text: bar.console.print(text, markup=False, highlight=False))


class _Drawn:
    """Progress on a terminal."""

    def __init__(self, draw: Callable[[float, str, float | None], None], message: Callable[[str], None]) -> None:
        self._draw = draw
        self.message = message

    def update(self, done: float, text: str = "", seconds_left: float | None = None) -> None:
        self._draw(done, text, seconds_left)


class _Lines:
    """Progress in a log: the first update, and then one every `LINE_SECONDS`."""

    def __init__(self, total: float, *, silent: bool) -> None:
        self._total = total
        self._silent = silent
        self._printed = -LINE_SECONDS

    def update(self, done: float, text: str = "", seconds_left: float | None = None) -> None:
        if self._silent or time.monotonic() - self._printed < LINE_SECONDS:
            return
        self._printed = time.monotonic()
        share = f"{done}/{self._total}" if isinstance(self._total, int) else f"{done / self._total:4.0%}"
        left = "" if seconds_left is None else f", {seconds_left:.0f} s left"
        print(f"{share} {text}{left}", file=sys.stderr, flush=True)

    def message(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
