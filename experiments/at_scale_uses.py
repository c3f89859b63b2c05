"""Claims 2 and 3 at the papers' scale, from results/published/uses.json: the networks of claim 1 in other uses."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from experiments.at_scale import joined
from experiments.contrast import SMALL
from experiments.page import Part, Section, between, mean, minus, ordered, table
from experiments.plan import NORMS

REPLACED = (
    *(f"{generator}: running averages are worse" for generator in ("residual", "texture")),
    "instance: changes less than batch",
    "instance: contrast drops out",
)
"""Beginnings of parts of the small budget that no longer count where the papers' scale has them."""


def claim_2(section: Section, uses: Mapping[str, Any]) -> Section:
    """The claim on statistics in use, with the networks of claim 1."""
    parts, rows = [], []
    for title in uses.get("steps", {}):
        worse = {}
        for norm in NORMS:
            trained, other = ([photo[way] for photo in uses[f"{title}, {norm}"]] for way in ("as_trained", "other_way"))
            worse[norm] = minus(other, trained)
            kinds = ("its own", "running averages") if norm == "instance" else ("running averages", "its own")
            for name, way in zip(kinds, (trained, other), strict=True):
                rows.append([title, norm, name, between(way, 2)])
        parts.append(
            Part(
                f"{title}: running averages are worse",
                ordered([0.0] * len(worse["instance"]), worse["instance"]),
                f"Its own objective rises by {between(worse['instance'], 2)}, over photos, from "
                f"{mean([photo['as_trained'] for photo in uses[f'{title}, instance']]):.2f}.",
            )
        )
        parts.append(
            Part(
                f"{title} trained with batch normalization: the picture's own statistics are better",
                ordered(worse["batch"], [0.0] * len(worse["batch"])),
                f"Its own objective changes by {between(worse['batch'], 2)}, over photos, from "
                f"{mean([photo['as_trained'] for photo in uses[f'{title}, batch']]):.2f}.",
                counts=False,
            )
        )
    if not parts:
        return section
    header = ["generator", "trained with", "used with", "own objective"]
    return _joined(section, parts, uses, table(header, rows))


def claim_3(section: Section, uses: Mapping[str, Any]) -> Section:
    """The claim on contrast, with the networks of claim 1."""
    parts, rows = [], []
    for title in uses.get("steps", {}):
        moved = {norm: [photo["change"] for photo in uses[f"{title}, {norm}"]] for norm in NORMS}
        for norm in NORMS:
            kept = [photo["kept"] for photo in uses[f"{title}, {norm}"]]
            rows.append([title, norm, between(moved[norm], 1), between(kept, 2)])
        measured = f"{between(moved['instance'], 1)} levels of 255, over photos; batch {between(moved['batch'], 1)}."
        parts += [
            Part(f"{title}: changes less than with batch", ordered(moved["instance"], moved["batch"]), measured),
            Part(
                f"{title}: contrast drops out (less than {SMALL:g} levels)",
                "holds" if max(moved["instance"]) < SMALL else "does not hold here",
                f"{between(moved['instance'], 1)} levels with instance normalization; without rounding the faint photo "
                f"to 8 bits {between([photo['unrounded'] for photo in uses[f'{title}, instance']], 2)}.",
            ),
        ]
    if not parts:
        return section
    header = ["generator", "normalization", "change at a quarter of the contrast, levels", "share of contrast kept"]
    changed = _joined(section, parts, uses, table(header, rows))
    picture = (
        "remade_2.jpg",
        "The photo at falling contrast, and what networks with batch and with instance normalization make of it. The "
        "paper's figure 2 shows it of Gatys' optimization; its caption: “A contrast of a stylized image is mostly "
        "determined by a contrast of a style image and almost independent of a content image contrast.”",
    )
    return replace(changed, figures=[picture, *changed.figures], shown=2)


def _joined(section: Section, parts: Sequence[Part], uses: Mapping[str, Any], more: str) -> Section:
    return joined(section, parts, more, steps=uses["steps"], rule=rule_of(len(uses["photos"])), replaced=REPLACED)


def rule_of(photos: int) -> str:
    """How networks are compared with themselves on so many photos."""
    return f"one seed and {photos} held-out photos of 512 px; the same network is compared with itself, photo by photo."
