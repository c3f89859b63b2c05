import numpy as np
import pytest
import torch

from impasto.nn.pixel_terms import (
    MINIMUM_VARIANCE,
    StyleColors,
    color_error,
    grid_energy,
    lightness_cells,
    palette,
    palette_error,
    tone_error,
    total_variation,
)


def test_total_variation_by_hand():
    x = torch.tensor([[0.0, 1.0], [0.0, 3.0]]).view(1, 1, 2, 2)
    # down: (0, 2) squared, mean 2; across: (1, 3) squared, mean 5
    assert total_variation(x).tolist() == [7.0]


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


def _fine(count: int, seed: int) -> torch.Tensor:
    """Pictures of even cells of 8 pixels, (count, 3, 64, 96)."""
    cells = torch.rand(count, 3, 8, 12, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(cells, scale_factor=8)


def test_a_palette_is_mean_and_covariance_of_cells():
    pictures = _coarse(3, 0)
    matrix = np.array([[0.299, 0.587, 0.114], [1.5, -1.5, 0], [-0.75, -0.75, 1.5]])
    means, covariances = palette(pictures)
    for number, picture in enumerate(pictures[:, :, ::16, ::16].double().numpy()):
        colors = matrix @ picture.reshape(3, -1)
        np.testing.assert_allclose(means[number], colors.mean(axis=1), atol=1e-5)
        np.testing.assert_allclose(covariances[number], np.cov(colors, bias=True), atol=1e-5)
    stripes = torch.arange(64).remainder(2).float().expand(1, 3, 64, 64)  # finer than a cell
    np.testing.assert_allclose(palette(stripes)[1], np.zeros((1, 3, 3)), atol=1e-5)


def _tones_by_definition(photo, style):
    """What each cell's lightness should be: half by mean and deviation, half by rank."""
    drawn = lightness_cells(photo)[0].double().numpy()
    tones = np.sort(lightness_cells(style)[0].double().numpy())
    share = 0.5 * drawn.var() / (drawn.var() + 1e-3)
    linear = tones.mean() + (drawn - drawn.mean()) * np.sqrt(tones.var() / (drawn.var() + 1e-3))
    ranked = np.empty_like(drawn)
    ranked[np.argsort(drawn)] = tones  # as many cells in both pictures here
    return np.clip((1 - share) * linear + share * ranked, 0, 1), tones


def test_tones_are_wanted_where_the_photo_has_them_distributed_as_in_the_style():
    photo, style = 0.5 * _coarse(1, 0) + 0.3, _fine(1, 1)
    aim, tones = _tones_by_definition(photo, style)
    right = torch.from_numpy(aim).float().reshape(1, 1, 8, 12).repeat_interleave(8, 2).repeat_interleave(8, 3)
    right = right.expand(-1, 3, -1, -1)
    colors = StyleColors.of(style)
    assert float(tone_error(right, photo, colors)) < 0.01  # of 96 tones 256 quantiles are kept
    gray = torch.full_like(right, aim.mean())
    expected = aim.var() / (tones.var() + MINIMUM_VARIANCE / 2)
    assert float(tone_error(gray, photo, colors)) == pytest.approx(expected, rel=0.05)
    assert float(tone_error(1 - right, photo, colors)) > 2 * expected  # a negative


def test_a_photos_contrast_does_not_matter_to_its_tones_unless_it_is_flat():
    photo, style = _coarse(1, 0), StyleColors.of(_fine(1, 1))
    painted = _fine(1, 2)
    full, half = (float(tone_error(painted, c * photo + 0.2, style)) for c in (0.8, 0.4))
    assert full == pytest.approx(half, rel=0.05)
    source = torch.Generator().manual_seed(0)
    sky = 0.6 + 0.003 * torch.nn.functional.interpolate(torch.randn(1, 3, 4, 4, generator=source), scale_factor=16)
    even = style.tones.mean().expand(1, 3, 64, 64)
    assert float(tone_error(even, sky, style)) < 0.05  # a sky is not asked for clouds


def test_color_error_is_the_sliced_wasserstein_distance():
    style, picture = torch.rand(2, 1, 3, 32, 32, generator=torch.Generator().manual_seed(0)).pow(2)
    directions = [(0.299, 0.587, 0.114), (1, 0, 0), (0, 1, 0), (0, 0, 1)]

    def cells(x):
        return x[0].double().numpy().reshape(3, 16, 2, 16, 2).mean(axis=(2, 4)).reshape(3, -1)

    expected = []
    for direction in directions:
        unit = np.array(direction) / np.linalg.norm(direction)
        found, wanted = (np.sort(unit @ cells(x)) for x in (picture, style))  # 256 cells, as many as quantiles
        expected.append(np.mean((found - wanted) ** 2) / (wanted.var() + MINIMUM_VARIANCE / 2))
    assert float(color_error(picture, StyleColors.of(style))) == pytest.approx(np.mean(expected), rel=1e-3)


def test_the_same_colors_elsewhere_have_no_color_error_and_gray_has():
    style = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    colors = StyleColors.of(style)
    elsewhere = style.flip(3).roll(8, dims=2)
    assert float(color_error(elsewhere, colors)) < 1e-3
    gray = style.mean(dim=1, keepdim=True).expand_as(style).clone().requires_grad_()
    error = color_error(gray, colors)
    assert float(error.detach()) > 0.1
    error.sum().backward()
    assert gray.grad.isfinite().all()
    better = (gray - 50 * gray.grad).detach()
    assert float(color_error(better, colors)) < float(error.detach())


def test_the_colors_of_several_pictures_are_those_of_each():
    pictures = [_coarse(1, 0), _fine(1, 1)]
    joined = StyleColors.joined([StyleColors.of(x) for x in pictures])
    for number, picture in enumerate(pictures):
        one, alone = joined[[number]], StyleColors.of(picture)
        for name in ("mean", "covariance", "tones", "colors"):
            torch.testing.assert_close(getattr(one, name), getattr(alone, name))


def test_palette_error_is_the_wasserstein_distance():
    def root(matrix):
        values, vectors = np.linalg.eigh(matrix)
        return vectors * np.sqrt(values.clip(0)) @ vectors.T

    pictures = _coarse(2, 0), 0.7 * _coarse(2, 1)
    (style_mean, style_covariance), (mean, covariance) = (palette(x) for x in pictures)
    for number, found in enumerate(palette_error(pictures[1], StyleColors.of(pictures[0]))):
        wanted, painted = (x[number].double().numpy() for x in (style_covariance, covariance))
        apart = (style_mean - mean)[number].square().sum()
        half = root(wanted)
        distance = float(apart) + np.trace(wanted + painted - 2 * root(half @ painted @ half))
        assert float(found) == pytest.approx(distance / (np.trace(wanted) + MINIMUM_VARIANCE), rel=1e-3)


def test_a_palette_is_met_by_the_same_colors_anywhere_and_not_by_one():
    picture = _coarse(1, 0)
    style = StyleColors.of(picture)
    elsewhere = picture.flip(2).roll(32, dims=3)
    assert float(palette_error(elsewhere, style)) == pytest.approx(0, abs=1e-3)
    even = picture.mean(dim=(2, 3), keepdim=True).expand_as(picture).clone().requires_grad_(True)
    error = palette_error(even, style)
    wanted = float(style.covariance.diagonal(dim1=1, dim2=2).sum())
    assert float(error.detach()) == pytest.approx(wanted / (wanted + MINIMUM_VARIANCE), rel=0.02)
    error.sum().backward()
    assert even.grad.isfinite().all()  # three eigenvalues are one there
    gray = picture.mean(dim=1, keepdim=True).expand_as(picture)
    assert 0.1 < float(palette_error(gray, style)) < 1


def test_of_a_style_of_one_color_from_afar_no_term_runs_away():
    source = torch.Generator().manual_seed(0)
    hatching = (torch.rand(1, 1, 512, 512, generator=source) > 0.3).float().expand(-1, 3, -1, -1)
    style, colorful = StyleColors.of(hatching), _coarse(1, 0)
    assert float(palette_error(hatching, style)) == pytest.approx(0, abs=1e-3)
    assert float(palette_error(colorful, style)) < 50  # of noise in all colors; 379 if only relative to the style
    assert float(tone_error(colorful, colorful, style)) < 30


def test_what_is_not_finite_is_no_error_here_but_comes_out_as_it_is():
    painted = torch.stack([_coarse(1, 0)[0], torch.full((3, 64, 96), torch.nan)]).requires_grad_(True)
    found = palette_error(painted, StyleColors.of(_coarse(2, 1)))
    assert found.isfinite().tolist() == [True, False]
    found[0].backward()  # whatever a run makes of it: it is asked after the step, and goes back
