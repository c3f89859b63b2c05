"""The command `impasto stylize`: parses flags, and prints what `painting.batch` does."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import fields, replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from impasto.cli.console import check_standard_output, complain, has_terminal, note, printable, progress_bar
from impasto.cli.flags import FilePath, PaintingFlags, Switch, flags_set, reflowed
from impasto.cli.request import ExtraFlags, FileFlags, MaskFlags, Request, SettingsFlags, StyleFlags, read_request
from impasto.errors import UsageError
from impasto.files import check_absent, check_writable
from impasto.models.catalog import shipped_names
from impasto.painting.plan import STANDARD, Failure, Job, Plan, check_protected, plan_files
from impasto.painting.settings import SavedSettings, read_settings, write_settings
from impasto.painting.shards import count_list, read_list
from impasto.pictures.sources import file_or_name
from impasto.processor import cores

if TYPE_CHECKING:
    from impasto.painting.batch import BatchProgress, Painted, PicturePainter


@reflowed
def stylize(
    inputs: Annotated[list[str] | None, Parameter(name="IN", negative="", allow_leading_hyphen=True)] = None,
    /,
    *,
    output: Annotated[str, Parameter(name=["--output", "-o"], allow_leading_hyphen=True)],
    paths: Annotated[FilePath | None, Parameter(name="--list", allow_leading_hyphen=True)] = None,
    style: Annotated[StyleFlags | None, Parameter(name="*")] = None,
    settings: Annotated[SettingsFlags | None, Parameter(name="*")] = None,
    region: Annotated[MaskFlags | None, Parameter(name="*")] = None,
    extra: Annotated[ExtraFlags | None, Parameter(name="*")] = None,
    files: Annotated[FileFlags | None, Parameter(name="*")] = None,
    engine: Annotated[PaintingFlags | None, Parameter(name="*")] = None,
    ray: str | None = None,
    dry_run: Annotated[bool, Switch] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Repaint pictures in a style.

    If a picture fails, it is named, the others are painted, and the exit code is 1.

    Args:
        inputs: Pictures and folders (all pictures in them and in their subfolders); - is standard input.
        output: A file for one picture, or - for standard output (PNG, or --format); a folder, made if necessary, for
            several pictures or a folder, whose structure is kept. With a / at its end it is always a folder.
        paths: A text file with more pictures, one path a line, or - for standard input. Each keeps its whole path in
            the output folder.
        ray: Paint on a Ray cluster: auto, or its address, as HOST:6379; local, the default, starts Ray on this
            computer. Needs impasto[ray].
        dry_run: Only print what would be done.
        as_json: Print one JSON object for each picture.
    """
    inputs = inputs or []
    style, region = style or StyleFlags(), region or MaskFlags()
    extra, engine = extra or ExtraFlags(), engine or PaintingFlags()
    _check_names([*inputs, output], style, region, extra)
    request = read_request(style, flags_set(settings), region, extra, flags_set(files))
    workers = 1 if extra.refine or extra.grid else 1 + min(engine.threads or cores(), 2)
    request = replace(request, files=replace(request.files, workers=workers))
    if ray is not None:
        if extra.refine or extra.grid or dry_run:
            raise UsageError("--ray paints pictures with a network: leave --refine, --grid and --dry-run out")
        engine = replace(engine, threads=engine.threads or 1)
    to_standard = Path(output) == STANDARD
    if to_standard:
        check_standard_output()
    if str(STANDARD) in inputs and paths == STANDARD:
        raise UsageError("standard input is either a picture or the list of pictures: give a file for one of them")
    if str(STANDARD) in inputs and sys.stdin is not None and sys.stdin.isatty():
        note("reading a picture from standard input")
    with ThreadPoolExecutor(1) as loading:  # while the inputs are found and the first is read
        painter = loading.submit(_load_painter, request, engine)
        _silence_decoders()
        if ray is not None and paths is not None:
            plan, jobs, total = Plan(()), *_streamed(inputs, paths, output, request)
        else:
            plan = _planned(inputs, paths, output, style, request)
            jobs, total = plan.jobs, len(plan.jobs)
        for text in plan.notes:
            note(text)
        if extra.grid and (len(plan.jobs) > 1 or plan.failures):
            raise UsageError("--grid makes a sheet of one photo: give one, and a file for the sheet")
        if plan.skipped:
            note(f"{len(plan.skipped)} of {len(plan.skipped) + len(plan.jobs)} results exist and are skipped")
        printer = _Printer(total, as_json=as_json, to_standard=to_standard)
        if not dry_run:
            paint = partial(_paint, plan, jobs, total, painter, request, ray=ray, threads=engine.threads or 1)
            return _run(plan, paint, request, style.save_settings, printer)
        painter.result()  # a dry run finds what is wrong with style, model and masks
        return printer.dry_run(plan)


def _silence_decoders() -> None:
    from impasto.pictures.plugins import silence_decoders  # Pillow is imported while the network is loaded

    silence_decoders()


def _load_painter(request: Request, engine: PaintingFlags) -> "PicturePainter":
    from impasto.cli.painters import load_painter  # imported in the background as well

    if request.masks:
        _silence_decoders()
    return load_painter(request, engine)


def _run(
    plan: Plan,
    paint: Callable[[Callable[["BatchProgress"], None]], object],
    request: Request,
    save_settings: Path | None,
    printer: "_Printer",
) -> int:
    """Paint, print each result, and at the end the failures."""
    printer.failures += plan.failures
    many = printer.total > 1
    try:
        with progress_bar("painting", printer.total, lines=False, quiet=printer.is_quiet or not many) as bar:

            def report(progress: "BatchProgress") -> None:
                printer.show(progress)
                bar.update(progress.done)

            paint(report)
    except KeyboardInterrupt:
        if many:
            instead = " instead of --force" if request.files.force else ""
            note(f"finished results are kept; run the same command with --resume{instead} to continue")
        raise
    finally:  # at the end, where they are seen
        printer.show_failures()
        nothing_to_do = not printer.total and not printer.failures
        if save_settings is not None and (printer.painted or nothing_to_do):  # not after a run that failed
            write_settings(save_settings, _absolute(request.saved))
    return 1 if printer.failures else 0


def _paint(
    plan: Plan,
    jobs: Iterable[Job],
    total: int,
    painter: "Future[PicturePainter]",
    request: Request,
    report: Callable[["BatchProgress"], None],
    *,
    ray: str | None,
    threads: int,
) -> None:
    """Paint in this process, or on a Ray cluster."""
    from impasto.painting.batch import BatchProgress, paint_plan  # imported while the network is loaded

    settings, files = request.saved.settings, request.files
    if ray is None:
        paint_plan(plan, painter, settings, files, report)
        return
    from impasto.painting.ray_pool import paint_with_ray

    results = paint_with_ray(jobs, painter.result(), settings, files, address=ray, threads=threads)
    with redirect_stdout(sys.stderr):  # a thread of Ray prints what it has to say about workers that die
        for number, outcome in enumerate(results, start=1):
            report(BatchProgress(number, total, outcome))


def _streamed(inputs: Sequence[str], paths: Path, output: str, request: Request) -> tuple[Iterable[Job], int]:
    """The jobs of a list, which are made while others are painted, and how many lines it has."""
    from impasto.painting.ray_pool import jobs_of_list

    if inputs or paths == STANDARD:
        raise UsageError("--ray with --list takes the list alone, as a file: leave other pictures out")
    total = request.files.variants * count_list(paths)
    return jobs_of_list(read_list(paths), Path(file_or_name(output)), request.files), total


class _Printer:
    """Prints results and failures, as text or JSON."""

    def __init__(self, total: int, *, as_json: bool, to_standard: bool) -> None:
        self.failures: list[Failure] = []
        self.painted = 0
        self.is_quiet = as_json or to_standard
        self.total = total
        self._as_json = as_json
        self._to_standard = to_standard
        self._stream = sys.stderr if to_standard else sys.stdout

    def show(self, progress: "BatchProgress") -> None:
        """One result, when it is finished."""
        latest = progress.latest
        if isinstance(latest, Failure):
            self.failures.append(latest)
            return
        self.painted += 1
        for text in latest.notes:
            note(text)
        if self._as_json:
            self._print(json.dumps(_record(latest)))
        elif not self._to_standard and (self.total == 1 or not has_terminal()):
            self._print(f"{progress.done}/{self.total} {latest.target} {latest.seconds:.2f} s")

    def show_failures(self) -> None:
        """One line each on stderr, and a JSON object each if those are wanted."""
        for source, error in self.failures:
            if self._as_json:
                self._print(json.dumps({"input": str(source), "error": str(error)}))
            complain(error)

    def dry_run(self, plan: Plan) -> int:
        """Print the plan without painting; returns the exit code."""
        self.failures += plan.failures
        from impasto.painting.dry_run import check_readable

        for job, error in check_readable(plan):
            if error is not None:
                self.failures.append(Failure(job.source, error))
            elif self._as_json:
                self._print(json.dumps({"input": str(job.source), "output": str(job.target)}))
            else:
                self._print(str(job.target))
        self.show_failures()
        return 1 if self.failures else 0

    def _print(self, text: str) -> None:
        print(printable(text), file=self._stream, flush=True)


def _record(painted: "Painted") -> dict[str, Any]:
    return {
        "input": str(painted.source),
        "output": str(painted.target),
        "width": painted.width,
        "height": painted.height,
        "depth": painted.depth,
        "seconds": painted.seconds,
    }


# ---- files ------------------------------------------------------------------------------------------------------


def _planned(inputs: Sequence[str], paths: Path | None, output: str, style: StyleFlags, request: Request) -> Plan:
    """Plan the batch. Raises UsageError if a result or the settings file would replace a file that is needed."""
    protected = dict.fromkeys(request.needed, "is needed to paint")
    save, options = style.save_settings, request.files
    if save is not None:
        protected[save] = "is where the settings go"
    if style.settings is not None:
        protected.setdefault(style.settings, "is needed to paint")
    listed = () if paths is None else read_list(paths)
    plan = plan_files(inputs, output, options, protected=protected, listed=listed)
    if save is not None:
        needed = dict.fromkeys(request.needed, "is needed to paint")
        check_protected([save], needed | {job.source: "is one of the inputs" for job in (*plan.jobs, *plan.skipped)})
        if not options.force and not _holds(save, request.saved):
            check_absent([save], ", without --resume" if options.resume else "")
        check_writable(save, UsageError)
    return plan


def _absolute(saved: SavedSettings) -> SavedSettings:
    """Make all paths absolute, so that the settings file can be used from another folder."""
    style = {
        name if name in shipped_names() else str(Path(name).resolve()): share for name, share in saved.style.items()
    }
    return replace(saved, style=style, model=None if saved.model is None else str(Path(saved.model).resolve()))


def _holds(file: Path, saved: SavedSettings) -> bool:
    """Whether the file contains these settings."""
    try:
        found, wanted = read_settings(file), _absolute(saved)
        return found == wanted and [*found.style] == [*wanted.style]  # masks are given in the order of styles
    except UsageError:
        return False


def _option_names() -> list[str]:
    """The command's long options."""
    groups = (StyleFlags, SettingsFlags, MaskFlags, ExtraFlags, FileFlags, PaintingFlags)
    names = ["output", "list", "ray", "dry_run", "json", *(item.name for group in groups for item in fields(group))]
    return [f"--{name.replace('_', '-')}" for name in names]


def _check_names(names: Sequence[str], style: StyleFlags, region: MaskFlags, extra: ExtraFlags) -> None:
    """Raise UsageError for pictures that look like a flag, and for names that no file can have."""
    for name in names:
        if not name:
            raise UsageError("'' is not the name of a file: give one")
        if name.startswith("-") and name != str(STANDARD):
            near = get_close_matches(name.partition("=")[0], _option_names(), n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UsageError(
                f"unknown option {name}: {hint}`impasto stylize --help` lists all; a file of that name is ./{name}"
            )
    others = [style.model, style.settings, style.save_settings, extra.picture, *(region.mask or [])]
    for path in map(Path, [*names, *(name for name in others if name is not None)]):
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as cause:  # too long, or a link that leads to itself
            raise UsageError(f"{path}: cannot be the name of a file: {cause.strerror}") from cause
