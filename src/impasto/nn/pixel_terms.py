"""Terms of the pixels themselves, for what a loss network does not see: noise, grids, meshes, large places, quiet ones.

Pictures are (N, 3, H, W) in [0, 1]; terms and errors are one value a picture, (N,).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


def mean_square(x: Tensor) -> Tensor:
    """The mean of squares, (N, C, H, W) -> (N,).

    By way of the norm: torch takes five times as long for the gradient of a mean of squares of features on a CPU.
    """
    mean: Tensor = torch.linalg.vector_norm(x, dim=(1, 2, 3)).square() / x[0].numel()
    return mean


def total_variation(image: Tensor) -> Tensor:
    """Mean squared difference of neighbouring pixels, (N, 3, H, W) -> (N,)."""
    down = mean_square(image[:, :, 1:] - image[:, :, :-1])
    across = mean_square(image[:, :, :, 1:] - image[:, :, :, :-1])
    return down + across


def reconstruction_error(image: Tensor, photo: Tensor) -> Tensor:
    """Four times the squared error relative to the photo's variance, (N, 3, H, W) twice -> (N,).

    Each channel's mean and deviation are brought to the photo's first: instance normalisation drops them, so that no
    generator could know them. Four brings a blurred picture's error near that of a badly painted style.
    """
    variance, mean = torch.var_mean(image, dim=(2, 3), correction=0, keepdim=True)
    wanted_variance, wanted_mean = torch.var_mean(photo, dim=(2, 3), correction=0, keepdim=True)
    matched = (image - mean) * ((wanted_variance + 1e-6) / (variance + 1e-6)).sqrt() + wanted_mean
    return 4.0 * ((matched - photo).square().mean(dim=(2, 3)) / (wanted_variance[:, :, 0, 0] + 1e-3)).mean(dim=1)


_LUMA = (0.299, 0.587, 0.114)
GRID_CELLS = 16


def grid_energy(image: Tensor, period: int = 4) -> Tensor:
    """How much of the picture is a grid of ``period`` pixels, or of a part of that, (N, 3, H, W) -> (N,).

    In blocks of 16 x 16 cells the mean colour at each of the places of a cell; the variance of those means, over blocks
    and channels. Strokes average out; what repeats every ``period`` pixels stays, and so does all that a generator
    that works at that fraction of the size adds by itself.
    """
    n, c, height, width = image.shape
    block = max(period, min(GRID_CELLS * period, height, width) // period * period)
    down, across, cells = height // block, width // block, block // period
    if not down or not across:
        return image.new_zeros(n)
    whole = image[:, :, : down * block, : across * block].float()
    means = whole.reshape(n, c, down, cells, period, across, cells, period).mean(dim=(3, 6))
    return means.var(dim=(3, 5), correction=0).mean(dim=(1, 2, 3))


WEAVE_WINDOW, WEAVE_REACH, WEAVE_STEP = 64, 20, 4
"""Side of the windows that a lattice is looked for in, how far it may repeat, and what by multiples of, pixels."""
WEAVE_NATURAL = 0.1
"""Of :func:`lattice`: pictures made by hand reach it, by chance."""


def lattice(image: Tensor) -> Tensor:
    """How much better detail repeats at multiples of 4 pixels than 2 pixels beside: (N, windows, shifts).

    A generator that works at a quarter of the size and has to fill an even place fills it with one mesh, repeated.
    Detail is lightness without its mean over 17 pixels; its autocorrelation is that of windows of 64 pixels, half over
    each other, at all shifts of up to 20 pixels but the nearest. Paintings have some 0.05, a woven sky has 0.5.

    Args:
        image: (N, 3, H, W) in [0, 1]; of a smaller one than a window there are no windows.
    """
    size = WEAVE_WINDOW
    if min(image.shape[2:]) < size:
        return image.new_zeros(image.shape[0], 0, 0)
    light = _lightness(image)
    along = F.avg_pool2d(light, (1, 17), 1, (0, 8), count_include_pad=False)  # 34 sums a pixel instead of 289
    fine = light - F.avg_pool2d(along, (17, 1), 1, (8, 0), count_include_pad=False)
    windows = fine[:, 0].unfold(1, size, size // 2).unfold(2, size, size // 2).flatten(1, 2)
    windows = windows - windows.mean(dim=(2, 3), keepdim=True)
    spectrum = torch.fft.rfft2(windows, s=(2 * size, 2 * size))
    products = torch.fft.irfft2(spectrum.abs().square(), s=(2 * size, 2 * size))
    half = WEAVE_STEP // 2
    shifts = [
        (dy, dx)
        for dy in range(0, WEAVE_REACH + 1, WEAVE_STEP)
        for dx in range(-WEAVE_REACH, WEAVE_REACH + 1, WEAVE_STEP)
        if (dy, dx) > (0, 0) and dy * dy + dx * dx > WEAVE_STEP**2
    ]
    down, across = torch.tensor(shifts, device=image.device).unbind(1)
    energy = products[:, :, :1, 0] + size * size / 255**2  # what is even has no mesh to speak of

    def correlation(dy: Tensor, dx: Tensor) -> Tensor:
        overlap = (1 - dy.abs() / size) * (1 - dx.abs() / size)
        found: Tensor = products[:, :, dy, dx] / (overlap * energy)
        return found

    between = [correlation(down + a, across + b) for a in (-half, half) for b in (-half, half)]
    excess: Tensor = correlation(down, across) - torch.stack(between).mean(dim=0)
    return excess


def weave_error(image: Tensor) -> Tensor:
    """How far detail repeats itself beyond what is natural, (N, 3, H, W) -> (N,): see :func:`lattice`."""
    found = lattice(image)
    if not found.shape[1]:
        return image.new_zeros(image.shape[0])
    error: Tensor = F.relu(found - WEAVE_NATURAL).square().sum(dim=2).mean(dim=1)
    return error


CELL = 16
"""Side of the squares, pixels, whose mean colours are what is compared of large places."""
EVEN = 1e-3
"""Variance of lightness below which a photo's square is even, and has no tones to speak of."""
LEAST_VARIANCE = 0.02
"""Of a style's colours in large places, about that of faint ones: differences from one with less count no more."""
_OPPONENT = (_LUMA, (1.5, -1.5, 0.0), (-0.75, -0.75, 1.5))  # lightness, red to green, yellow to blue


@dataclass(frozen=True)
class Palette:
    """Which colours large places have: those of cells, in opponent coordinates, lightness first.

    Attributes:
        mean: (N, 3).
        covariance: (N, 3, 3).
    """

    mean: Tensor
    covariance: Tensor

    @classmethod
    def of(cls, image: Tensor) -> "Palette":
        """The palettes of pictures, (N, 3, H, W) in [0, 1]."""
        colors = cells(image)
        mean = colors.mean(dim=2)
        spread = colors - mean[:, :, None]
        return cls(mean, spread @ spread.transpose(1, 2) / colors.shape[2])

    def __getitem__(self, numbers: list[int]) -> "Palette":
        return Palette(self.mean[numbers], self.covariance[numbers])


def cells(image: Tensor) -> Tensor:
    """Mean colours of cells of 16 pixels in opponent coordinates, (N, 3, H, W) in [0, 1] -> (N, 3, cells)."""
    means = F.avg_pool2d(image.float(), min(CELL, *image.shape[2:])).flatten(2)
    return image.new_tensor(_OPPONENT, dtype=torch.float32) @ means


def tone_error(image: Tensor, photo: Tensor, style: Palette) -> Tensor:
    """How far light and dark are from lying as in the photo, as strongly as in the style, (N, 3, H, W) twice -> (N,).

    The photo's lightness by cells, brought to the mean and deviation of the style's, is what the picture's should be;
    the mean squared difference relative to the style's variance: 0 the same, 1 the style's mean grey, 2 nothing in
    common. Gram matrices and the content term hardly see how light or dark a large place is: a generator left to
    itself paints large dark places grey, and all with half the style's contrast.
    """
    drawn = cells(photo)[:, 0]
    variance, mean = torch.var_mean(drawn, dim=1, correction=0, keepdim=True)
    style_mean, style_variance = style.mean[:, :1], style.covariance[:, 0, :1]
    # Of a square of sky alone no clouds are asked for.
    aim = (style_mean + (drawn - mean) * (style_variance / (variance + EVEN)).sqrt()).clamp(0, 1)
    error: Tensor = (cells(image)[:, 0] - aim).square().mean(dim=1) / (style_variance[:, 0] + LEAST_VARIANCE / 2)
    return error


def palette_error(image: Tensor, style: Palette) -> Tensor:
    """How far the colours of large places are from the style's, wherever they lie, (N, 3, H, W) -> (N,).

    The squared Wasserstein-2 distance of two normal distributions, |m - n|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2),
    relative to the style's variance: 0 the same, 1 one even colour, the style's mean (less, for a style of one colour
    from afar). What Gram matrices see of colour is met by fine strokes of many colours, which from afar are grey.
    """
    painted = Palette.of(image)
    values, vectors = torch.linalg.eigh(style.covariance)
    root = vectors * values.clamp_min(0).sqrt()[:, None] @ vectors.transpose(1, 2)
    product = root @ painted.covariance @ root
    finite = product.isfinite().all(dim=(1, 2))  # what is not comes out as that: eigenvalues would raise an error
    shared = torch.linalg.eigvalsh(torch.where(finite[:, None, None], product, 0)).clamp_min(0)
    overlap = ((shared + 1e-10).sqrt() - 1e-5).sum(dim=1)
    total, wanted = (x.covariance.diagonal(dim1=1, dim2=2).sum(dim=1) for x in (painted, style))
    distance = (painted.mean - style.mean).square().sum(dim=1) + total + wanted - 2 * overlap
    error: Tensor = distance / (wanted + LEAST_VARIANCE)
    return error


DETAIL_QUANTILES = 256
"""As many are kept of a style's distribution of detail."""
LEAST_DETAIL = 1e-4
"""Mean square of a smooth style's detail, 2.5 levels of 255: differences from one with less count no more."""


def detail_quantiles(image: Tensor, count: int | None = None) -> Tensor:
    """How much fine detail cells of 16 pixels have, least first, (N, 3, H, W) -> (N, cells), or ``count`` quantiles.

    Detail is lightness without its mean over some 5 pixels, strokes and edges, canvas and grain; of a cell its root
    mean square.
    """
    light = _lightness(image)
    fine = light - _binomial(_binomial(F.pad(light, [2] * 4, mode="reflect"), 2), 3)
    energy = F.avg_pool2d(fine.square(), min(CELL, *image.shape[2:])).flatten(1)
    ordered = (energy + 1e-6).sqrt().sort(dim=1).values
    return ordered if count is None else _resampled(ordered, count)


def detail_error(image: Tensor, style: Tensor) -> Tensor:
    """How far detail is from being as unevenly spread as in the style, (N, 3, H, W), (N, quantiles) -> (N,).

    The squared Wasserstein-2 distance of the two distributions, which in one dimension compares the quietest place
    with the quietest and the loudest with the loudest, relative to the style's mean square: 0 the same, 1 no detail at
    all. Gram matrices are means over the picture, and met as well by one even pattern everywhere: skies and planes that
    a painter left alone are filled with it, and what was drawn comes out faint. Which places are quiet is left to the
    generator: the content term makes them the photo's, within a square. A square of sky alone is asked for loud places
    as well, as it is for all of the style's Gram matrix.
    """
    found = detail_quantiles(image)
    wanted = _resampled(style, found.shape[1])
    error: Tensor = (found - wanted).square().mean(dim=1) / (wanted.square().mean(dim=1) + LEAST_DETAIL)
    return error


def _lightness(image: Tensor) -> Tensor:
    """(N, 3, H, W) -> float32 (N, 1, H, W)."""
    return (image.float() * image.new_tensor(_LUMA, dtype=torch.float32).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def _binomial(x: Tensor, axis: int) -> Tensor:
    """Means of five in a row, weighted 1, 4, 6, 4, 1; along ``axis`` the result is 4 shorter.

    Sums, since the gradient of a convolution of one channel takes ten times as long.
    """
    length = x.shape[axis] - 4
    total: Tensor = sum(weight / 16 * x.narrow(axis, i, length) for i, weight in enumerate((1, 4, 6, 4, 1)))  # type: ignore[assignment]
    return total


def _resampled(quantiles: Tensor, count: int) -> Tensor:
    """Another number of quantiles of the same distribution, (N, any) -> (N, count)."""
    return F.interpolate(quantiles[:, None], count, mode="linear", align_corners=False)[:, 0]
