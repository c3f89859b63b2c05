"""Claim 5, pictures: one pass of the network, and Gatys' optimization after several numbers of evaluations."""

from typing import Any

from experiments.budget import Arm
from experiments.iterations import NETWORK, STARTS
from experiments.lab import Lab
from experiments.page import sheet
from impasto.optimize.gatys import GatysConfig
from impasto.pictures.picture import Pixels

SHARES = (0.1, 0.25, 0.5, 1.0)
"""Shares of the budget's evaluations."""


def measure(lab: Lab) -> dict[str, Any]:
    generator, norm = NETWORK.split(", ")
    trained = lab.learn(Arm(generator, norm, lab.budget.seeds[0]))
    counts = [max(1, int(share * lab.budget.evaluations)) for share in SHARES]
    size = lab.budget.held_out_size
    found: dict[str, Any] = {"shown": {"counts": counts, "network": []}}
    rows: list[list[Pixels]] = []
    captions: list[list[str]] = []
    for number in range(min(2, lab.budget.gatys_photos)):
        objective = lab.terms(lab.paint(trained.generator, lab.held_out_tensors[number]), number)[2]
        found["shown"]["network"].append(objective)
        first = [
            (lab.held_out[number], "photo"),
            (lab.picture(trained.generator, number), f"one pass: {objective:.2f}"),
        ]
        for start, (picture, caption) in zip(STARTS, first, strict=True):
            pictures, names = [picture], [caption]
            for count in counts:
                config = GatysConfig(evaluations=count, size=size, style_size=size, start=start)
                result = lab.gatys(f"photo {number}", lab.held_out[number], config)
                pictures.append(result.picture)
                names.append(
                    f"{count} from {'the photo' if start == 'content' else 'noise'}: {result.curve[-1].objective:.2f}"
                )
            rows.append(pictures)
            captions.append(names)
    sheet(lab, "iterations_shown", rows, captions=captions)
    return found
