import time

import numpy as np
import pytest
from onnx import helper

from impasto.painting.load import load
from impasto.painting.noise import smooth_noise, uniform_noise
from impasto.painting.settings import Settings
from tests.graphs import IMAGE, make_onnx, write_test_model
from tests.painting.fakes import fake

SCALES = (1, 1, 2, 4, 8, 16)


def test_smooth_noise_is_torchs_enlargement_of_its_grid():
    torch = pytest.importorskip("torch")
    fine = smooth_noise((1,), 7, 9, seed=3)[0, 0]  # at scale 1 the grid itself: 7 x 9 points from the corner on
    for scale in (2, 4):
        enlarged = torch.nn.functional.interpolate(
            torch.from_numpy(fine.copy())[None, None], scale_factor=float(scale), mode="bilinear", align_corners=False
        )
        rows, columns = 6 * scale, 8 * scale
        found = smooth_noise((scale,), rows, columns, seed=3)[0, 0]
        np.testing.assert_allclose(found, enlarged[0, 0, :rows, :columns], atol=1e-5)


def test_smooth_noise_is_standard_normal_and_its_channels_are_independent():
    noise = smooth_noise((1, 1, 1), 200, 300, seed=0)[0].reshape(3, -1).astype(np.float64)
    np.testing.assert_allclose(np.corrcoef(noise), np.eye(3), atol=0.02)
    np.testing.assert_allclose(noise.mean(axis=1), 0, atol=0.02)
    np.testing.assert_allclose(noise.var(axis=1), 1, atol=0.02)
    shares = [(np.abs(noise) < bound).mean() for bound in (1, 2, 3)]
    np.testing.assert_allclose(shares, [0.6827, 0.9545, 0.9973], atol=0.005)
    field = noise[0].reshape(200, 300)
    for shifted in (field[1:, :] * field[:-1, :], field[:, 1:] * field[:, :-1], field[1:, 1:] * field[:-1, :-1]):
        assert abs(shifted.mean()) < 0.02


def test_a_parts_noise_is_that_of_the_whole():
    whole = smooth_noise(SCALES, 70, 90, seed=5)
    part = smooth_noise(SCALES, 20, 33, seed=5, top=37, left=50)
    np.testing.assert_allclose(part, whole[:, :, 37:57, 50:83], atol=1e-6)
    assert whole.shape == (1, 6, 70, 90)
    assert whole.dtype == np.float32


def test_seeds_give_other_noise_and_the_same_seed_the_same():
    one, again, two = (smooth_noise(SCALES, 16, 16, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(one, again)
    assert all(abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.3 for a, b in zip(one[0][:3], two[0][:3], strict=True))


def test_uniform_noise_is_numpys():
    expected = np.random.default_rng(7).random((1, 2, 5, 6), dtype=np.float32)
    assert np.array_equal(uniform_noise(2, 5, 6, seed=7), expected)


def test_a_network_with_smooth_noise_is_given_one_value_for_each_cell_also_in_parts():
    network = fake(noise_channels=6, noise_stride=4, noise_scales=SCALES).network
    whole = network.image_inputs(np.zeros((61, 50, 3), np.uint8), seed=2)["noise"]
    part = network.image_inputs(np.zeros((21, 30, 3), np.uint8), seed=2, origin=(16, 8))["noise"]
    assert whole.shape == (1, 6, 16, 13)
    np.testing.assert_allclose(part, whole[:, :, 4:10, 2:10], atol=1e-6)


def test_the_noise_of_a_frame_takes_milliseconds_and_that_of_the_next_none():
    """A frame of 1280 x 720 takes 80 ms and more, its noise 3.3; here with room for a busy computer."""
    seconds = []
    for seed in range(5):
        start = time.process_time()
        first = smooth_noise(SCALES, 180, 320, seed)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.03
    assert smooth_noise(SCALES, 180, 320, 4) is first
    with pytest.raises(ValueError, match="read-only"):
        first += 1


def test_engines_take_smooth_noise(tmp_path, engine):
    nodes = [
        helper.make_node("Resize", ["noise", "", "scales"], ["large"], mode="nearest"),
        helper.make_node("Mul", ["image", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "large"], ["stylized"]),
    ]
    sizes = ["n", 3, "h4", "w4"]
    constants = {"zero": np.float32(0), "scales": np.array([1, 1, 4, 4], np.float32)}
    graph = make_onnx(nodes, {"image": IMAGE, "noise": sizes}, ("stylized", IMAGE), constants)
    model = {"noise_channels": 3, "noise_stride": 4, "noise_scales": (1, 2, 4), "multiple_of": 4}
    stylizer = load(write_test_model(tmp_path / "m.onnx", graph, **model), backend=engine, precision="float32")
    for seed in (0, 5):
        painted = stylizer(np.zeros((40, 48, 3), np.uint8), Settings(seed=seed))[::4, ::4]
        expected = smooth_noise((1, 2, 4), 10, 12, seed)[0].transpose(1, 2, 0)
        assert np.abs(painted - 255 * expected.clip(0, 1)).max() <= 0.51
