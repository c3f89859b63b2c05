from dataclasses import replace

import numpy as np
import pytest
import torch

from impasto.cli.main import main
from impasto.errors import ModelError
from impasto.models.catalog import VARIANTS, shipped_network
from impasto.models.modelfile import ModelInfo, read_info
from impasto.nn.generators import GENERATORS, build_generator
from impasto.nn.tensors import to_picture, to_tensor
from impasto.painting import stylizer as runtime
from impasto.painting.engines import ENGINES
from impasto.painting.load import load
from impasto.painting.regions import paint_regions
from impasto.painting.settings import Settings
from impasto.pictures.read import load_image
from impasto.pictures.write import save_image
from impasto.training import export
from impasto.training.export import export_generator, facts
from tests.conftest import make_photo
from tests.training.test_onnx_graph import randomized


@pytest.mark.parametrize("backend", sorted(ENGINES))
def test_a_model_of_its_own_paints_in_any_strength(backend, tmp_path, monkeypatch):
    torch.manual_seed(0)
    generator = randomized(build_generator("residual", {"width": 4, "blocks": 1, "styles": 2}))
    info = ModelInfo(architecture="residual", arguments={"width": 4, "blocks": 1}, styles=("s",), strength=True)
    export_generator(generator, info, tmp_path / "model.onnx")
    stylizer = load(tmp_path / "model.onnx", backend=backend, precision="float32")
    photo = make_photo(1, 101, 90)
    full, none = generator.style_parameters()
    reference = build_generator("residual", {"width": 4, "blocks": 1})
    reference.load_state_dict(
        {
            **generator.state_dict(),
            **{k: x[:1] for k, x in generator.state_dict().items() if "norm" in k and x.ndim == 2},
        }
    )
    for strength in (1.0, 1.5):
        way = torch.full_like(full, strength)
        way[-2 * (8 + 4) :] = min(strength, 1)  # the layers at half and at the full size, which make the colors
        reference.set_style_parameters((none + way * (full - none))[None])
        with torch.no_grad():
            expected = to_picture(reference(to_tensor(photo)))
        painted = stylizer(photo, Settings(strength=strength))
        assert np.abs(painted.astype(int) - expected.astype(int)).max() <= 1
    whole = stylizer(photo, Settings(strength=0.4))
    with monkeypatch.context() as patch:
        patch.setattr(runtime, "WHOLE_PIXELS", 1000)
        patch.setattr(runtime, "SAMPLED_PIXELS", photo.shape[0] * photo.shape[1])
        patch.setattr(runtime, "TILE", 64)
        in_tiles = stylizer(photo, Settings(strength=0.4))
    assert np.abs(in_tiles.astype(int) - whole).max() <= 1
    half = np.full((101, 90), 128, np.uint8)
    by_mask, by_strength = paint_regions(photo, [(stylizer, half)]), stylizer(photo, Settings(strength=128 / 255))
    assert np.abs(by_mask.astype(int) - by_strength.astype(int)).mean() < 1
    assert (stylizer(photo, Settings(strength=0)) == photo).all()


def test_the_command_line_shows_a_model_of_its_own_in_all_strengths(tmp_path):
    generator = randomized(build_generator("residual", {"width": 4, "blocks": 1, "styles": 2}))
    info = ModelInfo(architecture="residual", arguments={"width": 4, "blocks": 1}, styles=("s",), strength=True)
    export_generator(generator, info, tmp_path / "model.onnx")
    save_image(tmp_path / "photo.png", make_photo(1, 60, 90))
    words = [str(tmp_path / name) for name in ("photo.png", "model.onnx", "grid.png")]
    assert main(["stylize", words[0], "--model", words[1], "--grid", "-o", words[2]]) == 0
    height, width = load_image(words[2]).shape[:2]
    assert width > 6 * 90
    assert height > 60


@pytest.mark.parametrize("name", [*GENERATORS])
def test_the_stylizer_paints_what_torch_paints(name, tmp_path):
    torch.manual_seed(0)
    generator = build_generator(name, {})
    info = ModelInfo(
        architecture=name,
        arguments={},
        styles=("s",),
    )
    export_generator(generator, info, tmp_path / "model.onnx")
    assert read_info(tmp_path / "model.onnx") == replace(info, **facts(generator))
    photo = make_photo(1, 101, 90)
    picture = load(tmp_path / "model.onnx", backend="onnxruntime")(photo, Settings(seed=3))
    noise = None
    if generator.noise_channels:
        shape = (1, generator.noise_channels, 101, 90)
        noise = torch.from_numpy(np.random.default_rng(3).random(shape, dtype=np.float32))
    with torch.no_grad():
        expected = to_picture(generator(to_tensor(photo), noise))
    assert np.abs(picture.astype(int) - expected.astype(int)).max() <= 1


def test_a_file_that_disagrees_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "disagreement", lambda *_: 0.5)
    generator = build_generator("residual", {"width": 4, "blocks": 1})
    info = ModelInfo(architecture="residual", arguments={}, styles=("s",))
    with pytest.raises(ModelError, match=r"not written: ONNX Runtime's picture differs from torch's by 127.5/255"):
        export_generator(generator, info, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_shipped_networks_are_described_as_their_generators_are(variant):
    info = read_info(shipped_network(variant))
    generator = build_generator(info.architecture, info.arguments)
    assert replace(info, **facts(generator)) == info
    assert info.reach > 0
