"""Claim 4, stopping early: few photos, learnt from for longer, at a rate that does not fall."""

from typing import Any

from experiments.few_photos import FEW, NORMS, STEADY
from experiments.lab import Lab


def measure(lab: Lab) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for norm in NORMS:
        learnt = lab.arms("texture", norm, photos=lab.count(FEW), steady=True)
        found[f"{STEADY}, {norm}"] = {
            "steps": [point.step for point in learnt[0].curve],
            "objective": [[point.objective for point in one.curve] for one in learnt],
        }
    return found
