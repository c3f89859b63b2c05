"""Claim 3, continued: Gatys' optimization with the papers' content term, which is not relative to the photo.

Our content term is divided by the variance of the photo's features, so a faint photo is kept as faithfully as any
other. The papers' is not, so a faint photo has less weight relative to the style. Here our term gets that weight: the
variance for the changed photo divided by that at full contrast, where the two objectives are equal.
"""

from dataclasses import replace
from typing import Any

from experiments.contrast import (
    CONTRASTS,
    FADED,
    RAW,
    WEIGHTS,
    Comparison,
    Start,
    changed,
    faded_sheet,
    gatys_config,
    optimized,
)
from experiments.lab import Lab
from impasto.nn.tensors import to_tensor
from impasto.optimize.gatys import GatysConfig
from impasto.pictures.picture import Pixels


def measure(lab: Lab) -> dict[str, Any]:
    comparison = Comparison(lab)
    shown: dict[str, Any] = {}
    for name, start in RAW.items():
        for number in range(lab.budget.gatys_photos):

            def paint(photo: Pixels, start: Start = start, number: int = number) -> Pixels:
                return optimized(lab, raw_config(lab, start, photo, number), photo)

            pictures = comparison.note(name, number, number, paint, FADED)
            shown.setdefault(name, pictures)
    faded_sheet(lab, "contrast_raw", shown)
    photos = range(lab.budget.gatys_photos)
    weights = [
        [_weight(lab, changed(lab.held_out[number], contrast), number) for number in photos] for contrast in CONTRASTS
    ]
    return comparison.found | {WEIGHTS: dict(zip(FADED, weights, strict=True))}


def raw_config(lab: Lab, start: Start, photo: Pixels, number: int) -> GatysConfig:
    """The configuration with the papers' content term for ``photo``, a changed version of held-out photo ``number``."""
    config = gatys_config(lab, start)
    return replace(config, objective=replace(config.objective, content_weight=_weight(lab, photo, number)))


def _weight(lab: Lab, photo: Pixels, number: int) -> float:
    """The weight of the content term for ``photo``, a changed version of held-out photo ``number``."""
    own, whole = (lab.loss.content_target(to_tensor(x)).variance for x in (photo, lab.held_out[number]))
    (layer,) = own
    return float(own[layer] / whole[layer])
