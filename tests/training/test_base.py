import numpy as np
import pytest
import torch

import impasto
from impasto.models.catalog import shipped
from impasto.nn.generators import build_generator
from impasto.nn.losses import Objective, PerceptualLoss
from impasto.nn.tensors import to_picture, to_tensor
from impasto.training.base import load_base
from impasto.training.config import PRESETS
from tests.conftest import make_photo


@pytest.mark.parametrize(("preset", "variant"), [("impasto", "best"), ("fast", "fast")])
def test_the_base_is_the_shipped_network_with_its_styles(preset, variant):
    arguments = PRESETS[preset].generator_arguments()
    base, generator = load_base("light", arguments), build_generator("light", arguments)
    number = [*shipped()].index("udnie")
    base.load_into(generator, base.style_parameters[number : number + 1])
    picture, stylizer = make_photo(5, 64, 64), impasto.load("udnie", variant=variant, precision="float32")
    noise = torch.tensor(stylizer.network.image_inputs(picture)["noise"])
    with torch.no_grad():
        painted = to_picture(generator(to_tensor(picture), noise))
    difference = painted.astype(float) - stylizer(picture)
    assert np.abs(difference).max() <= 1
    for architecture, arguments in (("texture", {}), ("light", {"width": 32})):
        assert load_base(architecture, arguments) is None


def test_the_nearest_style_has_the_lowest_objective(tiny_vgg):
    arguments = PRESETS["impasto"].generator_arguments()
    base, generator = load_base("light", arguments), build_generator("light", arguments)
    photo = to_tensor(make_photo(5, 64, 64))
    noise = generator.draw_noise(1, 64, 64)
    for number in (0, 5):
        base.load_into(generator, base.style_parameters[number : number + 1])
        with torch.no_grad():
            loss = PerceptualLoss(tiny_vgg, Objective(content_weight=0.0), generator(photo, noise))
        nearest = base.nearest(loss, photo, loss.content_target(photo), noise)
        assert torch.equal(nearest[0], base.style_parameters[number])
