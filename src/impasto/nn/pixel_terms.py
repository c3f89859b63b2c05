"""Loss terms computed from pixels, for noise, grids, tones and colors, to which a loss network is insensitive.

Pictures are (N, 3, H, W) in [0, 1]. Each function returns one value per picture, (N,).
"""

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor


def mean_square(x: Tensor) -> Tensor:
    """The mean of squares, (N, C, H, W) -> (N,).

    It is computed from the norm: on a CPU, torch takes five times as long for the gradient of a mean of squares.
    """
    mean: Tensor = torch.linalg.vector_norm(x, dim=(1, 2, 3)).square() / x[0].numel()
    return mean


def total_variation(image: Tensor) -> Tensor:
    """Mean squared difference of neighboring pixels, (N, 3, H, W) -> (N,)."""
    down = mean_square(image[:, :, 1:] - image[:, :, :-1])
    across = mean_square(image[:, :, :, 1:] - image[:, :, :, :-1])
    return down + across


def reconstruction_error(image: Tensor, photo: Tensor) -> Tensor:
    """Four times the squared error relative to the photo's variance, (N, 3, H, W) twice -> (N,).

    First each channel's mean and standard deviation are set to the photo's: instance normalization removes them, so no
    generator can know them. The factor four brings the error of a blurred picture near that of a badly painted style.
    """
    variance, mean = torch.var_mean(image, dim=(2, 3), correction=0, keepdim=True)
    photo_variance, photo_mean = torch.var_mean(photo, dim=(2, 3), correction=0, keepdim=True)
    matched = (image - mean) * ((photo_variance + 1e-6) / (variance + 1e-6)).sqrt() + photo_mean
    return 4.0 * ((matched - photo).square().mean(dim=(2, 3)) / (photo_variance[:, :, 0, 0] + 1e-3)).mean(dim=1)


GRID_CELLS = 16


def grid_energy(image: Tensor, period: int = 4) -> Tensor:
    """Variance of the picture that repeats every ``period`` pixels, (N, 3, H, W) -> (N,).

    In each block of 16 x 16 periods, the mean color at each position within a period is computed, and the variance of
    these means over positions. The result is averaged over blocks and channels. Strokes average out; patterns with that
    period, or a divisor of it, remain. Generators that work at 1/period of the size tend to produce such grids.
    """
    n, c, height, width = image.shape
    block = max(period, min(GRID_CELLS * period, height, width) // period * period)
    down, across, cells = height // block, width // block, block // period
    if not down or not across:
        return image.new_zeros(n)
    whole = image[:, :, : down * block, : across * block].float()
    means = whole.reshape(n, c, down, cells, period, across, cells, period).mean(dim=(3, 6))
    return means.var(dim=(3, 5), correction=0).mean(dim=(1, 2, 3))


PALETTE_CELL = 16
"""Side of the cells whose mean colors are a picture's palette, pixels."""
TONE_CELL = 8
"""Side of the cells whose mean lightness is compared, pixels."""
COLOR_CELL = 2
"""Side of the cells whose colors' distribution is compared, pixels: outlines count, the scan's grain does not."""
QUANTILES = 256
"""How many quantiles of a style's distributions are kept."""
EVEN_VARIANCE = 1e-3
"""Variance of a photo's lightness at which its target has half of the style's contrast; flat photos have less."""
MINIMUM_VARIANCE = 0.02
"""Added to the variance of a style's colors, against which errors are relative: about that of pale colors."""
_LUMA = (0.299, 0.587, 0.114)
_OPPONENT = (_LUMA, (1.5, -1.5, 0.0), (-0.75, -0.75, 1.5))  # lightness, red minus green, blue minus yellow
# Directions in RGB along which distributions are compared. Differences of the axes are not among them: a network meets
# a distribution of hues by coloring areas at random.
_DIRECTIONS = (_LUMA, (1, 0, 0), (0, 1, 0), (0, 0, 1))


@dataclass(frozen=True)
class StyleColors:
    """The colors of style pictures at three scales.

    Attributes:
        mean: of the palette, (N, 3), in opponent colors: lightness, red minus green, blue minus yellow.
        covariance: of the palette, (N, 3, 3).
        tones: quantiles of the cells' lightness, ascending, (N, quantiles).
        colors: quantiles of small cells' colors along several directions in RGB, (N, directions, quantiles).
    """

    mean: Tensor
    covariance: Tensor
    tones: Tensor
    colors: Tensor

    @classmethod
    def of(cls, image: Tensor) -> "StyleColors":
        """The colors of pictures (N, 3, H, W)."""
        mean, covariance = palette(image)
        tones = _quantiles(lightness_cells(image).sort(dim=1).values[:, None], QUANTILES)[:, 0]
        return cls(mean, covariance, tones, _quantiles(_sorted_colors(image), QUANTILES))

    @classmethod
    def joined(cls, each: "list[StyleColors]") -> "StyleColors":
        """Concatenate the colors of several pictures, in order."""
        return cls(*(torch.cat([getattr(x, field.name) for x in each]) for field in fields(cls)))

    def __getitem__(self, indices: list[int]) -> "StyleColors":
        return StyleColors(*(getattr(self, field.name)[indices] for field in fields(self)))


def palette(image: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (N, 3) and covariance (N, 3, 3) of the opponent colors of cells of 16 pixels."""
    cells = F.avg_pool2d(image.float(), min(PALETTE_CELL, *image.shape[2:])).flatten(2)
    colors = image.new_tensor(_OPPONENT, dtype=torch.float32) @ cells
    mean = colors.mean(dim=2)
    spread = colors - mean[:, :, None]
    return mean, spread @ spread.transpose(1, 2) / colors.shape[2]


def lightness(image: Tensor) -> Tensor:
    """The weighted mean of red, green and blue, (N, 3, H, W) -> float32 (N, H, W)."""
    return torch.einsum("c,nchw->nhw", image.new_tensor(_LUMA, dtype=torch.float32), image.float())


def lightness_cells(image: Tensor) -> Tensor:
    """Mean lightness of cells of 8 pixels, (N, 3, H, W) -> (N, cells)."""
    cells = F.avg_pool2d(image.float(), min(TONE_CELL, *image.shape[2:])).flatten(2)
    return lightness(cells[..., None]).flatten(1)


def tone_error(image: Tensor, photo: Tensor, style: StyleColors) -> Tensor:
    """Error of lightness against the photo's, mapped to the style's distribution, (N, 3, H, W) twice -> (N,).

    The target is the mean of two mappings of the photo's lightness by cells: a linear one to the style's mean and
    standard deviation, and one by rank, which maps the darkest cells to the style's darkest. The error is the mean
    squared difference from the target, relative to the style's variance: 0 for none, about 1 for a uniform gray. Style
    and content terms are insensitive to the lightness of large areas, which makes eyes, windows and outlines readable.
    """
    drawn, painted = lightness_cells(photo), lightness_cells(image)
    variance, mean = torch.var_mean(drawn, dim=1, correction=0, keepdim=True)
    style_variance, style_mean = torch.var_mean(style.tones, dim=1, correction=0, keepdim=True)
    linear = style_mean + (drawn - mean) * (style_variance / (variance + EVEN_VARIANCE)).sqrt()
    ranks = drawn.argsort(dim=1).argsort(dim=1)
    ranked = _quantiles(style.tones[:, None], drawn.shape[1])[:, 0].gather(1, ranks)
    share = 0.5 * variance / (variance + EVEN_VARIANCE)  # the ranks of a flat photo are noise
    aim = ((1 - share) * linear + share * ranked).clamp(0, 1)
    error: Tensor = (painted - aim).square().mean(dim=1) / (style_variance[:, 0] + MINIMUM_VARIANCE / 2)
    return error


def color_error(image: Tensor, style: StyleColors) -> Tensor:
    """Squared sliced Wasserstein-2 distance of the colors of small cells from the style's, (N, 3, H, W) -> (N,).

    It is the mean over several directions in RGB, each relative to the style's variance along it. It preserves black,
    white and the painting's palette in small details, which feature statistics alone do not determine.
    """
    found = _sorted_colors(image)
    wanted = _quantiles(style.colors, found.shape[2])
    variance = wanted.var(dim=2, correction=0) + MINIMUM_VARIANCE / 2
    error: Tensor = ((found - wanted).square().mean(dim=2) / variance).mean(dim=1)
    return error


def palette_error(image: Tensor, style: StyleColors) -> Tensor:
    """Distance of the colors of large areas from the style's, regardless of position, (N, 3, H, W) -> (N,).

    The squared Wasserstein-2 distance of two normal distributions, |m - n|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2),
    relative to the style's variance: 0 for none, 1 for a picture in the style's mean color (less for a style whose
    large areas have one color). :func:`color_error` alone would accept fine strokes of many colors, which look gray
    from a distance.
    """
    mean, covariance = palette(image)
    values, vectors = torch.linalg.eigh(style.covariance)
    root = vectors * values.clamp_min(0).sqrt()[:, None] @ vectors.transpose(1, 2)
    product = root @ covariance @ root
    finite = product.isfinite().all(dim=(1, 2))  # eigenvalues raise an error for others; they come out as they are
    shared = torch.linalg.eigvalsh(torch.where(finite[:, None, None], product, 0)).clamp_min(0)
    overlap = ((shared + 1e-10).sqrt() - 1e-5).sum(dim=1)
    total, wanted = (x.diagonal(dim1=1, dim2=2).sum(dim=1) for x in (covariance, style.covariance))
    distance = (mean - style.mean).square().sum(dim=1) + total + wanted - 2 * overlap
    error: Tensor = distance / (wanted + MINIMUM_VARIANCE)
    return error


def _sorted_colors(image: Tensor) -> Tensor:
    """Colors of cells of 2 pixels along each direction, ascending, (N, directions, cells)."""
    cells = F.avg_pool2d(image.float(), COLOR_CELL).flatten(2)
    directions = F.normalize(image.new_tensor(_DIRECTIONS, dtype=torch.float32), dim=1)
    return (directions @ cells).sort(dim=2).values


def _quantiles(ascending: Tensor, count: int) -> Tensor:
    """``count`` quantiles of distributions given by ascending values, (N, rows, any) -> (N, rows, count)."""
    return F.interpolate(ascending, count, mode="linear", align_corners=False)
