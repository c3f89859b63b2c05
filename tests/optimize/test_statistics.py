from dataclasses import replace
from pathlib import Path

import pytest

import impasto
from impasto.errors import UsageError
from impasto.models.catalog import shipped
from impasto.nn.losses import YARDSTICK, PerceptualLoss
from impasto.nn.tensors import to_tensor
from impasto.nn.weights import load_loss_network
from impasto.optimize.gatys import YARDSTICK_SIZE
from impasto.optimize.statistics import StyleStatistics, shipped_statistics, styles_with_statistics
from impasto.pictures.resize import resize_short_side
from tests.conftest import make_photo

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_statistics_are_gram_matrices_only(tiny_vgg_file):
    network, _ = load_loss_network(tiny_vgg_file)
    statistics = StyleStatistics.of(PerceptualLoss(network, YARDSTICK, to_tensor(make_photo(2))))
    with pytest.raises(UsageError, match="covariance cannot be compared"):
        statistics.loss(network, replace(YARDSTICK, style_statistic="covariance"))
    for term in ("tone_weight", "palette_weight", "color_weight"):
        with pytest.raises(UsageError, match="terms of the pixels cannot be compared"):
            statistics.loss(network, replace(YARDSTICK, **{term: 1.0}))


def test_every_shipped_style_has_statistics():
    assert styles_with_statistics() == set(shipped())


def test_a_shipped_styles_statistics_are_nearest_to_its_picture(real_loss_network):
    """The example's picture is another photo of the style's: of all shipped statistics its own are the nearest."""
    picture = to_tensor(
        resize_short_side(impasto.load_image(EXAMPLES / "more_styles" / "starry_night.jpg"), YARDSTICK_SIZE)
    )
    own = PerceptualLoss(real_loss_network, YARDSTICK, picture).style_targets

    def distance(name):
        stored = shipped_statistics(name).loss(real_loss_network, YARDSTICK).style_targets
        return sum(float((stored[k] - x).norm() / x.norm()) for k, x in own.items()) / len(own)

    assert min(styles_with_statistics(), key=distance) == "starry_night"
