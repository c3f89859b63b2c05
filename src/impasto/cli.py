"""The command line: `impasto stylize`, `impasto info` and so on.

Only this module prints or exits. Commands import what they need inside the function, so that `impasto --help` stays
quick; a command that needs torch to know its own flags is registered by name (see the end) and loaded when it is used.

Exit codes: 0 all done, 1 some input failed, 2 wrong usage, 130 interrupted.
"""

import contextlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number

from impasto import __version__
from impasto.errors import ImageError, ImpastoError, ModelError, UsageError

if TYPE_CHECKING:
    from impasto.colors import Method
    from impasto.image import Pixels
    from impasto.modelfile import ModelInfo
    from impasto.stylefile import StyleInfo

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
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = words[: words.index("--")] if "--" in words else words
    show_traceback = "--traceback" in options
    if show_traceback:
        words.remove("--traceback")
    try:
        result = app(words, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except KeyboardInterrupt:
        _complain("interrupted")
        return 130
    except (ImpastoError, CycloptsError) as error:
        if show_traceback:
            traceback.print_exc()
        _complain(error)
        return 2 if isinstance(error, UsageError | CycloptsError) else 1
    except OSError as error:  # of standard output: files have errors of ours
        if show_traceback:
            traceback.print_exc()
        with contextlib.suppress(OSError):
            _complain(f"cannot write the output: {error.strerror or error}")
        # What is still buffered cannot be written either; Python would complain again at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ImportError as error:
        missing = _missing_module(error)
        if missing not in _EXTRA_OF:
            raise
        if show_traceback:
            traceback.print_exc()
        _complain(f"this command needs {missing}; pip install 'impasto[{_EXTRA_OF[missing]}]'")
        return 1
    return result if isinstance(result, int) else 0


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


def _complain(error: object) -> None:
    print("impasto: error:", " ".join(str(error).split()), file=sys.stderr)


# ---- progress ---------------------------------------------------------------------------------------------------


@contextmanager
def _progress(items: Sequence[Any], what: str, *, quiet: bool) -> Iterator[Iterator[Any]]:
    """The items, one by one, with a bar (rate and time left) on stderr when that is a terminal."""
    if quiet or not sys.stderr.isatty():
        yield iter(items)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield iter(progress.track(items, description=what))


# ---- stylize ----------------------------------------------------------------------------------------------------


class _Job(NamedTuple):
    source: Path
    target: Path


@app.command
def stylize(
    inputs: Annotated[list[Path], Parameter(name="IN", negative="")],
    /,
    *,
    style: Annotated[list[str] | None, Parameter(name=["--style", "-s"], negative="")] = None,
    model: Annotated[str | None, Parameter(name=["--model", "-m"])] = None,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    strength: float = 1.0,
    keep_colors: Literal["luminance", "match"] | None = None,
    refine: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
    picture: Path | None = None,
    backend: Literal["auto", "onnxruntime", "openvino"] = "auto",
    threads: Annotated[int | None, Parameter(validator=Number(gte=1))] = None,
    seed: int = 0,
    quality: Annotated[int, Parameter(validator=Number(gte=1, lte=100))] = 95,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Repaint pictures in a style.

    A picture that fails is named and the others are done; the exit code is then 1.

    Args:
        inputs: Pictures, and folders whose pictures are all taken, with their subfolders.
        style: A style that comes with Impasto (`impasto styles` lists them) or a style file; given several times, as
            udnie:0.7 and great_wave:0.3, a mixture.
        model: A model file, instead of a style.
        strength: How much of the style, from 0, the photo, to 1.
        keep_colors: Keep the photo's colours: of each place (luminance: only lightness is painted), or on the whole
            (match: the painting's palette is moved to the photo's).
        refine: Steps of Gatys' optimisation from the network's picture on: slower and better; needs impasto[train].
        picture: The style picture, for refining with a style that does not come with Impasto.
        output: A file for one picture; a folder, made if need be, for several or for a folder, whose structure is kept.
        backend: The inference engine; auto is OpenVINO when it is installed, else ONNX Runtime.
        threads: How many threads to use; all cores when not given.
        seed: Draws the noise, for models that take noise.
        quality: Of JPEG and WebP files, 1 to 100.
        as_json: Print one JSON object for each picture.
    """
    from impasto.runtime import load

    jobs, failures = _plan(inputs, output)
    if (style is None) == (model is None):
        raise UsageError("give either a style, --style NAME (see `impasto styles`), or a model, --model FILE")
    stylizer = load(model or _shares(style or []), backend=backend, threads=threads)
    stylizer.check(strength)
    paint: Callable[[Pixels], Pixels] = partial(stylizer, seed=seed, strength=strength)
    if picture is not None and not refine:
        raise UsageError("--picture is the style picture to refine with: give --refine too")
    if refine:
        if strength < 1:
            raise UsageError("--refine goes towards the full style: leave --strength out")
        from impasto.refine import refined

        paint = refined(paint, _shares(style or []), picture, refine)
    if keep_colors is not None:
        paint = _keeping_colors(paint, keep_colors)
    failed = len(failures)
    for source, failure in failures:
        _report_failure(source, failure, as_json)
    with _progress(jobs, "painting", quiet=as_json) as todo:
        for number, job in enumerate(todo, 1):
            try:
                done = _paint(paint, job, quality)
            except ImpastoError as failure:
                failed += 1
                _report_failure(job.source, failure, as_json)
                continue
            if as_json:
                print(json.dumps(done), flush=True)
            elif not sys.stderr.isatty():
                print(f"{number}/{len(jobs)} {done['output']} {done['seconds']:.2f} s", flush=True)
    return 1 if failed else 0


def _shares(styles: Sequence[str]) -> dict[str, float]:
    """Styles as the command line has them, NAME or NAME:SHARE, with their shares."""
    shares: dict[str, float] = {}
    for text in styles:
        name, colon, share = text.rpartition(":")
        try:
            name, value = (name, float(share)) if colon else (text, 1.0)
        except ValueError:
            name, value = text, 1.0  # a path may have colons
        if name in shares:
            raise UsageError(f"the style {name} is given twice: give it once, with the sum of its shares")
        shares[name] = value
    return shares


def _keeping_colors(paint: Callable[["Pixels"], "Pixels"], method: "Method") -> Callable[["Pixels"], "Pixels"]:
    from impasto.colors import keep_colors

    return lambda photo: keep_colors(paint(photo), photo, method)


def _paint(paint: Callable[["Pixels"], "Pixels"], job: _Job, quality: int) -> dict[str, Any]:
    from impasto.image import read_picture, save_picture

    start = time.perf_counter()
    source = read_picture(job.source)
    picture = paint(source.pixels)
    _make_folder(job.target.parent)
    save_picture(job.target, replace(source, pixels=picture), quality=quality)
    return {
        "input": str(job.source),
        "output": str(job.target),
        "width": picture.shape[1],
        "height": picture.shape[0],
        "seconds": round(time.perf_counter() - start, 3),
    }


def _report_failure(source: Path, failure: ImpastoError, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"input": str(source), "error": str(failure)}), flush=True)
    _complain(failure)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise ImageError(f"{folder}: cannot make this folder: {cause.strerror}; choose another output") from cause


def _plan(inputs: Sequence[Path], output: Path) -> tuple[list[_Job], list[tuple[Path, ImpastoError]]]:
    """What to read and where to write it, and the inputs that cannot be read at all.

    Raises:
        UsageError: The output does not suit the inputs, two pictures would become one file, or a picture would be
            overwritten.
    """
    from impasto.image import WRITABLE_SUFFIXES, find_images

    into_folder = len(inputs) > 1 or inputs[0].is_dir() or output.is_dir()
    if into_folder and output.suffix.lower() in WRITABLE_SUFFIXES and not output.is_dir():
        raise UsageError(f"{output}: several pictures do not fit into one file; give a folder with -o")
    if into_folder and output.exists() and not output.is_dir():
        raise UsageError(f"{output}: is a file, and several pictures need a folder; give another name with -o")
    if not into_folder and output.suffix.lower() not in WRITABLE_SUFFIXES:
        known = ", ".join(WRITABLE_SUFFIXES)
        raise UsageError(
            f"{output}: unknown picture extension {output.suffix!r}; use one of {known} or an existing folder"
        )

    def target_of(relative: Path) -> Path:
        suffix = relative.suffix if relative.suffix.lower() in WRITABLE_SUFFIXES else ".png"
        return output / relative.with_suffix(suffix) if into_folder else output

    jobs: list[_Job] = []
    failures: list[tuple[Path, ImpastoError]] = []
    for path in inputs:
        if not path.is_dir():
            jobs.append(_Job(path, target_of(Path(path.name))))
            continue
        # The output may lie inside the input; a second run shall not repaint what the first one painted.
        found = [item for item in find_images(path) if not item.resolve().is_relative_to(output.resolve())]
        if not found:
            failures.append((path, ImageError(f"{path}: there are no pictures in this folder")))
        jobs.extend(_Job(item, target_of(item.relative_to(path))) for item in found)

    sources = {job.source.resolve() for job in jobs}
    taken: dict[Path, Path] = {}
    for job in jobs:
        target = job.target.resolve()
        if target in sources:
            raise UsageError(f"{job.target}: is one of the inputs and would be overwritten; choose another output")
        if target in taken:
            raise UsageError(f"{taken[target]} and {job.source} would both become {job.target}; do them one by one")
        taken[target] = job.source
    return jobs, failures


# ---- info -------------------------------------------------------------------------------------------------------


@app.command
def info(file: str, /, *, as_json: Annotated[bool, Parameter(name="--json", negative="")] = False) -> int:
    """Show what a model or style file, or a shipped style, says about itself.

    Args:
        file: The model or style file, or the name of a shipped style.
        as_json: Print it as JSON.
    """
    from impasto.catalogue import find_style, shipped
    from impasto.modelfile import read_info

    path = Path(file)
    found: ModelInfo | StyleInfo
    if (file not in shipped() and path.exists() and path.suffix != ".safetensors") or path.suffix.lower() == ".onnx":
        found = read_info(path)
        rows = _model_rows(found)
    else:
        style, network = find_style(file)
        found = style.info
        rows = _style_rows(found, network)
    size: int | None = None
    if file not in shipped():
        try:
            size = path.stat().st_size
        except OSError as cause:
            raise ModelError(f"{file}: cannot read: {cause.strerror}") from cause
    if as_json:
        print(json.dumps({"file": file, "bytes": size, **asdict(found)}, sort_keys=True))
        return 0
    where = "comes with Impasto" if size is None else f"{size / 1e6:.2f} MB, format {found.format}"
    rows = {"file": f"{file} ({where})", **rows}
    rows |= {f"trained: {name}": str(value) for name, value in found.training.items()}
    width = max(map(len, rows))
    for name, value in rows.items():
        if value:
            print(f"{name:{width}}  {value}")
    return 0


def _model_rows(model: "ModelInfo") -> dict[str, str]:
    arguments = ", ".join(f"{name} {value}" for name, value in model.arguments.items())
    if model.style_size:
        kind = f"a network for style files ({model.style_size} numbers each), which paints in no style of its own"
    else:
        kind = "a model of its own: every weight learnt for its style"
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


def _style_rows(style: "StyleInfo", network: Path) -> dict[str, str]:
    return {
        "kind": "a style alone: scales and shifts for a shared network; mixes with others, in any strength",
        "style": style.name,
        "picture": ", ".join(text for text in (style.title, style.artist, style.year) if text),
        "licence": style.licence,
        "source": style.source,
        "network": f"{network.name} ({style.network[:12]}...)",
    }


# ---- styles -----------------------------------------------------------------------------------------------------


@app.command
def styles(
    *,
    sheet: Path | None = None,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("styles.jpg"),
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """List the styles that come with Impasto.

    Args:
        sheet: A photo to paint in every style, on one picture.
        output: Where that picture goes.
        as_json: Print the list as JSON, with how each style was made.
    """
    from impasto.catalogue import styles as shipped

    found = shipped()
    if as_json:
        print(json.dumps([asdict(style) for style in found], sort_keys=True))
    else:
        width = max(len(style.name) for style in found)
        for style in found:
            print(f"{style.name:{width}}  {style.title}, {style.artist}, {style.year}")
    if sheet is not None:
        from impasto.image import check_saving, load_image, save_image
        from impasto.runtime import style_sheet

        check_saving(output)
        if output.resolve() == sheet.resolve():
            raise UsageError(f"{output}: is the photo itself and would be overwritten; choose another output")
        photo = load_image(sheet)
        with _progress([style.name for style in found], "painting", quiet=as_json) as names:
            save_image(output, style_sheet(photo, names))
        if not as_json:
            print(f"sheet: {output}")
    return 0


# ---- commands that need torch -------------------------------------------------------------------------------------
# Their flags come from dataclasses of the torch half, so they live in a module that is imported when one is used.

app.command("impasto.cli_train:train_command", name="train", help="Learn the look of a picture.")
app.command("impasto.cli_train:gatys_command", name="gatys", help="Repaint one photo by optimising its pixels.")
app.command("impasto.cli_train:evaluate_command", name="evaluate", help="Measure a model on held-out photos.")
