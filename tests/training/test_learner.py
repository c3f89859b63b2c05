from dataclasses import replace

import pytest
import torch

from impasto.training.config import PRESETS
from impasto.training.learner import Learner
from impasto.training.trainer import SNAPSHOT_STEPS
from tests.training.runs import SMALL


def test_one_unusual_crop_moves_the_weights_no_further_than_two_others():
    learner = Learner(SMALL, 1, 0, torch.device("cpu"), style_only=False)
    parameters = [*learner.generator.parameters()]

    def length_left_of(length):
        for p in parameters:
            p.grad = torch.ones_like(p)
        whole = sum(p.numel() for p in parameters) ** 0.5
        for p in parameters:
            p.grad *= length / whole
        learner.clip_gradients()
        return float(torch.cat([p.grad.flatten() for p in parameters]).norm())

    assert [length_left_of(3.0) for _ in range(5)] == pytest.approx([3.0] * 5, rel=1e-4)
    assert length_left_of(900.0) == pytest.approx(6.0, rel=1e-4)
    assert length_left_of(1.0) == pytest.approx(1.0, rel=1e-4)
    assert length_left_of(900.0) < 2 * 3.2  # the clipped norm, not the whole one, enters the mean
    for _ in range(150):
        length_left_of(900.0)
    assert length_left_of(900.0) == pytest.approx(900.0, rel=1e-4)  # a lasting change does


def test_a_lasting_rise_is_an_explosion_and_one_unusual_photo_is_not():
    learner = Learner(SMALL, 1, 0, torch.device("cpu"), style_only=False)
    for step in range(400):
        learner.state.step = step
        assert not learner.exploded(20.0 if step % 100 == 99 else 2.0, 0.1)
    assert any(learner.exploded(9.0, 0.5) for _ in range(SNAPSHOT_STEPS))  # noticed before the good state is forgotten


def test_rates_and_style_weight_follow_the_run():
    learner = Learner(replace(SMALL, ramp=0.4, decay=0.5, decay_every=100), 1, 0, torch.device("cpu"), style_only=False)
    assert learner.style_weight(0.0) == pytest.approx(4.0 * 0.05)
    assert learner.style_weight(0.4) == learner.style_weight(1.0) == 4.0
    learner.set_rates(0.2)
    assert [group["lr"] for optimizer, _ in learner.optimizers for group in optimizer.param_groups] == [
        0.02,
        2e-3,
        2e-3,
    ]
    learner.state.step = 200
    learner.set_rates(0.75)
    assert learner.optimizers[1][0].param_groups[0]["lr"] == pytest.approx(2e-3 * 0.5 * 0.64)


def test_a_run_from_the_shared_network_trains_the_style_first():
    learner = Learner(replace(SMALL, style_first=0.2, decay=0.0), 1, 0, torch.device("cpu"), style_only=False)
    rates = lambda: [group["lr"] for optimizer, _ in learner.optimizers for group in optimizer.param_groups]  # noqa: E731
    learner.set_rates(0.1)
    assert rates() == [0.02, 2e-3, 2e-3]  # from nothing there is no such time
    learner.from_base = True
    learner.set_rates(0.1)
    assert rates() == [0.0, 0.0, 2e-3]
    learner.set_rates(0.2)
    assert rates() == [0.02, 2e-3, 2e-3]


@pytest.mark.parametrize("preset", ["johnson2016", "ulyanov2016", "ulyanov2017"])
def test_the_papers_presets_learn_one_style_at_full_strength(preset):
    learner = Learner(PRESETS[preset], 1, 0, torch.device("cpu"), style_only=False)
    assert learner.generator.styles == 1
    which, strength = learner.draw_styles(range(40), seed=0)
    assert which == [0] * 40
    assert (strength == 1).all()


def test_several_styles_always_learn_the_photo_too():
    learner = Learner(replace(SMALL, photo_every=0), 2, 0, torch.device("cpu"), style_only=False)
    _, strength = learner.draw_styles(range(60), seed=0)
    assert (strength < 1).sum() == 20
    assert (strength > 0).sum() > 40


def test_raw_terms_have_no_strengths_between_photo_and_style():
    learner = Learner(replace(PRESETS["ulyanov2017"], norm="instance"), 2, 0, torch.device("cpu"), style_only=False)
    _, strength = learner.draw_styles(range(60), seed=0)
    assert (strength == 0).sum() == 20
    assert (strength == 1).sum() == 40
