import numpy as np
import pytest
import torch

import impasto
from impasto.models.catalogue import shipped
from impasto.nn.generators import build_generator
from impasto.nn.losses import Objective, PerceptualLoss
from impasto.nn.tensors import to_picture, to_tensor
from impasto.training.base import load_base
from impasto.training.config import PRESETS, Recipe
from tests.conftest import make_photo


@pytest.mark.parametrize(("preset", "variant"), [("impasto", "best"), ("fast", "fast")])
def test_the_base_is_the_shipped_network_with_its_styles(preset, variant):
    arguments = PRESETS[preset].generator_arguments()
    base, generator = load_base("light", arguments), build_generator("light", arguments)
    number = [*shipped()].index("udnie")
    base.load_into(generator, base.style_parameters[number : number + 1])
    photo = to_tensor(make_photo(5, 64, 64))
    with torch.no_grad():
        painted = to_picture(generator(photo))
    difference = painted.astype(float) - impasto.load("udnie", variant=variant, precision="float32")(to_picture(photo))
    assert np.abs(difference).max() <= 1
    for architecture, arguments in (("texture", {}), ("light", {"width": 32})):
        assert load_base(architecture, arguments) is None


def test_the_nearest_style_has_the_lowest_objective(tiny_vgg):
    base = load_base("light", Recipe().generator_arguments())
    photo = to_tensor(make_photo(5, 64, 64))
    generator = build_generator("light", Recipe().generator_arguments())
    for number in (0, 5):
        base.load_into(generator, base.style_parameters[number : number + 1])
        with torch.no_grad():
            loss = PerceptualLoss(tiny_vgg, Objective(content_weight=0.0), generator(photo))
        nearest = base.nearest(loss, photo, loss.content_target(photo), None)
        assert torch.equal(nearest[0], base.style_parameters[number])
