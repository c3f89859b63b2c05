"""Painting files and folders: `paint_files` reads, paints and writes several pictures at the same time."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path

from impasto.errors import ImageError, ImpastoError, UsageError
from impasto.painting.plan import STANDARD, AnyPath, Failure, FileOptions, Job, Plan, plan_files
from impasto.painting.regions import Mask, paint_regions
from impasto.painting.settings import Settings
from impasto.painting.stylizer import DEFAULT, Stylizer
from impasto.pictures.decode import decode_picture
from impasto.pictures.formats import holds_16_bits, result_suffix
from impasto.pictures.picture import Picture, Pixels
from impasto.pictures.read import read_picture
from impasto.pictures.write import check_saving, check_size, encode_picture, save_picture
from impasto.processor import cores

Painter = Stylizer | Sequence[tuple[Stylizer, Mask]] | Callable[[Pixels, Settings], Pixels]
"""Repaints a picture: a stylizer, regions as for :func:`impasto.paint_regions`, or any function."""
PicturePainter = Callable[[Picture, Settings], Picture]


@dataclass(frozen=True)
class Painted:
    """One result that was written."""

    source: Path
    target: Path
    width: int
    height: int
    depth: int
    """Bits per sample."""
    seconds: float
    """Seconds from the start of reading to the end of writing."""
    notes: tuple[str, ...] = ()
    """Messages for the user, one line each: that the file contains several pictures, for example."""


@dataclass(frozen=True)
class BatchProgress:
    """One step of a batch: ``done`` of ``total`` results are finished, and ``latest`` is the newest."""

    done: int
    total: int
    latest: Painted | Failure


@dataclass(frozen=True)
class BatchResult:
    """The outcome of a batch."""

    painted: tuple[Painted, ...]
    skipped: tuple[Job, ...]
    """Jobs whose result existed already (``resume``)."""
    failed: tuple[Failure, ...]
    ignored: tuple[Path, ...] = ()
    """Files in input folders that are not pictures by their extension; hidden files do not count."""
    notes: tuple[str, ...] = ()


def paint_files(
    inputs: AnyPath | Sequence[AnyPath],
    output: AnyPath,
    stylizer: Painter,
    settings: Settings = DEFAULT,
    *,
    options: FileOptions | None = None,
    progress: Callable[[BatchProgress], object] | None = None,
    ray: str | None = None,
) -> BatchResult:
    """Repaint picture files and folders, as `impasto stylize` does.

    While one picture is in the network, others are read and written. A picture that fails is recorded, and the others
    are painted. Every result appears whole or not at all.

    Args:
        inputs: Pictures, folders (all pictures in them and in their subfolders) and patterns (``*.jpg``); or one.
        output: A file for one picture; a folder, made if necessary, for several or with a ``/`` at its end. The
            structure of input folders is kept.
        stylizer: Repaints each picture: a stylizer, pairs of stylizer and mask as for
            :func:`impasto.paint_regions`, or any function from (pixels, settings) to pixels.
        settings: How the style is applied.
        options: Options for reading pictures and writing results.
        progress: Called in the calling thread after each result.
        ray: Paint on a Ray cluster: "local" starts Ray on this computer, with one worker for each share of cores that
            the stylizer's threads take; "auto" or an address connects to a cluster that runs. See
            :func:`impasto.painting.ray_pool.paint_with_ray`.

    Returns:
        The painted results, the skipped results and the failed inputs.

    Raises:
        UsageError: The output does not suit the inputs, a result exists, or the model cannot apply the settings.
        ImageError: The output cannot be written.
    """
    options = options or FileOptions()
    plan = plan_files(inputs, output, options)
    paint = picture_painter(stylizer, settings, options)
    if ray is None:
        return paint_plan(plan, paint, settings, options, progress)
    return _paint_with_ray(plan, paint, settings, options, progress, ray, threads_of(stylizer))


def threads_of(painter: Painter) -> int:
    """The number of threads that a painter uses; 1 for a function."""
    first = painter[0][0] if isinstance(painter, Sequence) else painter
    return int(getattr(first.network.graph, "threads", 1)) if isinstance(first, Stylizer) else 1


def _paint_with_ray(
    plan: Plan,
    paint: PicturePainter,
    settings: Settings,
    options: FileOptions,
    progress: Callable[[BatchProgress], object] | None,
    address: str,
    threads: int,
) -> BatchResult:
    from impasto.painting.ray_pool import paint_with_ray  # rarely needed

    check_output(plan.jobs)
    results = paint_with_ray(plan.jobs, paint, settings, options, address=address, threads=threads)
    return _collected(plan, results, progress)


def _collected(
    plan: Plan, outcomes: Iterable[Painted | Failure], progress: Callable[[BatchProgress], object] | None
) -> BatchResult:
    """The result of a batch, from the outcome of each job; ``progress`` is called after each."""
    painted: list[Painted] = []
    failed = [*plan.failures]
    for number, outcome in enumerate(outcomes, start=1):
        if isinstance(outcome, Painted):
            painted.append(outcome)
        else:
            failed.append(outcome)
        if progress is not None:
            progress(BatchProgress(number, len(plan.jobs), outcome))
    return BatchResult(tuple(painted), plan.skipped, tuple(failed), plan.ignored, plan.notes)


def picture_painter(painter: Painter, settings: Settings, options: FileOptions) -> PicturePainter:
    """A function that repaints a picture, with its transparency and metadata.

    Raises:
        UsageError: The model cannot apply the settings, or has no noise for variants.
    """
    regions = painter if isinstance(painter, Sequence) else []
    stylizers = [painter] if isinstance(painter, Stylizer) else [stylizer for stylizer, _ in regions]
    for stylizer in stylizers:
        stylizer.check(settings)
    if options.variants > 1 and stylizers and not stylizers[0].info.noise_channels:
        raise UsageError("this model takes no noise, so all variants would be equal: leave --variants out")

    def paint(picture: Picture, settings: Settings) -> Picture:
        if isinstance(painter, Sequence):
            return replace(picture, pixels=paint_regions(picture.pixels, painter, settings))
        return replace(picture, pixels=painter(picture.pixels, settings))

    return paint


def paint_plan(
    plan: Plan,
    paint: PicturePainter | Future[PicturePainter],
    settings: Settings = DEFAULT,
    options: FileOptions | None = None,
    progress: Callable[[BatchProgress], object] | None = None,
) -> BatchResult:
    """Carry out a plan of :func:`plan_files`; see :func:`paint_files`.

    ``paint`` may be a future: the first pictures are then read while another thread loads the network. If loading
    fails, its error is raised and nothing is written.
    """
    options = options or FileOptions()
    batch = _Batch(settings, options)
    if any(job.source == STANDARD for job in plan.jobs):
        batch.standard_input  # noqa: B018 (read once, here)
    workers = options.workers or 1 + min(cores(), 2)
    with ThreadPoolExecutor(workers) as pool:

        def begin(job: Job) -> tuple[Job, Future[Painted]]:
            return job, pool.submit(batch.paint, job)

        def outcomes() -> Iterator[Painted | Failure]:
            while waiting:
                outcome = _outcome(*waiting.popleft())
                waiting.extend(map(begin, islice(todo, 1)))
                yield outcome

        try:
            todo = iter(plan.jobs)
            waiting = deque(map(begin, islice(todo, workers)))  # at most so many pictures are in memory
            painter = paint.result() if isinstance(paint, Future) else paint
            check_output(plan.jobs)
            batch.painter.set_result(painter)
            return _collected(plan, outcomes(), progress)
        finally:  # after an interruption: jobs that have begun end, the others do not begin
            batch.painter.cancel()
            pool.shutdown(cancel_futures=True)


def paint_one(job: Job, paint: PicturePainter, settings: Settings, options: FileOptions) -> Painted:
    """Read, paint and write one picture; see :func:`paint_plan`. Raises ImpastoError if it fails."""
    batch = _Batch(settings, options)
    batch.painter.set_result(paint)
    return batch.paint(job)


def check_output(jobs: Sequence[Job]) -> None:
    """Raise ImageError if nothing can be written, before all the work."""
    files = [job.target for job in jobs if job.target != STANDARD]
    if files:
        first = next((target for target in files if not target.exists()), files[0])
        make_folder(first.parent)
        check_saving(first)


class _Batch:
    """The state that all jobs of a batch share."""

    def __init__(self, settings: Settings, options: FileOptions) -> None:
        self.painter: Future[PicturePainter] = Future()
        """Repaints the pictures; set once the network is loaded and the output is known to be writable."""
        self._settings = settings
        self._options = options

    @cached_property
    def standard_input(self) -> bytes:
        """All of standard input."""
        if sys.stdin is None:
            raise ImageError("standard input: is closed; give it a picture")
        return sys.stdin.buffer.read()

    def paint(self, job: Job) -> Painted:
        """Read, paint and write one picture; any ImpastoError passes."""
        start = time.perf_counter()
        picture, notes = self._read(job)
        settings = replace(self._settings, seed=self._settings.seed + job.variant)
        picture = self.painter.result()(picture, settings)
        self._write(job, picture)
        height, width = picture.pixels.shape[:2]
        seconds = round(time.perf_counter() - start, 3)
        return Painted(job.source, job.target, width, height, 8 * picture.pixels.itemsize, seconds, notes)

    def _read(self, job: Job) -> tuple[Picture, tuple[str, ...]]:
        """The picture, at the requested size and a bit depth that its output format supports, and notes about it."""
        options = self._options
        depth = options.depth if holds_16_bits(self._name(job)) else 8
        if job.source == STANDARD:
            decode = partial(decode_picture, self.standard_input, "standard input")
        else:
            decode = partial(read_picture, job.source)
        picture = decode(short_side=options.size, depth=depth, metadata=not options.strip)
        if job.target != STANDARD:
            check_size(job.target, picture.pixels)  # before it is painted
        return picture, tuple(f"{job.source}: {note}" for note in picture.notes)

    def _name(self, job: Job) -> Path:
        """A file name whose extension is that of the output format."""
        if job.target != STANDARD:
            return job.target
        format = self._options.format
        return Path("stdout.png" if format is None else f"stdout{result_suffix(job.source, format)}")

    def _write(self, job: Job, picture: Picture) -> None:
        if job.target == STANDARD:
            sys.stdout.buffer.write(encode_picture(picture, self._name(job), quality=self._options.quality))
            sys.stdout.buffer.flush()
        else:
            make_folder(job.target.parent)
            save_picture(job.target, picture, quality=self._options.quality)


def _outcome(job: Job, future: Future[Painted]) -> Painted | Failure:
    try:
        return future.result()
    except ImpastoError as error:
        return Failure(job.source, error)


def make_folder(folder: Path) -> None:
    """Make an output folder. Raises ImageError if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise ImageError(f"{folder}: cannot make this folder: {cause.strerror}; choose another output") from cause
