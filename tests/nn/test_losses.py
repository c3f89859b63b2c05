from dataclasses import replace

import numpy as np
import pytest
import torch

from impasto.errors import UsageError
from impasto.nn.losses import (
    LEAST_VARIANCE,
    PHOTO,
    Objective,
    Palette,
    PerceptualLoss,
    cells,
    gram,
    gram_covariance,
    grid_energy,
    lattice,
    mean_std,
    palette_error,
    tone_error,
    total_variation,
    weave_error,
)


@pytest.fixture
def pictures():
    return torch.rand(2, 3, 48, 64, generator=torch.Generator().manual_seed(3))


def test_gram_is_its_definition():
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    expected = torch.einsum("tijk,tljk->til", x, x) / (3 * 4 * 5)
    torch.testing.assert_close(gram(x).double(), expected, atol=1e-6, rtol=1e-5)


def test_gram_has_the_gradient_of_its_definition():
    x = torch.rand(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(gram, x)
    assert torch.autograd.gradcheck(gram, x.detach().to(memory_format=torch.channels_last).requires_grad_())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gram_of_bfloat16_is_summed_in_float32(layout):
    """Of many positions: summed in bfloat16, which has 8 bits, the later ones would not count."""
    exact = (
        torch.rand(1, 4, 256, 300, generator=torch.Generator().manual_seed(0))
        .bfloat16()
        .contiguous(memory_format=layout)
    )
    found, wanted = exact.clone().requires_grad_(), exact.float().requires_grad_()
    weights = torch.arange(16.0).view(1, 4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        product = gram(found)
    assert product.dtype == torch.float32
    torch.testing.assert_close(product, gram(wanted), rtol=2e-3, atol=0)
    (product * weights).sum().backward()
    (gram(wanted) * weights).sum().backward()
    torch.testing.assert_close(found.grad.float(), wanted.grad, rtol=1e-2, atol=0)


def test_gram_covariance_is_its_definition():
    x = torch.rand(2, 3, 4, 5, dtype=torch.float64)
    centred = x - x.mean(dim=(2, 3), keepdim=True)
    expected = torch.stack([torch.einsum("tijk,tljk->til", y, y) / (3 * 4 * 5) for y in (x, centred)], dim=1)
    torch.testing.assert_close(gram_covariance(x).double(), expected, atol=1e-6, rtol=1e-4)


def test_the_parts_of_a_statistic_are_compared_each_by_itself(tiny_vgg, pictures):
    objective = Objective(style_statistic="gram-covariance", style_layers=("relu2_2",))
    loss = PerceptualLoss(tiny_vgg, objective, pictures[:1])
    found = loss(pictures[1:], loss.content_target(pictures[1:]))
    a, b = (gram_covariance(tiny_vgg(x, ("relu2_2",))["relu2_2"])[0] for x in (pictures[1:], pictures[:1]))
    expected = sum((a[k] - b[k]).square().sum() / b[k].square().sum() for k in (0, 1)) / 2
    torch.testing.assert_close(found.style[0], expected)


def test_mean_std_is_torchs():
    x = torch.randn(2, 3, 4, 5)
    expected = torch.stack([x.mean((2, 3)), x.std((2, 3), correction=0)], dim=1)
    torch.testing.assert_close(mean_std(x), expected)


def test_total_variation_by_hand():
    x = torch.tensor([[0.0, 1.0], [0.0, 3.0]]).view(1, 1, 2, 2)
    # down: (0, 2) squared, mean 2; across: (1, 3) squared, mean 5
    assert total_variation(x).tolist() == [7.0]


def balanced_by_definition(network, objective, style, x, y):
    """design: content = mean d^2 / var; style = mean over layers of squared Frobenius ratios."""
    fx, fy, fs = (network(image, objective.style_layers) for image in (x, y, style))
    (layer,) = objective.content_layers
    content = ((fy[layer] - fx[layer]) ** 2).mean() / fx[layer].var(correction=0)
    ratios = [
        torch.linalg.matrix_norm(gram(fy[k]) - gram(fs[k])) ** 2 / torch.linalg.matrix_norm(gram(fs[k])) ** 2
        for k in objective.style_layers
    ]
    return float(content), float(sum(r.mean() for r in ratios) / len(ratios))


def test_balanced_objective_is_its_definition(tiny_vgg, pictures):
    objective = Objective()
    style = torch.rand(1, 3, 40, 40)
    loss = PerceptualLoss(tiny_vgg, objective, style)
    x, y = pictures[:1], pictures[1:]
    terms = loss(y, loss.content_target(x))
    content, style_error = balanced_by_definition(tiny_vgg, objective, style, x, y)
    assert float(terms.content) == pytest.approx(content, rel=1e-4)
    assert float(terms.style) == pytest.approx(style_error, rel=1e-4)
    assert float(terms.total) == pytest.approx(content + 4 * style_error, rel=1e-4)


def test_raw_objective_is_the_papers(tiny_vgg, pictures):
    objective = Objective(
        scaling="raw",
        content_layers=("relu2_2",),
        style_layers=("relu1_2", "relu3_3"),
        content_weight=2.0,
        style_weight=30.0,
        tv_weight=0.5,
    )
    style = torch.rand(1, 3, 40, 40)
    loss = PerceptualLoss(tiny_vgg, objective, style)
    x, y = pictures[:1], pictures[1:]
    fx, fy = tiny_vgg(x, ["relu2_2"]), tiny_vgg(y, ["relu1_2", "relu2_2", "relu3_3"])
    fs = tiny_vgg(style, ["relu1_2", "relu3_3"])
    content = (fx["relu2_2"] - fy["relu2_2"]).square().mean()
    grams = sum((gram(fy[k]) - gram(fs[k])).square().mean() for k in ("relu1_2", "relu3_3"))
    expected = 2 * content + 30 * grams + 0.5 * total_variation(y)[0]
    torch.testing.assert_close(loss(y, loss.content_target(x)).total, expected.view(1), rtol=1e-4, atol=1e-6)


def test_the_terms_vanish_where_they_should(tiny_vgg, pictures):
    loss = PerceptualLoss(tiny_vgg, Objective(), pictures[:1])
    terms = loss(pictures[:1], loss.content_target(pictures[:1]))
    assert float(terms.content) == 0
    assert float(terms.style) == pytest.approx(0, abs=1e-9)


def test_each_picture_of_a_batch_counts_alone(tiny_vgg, pictures):
    loss = PerceptualLoss(tiny_vgg, Objective(tv_weight=1.0), torch.rand(1, 3, 40, 40))
    painted = pictures.flip(0)
    both = loss(painted, loss.content_target(pictures))
    for i in range(2):
        alone = loss(painted[i : i + 1], loss.content_target(pictures[i : i + 1]))
        torch.testing.assert_close(both.total[i : i + 1], alone.total)


def test_a_style_weight_can_stand_in(tiny_vgg, pictures):
    loss = PerceptualLoss(tiny_vgg, Objective(style_weight=4.0), torch.rand(1, 3, 40, 40))
    terms = loss(pictures[:1], loss.content_target(pictures[1:]), style_weight=0.5)
    torch.testing.assert_close(terms.total, terms.content + 0.5 * terms.style)


@pytest.mark.parametrize("statistic", ["gram", "gram-covariance", "mean-std"])
def test_every_statistic_has_a_gradient(tiny_vgg, pictures, statistic):
    loss = PerceptualLoss(tiny_vgg, Objective(style_statistic=statistic), torch.rand(1, 3, 40, 40))
    painted = pictures[:1].clone().requires_grad_()
    loss(painted, loss.content_target(pictures[1:])).total.sum().backward()
    assert torch.isfinite(painted.grad).all()
    assert painted.grad.abs().sum() > 0


def test_wrong_objectives_name_the_right_ones(tiny_vgg):
    with pytest.raises(UsageError, match=r"unknown layer 'relu9_9': vgg16 has relu1_1, .*relu4_3"):
        PerceptualLoss(tiny_vgg, Objective(style_layers=("relu9_9",)), torch.rand(1, 3, 40, 40))
    with pytest.raises(UsageError, match="unknown style statistic 'histogram': choose one of gram, gram-cov"):
        Objective(style_statistic="histogram")
    with pytest.raises(UsageError, match="style weight must be 0 or more"):
        Objective(style_weight=-1)
    with pytest.raises(UsageError, match="unknown objective scaling"):
        Objective(scaling="log")


def test_each_picture_of_a_batch_has_its_own_style(tiny_vgg):
    styles, pictures = torch.rand(3, 1, 3, 40, 40), torch.rand(2, 3, 40, 40)
    together = PerceptualLoss(tiny_vgg, Objective(), *styles)
    terms = together(pictures, together.content_target(pictures), which=[2, 0])
    for place, number in enumerate([2, 0]):
        alone = PerceptualLoss(tiny_vgg, Objective(), styles[number])
        one = pictures[place : place + 1]
        torch.testing.assert_close(terms.style[place : place + 1], alone(one, alone.content_target(one)).style)


def test_the_photos_own_look_is_reached_by_the_photo_in_any_contrast(tiny_vgg):
    loss, photo = PerceptualLoss(tiny_vgg, Objective(), torch.rand(1, 3, 40, 40)), torch.rand(2, 3, 40, 40)
    target = replace(loss.content_target(photo), photo=photo)
    assert loss(0.5 * photo + 0.2, target, which=[PHOTO, PHOTO]).style.max() < 1e-3
    blurred = torch.nn.functional.avg_pool2d(photo, 3, 1, 1)
    assert loss(blurred, target, which=[PHOTO, PHOTO]).style.min() > 0.5
    mixed = loss(photo, target, which=[0, PHOTO]).style
    assert mixed[0] > 0.01 > mixed[1]


def test_statistics_can_stand_in_for_the_style_picture(tiny_vgg):
    style, photo = torch.rand(1, 3, 40, 40), torch.rand(1, 3, 40, 40)
    loss = PerceptualLoss(tiny_vgg, Objective(), style)
    other = PerceptualLoss(tiny_vgg, Objective(), targets=loss.style_targets)
    target = loss.content_target(photo)
    assert float(loss(photo, target).total) == float(other(photo, target).total)


def test_a_lattice_is_what_its_definition_says():
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    light = (image * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1)[0].double().numpy()
    padded = np.full((80, 80), np.nan)
    padded[8:-8, 8:-8] = light
    detail = light - np.array([[np.nanmean(padded[y : y + 17, x : x + 17]) for x in range(64)] for y in range(64)])
    detail -= detail.mean()

    def correlation(down, across):
        if down < 0:
            down, across = -down, -across
        here, there = detail[: 64 - down], detail[down:]
        if across >= 0:
            here, there = here[:, : 64 - across], there[:, across:]
        else:
            here, there = here[:, -across:], there[:, :across]
        return (here * there).mean() * 64 * 64 / ((detail**2).sum() + 64 * 64 / 255**2)

    shifts = [(y, x) for y in range(0, 21, 4) for x in range(-20, 21, 4) if (y, x) > (0, 0) and y * y + x * x > 16]
    wanted = [
        correlation(y, x) - np.mean([correlation(y + a, x + b) for a in (-2, 2) for b in (-2, 2)]) for y, x in shifts
    ]
    found = lattice(image)
    assert found.shape == (1, 1, len(shifts))
    np.testing.assert_allclose(found[0, 0].numpy(), wanted, atol=1e-4)


def test_a_woven_picture_has_an_error_that_can_be_learnt_from():
    tile = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    woven = tile.repeat(1, 1, 16, 16).requires_grad_()
    error = weave_error(woven).sum()
    assert error.item() > 1
    error.backward()
    assert woven.grad is not None
    assert torch.isfinite(woven.grad).all()
    assert float(weave_error(torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(1)))) < 0.05
    assert weave_error(torch.full((2, 3, 128, 128), 0.5)).tolist() == [0, 0]  # even
    assert weave_error(torch.ones(2, 3, 63, 200)).tolist() == [0, 0]  # smaller than a window


def test_grid_energy_sees_a_grid_at_every_offset_and_no_strokes():
    source = torch.Generator().manual_seed(0)
    picture = torch.rand(1, 3, 130, 192, generator=source)
    rows = torch.arange(130)
    for period in (4, 8):
        assert float(grid_energy(picture, period)) < 1e-3
        for offset in range(period):
            for finer in (period, period // 2):
                grid = 0.02 * ((rows + offset) % finer < finer / 2).float()[:128, None].expand(1, 3, 128, 192)
                assert float(grid_energy(grid, period)) == pytest.approx(1e-4, rel=1e-3), (period, finer, offset)
        slow = 0.02 * (rows % (2 * period) < period).float()[:128, None].expand(1, 3, 128, 192)
        assert float(grid_energy(slow, period)) == pytest.approx(0, abs=1e-9)
    assert grid_energy(torch.ones(2, 3, 9, 3)).tolist() == [0, 0]  # too small for one cell


def _coarse(count: int, seed: int) -> torch.Tensor:
    """Pictures of even cells of 16 pixels, (count, 3, 64, 96)."""
    cells = torch.rand(count, 3, 4, 6, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(cells, scale_factor=16)


def test_palette_is_mean_and_covariance_of_cells():
    pictures = _coarse(3, 0)
    matrix = np.array([[0.299, 0.587, 0.114], [1.5, -1.5, 0], [-0.75, -0.75, 1.5]])
    palette = Palette.of(pictures)
    for number, picture in enumerate(pictures[:, :, ::16, ::16].double().numpy()):
        colors = matrix @ picture.reshape(3, -1)
        np.testing.assert_allclose(palette.mean[number], colors.mean(axis=1), atol=1e-5)
        np.testing.assert_allclose(palette.covariance[number], np.cov(colors, bias=True), atol=1e-5)
    stripes = torch.arange(64).remainder(2).float().expand(1, 3, 64, 64)  # detail is of no account
    np.testing.assert_allclose(Palette.of(stripes).covariance, np.zeros((1, 3, 3)), atol=1e-5)


def test_tones_are_wanted_as_they_lie_in_the_photo_and_as_strong_as_in_the_style():
    photo = 0.7 * _coarse(2, 0) + 0.3  # flatter: its contrast must not matter
    style = Palette.of(0.5 * _coarse(2, 1) + torch.tensor([0.1, 0.3])[:, None, None, None])
    drawn = cells(photo)[:, 0].reshape(2, 1, 4, 6)
    drawn = (drawn - drawn.mean(dim=(2, 3), keepdim=True)) / drawn.std(dim=(2, 3), keepdim=True, correction=0)
    drawn = torch.nn.functional.interpolate(drawn, scale_factor=16).expand(-1, 3, -1, -1)
    mean, variance = style.mean[:, :1, None, None], style.covariance[:, 0, 0]
    right = mean + variance.sqrt()[:, None, None, None] * drawn
    share = variance / (variance + LEAST_VARIANCE / 2)
    torch.testing.assert_close(tone_error(right, photo, style), torch.zeros(2), atol=0.01, rtol=0)
    for contrast, error in ((0.0, 1.0), (0.5, 0.25), (-1.0, 4.0)):  # an even grey, half as strong, a negative
        painted = mean + contrast * (right - mean)
        torch.testing.assert_close(tone_error(painted, photo, style), error * share, atol=0.03, rtol=0.05)
    torch.testing.assert_close(
        tone_error(right - 0.1, photo, style), 0.01 / (variance + LEAST_VARIANCE / 2), atol=0.03, rtol=0.05
    )


def test_palette_error_is_the_wasserstein_distance():
    def root(matrix):
        values, vectors = np.linalg.eigh(matrix)
        return vectors * np.sqrt(values.clip(0)) @ vectors.T

    style, picture = (Palette.of(x) for x in (_coarse(2, 0), 0.7 * _coarse(2, 1)))
    for number, found in enumerate(palette_error(0.7 * _coarse(2, 1), style)):
        wanted, painted = (x.covariance[number].double().numpy() for x in (style, picture))
        apart = (style.mean - picture.mean)[number].square().sum()
        half = root(wanted)
        distance = float(apart) + np.trace(wanted + painted - 2 * root(half @ painted @ half))
        assert float(found) == pytest.approx(distance / (np.trace(wanted) + LEAST_VARIANCE), rel=1e-3)


def test_a_palette_is_met_by_the_same_colors_anywhere_and_not_by_one():
    picture = _coarse(1, 0)
    style = Palette.of(picture)
    elsewhere = picture.flip(2).roll(32, dims=3)
    assert float(palette_error(elsewhere, style)) == pytest.approx(0, abs=1e-3)
    even = picture.mean(dim=(2, 3), keepdim=True).expand_as(picture).clone().requires_grad_(True)
    error = palette_error(even, style)
    wanted = float(style.covariance.diagonal(dim1=1, dim2=2).sum())
    assert float(error.detach()) == pytest.approx(wanted / (wanted + LEAST_VARIANCE), rel=0.02)
    error.sum().backward()
    assert even.grad.isfinite().all()  # three eigenvalues are one there
    grey = picture.mean(dim=1, keepdim=True).expand_as(picture)
    assert 0.1 < float(palette_error(grey, style)) < 1


def test_of_a_style_of_one_color_from_afar_neither_term_runs_away():
    source = torch.Generator().manual_seed(0)
    hatching = (torch.rand(1, 1, 512, 512, generator=source) > 0.3).float().expand(-1, 3, -1, -1)
    style, colorful = Palette.of(hatching), _coarse(1, 0)
    assert float(palette_error(hatching, style)) == pytest.approx(0, abs=1e-3)
    assert float(palette_error(colorful, style)) < 50  # of noise in all colors; 379 if only relative to the style
    assert float(tone_error(colorful, colorful, style)) < 30
    sky = 0.6 + 0.003 * torch.nn.functional.interpolate(torch.randn(1, 3, 4, 4, generator=source), scale_factor=16)
    asked = Palette.of(colorful)
    even = asked.mean[0, 0].expand(1, 3, 64, 64)  # of a square of sky no clouds are asked for
    assert float(tone_error(even, sky, asked)) < 0.05


def test_what_is_not_finite_is_no_error_here_but_comes_out_as_it_is():
    painted = torch.stack([_coarse(1, 0)[0], torch.full((3, 64, 96), torch.nan)]).requires_grad_(True)
    found = palette_error(painted, Palette.of(_coarse(2, 1)))
    assert found.isfinite().tolist() == [True, False]
    found[0].backward()  # whatever a run makes of it: it is asked after the step, and goes back


def test_each_picture_has_its_own_styles_colors_and_the_photos_look_none(tiny_vgg):
    styles = [_coarse(1, 1), 0.2 * _coarse(1, 2)]
    photo, painted = _coarse(3, 3), _coarse(3, 4)
    palettes = Palette.of(torch.cat([styles[1], styles[0], styles[0]]))
    for name, expected in (
        ("tone_weight", tone_error(painted, photo, palettes)),
        ("palette_weight", palette_error(painted, palettes)),
    ):
        objective = replace(Objective(content_weight=0.0, style_weight=0.0), **{name: 2.0})
        loss = PerceptualLoss(tiny_vgg, objective, *styles)
        terms = loss(painted, loss.content_target(photo), which=[1, PHOTO, 0])
        torch.testing.assert_close(terms.total, 2 * expected * torch.tensor([1.0, 0.0, 1.0]))
