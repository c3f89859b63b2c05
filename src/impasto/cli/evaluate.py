"""The command `impasto evaluate`."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from impasto.cli.console import progress_bar
from impasto.cli.flags import NOT_FAST, EngineFlags, FilePath, Switch, check_picture, reflowed, whole_number
from impasto.errors import UsageError
from impasto.evaluation.artifacts import LIMITS, WORDS, complaints
from impasto.evaluation.scores import COMPARED_SIZE, LEAST_SIZE, MOST_COMPARED, Equal, Evaluation, equal_evaluations
from impasto.evaluation.scores import evaluate as measure
from impasto.models.catalog import is_file
from impasto.painting.load import load, load_foreign
from impasto.painting.stylizer import Stylizer
from impasto.pictures.folders import find_images
from impasto.pictures.sources import file_or_name
from impasto.training.photos import content_photos


@reflowed
def evaluate(
    model: str,
    /,
    *,
    style: FilePath,
    content: FilePath | None = None,
    held_out: FilePath | None = None,
    size: Annotated[int, whole_number(1)] = 512,
    value_range: Annotated[float | None, Parameter(name="--range")] = None,
    fast: Annotated[bool, Switch] = False,
    engine: Annotated[EngineFlags | None, Parameter(name="*")] = None,
    gatys: Annotated[int, whole_number(0)] = 0,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Measure a model on held-out photos: how near the style, how much of the subject, how steady, which artifacts.

    Args:
        model: A shipped style, a style or model file; or another project's ONNX, with --range.
        style: The style picture.
        content: Folder of photos to measure on; default: the four that come with Impasto.
        held_out: Folder, or text file of file names in the content folder, to measure on instead.
        size: Short side of the photos and the style picture, pixels.
        value_range: Another project's ONNX: the value of white at its input and output, 255 or 1.
        fast: Measure the shipped style with the fast network.
        gatys: Number of photos on which to measure how many of Gatys' iterations the model equals, at 384 pixels
            or the size if smaller; slow.
        as_json: Print everything, photo by photo, as one JSON object.
    """
    if size < LEAST_SIZE:
        raise UsageError(f"size must be {LEAST_SIZE} pixels or more, not {size}")
    model = file_or_name(model)
    if fast and is_file(model):
        raise UsageError(NOT_FAST)
    check_picture(style)
    stylizer = _load(model, value_range, fast=fast, engine=engine or EngineFlags())
    if content is not None and held_out is None:
        photos = find_images(content)
    else:
        _, photos = content_photos(content, held_out)
    with progress_bar("measuring", len(photos), quiet=as_json) as bar:
        found = measure(
            stylizer,
            style,
            photos,
            size=size,
            name=Path(model).name,
            progress=lambda done, total: bar.update(done, "photos"),
        )
    for path, reason in found.unreadable.items():
        print(f"left out {path}: {reason}", file=sys.stderr)
    readable = [path for path in photos if str(path) not in found.unreadable]
    equal = equal_evaluations(stylizer, style, readable[:gatys], size=min(size, COMPARED_SIZE)) if gatys else ()
    if as_json:
        print(json.dumps({**asdict(found), "words": found.words, "gatys": [asdict(one) for one in equal]}))
    else:
        _print(found, equal)
    return 0


def _load(model: str, value_range: float | None, *, fast: bool, engine: EngineFlags) -> Stylizer:
    if value_range is not None:
        return load_foreign(model, value_range=value_range, backend=engine.backend, threads=engine.threads)
    return load(
        model,
        variant="fast" if fast else "best",
        backend=engine.backend,
        threads=engine.threads,
        precision="float32",
    )


def _print(found: Evaluation, equal: Sequence[Equal]) -> None:
    print(f"{found.model} on {len(found.photos)} photos at {found.size} px, style {found.style}")
    print(found.words)
    rows = {
        "style distance": f"{found.style_distance:.3f}  (0: the style, 1: the photo)",
        "broad": f"{found.broad:.3f}  (of it, large strokes and shapes)",
        "fine": f"{found.fine:.3f}  (of it, contrast, edges and grain)",
        "form": f"{found.form:.3f}  (0: the photo's form, 1: nothing left of it)",
        "sharp": f"{found.sharp:.2f}  (1: as crisp as the style picture)",
        "contrast": f"{found.contrast_change:.2f}/255  (change when the photo's contrast is cut to a quarter)",
        "noise": f"{found.noise_change:.2f}/255  (change when the photo has noise of 2/255)",
    }
    for name, value in asdict(found.artifacts).items():
        rows[name] = f"{value:.1f}  (limit {getattr(LIMITS, name):g}: {WORDS[name]})"
    rows["seconds"] = f"{found.seconds:.3f}  (per photo, median)"
    rows["content error"] = f"{found.content_error:.3f}  (the papers' terms, with the next two)"
    rows["style error"] = f"{found.style_error:.3f}"
    rows["objective"] = f"{found.objective:.3f}  (content + 4 x style)"
    rows["LPIPS"] = f"{found.lpips:.3f}  (distance from the photo)"
    for name, text in rows.items():
        print(f"{name:14} {text}")
    for fault in complaints(found.artifacts):
        print(f"warning: {fault}")
    for one in equal:
        counts = [f"more than {MOST_COMPARED}" if n is None else str(n) for n in (one.from_content, one.from_noise)]
        print(
            f"{one.photo} at {one.size} px: objective {one.objective:.2f}, equal to Gatys' method after {counts[0]} "
            f"iterations from the photo, {counts[1]} from noise"
        )
