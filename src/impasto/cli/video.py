"""The command `impasto video`."""

import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

from cyclopts import Parameter

from impasto.cli.console import complain, note, progress_bar
from impasto.cli.engine import load_stylizer
from impasto.cli.flags import FilePath, PaintingFlags, flags_of, flags_set, reflowed
from impasto.cli.request import ExtraFlags, MaskFlags, SettingsFlags, StyleFlags, read_request
from impasto.errors import UsageError
from impasto.options import opt
from impasto.painting.plan import Failure
from impasto.painting.settings import Settings, write_settings
from impasto.painting.stylizer import Stylizer
from impasto.pictures.sources import file_or_name
from impasto.pictures.write import check_saving, save_image
from impasto.video.batch import paint_clips, plan_clips
from impasto.video.paint import VideoOptions, VideoProgress, VideoResult, paint_video
from impasto.video.reader import open_clip
from impasto.video.steady import Steady

if TYPE_CHECKING:
    VideoFlags = Any
else:
    VideoFlags = flags_of(VideoOptions)


@dataclass(frozen=True, kw_only=True)
class OtherFlags:
    """Other options of the command."""

    mask: FilePath | None = opt(
        None, "picture that shows where to paint, white fully and black not at all; or a clip, frame by frame"
    )
    preview: FilePath | None = opt(None, "only paint the first frame (of --start), into this picture")


@reflowed
def video(
    inputs: Annotated[list[str], Parameter(name="IN", negative="", allow_leading_hyphen=True)],
    /,
    *,
    output: Annotated[str | None, Parameter(name=["--output", "-o"], allow_leading_hyphen=True)] = None,
    style: Annotated[StyleFlags | None, Parameter(name="*")] = None,
    settings: Annotated[SettingsFlags | None, Parameter(name="*")] = None,
    clip: Annotated[VideoFlags | None, Parameter(name="*")] = None,
    other: Annotated[OtherFlags | None, Parameter(name="*")] = None,
    engine: Annotated[PaintingFlags | None, Parameter(name="*")] = None,
    ray: str | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Repaint videos in a style, with their sound and timing.

    Ctrl-C ends with a file that plays; --resume goes on from there.

    Args:
        inputs: A video file, an animated GIF, WebP or PNG, a folder of frames, or - for YUV4MPEG2 on standard input;
            or several files.
        output: A video file, an animated GIF, WebP or PNG, a folder/ for one PNG a frame, or - for YUV4MPEG2 on
            standard output. For several clips, and with --ray, a folder for the results.
        ray: Paint each clip by a worker of a Ray cluster: auto, or its address, as HOST:6379; local, the default,
            starts Ray on this computer. Needs impasto[ray].
        as_json: Print one JSON object about each result.
    """
    other, engine, style = other or OtherFlags(), engine or PaintingFlags(), style or StyleFlags()
    if (output is None) == (other.preview is None):
        raise UsageError("give a result, -o FILE, or --preview PICTURE to paint the first frame alone")
    several = len(inputs) > 1 or ray is not None
    if several and output is None:
        raise UsageError("--preview paints one clip: give one, without --ray")
    if ray is not None:
        engine = replace(engine, threads=engine.threads or 1)
    sources, output = [file_or_name(name) for name in inputs], None if output is None else file_or_name(output)
    request = read_request(style, flags_set(settings), MaskFlags(), ExtraFlags(), {})
    options = VideoOptions(**flags_set(clip))
    saved = request.saved
    stylizer = load_stylizer(saved.style or str(saved.model), saved.variant, engine)
    stylizer.check(saved.settings)
    if output is None:
        assert other.preview is not None
        return _preview(sources[0], other.preview, stylizer, saved.settings, options)
    if several:
        code = _several(sources, output, stylizer, saved.settings, options, other.mask, ray=ray, as_json=as_json)
    else:
        with progress_bar("painting", 1.0, quiet=as_json) as bar:
            paint = partial(paint_video, sources[0], output, stylizer, saved.settings, options, mask=other.mask)
            result = paint(progress=lambda progress: _show(bar, progress))
        code = _report(result, sys.stderr if result.output == "-" else sys.stdout, as_json=as_json)
    if style.save_settings is not None:
        write_settings(style.save_settings, saved)
    return code


def _several(
    sources: Sequence[str],
    output: str,
    stylizer: Stylizer,
    settings: Settings,
    options: VideoOptions,
    mask: Path | None,
    *,
    ray: str | None,
    as_json: bool,
) -> int:
    """Paint clips into a folder, and print each result; returns the exit code."""
    clips = plan_clips(sources, output, options)
    if clips.skipped:
        note(f"{len(clips.skipped)} of {len(sources)} results exist and are skipped")
    failures: list[Failure] = []
    code = 0
    try:
        with progress_bar("painting", len(clips.jobs), lines=False, quiet=as_json) as bar:
            out = sys.stdout
            outcomes = paint_clips(clips, stylizer, settings, options, mask=mask, ray=ray)
            with redirect_stdout(sys.stderr):  # a thread of Ray prints what it has to say about workers that die
                for number, outcome in enumerate(outcomes, start=1):
                    if isinstance(outcome, Failure):
                        failures.append(outcome)
                    else:
                        code = max(code, _report(outcome, out, as_json=as_json))
                    bar.update(number)
    except KeyboardInterrupt:
        note("finished clips are kept; the same command with --resume goes on")
        raise
    finally:
        for source, error in failures:
            if as_json:
                print(json.dumps({"input": str(source), "error": str(error)}))
            complain(error)
    return max(code, 1 if failures else 0)


def _preview(source: str, picture: Path, stylizer: Stylizer, settings: Any, options: VideoOptions) -> int:
    check_saving(picture)
    if picture.exists() and not options.force:
        raise UsageError(f"{picture}: is there already: add --force to replace it, or give another name")
    with open_clip(source, replace(options, end=None).part) as clip:
        frame = next(clip.frames(), None)
    if frame is None:
        raise UsageError(f"{source}: has no frame at {options.start:g} s")
    save_image(picture, Steady(stylizer, settings, 0)(frame.pixels))  # as in the video: not crisp unless asked for
    print(picture)
    return 0


def _show(bar: Any, progress: VideoProgress) -> None:
    total = progress.total
    text = f"frame {progress.frames}{f' of {total}' if total else ''}, {progress.rate:.1f} a second"
    bar.update(min(1.0, progress.frames / total) if total else 0.0, text, progress.seconds_left)


def _report(result: VideoResult, out: TextIO, *, as_json: bool) -> int:
    for text in result.notes:
        note(text)
    if result.damaged:
        note(f"{result.damaged} pieces of the source are damaged; the rest is painted")
    if as_json:
        print(json.dumps(asdict(result)), file=out, flush=True)
    elif result.output != "-":
        frames, rate = result.frames + result.resumed, result.frames / max(result.seconds, 1e-6)
        text = f"{result.output} {frames} frames, {result.seconds:.1f} s, {rate:.1f} frames a second"
        print(text, file=out, flush=True)
    if not result.finished:
        note("interrupted: the file holds what is painted; the same command with --resume goes on")
        return 130
    return 1 if result.damaged else 0
