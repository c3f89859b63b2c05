"""What the tests of commands share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from impasto.cli.main import main
from impasto.pictures.write import save_image
from tests.cli.commands import QUICK
from tests.conftest import make_photo
from tests.graphs import write_test_model


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a model that makes negatives and a picture."""
    monkeypatch.chdir(tmp_path)
    write_test_model("m.onnx", training={"steps": 2000, "preset": "default"}, style_title="The Wave")
    save_image("a.png", make_photo(0))
    return tmp_path


@pytest.fixture
def train(tiny_vgg_file: Path, photo_folder: Path, style_file: Path, tmp_path: Path) -> Callable[..., int]:
    def call(*words: str, style: Path = style_file, output: str = "model.onnx", content: Path = photo_folder) -> int:
        fixed = ["--content", str(content), "--loss-network", str(tiny_vgg_file), *QUICK]
        return main(["train", str(style), "-o", str(tmp_path / output), *fixed, *words])

    return call
