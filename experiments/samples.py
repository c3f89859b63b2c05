"""Claim 6: noise gives different samples, for textures; beside a content term it is hardly used.

arXiv:1603.03417 draws textures from noise z at every scale; its authors' later code for stylisation, that of
arXiv:1607.08022, has no noise. Plain texture synthesis (no content term) against Gatys' optimisation of the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from experiments.lab import Lab
from experiments.page import Part, Plots, Section, between, mean, sheet, spread, spread_terms, table
from impasto.evaluate import Lpips
from impasto.image import Pixels
from impasto.nn.losses import YARDSTICK
from impasto.train.data import to_picture
from impasto.train.gatys import GatysConfig

KINDS: dict[str, dict[str, Any]] = {
    "texture alone": {"content_weight": 0.0, "standardize": True, "grey": True},
    "content weight 0": {"content_weight": 0.0, "standardize": True},
    "content weight 0.25": {"content_weight": 0.25, "standardize": True},
    "content weight 1": {"standardize": True},
    "content weight 1, photo from 0 to 255": {},
}
"""What tells the networks apart. Beside standardised photos noise in [0, 1) is heard; the original's are not."""
LOUD: dict[str, dict[str, Any]] = {"content weight 0, photo from 0 to 255": {"content_weight": 0.0}}
"""Whether the photo's size or the content term drowns the noise: measured by samples_loud."""
TEXTURE, STYLIZED, ORIGINAL = "texture alone", "content weight 1", "content weight 1, photo from 0 to 255"


def sampled(lab: Lab, kinds: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Any], list[list[Pixels]]]:
    """Of networks of these kinds, by seed: how far samples lie apart, and their terms; and what the first makes."""
    distance = Lpips(lab.network)
    found: dict[str, Any] = {}
    rows = []
    for name, arm in kinds.items():
        for learnt in lab.arms("texture", "instance", short=True, **arm):
            distances, terms = [], []
            for number, photo in enumerate(map(learnt.arm.seen, lab.judges)):
                samples = [lab.paint(learnt.generator, photo, draw) for draw in range(lab.budget.samples)]
                pairs = [(a, b) for i, a in enumerate(samples) for b in samples[:i]]
                distances.append(mean([float(distance(a, b)) for a, b in pairs]))
                terms.append(lab.terms(samples[0], number))
                if number == 0 and learnt.arm.seed == lab.budget.seeds[0]:
                    rows.append([to_picture(picture) for picture in (photo, *samples)])
            content, style, objective = (mean(list(column)) for column in zip(*terms, strict=True))
            found.setdefault(name, []).append(
                {"lpips": mean(distances), "content": content, "style": style, "objective": objective}
            )
    return found, rows


def samples_sheet(lab: Lab, file: str, kinds: Iterable[str], rows: Sequence[Sequence[Pixels]]) -> None:
    captions = [["given", *(f"{name}, z {draw}" for draw in range(lab.budget.samples))] for name in kinds]
    sheet(lab, file, rows, captions=captions)


def measure(lab: Lab) -> dict[str, Any]:
    found, rows = sampled(lab, KINDS)
    samples_sheet(lab, "samples", KINDS, rows)
    results = []
    for seed in lab.budget.seeds:
        config = GatysConfig(
            objective=replace(YARDSTICK, content_weight=0.0),
            start="noise",
            evaluations=lab.budget.evaluations,
            size=lab.budget.judge_size,
            style_size=lab.budget.judge_size,
            seed=seed,
        )
        results.append(lab.gatys("texture", lab.held_out[0], config))
    found["gatys"] = [[point.style for point in result.curve] for result in results]
    textures = [row[1] for row, name in zip(rows, KINDS, strict=True) if name == TEXTURE]
    sheet(
        lab,
        "textures",
        [[lab.style, *textures, results[0].picture]],
        ("style", "network", f"Gatys, {lab.budget.evaluations}"),
    )
    return found


def reached(curve: Sequence[float], value: float) -> int | None:
    """After how many evaluations the curve is as low as this; None where it never is."""
    return next((count for count, point in enumerate(curve, 1) if point <= value), None)


def report(found: dict[str, Any], plots: Plots) -> Section:
    rows = []
    kinds = [*KINDS, *(name for name in LOUD if name in found)]
    for name in kinds:
        lpips, *terms = ([one[what] for one in found[name]] for what in ("lpips", "content", "style", "objective"))
        rows.append([name, spread(lpips), *spread_terms(*terms)])
    texture = [one["lpips"] for one in found[TEXTURE]]
    parts = []
    for name, kind in {"photos from 0 to 255, as in the original": ORIGINAL, "photos standardised": STYLIZED}.items():
        stylized = [one["lpips"] for one in found[kind]]
        measured = f"Samples differ by {spread(stylized)}, of texture alone by {spread(texture)} (LPIPS)."
        verdict = "holds" if min(texture) > 2 * max(stylized) else "does not hold here"
        parts.append(Part(f"{name}: noise is hardly used", verdict, measured))
    for loud in kinds[len(KINDS) :]:
        alike = [one["lpips"] for one in found[loud]]
        drowned = max(alike) < min(texture) / 2
        measured = f"Samples differ by {spread(alike)} (LPIPS)" + (
            ": as little as with it, so that it is the photo's size that drowns the noise." if drowned else "."
        )
        parts.append(Part("photos from 0 to 255, but without a content term", "shown", measured, counts=False))
    style = mean([one["style"] for one in found[TEXTURE]])
    counts = [reached(curve, style) for curve in found["gatys"]]
    beyond = sum(count is None for count in counts)
    longest = len(found["gatys"][0])
    equals = f"more than {longest}" if beyond else between([float(count) for count in counts if count], 0)
    return Section(
        title="Samples",
        claim="Noise makes different textures; with a content term it is hardly used.",
        source="arXiv:1603.03417, section 4; the code of arXiv:1607.08022, which has no noise (docs/papers.md).",
        parts=[
            *parts,
            Part(
                "texture synthesis by a network, against Gatys'",
                "shown",
                f"Style error {spread([one['style'] for one in found[TEXTURE]])}, which equals {equals} evaluations of "
                "his optimisation from noise (least and most over starts).",
                counts=False,
            ),
        ],
        rule=f"a part holds where samples of '{TEXTURE}', grey in place of a photo, differ at least twice as much as "
        "with the content term, any seed's as any seed's: of photos from 0 to 255 beside noise from 0 to 1, as in the "
        "original, and of photos brought to the noise's size (all the other rows).",
        reason="More than the content term tells the two apart: without it there is grey in place of a photo. So there "
        "are networks between them, of photos without a content term, standardised and from 0 to 255.",
        likely="in the original the photo's size drowns the noise, whatever the content term: brought to one "
        "size with it, noise is heard beside a content term as well.",
        figures=[
            plots.points(
                "samples_spread",
                {name: [(one["lpips"], one["objective"]) for one in found[name]] for name in kinds},
                x="mean LPIPS between samples",
                y="objective",
            ),
            ("samples.jpg", "What the network is given, and what several draws of z make of it."),
            *(
                [("samples_loud.jpg", "The same of photos from 0 to 255, without a content term.")]
                * (len(kinds) > len(KINDS))
            ),
            ("textures.jpg", "Texture synthesis from one picture: the network, and Gatys' optimisation from noise."),
        ],
        tables=[table(["", "LPIPS between samples", "content error", "style error", "objective"], rows)],
    )
