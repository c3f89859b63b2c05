from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from impasto.errors import UsageError
from impasto.nn.losses import PAINTERLY, Objective, PerceptualLoss, covariance, gram
from impasto.nn.pixel_terms import StyleColors, color_error, grid_energy, palette_error, tone_error, total_variation


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


def test_covariance_is_numpys_and_holds_the_mean():
    x = torch.rand(2, 3, 4, 5, dtype=torch.float64)
    found = covariance(x).double()
    for number in range(2):
        features = x[number].reshape(3, 20).numpy()
        np.testing.assert_allclose(found[number, 0], np.cov(features, bias=True) / 3, atol=1e-6)
        np.testing.assert_allclose(found[number, 1], np.diag(features.mean(axis=1)), atol=1e-6)


def test_the_parts_of_a_statistic_are_compared_each_by_itself(tiny_vgg, pictures):
    objective = Objective(style_statistic="covariance", style_layers=("relu2_2",))
    loss = PerceptualLoss(tiny_vgg, objective, pictures[:1])
    found = loss(pictures[1:], loss.content_target(pictures[1:]))
    a, b = (tiny_vgg(x, ("relu2_2",))["relu2_2"][0].flatten(1) for x in (pictures[1:], pictures[:1]))
    means = (a.mean(1) - b.mean(1)).square().sum() / b.mean(1).square().sum()
    spreads = (torch.cov(a) - torch.cov(b)).square().sum() / torch.cov(b).square().sum()
    torch.testing.assert_close(found.style[0], (means + spreads) / 2, rtol=1e-3, atol=1e-6)


def test_a_layer_at_half_size_sees_the_picture_averaged_over_two_by_two_pixels(tiny_vgg, pictures):
    objective = Objective(content_layers=("relu2_2/2",), style_layers=("relu1_2", "relu3_3/4"))
    loss = PerceptualLoss(tiny_vgg, objective, pictures[:1])
    small = {k: F.interpolate(pictures, scale_factor=1 / k, mode="area") for k in (2, 4)}
    x, y = (tiny_vgg(small[2][i : i + 1], ("relu2_2",))["relu2_2"] for i in (1, 0))
    content = (y - x).square().mean() / x.var(correction=0)
    torch.testing.assert_close(loss(pictures[:1], loss.content_target(pictures[1:])).content[0], content)
    targets = tiny_vgg(pictures[:1], ("relu1_2",)) | {"relu3_3/4": tiny_vgg(small[4][:1], ("relu3_3",))["relu3_3"]}
    for layer, features in targets.items():
        torch.testing.assert_close(loss.style_targets[layer][0, 0], gram(features)[0])


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


@pytest.mark.parametrize("statistic", ["gram", "covariance"])
def test_every_statistic_has_a_gradient(tiny_vgg, pictures, statistic):
    loss = PerceptualLoss(tiny_vgg, Objective(style_statistic=statistic), torch.rand(1, 3, 40, 40))
    painted = pictures[:1].clone().requires_grad_()
    loss(painted, loss.content_target(pictures[1:])).total.sum().backward()
    assert torch.isfinite(painted.grad).all()
    assert painted.grad.abs().sum() > 0


def test_wrong_objectives_name_the_right_ones(tiny_vgg):
    with pytest.raises(UsageError, match=r"unknown layer 'relu9_9': vgg16 has relu1_1, .*relu4_3"):
        PerceptualLoss(tiny_vgg, Objective(style_layers=("relu9_9",)), torch.rand(1, 3, 40, 40))
    with pytest.raises(UsageError, match="unknown style statistic 'histogram': choose one of gram, covariance"):
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
    assert loss(0.5 * photo + 0.2, target, strength=torch.zeros(2)).style.max() < 1e-3
    blurred = torch.nn.functional.avg_pool2d(photo, 3, 1, 1)
    assert loss(blurred, target, strength=torch.zeros(2)).style.min() > 0.5
    both = loss(photo, target, strength=torch.tensor([1.0, 0.0])).style
    assert both[0] > 0.01 > both[1]


def test_a_strength_is_as_far_from_the_photos_terms_to_the_styles(tiny_vgg):
    style, photo, painted = torch.rand(3, 1, 3, 40, 40)
    objective = Objective(tone_weight=1.0, palette_weight=1.0, color_weight=2.0)
    loss = PerceptualLoss(tiny_vgg, objective, style)
    target = loss.content_target(photo)
    none, some, full = (loss(painted, target, strength=torch.tensor([x])).total for x in (0.0, 0.3, 1.0))
    torch.testing.assert_close(some, 0.7 * none + 0.3 * full)
    assert float(full) == float(loss(painted, target).total)
    assert abs(float(full - none)) > 0.1


def test_statistics_can_stand_in_for_the_style_picture(tiny_vgg):
    style, photo = torch.rand(1, 3, 40, 40), torch.rand(1, 3, 40, 40)
    loss = PerceptualLoss(tiny_vgg, Objective(), style)
    other = PerceptualLoss(tiny_vgg, Objective(), targets=loss.style_targets)
    target = loss.content_target(photo)
    assert float(loss(photo, target).total) == float(other(photo, target).total)


def test_each_picture_has_its_own_styles_colors_and_the_photos_own_at_strength_zero(tiny_vgg):
    source = torch.Generator().manual_seed(1)
    coarse = (torch.rand(n, 3, 4, 6, generator=source) for n in (1, 1, 3, 3))
    first, second, photo, painted = (torch.nn.functional.interpolate(x, scale_factor=16) for x in coarse)
    styles = [first, 0.2 * second]
    wanted = torch.cat([styles[1], styles[0], styles[0]])
    colors = StyleColors.of(wanted)
    for name, expected in (
        ("tone_weight", tone_error(painted, photo, colors)),
        ("palette_weight", palette_error(painted, colors)),
        ("color_weight", color_error(painted, colors)),
    ):
        objective = replace(Objective(content_weight=0.0, style_weight=0.0), **{name: 2.0})
        loss = PerceptualLoss(tiny_vgg, objective, *styles)
        strength = torch.tensor([1.0, 0.0, 0.5])
        terms = loss(painted, loss.content_target(photo), which=[1, 0, 0], strength=strength)
        torch.testing.assert_close(terms.total, 2 * expected * strength)


def test_our_own_objective_is_the_sum_of_its_terms(tiny_vgg, pictures):
    style, photo, painted = torch.rand(3, 1, 3, 64, 96, generator=torch.Generator().manual_seed(5))
    loss = PerceptualLoss(tiny_vgg, PAINTERLY, style)
    terms, colors = loss(painted, loss.content_target(photo)), StyleColors.of(style)
    expected = (
        1.15 * terms.content
        + 8 * terms.style
        + 4 * total_variation(painted)
        + 20000 * grid_energy(painted)
        + 1.5 * tone_error(painted, photo, colors)
        + 0.1 * palette_error(painted, colors)
        + 3 * color_error(painted, colors)
    )
    torch.testing.assert_close(terms.total, expected, rtol=1e-4, atol=1e-5)


def test_a_style_without_any_variation_keeps_the_style_term_finite(tiny_vgg):
    """One position, or a plain picture, has no covariance to be relative to."""
    objective = Objective(style_layers=("relu2_2", "relu5_1"), style_statistic="covariance")
    for style in (torch.full((1, 3, 64, 64), 0.3), torch.rand(1, 3, 16, 16)):
        loss = PerceptualLoss(tiny_vgg, objective, style)
        photo = torch.rand(1, 3, 64, 64)
        assert loss(photo, loss.content_target(photo)).style.item() < 1e5
