"""Claim 4: few training pictures are enough, and training must stop early.

arXiv:1603.03417 and arXiv:1607.08022, section 3: the texture networks learnt from 16 pictures were better than those
learnt from thousands, and training had to be stopped early; instance normalisation is said to lift both.
"""

from typing import Any

from experiments.lab import Lab
from experiments.page import Plots, Section, combined, mean, ordered, spread, table

NORMS = ("instance", "batch")


def measure(lab: Lab) -> dict[str, Any]:
    found: dict[str, Any] = {"counts": sorted({lab.count(count) for count in lab.budget.photos})}
    for norm in NORMS:
        for count in found["counts"]:
            learnt = lab.arms("residual", norm, photos=count)
            found[f"{norm}, {count}"] = {
                "steps": [point.step for point in learnt[0].curve],
                "objective": [[point.objective for point in one.curve] for one in learnt],
                "last": [[one.last.content, one.last.style, one.last.objective] for one in learnt],
            }
    return found


def report(found: dict[str, Any], plots: Plots) -> Section:
    counts = found["counts"]
    few, many = min(counts, key=lambda count: abs(count - 16)), counts[-1]
    figures, rows, better, early = [], [], {}, {}
    for norm in NORMS:
        each = {count: found[f"{norm}, {count}"] for count in counts}
        figures.append(
            plots.curves(
                f"few_photos_{norm}",
                {f"{count} photos": (one["steps"], one["objective"]) for count, one in each.items()},
                x="training steps",
                y="objective on held-out photos",
                title=f"{norm} normalisation",
                log=True,
            )
        )
        last = {count: [curve[-1] for curve in one["objective"]] for count, one in each.items()}
        best = {count: [min(curve) for curve in one["objective"]] for count, one in each.items()}
        for count, one in each.items():
            lost = [a - b for a, b in zip(last[count], best[count], strict=True)]
            rows.append([norm, count, *(spread(list(x)) for x in zip(*one["last"], strict=True)), spread(lost)])
        better[norm] = ordered(last[few], last[many])
        # Early stopping: with few photos the last step is worse than the best before it by more than the seeds differ.
        differ = max(last[few]) - min(last[few])
        early[norm] = "holds" if mean(last[few]) - mean(best[few]) > differ else "does not hold here"
    told = "; ".join(
        f"{norm}: {few} better than {many} photos: {better[norm]}; stopping early pays: {early[norm]}" for norm in NORMS
    )
    return Section(
        title="Few pictures",
        claim="With batch normalisation sixteen training pictures are better than a thousand, and training must stop "
        "early.",
        verdict=combined([better["batch"], early["batch"]]),
        rule="Two parts, of which both must hold: the worst seed with few photos ends better than the best with many; "
        "and the last step is worse than the best before it by more than the seeds differ. The same with instance "
        "normalisation is beside it. Which photos a set has is drawn by the seed.",
        reason=f"{told}. The budget's steps see each photo of the largest set about once: what the thousands of steps "
        "of the papers would do to it, this cannot show.",
        figures=figures,
        tables=[
            table(["norm", "photos", "content error", "style error", "objective", "last minus best objective"], rows)
        ],
    )
