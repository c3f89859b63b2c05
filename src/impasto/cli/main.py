"""The command line: `impasto stylize`, `impasto info` and so on.

Only the package `impasto.cli` prints or exits. Each command has a module of its own, which is imported when the command
is used, so that `impasto --help` stays quick.

Exit codes: 0 all done, 1 some input failed, 2 wrong usage, 130 interrupted.
"""

import contextlib
import difflib
import gc
import json
import os
import re
import sys
import traceback
from collections.abc import Sequence
from itertools import pairwise
from typing import NoReturn

from cyclopts import App, CycloptsError
from cyclopts.exceptions import UnknownCommandError

from impasto import __version__
from impasto.cli.console import complain, log_to_stderr, one_line, open_streams
from impasto.errors import ImpastoError, UsageError

app = App(
    name="impasto",
    version=__version__,
    help="Learn the style of one picture and repaint photos in it.",
    help_epilogue="Every command takes --verbose, which prints the engine, precision and threads that are chosen, and "
    "--traceback, which prints the full traceback of an error. Exit codes: 0 done, 1 failed, 2 wrong usage.",
    help_format="plaintext",  # any other format imports a markdown parser for every --help
    result_action="return_value",
    suppress_keyboard_interrupt=False,  # main does it
)
COMMANDS = {
    "stylize": ("impasto.cli.stylize:stylize", "Repaint pictures in a style."),
    "video": ("impasto.cli.video:video", "Repaint videos in a style, with their sound and timing."),
    "styles": ("impasto.cli.styles:styles", "List the styles that come with Impasto."),
    "info": ("impasto.cli.info:info", "Describe a model or style, and measure its speed on this computer."),
    "train": ("impasto.cli.train:train", "Learn the style of a picture."),
    "gatys": ("impasto.cli.gatys:gatys", "Repaint one photo by optimizing its pixels."),
    "serve": (
        "impasto.cli.serve:command",
        "Open a page in the browser: paint photos, videos and the camera, learn styles.",
    ),
    "camera": ("impasto.cli.camera:camera", "Paint the camera live in a browser window."),
    "evaluate": ("impasto.cli.evaluate:evaluate", "Measure a model on held-out photos."),
    "convert": ("impasto.cli.convert:convert", "Convert another project's model to a model file."),
    "export": ("impasto.cli.export:export", "Write styles as a plain ONNX file, or as a web page."),
}
"""Each command's function, imported when it is used, and its line in `impasto --help`."""
for _name, (_function, _help) in COMMANDS.items():
    app.command(_function, name=_name, help=_help)

_RAY_ADDRESS = re.compile(r"auto|local|ray://\S+|[\w.-]+:\d+")

EXTRAS = {
    "torch": "train",
    "onnx": "train",
    "av": "video",
    "cv2": "flow",
    **dict.fromkeys(("starlette", "uvicorn", "python_multipart", "websockets"), "serve"),
}
"""The extra of pyproject.toml that installs a module."""


def run() -> NoReturn:
    """The program: :func:`main`, and then the end of the process without the time that freeing a network takes."""
    code = main()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; ``arguments`` default to those of the process."""
    open_streams()
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = words[: words.index("--")] if "--" in words else words
    show_traceback, verbose = "--traceback" in options, "--verbose" in options
    for flag in {"--traceback", "--verbose"}.intersection(options):
        words.remove(flag)
    try:
        with log_to_stderr(verbose=verbose):
            command, bound, _ = app.parse_args(_with_address(words), exit_on_error=False, print_error=False)
            if not gc.isenabled():  # see impasto.__main__
                gc.freeze()
                gc.enable()
            result = command(*bound.args, **bound.kwargs)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        code = _exit_code(error)
        if code is None:
            raise
        if show_traceback:
            traceback.print_exc()
        text = _explain(error)
        if text and "--json" in options:
            with contextlib.suppress(OSError):
                print(json.dumps({"error": text}), file=sys.stderr if _writes_to_stdout(options) else None, flush=True)
        if text:
            complain(text)
        if isinstance(error, OSError) and not _broken_module(error):
            # The rest of the buffer cannot be written either; Python would complain again at its exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return code
    return result if isinstance(result, int) else 0


def _with_address(words: Sequence[str]) -> list[str]:
    """`--ray` without an address is `--ray local`: the parser has no values that may be left out."""
    found = list(words)
    for place, word in enumerate(words):
        if word == "--" or found[0] not in ("stylize", "video"):
            break
        if word == "--ray" and not _RAY_ADDRESS.fullmatch("".join(words[place + 1 : place + 2])):
            found.insert(place + 1, "local")
            break
    return found


def _exit_code(error: BaseException) -> int | None:
    """The exit code of an error that is expected, or None for a bug."""
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, UsageError | CycloptsError):
        return 2
    if isinstance(
        error, ImpastoError | OSError
    ):  # OSError: of standard output; for files there are ImageError and so on
        return 1
    missing = isinstance(error, ImportError) and _missing_module(error) in EXTRAS
    return 1 if missing or _broken_module(error) else None


def _explain(error: BaseException) -> str:
    """One line about the error, or "" if there is nothing to say."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, BrokenPipeError):  # the reader has seen enough (`impasto styles | head`)
        return ""
    if isinstance(error, ImpastoError):
        return one_line(error)
    if broken := _broken_module(error):
        cause = one_line(_first(error)) or type(_first(error)).__name__
        return f"{broken} is installed but broken ({cause}); install it again: pip install 'impasto[{EXTRAS[broken]}]'"
    if isinstance(error, OSError):
        return f"cannot write the output: {error.strerror or error}"
    if isinstance(error, ImportError):
        missing = _missing_module(error)
        return f"this command needs {missing}; pip install 'impasto[{EXTRAS[missing]}]'"
    if isinstance(error, UnknownCommandError):
        return _unknown_command(error)
    return one_line(error)


def _unknown_command(error: UnknownCommandError) -> str:
    """One line about a command that does not exist; cyclopts' own would import every command, and need torch."""
    word = str(next(iter(error.unused_tokens or ()), ""))
    similar = difflib.get_close_matches(word, COMMANDS, n=1)
    hint = f" Did you mean '{similar[0]}'?" if similar else ""
    return f"unknown command '{word}'.{hint} The commands are {', '.join(COMMANDS)}"


def _writes_to_stdout(options: Sequence[str]) -> bool:
    """Whether the result, a picture, goes to standard output."""
    after = [following for flag, following in pairwise(options) if flag in ("-o", "--output")]
    return "-" in after or not {"-o-", "-o=-", "--output=-"}.isdisjoint(options)


def _missing_module(error: BaseException | None) -> str:
    """The missing module that began a chain of errors: cyclopts wraps those of commands registered by name."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError):
            return (error.name or "").partition(".")[0]
        error = error.__cause__
    return ""


def _broken_module(error: BaseException) -> str:
    """The module of an extra during whose import the error was raised, "" if there is none."""
    for frame, _ in traceback.walk_tb(_first(error).__traceback__):
        name = str(frame.f_globals.get("__name__")).partition(".")[0]
        if frame.f_code.co_name == "<module>" and name in EXTRAS:
            return name
    return ""


def _first(error: BaseException) -> BaseException:
    """The error that began a chain."""
    return error if error.__cause__ is None else _first(error.__cause__)
