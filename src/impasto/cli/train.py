"""The command `impasto train`. Its flags are the fields of the configuration's dataclasses."""

import json
import math
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from impasto.cli.console import progress_bar
from impasto.cli.flags import FilePath, Switch, check_picture, flags_of, flags_set, reflowed
from impasto.errors import UsageError
from impasto.evaluation.artifacts import complaints
from impasto.evaluation.held_out import MOST_EVALUATIONS
from impasto.nn.losses import Objective
from impasto.training.config import Recipe, TrainConfig, find_preset
from impasto.training.progress import Progress
from impasto.training.result import TrainResult
from impasto.training.trainer import train as run_training

if TYPE_CHECKING:
    RunFlags = Any
    RecipeFlags = Any
    ObjectiveFlags = Any
else:
    RunFlags = flags_of(TrainConfig, ("styles", "output", "recipe", "preset"))
    RecipeFlags = flags_of(Recipe, ("objective", "arguments"))
    ObjectiveFlags = flags_of(Objective)


@reflowed
def train(
    styles: Annotated[list[FilePath], Parameter(name="STYLE", negative="")],
    /,
    *,
    output: Annotated[FilePath, Parameter(name=["--output", "-o"])],
    preset: str = "impasto",
    set_: Annotated[dict[str, str] | None, Parameter(name="--set")] = None,
    resume: Annotated[bool, Switch] = False,
    restart: Annotated[bool, Switch] = False,
    run: Annotated[RunFlags | None, Parameter(name="*")] = None,
    recipe: Annotated[RecipeFlags | None, Parameter(name="*")] = None,
    objective: Annotated[ObjectiveFlags | None, Parameter(name="*")] = None,
) -> int:
    """Learn the style of a picture; the result is a model or style file for `impasto stylize`.

    Args:
        styles: The style picture. Several pictures share one network, and their styles can be mixed.
        output: What to write: NAME.onnx, a model with a network of its own; NAME.safetensors, a style of a few KB for
            the shared network that comes with Impasto; for several pictures a folder. The run's files are kept in a
            folder beside it.
        preset: The recipe to start from: impasto, fast (half the channels, which take half the time to paint with),
            johnson2016, ulyanov2016 or ulyanov2017; other flags change it.
        set_: An argument of the generator, as --set.width 96 or --set.upsample transposed.
        resume: Continue the unfinished run of this output.
        restart: Start again, and replace the unfinished run or the result of this name.
    """
    if resume and restart:
        raise UsageError("--resume and --restart exclude each other: give one")
    for picture in styles:
        check_picture(picture)
    chosen = flags_set(run)
    if "steps" in chosen and "minutes" not in chosen:
        chosen["minutes"] = None
    changed = _recipe(preset, flags_set(recipe), flags_set(objective), set_ or {})
    config = TrainConfig(styles=tuple(styles), output=output, recipe=changed, preset=preset, **chosen)
    # With torchrun, the first process prints.
    speaks = os.environ.get("RANK", "0") == "0"
    with progress_bar("learning", 1.0, quiet=not speaks) as bar:
        result = run_training(config, resume=resume, restart=restart, progress=reporter(bar) if speaks else _silent)
    if speaks:
        _print_result(config, result)
        _print_next(config, result)
    return 0 if result.finished or not speaks else 130


def _recipe(preset: str, flags: dict[str, Any], objective: dict[str, Any], arguments: dict[str, str]) -> Recipe:
    """The preset's recipe with the flags over it."""
    base = find_preset(preset)
    same_generator = flags.get("generator", base.generator) == base.generator
    kept = base.arguments if same_generator else {}  # another network has other arguments
    return replace(
        base,
        **flags,
        objective=replace(base.objective, **objective),
        arguments={**kept, **{name: _value(text) for name, text in arguments.items()}},
    )


def reporter(bar: Any) -> Callable[[Progress], None]:
    """A callback that draws the run's progress on a progress bar."""

    def report(progress: Progress) -> None:
        if progress.message:
            bar.message(progress.message)
        bar.update(progress.fraction, _terms(progress), progress.seconds_left)

    return report


def _silent(progress: Progress) -> None:
    pass


def _terms(progress: Progress) -> str:
    text = (
        f"step {progress.step}, {progress.steps_per_second:.1f}/s, content {progress.content:.2f}, "
        f"style {progress.style:.2f}, objective {progress.objective:.2f}"
    )
    if progress.held_out:
        text += f" (held-out photos {progress.held_out['objective']:.2f})"
    return text


def _print_result(config: TrainConfig, result: TrainResult) -> None:
    """Print the scores of the result."""
    for path, reason in result.unreadable.items():
        print(f"left out {path}: {reason}")
    start = "the shared network" if result.from_base else "nothing"
    print(
        f"{'learned' if result.finished else 'stopped'} after {result.steps} steps in {result.seconds:.0f} s "
        f"from {start}"
    )
    if (found := result.evaluation) is not None:
        print(f"on held-out photos: {found.words} (style distance {found.style_distance:.2f}, form {found.form:.2f})")
    if result.equal_evaluations is not None:
        more = math.isinf(result.equal_evaluations)
        equal = f"more than {MOST_EVALUATIONS}" if more else f"about {result.equal_evaluations:.0f}"
        print(f"as good as {equal} iterations of Gatys' optimization from the photo (one held-out photo, 256 px)")
    if found is not None:
        faults = complaints(found.artifacts)
        advice = "; ".join(faults) + ": check the preview, and train longer"
        print(f"check for artifacts: {advice if faults else 'none found'}")
    print(f"preview: {result.preview}")


def _print_next(config: TrainConfig, result: TrainResult) -> None:
    """Print the path of the result, and the command that uses it or continues the run."""
    several = len(config.styles) > 1
    print(f"{'styles' if several else 'style' if config.style_only else 'model'}: {result.model}")
    if not result.finished:
        print(f"go on: {resuming_command(sys.argv[1:])}")
        return
    used = result.model / f"{config.styles[0].stem}.safetensors" if several else result.model
    flag = "--style" if several or config.style_only else "--model"
    print(f"use it: impasto stylize PHOTO {flag} {shell_word(str(used))} --output painted.jpg")


def resuming_command(words: Sequence[str]) -> str:
    """The command that continues the run of a command with these words."""
    kept = [word for word in words if word not in ("--restart", "--resume")]
    command = "torchrun ... -m impasto" if "RANK" in os.environ else "impasto"
    return f"{command} {' '.join(map(shell_word, [*kept, '--resume']))}"


def shell_word(text: str) -> str:
    """The text quoted for a shell. Names that are not valid text are written as bytes, as bash and zsh read them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "$'" + "".join(f"\\x{byte:02x}" for byte in os.fsencode(text)) + "'"
    return shlex.quote(text)


def _value(text: str) -> Any:
    """A generator's argument from the command line: a number or truth value if it reads as one."""
    try:
        return json.loads(text)
    except ValueError:
        return text
