"""The soak test, small; and that it finds what it looks for."""

import numpy as np

from tests.soak.__main__ import Run, soak
from tests.soak.pictures import DAMAGE, Sample, damaged, formats, size, write_sample
from tests.soak.sizes import by_size


def test_twenty_mixed_pictures_are_painted_or_named(tmp_path):
    assert soak(20, seed=1, folder=tmp_path / "soak", style="udnie", variant="fast") == []


def test_pictures_of_all_sizes_are_painted():
    run = by_size(3, "onnxruntime")
    assert run.painted == {"0", "1", "2"}
    assert len(run.memory) == 3


def test_sizes_have_the_median_and_the_limits_that_are_wanted():
    random = np.random.default_rng(0)
    sides = np.array([size(random) for _ in range(4000)])
    assert 150 < np.median(sides) < 260
    assert sides.min() == 1
    assert 3500 < sides.max() <= 4000


def test_equal_numbers_give_equal_files(tmp_path):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        write_sample(tmp_path / place, 7, seed=3, names=formats())
    one, other = (next((tmp_path / place).iterdir()).read_bytes() for place in ("a", "b"))
    assert one == other


def test_every_kind_of_damage_changes_the_bytes():
    data = bytes(range(256)) * 8
    for damage in DAMAGE:
        assert damaged(np.random.default_rng(0), data, damage) != data


def test_losses_silent_failures_and_growth_are_found(tmp_path):
    samples = [Sample(tmp_path / f"{name}.png", 10, 10, "") for name in "abc"]
    run = Run("test", memory=[100.0] * 100 + [200.0] * 100, painted={"a.png"}, failed={"b.png": "no"})
    found = run.complaints(samples)
    assert any("c.png: lost" in text for text in found)
    assert any("b.png: 10 x 10, sound, failed" in text for text in found)
    assert any("b.png: its failure is not one line" in text for text in found)
    assert any("memory grows: 100, 100, 200, 200" in text for text in found)
    assert not Run("test", [100.0] * 200, {"a.png", "b.png", "c.png"}).complaints(samples)
