import numpy as np
import pytest
import torch

from impasto.nn.pixel_terms import (
    CELL,
    LEAST_DETAIL,
    LEAST_VARIANCE,
    Palette,
    cells,
    detail_error,
    detail_quantiles,
    grid_energy,
    lattice,
    palette_error,
    tone_error,
    total_variation,
    weave_error,
)


def test_total_variation_by_hand():
    x = torch.tensor([[0.0, 1.0], [0.0, 3.0]]).view(1, 1, 2, 2)
    # down: (0, 2) squared, mean 2; across: (1, 3) squared, mean 5
    assert total_variation(x).tolist() == [7.0]


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


def _grainy(seed: int, strength: torch.Tensor) -> torch.Tensor:
    """Grain whose strength is (64, 96)."""
    source = torch.Generator().manual_seed(seed)
    return (0.5 + strength * torch.randn(1, 1, 64, 96, generator=source)).expand(-1, 3, -1, -1)


def test_detail_is_the_deviation_from_a_blurred_picture_by_cells():
    picture = torch.rand(2, 3, 64, 48, generator=torch.Generator().manual_seed(0))
    weights = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
    for number, found in enumerate(detail_quantiles(picture)):
        light = np.tensordot([0.299, 0.587, 0.114], picture[number].double().numpy(), 1)
        wide = np.pad(light, 2, mode="reflect")
        blurred = sum(weights[i, j] * wide[i : i + 64, j : j + 48] for i in range(5) for j in range(5))
        squares = ((light - blurred) ** 2).reshape(64 // CELL, CELL, 48 // CELL, CELL).mean(axis=(1, 3))
        np.testing.assert_allclose(found, np.sort(np.sqrt(squares + 1e-6).ravel()), rtol=1e-4)


def test_detail_error_is_the_wasserstein_distance_and_is_met_wherever_the_detail_lies():
    strength = torch.full((64, 96), 0.01)
    strength[:, 64:] = 0.15  # two thirds of it quiet
    style = detail_quantiles(_grainy(0, strength))
    elsewhere = _grainy(1, strength.flip(1))
    assert float(detail_error(elsewhere, style)) < 0.01

    even = _grainy(1, strength.square().mean().sqrt().expand(64, 96))  # as much of it in all
    found = detail_quantiles(even)
    expected = np.mean((found.numpy() - style.numpy()) ** 2) / (np.mean(style.numpy() ** 2) + LEAST_DETAIL)
    assert float(detail_error(even, style)) == pytest.approx(expected, rel=1e-4)
    assert float(detail_error(even, style)) > 0.2

    learning = even.clone().requires_grad_(True)
    detail_error(learning, style).backward()
    step = even - 1e-3 * learning.grad / learning.grad.abs().max()
    assert float(detail_error(step, style)) < float(detail_error(even, style))


def test_detail_of_pictures_of_different_sizes_is_compared_by_quantiles():
    strength = torch.linspace(0.0, 0.2, 96).expand(64, 96)
    picture = _grainy(0, strength)
    twice = torch.cat([picture, picture.flip(2)], dim=2)
    assert float(detail_error(twice, detail_quantiles(picture))) < 0.002
    assert float(detail_error(picture, detail_quantiles(twice, 256))) < 0.002

    wanted = torch.linspace(0.02, 0.1, 256)[None] ** 2
    found = detail_quantiles(picture)[0].double().numpy()
    there = np.interp((np.arange(24) + 0.5) / 24, (np.arange(256) + 0.5) / 256, wanted[0].double().numpy())
    expected = np.mean((found - there) ** 2) / (np.mean(there**2) + LEAST_DETAIL)
    assert float(detail_error(picture, wanted)) == pytest.approx(expected, rel=1e-4)


def test_of_a_style_without_detail_the_term_does_not_run_away():
    smooth = torch.linspace(0, 1, 96).expand(1, 3, 64, 96)
    assert float(detail_error(_grainy(0, torch.full((64, 96), 0.02)), detail_quantiles(smooth))) < 10
