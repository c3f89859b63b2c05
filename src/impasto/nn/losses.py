"""The perceptual loss: content and style terms from a loss network, combined with pixel terms in an objective."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from impasto.errors import UsageError
from impasto.nn.pixel_terms import (
    StyleColors,
    color_error,
    grid_energy,
    mean_square,
    palette_error,
    reconstruction_error,
    tone_error,
    total_variation,
)
from impasto.nn.vgg import VGGFeatures
from impasto.options import opt

StyleStatistic = Literal["gram", "covariance"]
Scaling = Literal["balanced", "raw"]


GRAM_PART = 4096
"""Number of positions that are summed in the features' own precision."""


def gram(features: Tensor) -> Tensor:
    """Gram matrices, (N, C, H, W) -> float32 (N, C, C), divided by C * H * W (Johnson 2016, eq. 3).

    Gatys 2016 divides the squared difference instead, by 4 C^2 (H W)^2; for pictures of one size the two differ by a
    constant factor. Sums are accumulated in float32, as bfloat16 is too coarse for a million positions.
    """
    product: Tensor = _Gram.apply(features)  # type: ignore[no-untyped-call]  # missing in torch's annotations
    return product


class _Gram(torch.autograd.Function):
    """Keeps the features' memory layout and precision, as copies of the large early layers would be slow."""

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        ctx.save_for_backward(features)
        n, c, h, w = features.shape
        by_place = features.permute(0, 2, 3, 1).reshape(n, h * w, c)  # a view, where channels are last
        product = features.new_zeros(n, c, c, dtype=torch.promote_types(features.dtype, torch.float32))
        with torch.autocast(features.device.type, enabled=False):
            # A bfloat16 product is rounded at its end, so each product covers few positions.
            for part in torch.split(by_place, h * w if product.dtype == features.dtype else GRAM_PART, dim=1):
                product += part.transpose(1, 2) @ part
        return product / (c * h * w)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (features,), (gradient,) = ctx.saved_tensors, gradients
        n, c, h, w = features.shape
        by_place = features.permute(0, 2, 3, 1).reshape(n, h * w, c)
        both = (gradient + gradient.transpose(1, 2)) / (c * h * w)
        with torch.autocast(features.device.type, enabled=False):
            wanted: Tensor = by_place @ both.to(features.dtype)
        return wanted.reshape(n, h, w, c).permute(0, 3, 1, 2)


def covariance(features: Tensor) -> Tensor:
    """Covariance and mean of the features, (N, C, H, W) -> float32 (N, 2, C, C); the mean is on the second's diagonal.

    The covariance is divided by C, as in :func:`gram`. Covariance and mean are compared separately with equal weights.
    In a Gram matrix, the mean of many features outweighs their covariance, which represents the strokes.
    """
    mean = features.float().mean(dim=(2, 3))
    centered = gram(features) - mean[:, :, None] * mean[:, None, :] / features.shape[1]
    return torch.stack([centered, torch.diag_embed(mean)], dim=1)


STATISTICS: dict[str, Callable[[Tensor], Tensor]] = {
    "gram": lambda features: gram(features)[:, None],
    "covariance": covariance,
}
"""Style statistics by name: features (N, C, H, W) -> (N, parts, rows, C); each part is compared by itself."""


LEAST_SPREAD = 0.05
"""Norm of a covariance relative to that of the squared mean, below which differences are not taken relative to it."""


@dataclass(frozen=True)
class Objective:
    """The layers, statistics and weights of a loss.

    With "balanced" scaling all terms are relative, so that one style weight suits every style: content is
    mean((phi(y) - phi(x))^2) / var(phi(x)), and style is the mean over layers of ||S(y) - S(s)||^2 / ||S(s)||^2, where
    S is the statistic (for "covariance", the mean of both parts). "raw" scaling is that of the papers: mean squared
    differences, with the style term summed over layers.
    """

    scaling: Scaling = opt(
        "balanced", "scale of the terms: relative to photo and style (balanced), or as in the papers (raw)"
    )
    content_layers: tuple[str, ...] = opt(("relu3_3",), "layers of the content term; relu3_3/2: at half the size")
    style_layers: tuple[str, ...] = opt(
        ("relu1_2", "relu2_2", "relu3_3", "relu4_3"), "layers of the style term; relu3_3/4: at a quarter of the size"
    )
    style_statistic: StyleStatistic = opt("gram", "statistic of the style's features to match: gram or covariance")
    content_weight: float = opt(1.0, "weight of the content term")
    style_weight: float = opt(4.0, "weight of the style term")
    tv_weight: float = opt(0.0, "weight of total variation")
    grid_weight: float = opt(0.0, "weight against patterns that repeat every 4 pixels, the light network's cells")
    tone_weight: float = opt(
        0.0, "weight of lightness: light and dark where the photo has them, distributed as in the style picture"
    )
    palette_weight: float = opt(0.0, "weight of the style's colors in large areas, at any position")
    color_weight: float = opt(0.0, "weight of the style's distribution of colors, down to outlines")

    def __post_init__(self) -> None:
        if self.style_statistic not in STATISTICS:
            raise UsageError(f"unknown style statistic '{self.style_statistic}': choose one of {', '.join(STATISTICS)}")
        if self.scaling not in ("balanced", "raw"):
            raise UsageError(f"unknown objective scaling '{self.scaling}': choose one of balanced, raw")
        if not self.content_layers or not self.style_layers:
            raise UsageError("content layers and style layers: give at least one of each; a weight of 0 leaves one out")
        for name in (f"{term}_weight" for term in ("content", "style", "tv", "grid", "tone", "palette", "color")):
            if not 0 <= getattr(self, name) < float("inf"):
                raise UsageError(f"{name.replace('_', ' ')} must be 0 or more, not {getattr(self, name)}")

    @property
    def needs_picture(self) -> bool:
        """Whether it has terms that need the style picture itself, beyond statistics of its features."""
        return bool(self.tone_weight or self.palette_weight or self.color_weight)


PAINTERLY = Objective(
    content_layers=("relu4_2",),
    style_layers=(
        *("relu1_2", "relu2_1", "relu2_2", "relu3_1", "relu3_3", "relu4_1"),
        *("relu3_3/2", "relu4_1/2"),
    ),
    style_statistic="covariance",
    content_weight=1.15,
    style_weight=8.0,
    tv_weight=4.0,
    grid_weight=20000.0,
    tone_weight=1.5,
    palette_weight=0.1,
    color_weight=3.0,
)
"""Impasto's own objective: the strokes and colors of the style, the forms of the photo, but not its texture."""

YARDSTICK = Objective(
    scaling="balanced",
    content_layers=("relu3_3",),
    style_layers=("relu1_2", "relu2_2", "relu3_3", "relu4_3"),
    style_statistic="gram",
    content_weight=1.0,
    style_weight=4.0,
)
"""The objective of all reports: balanced, style weight 4, no total variation; at 512 px (short side)."""


@dataclass(frozen=True)
class LossTerms:
    """The unweighted terms of an objective, each (N,), one value per picture; and their weighted sum."""

    content: Tensor
    style: Tensor
    tv: Tensor
    total: Tensor


@dataclass(frozen=True)
class ContentTarget:
    """The target of the content term: a photo's features by layer, and the variance of each, (N,).

    The ``photo``, (N, 3, H, W), is needed for the tone term and for strengths below 1.
    """

    features: dict[str, Tensor]
    variance: dict[str, Tensor] = field(default_factory=dict)
    photo: Tensor | None = None


class PerceptualLoss(nn.Module):
    """Computes the terms of an objective for one or several style pictures and any photos.

    Args:
        network: the loss network.
        objective: layers, statistics and weights.
        styles: the style pictures, each (1, 3, H, W) in [0, 1].
        targets: their statistics by layer, (styles, parts, rows, C), instead of the pictures.

    Attributes:
        layers: the layers that are compared.
        style_colors: the colors of the style pictures; None if only ``targets`` were passed.

    Raises:
        UsageError: for a layer that the network does not have.
    """

    def __init__(
        self,
        network: VGGFeatures,
        objective: Objective,
        *styles: Tensor,
        targets: dict[str, Tensor] | None = None,
    ) -> None:
        super().__init__()
        network.check((*objective.content_layers, *objective.style_layers))
        self.network = network
        self.objective = objective
        self.statistic = STATISTICS[objective.style_statistic]
        self.layers = sorted({*objective.content_layers, *objective.style_layers})
        if targets is not None:
            assert not objective.needs_picture, "a style's colors are in its picture"
            self.style_targets = targets
            return
        with torch.no_grad():
            self.style_colors = StyleColors.joined([StyleColors.of(style) for style in styles])
            each = [network(style, objective.style_layers) for style in styles]
            self.style_targets = {  # (styles, parts, rows, C)
                layer: torch.cat([self.statistic(features[layer]) for features in each])
                for layer in objective.style_layers
            }

    @torch.no_grad()
    def content_target(self, image: Tensor) -> ContentTarget:
        """The content target of photos, (N, 3, H, W) in [0, 1]."""
        return replace(self.content_target_of(self.network(image, self.objective.content_layers)), photo=image)

    def content_target_of(self, features: dict[str, Tensor]) -> ContentTarget:
        """The content target from precomputed features; layers that the content term does not use are ignored."""
        features = {layer: features[layer] for layer in self.objective.content_layers}
        variance = {layer: x.float().var(dim=(1, 2, 3), correction=0) for layer, x in features.items()}
        return ContentTarget(features, variance)

    def forward(
        self,
        image: Tensor,
        target: ContentTarget,
        style_weight: float | None = None,
        which: Sequence[int] = (0,),
        strength: Tensor | None = None,
    ) -> LossTerms:
        """The terms for the painted ``image``, (N, 3, H, W) in [0, 1], against the photo's ``target``.

        Args:
            image: the painted pictures.
            target: of their photos.
            style_weight: replaces the objective's weight, for one that changes during a run.
            which: the index of each picture's style, or one for all.
            strength: the strength of each picture's style, (N,), 0 to 1; None for 1. It weights the style, tone and
                color terms. :func:`reconstruction_error` with the weight 1 - strength is added to the style term, so
                that at 0 the target is the photo.
        """
        return self.compare(self.network(image, self.layers), image, target, style_weight, which, strength)

    def compare(
        self,
        features: dict[str, Tensor],
        image: Tensor,
        target: ContentTarget,
        style_weight: float | None = None,
        which: Sequence[int] = (0,),
        strength: Tensor | None = None,
    ) -> LossTerms:
        """As :meth:`forward`, from precomputed features of ``image`` at (at least) :attr:`layers`."""
        objective, balanced = self.objective, self.objective.scaling == "balanced"
        zero = image.new_zeros(image.shape[0])

        content = zero
        for layer in objective.content_layers:
            difference = mean_square(features[layer].float() - target.features[layer].float())
            content = content + (difference / (target.variance[layer] + 1e-8) if balanced else difference)
        if balanced:
            content = content / len(objective.content_layers)

        style = zero
        for layer in objective.style_layers:
            wanted = self.style_targets[layer][list(which)]
            difference = (self.statistic(features[layer]) - wanted).square()
            if balanced:
                share = difference.sum(dim=(2, 3)) / self._energy(wanted)
                style = style + share.mean(dim=1) / len(objective.style_layers)
            else:
                style = style + difference.mean(dim=(1, 2, 3))
        if strength is None:
            strength = torch.ones_like(zero)
        elif bool((strength < 1).any()):
            assert target.photo is not None
            style = strength * style + (1 - strength) * reconstruction_error(image, target.photo)

        tv = total_variation(image) if objective.tv_weight else zero
        weight = objective.style_weight if style_weight is None else style_weight
        total = objective.content_weight * content + weight * style + objective.tv_weight * tv
        if objective.grid_weight:
            total = total + objective.grid_weight * grid_energy(image)
        if objective.needs_picture:
            with torch.autocast(image.device.type, enabled=False):  # eigenvalues are not for bfloat16
                total = total + strength * self._color_terms(image, target, self.style_colors[list(which)])
        return LossTerms(content, style, tv, total)

    def _color_terms(self, image: Tensor, target: ContentTarget, style: StyleColors) -> Tensor:
        objective, total = self.objective, image.new_zeros(image.shape[0])
        if objective.tone_weight:
            assert target.photo is not None
            total = total + objective.tone_weight * tone_error(image, target.photo, style)
        if objective.palette_weight:
            total = total + objective.palette_weight * palette_error(image, style)
        if objective.color_weight:
            total = total + objective.color_weight * color_error(image, style)
        return total

    def _energy(self, statistics: Tensor) -> Tensor:
        """What squared differences from these statistics, (N, parts, rows, C), are divided by, (N, parts).

        It is their squared norm. A covariance of nearly zero, as that of one position or of a plain picture, counts as
        `LEAST_SPREAD` of the squared mean, so that a relative difference stays finite.
        """
        energy = statistics.square().sum(dim=(2, 3)).clamp_min(1e-30)
        if self.objective.style_statistic != "covariance":
            return energy
        least = (LEAST_SPREAD * energy[:, 1] / statistics.shape[-1]).square()
        return torch.stack([torch.maximum(energy[:, 0], least), energy[:, 1]], dim=1)
