"""benchmarks/agreement.py: what it says of made-up and of the published pairs."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
agreement = pytest.importorskip("agreement")
sys.path.pop(0)


def test_a_measure_that_decides_agrees_wholly_and_a_coin_by_half():
    source = np.random.default_rng(0)
    x = source.normal(0, 1, (400, 2))
    y = -np.sign(x[:, 0])
    assert agreement.agreement(x[:, 0], y) == 1
    assert agreement.agreement(-x[:, 0], y) == 0
    assert agreement.agreement(x[:, 1], y) == pytest.approx(0.5, abs=0.1)
    assert agreement.agreement(np.zeros(400), y) == 0.5


def test_the_regression_is_where_its_gradient_vanishes():
    source = np.random.default_rng(1)
    x = source.normal(0, 1, (80, 3))
    y = np.where(source.random(80) < 1 / (1 + np.exp(-x @ [2.0, -1.0, 0.0])), 1.0, -1.0)
    weights = agreement.fit(x, y)

    def cost(w):
        return np.log1p(np.exp(-y * (x @ w))).sum() + agreement.RIDGE * len(y) * (w @ w) / 2

    for axis in np.eye(3):
        assert cost(weights) < min(cost(weights + 1e-3 * axis), cost(weights - 1e-3 * axis))
    assert agreement.left_out(x, y) > 0.7


def test_the_published_pairs_have_figures_and_choices():
    names, x, y = agreement.read(agreement.PAIRS)
    assert {"style_distance", "broad", "fine", "form", "sharp", "repeat"} <= {*names}
    assert np.isfinite(x).all()
    assert set(y) == {-1.0, 1.0}
