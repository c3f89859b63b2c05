"""Claims 2 and 3 at the papers' scale, from results/published/uses.json: the networks of claim 1 in other uses."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from experiments.at_scale import GENERATORS, SEEDS, joined, verdict_of
from experiments.contrast import SMALL
from experiments.page import Part, Section, between, mean, minus, table
from experiments.plan import NORMS

Uses = Mapping[str, Any]
Seeds = Mapping[int, Mapping[str, Any]]
"""By seed and normalization, the steps of a network and what was measured of each photo."""
REPLACED = (
    *(f"{generator}: running averages are worse" for generator in ("residual", "texture")),
    "instance: changes less than batch",
    "instance: contrast drops out",
)
"""Beginnings of parts of the small budget that no longer count where the papers' scale has them."""


def measured_pairs(uses: Uses) -> dict[str, Seeds]:
    """By generator, the seeds of which both networks are measured after equally many steps."""
    found: dict[str, Seeds] = {}
    for title, name in GENERATORS.items():
        networks = uses.get("networks", {})
        seeds = {seed: {norm: networks.get(f"{name}-{norm}-{seed}", {}) for norm in NORMS} for seed in range(SEEDS)}
        seeds = {seed: pair for seed, pair in seeds.items() if all(pair.values())}
        if equal := {seed: pair for seed, pair in seeds.items() if len({one["step"] for one in pair.values()}) == 1}:
            found[title] = equal
    return found


def claim_2(section: Section, uses: Uses) -> Section:
    """The claim on statistics in use, with the networks of claim 1."""
    if not uses or not (pairs := measured_pairs(uses)):
        return section
    parts, rows = [], []
    for title, seeds in pairs.items():
        trained, other = (
            {norm: [_values(pair[norm], way) for pair in seeds.values()] for norm in NORMS}
            for way in ("as_trained", "other_way")
        )
        worse = {norm: [minus(b, a) for a, b in zip(trained[norm], other[norm], strict=True)] for norm in NORMS}
        same = [[0.0] * len(photos) for photos in worse["instance"]]
        for norm in NORMS:
            kinds = ("its own", "running averages") if norm == "instance" else ("running averages", "its own")
            for kind, way in zip(kinds, (trained, other), strict=True):
                rows.append([title, norm, kind, str(len(seeds)), between(_flat(way[norm]), 2)])
        parts += [
            Part(
                f"{title}: running averages are worse",
                verdict_of(same, worse["instance"]),
                f"Its own objective rises by {between(_flat(worse['instance']), 2)}, over photos"
                f"{_and_seeds(seeds)}, from {_means(trained['instance'])}.",
            ),
            Part(
                f"{title} trained with batch normalization: the picture's own statistics are better",
                verdict_of(worse["batch"], same),
                f"Its own objective changes by {between(_flat(worse['batch']), 2)}, over photos{_and_seeds(seeds)}, "
                f"from {_means(trained['batch'])}.",
                counts=False,
            ),
        ]
    header = ["generator", "trained with", "used with", "seeds", "own objective"]
    return _joined(section, parts, pairs, table(header, rows))


def claim_3(section: Section, uses: Uses) -> Section:
    """The claim on contrast, with the networks of claim 1."""
    if not uses or not (pairs := measured_pairs(uses)):
        return section
    parts, rows = [], []
    for title, seeds in pairs.items():
        moved, kept, unrounded = (
            {norm: [_values(pair[norm], name) for pair in seeds.values()] for norm in NORMS}
            for name in ("change", "kept", "unrounded")
        )
        rows += [
            [title, norm, str(len(seeds)), between(_flat(moved[norm]), 1), between(_flat(kept[norm]), 2)]
            for norm in NORMS
        ]
        limit = [[SMALL] * len(photos) for photos in moved["instance"]]
        instance = between(_flat(moved["instance"]), 1)
        parts += [
            Part(
                f"{title}: changes less than with batch",
                verdict_of(moved["instance"], moved["batch"]),
                f"{instance} levels of 255, over photos{_and_seeds(seeds)}; batch {between(_flat(moved['batch']), 1)}.",
            ),
            Part(
                f"{title}: contrast drops out (less than {SMALL:g} levels)",
                verdict_of(moved["instance"], limit),
                f"{instance} levels with instance normalization; without rounding the faint photo to 8 bits "
                f"{between(_flat(unrounded['instance']), 2)}.",
            ),
        ]
    header = [
        *("generator", "normalization", "seeds"),
        *("change at a quarter of the contrast, levels", "share of contrast kept"),
    ]
    changed = _joined(section, parts, pairs, table(header, rows))
    picture = (
        "remade_2.jpg",
        "The photo at falling contrast, and what networks with batch and with instance normalization make of it. The "
        "paper's figure 2 shows it of Gatys' optimization; its caption: “A contrast of a stylized image is mostly "
        "determined by a contrast of a style image and almost independent of a content image contrast.”",
    )
    return replace(changed, figures=[picture, *changed.figures], shown=2)


def _values(used: Mapping[str, Any], name: str) -> list[float]:
    """Of each photo."""
    return [photo[name] for photo in used["photos"]]


def _flat(seeds: Sequence[Sequence[float]]) -> list[float]:
    return [value for photos in seeds for value in photos]


def _and_seeds(seeds: Seeds) -> str:
    steps = [str(pair[NORMS[0]]["step"]) for pair in seeds.values()]
    return f" and {len(seeds)} seeds (after {', '.join(steps)} steps)" if len(seeds) > 1 else ""


def _means(seeds: Sequence[Sequence[float]]) -> str:
    """The mean over photos of each seed."""
    return ", ".join(f"{mean(photos):.2f}" for photos in seeds)


def _joined(section: Section, parts: Sequence[Part], pairs: Mapping[str, Seeds], more: str) -> Section:
    steps = {
        title: sorted({network["step"] for pair in seeds.values() for network in pair.values()}, reverse=True)
        for title, seeds in pairs.items()
    }
    return joined(
        section,
        parts,
        more,
        reached="; ".join(f"{title}, {' and '.join(map(str, each))} steps" for title, each in steps.items()),
        rule=f"held-out photos of 512 px. With {SEEDS} seeds a part holds by the means over photos, as in claim 1; "
        "with fewer it holds in part if it holds on every photo.",
        source="The first table is made by python -m experiments figures --data DATA.",
        replaced=REPLACED,
    )
