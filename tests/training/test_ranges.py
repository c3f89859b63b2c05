import numpy as np
import torch

from impasto.nn.generators import NOISE_SCALES, build_generator
from impasto.training import ranges
from impasto.training.ranges import feature_ranges

IMAGE = np.random.default_rng(0).random((1, 3, 40, 56), dtype=np.float32)


def test_only_convolutions_over_many_channels_are_in_8_bits():
    names = {"residual": {"blocks", "up.0"}, "light": {"first", "blocks", "up", "last"}}
    for name, wanted in names.items():
        found = feature_ranges(build_generator(name, {}), [torch.from_numpy(IMAGE)])
        assert {kernel for kernel in found if not kernel.startswith(tuple(wanted))} == set()
        assert all(any(kernel.startswith(part) for kernel in found) for part in wanted)


def test_ranges_hold_every_style_at_twice_its_strength(monkeypatch):
    monkeypatch.setattr(ranges, "MINIMUM_CHANNELS", 3)
    torch.manual_seed(2)
    generator = build_generator("light", {"width": 4, "blocks": 1, "styles": 2})
    with torch.no_grad():
        for norm in generator.conditional_norms():
            norm.weight[0] = 3.0
    photo = torch.from_numpy(IMAGE)
    one = feature_ranges(generator, [photo])
    seen = []
    generator.blocks[0].conv.register_forward_pre_hook(lambda _, inputs: seen.append(float(inputs[0].max())))
    with torch.no_grad():
        generator(photo, None, torch.tensor([[2.0, -1.0]]))
    least, most = one["blocks.0.conv.conv.weight"]
    assert least == 0
    assert 0.3 * seen[0] < most <= 1.01 * seen[0]  # a few of the largest are cut off
    assert one["first.conv.conv.weight"] == (0.0, 255.0)
    assert all(low < high for low, high in one.values())


def test_ranges_of_a_network_with_noise_are_the_same_every_time(monkeypatch):
    monkeypatch.setattr(ranges, "MINIMUM_CHANNELS", 3)
    torch.manual_seed(3)
    generator = build_generator("light", {"width": 4, "blocks": 1, "styles": 2, "noise_scales": NOISE_SCALES})
    photo, state = torch.from_numpy(IMAGE), torch.get_rng_state()
    first = feature_ranges(generator, [photo])
    assert torch.equal(torch.get_rng_state(), state)
    assert feature_ranges(generator, [photo]) == first
    assert "noise.conv.conv.weight" in first
