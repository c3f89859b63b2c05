"""Claim 3, the other half: Gatys' optimisation with the papers' content term, which is not relative to the photo.

Our content term is divided by the variance of the photo's features: a faint photo is kept as faithfully as any. In the
papers it is not, so that a faint photo weighs less beside the style. Here its weight is put back: variance of the
photo as it is given, divided by that of the photo at full contrast. There the two objectives are the same.
"""

from dataclasses import replace
from typing import Any

from experiments.contrast import CONTRASTS, RAW, WEIGHTS, Comparison, changed, gatys_config, optimized
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
                objective = replace(config.objective, content_weight=_weight(lab, photo, number))
                return optimized(lab, replace(config, objective=objective), photo)

            pictures = comparison.note(name, number, number, paint, FADED)
            if number == 0:
                shown.append(pictures)
    rows = [[changed(lab.held_out[0], contrast) for contrast in CONTRASTS], *shown]
    captions = [[f"{name}: {condition}" for condition in FADED] for name in ("photo", *RAW)]
    sheet(lab, "contrast_raw", rows, captions=captions)
    photos = range(lab.budget.gatys_photos)
    weights = [
        [_weight(lab, changed(lab.held_out[number], contrast), number) for number in photos] for contrast in CONTRASTS
    ]
    return comparison.found | {WEIGHTS: dict(zip(FADED, weights, strict=True))}


def _weight(lab: Lab, photo: Pixels, number: int) -> float:
    """Of the content term of ``photo``, which is held-out photo ``number`` changed."""
    given, whole = (lab.loss.content_target(to_tensor(x)).variance for x in (photo, lab.held_out[number]))
    (layer,) = given
    return float(given[layer] / whole[layer])
