from pathlib import Path

import pytest

from impasto.training.config import TrainConfig
from tests.training.runs import SMALL


@pytest.fixture
def config(tmp_path: Path, style_file: Path, photo_folder: Path, tiny_vgg_file: Path) -> TrainConfig:
    return TrainConfig(
        styles=(style_file,),
        output=tmp_path / "model.onnx",
        precision="float32",  # whatever the processor
        recipe=SMALL,
        content=photo_folder,
        minutes=None,
        steps=12,
        loss_network=tiny_vgg_file,
        threads=1,
    )
