"""The ComfyUI node on a fake of ComfyUI's interface. It has not been run in ComfyUI itself."""

import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

import impasto
from impasto.models.catalog import shipped_names
from tests.painting.fakes import fake

NODE = Path(__file__).parents[2] / "integrations/comfyui_impasto/__init__.py"


class Interrupted(Exception):
    pass


class Comfy:
    """What ComfyUI offers to a node."""

    def __init__(self, models):
        self.models = models
        self.progress = []
        self.interrupt_after = 10**9
        self.names = {}

    def modules(self):
        folders = types.ModuleType("folder_paths")
        folders.models_dir = str(self.models)
        folders.folder_names_and_paths = self.names
        folders.get_filename_list = lambda name: [path.name for path in self._files(name)]
        folders.get_full_path = lambda name, file: next(
            (str(path) for path in self._files(name) if path.name == file), None
        )
        utils, management = types.ModuleType("comfy.utils"), types.ModuleType("comfy.model_management")
        utils.ProgressBar = lambda total: types.SimpleNamespace(update=lambda n: self.progress.append((n, total)))
        management.throw_exception_if_processing_interrupted = self._check
        comfy = types.ModuleType("comfy")
        comfy.utils, comfy.model_management = utils, management
        return {"comfy": comfy, "comfy.utils": utils, "comfy.model_management": management, "folder_paths": folders}

    def _files(self, name):
        roots, suffixes = self.names[name]
        return [path for root in roots for path in sorted(Path(root).glob("*")) if path.suffix in suffixes]

    def _check(self):
        if len(self.progress) >= self.interrupt_after:
            raise Interrupted


@pytest.fixture
def comfy(tmp_path):
    return Comfy(tmp_path)


@pytest.fixture
def node(comfy, monkeypatch):
    for name, module in comfy.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    spec = importlib.util.spec_from_file_location("comfyui_impasto", NODE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def loads(monkeypatch):
    """Every style is a negative; the calls of `impasto.load`."""
    calls = []

    def load(name, *, variant):
        calls.append((name, variant))
        return fake(lambda inputs: 1 - inputs["image"], style_size=1)

    monkeypatch.setattr(impasto, "load", load)
    return calls


INPUTS = {"style": "udnie", "strength": 1.0, "stroke_size": 0.0, "colors": "painted", "fast": False}


def batch(count=3):
    return torch.rand(count, 20, 30, 3, generator=torch.Generator().manual_seed(0))


def make(node):
    return node.NODE_CLASS_MAPPINGS["ImpastoPaint"]()


def test_a_batch_is_painted_image_by_image(node, loads, comfy):
    images = batch()
    (painted,) = make(node).paint(images, **INPUTS)
    assert painted.shape == images.shape
    assert painted.dtype == torch.float32
    assert (painted - (1 - images)).abs().max() <= 1.01 / 255
    assert comfy.progress == [(1, 3)] * 3
    assert loads == [("udnie", "best")]


def test_the_network_is_kept_until_another_is_needed(node, loads):
    one = make(node)
    for changes in ({}, {"strength": 0.5}, {"fast": True}, {"style": "great_wave"}, {"style": "great_wave"}):
        one.paint(batch(1), **{**INPUTS, **changes})
    assert loads == [("udnie", "best"), ("udnie", "fast"), ("great_wave", "best")]


def test_two_styles_are_mixed_by_their_share(node, loads):
    make(node).paint(batch(1), **INPUTS, second_style="great_wave", share=0.25)
    make(node).paint(batch(1), **INPUTS, second_style="great_wave", share=0.0)
    make(node).paint(batch(1), **INPUTS, second_style="none", share=0.5)
    assert loads == [({"udnie": 0.75, "great_wave": 0.25}, "best"), ("udnie", "best")]


def test_a_mask_of_any_size_shows_where_to_paint(node, loads, monkeypatch):
    calls = []

    def paint_regions(pixels, regions, settings):
        ((stylizer, mask),) = regions
        calls.append(mask)
        return stylizer(pixels, settings)

    monkeypatch.setattr(impasto, "paint_regions", paint_regions)
    mask = torch.zeros(1, 10, 15)
    mask[:, :, 7:] = 1
    make(node).paint(batch(2), **INPUTS, mask=mask)
    make(node).paint(batch(1), **INPUTS, mask=mask[0])
    assert [given.shape for given in calls] == [(10, 15)] * 3
    np.testing.assert_array_equal(calls[0], mask[0].numpy() * 255)


def test_alpha_and_values_out_of_range_are_no_problem(node, loads):
    images = torch.cat([batch(1) * 3 - 1, torch.rand(1, 20, 30, 1)], dim=3)
    (painted,) = make(node).paint(images, **INPUTS)
    assert painted.shape == (1, 20, 30, 3)
    assert 0 <= painted.min() <= painted.max() <= 1


def test_an_interruption_stops_between_images(node, loads, comfy):
    comfy.interrupt_after = 2
    with pytest.raises(Interrupted):
        make(node).paint(batch(5), **INPUTS)
    assert len(comfy.progress) == 2


def test_styles_and_files_are_offered(node, loads, tmp_path):
    (tmp_path / "impasto").mkdir()
    for name in ("mine.onnx", "other.safetensors", "note.txt"):
        (tmp_path / "impasto" / name).touch()
    inputs = node.ImpastoPaint.INPUT_TYPES()
    names = inputs["required"]["style"][0]
    assert names == [*shipped_names(), "mine.onnx", "other.safetensors"]
    assert inputs["optional"]["second_style"][0][0] == "none"
    make(node).paint(batch(1), **{**INPUTS, "style": "mine.onnx"})
    assert loads == [(str(tmp_path / "impasto/mine.onnx"), "best")]
    with pytest.raises(FileNotFoundError, match=r"gone\.onnx"):
        make(node).paint(batch(1), **{**INPUTS, "style": "gone.onnx"})


def test_the_node_says_of_itself_what_comfyui_asks(node):
    kind = node.NODE_CLASS_MAPPINGS["ImpastoPaint"]
    assert node.NODE_DISPLAY_NAME_MAPPINGS.keys() == node.NODE_CLASS_MAPPINGS.keys()
    assert kind.RETURN_TYPES == ("IMAGE",)
    inputs = kind.INPUT_TYPES()
    given = {*inputs["required"], *inputs["optional"]}
    code = getattr(kind, kind.FUNCTION).__code__
    assert given == {*code.co_varnames[1 : code.co_argcount]}
