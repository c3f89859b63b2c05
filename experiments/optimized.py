"""Claim 5 at the papers' scale: Gatys' optimization of the residual network's own objective, on held-out photos.

    python -m experiments optimized --data FOLDER [--photos 3] [--evaluations 150]

What L-BFGS reaches does not depend on how long a network was trained, so the curves are kept beside the records and
compared with the networks when the page is written. An evaluation takes one to three seconds of one core.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from experiments.at_scale import GENERATORS, joined
from experiments.iterations import ENOUGH, STARTS, equal
from experiments.page import Part, Plots, Section, table
from experiments.plan import NORMS, STAGES, studio_for
from experiments.published import Studio
from impasto.errors import ImpastoError, TrainingError
from impasto.files import replacing
from impasto.optimize.gatys import GatysConfig, optimize

FILE = "optimized.json"
TITLE = next(title for title, name in GENERATORS.items() if name == "residual16")
ARM = STAGES[0].arms[0]
"""The network whose objective is optimized: all residual networks have the same one."""


def measure(studio: Studio, photos: int, evaluations: int) -> dict[str, Any]:
    """The objective after each evaluation of L-BFGS, by start and photo.

    The objective is the one that :meth:`Studio.evaluate` reports of a network as its own.
    """
    config = GatysConfig(
        objective=ARM.recipe.objective,
        evaluations=evaluations,
        size=studio.scale.photo_size,
        style_size=studio.scale.crop,
    )
    found: dict[str, Any] = {"photos": [path.name for path in studio.held_out_files[:photos]]}
    for start in STARTS:
        found[start] = []
        for name, photo in zip(found["photos"], studio.held_out, strict=False):
            result = optimize(photo, studio.style, replace(config, start=start), network=studio.network)
            if not result.finished:
                raise KeyboardInterrupt
            found[start].append([float(f"{point.objective:.5g}") for point in result.curve])
            found["seconds"] = round(result.curve[-1].seconds / len(result.curve), 2)
            studio.say(f"{name} from {start}: {found[start][-1][0]:.4g}, at the end {min(found[start][-1]):.4g}")
    return found


def claim_5(section: Section, uses: Mapping[str, Any], curves: Mapping[str, Any], plots: Plots) -> Section:
    """The claim on iterations, with the networks of claim 1; ``curves`` are those of :func:`measure`."""
    names = {norm: f"{GENERATORS[TITLE]}-{norm}-0" for norm in NORMS}
    if not curves or any(name not in uses.get("networks", {}) for name in names.values()):
        return section
    if uses["photos"][: len(curves["photos"])] != curves["photos"]:
        return section
    used = {norm: uses["networks"][name] for norm, name in names.items()}
    networks = {
        norm: [photo["as_trained"] for photo in one["photos"][: len(curves["photos"])]] for norm, one in used.items()
    }
    photo_itself = [curve[0] for curve in curves["content"]]
    systems = {f"residual, {norm}": values for norm, values in networks.items()} | {"the photo itself": photo_itself}
    evaluations = len(curves["noise"][0])
    counts = {
        (name, start): [equal({"objective": curve}, value) for curve, value in zip(curves[start], values, strict=True)]
        for name, values in systems.items()
        for start in STARTS
    }
    count, floor = (statistics.median(counts[name, "noise"]) for name in (f"residual, {NORMS[0]}", "the photo itself"))
    verdict = "holds" if count >= ENOUGH else "holds in part" if count >= 2 * floor else "does not hold here"
    part = Part(
        f"residual, 512 px, its own objective: equals {ENOUGH} evaluations from noise",
        verdict,
        f"{_counted(counts[f'residual, {NORMS[0]}', 'noise'], evaluations)}, median and range over "
        f"{len(photo_itself)} photos; batch {_counted(counts[f'residual, {NORMS[1]}', 'noise'], evaluations)}; the "
        f"photo itself {_counted(counts['the photo itself', 'noise'], evaluations)}.",
    )
    rows = [
        [name, *(f"{value:.2f}" for value in values), *(_counted(counts[name, start], evaluations) for start in STARTS)]
        for name, values in systems.items()
    ]
    header = ["own objective", *curves["photos"], "equals, from the photo", "equals, from noise"]
    figure = plots.curves(
        "published_iterations",
        {
            f"L-BFGS from {'the photo' if start == 'content' else 'noise'}": (
                list(range(1, evaluations + 1)),
                [_lowest(curve) for curve in curves[start]],
            )
            for start in STARTS
        },
        x="evaluations of the objective",
        y="own objective",
        title="512 px, the papers' scale",
        over="photos",
        log="y",
        levels={name: values for name, values in systems.items() if name != "the photo itself"},
        top=2 * max(photo_itself),
    )
    changed = joined(
        section,
        [part],
        table(header, rows),
        reached=f"{TITLE}, {' and '.join(sorted({str(used[norm]['step']) for norm in NORMS}))} steps",
        rule=f"one seed and {len(photo_itself)} held-out photos of 512 px. The number is the median over photos of the "
        "evaluations after which L-BFGS from noise is as low as the network. It holds with "
        f"{ENOUGH} or more; in part, with at least twice those after which it is as low as the photo itself.",
        source="The first table is made by python -m experiments optimized --data DATA and python -m experiments "
        "figures --data DATA.",
    )
    return replace(
        changed,
        parts=[part, *(replace(one, counts=False) for one in changed.parts[1:])],
        figures=[figure, *changed.figures],
        cost="",
    )


def _lowest(curve: Sequence[float]) -> list[float]:
    """The lowest value so far: a line search tries worse ones on the way."""
    return [min(curve[: number + 1]) for number in range(len(curve))]


def _counted(counts: Sequence[int], evaluations: int) -> str:
    """Median and range of numbers of evaluations, of which the curves have so many."""
    named = [f"more than {evaluations}" if count > evaluations else str(count) for count in sorted(counts)]
    median = statistics.median(counts)
    middle = f"more than {evaluations}" if median > evaluations else f"{median:.0f}"
    return f"{middle} ({named[0]} to {named[-1]})" if len({*counts}) > 1 else middle


def main(arguments: Sequence[str], say: Callable[[str], None]) -> int:
    """Measure, and keep the curves; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m experiments optimized", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with content/open and styles; else the built-in photos")
    parser.add_argument("--photos", type=int, default=3, help="how many held-out photos")
    parser.add_argument("--evaluations", type=int, default=150, help="of the objective, for each photo and start")
    parser.add_argument("--quick", action="store_true", help="tiny: shows that everything runs")
    parser.add_argument("--work", type=Path, default=Path("runs/paper"), help="folder of a quick run's records")
    options = parser.parse_args(arguments)
    photos, evaluations = (1, 4) if options.quick else (options.photos, options.evaluations)
    try:
        studio = studio_for(options.data, options.work, quick=options.quick, device=torch.device("cpu"), say=say)
        found = measure(studio, photos, evaluations)
        studio.records.mkdir(parents=True, exist_ok=True)
        with replacing(studio.records / FILE, TrainingError) as part:
            part.write_text(json.dumps(found) + "\n", encoding="utf-8")
    except ImpastoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
