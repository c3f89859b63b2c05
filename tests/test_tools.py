"""What the package's own networks were made with."""

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

import impasto
from impasto.models.catalogue import shipped
from impasto.models.stylefile import read_style, write_style
from impasto.nn.generators import build_generator
from impasto.nn.losses import YARDSTICK, PerceptualLoss
from impasto.nn.tensors import to_tensor
from impasto.painting.settings import AS_IT_IS
from tests.conftest import make_photo
from tools.make_styles import (
    LEAST_STRENGTH,
    SIGNIFICANT,
    content_error,
    moderate,
    rounded,
    seen_by,
    weakened,
    with_steps_before,
)
from tools.widen import widen


def test_a_widened_network_paints_the_same_and_learns_with_what_is_new():
    torch.manual_seed(0)
    narrow, wide = (build_generator("light", {"width": width, "blocks": 2, "styles": 3}) for width in (6, 10))
    for parameter in narrow.parameters():
        torch.nn.init.uniform_(parameter, -1, 1)
    widen(narrow, wide)
    photo, style = torch.rand(1, 3, 40, 48), torch.tensor([[0.5, 0.2, 0.3]])
    torch.testing.assert_close(wide(photo, style=style), narrow(photo, style=style), atol=1e-5, rtol=0)
    (wide(photo, style=style) * torch.rand(1, 3, 40, 48)).sum().backward()
    assert wide.last.conv.weight.grad[:, 6:].abs().max() > 0  # the new channels' way out, zero so far


def test_kernels_are_rounded_to_few_bits_and_stay_float32(tmp_path):
    kernel = np.linspace(-1, 0.75, 2 * 3 * 9, dtype=np.float32).reshape(2, 3, 3, 3)
    others = {"a.bias": np.array([1 / 3], np.float32), "mean": np.full((1, 3, 1, 1), 1 / 3, np.float32)}
    tensors = [numpy_helper.from_array(x, name) for name, x in {"a.weight": kernel, **others}.items()]
    graph = onnx.helper.make_graph([], "g", [], [], tensors)
    onnx.save(onnx.helper.make_model(graph), tmp_path / "m.onnx")
    found = onnx.load_from_string(rounded(tmp_path / "m.onnx")).graph.initializer
    arrays = {x.name: numpy_helper.to_array(x) for x in found}
    few = arrays["a.weight"]
    assert few.dtype == np.float32
    changes = np.abs(few / kernel - 1)
    assert 0 < changes.max() <= 2.0**-SIGNIFICANT
    assert (few.view(np.uint32) % 2 ** (24 - SIGNIFICANT) == 0).all()  # the bits that compress
    assert all(np.array_equal(arrays[name], x) for name, x in others.items())


def test_a_style_that_costs_too_much_of_photos_is_weakened_as_far_as_it_may_be(tmp_path, tiny_vgg):
    style, path = shipped("fast")["udnie"], tmp_path / "udnie.safetensors"
    photos = [(photo, seen_by(tiny_vgg, photo)) for photo in (make_photo(seed, 64, 64) for seed in (3, 4))]

    def left_of(most):
        write_style(path, style)
        return moderate(path, most, tiny_vgg, photos)

    write_style(path, style)
    full = content_error(path, tiny_vgg, photos)
    loss = PerceptualLoss(tiny_vgg, YARDSTICK, to_tensor(make_photo(2)))
    painted = impasto.load(path, precision="float32")
    terms = [loss(to_tensor(painted(x, AS_IT_IS)), loss.content_target(to_tensor(x))).content for x, _ in photos]
    assert full == pytest.approx(float(sum(terms)) / 2, rel=1e-3)
    write_style(path, weakened(style, LEAST_STRENGTH))
    least = content_error(path, tiny_vgg, photos)
    assert least < full
    assert left_of(full + 0.1) == 1.0
    assert np.array_equal(read_style(path).parameters, style.parameters)
    between = left_of((full + least) / 2)
    assert LEAST_STRENGTH < between < 1.0
    assert content_error(path, tiny_vgg, photos) == pytest.approx((full + least) / 2, abs=0.3 * (full - least))
    assert read_style(path).info.training["weakened_to"] == round(between, 3)
    assert left_of(0.0) == LEAST_STRENGTH
    assert np.array_equal(read_style(path).photo, style.photo)


def test_the_record_counts_the_steps_of_all_sittings():
    first = {"start": "nothing", "steps": 100, "seconds": 60.0}
    assert with_steps_before(first, {"start": "base", "steps": 7, "seconds": 1.0}) == first
    second = with_steps_before({"start": "base", "steps": 20, "seconds": 9.0}, first)
    assert second["steps_before"] == 100
    third = with_steps_before({"start": "base", "steps": 3, "seconds": 2.0}, second)
    assert third["steps_before"] == 120
    assert with_steps_before({"start": "base", "steps": 3, "seconds": 2.0}, third) == third  # made once more
