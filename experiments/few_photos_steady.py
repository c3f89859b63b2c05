"""Claim 4, stopping early: networks trained on few photos for longer, with a constant learning rate."""

from typing import Any

from experiments.few_photos import FEW, NORMS, STEADY
from experiments.lab import Lab


def measure(lab: Lab) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for norm in NORMS:
        trained = lab.arms("texture", norm, photos=lab.count(FEW), steady=True)
        found[f"{STEADY}, {norm}"] = {
            "steps": [point.step for point in trained[0].curve],
            "objective": [[point.objective for point in one.curve] for one in trained],
        }
    return found
