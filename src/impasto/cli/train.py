"""The commands that need torch: `impasto train`, `gatys` and `evaluate`.

Their flags are the fields of the configuration's dataclasses; a flag that is not given leaves the preset's value.
"""

import json
import math
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from impasto.cli.flags import flags_of, from_least, given
from impasto.cli.main import NOT_FAST, check_new
from impasto.errors import UsageError
from impasto.evaluation.artefacts import complaints
from impasto.evaluation.judge import MOST_EVALUATIONS
from impasto.nn.losses import Objective
from impasto.optimize.gatys import Evaluated, GatysConfig, curve_file, paint
from impasto.training.config import PRESETS, Recipe, TrainConfig
from impasto.training.trainer import Progress, train

LINE_SECONDS = 10.0
"""How often a line is printed where there is no terminal to draw a bar on."""


if TYPE_CHECKING:
    RunFlags = Any
    RecipeFlags = Any
    ObjectiveFlags = Any
    GatysFlags = Any
else:
    RunFlags = flags_of(TrainConfig, ("styles", "output", "recipe", "preset"))
    RecipeFlags = flags_of(Recipe, ("objective", "arguments"))
    ObjectiveFlags = flags_of(Objective)
    GatysFlags = flags_of(GatysConfig, ("objective",))


def train_command(
    styles: Annotated[list[Path], Parameter(name="STYLE", negative="")],
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    preset: str = "impasto",
    set_: Annotated[dict[str, str] | None, Parameter(name="--set")] = None,
    resume: Annotated[bool, Parameter(negative="")] = False,
    restart: Annotated[bool, Parameter(negative="")] = False,
    run: Annotated[RunFlags | None, Parameter(name="*")] = None,
    recipe: Annotated[RecipeFlags | None, Parameter(name="*")] = None,
    objective: Annotated[ObjectiveFlags | None, Parameter(name="*")] = None,
) -> int:
    """Learn the look of a picture; the result is a model or style file for `impasto stylize`.

    Args:
        styles: The picture whose look is learnt. Several share one network and can be mixed.
        output: What to write: NAME.onnx, a model of its own; NAME.safetensors, a style of a few KB for the shared
            network that comes with Impasto; for several pictures a folder. A folder of the run is kept beside it.
        preset: The recipe to start from: impasto, fast (half the channels, for half the time in use), johnson2016,
            ulyanov2016 or ulyanov2017; other flags change it.
        set_: An argument of the generator, as --set.width 96 or --set.upsample transposed.
        resume: Go on with the unfinished run of this output.
        restart: Begin anew, in place of the unfinished run or the result of this name.
    """
    if preset not in PRESETS:
        raise UsageError(f"unknown preset '{preset}': choose one of {', '.join(PRESETS)}")
    if resume and restart:
        raise UsageError("--resume and --restart exclude each other: give one")
    base, flags = PRESETS[preset], given(recipe)
    ours = base.arguments if flags.get("generator", base.generator) == base.generator else {}  # not another network's
    changed = replace(
        base,
        **flags,
        objective=replace(base.objective, **given(objective)),
        arguments={**ours, **{name: _value(text) for name, text in (set_ or {}).items()}},
    )
    chosen = given(run)
    if "steps" in chosen and "minutes" not in chosen:
        chosen["minutes"] = None
    config = TrainConfig(styles=tuple(styles), output=output, recipe=changed, preset=preset, **chosen)
    with _training_progress() as report:
        result = train(config, resume=resume, restart=restart, report=report)
    if not _speaks():
        return 0
    for path, reason in result.unreadable.items():
        print(f"left out {path}: {reason}")
    start = "the shared network" if result.from_base else "nothing"
    print(
        f"{'learnt' if result.finished else 'stopped'} after {result.steps} steps in {result.seconds:.0f} s "
        f"from {start}: content error {result.content_error:.2f}, style error {result.style_error:.2f}, "
        f"objective {result.objective:.2f} on held-out photos"
    )
    if result.equal_evaluations is not None:
        more = math.isinf(result.equal_evaluations)
        equal = f"more than {MOST_EVALUATIONS}" if more else f"about {result.equal_evaluations:.0f}"
        print(f"as good as {equal} iterations of Gatys' optimisation from the photo (one held-out photo, 256 px)")
    faults = complaints(result.artefacts)
    print(f"check for artefacts: {'; '.join(faults) + ': look closely, and learn longer' if faults else 'none found'}")
    print(f"preview: {result.preview}")
    print(f"{'styles' if len(styles) > 1 else 'style' if config.style_only else 'model'}: {result.model}")
    if not result.finished:
        words = [word for word in sys.argv[1:] if word not in ("--restart", "--resume")]
        command = "torchrun ... -m impasto" if "RANK" in os.environ else "impasto"
        print(f"go on: {command} {' '.join(map(_word, [*words, '--resume']))}")
        return 130
    if len(styles) > 1:
        how = f"--style {_word(f'{result.model / styles[0].stem}.safetensors')}"
    else:
        how = f"--{'style' if config.style_only else 'model'} {_word(str(result.model))}"
    print(f"use it: impasto stylize PHOTO {how} --output painted.jpg")
    return 0


def _word(text: str) -> str:
    """As a shell takes it. A name that is not text is written by its bytes, as bash and zsh read them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "$'" + "".join(f"\\x{byte:02x}" for byte in os.fsencode(text)) + "'"
    return shlex.quote(text)


def _value(text: str) -> Any:
    """A generator's argument from the command line: a number or truth value where it reads as one."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _speaks() -> bool:
    """Whether this is the one process, or under torchrun the first."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def _training_progress() -> Iterator[Callable[[Progress], None]]:
    """A bar on a terminal, else a line now and then; messages always."""
    if not _speaks():
        yield lambda p: None
        return
    if not sys.stderr.isatty():
        last = 0.0

        def line(p: Progress) -> None:
            nonlocal last
            if p.message:
                print(p.message, file=sys.stderr, flush=True)
            if time.monotonic() - last >= LINE_SECONDS:
                last = time.monotonic()
                print(f"{p.fraction:4.0%} {_terms(p)}, {p.seconds_left:.0f} s left", file=sys.stderr, flush=True)

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (  # without rich's own time left: the run knows it better, from steps or from the clock
        TextColumn("learning"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[left]}"),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=1.0, left="")

        def draw(p: Progress) -> None:
            if p.message:
                bar.console.print(p.message)
            minutes, seconds = divmod(round(p.seconds_left), 60)
            bar.update(task, completed=p.fraction, description=_terms(p), left=f"{minutes}:{seconds:02d} left")

        yield draw


def _terms(p: Progress) -> str:
    text = (
        f"step {p.step}, {p.steps_per_second:.1f}/s, content {p.content:.2f}, style {p.style:.2f}, "
        f"objective {p.objective:.2f}"
    )
    if p.held_out:
        text += f" (held-out photos {p.held_out['objective']:.2f})"
    return text


def gatys_command(
    content: Path,
    style: Path,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    force: Annotated[bool, Parameter(negative="")] = False,
    preset: str = "impasto",
    settings: Annotated[GatysFlags | None, Parameter(name="*")] = None,
    objective: Annotated[ObjectiveFlags | None, Parameter(name="*")] = None,
) -> int:
    """Repaint one photo by optimising its pixels (Gatys 2016): slow, and the best there is.

    Args:
        content: The photo.
        style: The picture whose look it takes.
        output: The picture to write; the curve of the objective is saved beside it as .curve.json.
        force: Replace files that are there.
        preset: Whose objective: impasto (fast has the same), johnson2016, ulyanov2016 or ulyanov2017; other flags
            change it.
    """
    if preset not in PRESETS:
        raise UsageError(f"unknown preset '{preset}': choose one of {', '.join(PRESETS)}")
    terms = replace(PRESETS[preset].objective, **given(objective))
    config = GatysConfig(objective=terms, **given(settings))
    if not force:
        check_new([output, curve_file(output)])
    with _gatys_progress(config.evaluations) as report:
        result = paint(content, style, output, config, report)
    best = min(result.curve, key=lambda point: point.objective)
    print(
        f"after {len(result.curve)} evaluations in {result.curve[-1].seconds:.0f} s: content {best.content:.3f}, "
        f"style {best.style:.3f}, objective {best.objective:.3f}"
    )
    print(f"picture: {output}")
    print(f"curve: {curve_file(output)}")
    return 0 if result.finished else 130


@contextmanager
def _gatys_progress(evaluations: int) -> Iterator[Callable[[Evaluated], None]]:
    if not sys.stderr.isatty():

        def line(p: Evaluated) -> None:
            if p.evaluation % 25 == 0 or p.evaluation == 1:
                print(f"{p.evaluation}/{evaluations} objective {p.objective:.3f}, {p.seconds:.0f} s", file=sys.stderr)

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=evaluations)
        yield lambda p: bar.update(task, completed=p.evaluation, description=f"objective {p.objective:.3f}")


def evaluate_command(
    model: str,
    /,
    *,
    style: Path,
    content: Path | None = None,
    held_out: Path | None = None,
    size: Annotated[int, from_least(1)] = 512,
    value_range: Annotated[float | None, Parameter(name="--range")] = None,
    fast: Annotated[bool, Parameter(negative="")] = False,
    backend: Literal["auto", "onnxruntime", "openvino"] = "auto",
    threads: Annotated[int | None, from_least(1)] = None,
    gatys: Annotated[int, from_least(0)] = 0,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Measure a model: content, style, objective, LPIPS, contrast sensitivity, seconds, faults, on held-out photos.

    Args:
        model: A shipped style, a style or model file; or another project's ONNX, with --range.
        style: The picture whose look it learnt.
        content: Folder of photos to measure on; four built-in ones when absent.
        held_out: Folder, or text file of file names in the content folder, to measure on instead.
        size: Short side of the photos and the style picture, pixels.
        value_range: Another project's ONNX: the value of white at its input and output, 255 or 1.
        fast: The shipped style on the fast network.
        backend: The inference engine: auto, onnxruntime or openvino.
        threads: Processor threads; all cores when absent.
        gatys: On how many of the photos to measure which number of Gatys' iterations the model equals, at 384 pixels
            or the size if smaller; slow.
        as_json: Print everything, photo by photo, as one JSON object.
    """
    from impasto.evaluation.artefacts import LIMITS, WORDS, complaints
    from impasto.evaluation.scores import COMPARED_SIZE, MOST_COMPARED, equal_evaluations, evaluate
    from impasto.models.catalogue import is_file
    from impasto.painting.stylizer import load, load_foreign
    from impasto.pictures.folders import find_images
    from impasto.training.data import content_photos

    if size < 64:
        raise UsageError(f"size must be 64 pixels or more, not {size}")
    if fast and is_file(model):
        raise UsageError(NOT_FAST)
    if value_range is None:
        stylizer = load(
            model, variant="fast" if fast else "best", backend=backend, threads=threads, precision="float32"
        )
    else:
        stylizer = load_foreign(model, value_range=value_range, backend=backend, threads=threads)
    if content is not None and held_out is None:
        photos = find_images(content)
    else:
        _, photos = content_photos(content, held_out)
    found = evaluate(stylizer, style, photos, size=size, name=Path(model).name)
    for path, reason in found.unreadable.items():
        print(f"left out {path}: {reason}", file=sys.stderr)
    readable = [path for path in photos if str(path) not in found.unreadable]
    equal = equal_evaluations(stylizer, style, readable[:gatys], size=min(size, COMPARED_SIZE)) if gatys else ()
    if as_json:
        print(json.dumps({**asdict(found), "gatys": [asdict(one) for one in equal]}))
        return 0
    print(f"{found.model} on {len(found.photos)} photos at {found.size} px, style {found.style}")
    rows = {
        "content error": f"{found.content_error:.3f}",
        "style error": f"{found.style_error:.3f}",
        "objective": f"{found.objective:.3f}  (content + 4 x style)",
        "palette error": f"{found.palette_error:.3f}  (colors and contrast of large places; 1: one even color)",
        "detail error": f"{found.detail_error:.3f}  (quiet and loud places, 0: as in the style picture; 1: all quiet)",
        "LPIPS": f"{found.lpips:.3f}  (distance from the photo)",
        "contrast": f"{found.contrast_change:.2f}/255  (change when the photo's contrast is cut to a quarter)",
        "seconds": f"{found.seconds:.3f}  (a photo, median)",
    }
    for name, value in asdict(found.artefacts).items():
        rows[name] = f"{value:.1f}  (limit {getattr(LIMITS, name):g}: {WORDS[name]})"
    for name, value in rows.items():
        print(f"{name:14} {value}")
    for fault in complaints(found.artefacts):
        print(f"warning: {fault}")
    for one in equal:
        counts = [f"more than {MOST_COMPARED}" if n is None else str(n) for n in (one.from_content, one.from_noise)]
        print(
            f"{one.photo} at {one.size} px: objective {one.objective:.2f}, equal to Gatys' after {counts[0]} "
            f"iterations from the photo, {counts[1]} from noise"
        )
    return 0
