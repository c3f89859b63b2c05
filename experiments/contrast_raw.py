"""Claim 3, the other half: Gatys' optimisation with the papers' content term, which is not relative to the photo.

Our content term is divided by the variance of the photo's features: a faint photo is kept as faithfully as any. In the
papers it is not, so that a faint photo weighs little beside the style. Here its weight is put back: variance of the
photo as it is given, divided by that of the photo at full contrast. There the two objectives are the same.
"""

from dataclasses import replace
from typing import Any

from experiments.contrast import CONTRASTS, RAW, Comparison, changed, gatys_config, optimized
from experiments.lab import Lab
from experiments.page import sheet
from impasto.image import Pixels
from impasto.train.data import to_tensor

FADED = [f"contrast {contrast:g}" for contrast in CONTRASTS]


def measure(lab: Lab) -> dict[str, Any]:
    comparison = Comparison(lab)
    shown = []
    for name, start in RAW.items():
        for number in range(lab.budget.gatys_photos):

            def paint(photo: Pixels, start: str = start, number: int = number) -> Pixels:
                config = gatys_config(lab, start)
                weight = _variance(lab, photo) / _variance(lab, lab.held_out[number])
                objective = replace(config.objective, content_weight=weight)
                return optimized(lab, replace(config, objective=objective), photo)

            pictures = comparison.note(name, number, number, paint, FADED)
            if number == 0:
                shown.append(pictures)
    rows = [[changed(lab.held_out[0], contrast) for contrast in CONTRASTS], *shown]
    captions = [[f"{name}: {condition}" for condition in FADED] for name in ("photo", *RAW)]
    sheet(lab, "contrast_raw", rows, captions=captions)
    return comparison.found


def _variance(lab: Lab, photo: Pixels) -> float:
    """Of the features that the content term compares."""
    (variance,) = lab.loss.content_target(to_tensor(photo)).variance.values()
    return float(variance)
