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


@pytest.mark.parametrize(
    "picture", [None, EXAMPLES / "more_styles" / "starry_night.jpg"], ids=["shipped statistics", "a picture"]
)
def test_refining_lowers_the_objective(tmp_path, picture):
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


def test_refining_is_deterministic(tmp_path):
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
