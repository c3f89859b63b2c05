"""Claim 4: few training pictures are enough, and training must stop early.

arXiv:1603.03417 and arXiv:1607.08022, section 3: the texture networks learnt from 16 pictures were better than those
learnt from thousands, and training had to be stopped early; instance normalisation is said to lift both.
"""

from collections.abc import Sequence
from typing import Any

from experiments.lab import Lab
from experiments.page import Plots, Section, combined, mean, ordered, spread, table

NORMS = ("instance", "batch")
FEW = 16
"""The papers' number; the texture network, theirs, is compared at it and at all photos alone."""


def measure(lab: Lab) -> dict[str, Any]:
    counts = sorted({lab.count(count) for count in lab.budget.photos})
    found: dict[str, Any] = {"counts": {"residual": counts, "texture": [_few(counts), counts[-1]]}}
    for generator, sizes in found["counts"].items():
        for norm in NORMS:
            for count in sizes:
                learnt = lab.arms(generator, norm, photos=count, short=True)
                found[f"{generator}, {norm}, {count}"] = {
                    "steps": [point.step for point in learnt[0].curve],
                    "objective": [[point.objective for point in one.curve] for one in learnt],
                    "last": [[one.last.content, one.last.style, one.last.objective] for one in learnt],
                }
    return found


def _few(counts: Sequence[int]) -> int:
    return min(counts, key=lambda count: abs(count - FEW))


def report(found: dict[str, Any], plots: Plots) -> Section:
    figures, rows, told = [], [], []
    judged: list[str] = []
    for generator, counts in found["counts"].items():
        few, many = _few(counts), counts[-1]
        for norm in NORMS:
            each = {count: found[f"{generator}, {norm}, {count}"] for count in counts}
            figures.append(
                plots.curves(
                    f"few_photos_{generator}_{norm}",
                    {f"{count} photos": (one["steps"], one["objective"]) for count, one in each.items()},
                    x="training steps",
                    y="objective on held-out photos",
                    title=f"{generator} generator, {norm} normalisation",
                    log=True,
                )
            )
            last = {count: [curve[-1] for curve in one["objective"]] for count, one in each.items()}
            best = {count: [min(curve) for curve in one["objective"]] for count, one in each.items()}
            for count, one in each.items():
                lost = [a - b for a, b in zip(last[count], best[count], strict=True)]
                terms = (spread(list(x)) for x in zip(*one["last"], strict=True))
                rows.append([generator, norm, count, *terms, spread(lost)])
            better = ordered(last[few], last[many])
            # Early stopping: the last step is worse than the best before it by more than the seeds differ.
            differ = max(last[few]) - min(last[few])
            early = "holds" if mean(last[few]) - mean(best[few]) > differ else "does not hold here"
            told.append(f"{generator}, {norm}: {few} better than {many} photos: {better}; stopping early pays: {early}")
            if norm == "batch":
                judged += [better, early]
    return Section(
        title="Few pictures",
        claim="With batch normalisation sixteen training pictures are better than a thousand, and training must stop "
        "early.",
        verdict=combined(judged),
        rule="Two parts, of which both must hold, for both generators: the worst seed with few photos ends better than "
        "the best with many; and the last step is worse than the best before it by more than the seeds differ. The "
        "same with instance normalisation is beside it. Which photos a set has is drawn by the seed.",
        reason="; ".join(told) + ". The texture network, the papers' own, was compared at the two numbers of the claim "
        "alone.",
        likely="the budget's steps see each photo of the largest set about once. Learning the few photos by heart, "
        "which stopping early is against, takes the thousands of steps that the papers' runs had and these had not.",
        figures=figures,
        tables=[
            table(
                [
                    "generator",
                    "norm",
                    "photos",
                    "content error",
                    "style error",
                    "objective",
                    "last minus best objective",
                ],
                rows,
            )
        ],
    )
