import os

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from impasto.evaluation import judge
from impasto.evaluation import scores as evaluate
from impasto.nn.vgg import BLOCKS, VGGFeatures
from impasto.optimize import gatys
from impasto.training import trainer


def tiny_vgg_weights():
    """A VGG-16 of the right shape but a few channels wide: its losses behave, and cost nothing."""
    source = torch.Generator().manual_seed(7)
    weights, channels = {}, 3
    for block, (width, count) in enumerate(zip((6, 8, 8, 8), BLOCKS["vgg16"], strict=False), start=1):
        for index in range(1, count + 1):
            scale = (2 / (9 * channels)) ** 0.5
            weights[f"conv{block}_{index}.weight"] = torch.randn(width, channels, 3, 3, generator=source) * scale
            weights[f"conv{block}_{index}.bias"] = torch.zeros(width)
            channels = width
    return weights


CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


@pytest.fixture(autouse=True, scope="session")
def a_core_of_its_own():
    """Workers run side by side, each on a core: engines that share cores spend their time on waiting for each other."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker:
        torch.set_num_threads(1)
        if CORES:
            os.sched_setaffinity(0, {sorted(CORES)[int(worker.removeprefix("gw")) % len(CORES)]})


@pytest.fixture
def all_cores():
    """For what several threads could do wrong."""
    if not CORES:
        yield
        return
    mine, threads = os.sched_getaffinity(0), torch.get_num_threads()
    os.sched_setaffinity(0, CORES)
    torch.set_num_threads(len(CORES))
    yield
    os.sched_setaffinity(0, mine)
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True, scope="session")
def kept_apart(tmp_path_factory):
    """What engines keep of this run is not put among the user's own files; commands that are started see it too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMPASTO_CACHE", str(tmp_path_factory.mktemp("compiled")))
        yield


@pytest.fixture(autouse=True)
def judged_small(monkeypatch):
    """Runs look at their results, and are compared with Gatys' optimisation, at a size that costs nothing."""
    for module in (judge, gatys, evaluate):
        monkeypatch.setattr(module, "YARDSTICK_SIZE", 64)
    for name in ("GLANCE_SIZE", "SHEET_SIZE"):
        monkeypatch.setattr(judge, name, 64)
    monkeypatch.setattr(trainer, "RANGE_SQUARES", 2)
    monkeypatch.setattr(judge, "MOST_EVALUATIONS", 3)


@pytest.fixture(scope="session")
def tiny_vgg():
    return VGGFeatures(tiny_vgg_weights())


@pytest.fixture(scope="session")
def tiny_vgg_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "tiny_vgg.safetensors"
    save_file(tiny_vgg_weights(), path)
    return path


def make_photo(seed, height=80, width=100):
    """A smooth coloured picture, uint8 (H, W, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    (folder / "deeper").mkdir()
    for seed in range(14):
        name = f"deeper/{seed}.png" if seed % 2 else f"{seed}.JPG"
        Image.fromarray(make_photo(seed)).save(folder / name)
    return folder


@pytest.fixture(scope="session")
def style_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("style") / "stripes.png"
    stripes = np.indices((90, 110)).sum(0) // 7 % 2 * 200
    Image.fromarray(np.stack([stripes, 255 - stripes, stripes // 2], axis=2).astype(np.uint8)).save(path)
    return path
