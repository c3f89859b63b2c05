"""Claim 6: noise gives different samples of a texture; a content term removes its effect.

arXiv:1603.03417 draws textures from noise z at every scale. That a content term removes the effect of noise is inferred
from the authors' later code for stylization, that of arXiv:1607.08022, which has no noise. Texture synthesis, without a
content term, is compared with Gatys' optimization of the same objective.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from experiments.lab import Lab
from experiments.page import Part, Plots, Section, between, mean, sheet, spread, spread_terms, table
from impasto.nn.losses import YARDSTICK
from impasto.nn.lpips import Lpips
from impasto.nn.tensors import to_picture
from impasto.optimize.gatys import GatysConfig, GatysResult
from impasto.pictures.picture import Pixels

KINDS: dict[str, dict[str, Any]] = {
    "texture alone": {"content_weight": 0.0, "standardize": True, "gray": True},
    "content weight 0": {"content_weight": 0.0, "standardize": True},
    "content weight 0.25": {"content_weight": 0.25, "standardize": True},
    "content weight 1": {"standardize": True},
    "content weight 1, photo from 0 to 255": {},
}
"""The networks. With standardized photos, noise in [0, 1) has an effect; the original's photos are not standardized."""
LOUD: dict[str, dict[str, Any]] = {"content weight 0, photo from 0 to 255": {"content_weight": 0.0}}
"""Whether the range of the photo or the content term hides the noise: measured by samples_loud."""
TEXTURE = "texture alone"
SILENCED = {
    "photos standardized": ("content weight 0", "content weight 1"),
    "photos from 0 to 255, as in the original": (*LOUD, "content weight 1, photo from 0 to 255"),
}
"""Kind of photos -> the networks without and with a content term."""
GATYS_APART = "gatys apart"
"""The key of the distances between Gatys' textures from different noise: measured by samples_apart."""


def sampled(lab: Lab, kinds: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Any], list[list[Pixels]]]:
    """The distances between samples and their terms for these networks, by seed; and pictures of the first seed."""
    distance = Lpips(lab.network)
    found: dict[str, Any] = {}
    rows = []
    for name, arm in kinds.items():
        for trained in lab.arms("texture", "instance", short=True, **arm):
            distances, terms = [], []
            for number, photo in enumerate(map(trained.arm.seen, lab.held_out_tensors)):
                samples = [lab.paint(trained.generator, photo, draw) for draw in range(lab.budget.samples)]
                pairs = [(a, b) for i, a in enumerate(samples) for b in samples[:i]]
                distances.append(mean([float(distance(a, b)) for a, b in pairs]))
                terms.append(lab.terms(samples[0], number))
                if number == 0 and trained.arm.seed == lab.budget.seeds[0]:
                    rows.append([to_picture(picture) for picture in (photo, *samples)])
            content, style, objective = (mean(list(column)) for column in zip(*terms, strict=True))
            found.setdefault(name, []).append(
                {"lpips": mean(distances), "content": content, "style": style, "objective": objective}
            )
    return found, rows


def samples_sheet(lab: Lab, file: str, kinds: Iterable[str], rows: Sequence[Sequence[Pixels]]) -> None:
    captions = [["input", *(f"{name}, z {draw}" for draw in range(lab.budget.samples))] for name in kinds]
    sheet(lab, file, rows, captions=captions)


def measure(lab: Lab) -> dict[str, Any]:
    found, rows = sampled(lab, KINDS)
    samples_sheet(lab, "samples", KINDS, rows)
    results = gatys_textures(lab)
    found["gatys"] = [[point.style for point in result.curve] for result in results]
    textures = [row[1] for row, name in zip(rows, KINDS, strict=True) if name == TEXTURE]
    sheet(
        lab,
        "textures",
        [[lab.style, *textures, results[0].picture]],
        ("style", "network", f"Gatys, {lab.budget.evaluations}"),
    )
    return found


def gatys_textures(lab: Lab) -> list[GatysResult]:
    """Texture synthesis by optimization, from each seed's noise."""
    config = GatysConfig(
        objective=replace(YARDSTICK, content_weight=0.0),
        start="noise",
        evaluations=lab.budget.evaluations,
        size=lab.budget.held_out_size,
        style_size=lab.budget.held_out_size,
    )
    return [lab.gatys("texture", lab.held_out[0], replace(config, seed=seed)) for seed in lab.budget.seeds]


def reached(curve: Sequence[float], value: float) -> int | None:
    """The number of evaluations after which the curve is as low as ``value``; None if it never is."""
    return next((count for count, point in enumerate(curve, 1) if point <= value), None)


def _likely(apart: Mapping[str, Sequence[float]]) -> str:
    """What hides the noise, if not the content term."""
    without, beside = (apart[name] for name in SILENCED["photos standardized"])
    loud = [name for name in LOUD if name in apart and 2 * max(apart[name]) < min(without)]
    scaled = f"scaled to the range of the photo, noise has an effect with a content term as well ({spread(beside)})"
    if not loud:
        return f"{scaled}."
    return f"the range of the photo hides the noise, without a content term too ({spread(apart[loud[0]])}); {scaled}."


def report(found: dict[str, Any], plots: Plots) -> Section:
    rows = []
    kinds = [*KINDS, *(name for name in LOUD if name in found)]
    for name in kinds:
        lpips, *terms = ([one[what] for one in found[name]] for what in ("lpips", "content", "style", "objective"))
        rows.append([name, spread(lpips), *spread_terms(*terms)])
    apart = {name: [one["lpips"] for one in found[name]] for name in kinds}
    texture = apart[TEXTURE]
    parts = []
    if GATYS_APART in found:
        parts.append(
            Part(
                "texture alone: noise makes different textures",
                "holds" if 2 * min(texture) > max(found[GATYS_APART]) else "does not hold here",
                f"Samples differ by {spread(texture)} (LPIPS), textures by Gatys' optimization from other noise by "
                f"{spread(found[GATYS_APART])}.",
            )
        )
    for photos, (without, beside) in SILENCED.items():
        if without in apart:
            parts.append(
                Part(
                    f"{photos}: a content term removes the effect of noise",
                    "holds" if min(apart[without]) > 2 * max(apart[beside]) else "does not hold here",
                    f"With it samples differ by {spread(apart[beside])}, without by {spread(apart[without])}.",
                )
            )
    style = mean([one["style"] for one in found[TEXTURE]])
    counts = [reached(curve, style) for curve in found["gatys"]]
    beyond = sum(count is None for count in counts)
    longest = len(found["gatys"][0])
    equals = f"more than {longest}" if beyond else between([float(count) for count in counts if count], 0)
    return Section(
        title="Samples",
        claim=("Noise makes different textures; a" if GATYS_APART in found else "A")
        + " content term removes the effect of noise.",
        parts=[
            *parts,
            Part(
                "texture synthesis by a network, against Gatys'",
                "shown",
                f"Style error {spread([one['style'] for one in found[TEXTURE]])}, which equals {equals} evaluations of "
                "his optimization from noise (least and most over seeds).",
                counts=False,
            ),
        ],
        rule="textures are different if the samples of every seed differ at least half as much as textures by Gatys' "
        "optimization from different noise. A content term removes the effect of noise if samples differ at least "
        "twice as much without it, comparing every seed with every seed, for networks with the same input: photos "
        "scaled to the range of the noise, or from 0 to 255 with noise from 0 to 1, as in the original.",
        reason=f"'{TEXTURE}' has plain gray in place of a photo. All objectives include the content error, also for "
        "networks that were trained without it. The networks of photos from 0 to 255 without a content term may have "
        "been trained in another precision than the others (their files say which)."
        + ("" if GATYS_APART in found else " How different textures are is not measured yet (samples_apart)."),
        likely=_likely(apart),
        figures=[
            plots.points(
                "samples_spread",
                {name: [(one["lpips"], one["objective"]) for one in found[name]] for name in kinds},
                x="mean LPIPS between samples",
                y="objective",
            ),
            ("samples.jpg", "The input of the network, and its output for several draws of z."),
            *(
                [("samples_loud.jpg", "The same for photos from 0 to 255, without a content term.")]
                * (len(kinds) > len(KINDS))
            ),
            ("textures.jpg", "Texture synthesis from one picture: the network, and Gatys' optimization from noise."),
        ],
        tables=[table(["", "LPIPS between samples", "content error", "style error", "objective"], rows)],
    )
