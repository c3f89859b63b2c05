from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from impasto.training.config import TrainConfig


@pytest.fixture
def config(tmp_path: Path, style_file: Path, photo_folder: Path, tiny_vgg_file: Path) -> "TrainConfig":
    from impasto.training.config import TrainConfig  # this file is also read where torch is not installed
    from tests.training.runs import SMALL

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
