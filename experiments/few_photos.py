"""Claim 4: few training pictures are enough, and training must stop early.

arXiv:1603.03417 and arXiv:1607.08022, section 2: the texture networks trained on 16 pictures were better than those
trained on thousands, and training had to be stopped early. Instance normalization is said to remove both problems.
"""

from collections.abc import Sequence
from typing import Any

from experiments.lab import Lab
from experiments.page import Figure, Part, Plots, Section, mean, minus, ordered, spread, spread_terms, table

NORMS = ("instance", "batch")
FEW = 16
"""The papers' number. The texture network, theirs, is compared at this number and with all photos only."""
STEADY = "texture, steady rate"
"""Trained for the longer time of the budget: measured by few_photos_steady."""
LOOKS = 3
"""Number of evaluations on held-out photos that are averaged, at the end and before it."""
SETTLED = 25
"""The step from which curves are drawn: before it, some rise to twenty times their first value."""


def measure(lab: Lab) -> dict[str, Any]:
    counts = sorted({lab.count(count) for count in lab.budget.photos})
    found: dict[str, Any] = {"counts": {"residual": counts, "texture": [_few(counts), counts[-1]]}}
    for generator, sizes in found["counts"].items():
        for norm in NORMS:
            for count in sizes:
                trained = lab.arms(generator, norm, photos=count, short=True)
                found[f"{generator}, {norm}, {count}"] = {
                    "steps": [point.step for point in trained[0].curve],
                    "objective": [[point.objective for point in one.curve] for one in trained],
                    "last": [[one.last.content, one.last.style, one.last.objective] for one in trained],
                }
    return found


def _few(counts: Sequence[int]) -> int:
    return min(counts, key=lambda count: abs(count - FEW))


def _settled(one: dict[str, Any]) -> tuple[list[float], list[list[float]]]:
    """Steps and curves from :data:`SETTLED` on; the whole of a run that is shorter."""
    begin = next((index for index, step in enumerate(one["steps"]) if step >= SETTLED), 0)
    return one["steps"][begin:], [curve[begin:] for curve in one["objective"]]


def _steps(one: dict[str, Any], begin: int, end: int | None) -> str:
    steps = one["steps"][begin:end]
    return f"{steps[0]}-{steps[-1]}"


def _plot(plots: Plots, name: str, lines: dict[str, dict[str, Any]], title: str) -> Figure:
    """A plot of the objective against training steps, one line for each set of runs."""
    return plots.curves(
        name,
        {label: _settled(one) for label, one in lines.items()},
        x="training steps",
        y="objective on held-out photos",
        title=title,
        log="y",
    )


def _early_stop(norm: str, one: dict[str, Any]) -> Part:
    """Whether training for longer makes the network worse again."""
    looks = min(LOOKS, len(one["steps"]) // 2)
    later, sooner = (
        [mean(curve[a:b]) for curve in one["objective"]] for a, b in ((-looks, None), (-2 * looks, -looks))
    )
    rising = minus(later, sooner)
    lowest = ", ".join(str(one["steps"][curve.index(min(curve))]) for curve in one["objective"])
    return Part(
        f"texture, {norm}: at a steady rate it gets worse again",
        {0: "does not hold here", len(rising): "holds"}.get(sum(x > 0 for x in rising), "holds in part"),
        f"From steps {_steps(one, -2 * looks, -looks)} to {_steps(one, -looks, None)} the objective changes by "
        f"{spread(rising)}; it is lowest at step {lowest}.",
        counts=norm == "batch",
    )


def report(found: dict[str, Any], plots: Plots) -> Section:
    figures, rows = [], []
    parts: list[Part] = []
    ends: dict[str, tuple[list[float], list[list[float]]]] = {}
    for generator, counts in found["counts"].items():
        few, many = _few(counts), counts[-1]
        for norm in NORMS:
            each = {count: found[f"{generator}, {norm}, {count}"] for count in counts}
            lines = {f"{count} photo{'s' * (count > 1)}": one for count, one in each.items()}
            title = f"{generator} generator, {norm} normalization"
            figures.append(_plot(plots, f"few_photos_{generator}_{norm}", lines, title))
            last = {count: [curve[-1] for curve in one["objective"]] for count, one in each.items()}
            best = {count: [min(curve) for curve in one["objective"]] for count, one in each.items()}
            for count, one in each.items():
                lost = minus(last[count], best[count])
                rows.append([generator, norm, count, *spread_terms(*zip(*one["last"], strict=True)), spread(lost)])
            parts.append(
                Part(
                    f"{generator}, {norm}: {few} photos are better than {many}",
                    ordered(last[few], last[many]),
                    f"The objective ends at {spread(last[few])} and {spread(last[many])}.",
                    counts=norm == "batch",
                )
            )
            ends[f"{generator}, {norm}"] = ([*each], [list(seed) for seed in zip(*last.values(), strict=True)])
    steady = {norm: found[f"{STEADY}, {norm}"] for norm in NORMS if f"{STEADY}, {norm}" in found}
    parts += [_early_stop(norm, one) for norm, one in steady.items()]
    if steady:
        lines = {f"{norm} normalization": one for norm, one in steady.items()}
        figures.append(
            _plot(plots, "few_photos_steady", lines, "texture generator, few photos, constant learning rate")
        )
    by_count = plots.curves("few_photos", ends, x="training photos", y="last objective on held-out photos", log="x")
    header = ["generator", "norm", "photos", "content error", "style error", "objective", "last minus best objective"]
    return _section(parts, [by_count, *figures], table(header, rows), is_steady=bool(steady))


def _section(parts: Sequence[Part], figures: Sequence[Figure], numbers: str, *, is_steady: bool) -> Section:
    """The section of the page; ``is_steady``: whether the runs at a constant rate are measured."""
    rule = (
        "few photos are better if the worst seed with few photos ends lower than the best seed with many; in part, if "
        "each seed ends lower with few. The seed decides which photos a set has."
    )
    stopping = "is not measured yet (few_photos_steady): with such a rate the last step is near the best."
    if is_steady:
        rule += (
            f" Training must stop early if for every seed the objective, averaged over {LOOKS} evaluations, is higher "
            "at the end than before; in part, if it is for some seeds."
        )
        stopping = "is tested with other networks: few photos, a constant rate, and the longer time."
    return Section(
        title="Few pictures",
        claim="With batch normalization sixteen training pictures are better than a thousand"
        + (", and training must stop early." if is_steady else "."),
        parts=sorted(parts, key=lambda part: not part.counts),
        rule=rule,
        reason="The texture network, which is the papers', was compared only at the two numbers of the claim. Networks "
        "are trained for the shorter time of the budget, with a learning rate that falls to 0 over its second half. "
        f"Whether training must stop early {stopping}",
        likely="after so few steps, more photos change less than another seed does. In these steps each photo of the "
        "largest set is seen about once, and overfitting to few photos takes longer. The authors judged by eye, mainly "
        "artifacts along the border, which the objective does not measure, and called the objective too hard to learn.",
        figures=figures,
        tables=[numbers],
    )
