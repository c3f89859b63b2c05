import io
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import impasto
from impasto import Settings
from impasto.errors import TrainingError, UsageError
from impasto.models.catalog import shipped_network
from impasto.models.modelfile import read_info
from impasto.models.stylefile import read_style
from impasto.training import run
from impasto.training.base import load_base
from impasto.training.trainer import train
from tests.conftest import make_photo
from tests.training.runs import REAL, SMALL, weights


@pytest.mark.parametrize("when", ["while it is measured", "while it is compared"])
def test_ctrl_c_during_the_comparison_keeps_everything_else(config, monkeypatch, when):
    compared = []

    def compare(held_out, paint):
        compared.append(1)
        raise KeyboardInterrupt

    def report(progress):
        if progress.message and when == "while it is measured":
            assert progress.message == "measuring the result, up to a minute more"
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(run.HeldOut, "equal_evaluations", compare)
    result = train(config, progress=report)
    assert result.finished
    assert result.equal_evaluations is None
    assert len(compared) == (when == "while it is compared")
    assert read_info(result.model).training["steps"] == 12
    assert torch.load(result.folder / "checkpoint.pt", weights_only=True)["finished"]


def test_unreadable_photos_do_not_stop_a_run(config, tmp_path, photo_folder):
    content = tmp_path / "content"
    content.mkdir()
    for number, path in enumerate(sorted(photo_folder.glob("*.JPG"))):
        (content / f"{number}.jpg").write_bytes(path.read_bytes())
    (content / "3.jpg").write_bytes(b"\xff\xd8 broken")
    (content / "thin.png").write_bytes(thin_picture())
    held_out = tmp_path / "held_out"
    held_out.mkdir()
    (held_out / "a.jpg").write_bytes((content / "0.jpg").read_bytes())
    (held_out / "broken.jpg").write_bytes(b"not a picture")
    result = train(replace(config, content=content, held_out=held_out, recipe=replace(SMALL, pool=20)))
    assert {path.name for path in result.unreadable} == {"3.jpg", "thin.png", "broken.jpg"}


def thin_picture():
    file = io.BytesIO()
    Image.new("RGB", (60_000, 1)).save(file, "PNG")
    return file.getvalue()


def test_the_preview_shows_style_photo_and_result(config):
    sheet = impasto.load_image(train(config).preview)
    assert sheet.shape[1] > 2 * 480
    assert np.ptp(sheet) > 200


def test_several_styles_share_a_network_and_each_has_a_file(config, photo_folder, tmp_path):
    several = replace(config, styles=(*config.styles, photo_folder / "2.JPG"), output=tmp_path / "made")
    result = train(several)
    made = {path.name for path in result.model.iterdir()}
    assert made == {"network.onnx", "stripes.safetensors", "2.safetensors", "run"}
    photo = impasto.load_image(photo_folder / "4.JPG")
    one, other = (impasto.load(result.model / name)(photo) for name in ("stripes.safetensors", "2.safetensors"))
    assert one.shape == photo.shape
    assert (one != other).any()
    assert (impasto.load(result.model / "2.safetensors")(photo, impasto.Settings(strength=0)) == photo).all()
    assert read_info(result.model / "network.onnx").styles == ("stripes", "2")


def test_of_several_styles_only_those_of_the_replaced_network_go(config, photo_folder, tmp_path):
    pictures = tuple(sorted(photo_folder.glob("*.JPG")))[:2]
    several = replace(config, styles=pictures, output=tmp_path / "made", steps=1)
    train(several)
    others = {
        "weights.safetensors": config.loss_network,
        "udnie.safetensors": shipped_network("best").with_name("udnie.safetensors"),
    }
    for name, source in others.items():
        (several.output / name).write_bytes(source.read_bytes())
    renamed = several.output / f"{pictures[0].stem}_old.safetensors"
    (several.output / f"{pictures[0].stem}.safetensors").rename(renamed)
    train(replace(several, seed=1), restart=True)
    assert not renamed.exists()
    assert {path.name for path in several.output.glob("*.safetensors")} == {
        *others,
        *(f"{x.stem}.safetensors" for x in pictures),
    }


def test_without_the_photo_there_is_one_strength(config):
    result = train(replace(config, steps=2, recipe=replace(config.recipe, photo_every=0)))
    assert not read_info(result.model).strength
    with pytest.raises(UsageError, match="this model has one strength"):
        impasto.load(result.model)(make_photo(1), Settings(strength=0.3))


def test_a_style_file_is_small_and_works_with_the_shared_network(config, tmp_path):
    alone = replace(config, output=tmp_path / "mine.safetensors", recipe=REAL, steps=4)
    result = train(alone)
    assert result.model.stat().st_size < 30_000
    trained = {name: x for name, x in weights(alone).items() if x.ndim != 2}
    base = load_base("light", REAL.generator_arguments())
    for name, x in base.weights.items():
        assert torch.equal(trained[name], x), name  # only scales and shifts have moved
    style = read_style(result.model)
    assert not any(np.allclose(style.parameters, code) for code in base.style_parameters.numpy())
    photo = impasto.load_image(next(config.content.glob("*.JPG")))
    assert impasto.load(result.model)(photo).shape == photo.shape
    with pytest.raises(TrainingError, match="there is no shared network with these arguments"):
        train(replace(alone, recipe=SMALL), restart=True)
