"""Claim 3, with patience: Gatys' optimisation of one photo after several times the evaluations, as in the papers."""

from dataclasses import replace
from functools import partial
from typing import Any

from experiments.contrast import FADED, GATYS, LONG, LONGER, RAW, Comparison, faded_sheet, gatys_config, optimized
from experiments.contrast_raw import raw_config
from experiments.lab import Lab
from impasto.image import Pixels
from impasto.train.gatys import GatysConfig


def measure(lab: Lab) -> dict[str, Any]:
    def paint(config_of: Any, photo: Pixels) -> Pixels:
        config: GatysConfig = config_of(photo)
        return optimized(lab, replace(config, evaluations=LONGER * config.evaluations), photo)

    comparison = Comparison(lab)
    configs = {name: (lambda photo, start=start: gatys_config(lab, start)) for name, start in GATYS.items()}
    configs |= {name: (lambda photo, start=start: raw_config(lab, start, photo, 0)) for name, start in RAW.items()}
    shown = {
        name: comparison.note(f"{name}{LONG}", 0, 0, partial(paint, config_of), FADED)
        for name, config_of in configs.items()
    }
    faded_sheet(lab, "contrast_long", shown)
    return comparison.found
