import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import impasto
from impasto.errors import ImageError, TrainingError, UsageError
from impasto.models.modelfile import read_info
from impasto.nn.losses import Objective
from impasto.pictures.resize import resize_short_side
from impasto.training import run
from impasto.training.base import load_base
from impasto.training.paths import run_folder
from impasto.training.trainer import train
from tests.training.runs import FAST, REAL, SMALL, beginning, stop_after


def test_a_style_file_is_resumed_with_its_own_network_only(config, monkeypatch):
    alone = beginning(config, "base, style alone", "mine")
    train(alone, progress=stop_after(2))
    base = load_base("light", FAST.generator_arguments())
    monkeypatch.setattr(run, "load_base", lambda *_: replace(base, network="of another version"))
    with pytest.raises(TrainingError, match="it differs in network"):
        train(alone, resume=True)


def test_an_unfinished_run_is_not_overwritten_by_accident(config):
    train(config, progress=stop_after(3))
    with pytest.raises(TrainingError, match=r"unfinished run is here, at step 3: add --resume .* or --restart"):
        train(config)
    assert train(config, restart=True).finished


@pytest.mark.parametrize("name", ["model.onnx", "style.safetensors", "made/network.onnx", "made/2.safetensors"])
def test_what_is_there_is_not_replaced_by_accident(config, tmp_path, name):
    there = tmp_path / name
    styles, output = config.styles, there
    if there.parent != tmp_path:
        styles, output = (*config.styles, config.content / "2.JPG"), there.parent
    made = replace(config, output=output, styles=styles, recipe=FAST, steps=1)
    there.parent.mkdir(exist_ok=True)
    there.write_bytes(b"years of work")
    with pytest.raises(UsageError, match=r"exists already: add --restart to replace it, or give another name"):
        train(made)
    assert there.read_bytes() == b"years of work"
    assert train(made, restart=True).finished
    with pytest.raises(UsageError, match="exists already: add --restart to replace it, --resume and a larger budget"):
        train(made)


def test_a_run_in_its_own_content_folder_does_not_learn_from_its_preview(config, tmp_path, photo_folder):
    folder = shutil.copytree(photo_folder, tmp_path / "photos")
    inside = replace(config, content=folder, output=folder / "model.onnx")
    train(inside, progress=stop_after(3))
    assert (run_folder(inside.output) / "preview.jpg").exists()
    assert train(inside, resume=True).finished


def test_resuming_without_a_run_is_an_error(config):
    with pytest.raises(TrainingError, match="nothing to resume"):
        train(config, resume=True)
    run_folder(config.output).mkdir()
    (run_folder(config.output) / "checkpoint.pt").write_text("garbage")
    with pytest.raises(TrainingError, match="not a checkpoint, or damaged"):
        train(config, resume=True)


def test_bad_input_is_an_error_before_any_work(config, tmp_path):
    with pytest.raises(ImageError, match="no such file"):
        train(replace(config, styles=(tmp_path / "nothing.jpg",)))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(TrainingError, match="no pictures in this folder"):
        train(replace(config, content=empty))
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(TrainingError, match="is a folder"):
        train(replace(config, output=tmp_path / "folder.onnx"))
    with pytest.raises(TrainingError, match="does not exist"):
        train(replace(config, output=tmp_path / "no" / "model.onnx"))
    with pytest.raises(UsageError, match="unknown layer 'relu7_1'"):
        train(replace(config, recipe=replace(SMALL, objective=Objective(content_layers=("relu7_1",)))))
    assert not (tmp_path / "model.onnx").exists()
    assert not run_folder(config.output).exists()


def test_no_readable_held_out_photo_is_fatal(config, tmp_path):
    (tmp_path / "held_out").mkdir()
    (tmp_path / "held_out" / "a.jpg").write_bytes(b"not a picture")
    with pytest.raises(TrainingError, match="not one of the 1 held-out photos can be read"):
        train(replace(config, held_out=tmp_path / "held_out"))


def test_a_default_run_starts_with_the_shared_network(config):
    based, nothing = (
        replace(config, recipe=replace(REAL, start=start), output=config.output.with_name(f"{start}.onnx"), steps=1)
        for start in ("base", "nothing")
    )
    results = [train(each) for each in (based, nothing)]
    assert [read_info(result.model).training["start"] for result in results] == ["base", "nothing"]
    photo = resize_short_side(impasto.load_image(Path(__file__).parents[2] / "examples" / "photos" / "castle.jpg"), 128)
    alike = [np.corrcoef(photo.mean(2).ravel(), impasto.load(x.model)(photo).mean(2).ravel())[0, 1] for x in results]
    assert alike[0] > 0.4 > abs(alike[1]) + 0.1
