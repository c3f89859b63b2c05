"""Claim 4: few training pictures are enough, and more do not help.

arXiv:1603.03417 and arXiv:1607.08022, section 3: the texture networks learnt from 16 pictures were better than those
learnt from thousands, and training had to be stopped early; instance normalisation is said to lift that.
"""

from typing import Any

from experiments.lab import Arm, Lab
from experiments.page import Plots, Section, mean, spread, table, words_of_order

NORMS = ("instance", "batch")


def measure(lab: Lab) -> dict[str, Any]:
    found: dict[str, Any] = {"counts": [min(count, len(lab.learning)) for count in lab.budget.photos]}
    for norm in NORMS:
        for count in lab.budget.photos:
            learnt = [lab.learn(Arm("residual", norm, seed, photos=count)) for seed in lab.budget.seeds]
            found[f"{norm}, {count}"] = {
                "steps": [point.step for point in learnt[0].curve],
                "objective": [[point.objective for point in one.curve] for one in learnt],
                "last": [[one.last.content, one.last.style, one.last.objective] for one in learnt],
            }
    found["asked"] = list(lab.budget.photos)
    return found


def report(found: dict[str, Any], plots: Plots) -> Section:
    figures, rows, regret = [], [], {}
    asked = found["asked"]
    for norm in NORMS:
        each = {count: found[f"{norm}, {count}"] for count in asked}
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
        for count, one in each.items():
            last = [curve[-1] for curve in one["objective"]]
            early = [min(curve) for curve in one["objective"]]
            regret[norm, count] = mean([a - b for a, b in zip(last, early, strict=True)])
            columns = zip(*one["last"], strict=True)
            rows.append([norm, count, *(spread(list(column)) for column in columns), f"{regret[norm, count]:.3f}"])
    few = min(asked, key=lambda count: abs(count - 16))
    verdicts = {
        norm: words_of_order(
            *([curve[-1] for curve in found[f"{norm}, {count}"]["objective"]] for count in (few, asked[-1]))
        )
        for norm in NORMS
    }
    told = "; ".join(f"{norm}: {few} better than {asked[-1]}: {word}" for norm, word in verdicts.items())
    stopping = "; ".join(
        f"{norm}: stopping at the best moment would have gained "
        f"{max(regret[norm, count] for count in asked):.3f} at most"
        for norm in NORMS
    )
    words = set(verdicts.values())
    return Section(
        title="Few pictures",
        claim="Sixteen training pictures are better than a thousand, and training must stop early.",
        verdict=words.pop() if len(words) == 1 else "holds in part",
        reason=f"{told}. {stopping}. Squares are cut at random places and scales from the photos, at every step anew.",
        figures=figures,
        tables=[
            table(["norm", "photos", "content error", "style error", "objective", "last minus best objective"], rows)
        ],
    )
