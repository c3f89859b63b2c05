"""Claim 1 at the papers' scale, from the records of results/published."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from experiments.costs import cost_of
from experiments.page import Figure, Part, Plots, Section, between, mean, minus, ordered, table
from experiments.plan import NORMS, STEPS, Cost

Record = Mapping[str, Any]
Pairs = Mapping[int, Mapping[str, Record]]
"""By seed, the records of a generator's networks by their normalization."""

GENERATORS = {"residual, half width": "residual16", "residual, full width": "residual32", "texture pyramid": "texture"}
SEEDS = 3
"""So many are needed for "holds": one seed may be lucky."""
LAST = 0.75
"""Of its steps, after which the marks of a curve are averaged: constant learning rates leave curves noisy."""
SHOWN_FROM = 200
"""Steps before which a generator's curves and pictures are folded: there is nothing in them yet."""
LEVEL = 5.0
"""Percent by which a curve that has leveled off changes at most between the last two quarters of its steps."""
FITTED_FROM = 100
"""Step from which the extrapolation is fitted."""
COLUMNS = ("own content", "own style", "own", "content", "style", "objective")
"""Of a held-out photo in a record; the style terms are not weighted yet."""
HEADER = ("own content", "own style, smoothness", "own objective", "content error", "style error", "objective")
"""Of the table: the own objective's terms are weighted, so that they add up to it."""


def photos(record: Record, column: str = "own") -> dict[int, list[float]]:
    """By step, the values of the held-out photos."""
    place = COLUMNS.index(column)
    return {step: [row[place] for row in rows] for step, rows in record["held_out"]}


def at_end(record: Record, upto: int, column: str = "own") -> list[float]:
    """Of each held-out photo, the mean over the last marks until this step."""
    found = [values for step, values in photos(record, column).items() if LAST * upto <= step <= upto]
    return [mean(values) for values in zip(*found, strict=True)]


def curves_of(record: Record, upto: int, begin: int = 1) -> tuple[list[int], list[list[float]]]:
    """The steps of the evaluations from ``begin`` to ``upto``, and the own objective of each held-out photo at them."""
    marks = {step: values for step, values in photos(record).items() if begin <= step <= upto}
    return [*marks], [list(curve) for curve in zip(*marks.values(), strict=True)]


def quarters(record: Record, step: int) -> tuple[list[float], list[float]]:
    """Of each held-out photo, the means over the third and over the last quarter of the steps.

    If there is no evaluation in the third quarter, the last one before it takes its place.
    """
    marks = photos(record)
    third = [values for mark, values in marks.items() if step / 2 <= mark < LAST * step]
    third = third or [values for mark, values in marks.items() if mark < step / 2][-1:]
    return [mean(values) for values in zip(*third, strict=True)], at_end(record, step)


def common_step(records: Sequence[Record]) -> int:
    """The last mark that all have reached."""
    return int(min(record["held_out"][-1][0] for record in records))


def extrapolated(record: Record, upto: int, to: int = STEPS) -> list[float]:
    """Of each held-out photo, what a power law through its curve so far reaches at that step."""
    marks = {step: values for step, values in photos(record).items() if FITTED_FROM <= step <= upto}
    xs = [math.log(step) for step in marks]
    found = []
    for curve in zip(*marks.values(), strict=True):
        ys = [math.log(value) for value in curve]
        x, y = mean(xs), mean(ys)
        slope = sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)
        found.append(math.exp(y + slope * (math.log(to) - x)))
    return found


def claim_1(
    records: Mapping[str, Record], plots: Plots, costs: Sequence[Cost], uses: Mapping[str, Any]
) -> Section | None:
    """Instance against batch normalization; None while no pair of arms is there."""
    pairs = {title: _seeds(records, name) for title, name in GENERATORS.items()}
    pairs = {title: seeds for title, seeds in pairs.items() if seeds}
    if not pairs:
        return None
    finished = [pair for seeds in pairs.values() for pair in seeds.values() if common_step([*pair.values()]) >= STEPS]
    parts: list[Part] = []
    curves: list[Figure] = []
    early: list[Figure] = []
    rows: list[list[str]] = []
    for title, seeds in pairs.items():
        for number, (group, step) in enumerate(_groups(seeds)):
            parts.append(_compared(title, group, step))
            if number == 0:
                parts += [*_later(title, group, step, finished), _yardstick(title, group, step)]
            name = GENERATORS[title] + ("_seeds" if number else "")
            (curves if step >= SHOWN_FROM else early).append(_curves(name, title, group, step, plots))
            rows += _rows(title, group, step)
    pictures = [
        (
            "remade_5_512.jpg",
            "The paper's figure 5 again: batch normalization above, instance normalization below; one photo, one "
            "style, 512 px. The paper's caption compares both generators in the same way, and states that both "
            f"benefit. A generator is shown from {SHOWN_FROM} steps on. Curves end at the last evaluation.",
        ),
        (
            "remade_5_1080.jpg",
            "The same networks at 1080 px, the larger of the paper's sizes; the photo is enlarged to it.",
        ),
        ("remade_5_detail.jpg", "The middle of the pictures at 1080 px, pixel by pixel."),
        (
            "remade_3.jpg",
            "Two corners, each pixel enlarged three times, the borders, as in the paper's figure 3; here with the "
            "published padding and both normalizations.",
        ),
    ]
    if not curves:
        pictures = []  # no network has taken enough steps to be shown
    tables = [table(["generator", "normalization", "steps", "seeds", *HEADER], rows), *_measures(uses)]
    return Section(
        title="Instance against batch",
        claim="Replacing batch by instance normalization lowers the objective that the generator is trained for, on "
        "photos that it has never seen.",
        parts=parts,
        rule="The mean of each curve over its last quarter is compared; of few evaluations it is the last one. With "
        f"{SEEDS} seeds or more, a part holds if the worst seed with instance normalization is lower than the best "
        "with batch normalization, and in part if each is lower than the same seed. With fewer seeds it holds in part "
        "if every held-out photo is lower, and does not hold if none is. Otherwise it is not resolved. A prediction is "
        f"a power law through each photo's curve from step {FITTED_FROM} on.",
        reason="Both networks of a pair start with the same weights and see the same squares in the same order. Batch "
        "normalization is used with running averages, as published. Steps, photos and hashes are in the records."
        + _continued(pairs),
        figures=[*curves[:1], *pictures[:1], *curves[1:], *early, *pictures[1:]],
        tables=tables,
        budget=_budget(pairs),
        cost=cost_of("norms", costs),
        shown=len(curves),
        source="Made by python -m experiments published --data DATA; the measures of impasto evaluate by python -m "
        "experiments figures --data DATA.",
    )


def _continued(pairs: Mapping[str, Pairs]) -> str:
    """Where training went on without Adam's moments, which curves show; starts with a space."""
    breaks = {
        f"{title}, seed {seed}": sorted({step for record in pair.values() for step in record["continued"]})
        for title, seeds in pairs.items()
        for seed, pair in seeds.items()
    }
    named = "; ".join(f"{title}: step {' and '.join(map(str, steps))}" for title, steps in breaks.items() if steps)
    if not named:
        return ""
    return f" Where training went on without the moments of Adam, objectives can rise for some hundred steps ({named})."


def _seeds(records: Mapping[str, Record], name: str) -> Pairs:
    """By seed, both networks of a generator, where both have been evaluated after some steps."""
    found = {}
    for seed in range(SEEDS):
        pair = {norm: records[f"{name}-{norm}-{seed}"] for norm in NORMS if f"{name}-{norm}-{seed}" in records}
        if len(pair) == len(NORMS) and common_step([*pair.values()]) > 0:
            found[seed] = pair
    return found


def _groups(seeds: Pairs) -> Sequence[tuple[Pairs, int]]:
    """The seeds that have come furthest, and their step; then all from :data:`SHOWN_FROM` on, and their least step.

    The latter are left out if they are the same.
    """
    reached = {seed: common_step([*pair.values()]) for seed, pair in seeds.items()}
    furthest = max(reached.values())
    groups = [({seed: pair for seed, pair in seeds.items() if reached[seed] == furthest}, furthest)]
    shown = {seed: pair for seed, pair in seeds.items() if reached[seed] >= SHOWN_FROM}
    if len(shown) > len(groups[0][0]):
        groups.append((shown, min(reached[seed] for seed in shown)))
    return groups


def _rows(title: str, seeds: Pairs, step: int) -> list[list[str]]:
    """Of the table of ends, for each normalization."""
    rows = []
    for norm in NORMS:
        ends = {
            column: [mean(at_end(pair[norm], step, column)) for pair in seeds.values()]
            for column in COLUMNS
            if column != "own style"
        }
        own, content = ends["own"], ends["own content"]
        cells = [content, minus(own, content), own, *(ends[column] for column in COLUMNS[3:])]
        rows.append([title, norm, str(step), str(len(seeds)), *(between(values, 2) for values in cells)])
    return rows


def verdict_of(low: Sequence[Sequence[float]], high: Sequence[Sequence[float]]) -> str:
    """How far ``low`` is below ``high``, each with the values of the held-out photos, seed by seed.

    With :data:`SEEDS` seeds or more it is the order of their means; with fewer it depends on every photo.
    """
    if len(low) >= SEEDS:
        return ordered([mean(one) for one in low], [mean(one) for one in high])
    lower = [a < b for one, other in zip(low, high, strict=True) for a, b in zip(one, other, strict=True)]
    return "holds in part" if all(lower) else "not resolved" if any(lower) else "does not hold here"


def _compared(title: str, seeds: Pairs, step: int) -> Part:
    ends = {norm: [at_end(pair[norm], step) for pair in seeds.values()] for norm in NORMS}
    pairs = [pair for both in zip(ends["instance"], ends["batch"], strict=True) for pair in zip(*both, strict=True)]
    return Part(
        f"{title}, {step} steps, {_counted(len(seeds))}: lower objective with instance normalization",
        verdict_of(ends["instance"], ends["batch"]),
        f"Batch is {between([b / a for a, b in pairs], 2)} times instance, over photos; instance is lower on "
        f"{sum(b > a for a, b in pairs)} of {len(pairs)}. Batch "
        f"{between([mean(photo) for photo in ends['batch']], 2)}, instance "
        f"{between([mean(photo) for photo in ends['instance']], 2)}.",
    )


def _counted(seeds: int) -> str:
    return f"{seeds} seed{'s' * (seeds > 1)}"


def _later(title: str, seeds: Pairs, step: int, finished: Sequence[Mapping[str, Record]]) -> list[Part]:
    """Whether the curves have leveled off, and which network would be ahead at the end of the plan.

    Where networks of ``finished`` have come to its end, the same prediction from their first steps is compared with it.
    """
    marks = [mark for mark in photos(next(iter(seeds.values()))["instance"]) if 0 < mark <= step]
    ratios = {
        mark: mean(
            [mean(photos(pair["batch"])[mark]) / mean(photos(pair["instance"])[mark]) for pair in seeds.values()]
        )
        for mark in marks
    }
    doubled = [mark for mark in marks if mark == step or mark in {50 * 2**power for power in range(10)}]
    trend = f"Batch divided by instance is {', '.join(f'{ratios[mark]:.2f} at {mark}' for mark in doubled)} steps. "
    changes = {norm: _change([pair[norm] for pair in seeds.values()], step) for norm in NORMS}
    leveled = Part(
        f"{title}: the curves have leveled off after {step} steps",
        "holds" if max(map(abs, changes.values())) <= LEVEL else "does not hold here",
        f"{trend}From the third quarter of the steps to the fourth, batch changed by {changes['batch']:.0f} % and "
        f"instance by {changes['instance']:.0f} % (the limit is {LEVEL:g} %).",
        counts=False,
    )
    if step >= STEPS or sum(mark >= FITTED_FROM for mark in marks) < 3:
        return [leveled]
    predicted = {norm: [extrapolated(pair[norm], step) for pair in seeds.values()] for norm in NORMS}
    every = {norm: [value for photo in predicted[norm] for value in photo] for norm in NORMS}
    lower = sum(a < b for a, b in zip(every["instance"], every["batch"], strict=True))
    return [
        leveled,
        Part(
            f"{title}: lower objective with instance normalization after {STEPS} steps, predicted",
            verdict_of(predicted["instance"], predicted["batch"]),
            f"Power laws predict batch {between(every['batch'], 1)} and instance {between(every['instance'], 1)}, over "
            f"photos; instance is lower on {lower} of {len(every['batch'])}. {_checked(finished, step)}",
            counts=False,
        ),
    ]


def _checked(finished: Sequence[Mapping[str, Record]], step: int) -> str:
    """How far such predictions from this step are from what finished networks reached, over their last marks."""
    errors = []
    for record in (record for pair in finished for record in pair.values()):
        marks = [mark for mark in photos(record) if LAST * STEPS <= mark <= STEPS]
        predictions = zip(*(extrapolated(record, step, mark) for mark in marks), strict=True)
        for predicted, reached in zip(predictions, at_end(record, STEPS), strict=True):
            errors.append(100 * (mean(predicted) / reached - 1))
    if not errors:
        return ""
    return f"From as many steps of networks that have taken {STEPS}, power laws are off by {between(errors, 0)} %."


def _change(records: Sequence[Record], step: int) -> float:
    """By how many percent the mean objective changes from the third quarter of the steps to the fourth."""
    third, fourth = (
        mean([mean(photo) for photo in quarter])
        for quarter in zip(*(quarters(record, step) for record in records), strict=True)
    )
    return 100 * (fourth / third - 1)


def _yardstick(title: str, seeds: Pairs, step: int) -> Part:
    """The same by the measure that all other reports use, which these networks were not trained for."""
    ends = {norm: [at_end(pair[norm], step, "objective") for pair in seeds.values()] for norm in NORMS}
    differences = [b - a for both in zip(*ends.values(), strict=True) for a, b in zip(*both, strict=True)]
    return Part(
        f"{title}, {step} steps: lower by our yardstick",
        verdict_of(ends["instance"], ends["batch"]),
        f"Batch minus instance is {between(differences, 2)}, over photos; batch "
        f"{between([mean(one) for one in ends['batch']], 2)}, instance "
        f"{between([mean(one) for one in ends['instance']], 2)}.",
        counts=False,
    )


def _curves(name: str, title: str, seeds: Pairs, step: int, plots: Plots) -> tuple[str, str]:
    """The own objective against steps; the band is over photos where there is one seed."""
    lines = {}
    for norm in NORMS:
        curves = [curves_of(pair[norm], step) for pair in seeds.values()]
        steps, values = curves[0]
        if len(curves) > 1:
            values = [[mean(at_step) for at_step in zip(*each, strict=True)] for _, each in curves]
        lines[norm] = (steps, values)
    return plots.curves(
        f"published_{name}",
        lines,
        x="training steps",
        y="own objective on held-out photos",
        title=title,
        over="photos" if len(seeds) == 1 else "seeds",
        log="y",
    )


def _budget(pairs: Mapping[str, Pairs]) -> str:
    reached = [
        f"{title} " + " and ".join(f"{step} steps, {_counted(len(group))}" for group, step in _groups(seeds))
        for title, seeds in pairs.items()
    ]
    return f"papers' scale: {'; '.join(reached)}"


def _measures(uses: Mapping[str, Any]) -> list[str]:
    """The measures of `impasto evaluate`, beside the papers' objectives."""
    rows = []
    for network, used in uses.get("networks", {}).items():
        measured = [photo["measures"] for photo in used["photos"] if "measures" in photo]
        names = [*measured[0]]
        rows.append([network, str(used["step"]), *(between([one[name] for one in measured], 2) for name in names)])
    if not rows:
        return []
    called = [name.replace("_", " ") for name in names]
    return [table(["measures of impasto evaluate (docs/measures.md), over photos", "steps", *called], rows)]


def joined(
    section: Section,
    parts: Sequence[Part],
    more: str,
    *,
    reached: str,
    rule: str,
    source: str,
    replaced: tuple[str, ...] = (),
) -> Section:
    """The section of the small budget with parts and a table of the papers' scale before its own.

    Args:
        section: that of the small budget. Its parts and figures are marked.
        parts: of the papers' scale.
        more: the table, as HTML.
        reached: the networks and their steps.
        rule: when the verdict on a part of the papers' scale is which.
        source: what makes the numbers of the papers' scale, a sentence.
        replaced: beginnings of the names of parts of the small budget that no longer count.
    """
    old = [
        replace(part, name=f"small budget, {part.name}", counts=part.counts and not part.name.startswith(replaced))
        for part in section.parts
    ]
    return replace(
        section,
        parts=[*parts, *old],
        budget=f"papers' scale ({reached}), and the small budget",
        tables=[more, *section.tables],
        figures=[(file, f"Small budget: {caption}") for file, caption in section.figures],
        rule=f"At the papers' scale: {rule} At the small budget: {section.rule}",
        reason=f"Small budget: {section.reason}" if section.reason else "",
        likely=f"small budget: {section.likely}" if section.likely else "",
        source=source,
    )
