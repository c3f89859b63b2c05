"""Plans a batch: the pictures to paint, and the output file of each."""

import glob
import itertools
import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, get_args

from impasto.errors import ImageError, ImpastoError, UsageError
from impasto.files import check_absent
from impasto.models.kinds import check_kind
from impasto.models.stylefile import SUFFIX
from impasto.options import check_ranges, opt
from impasto.painting.shards import Shard, of_shard
from impasto.pictures.folders import scan_folder
from impasto.pictures.formats import (
    READABLE_SUFFIXES,
    WRITABLE_SUFFIXES,
    OutputFormat,
    format_of,
    holds_16_bits,
    result_suffix,
)
from impasto.pictures.picture import Depth
from impasto.pictures.sources import local_name

STANDARD = Path("-")
"""The path that stands for standard input or standard output."""

AnyPath = str | os.PathLike[str]


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """Options for reading pictures and writing results.

    Raises:
        UsageError: A value is out of range, or two options contradict each other.
    """

    variants: int = opt(1, "number of different results for each picture, for models with a noise input", least=1)
    size: int | None = opt(None, "short side of the results, pixels; default: the picture's own", least=1)
    format: OutputFormat | None = opt(
        None,
        "format of the results in a folder: jpg, png, webp, avif, tiff or jxl, or keep for the format of each picture; "
        "default: JPEG for pictures of lossy formats, otherwise the picture's own if it can be written, or PNG",
    )
    quality: int = opt(95, "quality of JPEG, WebP, AVIF and JPEG XL files, 1 to 100", least=1, most=100)
    depth: Depth = opt(
        "own", "bits per sample of the results: 8, 16, or own, which is 16 for PNG and TIFF made from 16-bit files"
    )
    strip: bool = opt(False, "leave all metadata (place, time, camera, captions, keywords) out of the results")
    force: bool = opt(False, "replace files that exist")
    resume: bool = opt(False, "skip pictures whose result exists")
    shard: str | None = opt(
        None,
        "paint only part I of N, as 3/8, to divide a batch among processes or computers; a hash of each picture's "
        "relative path decides to which part it belongs",
    )
    workers: int | None = opt(
        None, "number of pictures to process at the same time; default: one more than cores, at most 3", least=1
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.depth not in (8, 16, "own"):
            raise UsageError(f"depth must be 8, 16 or own, not {self.depth}")
        if self.format is not None and self.format not in get_args(OutputFormat):
            raise UsageError(f"unknown format '{self.format}': use one of {', '.join(get_args(OutputFormat))}")
        if self.force and self.resume:
            raise UsageError("--force replaces results that exist and --resume keeps them: give one")
        if self.shard is not None:
            Shard.parse(self.shard)


class Job(NamedTuple):
    """One result to make."""

    source: Path
    target: Path
    variant: int = 0


class Failure(NamedTuple):
    """An input that could not be painted, and the error."""

    source: Path
    error: ImpastoError


@dataclass(frozen=True)
class Plan:
    """The jobs of a batch, and the inputs without a job."""

    jobs: tuple[Job, ...]
    """The results to paint, in order."""
    skipped: tuple[Job, ...] = ()
    """Jobs whose result exists and is kept (``resume``)."""
    failures: tuple[Failure, ...] = ()
    """Inputs that cannot be opened."""
    ignored: tuple[Path, ...] = ()
    """Files in input folders that are not pictures by their extension; hidden files do not count."""
    notes: tuple[str, ...] = ()
    """Messages for the user, one line each."""


def plan_files(
    inputs: AnyPath | Sequence[AnyPath],
    output: AnyPath,
    options: FileOptions | None = None,
    *,
    protected: Mapping[Path, str] | None = None,
    listed: Iterable[tuple[Path, Path]] = (),
) -> Plan:
    """Find the pictures to paint, and choose an output file for each. Nothing is written.

    Args:
        inputs: Pictures, folders (all pictures in them and in their subfolders), patterns such as ``*.jpg``, and ``-``
            for standard input.
        output: A file; a folder, for several pictures or with a ``/`` at its end; or ``-`` for standard output.
            In a folder, a result has its picture's name. If the format differs, the new extension is appended:
            IMG_2.jpg becomes IMG_2.jpg, and IMG_2.heic becomes IMG_2.heic.jpg. Thus a result's name never depends on
            other pictures.
        options: Options for writing results.
        protected: File -> reason. No result may replace these files. Inputs are always protected.
        listed: More pictures, each with its path relative to the output, which is then a folder (`read_list`).

    Raises:
        UsageError: The output does not suit the inputs, two results would have the same name, or a result exists.
        ImageError: The only input does not exist, and the output is not a picture.
    """
    options = options or FileOptions()
    names = [_local(name) for name in ([inputs] if isinstance(inputs, str | os.PathLike) else inputs)]
    where = _local(output)
    _check_user(where)
    part = None if options.shard is None else Shard.parse(options.shard)
    more, is_list = of_shard(listed, part)
    if not names and not more:
        if is_list:
            return Plan(())
        raise UsageError("give at least one picture or folder")
    found = _find(names, f"{where}/" if is_list else where, options, more)
    jobs = _with_variants(found.jobs, options.variants)
    targets = _check_targets(jobs)
    strange = [item for item in found.left_out if item.resolve() not in targets]
    jobs = [job for job in jobs if part is None or found.names[job.source] in part]
    reasons = {**(protected or {}), **{job.source: "is one of the inputs" for job in jobs}}
    check_protected([job.target for job in jobs if job.target != STANDARD], reasons)
    skipped: list[Job] = []
    if options.resume:
        there = [job.target.is_file() for job in jobs]
        skipped = [job for job, exists in zip(jobs, there, strict=True) if exists]
        jobs = [job for job, exists in zip(jobs, there, strict=True) if not exists]
    else:
        _check_replacing(jobs, strange, force=options.force)
    if options.depth == 16:
        _check_16_bits(jobs)
    notes = found.notes
    if strange:
        notes.append(
            f"{output}: results are written to this folder, so {strange[0]} and all other files in it are not painted"
        )
    return Plan(tuple(jobs), tuple(skipped), tuple(found.failures), tuple(found.ignored), tuple(notes))


def check_protected(written: Sequence[Path], protected: Mapping[Path, str]) -> None:
    """Raise UsageError if one of the files to be written is protected; ``protected`` maps files to reasons."""
    resolved = _resolver()
    reasons = {resolved(path): reason for path, reason in protected.items()}
    for path in written:
        if reason := reasons.get(resolved(path)):
            raise UsageError(f"{path}: {reason} and would be overwritten; choose another output")


@dataclass
class _Found:
    """The pictures found in the inputs, before output names are checked."""

    jobs: list[Job] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    left_out: list[Path] = field(default_factory=list)
    """Pictures that are not painted because they are in the output folder, which is inside an input folder."""
    ignored: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    names: dict[Path, Path] = field(default_factory=dict)
    """Each picture's path relative to its input folder."""

    def add(self, source: Path, name: Path, target: Path) -> None:
        """A picture, its relative path, and its result."""
        self.jobs.append(Job(source, target))
        self.names[source] = name


def _local(path: AnyPath) -> str:
    """Expand ~ and keep a trailing /. Raises UsageError for a URL."""
    try:
        return local_name(path)
    except ImageError as reason:
        raise UsageError(str(reason)) from None


def _check_user(where: str) -> None:
    """Raise UsageError for ~name if there is no such user, so that no folder of this name is made."""
    first = Path(where).parts[:1]
    if where.startswith("~") and not Path(*first).exists():
        raise UsageError(f"{where}: there is no user {first[0][1:]}; for a file of that name give ./{where}")


def _find(names: Sequence[str], where: str, options: FileOptions, listed: Sequence[tuple[Path, Path]]) -> _Found:
    output = Path(where)
    inputs = [*itertools.chain.from_iterable(_expanded(name, output) for name in names)]
    if listed and output == STANDARD:
        raise UsageError("a list of pictures does not fit into standard output: give a folder with -o")
    is_folder = _is_folder(where, names, [*inputs, *listed[:2]], options.variants)
    if not is_folder and output != STANDARD:
        _check_format(output, inputs[0][0], options.format)
    found = _Found()
    for path, name in inputs:
        if not path.is_dir():
            if path.suffix.lower() in (".onnx", SUFFIX, ".json"):
                check_kind(path, "picture")
            found.add(path, name, output / result_name(path, name, options.format) if is_folder else output)
            continue
        scan = scan_folder(path)
        if is_inside(output, path):  # a second run must not paint the results of the first
            found.left_out += [item for item in scan.images if is_inside(item, output)]
            scan.images = [item for item in scan.images if not is_inside(item, output)]
            scan.skipped = [item for item in scan.skipped if not is_inside(item, output)]
        if not scan.images and not scan.failures:
            scan.failures.append((path, ImageError(f"{path}: there are no pictures in this folder")))
        if scan.skipped:
            found.notes.append(f"{path}: {scan.skipped_summary()}")
        found.ignored += scan.skipped
        found.failures += [Failure(*failure) for failure in scan.failures]
        for item in scan.images:
            name = item.relative_to(path)
            found.add(item, name, output / result_name(item, name, options.format))
    for path, name in listed:
        found.add(path, name, output / result_name(path, name, options.format))
    return found


def _is_folder(where: str, names: Sequence[str], inputs: Sequence[tuple[Path, Path]], variants: int) -> bool:
    """Whether the output is a folder. Raises UsageError if the output does not suit the inputs."""
    output = Path(where)
    is_folder = output.is_dir() or where.endswith(("/", os.sep))
    several = len(inputs) > 1 or any(path.is_dir() for path, _ in inputs)
    # Users do not know how many files match a pattern, so the output of a pattern is always a folder.
    is_folder |= not output.suffix and output != STANDARD and any(map(_is_pattern, names))
    if output == STANDARD:
        if several or variants > 1:
            instead = "folder with -o" if several else "file or folder for --variants"
            raise UsageError(f"standard output takes one picture: give a {instead}")
        return False
    if several and output.suffix.lower() in WRITABLE_SUFFIXES and not is_folder:
        raise UsageError(f"{output}: several pictures do not fit into one file; give a folder with -o")
    is_folder |= several
    if is_folder and output.exists() and not output.is_dir():
        raise UsageError(f"{output}: is a file, and several pictures need a folder; give another name with -o")
    if not is_folder and output.suffix.lower() not in WRITABLE_SUFFIXES:
        ((source, _),) = inputs
        if source != STANDARD and not source.exists():
            raise ImageError(f"{source}: no such file or folder; check the name")
        known = ", ".join(WRITABLE_SUFFIXES)
        raise UsageError(
            f"{output}: unknown picture extension {output.suffix!r}; use one of {known} or an existing folder"
        )
    return is_folder


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path is inside this folder, at any depth. False for the folder itself."""
    return folder.resolve() in path.resolve().parents


def _check_format(output: Path, source: Path, format: OutputFormat | None) -> None:
    """Raise UsageError if the requested format is not that of the output's extension."""
    if format is not None:
        wanted = format_of(f"x{result_suffix(source, format)}")
        if format_of(output) != wanted:
            raise UsageError(f"{output}: its extension does not agree with --format {format}: leave one of them out")


def result_name(source: Path, name: Path, format: OutputFormat | None) -> Path:
    """The result's path relative to the output folder, for a picture's path relative to the input folder.

    Different pictures always get different names. A result in its picture's format keeps the name, unless the name ends
    in two picture extensions, as converted results do.
    """
    if name == STANDARD:
        return Path(f"stdin{result_suffix(Path('-'), format)}")
    suffix = result_suffix(source, format)
    if suffix == name.suffix and Path(name.stem).suffix.lower() not in READABLE_SUFFIXES:
        return name
    return name.with_name(name.name + suffix)


def _with_variants(jobs: Sequence[Job], variants: int) -> list[Job]:
    """Repeat each job for each variant."""
    if variants == 1:
        return [*jobs]
    return [
        Job(job.source, job.target.with_stem(f"{job.target.stem}_{number + 1}"), number)
        for job in jobs
        for number in range(variants)
    ]


def _check_targets(jobs: Sequence[Job]) -> dict[Path, Path]:
    """Resolved target -> source. Raises UsageError if two jobs have the same target."""
    sources: dict[Path, Path] = {}
    spellings: dict[str, Job] = {}
    resolved = _resolver()
    for job in jobs:
        target = resolved(job.target)
        if job.target != STANDARD:
            other = spellings.setdefault(unicodedata.normalize("NFC", str(target)).casefold(), job)
            if resolved(other.target) != target and _ignores_case(target.parent):
                raise UsageError(
                    f"{other.source} and {job.source} would become one file, as the output folder does not tell upper "
                    "from lower case; rename one of them"
                )
        if sources.get(target) == job.source:
            raise UsageError(f"{job.source}: is given twice; give it once")
        if target in sources:
            raise UsageError(f"{sources[target]} and {job.source} would both become {job.target}; do them one by one")
        sources[target] = job.source
    return sources


def _resolver() -> Callable[[Path], Path]:
    """A function that resolves paths, and the folder of many files once."""
    folders: dict[Path, Path] = {}

    def resolved(path: Path) -> Path:
        if os.path.islink(path) or not path.name:  # noqa: PTH114 (names that are too long are no links)
            return path.resolve()
        if path.parent not in folders:
            folders[path.parent] = path.parent.resolve()
        return folders[path.parent] / path.name

    return resolved


def _ignores_case(folder: Path) -> bool:
    """Whether file names are case-insensitive in this folder, or its nearest existing parent."""
    import tempfile  # rarely needed

    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.NamedTemporaryFile(prefix=".impasto-case-", dir=there) as file:
            return Path(file.name.replace("-case-", "-CASE-")).exists()
    except OSError:  # nothing can be written there, which is found later
        return False


def _check_replacing(jobs: Sequence[Job], strange: Sequence[Path], *, force: bool) -> None:
    """Raise UsageError if a result exists and may not be replaced."""
    targets = [job.target for job in jobs if job.target != STANDARD]
    if not force:
        check_absent(targets, ", or --resume to skip it")
    elif strange and (there := [target for target in targets if target.exists()]):
        raise UsageError(
            f"{there[0]}: may be a photo, as {strange[0]} is not a result of this command: --force does not replace "
            "it; choose an output outside the input"
        )


def _check_16_bits(jobs: Sequence[Job]) -> None:
    """Raise UsageError unless the formats of all results support 16 bits."""
    for job in jobs:
        if job.target != STANDARD and not holds_16_bits(job.target):
            raise UsageError(f"{job.target}: has 8 bits in this format: use .png or .tif for --depth 16")
    from impasto.pictures import sixteen_bits  # imports Pillow

    if reason := sixteen_bits.missing():
        raise UsageError(f"--depth 16 needs libvips: {reason}")


def _expanded(name: str, output: Path) -> list[tuple[Path, Path]]:
    """An input, or the files that match a pattern (*.jpg), each with its path relative to the output folder."""
    path = Path(name)
    if not _is_pattern(name):
        return [(path, path if path == STANDARD else Path(path.name))]
    # Path.glob does not accept absolute patterns.
    found = [Path(match) for match in sorted(glob.glob(name, recursive=True))]  # noqa: PTH207
    found = [match for match in found if not is_inside(match, output)] or found  # without earlier results
    if "**" not in path.parts or ".." in path.parts:
        return [(match, Path(match.name)) for match in found or [path]]
    # A pattern that searches subfolders keeps their structure, like a folder.
    plain = len([*itertools.takewhile(lambda part: not glob.has_magic(part), path.parts)])
    return [(match, Path(*match.parts[plain:])) for match in found if not match.is_dir()] or [(path, path)]


def _is_pattern(name: str) -> bool:
    return glob.has_magic(name) and not Path(name).exists()
