import numpy as np
import pytest

import impasto
from impasto.errors import ImageError, UsageError
from impasto.evaluation import scores
from impasto.evaluation.scores import evaluate
from impasto.nn.losses import YARDSTICK, PerceptualLoss
from impasto.nn.tensors import to_tensor
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side
from tests.painting.fakes import fake_stylizer


@pytest.fixture(autouse=True)
def network(real_loss_network, monkeypatch):
    monkeypatch.setattr(scores, "load_loss_network", lambda: (real_loss_network, {}))
    return real_loss_network


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


def test_a_function_and_pictures_are_measured_like_a_model_and_files(photos, style_file):
    files = evaluate(stylizer_of(lambda x: 1 - x), style_file, photos, size=64)
    pictures = [load_image(path) for path in photos]
    found = impasto.evaluate(lambda photo: 255 - photo, load_image(style_file), pictures, size=64)
    assert found.objective == pytest.approx(files.objective, rel=1e-3)
    assert [score.photo for score in found.photos] == ["photo 1", "photo 2"]


def test_what_cannot_be_measured_is_refused(photos, style_file, tmp_path):
    (tmp_path / "text.jpg").write_text("no picture")
    identity = stylizer_of(lambda x: x)
    with pytest.raises(UsageError, match="size must be 64 pixels or more, not 63"):
        evaluate(identity, style_file, photos, size=63)
    with pytest.raises(ImageError, match=r"not one of 1 photos can be read: .*text.jpg"):
        evaluate(identity, style_file, [tmp_path / "text.jpg"], size=64)
    found = evaluate(identity, style_file, [tmp_path / "text.jpg", *photos], size=64)
    assert [*found.unreadable] == [str(tmp_path / "text.jpg")]
    assert len(found.photos) == len(photos)


def test_the_terms_are_the_yardstick(network, photos, style_file):
    found = evaluate(stylizer_of(lambda x: 1 - x), style_file, photos[:1], size=64)
    photo = resize_short_side(load_image(photos[0]), 64)
    style = to_tensor(resize_short_side(load_image(style_file), 64))
    loss = PerceptualLoss(network, YARDSTICK, style)
    terms = loss(to_tensor(255 - photo), loss.content_target(to_tensor(photo)))
    assert found.content_error == pytest.approx(float(terms.content), rel=1e-3)
    assert found.style_error == pytest.approx(float(terms.style), rel=1e-3)
