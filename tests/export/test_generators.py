"""Every kind of network can be exported."""

import pytest
import torch

from impasto.export.graph_file import ExportOptions, export_onnx
from impasto.models.modelfile import ModelInfo
from impasto.nn.generators import build_generator
from impasto.training.export import export_generator
from tests.training.test_onnx_graph import randomized

NETWORKS = {
    "residual": {"width": 4, "blocks": 1},
    "light": {"width": 16, "blocks": 1},
    "texture": {"width": 4, "levels": 2},
}


@pytest.mark.parametrize(
    ("name", "norm", "precision"),
    [
        ("residual", "instance", "float32"),
        ("residual", "contrast", "float16"),
        ("light", "batch", "float16"),
        ("texture", "instance", "float16"),
        ("texture", "contrast", "float32"),
    ],
)
def test_a_network_is_exported(name, norm, precision, tmp_path):
    torch.manual_seed(0)
    arguments = {**NETWORKS[name], "norm": norm}
    generator = randomized(build_generator(name, arguments))
    info = ModelInfo(architecture=name, arguments=arguments, styles=("s",))
    export_generator(generator, info, tmp_path / "m.onnx")
    size = "72x56" if name == "texture" else None
    found = export_onnx(str(tmp_path / "m.onnx"), tmp_path / "a.onnx", ExportOptions(precision=precision, size=size))
    assert found.difference <= (1 if precision == "float32" else 8)


def test_a_model_with_strengths_is_exported_in_one(tmp_path):
    arguments = {**NETWORKS["residual"], "styles": 2}
    generator = randomized(build_generator("residual", arguments))
    info = ModelInfo(architecture="residual", arguments=arguments, styles=("s",), strength=True)
    export_generator(generator, info, tmp_path / "m.onnx")
    found = export_onnx(str(tmp_path / "m.onnx"), tmp_path / "a.onnx", ExportOptions(strength=0.3))
    assert found.difference <= 1
