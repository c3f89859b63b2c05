"""The command line: `impasto stylize`, `impasto info` and so on.

Only this module and those named cli_ print or exit. Commands import what they need inside the function, so that
`impasto --help` stays quick; a command whose flags come from elsewhere is registered by name (see the end) and loaded
when it is used.

Exit codes: 0 all done, 1 some input failed, 2 wrong usage, 130 interrupted.
"""

import contextlib
import io
import json
import os
import re
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from impasto import __version__
from impasto.errors import ImpastoError, ModelError, UsageError

if TYPE_CHECKING:
    from impasto.models.catalogue import Variant
    from impasto.models.modelfile import ModelInfo
    from impasto.models.stylefile import StyleInfo

NOT_FAST = "--fast is for the styles that come with Impasto; a file has its own network: leave it out"

app = App(
    name="impasto",
    version=__version__,
    help="Learn the look of one picture and repaint photos with it.",
    help_epilogue="--traceback, anywhere, shows the whole of an error. Exit codes: 0 done, 1 failed, 2 wrong usage.",
    help_format="plaintext",  # anything richer imports a markdown parser for every --help
    result_action="return_value",
    suppress_keyboard_interrupt=False,  # main does it
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; `arguments` are those of the process when not given."""
    _open_streams()
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = words[: words.index("--")] if "--" in words else words
    show_traceback = "--traceback" in options
    if show_traceback:
        words.remove("--traceback")
    try:
        result = app(words, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except KeyboardInterrupt:
        complain("interrupted")
        return 130
    except (ImpastoError, CycloptsError) as error:
        if show_traceback:
            traceback.print_exc()
        complain(error)
        return 2 if isinstance(error, UsageError | CycloptsError) else 1
    except OSError as error:  # of standard output: files have errors of ours
        if show_traceback:
            traceback.print_exc()
        if not isinstance(error, BrokenPipeError):  # whoever reads has seen enough (`impasto styles | head`)
            with contextlib.suppress(OSError):
                complain(f"cannot write the output: {error.strerror or error}")
        # What is still buffered cannot be written either; Python would complain again at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ImportError as error:
        missing = _missing_module(error)
        if missing not in _EXTRA_OF:
            raise
        if show_traceback:
            traceback.print_exc()
        complain(f"this command needs {missing}; pip install 'impasto[{_EXTRA_OF[missing]}]'")
        return 1
    return result if isinstance(result, int) else 0


class Nowhere(io.TextIOBase):
    """In place of a standard stream that is closed."""

    def write(self, text: str) -> int:
        """Nothing."""
        return len(text)


def _open_streams() -> None:
    """Make standard output and error what can be printed to, even where they are closed (>&-).

    A file's name may hold what the terminal's encoding has not: printing it escapes that.
    """
    for number in range(3):  # else the next file that is opened takes the place, and what is printed goes there
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Nowhere())
        elif isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


_EXTRA_OF = {
    "torch": "train",
    "onnx": "train",
}
"""The extra of pyproject.toml that installs a module."""


def _missing_module(error: BaseException | None) -> str:
    """The module whose absence began a chain of errors: cyclopts wraps those of commands registered by name."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError):
            return (error.name or "").partition(".")[0]
        error = error.__cause__
    return ""


def complain(error: object) -> None:
    """One line on stderr."""
    print("impasto: error:", re.sub(r"\s*\n\s*", " ", str(error).strip()), file=sys.stderr)


def check_new(files: Sequence[Path], otherwise: str = "") -> None:
    """Raise UsageError if one of these files is there already."""
    from impasto.models.catalogue import exists

    there = [file for file in files if exists(str(file)) and not file.is_dir()]
    if there:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise UsageError(f"{there[0]}{more}: is there already: add --force to replace{otherwise}")


# ---- progress ---------------------------------------------------------------------------------------------------


@contextmanager
def progress(items: Sequence[Any], what: str, *, quiet: bool) -> Iterator[Iterator[Any]]:
    """The items, one by one, with a bar (rate and time left) on stderr when that is a terminal."""
    if quiet or not sys.stderr.isatty():
        yield iter(items)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield iter(bar.track(items, description=what))


# ---- info -------------------------------------------------------------------------------------------------------


@app.command
def info(
    file: str,
    /,
    *,
    fast: Annotated[bool, Parameter(negative="")] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Show what a model or style file, or a shipped style, says about itself, and what it costs on this machine.

    Args:
        file: The model or style file, or the name of a shipped style.
        fast: The shipped style on the fast network.
        as_json: Print it as JSON.
    """
    from impasto.models.catalogue import exists, is_file, network_of, read_named, shipped
    from impasto.models.modelfile import read_info

    path = Path(file)
    variant: Variant = "fast" if fast else "best"
    if fast and is_file(file):
        raise UsageError(NOT_FAST)
    found: ModelInfo | StyleInfo
    if (file not in shipped() and exists(file) and path.suffix != ".safetensors") or path.suffix.lower() == ".onnx":
        found = read_info(path)
        rows = _model_rows(found)
        kind, paints = ("network", False) if found.style_size else ("model", True)
    else:
        found = read_named(file, variant).info
        rows = _style_rows(found, network_of(found, path))
        kind, paints = "style", True
    size: int | None = None
    if file not in shipped():
        try:
            size = path.stat().st_size
        except OSError as cause:
            raise ModelError(f"{file}: cannot read: {cause.strerror}") from cause
    cost: float | None = None
    if paints:
        try:
            cost = _cost(file, variant)
            rows["cost"] = f"{cost:.2g} s a megapixel here"
        except ImpastoError as reason:  # what it says about itself is worth having
            rows["cost"] = f"cannot be painted with here: {reason}"
    if as_json:
        record = {"file": file, "kind": kind, "bytes": size, "seconds_per_megapixel": cost, **asdict(found)}
        print(json.dumps(record, sort_keys=True))
        return 0
    where = "comes with Impasto" if size is None else f"{size / 1e6:.2f} MB, format {found.format}"
    rows = {"file": f"{file} ({where})", **rows}
    rows |= {f"trained: {name}": str(value) for name, value in found.training.items()}
    width = max(map(len, rows))
    for name, value in rows.items():
        if value:
            print(f"{name:{width}}  {value}")
    return 0


def _cost(name: str, variant: "Variant") -> float:
    """Seconds a megapixel on this machine, the least of three: of a picture in memory, at its own size."""
    import numpy as np

    from impasto.painting.settings import AS_IT_IS
    from impasto.painting.stylizer import load

    grey = np.full((512, 512, 3), 128, np.uint8)
    stylizer = load(name, variant=variant)
    stylizer(grey, AS_IT_IS)  # compiles, allocates
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        stylizer(grey, AS_IT_IS)
        seconds.append(time.perf_counter() - begun)
    return min(seconds) * 1e6 / grey[..., 0].size


def _model_rows(model: "ModelInfo") -> dict[str, str]:
    arguments = ", ".join(f"{name} {value}" for name, value in model.arguments.items())
    if model.style_size:
        kind = f"a network for style files ({model.style_size} numbers each), which paints in no style of its own"
    else:
        strength = "in any strength" if model.strength else "in one strength"
        kind = f"a model of its own: every weight learnt for its style, {strength}"
    return {
        "kind": kind,
        "styles": ", ".join(model.styles),
        "picture": model.style_title,
        "licence": model.licence,
        "source": model.source,
        "network": f"{model.architecture} ({arguments})" if arguments else model.architecture,
        "sizes": f"from {model.minimum_size} pixels, multiples of {model.multiple_of}; others are padded",
        "noise": f"{model.noise_channels} channels" if model.noise_channels else "none",
    }


def _style_rows(style: "StyleInfo", network: Path | None) -> dict[str, str]:
    where = "not here" if network is None else "/".join(network.parts[-2:])
    return {
        "kind": "a style alone: scales and shifts for a shared network; mixes with others, in any strength",
        "style": style.name,
        "picture": ", ".join(text for text in (style.title, style.artist, style.year) if text),
        "licence": style.licence,
        "source": style.source,
        "network": f"{where} ({style.network[:12]}...)",
    }


# ---- styles -----------------------------------------------------------------------------------------------------


@app.command
def styles(
    *,
    sheet: Path | None = None,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("styles.jpg"),
    fast: Annotated[bool, Parameter(negative="")] = False,
    force: Annotated[bool, Parameter(negative="")] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """List the styles that come with Impasto.

    Args:
        sheet: A photo to paint in every style, on one picture.
        output: Where that picture goes.
        fast: Of the fast network's styles: the sheet, and how each was made.
        force: Replace a file that is there.
        as_json: Print the list as JSON, with how each style was made.
    """
    from impasto.models.catalogue import styles as shipped

    if sheet is not None:
        if output.resolve() == sheet.resolve():
            raise UsageError(f"{output}: is the photo itself and would be overwritten; choose another output")
        if not force:
            check_new([output])
    variant: Variant = "fast" if fast else "best"
    found = shipped(variant)
    if as_json:
        print(json.dumps([asdict(style) for style in found], sort_keys=True))
    else:
        width = max(len(style.name) for style in found)
        for style in found:
            print(f"{style.name:{width}}  {style.title}, {style.artist}, {style.year}; {style.licence}")
            print(f"{'':{width}}  {_record(style.training)}")
    if sheet is not None:
        from impasto.painting.sheets import style_sheet
        from impasto.pictures.read import load_image
        from impasto.pictures.write import check_saving, save_image

        check_saving(output)
        photo = load_image(sheet)
        with progress([style.name for style in found], "painting", quiet=as_json) as names:
            save_image(output, style_sheet(photo, names, variant=variant))
        if not as_json:
            print(f"sheet: {output}")
    return 0


def _record(training: "dict[str, Any]") -> str:
    """How a shipped style was made and how good it is, in one line."""
    steps = training["steps"] + training.get("steps_before", 0)
    text = f"{steps:,} steps, {training['photos']} photos; objective {training['objective']['objective']:.2f}"
    for equal in training.get("equal_evaluations", ())[:1]:
        counts = ("more" if equal[key] is None else equal[key] for key in ("from_content", "from_noise"))
        text += "; equals {} iterations of Gatys' from the photo, {} from noise".format(*counts)
    return text


# ---- commands whose flags come from dataclasses -------------------------------------------------------------------
# They live in modules of their own, each imported when one of its commands is used.

app.command("impasto.cli.stylize:stylize", name="stylize", help="Repaint pictures in a style.")

app.command("impasto.cli.train:train_command", name="train", help="Learn the look of a picture.")
app.command("impasto.cli.train:gatys_command", name="gatys", help="Repaint one photo by optimising its pixels.")
app.command("impasto.cli.train:evaluate_command", name="evaluate", help="Measure a model on held-out photos.")
