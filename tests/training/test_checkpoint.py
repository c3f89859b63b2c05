from dataclasses import replace

import pytest
from safetensors.torch import load_file, save_file

from impasto.errors import TrainingError
from impasto.training.trainer import train
from tests.training.runs import SMALL, stop_after


def test_resuming_needs_the_same_configuration(config, photo_folder):
    train(config, progress=stop_after(3))
    with pytest.raises(TrainingError, match="it differs in recipe"):
        train(replace(config, recipe=replace(SMALL, adam_rate=1e-4)), resume=True)
    with pytest.raises(TrainingError, match="it differs in style"):
        train(replace(config, styles=(photo_folder / "2.JPG",)), resume=True)
    assert train(replace(config, steps=4), resume=True).steps == 4  # the budget may change


def test_resuming_needs_the_same_photos(config, tmp_path, photo_folder):
    train(config, progress=stop_after(3))
    other = tmp_path / "other"
    other.mkdir()
    for number, path in enumerate(photo_folder.glob("*.JPG")):
        (other / f"other{number}.jpg").write_bytes(path.read_bytes())
    with pytest.raises(TrainingError, match="it differs in content"):
        train(replace(config, content=other), resume=True)


def test_resuming_needs_the_same_loss_network_at_any_path(config, tmp_path, tiny_vgg_file):
    train(config, progress=stop_after(3))
    elsewhere = tmp_path / "elsewhere.safetensors"
    elsewhere.write_bytes(tiny_vgg_file.read_bytes())
    moved = replace(config, loss_network=elsewhere)
    assert train(moved, resume=True).finished
    weights = load_file(elsewhere)
    weights["conv1_1.bias"] += 1.0
    save_file(weights, elsewhere)
    with pytest.raises(TrainingError, match="it differs in loss network"):
        train(moved, resume=True)
