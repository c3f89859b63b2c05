"""`impasto stylize --refine`: nearer to the look than the network's picture, by the loss network that comes along."""

from pathlib import Path

import pytest
import torch

import impasto
from impasto.cli.main import main
from impasto.models.catalogue import shipped
from impasto.nn.losses import YARDSTICK, PerceptualLoss
from impasto.nn.tensors import to_tensor
from impasto.nn.weights import load_loss_network
from impasto.optimize.gatys import YARDSTICK_SIZE
from impasto.optimize.refine import shipped_statistics, styles_with_statistics
from impasto.pictures.resize import resize_short_side
from tests.conftest import make_photo

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_every_shipped_style_has_statistics():
    assert styles_with_statistics() == set(shipped())


@pytest.mark.parametrize(
    "picture", [None, EXAMPLES / "more_styles" / "starry_night.jpg"], ids=["a shipped look", "a picture"]
)
def test_what_is_refined_is_nearer_to_the_look(tmp_path, picture):
    photo = resize_short_side(impasto.load_image(EXAMPLES / "photos" / "castle.jpg"), 96)
    impasto.save_image(tmp_path / "photo.png", photo)
    words = ["stylize", str(tmp_path / "photo.png"), "--style", "starry_night"]
    given = ["--picture", str(picture)] if picture else []
    assert main([*words, "-o", str(tmp_path / "painted.png")]) == 0
    assert main([*words, *given, "--refine", "6", "-o", str(tmp_path / "refined.png")]) == 0
    network, _ = load_loss_network()
    if picture:
        style = to_tensor(resize_short_side(impasto.load_image(picture), YARDSTICK_SIZE))
        loss = PerceptualLoss(network, YARDSTICK, style)
    else:
        loss = shipped_statistics("starry_night").loss(network, YARDSTICK)
    target = loss.content_target(to_tensor(photo))
    with torch.no_grad():
        painted, refined = (
            float(loss(to_tensor(impasto.load_image(tmp_path / f"{name}.png")), target).total)
            for name in ("painted", "refined")
        )
    assert refined < 0.9 * painted


def test_a_shipped_look_is_that_of_its_picture():
    """The example's picture is another photo of the style's: of all looks that one is the nearest."""
    network, _ = load_loss_network()
    picture = to_tensor(
        resize_short_side(impasto.load_image(EXAMPLES / "more_styles" / "starry_night.jpg"), YARDSTICK_SIZE)
    )
    own = PerceptualLoss(network, YARDSTICK, picture).style_targets

    def distance(name):
        look = shipped_statistics(name).loss(network, YARDSTICK).style_targets
        return sum(float((look[k] - x).norm() / x.norm()) for k, x in own.items()) / len(own)

    assert min(styles_with_statistics(), key=distance) == "starry_night"


def test_noise_has_no_part_in_it(tmp_path):
    """The same picture twice."""
    impasto.save_image(tmp_path / "photo.png", make_photo(4, 64, 64))
    words = ["stylize", str(tmp_path / "photo.png"), "--style", "udnie", "--refine", "2", "-o"]
    for name in ("one.png", "two.png"):
        assert main([*words, str(tmp_path / name)]) == 0
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
