"""Claim 3, for longer: Gatys' optimization with several times the evaluations, as in the papers.

The first photo is optimized with both content terms at every contrast, the others with the papers' at two contrasts.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from experiments.contrast import (
    FADED,
    GATYS,
    LONG,
    LONGER,
    LOW_CONTRAST,
    RAW,
    Comparison,
    Start,
    faded_sheet,
    gatys_config,
    optimized,
)
from experiments.contrast_raw import raw_config
from experiments.lab import Lab
from impasto.optimize.gatys import GatysConfig
from impasto.pictures.picture import Pixels


def configured(lab: Lab, start: Start) -> Callable[[Pixels], GatysConfig]:
    """The same configuration for every photo."""
    return lambda _: gatys_config(lab, start)


def measure(lab: Lab) -> dict[str, Any]:
    comparison = Comparison(lab)

    def note(
        name: str, number: int, configure: Callable[[Pixels], GatysConfig], conditions: tuple[str, ...]
    ) -> list[Pixels]:
        def paint(photo: Pixels) -> Pixels:
            config = configure(photo)
            return optimized(lab, replace(config, evaluations=LONGER * config.evaluations), photo)

        return comparison.note(f"{name}{LONG}", number, number, paint, conditions)

    shown = {}
    for name, start in GATYS.items():
        shown[name] = note(name, 0, configured(lab, start), FADED)
    for name, start in RAW.items():
        for number in range(lab.budget.gatys_photos):

            def configure(photo: Pixels, start: Start = start, number: int = number) -> GatysConfig:
                return raw_config(lab, start, photo, number)

            conditions = FADED if number == 0 else ("contrast 1", f"contrast {LOW_CONTRAST:g}")
            pictures = note(name, number, configure, conditions)
            shown.setdefault(name, pictures)
    faded_sheet(lab, "contrast_long", shown)
    return comparison.found
