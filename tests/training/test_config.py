from dataclasses import replace

import pytest

from impasto.errors import UsageError
from impasto.training.config import Recipe


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"minutes": 0.0, "steps": None}, "minutes must be more than 0"),
        ({"minutes": -3.0, "steps": None}, "minutes must be more than 0"),
        ({"minutes": 1.0, "steps": 5}, "either minutes or steps"),
        ({"steps": 0}, "steps must be 1 or more"),
        ({"threads": 0}, "threads must be 1 or more"),
        ({"seed": -1}, "seed must be from 0"),
    ],
)
def test_impossible_budgets_are_refused(config, changes, message):
    with pytest.raises(UsageError, match=message):
        replace(config, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"generator": "unet"}, "unknown generator 'unet': choose one of residual, light, texture"),
        ({"start": "middle"}, "unknown start 'middle': choose one of base, nothing"),
        ({"norm": "layer"}, "unknown norm 'layer': choose one of instance, batch, contrast, none"),
        ({"arguments": {"norm": "batch"}}, "'norm' is not for --set"),
        ({"arguments": {"styles": 2}}, "'styles' is not for --set"),
        ({"crop": 8}, "crop must be 32 or more"),
        ({"ramp": 1.5}, "ramp must be from 0 to 1"),
        ({"muon_rate": -1}, "muon-rate must be from 0 to 10"),
        ({"photo_from": 600}, "photo-from must be 32 or more"),
    ],
)
def test_impossible_recipes_are_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        Recipe(**changes)
