from dataclasses import replace

import numpy as np
import pytest

import impasto
from impasto.errors import TrainingError
from impasto.training import trainer
from impasto.training.paths import run_folder
from impasto.training.trainer import train
from tests.conftest import make_photo
from tests.training.runs import SMALL


def test_a_style_picture_that_vanishes_does_not_stop_a_run(config, tmp_path, monkeypatch):
    style = tmp_path / "style.png"
    style.write_bytes(config.styles[0].read_bytes())
    monkeypatch.setattr(trainer, "REPORT_SECONDS", 0.0)
    result = train(replace(config, styles=(style,)), progress=lambda _: style.unlink(missing_ok=True))
    assert result.finished


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((20, 300, 3), np.uint8), "300 x 20 pixels are too few for a style: give a picture of 64 or more"),
        (np.full((90, 90, 3), 77, np.uint8), "the picture is a single color"),
        (np.zeros((64, 640, 3), np.uint8), "640 x 64 pixels are too long a strip: cut out a part of it"),
    ],
    ids=["tiny", "flat", "strip"],
)
def test_an_unusable_style_picture_is_an_error(config, tmp_path, picture, message):
    impasto.save_image(tmp_path / "style.png", picture)
    with pytest.raises(TrainingError, match=message):
        train(replace(config, styles=(tmp_path / "style.png",)))
    assert not run_folder(config.output).exists()


@pytest.mark.parametrize("size", [100, 300])
def test_a_style_picture_that_is_much_enlarged_is_reported(config, tmp_path, size):
    impasto.save_image(tmp_path / "style.png", make_photo(9, size, size + 20))
    recipe = replace(SMALL, style_size=512)
    messages = []
    small = replace(config, styles=(tmp_path / "style.png",), recipe=recipe, steps=1)
    train(small, progress=lambda p: messages.append(p.message))
    text = f"{tmp_path / 'style.png'}: 120 x 100 pixels, enlarged to 512: expect soft strokes, or give a larger picture"
    assert messages[0] == (text if size == 100 else None)
