"""Refining lowers the objective of a network's picture."""

from pathlib import Path

import pytest
import torch

import impasto
from impasto.cli.main import main
from impasto.errors import ImageError
from impasto.nn.losses import YARDSTICK, PerceptualLoss
from impasto.nn.tensors import to_tensor
from impasto.nn.weights import load_loss_network
from impasto.optimize import refine as refine_module
from impasto.optimize.gatys import YARDSTICK_SIZE
from impasto.optimize.refine import refine
from impasto.optimize.statistics import StyleStatistics, shipped_statistics
from impasto.pictures.resize import resize_short_side
from tests.conftest import make_photo

EXAMPLES = Path(__file__).parents[2] / "examples"


def painted_and_refined(folder, loss_of, *words):
    """The objective of a network's picture, and of the same picture refined by the command with these words."""
    photo = resize_short_side(impasto.load_image(EXAMPLES / "photos" / "castle.jpg"), 64)
    impasto.save_image(folder / "photo.png", photo)
    common = ["stylize", str(folder / "photo.png"), "--style", "starry_night", "-o"]
    assert main([*common, str(folder / "painted.png")]) == 0
    assert main([*common, str(folder / "refined.png"), "--refine", "6", *words]) == 0
    loss = loss_of(load_loss_network()[0])
    target = loss.content_target(to_tensor(photo))
    pictures = [to_tensor(impasto.load_image(folder / name)) for name in ("painted.png", "refined.png")]
    with torch.no_grad():
        return [float(loss(picture, target).total) for picture in pictures]


def test_refining_lowers_the_objective(tmp_path, real_loss_network):
    statistics = shipped_statistics("starry_night")
    painted, refined = painted_and_refined(tmp_path, lambda network: statistics.loss(network, YARDSTICK))
    assert refined < 0.9 * painted


def test_refining_toward_a_picture_lowers_the_objective(tmp_path):
    file = EXAMPLES / "more_styles" / "starry_night.jpg"
    picture = to_tensor(resize_short_side(impasto.load_image(file), YARDSTICK_SIZE))
    painted, refined = painted_and_refined(
        tmp_path, lambda network: PerceptualLoss(network, YARDSTICK, picture), "--picture", str(file)
    )
    assert refined < 0.9 * painted


def test_refining_is_deterministic(tmp_path, real_loss_network):
    impasto.save_image(tmp_path / "photo.png", make_photo(4, 64, 64))
    words = ["stylize", str(tmp_path / "photo.png"), "--style", "udnie", "--refine", "2", "-o"]
    for name in ("one.png", "two.png"):
        assert main([*words, str(tmp_path / name)]) == 0
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


@pytest.mark.parametrize("most", [1_000_000, 60 * 48], ids=["whole", "smaller-copy"])
def test_refining_goes_on_from_a_picture_at_its_size(tiny_vgg, monkeypatch, most):
    monkeypatch.setattr(refine_module, "REFINED_PIXELS", most)
    photo, picture = make_photo(1), make_photo(3)
    loss = PerceptualLoss(tiny_vgg, YARDSTICK, to_tensor(make_photo(2)))
    refined = refine(picture, photo, StyleStatistics.of(loss), 10, network=tiny_vgg)
    assert refined.shape == photo.shape
    before, after = (float(loss(to_tensor(x), loss.content_target(to_tensor(photo))).total) for x in (picture, refined))
    assert after < 0.9 * before


def test_a_picture_too_narrow_to_refine_is_an_error(tiny_vgg):
    statistics = StyleStatistics.of(PerceptualLoss(tiny_vgg, YARDSTICK, to_tensor(make_photo(2))))
    with pytest.raises(ImageError, match="100 x 20 is too narrow to refine"):
        refine(make_photo(1, 20, 100), make_photo(1, 20, 100), statistics, 3, network=tiny_vgg)
