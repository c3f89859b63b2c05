import numpy as np
import pytest

from impasto.evaluation.scores import evaluate
from impasto.nn.losses import YARDSTICK, PerceptualLoss
from impasto.nn.tensors import to_tensor
from impasto.nn.weights import load_loss_network
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side
from tests.painting.fakes import fake_stylizer


@pytest.fixture(scope="module")
def network():
    return load_loss_network()[0]


def stylizer_of(function):
    return fake_stylizer(lambda inputs: function(inputs["image"]).astype(np.float32))


@pytest.fixture
def photos(photo_folder):
    return sorted(photo_folder.glob("*.JPG"))[:2]


def test_the_identity_keeps_the_photo_and_its_contrast_shows(photos, style_file):
    found = evaluate(stylizer_of(lambda x: x), style_file, photos, size=64, name="identity")
    assert found.content_error == pytest.approx(0, abs=1e-6)
    assert found.lpips == pytest.approx(0, abs=1e-6)
    assert found.style_error > 0.1
    assert found.objective == pytest.approx(4 * found.style_error, rel=1e-5)
    assert found.contrast_change > 10
    assert found.seconds > 0
    assert [score.photo for score in found.photos] == [path.name for path in photos]


def test_a_constant_painter_is_not_moved_by_contrast(photos, style_file):
    found = evaluate(stylizer_of(lambda x: np.full_like(x, 0.5)), style_file, photos, size=64)
    assert found.contrast_change == 0
    assert found.content_error > 0.5
    assert found.lpips > 0.3


def test_the_style_itself_has_no_palette_error_and_an_even_picture_has_one(photos):
    mean = load_image(photos[0]).mean(axis=(0, 1)).reshape(1, 3, 1, 1) / 255
    found = evaluate(stylizer_of(lambda x: x), photos[0], photos[:1], size=64)
    assert found.palette_error == pytest.approx(0, abs=0.01)
    found = evaluate(stylizer_of(lambda x: np.zeros_like(x) + mean), photos[0], photos[:1], size=64)
    assert found.palette_error == found.photos[0].palette_error == pytest.approx(1, abs=0.1)


def test_the_terms_are_the_yardstick(network, photos, style_file):
    found = evaluate(stylizer_of(lambda x: 1 - x), style_file, photos[:1], size=64)
    photo = resize_short_side(load_image(photos[0]), 64)
    style = to_tensor(resize_short_side(load_image(style_file), 64))
    loss = PerceptualLoss(network, YARDSTICK, style)
    terms = loss(to_tensor(255 - photo), loss.content_target(to_tensor(photo)))
    assert found.content_error == pytest.approx(float(terms.content), rel=1e-3)
    assert found.style_error == pytest.approx(float(terms.style), rel=1e-3)
