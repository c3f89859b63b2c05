"""Claim 1: with instance normalisation a generator learns better than with batch normalisation.

arXiv:1607.08022, section 4 and figures 3 and 5: for both generators, replacing batch by instance normalisation lowers
the objective and makes the pictures better. Also eq. 1 (contrast normalisation) and no normalisation.
"""

from typing import Any

from experiments.lab import Arm, Lab, Learnt
from experiments.page import Plots, Section, sheet, spread, table, words_of_order

GENERATORS = ("residual", "texture")
NORMS = ("instance", "batch", "contrast", "none")


def arms(lab: Lab, generator: str, norm: str) -> list[Learnt]:
    """This network, once for each seed."""
    return [lab.learn(Arm(generator, norm, seed)) for seed in lab.budget.seeds]


def measure(lab: Lab) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for generator in GENERATORS:
        rows = []
        for norm in NORMS:
            learnt = arms(lab, generator, norm)
            found[f"{generator}, {norm}"] = {
                "steps": [point.step for point in learnt[0].curve],
                **{
                    term: [[getattr(point, term) for point in one.curve] for one in learnt]
                    for term in ("content", "style", "objective")
                },
                "seconds": [one.seconds for one in learnt],
            }
            rows.append([lab.picture(learnt[0].generator, number) for number in range(min(3, len(lab.judges)))])
        columns = [list(column) for column in zip(lab.held_out[: len(rows[0])], *rows, strict=True)]
        sheet(lab, f"norms_{generator}", [[lab.style, *column] for column in columns], ("style", "photo", *NORMS))
    return found


def report(found: dict[str, Any], plots: Plots) -> Section:
    figures, tables, held = [], [], []
    for generator in GENERATORS:
        ours = {norm: found[f"{generator}, {norm}"] for norm in NORMS}
        figures.append(
            plots.curves(
                f"norms_{generator}_curves",
                {norm: (one["steps"], one["objective"]) for norm, one in ours.items()},
                x="training steps",
                y="objective on held-out photos",
                title=f"{generator} generator",
                log=True,
            )
        )
        figures.append((f"norms_{generator}.jpg", f"The {generator} generator after the last step, first seed."))
        rows = [
            [norm, *(spread([curve[-1] for curve in one[term]]) for term in ("content", "style", "objective"))]
            for norm, one in ours.items()
        ]
        tables.append(table([f"{generator} generator", "content error", "style error", "objective"], rows))
        best, worst = ([curve[-1] for curve in ours[norm]["objective"]] for norm in ("instance", "batch"))
        held.append(words_of_order(best, worst))
    return Section(
        title="Instance against batch normalisation",
        claim="Replacing batch by instance normalisation lowers the objective of both generators.",
        verdict="holds"
        if set(held) == {"holds"}
        else "does not hold here"
        if set(held) == {"does not hold here"}
        else "holds in part",
        reason="; ".join(
            f"{generator}: instance against batch normalisation {word}"
            for generator, word in zip(GENERATORS, held, strict=True)
        )
        + ". A claim holds where the worst seed of the one is better than the best of the other, in part where "
        "only the means are in order.",
        figures=figures,
        tables=tables,
    )
