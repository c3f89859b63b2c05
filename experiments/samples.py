"""Claim 6: noise gives different samples, for textures; beside a content term it is hardly used.

arXiv:1603.03417 draws textures from noise z at every scale; arXiv:1607.08022, section 3: for stylisation the noise
had little effect and was dropped. Plain texture synthesis (no content term) against Gatys' optimisation of the same.
"""

from dataclasses import replace
from typing import Any

import torch

from experiments.lab import Lab
from experiments.page import Plots, Section, mean, sheet, spread, table
from impasto.evaluate import Lpips
from impasto.nn.losses import YARDSTICK
from impasto.train.data import to_picture
from impasto.train.gatys import GatysConfig

WEIGHTS = (0.0, 0.25, 1.0)
"""Of the content term; 0 is texture synthesis."""


def measure(lab: Lab) -> dict[str, Any]:
    distance = Lpips(lab.network)
    found: dict[str, Any] = {}
    rows = []
    for weight in WEIGHTS:
        for learnt in lab.arms("texture", "instance", content_weight=weight):
            between, terms = [], []
            for number, photo in enumerate(lab.judges):
                samples = [lab.paint(learnt.generator, photo, draw) for draw in range(lab.budget.samples)]
                pairs = [(a, b) for i, a in enumerate(samples) for b in samples[:i]]
                between.append(mean([float(distance(a, b)) for a, b in pairs]))
                terms.append(lab.terms(samples[0], number))
                if number == 0 and learnt.arm.seed == lab.budget.seeds[0]:
                    rows.append([lab.held_out[0], *(to_picture(sample) for sample in samples)])
            content, style, objective = (mean(list(column)) for column in zip(*terms, strict=True))
            found.setdefault(f"content weight {weight:g}", []).append(
                {"lpips": mean(between), "content": content, "style": style, "objective": objective}
            )
    captions = [
        ["photo", *(f"weight {weight:g}, z {draw}" for draw in range(lab.budget.samples))] for weight in WEIGHTS
    ]
    sheet(lab, "samples", rows, captions=captions)
    config = GatysConfig(
        objective=replace(YARDSTICK, content_weight=0.0),
        start="noise",
        evaluations=lab.budget.evaluations,
        size=lab.budget.judge_size,
        style_size=lab.budget.judge_size,
    )
    result = lab.gatys("texture", lab.held_out[0], config)
    found["gatys"] = [point.style for point in result.curve]
    network = lab.arms("texture", "instance", content_weight=0.0)[0].generator
    sheet(
        lab,
        "textures",
        [[lab.style, to_picture(lab.paint(network, torch.full_like(lab.judges[0], 0.5))), result.picture]],
        ("style", "network, grey photo", f"Gatys, {lab.budget.evaluations}"),
    )
    return found


def report(found: dict[str, Any], plots: Plots) -> Section:
    names = [f"content weight {weight:g}" for weight in WEIGHTS]
    rows = [
        [name, *(spread([one[term] for one in found[name]]) for term in ("lpips", "style", "content"))]
        for name in names
    ]
    texture, stylized = ([one["lpips"] for one in found[name]] for name in (names[0], names[-1]))
    used = min(texture) > 2 * max(stylized)
    style = mean([one["style"] for one in found[names[0]]])
    equal = next((i + 1 for i, value in enumerate(found["gatys"]) if value <= style), None)
    equals = f"{equal}" if equal else f"more than {len(found['gatys'])}"
    return Section(
        title="Samples",
        claim="Noise makes different textures; with a content term it is hardly used.",
        verdict="holds" if used else "holds in part" if mean(texture) > mean(stylized) else "does not hold here",
        rule="Holds where samples differ at least twice as much without the content term as with it, for every seed; "
        "in part where their mean difference is greater.",
        reason=f"As a texture network alone it equals {equals} evaluations of Gatys' texture synthesis from noise, by "
        "the style error.",
        figures=[
            plots.points(
                "samples_spread",
                {name: [(one["lpips"], one["style"]) for one in found[name]] for name in names},
                x="mean LPIPS between samples",
                y="style error",
            ),
            ("samples.jpg", "One photo, several draws of z, by the content term's weight."),
            (
                "textures.jpg",
                "Texture synthesis from one picture: the network on a grey photo, and Gatys' optimisation.",
            ),
        ],
        tables=[table(["", "LPIPS between samples", "style error", "content error"], rows)],
    )
