"""What makes a good picture: the content and style terms of a loss network, and the objectives made of all terms."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from impasto.errors import UsageError
from impasto.nn.pixel_terms import (
    DETAIL_QUANTILES,
    Palette,
    detail_error,
    detail_quantiles,
    grid_energy,
    mean_square,
    palette_error,
    reconstruction_error,
    tone_error,
    total_variation,
    weave_error,
)
from impasto.nn.vgg import VGGFeatures

StyleStatistic = Literal["gram", "gram-covariance", "mean-std"]
Scaling = Literal["balanced", "raw"]


GRAM_PART = 4096
"""Positions that are summed up in less than float32."""


def gram(features: Tensor) -> Tensor:
    """Gram matrices, (N, C, H, W) -> float32 (N, C, C), divided by C * H * W (Johnson 2016, eq. 3).

    Gatys 2016 divides the squared difference instead, by 4 C^2 (H W)^2; for pictures of one size the two differ by a
    constant factor. Sums are float32: those over a million positions are beyond bfloat16.
    """
    product: Tensor = _Gram.apply(features)  # type: ignore[no-untyped-call]  # missing in torch's annotations
    return product


class _Gram(torch.autograd.Function):
    """In the features' own layout and precision: copies of the large early layers cost more than their products."""

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        ctx.save_for_backward(features)
        n, c, h, w = features.shape
        by_place = features.permute(0, 2, 3, 1).reshape(n, h * w, c)  # a view, where channels are last
        product = features.new_zeros(n, c, c, dtype=torch.promote_types(features.dtype, torch.float32))
        with torch.autocast(features.device.type, enabled=False):
            # A product of bfloat16 is rounded to it when it is done: the fewer positions in it, the less that matters.
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


def gram_covariance(features: Tensor) -> Tensor:
    """Gram matrices and those of the centred features, (N, C, H, W) -> (N, 2, C, C), both divided by C * H * W.

    Compared by itself, what varies about the mean weighs as much as the whole. In VGG's features that is most of the
    Gram matrix anyway: the two react to a loss of contrast alike, but for the first layer (docs/lessons.md).
    """
    product, mean = gram(features), features.float().mean(dim=(2, 3))
    return torch.stack([product, product - mean[:, :, None] * mean[:, None, :] / features.shape[1]], dim=1)


def mean_std(features: Tensor) -> Tensor:
    """Mean and standard deviation of each channel over space, (N, C, H, W) -> (N, 2, C) (Huang, Belongie 2017)."""
    variance, mean = torch.var_mean(features.float(), dim=(2, 3), correction=0)
    return torch.stack([mean, (variance + 1e-8).sqrt()], dim=1)


STATISTICS: dict[str, Callable[[Tensor], Tensor]] = {
    "gram": lambda features: gram(features)[:, None],
    "gram-covariance": gram_covariance,
    "mean-std": lambda features: mean_std(features)[:, None],
}
"""Style statistics by name: features (N, C, H, W) -> (N, parts, rows, C); each part is compared by itself."""


def _option(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Objective:
    """Which layers are compared, how, and with what weights.

    "balanced" scaling makes each term relative, so that one style weight serves every style:
    content is mean((phi(y) - phi(x))^2) / var(phi(x)), style the mean over layers of ||S(y) - S(s)||^2 / ||S(s)||^2
    with S the statistic (of "gram-covariance" the mean of both). "raw" is the papers': mean squared differences, style
    summed over layers.
    """

    scaling: Scaling = _option("balanced", "terms relative to photo and style (balanced), or the papers' raw ones")
    content_layers: tuple[str, ...] = _option(("relu3_3",), "layers of the content term")
    style_layers: tuple[str, ...] = _option(("relu1_2", "relu2_2", "relu3_3", "relu4_3"), "layers of the style term")
    style_statistic: StyleStatistic = _option("gram", "what of the style is matched: gram, gram-covariance or mean-std")
    content_weight: float = _option(1.0, "weight of the content term")
    style_weight: float = _option(4.0, "weight of the style term")
    tv_weight: float = _option(0.0, "weight of total variation; impasto's own recipe has 1")
    grid_weight: float = _option(0.0, "weight of what repeats every grid-period pixels; impasto's own recipe has 5000")
    grid_period: int = _option(4, "period of the grid that grid-weight is for, pixels: the generators' own")
    weave_weight: float = _option(
        0.0, "weight of detail that repeats at multiples of 4 pixels; impasto's own recipe has 3"
    )
    tone_weight: float = _option(
        0.0,
        "weight of light and dark as they lie in the photo, as strong as in the style; impasto's own recipe has 1",
    )
    palette_weight: float = _option(
        0.0, "weight of the style's colors in large places, wherever they lie; impasto's own recipe has 1"
    )
    detail_weight: float = _option(
        0.0, "weight of fine detail spread over places as unevenly as in the style; impasto's own recipe has 8"
    )

    def __post_init__(self) -> None:
        if self.style_statistic not in STATISTICS:
            raise UsageError(f"unknown style statistic '{self.style_statistic}': choose one of {', '.join(STATISTICS)}")
        if self.scaling not in ("balanced", "raw"):
            raise UsageError(f"unknown objective scaling '{self.scaling}': choose one of balanced, raw")
        if not self.content_layers or not self.style_layers:
            raise UsageError("content layers and style layers: give at least one of each; a weight of 0 leaves one out")
        if self.grid_period < 2:
            raise UsageError(f"grid period must be 2 or more, not {self.grid_period}")
        for name in (
            "content_weight",
            "style_weight",
            "tv_weight",
            "grid_weight",
            "weave_weight",
            "tone_weight",
            "palette_weight",
            "detail_weight",
        ):
            if not 0 <= getattr(self, name) < float("inf"):
                raise UsageError(f"{name.replace('_', ' ')} must be 0 or more, not {getattr(self, name)}")

    @property
    def needs_picture(self) -> bool:
        """Whether it asks for what only the style's picture has, beyond statistics of its features."""
        return bool(self.tone_weight or self.palette_weight or self.detail_weight)


YARDSTICK = Objective()
"""The measure of every report: balanced, style weight 4, no total variation; at 512 px (short side)."""


@dataclass(frozen=True)
class LossTerms:
    """The terms of an objective, each unweighted, (N,): one value a picture; and their weighted sum."""

    content: Tensor
    style: Tensor
    tv: Tensor
    total: Tensor


@dataclass(frozen=True)
class ContentTarget:
    """What the content term compares with: a photo's features, and the variance of each layer's, (N,).

    ``photo`` itself, (N, 3, H, W), is needed for its tones, and for strengths below 1.
    """

    features: dict[str, Tensor]
    variance: dict[str, Tensor] = field(default_factory=dict)
    photo: Tensor | None = None


class PerceptualLoss(nn.Module):
    """An objective against one style picture, or one of several; gives its terms for any photos.

    Args:
        network: the loss network.
        objective: layers, statistics and weights.
        styles: the style pictures, each (1, 3, H, W) in [0, 1].
        targets: their statistics by layer, (styles, parts, rows, C), instead of the pictures.

    Attributes:
        layers: the layers that are compared.
        style_palettes: of the style pictures, where they were given.
        style_details: their :func:`impasto.nn.pixel_terms.detail_quantiles`, (styles, quantiles), likewise.

    Raises:
        UsageError: for a layer that the network has not.
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
            assert not objective.needs_picture, "a style's colors and detail are in its picture"
            self.style_targets = targets
            return
        with torch.no_grad():
            palettes = [Palette.of(style) for style in styles]
            self.style_palettes = Palette(
                torch.cat([x.mean for x in palettes]), torch.cat([x.covariance for x in palettes])
            )
            self.style_details = torch.cat([detail_quantiles(style, DETAIL_QUANTILES) for style in styles])
            each = [network(style, objective.style_layers) for style in styles]
            self.style_targets = {  # (styles, parts, rows, C)
                layer: torch.cat([self.statistic(features[layer]) for features in each])
                for layer in objective.style_layers
            }

    @torch.no_grad()
    def content_target(self, image: Tensor) -> ContentTarget:
        """The photo's side of the content term, for ``image`` (N, 3, H, W) in [0, 1]."""
        return replace(self.content_target_of(self.network(image, self.objective.content_layers)), photo=image)

    def content_target_of(self, features: dict[str, Tensor]) -> ContentTarget:
        """The same, from features computed before; layers beyond the content term's are left out."""
        features = {layer: features[layer] for layer in self.objective.content_layers}
        variance = {layer: x.float().var(dim=(1, 2, 3), correction=0) for layer, x in features.items()}
        return ContentTarget(features, variance)

    def forward(
        self,
        image: Tensor,
        target: ContentTarget,
        style_weight: float | Tensor | None = None,
        which: Sequence[int] = (0,),
        strength: Tensor | None = None,
    ) -> LossTerms:
        """The terms for the painted ``image``, (N, 3, H, W) in [0, 1], against the photo's ``target``.

        Args:
            image: the painted pictures.
            target: of their photos.
            style_weight: stands in for the objective's own, one for all or (N,), for a weight that changes.
            which: the number of each picture's style, or one for all.
            strength: how much of its style each is to have, (N,), 0 to 1; None for all of it. So much the style term
                and those of tone, palette and detail count; the rest of the style term is
                :func:`reconstruction_error`, all of it at 0: the picture is to be the photo.
        """
        return self.compare(self.network(image, self.layers), image, target, style_weight, which, strength)

    def compare(
        self,
        features: dict[str, Tensor],
        image: Tensor,
        target: ContentTarget,
        style_weight: float | Tensor | None = None,
        which: Sequence[int] = (0,),
        strength: Tensor | None = None,
    ) -> LossTerms:
        """The same, from the features of ``image`` at (at least) :attr:`layers`, computed before."""
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
                share = difference.sum(dim=(2, 3)) / wanted.square().sum(dim=(2, 3)).clamp_min(1e-30)
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
            total = total + objective.grid_weight * grid_energy(image, objective.grid_period)
        if objective.weave_weight:
            total = total + objective.weave_weight * weave_error(image)
        with torch.autocast(image.device.type, enabled=False):  # eigenvalues are not for bfloat16
            if objective.detail_weight:
                uneven = detail_error(image, self.style_details[list(which)])
                total = total + objective.detail_weight * strength * uneven
            if objective.tone_weight:
                assert target.photo is not None
                tone = tone_error(image, target.photo, self.style_palettes[list(which)])
                total = total + objective.tone_weight * strength * tone
            if objective.palette_weight:
                palette = palette_error(image, self.style_palettes[list(which)])
                total = total + objective.palette_weight * strength * palette
        return LossTerms(content, style, tv, total)
