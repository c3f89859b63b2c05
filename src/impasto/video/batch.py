"""Paints several clips, one after another, or each by a worker of a Ray cluster."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from impasto.errors import ImpastoError, UsageError
from impasto.painting.batch import make_folder, threads_of
from impasto.painting.plan import Failure, Job
from impasto.painting.settings import Settings
from impasto.painting.stylizer import Stylizer
from impasto.video.animation import SUFFIXES as ANIMATIONS
from impasto.video.codecs import CONTAINERS
from impasto.video.encoder import parts_folder
from impasto.video.paint import VideoOptions, VideoResult, paint_video


@dataclass(frozen=True)
class Clips:
    """Clips to paint into a folder.

    Attributes:
        jobs: What to paint.
        skipped: Clips whose result is there (``resume``).
    """

    jobs: tuple[Job, ...]
    skipped: tuple[Job, ...] = ()


def plan_clips(sources: Sequence[str | Path], output: str | Path, options: VideoOptions) -> Clips:
    """Choose a result for each clip: its name in the output folder, with .mp4 appended if its format is not written.

    Raises:
        UsageError: The output is no folder, two clips would have the same result, or a result exists.
    """
    folder, formats = Path(output), {*CONTAINERS, *ANIMATIONS}
    if str(output) == "-":
        raise UsageError("standard output takes one clip, painted without --ray: give a folder with -o")
    if folder.suffix.lower() in formats and not folder.exists() and not str(output).endswith(("/", os.sep)):
        raise UsageError(f"{output}: is the name of a file, and several clips need a folder, as do those for --ray")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{output}: is a file, and several clips need a folder; give another name with -o")
    jobs: dict[Path, Job] = {}
    for source in map(Path, sources):
        if str(source) == "-":
            raise UsageError("standard input is one clip: give it alone")
        name = os.path.basename(os.path.abspath(source))  # noqa: PTH100, PTH119 (links are kept; "." has a name)
        target = folder / (name if source.suffix.lower() in formats else f"{name}.mp4")
        if target in jobs:
            raise UsageError(f"{jobs[target].source} and {source} would both become {target}; do them one by one")
        jobs[target] = Job(source, target)
    there = [target for target in jobs if target.exists() and not parts_folder(target).exists()]
    begun = [parts_folder(target) for target in jobs if _is_begun(target)]
    for target in there:
        if target.resolve() == jobs[target].source.resolve():
            raise UsageError(f"{target}: is one of the clips and would be overwritten; choose another output")
    if options.resume:
        skipped = tuple(jobs.pop(target) for target in there)
        return Clips(tuple(jobs.values()), skipped)
    if there and not options.force:
        raise UsageError(f"{there[0]}: is there already: add --force to replace it, or --resume to skip it")
    if begun:
        raise UsageError(f"{begun[0]}: an unfinished run is here: add --resume to go on, or remove it")
    return Clips(tuple(jobs.values()))


def paint_clips(
    clips: Clips,
    stylizer: Stylizer,
    settings: Settings,
    options: VideoOptions,
    *,
    mask: Path | None = None,
    ray: str | None = None,
) -> Iterator[VideoResult | Failure]:
    """Paint clips; yields each result when it is finished.

    Args:
        clips: What to paint (`plan_clips`).
        stylizer: Paints each frame.
        settings: How the style is applied.
        options: How the clips are read and written.
        mask: See `paint_video`.
        ray: Paint on a Ray cluster, one clip a worker; see `impasto.painting.ray_pool.work_with_ray`. If a worker is
            killed, another goes on after the last finished segment. Results are in any order.
    """
    paint = partial(_paint_one, stylizer=stylizer, settings=settings, options=_absolute(options), mask=_whole(mask))
    if ray is not None:
        from impasto.painting.ray_pool import work_with_ray  # rarely needed

        for job, found in work_with_ray(clips.jobs, paint, address=ray, threads=threads_of(stylizer), in_hand=1):
            yield Failure(job.source, found) if isinstance(found, ImpastoError) else _named(found, job)
        return
    for job in clips.jobs:
        try:
            result = paint(job)
        except ImpastoError as error:
            yield Failure(job.source, error)
            continue
        yield result
        if not result.finished:
            return


def _paint_one(
    job: Job, stylizer: Stylizer, settings: Settings, options: VideoOptions, mask: Path | None
) -> VideoResult:
    """Paint one clip, after the segments that a worker finished which was killed.

    A result that exists is replaced: `plan_clips` allowed it, or that worker was killed just after it wrote the result.
    """
    options = replace(options, resume=_is_begun(job.target), force=True)
    if job.source.exists():
        make_folder(job.target.parent)
    return paint_video(job.source, job.target, stylizer, settings, options, mask=mask)


def _is_begun(target: Path) -> bool:
    return (parts_folder(target) / "record.json").is_file()


def _absolute(options: VideoOptions) -> VideoOptions:
    return replace(options, keyframes=_whole(options.keyframes))


def _whole(path: Path | None) -> Path | None:
    """The path from the root: workers have working folders of their own."""
    return None if path is None else Path(os.path.abspath(path))  # noqa: PTH100 (links are kept)


def _named(result: VideoResult, job: Job) -> VideoResult:
    """The result with its path as it was given."""
    return replace(result, output=str(job.target))
