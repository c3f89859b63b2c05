"""Which pictures a command reads, and where each result goes."""

import glob
import itertools
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from impasto.errors import ImageError, UsageError
from impasto.pictures.folders import find_images
from impasto.pictures.formats import WRITABLE_SUFFIXES

STANDARD = Path("-")
"""In place of a file: standard input or output."""


class Job(NamedTuple):
    """One picture to paint."""

    source: Path
    target: Path
    variant: int = 0


@dataclass
class Plan:
    """What is to be done, and what of the inputs cannot be or is not."""

    jobs: list[Job] = field(default_factory=list)
    failures: list[tuple[Path, ImageError]] = field(default_factory=list)
    """Inputs that cannot be read at all."""
    strange: list[Path] = field(default_factory=list)
    """Pictures that are left out, as they lie where the results go, though they are none of these."""


def plan(names: Sequence[str], where: str, variants: int = 1) -> Plan:
    """What to read of the inputs ``names`` and where to write it, variant by variant.

    Args:
        names: Files, folders whose pictures are all taken, patterns that the shell left alone, or - (standard input).
        where: A file, a folder (made of several pictures, or with a / at its end), or - (standard output).
        variants: How many results each picture has.

    Raises:
        UsageError: The output does not suit the inputs, or two pictures would become one file.
        ImageError: The one input is not there, and the output no picture.
    """
    output = Path(where)
    is_folder = output.is_dir() or where.endswith(("/", os.sep))
    inputs = [*itertools.chain.from_iterable(_expanded(name, output) for name in names)]
    several = len(inputs) > 1 or any(path.is_dir() for path, _ in inputs)
    # Of a pattern nobody knows how many files it means: one is put into a folder as well.
    is_folder |= not output.suffix and output != STANDARD and any(map(_is_pattern, names))
    if output == STANDARD and (several or variants > 1):
        instead = "folder with -o" if several else "file or folder for --variants"
        raise UsageError(f"standard output takes one picture: give a {instead}")
    if several and output.suffix.lower() in WRITABLE_SUFFIXES and not is_folder:
        raise UsageError(f"{output}: several pictures do not fit into one file; give a folder with -o")
    is_folder = output != STANDARD and (is_folder or several)
    if is_folder and output.exists() and not output.is_dir():
        raise UsageError(f"{output}: is a file, and several pictures need a folder; give another name with -o")
    if output != STANDARD and not is_folder and output.suffix.lower() not in WRITABLE_SUFFIXES:
        ((source, _),) = inputs
        if source != STANDARD and not source.exists():
            raise ImageError(f"{source}: no such file or folder; check the name")
        known = ", ".join(WRITABLE_SUFFIXES)
        raise UsageError(
            f"{output}: unknown picture extension {output.suffix!r}; use one of {known} or an existing folder"
        )

    made = Plan()
    left_out: list[Path] = []
    for path, below in inputs:
        if not path.is_dir():
            made.jobs.append(Job(path, _target(output, below) if is_folder else output))
            continue
        refused = len(made.failures)
        found = find_images(path, lambda *failure: made.failures.append(failure))
        if is_inside(output, path):  # a second run shall not repaint what the first one painted
            left_out += [item for item in found if is_inside(item, output)]
            found = [item for item in found if not is_inside(item, output)]
        if not found and len(made.failures) == refused:
            made.failures.append((path, ImageError(f"{path}: there are no pictures in this folder")))
        made.jobs += [Job(item, _target(output, item.relative_to(path))) for item in found]

    made.jobs = _with_own_names(made.jobs, variants)
    taken: dict[Path, Path] = {}
    for job in made.jobs:
        target = job.target.resolve()
        if taken.get(target) == job.source:
            raise UsageError(f"{job.source}: is given twice; give it once")
        if target in taken:
            raise UsageError(f"{taken[target]} and {job.source} would both become {job.target}; do them one by one")
        taken[target] = job.source
    made.strange = [item for item in left_out if item.resolve() not in taken]
    return made


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path leads to somewhere in this folder, and not to the folder itself."""
    return folder.resolve() in path.resolve().parents


def _target(folder: Path, below: Path) -> Path:
    """The result, in the output folder, of what has this name there."""
    if below == STANDARD:
        return folder / "stdin.png"
    suffix = below.suffix if below.suffix.lower() in WRITABLE_SUFFIXES else ".png"
    return folder / below.with_suffix(suffix)


def _with_own_names(jobs: Sequence[Job], variants: int) -> list[Job]:
    """The same, each variant with its number, and no two of them, if it can be helped, with one name."""
    if variants > 1:
        return [
            Job(job.source, job.target.with_stem(f"{job.target.stem}_{number + 1}"), number)
            for job in jobs
            for number in range(variants)
        ]
    # a.gif and a.png: what cannot keep its extension takes its whole name, a.gif.png, where another has the short one.
    shared = Counter(job.target for job in jobs)
    return [
        job._replace(target=job.target.with_name(f"{job.source.name}{job.target.suffix}"))
        if shared[job.target] > 1 and job.source.suffix != job.target.suffix
        else job
        for job in jobs
    ]


def _expanded(name: str, output: Path) -> list[tuple[Path, Path]]:
    """An input, or what a pattern (*.jpg) means; and what each is called in the output folder."""
    path = Path(name)
    if not _is_pattern(name):
        return [(path, path if path == STANDARD else Path(path.name))]
    # Path.glob takes no pattern that begins at the root.
    found = [Path(match) for match in sorted(glob.glob(name, recursive=True))]  # noqa: PTH207
    found = [match for match in found if not is_inside(match, output)] or found  # not what was painted before
    if "**" not in path.parts or ".." in path.parts:
        return [(match, Path(match.name)) for match in found or [path]]
    # All folders below one: their pictures keep their structure, as if it had been given.
    plain = len([*itertools.takewhile(lambda part: not glob.has_magic(part), path.parts)])
    return [(match, Path(*match.parts[plain:])) for match in found if not match.is_dir()] or [(path, path)]


def _is_pattern(name: str) -> bool:
    return glob.has_magic(name) and not Path(name).exists()
