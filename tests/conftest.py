"""Fixtures that every test may use, and how the suite runs where torch is not installed.

This file imports no torch, so that the torch-free half can be tested without it: test modules that import torch or a
package of the torch half are then not collected, and the header of the run names them.
"""

import ast
import functools
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

# On a busy computer examples take long: that is no failure.
settings.register_profile("any speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any speed")
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # for tests that import ONNX Runtime themselves

TORCH_HALF = ("torch", "impasto.nn", "impasto.optimize", "impasto.training", "impasto.evaluation")
HAS_TORCH = find_spec("torch") is not None
CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
TESTS = Path(__file__).parent


def needs_torch(path: Path) -> bool:
    """Whether a test module imports torch, or a package of the torch half, when it is loaded."""
    names: list[str] = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return any(name == root or name.startswith(f"{root}.") for name in names for root in TORCH_HALF)


collect_ignore = [] if HAS_TORCH else [str(path) for path in TESTS.rglob("test_*.py") if needs_torch(path)]


def pytest_report_header() -> str | None:
    if collect_ignore:
        names = sorted(Path(path).relative_to(TESTS).as_posix() for path in collect_ignore)
        return f"torch is not installed: {len(names)} test modules are left out: {', '.join(names)}"
    return None


@pytest.fixture(autouse=True, scope="session")
def one_core_per_worker() -> None:
    """Each pytest-xdist worker runs on a core of its own: engines that share a core wait for each other."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker:
        if CORES:
            os.sched_setaffinity(0, {sorted(CORES)[int(worker.removeprefix("gw")) % len(CORES)]})
        set_torch_threads(1)


def set_torch_threads(number: int) -> None:
    if HAS_TORCH:
        import torch

        torch.set_num_threads(number)


@pytest.fixture
def all_cores() -> Iterator[None]:
    """All cores, for tests of what several threads could do wrong."""
    if not CORES:
        yield
        return
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, CORES)
    set_torch_threads(len(CORES))
    yield
    os.sched_setaffinity(0, mine)
    set_torch_threads(len(mine))


@pytest.fixture(autouse=True, scope="session")
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Engines cache compiled networks in a temporary folder; commands that tests start inherit it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMPASTO_CACHE", str(tmp_path_factory.mktemp("compiled")))
        yield


@pytest.fixture(scope="module")
def networks_stay_loaded() -> Iterator[None]:
    """Networks that are loaded in a module stay loaded until its end, as if each test held them."""
    from impasto.painting.network import Network

    of, held = Network.of, []

    def hold(info: Any, graph: Any) -> Network:
        held.append(of(info, graph))
        return held[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Network, "of", staticmethod(hold))
        yield


@pytest.fixture(autouse=True)
def small_evaluations(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The built-in loss network is a tiny one, and a run's result is measured at a size that costs nothing.

    Tests that need the real network ask for ``real_loss_network``.
    """
    if not HAS_TORCH or request.path.parent.name in ("pictures", "models", "painting", "video"):
        return
    from impasto.evaluation import held_out
    from impasto.evaluation import scores as evaluate
    from impasto.nn import lpips
    from impasto.nn import weights as nn_weights
    from impasto.optimize import gatys
    from impasto.training import result

    for module in (held_out, gatys, evaluate):
        monkeypatch.setattr(module, "YARDSTICK_SIZE", 64)
    for name in ("QUICK_SIZE", "SHEET_SIZE"):
        monkeypatch.setattr(held_out, name, 64)
    monkeypatch.setattr(result, "RANGE_CROPS", 2)
    monkeypatch.setattr(held_out, "MOST_EVALUATIONS", 3)
    if "real_loss_network" not in request.fixturenames:
        for loader in (nn_weights, lpips):
            monkeypatch.setattr(loader, "packaged", tiny_file)


@pytest.fixture
def real_loss_network() -> Any:
    """The built-in VGG-16, which takes seconds to compute with; read and prepared once for all tests."""
    return _real_loss_network()


@functools.cache
def _real_loss_network() -> Any:
    from impasto.nn.weights import load_loss_network

    return load_loss_network()[0]


TINY_WIDTHS = (6, 8, 8, 8, 8)
"""Channels of the tiny loss network's blocks; the real one has 64 to 512."""


@functools.cache
def tiny_file(name: str) -> bytes:
    """The content of a file of the training data that goes with the tiny loss network."""
    from safetensors.torch import save
    from torch import full

    from impasto.nn.weights import BUILT_IN, LPIPS_HEADS

    heads = {f"relu{block}": full((width,), 0.3) for block, width in enumerate(TINY_WIDTHS)}
    content: bytes = save({BUILT_IN: tiny_vgg_weights(), LPIPS_HEADS: heads}[name])
    return content


def tiny_vgg_weights() -> dict[str, Any]:
    """Weights of a VGG-16 of the right shape, a few channels wide: its losses behave, and cost nothing."""
    torch = pytest.importorskip("torch")
    from impasto.nn.vgg import BLOCKS

    source = torch.Generator().manual_seed(7)
    weights, channels = {}, 3
    for block, (width, count) in enumerate(zip(TINY_WIDTHS, BLOCKS["vgg16"], strict=False), start=1):
        for index in range(1, count + 1):
            scale = (2 / (9 * channels)) ** 0.5
            weights[f"conv{block}_{index}.weight"] = torch.randn(width, channels, 3, 3, generator=source) * scale
            weights[f"conv{block}_{index}.bias"] = torch.zeros(width)
            channels = width
    return weights


@pytest.fixture(scope="session")
def tiny_vgg() -> Any:
    weights = tiny_vgg_weights()
    from impasto.nn.vgg import VGGFeatures

    return VGGFeatures(weights)


@pytest.fixture(scope="session")
def tiny_vgg_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    weights = tiny_vgg_weights()
    from safetensors.torch import save_file

    path = tmp_path_factory.mktemp("weights") / "tiny_vgg.safetensors"
    save_file(weights, path)
    return path


def make_photo(seed: int, height: int = 80, width: int = 100) -> npt.NDArray[np.uint8]:
    """A smooth colored picture, uint8 (H, W, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 14 photos, half of them in a subfolder."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "deeper").mkdir()
    for seed in range(14):
        name = f"deeper/{seed}.png" if seed % 2 else f"{seed}.JPG"
        Image.fromarray(make_photo(seed)).save(folder / name)
    return folder


@pytest.fixture(scope="session")
def style_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A style picture: colored stripes."""
    path = tmp_path_factory.mktemp("style") / "stripes.png"
    stripes = np.indices((90, 110)).sum(0) // 7 % 2 * 200
    Image.fromarray(np.stack([stripes, 255 - stripes, stripes // 2], axis=2).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plots of the experiments are not saved, which takes a second each."""
    from experiments.page import Plots

    monkeypatch.setattr(Plots, "_saved", lambda _, figure, name, caption: (f"{name}.png", caption))
