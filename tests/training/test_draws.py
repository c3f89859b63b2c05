import torch

from impasto.nn.generators import build_generator
from impasto.training.draws import draw_frame, draw_noise, draw_styles


def test_every_style_comes_once_before_one_comes_again():
    which, strength = draw_styles(range(39), 3, seed=1, photo_every=10)
    for turn in range(13):
        assert sorted(which[3 * turn : 3 * turn + 3]) == [0, 1, 2]
    each = [draw_styles(range(item, item + 1), 3, seed=1, photo_every=10) for item in range(39)]
    assert which == [number for one, _ in each for number in one]
    assert torch.equal(strength, torch.cat([one for _, one in each]))


def test_one_of_so_many_crops_has_a_strength_below_1():
    which, strength = draw_styles(range(600), 1, seed=1, photo_every=3)
    assert which == [0] * 600
    weak = strength[2::3]
    assert (strength.view(200, 3)[:, :2] == 1).all()
    assert weak.max() < 1
    assert 80 < (weak == 0).sum() < 120
    between = weak[weak > 0]
    assert between.min() < 0.1
    assert 0.4 < between.mean() < 0.6
    assert between.max() > 0.9
    assert (draw_styles(range(5), 1, seed=1)[1] == 1).all()


def test_frames_shift_a_crop_by_every_offset_and_keep_its_size():
    frames = [draw_frame(item, 4, seed=3) for item in range(400)]
    assert all(left + right == above + below == 3 for left, right, above, below in frames)
    assert {(left, above) for left, _, above, _ in frames} == {(i, j) for i in range(4) for j in range(4)}
    assert draw_frame(7, 4, seed=3) == frames[7]
    assert draw_frame(7, 0, seed=3) == [0, 0, 0, 0]


def test_noise_is_a_function_of_seed_and_item_and_reaches_the_picture():
    torch.manual_seed(0)
    generator = build_generator("texture", {"width": 2, "levels": 3})
    device = torch.device("cpu")
    drawn = {
        (seed, item): draw_noise(generator, range(item, item + 1), 32, seed, device)
        for seed in (0, 1, 2)
        for item in (0, 1)
    }
    painted = [generator(torch.full((1, 3, 32, 32), 0.5), noise) for noise in drawn.values()]
    for values in (list(drawn.values()), painted):
        for number, one in enumerate(values):
            assert all((one - other).abs().mean() > 1e-3 for other in values[:number])
    assert torch.equal(drawn[1, 1], draw_noise(generator, range(2), 32, 1, device)[1:])
