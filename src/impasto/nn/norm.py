"""Normalization layers, as in Ulyanov, Vedaldi, Lempitsky 2016 (arXiv:1607.08022).

With x_tijk the feature of image t, channel i, position (j, k):

* ``contrast``: eq. 1, each channel of each image divided by its spatial sum;
* ``batch``: eq. 2, mean and variance over the batch and space;
* ``instance``: eq. 3, mean and variance over space, per image, in training *and* in inference;
* ``none``: the identity, for ablations.
"""

from collections.abc import Callable
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.errors import UsageError

NormKind = Literal["instance", "batch", "contrast", "none"]
AffineInit = Literal["ones", "uniform"]


def instance_norm(x: Tensor, scale: Tensor, shift: Tensor, eps: float = 1e-5) -> Tensor:
    """Normalize each channel of each image to mean 0 and variance 1 over space (eq. 3), then scale and shift it.

    The variance is the biased one. Statistics are computed in float32 or wider whatever the dtype of ``x``: squares of
    half-precision features lose digits or overflow. There are no running averages, so training and inference are equal.

    Args:
        x: features (N, C, H, W).
        scale: (N or 1, C).
        shift: (N or 1, C).
        eps: added to the variance.

    Returns:
        Features of the shape and dtype of ``x``.
    """
    n, c, height, width = x.shape
    if height * width == 1:
        return shift[:, :, None, None].to(x.dtype).expand(n, c, 1, 1)  # torch raises an error here
    # Batch normalization of one image with N * C channels is the same function, and torch's fastest code. Space is one
    # axis: with two, torch 2.13 computes wrong gradients if features and gradient have different memory formats.
    wide = torch.promote_types(x.dtype, torch.float32)
    scale, shift = (v.to(wide).expand(n, c).reshape(-1) for v in (scale, shift))
    flat = x.contiguous().view(1, n * c, height * width)
    y = F.batch_norm(flat, None, None, scale, shift, training=True, eps=eps)
    return y.reshape(n, c, height, width)


def bounded(x: Tensor, bound: float) -> Tensor:
    """``x`` clamped to [-bound, bound], with a gradient for clamped values too if it leads back into the interval."""
    y: Tensor = _Bounded.apply(x, bound)  # type: ignore[no-untyped-call]
    return y


class _Bounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bound: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.bound = bound
        return x.clamp(-bound, bound)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (x,), (gradient,) = ctx.saved_tensors, gradients
        outwards = (x.abs() > ctx.bound) & (x * gradient < 0)  # a step against the gradient leads further out
        return gradient.masked_fill(outwards, 0.0), None


def contrast_norm(x: Tensor) -> Tensor:
    """Each channel of each image divided by its spatial sum (eq. 1), (N, C, H, W) -> same.

    The sum is of absolute values, which is eq. 1 for pixels and for features after a ReLU. For signed features eq. 1 as
    printed has a pole where the sum is zero, near which a rounding error flips the channel's sign. The sum of absolute
    values is zero only if the whole channel is zero, which stays zero.
    """
    total = x.abs().sum(dim=(2, 3), keepdim=True)
    return x / total.clamp_min(torch.finfo(x.dtype).tiny)


class InstanceNorm(nn.Module):
    """Instance normalization (eq. 3) with a learned scale and shift for each channel and style.

    With several styles this is conditional instance normalization (Dumoulin, Shlens, Kudlur 2017): scale and shift are
    averages weighted by ``style``, (N, styles), so that styles can be mixed.

    Args:
        channels: C.
        styles: number of styles.
        eps: added to the variance.
        init: of the scales, see :func:`make_norm`.
        limit: clamp normalized features to this many standard deviations before scaling; 0: no limit.
    """

    def __init__(
        self,
        channels: int,
        *,
        styles: int = 1,
        eps: float = 1e-5,
        init: AffineInit = "ones",
        limit: float = 0.0,
    ) -> None:
        super().__init__()
        self.eps = eps
        self.limit = limit
        scale = torch.ones(styles, channels) if init == "ones" else torch.rand(styles, channels)
        self.weight = nn.Parameter(scale)
        self.bias = nn.Parameter(torch.zeros(styles, channels))

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        """Normalize (N, C, H, W); ``style`` is (N, styles), or None for a network of one style."""
        scale, shift = _affine(self.weight, self.bias, style)
        if not self.limit:
            return instance_norm(x, scale, shift, self.eps)
        one, zero = torch.ones_like(scale[:1]), torch.zeros_like(shift[:1])
        y = bounded(instance_norm(x, one, zero, self.eps), self.limit)
        return y * scale[:, :, None, None] + shift[:, :, None, None]


class ContrastNorm(nn.Module):
    """Contrast normalization (eq. 1) with a learned scale and shift per channel.

    The result is multiplied by the number of positions, which divides by the spatial *mean*: eq. 1 itself shrinks with
    the picture's area, so that a network would work at one size only.
    """

    def __init__(self, channels: int, *, styles: int = 1, init: AffineInit = "ones") -> None:
        super().__init__()
        scale = torch.ones(styles, channels) if init == "ones" else torch.rand(styles, channels)
        self.weight = nn.Parameter(scale)
        self.bias = nn.Parameter(torch.zeros(styles, channels))

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        """Normalize (N, C, H, W); ``style`` as in :class:`InstanceNorm`."""
        scale, shift = _affine(self.weight, self.bias, style)
        positions = x.shape[2] * x.shape[3]
        y = contrast_norm(x.float()) * positions * scale[:, :, None, None] + shift[:, :, None, None]
        return y.to(x.dtype)


class BatchNorm(nn.BatchNorm2d):
    """Batch normalization (eq. 2): batch statistics in training, running averages in inference, as in torch."""

    def __init__(self, channels: int, *, styles: int = 1, init: AffineInit = "ones") -> None:
        if styles > 1:
            raise UsageError("norm 'batch' takes one style: use --norm instance for several")
        super().__init__(channels)
        if init == "uniform":
            nn.init.uniform_(self.weight)

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        """Normalize (N, C, H, W); ``style`` is ignored."""
        return super().forward(x)


class NoNorm(nn.Module):
    """No normalization, for ablations."""

    def __init__(self, channels: int, *, styles: int = 1, init: AffineInit = "ones") -> None:
        if styles > 1:
            raise UsageError("norm 'none' takes one style: use --norm instance for several")
        super().__init__()

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        """Return ``x``."""
        return x


NORMS: dict[str, Callable[..., nn.Module]] = {
    "instance": InstanceNorm,
    "batch": BatchNorm,
    "contrast": ContrastNorm,
    "none": NoNorm,
}


def make_norm(kind: str, channels: int, *, styles: int = 1, init: AffineInit = "ones", limit: float = 0.0) -> nn.Module:
    """A normalization layer.

    Args:
        kind: one of :data:`NORMS`.
        channels: of the features.
        styles: number of styles; more than one for "instance" and "contrast" only.
        init: initial scales: "ones" as in torch, or "uniform" in [0, 1] as in the authors' code (texture_nets,
            InstanceNormalization.lua).
        limit: see :class:`InstanceNorm`; ignored by the others.

    Raises:
        UsageError: for an unknown name, or several styles where one is possible.
    """
    if kind not in NORMS:
        raise UsageError(f"unknown norm '{kind}': choose one of {', '.join(NORMS)}")
    if init not in ("ones", "uniform"):
        raise UsageError(f"unknown start of the scales '{init}': choose one of ones, uniform")
    if kind == "instance":
        return InstanceNorm(channels, styles=styles, init=init, limit=limit)
    return NORMS[kind](channels, styles=styles, init=init)


def _affine(weight: Tensor, bias: Tensor, style: Tensor | None) -> tuple[Tensor, Tensor]:
    """The (N or 1, C) scale and shift for ``style``."""
    if style is None:
        return weight[:1], bias[:1]
    with torch.autocast(weight.device.type, enabled=False):  # bfloat16 would round scales and shifts to 8 bits
        return style.to(weight.dtype) @ weight, style.to(bias.dtype) @ bias
