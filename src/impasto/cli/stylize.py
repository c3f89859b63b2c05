"""The command `impasto stylize`: which pictures, in which look, and where the results go."""

import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from cyclopts import Parameter

from impasto.cli.flags import flags_of, from_least, given
from impasto.cli.main import NOT_FAST, Nowhere, check_new, complain, progress
from impasto.errors import ImageError, ImpastoError, UsageError
from impasto.files import check_writable
from impasto.models.catalogue import Variant, is_file, shipped
from impasto.painting.jobs import STANDARD, Job, plan
from impasto.painting.settings import SavedSettings, Settings, read_settings, write_settings
from impasto.painting.sheets import STRENGTHS, strength_sheet
from impasto.painting.stylizer import Precision, Stylizer, load, paint_regions
from impasto.pictures import sixteen_bits as deep
from impasto.pictures.colors import keep_colors
from impasto.pictures.formats import holds_16_bits
from impasto.pictures.picture import Depth, Picture, Pixels
from impasto.pictures.plugins import silence_decoders
from impasto.pictures.read import decode_picture, load_mask, open_picture, read_picture
from impasto.pictures.write import check_saving, check_size, encode_picture, save_picture
from impasto.processor import cores

GRID_SIZE = 320
"""Short side, pixels, of a sheet's pictures."""

Painter = Callable[[Pixels], Pixels]
PicturePainter = Callable[[Picture], Picture]
Loader = Callable[[str | Mapping[str, float]], Stylizer]
"""`impasto.load` with what the command line says of backend, threads and precision."""

if TYPE_CHECKING:
    SettingsFlags = Any
else:
    SettingsFlags = flags_of(Settings)


@dataclass(frozen=True)
class Reading:
    """How pictures are read and written."""

    size: int | None
    quality: int
    strip: bool
    depth: Depth
    standard_input: bytes = b""


def stylize(
    inputs: Annotated[list[str], Parameter(name="IN", negative="", allow_leading_hyphen=True)],
    /,
    *,
    style: Annotated[list[str] | None, Parameter(name=["--style", "-s"], negative="")] = None,
    model: Annotated[str | None, Parameter(name=["--model", "-m"])] = None,
    fast: Annotated[bool | None, Parameter(negative="--best")] = None,
    output: Annotated[str, Parameter(name=["--output", "-o"], allow_leading_hyphen=True)],
    look: Annotated[SettingsFlags | None, Parameter(name="*")] = None,
    mask: Annotated[list[Path] | None, Parameter(negative="")] = None,
    background_only: Annotated[bool, Parameter(negative="")] = False,
    settings: Path | None = None,
    save_settings: Path | None = None,
    variants: Annotated[int, from_least(1)] = 1,
    grid: Annotated[bool, Parameter(negative="")] = False,
    refine: Annotated[int, from_least(0)] = 0,
    picture: Path | None = None,
    size: Annotated[int | None, from_least(1)] = None,
    quality: Annotated[int, from_least(1, 100)] = 95,
    depth: Literal["8", "16"] | None = None,
    strip: Annotated[bool, Parameter(negative="")] = False,
    force: Annotated[bool, Parameter(negative="")] = False,
    resume: Annotated[bool, Parameter(negative="")] = False,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    backend: Literal["auto", "onnxruntime", "openvino"] = "auto",
    threads: Annotated[int | None, from_least(1)] = None,
    precision: Precision = "auto",
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Repaint pictures in a style.

    A picture that fails is named and the others are done; the exit code is then 1.

    Args:
        inputs: Pictures, and folders whose pictures are all taken, with their subfolders; - is standard input.
        style: A style that comes with Impasto (`impasto styles` lists them) or a style file; given several times, as
            udnie:0.7 and great_wave:0.3, a mixture.
        model: A model file, instead of a style.
        fast: Paint a style that comes with Impasto with the fast network, which takes half the time; --best, the
            default, with the better one.
        output: A file for one picture, or - for standard output (PNG); a folder, made if need be, for several or for a
            folder, whose structure is kept. With a / at its end it is a folder in any case.
        mask: Where to paint, of any size: white wholly, black not at all. Given once for each of several styles, each
            has its own region.
        background_only: The mask shows what is not to be painted.
        settings: Take style and settings from this file; what the command line gives goes before.
        save_settings: Keep style and settings in this file, for --settings.
        variants: How many different pictures to make of each, by models that take noise.
        grid: Make one sheet of the photo in each style and in strengths from weak to strong.
        refine: Steps of Gatys' optimisation from the network's picture on: slower and better; needs impasto[train].
        picture: The style picture, for refining with a style that does not come with Impasto.
        size: Short side of the results, pixels; the picture's own when not given.
        quality: Of JPEG and WebP files, 1 to 100.
        depth: Bits of a sample in the results; when not given, 16 for PNG and TIFF out of such a file with 16, else 8.
        strip: Leave the camera's record (EXIF: place, time, lens) out of the results.
        force: Replace files that are there.
        resume: Leave out pictures whose result is there.
        dry_run: Only say what would be done.
        backend: The inference engine; auto is OpenVINO when it is installed, else ONNX Runtime.
        threads: How many threads to use; all cores when not given.
        precision: The arithmetic; auto is bfloat16 or int8 where processor and engine are quicker at it, a fifth
            of a level of 255, or one level, from float32 on average.
        as_json: Print one JSON object for each picture.
    """
    silence_decoders()
    _check_hyphens([*inputs, output])
    given_files = [x for x in (settings, save_settings, picture) if x is not None]
    _check_names([*map(Path, [*inputs, output, *([] if model is None else [model])]), *(mask or []), *given_files])
    saved = read_settings(settings) if settings is not None else SavedSettings()
    if style is not None or model is not None:
        saved = replace(saved, style=_with_shares(style or []), model=model)
    saved = replace(saved, variant=_variant(saved, fast))
    asked = given(look)
    if grid:  # of all strengths, whatever the file of settings says
        asked = {"strength": 1.0} | asked
    saved = replace(saved, settings=replace(saved.settings, **asked))
    if bool(saved.style) == (saved.model is not None):
        raise UsageError("give either a style, --style NAME (see `impasto styles`), or a model, --model FILE")
    _check_together(saved, mask, background_only, variants, grid, refine, picture, depth, force=force, resume=resume)

    planned = plan(inputs, output, variants)
    jobs, strange = planned.jobs, planned.strange
    failures: list[tuple[Path, ImpastoError]] = [*planned.failures]
    used = [picture, saved.model, *(mask or []), *saved.style]
    kept = {Path(file): "is needed to paint" for file in used if file is not None}
    kept |= {job.source: "is one of the inputs" for job in jobs}
    if save_settings is not None:
        _check_spared([save_settings], kept)
        kept[save_settings] = "is where the settings go"
        if not force and not _holds(save_settings, saved):
            check_new([save_settings], "" if not resume else ", without --resume")
        check_writable(save_settings, UsageError)
    if settings is not None:
        kept[settings] = "is needed to paint"
    targets = [job.target for job in jobs if job.target != STANDARD]
    _check_spared(targets, kept)
    if resume:
        jobs = [job for job in jobs if not job.target.is_file()]
    elif not force:
        check_new(targets, ", or --resume to leave it out")
    elif strange and (there := [target for target in targets if target.exists()]):
        raise UsageError(
            f"{there[0]}: may be a photo, as {strange[0]} is no result of this: --force does not replace it; choose an "
            "output outside the input"
        )
    if strange:
        print(f"impasto: {output}: results go there, so {strange[0]} and all else there is left out", file=sys.stderr)
    if grid and (len(jobs) > 1 or failures):
        raise UsageError("--grid shows one photo: give one, and a file for the sheet")

    to_standard = Path(output) == STANDARD
    if to_standard and isinstance(sys.stdout, Nowhere):
        raise ImageError("standard output: is closed; give a file with -o")
    say = partial(print, file=sys.stderr if to_standard else None, flush=True)
    from_standard = any(job.source == STANDARD for job in jobs)
    wanted: Depth = 16 if depth == "16" else 8 if depth == "8" or refine else "own"
    if wanted == 16:
        _check_depth(jobs)
    loader: Loader = partial(load, variant=saved.variant, backend=backend, threads=threads, precision=precision)
    painters: list[PicturePainter]
    if grid:
        painters = [_grid_painter(saved, loader)]
        size, wanted = size or GRID_SIZE, 8
    else:
        made = _painters(saved, mask or [], background_only, variants, refine, picture, loader)
        painters = [partial(_repainted, paint) for paint in made]
    if done_before := len(planned.jobs) - len(jobs):
        print(f"impasto: {done_before} of {len(planned.jobs)} are there already", file=sys.stderr)
    if dry_run:  # after all that can be wrong with style, model, masks
        if jobs and not to_standard:
            _check_place(jobs[0].target.parent)
        for job in jobs:
            try:
                if job.source != STANDARD:
                    with open_picture(job.source):
                        pass
            except ImpastoError as reason:
                failures.append((job.source, reason))
            else:
                say(json.dumps({"input": str(job.source), "output": str(job.target)}) if as_json else job.target)
        _report_failures(failures, say if as_json else None)
        return 1 if failures else 0
    reading = Reading(size, quality, strip, wanted, _standard_input() if from_standard else b"")
    if jobs and not to_standard:
        # Before all the work, in case that nothing can be made or written there.
        first = next((job.target for job in jobs if not job.target.exists()), jobs[0].target)
        _make_folder(first.parent)
        check_saving(first)
    at_once = 1 if refine or grid else 1 + min(threads or cores(), 2)
    painted = 0
    done = _together(lambda job: _paint(painters[job.variant], job, reading), jobs, at_once)
    try:
        with progress(jobs, "painting", quiet=as_json or to_standard) as todo:
            for number, (job, result) in enumerate(zip(todo, done, strict=True), 1):
                if isinstance(result, ImpastoError):
                    failures.append((job.source, result))
                    continue
                painted += 1
                if as_json:
                    say(json.dumps(result))
                elif not sys.stderr.isatty() and not to_standard:
                    say(f"{number}/{len(jobs)} {result['output']} {result['seconds']:.2f} s")
    except KeyboardInterrupt:
        if len(jobs) > 1:
            instead = " instead of --force" if force else ""
            print(f"impasto: what is done stays; the same with --resume{instead} goes on", file=sys.stderr)
        raise
    finally:  # at the end, where they are seen
        _report_failures(failures, say if as_json else None)
        if save_settings is not None and (painted or not (jobs or failures)):  # not of a run that failed
            write_settings(save_settings, _anywhere(saved))
    return 1 if failures else 0


def _together(
    work: Callable[[Job], dict[str, Any]], jobs: Sequence[Job], at_once: int
) -> Iterator[dict[str, Any] | ImpastoError]:
    """What ``work`` returns or raises of our errors, in order, for a few jobs at the same time.

    While one picture is in the network, others are read and written; no more than ``at_once`` are in memory.
    """
    with ThreadPoolExecutor(at_once) as pool:
        waiting: deque[Future[dict[str, Any]]] = deque()
        try:
            for job in jobs:
                waiting.append(pool.submit(work, job))
                if len(waiting) == at_once:
                    yield _outcome(waiting.popleft())
            while waiting:
                yield _outcome(waiting.popleft())
        finally:  # after an interruption: those under way are ended, the others not begun
            pool.shutdown(cancel_futures=True)


def _outcome(future: Future[dict[str, Any]]) -> dict[str, Any] | ImpastoError:
    try:
        return future.result()
    except ImpastoError as error:
        return error


# ---- the look ---------------------------------------------------------------------------------------------------


def _check_together(
    saved: SavedSettings,
    masks: Sequence[Path] | None,
    background_only: bool,
    variants: int,
    grid: bool,
    refine: int,
    picture: Path | None,
    depth: str | None,
    *,
    force: bool,
    resume: bool,
) -> None:
    """Raise UsageError for options that contradict each other."""
    if force and resume:
        raise UsageError("--force replaces what is there and --resume keeps it: give one")
    if background_only and not masks:
        raise UsageError("--background-only needs a mask of what is not to be painted: give --mask FILE")
    if masks and len(masks) not in (1, len(saved.style) or 1):
        raise UsageError(f"{len(masks)} masks for {len(saved.style) or 1} styles: give one, or one for each style")
    if masks and len(masks) > 1 and {*saved.style.values()} != {1.0}:
        raise UsageError("with a mask for each style, masks are the shares: give styles without a number")
    if background_only and masks and len(masks) > 1:
        raise UsageError("--background-only turns one mask around: give one")
    if picture is not None and not refine:
        raise UsageError("--picture is the style picture to refine with: give --refine too")
    if len(saved.style) == 1 and any(0 < share != 1 for share in saved.style.values()):
        raise UsageError(
            "one style alone has no share, there is nothing to mix it with: give --strength for less of it"
        )
    if refine and (saved.settings.strength != 1 or masks):
        raise UsageError("--refine goes towards the full style everywhere: leave --strength and --mask out")
    if refine and variants > 1:
        raise UsageError("--refine ends in one picture: leave --variants out")
    if depth == "16" and (refine or grid):
        raise UsageError("--refine and --grid make pictures of 8 bits: leave --depth out")
    if grid and saved.settings.strength != 1:
        raise UsageError("--grid shows all strengths: leave --strength out")
    if grid and (masks or variants > 1 or refine):
        raise UsageError("--grid shows styles and strengths alone: leave --mask, --variants and --refine out")


def _variant(saved: SavedSettings, fast: bool | None) -> Variant:
    """Which network paints the shipped styles; UsageError if --fast is given where there are none."""
    if saved.model is not None or all(is_file(name) for name in saved.style):
        if fast:
            raise UsageError(NOT_FAST)
        return "best"
    return saved.variant if fast is None else "fast" if fast else "best"


def _with_shares(styles: Sequence[str]) -> dict[str, float]:
    """Styles as the command line has them, NAME or NAME:SHARE, with their shares."""
    shares: dict[str, float] = {}
    for text in styles:
        several = [part.strip() for part in text.split(",")]
        if len(several) > 1 and {part.partition(":")[0] for part in several} <= {*shipped()}:
            raise UsageError(f"give each style by itself: {' '.join(f'--style {part}' for part in several)}")
        name, colon, share = text.rpartition(":")
        try:
            name, value = (name, float(share)) if colon else (text, 1.0)
        except ValueError:
            if name in shipped():
                raise UsageError(f"{text}: the share of a style is a number, as {name}:0.5") from None
            name, value = text, 1.0  # a path may have colons
        if not name:
            raise UsageError(f"--style '{text}' names no style: `impasto styles` lists all")
        if name in shares:
            raise UsageError(f"the style {name} is given twice: give it once, with the sum of its shares")
        shares[name] = value
    return shares


def _painters(
    saved: SavedSettings,
    masks: Sequence[Path],
    background_only: bool,
    variants: int,
    refine: int,
    picture: Path | None,
    load: Loader,
) -> list[Painter]:
    """What paints a photo, for each variant."""
    regions = [load_mask(path) for path in masks]
    if background_only:
        regions = [np.asarray(255 - region, np.uint8) for region in regions]
    settings = saved.settings
    if len(regions) > 1:
        first, *others = saved.style
        stylizers = [load(first)]
        stylizers += [_other(stylizers[0], name, saved.variant, load) for name in others]
    else:
        stylizers = [load(saved.model or saved.style)]
    for stylizer in stylizers:
        stylizer.check(settings)
    if variants > 1 and not stylizers[0].info.noise_channels:
        raise UsageError("this model takes no noise, so all variants would be the same: leave --variants out")

    def painter(settings: Settings) -> Painter:
        if regions:
            pairs = list(zip(stylizers, regions, strict=True))
            return lambda photo: paint_regions(photo, pairs, settings)
        return lambda photo: stylizers[0](photo, settings)

    if not refine:
        return [painter(replace(settings, seed=settings.seed + number)) for number in range(variants)]
    from impasto.optimize.refine import refined

    paint = refined(painter(replace(settings, keep_colors=None)), saved.style, picture, refine)
    return [_keeping_colors(paint, settings)]


def _anywhere(saved: SavedSettings) -> SavedSettings:
    """The same with whole paths: a file of settings may be used from another folder."""
    style = {name if name in shipped() else str(Path(name).resolve()): share for name, share in saved.style.items()}
    return replace(saved, style=style, model=None if saved.model is None else str(Path(saved.model).resolve()))


def _other(first: Stylizer, name: str, variant: Variant, load: Loader) -> Stylizer:
    """Another style, on the network that is loaded already if it is that network's."""
    try:
        return first.restyled(name, variant=variant)
    except UsageError:
        raise
    except ImpastoError:
        return load(name)


def _keeping_colors(paint: Painter, settings: Settings) -> Painter:
    method = settings.keep_colors
    return paint if method is None else lambda photo: keep_colors(paint(photo), photo, method)


def _grid_painter(saved: SavedSettings, load: Loader) -> PicturePainter:
    """What makes a sheet of the photo in each style alone, one a row, from weak to strong."""
    names = [*saved.style] if saved.model is None else [saved.model]
    first = load(names[0])
    stylizers = [first, *(_other(first, name, saved.variant, load) for name in names[1:])]
    looks = [(Path(name).stem, stylizer) for name, stylizer in zip(names, stylizers, strict=True)]
    for stylizer in stylizers:
        stylizer.check(replace(saved.settings, strength=STRENGTHS[0]))  # before all the work

    def sheet(photo: Picture) -> Picture:
        return Picture(strength_sheet(photo.pixels, looks, saved.settings, alpha=photo.alpha))

    return sheet


# ---- pictures ---------------------------------------------------------------------------------------------------


def _check_depth(jobs: Sequence[Job]) -> None:
    """Raise UsageError unless all results can have 16 bits."""
    for job in jobs:
        if job.target != STANDARD and not holds_16_bits(job.target):
            raise UsageError(f"{job.target}: has 8 bits in this format: use .png or .tif for --depth 16")
    if not deep.available():
        raise UsageError("--depth 16 needs libvips: pip install 'impasto[formats]'")


def _read(job: Job, reading: Reading) -> Picture:
    """A picture, at the size and depth that are asked for and that its result can have."""
    source = job.source
    depth = reading.depth if job.target == STANDARD or holds_16_bits(job.target) else 8
    if source == STANDARD:
        picture = decode_picture(reading.standard_input, "standard input", short_side=reading.size, depth=depth)
    else:
        picture = read_picture(source, short_side=reading.size, depth=depth)
    if job.target != STANDARD:
        check_size(job.target, picture.pixels)  # before it is painted
    if picture.frames > 1:
        print(f"impasto: {source}: holds {picture.frames} pictures: the first is painted", file=sys.stderr)
    if depth == "own" and picture.own_depth == 16 and picture.pixels.dtype != np.uint16:
        print(f"impasto: {source}: of 16 bits 8 are kept: pip install 'impasto[formats]' keeps all", file=sys.stderr)
    if reading.strip:
        picture = replace(picture, exif=None)
    return picture


def _repainted(paint: Painter, picture: Picture) -> Picture:
    return replace(picture, pixels=paint(picture.pixels))


def _paint(paint: PicturePainter, job: Job, reading: Reading) -> dict[str, Any]:
    start = time.perf_counter()
    picture = paint(_read(job, reading))
    _write(picture, job.target, reading.quality)
    height, width = picture.pixels.shape[:2]
    return {
        "input": str(job.source),
        "output": str(job.target),
        "width": width,
        "height": height,
        "depth": 8 * picture.pixels.itemsize,
        "seconds": round(time.perf_counter() - start, 3),
    }


def _write(picture: Picture, target: Path, quality: int) -> None:
    if target == STANDARD:
        sys.stdout.buffer.write(encode_picture(picture, ".png"))
        sys.stdout.buffer.flush()
    else:
        _make_folder(target.parent)
        save_picture(target, picture, quality=quality)


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise ImageError("standard input: is closed; give it a picture")
    return sys.stdin.buffer.read()


def _report_failures(failures: Sequence[tuple[Path, ImpastoError]], say: Callable[[str], None] | None) -> None:
    """One line each on stderr, and one JSON object where those are wanted."""
    for source, failure in failures:
        if say is not None:
            say(json.dumps({"input": str(source), "error": str(failure)}))
        complain(failure)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise ImageError(f"{folder}: cannot make this folder: {cause.strerror}; choose another output") from cause


def _check_spared(written: Sequence[Path], kept: Mapping[Path, str]) -> None:
    """Raise UsageError if a file would take the place of one that is kept, for the reason there."""
    reasons = {path.resolve(): reason for path, reason in kept.items()}
    for path in written:
        if reason := reasons.get(path.resolve()):
            raise UsageError(f"{path}: {reason} and would be overwritten; choose another output")


def _holds(file: Path, saved: SavedSettings) -> bool:
    """Whether these very settings are in this file."""
    try:
        found, wanted = read_settings(file), _anywhere(saved)
        return found == wanted and [*found.style] == [*wanted.style]  # masks are given in their order
    except UsageError:
        return False


def _check_place(folder: Path) -> None:
    """Raise ImageError unless this folder is there, or could be made, and be written to."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        what = "cannot be written to" if there.is_dir() else "is no folder"
        raise ImageError(f"{there}: {what}; choose another output")


def _check_names(paths: Sequence[Path]) -> None:
    """Raise UsageError for what cannot be a file's name."""
    for path in paths:
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as cause:  # too long, or a link that leads to itself
            raise UsageError(f"{path}: cannot be the name of a file: {cause.strerror}") from cause


def _check_hyphens(names: Sequence[str]) -> None:
    """Raise UsageError for what looks like a flag: of pictures only - itself may begin so. And for no name at all."""
    for name in names:
        if not name:
            raise UsageError("'' is not the name of a file: give one")
        if name.startswith("-") and name != str(STANDARD):
            raise UsageError(
                f"unknown option {name}: `impasto stylize --help` shows all; a file of that name is ./{name}"
            )
