"""Claims 4 and 8 at the papers' scale, from the records of results/published."""

from collections.abc import Mapping
from dataclasses import replace

from experiments.at_scale import SHOWN_FROM, Record, at_end, common_step, curves_of, joined, quarters, verdict_of
from experiments.page import Figure, Part, Plots, Section, between, mean, table
from experiments.plan import FEW, STEPS

FEW_PHOTOS, ALL_PHOTOS = f"texture-batch-{FEW}photos-0", "texture-batch-0"
RECIPES = {
    "ulyanov2016": "samples-batch-0",
    "ulyanov2017": "texture-instance-0",
    "johnson2016": "residual32-batch-0",
}
"""The networks that are trained with each recipe, but all in batches of four. The recipe ulyanov2017 has one."""
DRAWN_FROM = 50
"""Step from which the curves of recipes are drawn: at first, objectives are thousands of times the later ones."""


def claim_4(section: Section, records: Mapping[str, Record], plots: Plots) -> Section:
    """The claim on few photos, with batch-normalized texture networks."""
    if FEW_PHOTOS not in records or ALL_PHOTOS not in records:
        return section
    few, every = records[FEW_PHOTOS], records[ALL_PHOTOS]
    step, count = common_step([few, every]), int(every["origin"]["learning"].split()[0])
    if not step:
        return section
    ends = {FEW: at_end(few, step), count: at_end(every, step)}
    ratios = [a / b for a, b in zip(*ends.values(), strict=True)]
    better = Part(
        f"texture pyramid, batch, {step} steps: {FEW} photos are better than {count}",
        verdict_of([ends[FEW]], [ends[count]]),
        f"With {FEW} photos the own objective is {between(ratios, 2)} times that with {count}, over held-out photos; "
        f"lower on {sum(ratio < 1 for ratio in ratios)} of {len(ratios)}. It is {mean(ends[FEW]):.2f} and "
        f"{mean(ends[count]):.2f}.",
    )
    changes = {name: quarters(record, step) for name, record in ((FEW, few), (count, every))}
    rises = {name: [100 * (b / a - 1) for a, b in zip(*both, strict=True)] for name, both in changes.items()}
    found = verdict_of([changes[FEW][0]], [changes[FEW][1]])
    worse = Part(
        f"texture pyramid, batch, {FEW} photos: trained for longer it gets worse again",
        found if step >= STEPS or found != "does not hold here" else "not resolved",  # it may rise later
        f"From the third quarter of {step} steps to the fourth the own objective changes by {between(rises[FEW], 0)} "
        f"%, over held-out photos; with {count} photos by {between(rises[count], 0)} %.",
    )
    lines = {f"{name} training photos": curves_of(record, step) for name, record in ((FEW, few), (count, every))}
    figure = plots.curves(
        "published_few_photos",
        lines,
        x="training steps",
        y="own objective on held-out photos",
        title="texture pyramid, batch normalization",
        over="photos",
        log="y",
    )
    rows = [[f"{name}", between(values, 2), between(rises[name], 0)] for name, values in ends.items()]
    changed = joined(
        section,
        [better, worse],
        table(
            [
                "training photos",
                "own objective at the end",
                "change from the third to the last quarter of the steps, %",
            ],
            rows,
        ),
        reached=f"texture pyramid, batch, {step} steps",
        rule=f"one seed and {len(ratios)} held-out photos of 512 px. A part holds in part if it holds on every photo, "
        "and does not hold if it holds on none. Otherwise it is not resolved. A curve that still "
        f"falls before {STEPS} steps leaves open whether it rises later. There are {count} training photos, not "
        "thousands.",
        source="The first table is made by python -m experiments published --data DATA.",
        replaced=("texture, batch",),
    )
    return replace(changed, figures=[figure, *changed.figures])


def claim_8(section: Section, records: Mapping[str, Record], plots: Plots) -> Section:
    """The recipes: curves and pictures of the networks that are trained with them."""
    there = {name: records[record] for name, record in RECIPES.items() if record in records}
    steps = {name: common_step([record]) for name, record in there.items()}
    steps = {name: step for name, step in steps.items() if step >= SHOWN_FROM}
    if not steps:
        return section
    lines, rows = {}, []
    for name, step in steps.items():
        marks, curves = curves_of(there[name], step, DRAWN_FROM)
        lines[name] = marks, [[value / curve[0] for value in curve] for curve in curves]
        lowered = [curve[-1] / curve[0] for curve in curves]
        rows.append([name, str(step), between([curve[-1] for curve in curves], 2), between(lowered, 2)])
    figure = plots.curves(
        "published_recipes",
        lines,
        x="training steps",
        y=f"own objective / that after {DRAWN_FROM} steps",
        over="held-out photos",
        log="y",
    )
    picture: Figure = (
        "remade_recipes.jpg",
        "A photo, and what the network of each recipe makes of it after so many steps. Curves end at the last "
        "evaluation.",
    )
    header = ["recipe", "steps", "own objective on held-out photos", f"relative to {DRAWN_FROM} steps"]
    changed = joined(
        section,
        [],
        table(header, rows),
        reached="; ".join(f"{name}, {step} steps" for name, step in steps.items()),
        rule="nothing is claimed. Batches are of four squares for all recipes.",
        source="The first table is made by python -m experiments published --data DATA.",
    )
    return replace(changed, figures=[figure, picture, *changed.figures])
