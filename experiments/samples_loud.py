"""Claim 6, to separate two causes: photos in the original's range, without a content term."""

from typing import Any

from experiments.lab import Lab
from experiments.samples import LOUD, sampled, samples_sheet


def measure(lab: Lab) -> dict[str, Any]:
    found, rows = sampled(lab, LOUD)
    samples_sheet(lab, "samples_loud", LOUD, rows)
    return found
