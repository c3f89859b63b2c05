"""What the package's own networks were made with."""

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from impasto.nn.generators import build_generator
from impasto.training.distributed import World
from tools.make_styles import SIGNIFICANT, rounded
from tools.shared_objectives import Imitation
from tools.train_shared import Trainer, start_weights, turns, write_checkpoint
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


def test_a_checkpoint_gives_styles_by_name_and_a_new_one_begins_with_anothers_parameters(tmp_path):
    arguments = {"width": 8, "blocks": 1, "noise_scales": (1, 2)}
    kept = build_generator("light", {**arguments, "styles": 3})  # two styles and the photo
    for parameter in kept.parameters():
        torch.nn.init.uniform_(parameter, -1, 1)
    write_checkpoint(tmp_path / "c.safetensors", ["udnie", "wheat_field_cypresses"], kept)
    other = build_generator("light", {**arguments, "styles": 4})
    start_weights(tmp_path / "c.safetensors", ["new", "udnie", "wheat_field_cypresses"], other)
    photo = torch.rand(1, 3, 32, 40)
    noise = kept.draw_noise(1, 32, 40)
    for place, before in ((0, 1), (1, 0), (2, 1), (3, 2)):
        expected = kept(photo, noise, torch.eye(3)[[before]])
        torch.testing.assert_close(other(photo, noise, torch.eye(4)[[place]]), expected, atol=0.01, rtol=0)


def test_each_style_comes_as_often_as_it_is_to_before_the_next_round():
    queue = turns([1, 3, 2])
    assert all(sorted(next(queue) for _ in range(6)) == [0, 1, 1, 1, 2, 2] for _ in range(4))


def test_a_network_learns_to_imitate_another(tiny_vgg):
    torch.manual_seed(0)
    arguments = {"width": 8, "blocks": 1, "noise_scales": (1, 2), "styles": 2}
    teacher, student = (build_generator("light", arguments) for _ in range(2))
    trainer = Trainer(student, Imitation(teacher.eval(), tiny_vgg), World(1, 0, torch.device("cpu")))
    photos = torch.rand(1, 3, 64, 64)
    found = [trainer.step(photos, [0], torch.ones(1), 0.0)["total"] for _ in range(60)]
    assert np.mean(found[-10:]) < 0.7 * np.mean(found[:10])
