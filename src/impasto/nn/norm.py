"""Normalisation layers of Ulyanov, Vedaldi, Lempitsky 2016 (arXiv:1607.08022).

With x_tijk the feature map t, channel i, at position (j, k):

* ``contrast``: eq. 1, each channel of each image divided by its spatial sum;
* ``batch``: eq. 2, mean and variance over the batch and space;
* ``instance``: eq. 3, mean and variance over space, per image, in training *and* in use;
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
    """Each channel of each image brought to mean 0 and variance 1 over space (eq. 3), then scaled and shifted.

    The variance is the biased one. Statistics are at least float32 whatever the precision of ``x``: squares of bf16
    or fp16 features lose or overflow. There is no running average, so training and use cannot differ.

    Args:
        x: (N, C, H, W).
        scale: (N or 1, C).
        shift: (N or 1, C).
        eps: added to the variance.
    """
    n, c, height, width = x.shape
    if height * width == 1:
        return shift[:, :, None, None].to(x.dtype).expand(n, c, 1, 1)  # its own mean; torch refuses it
    # Batch normalisation of a batch of one with N * C channels: the same definition, and torch's quickest code. Space
    # as one axis: with two, torch 2.13's gradients are wrong, silently, where features and gradient lie differently.
    wide = torch.promote_types(x.dtype, torch.float32)
    scale, shift = (v.to(wide).expand(n, c).reshape(-1) for v in (scale, shift))
    flat = x.contiguous().view(1, n * c, height * width)
    y = F.batch_norm(flat, None, None, scale, shift, training=True, eps=eps)
    return y.reshape(n, c, height, width)


def bounded(x: Tensor, bound: float) -> Tensor:
    """``x`` cut off at plus and minus ``bound``, in a way that still learns.

    Of what is cut off, gradients that lead back inside pass.
    """
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
        outwards = (x.abs() > ctx.bound) & (x * gradient < 0)  # a step against the gradient would lead further out
        return gradient.masked_fill(outwards, 0.0), None


def contrast_norm(x: Tensor) -> Tensor:
    """Each channel of each image divided by its spatial sum (eq. 1), (N, C, H, W) -> same.

    The sum is of absolute values. For what eq. 1 speaks of, a picture's intensities, and for all features after a
    ReLU that is the same. For signed features eq. 1 as printed has a pole where the sum passes zero: a rounding error
    there turns the channel's sign. Absolute values sum to zero only where the whole channel is zero; it stays zero.
    """
    total = x.abs().sum(dim=(2, 3), keepdim=True)
    return x / total.clamp_min(torch.finfo(x.dtype).tiny)


class InstanceNorm(nn.Module):
    """Instance normalisation (eq. 3) with a learnt scale and shift per channel, one pair per style.

    With ``styles`` > 1 this is conditional instance normalisation (Dumoulin, Shlens, Kudlur 2017): the scale and shift
    are mixed by ``style``, (N, styles) weights, so that styles blend by blending vectors.

    With a ``limit``, what lies more than so many deviations from the mean is cut off before it is scaled and shifted.
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
        """Normalise (N, C, H, W); ``style`` is (N, styles), or None for a network of one style."""
        scale, shift = _affine(self.weight, self.bias, style)
        if not self.limit:
            return instance_norm(x, scale, shift, self.eps)
        one, zero = torch.ones_like(scale[:1]), torch.zeros_like(shift[:1])
        y = bounded(instance_norm(x, one, zero, self.eps), self.limit)
        return y * scale[:, :, None, None] + shift[:, :, None, None]


class ContrastNorm(nn.Module):
    """Contrast normalisation (eq. 1) with a learnt scale and shift per channel.

    The result is multiplied by the number of positions, that is, divided by the spatial *mean*: eq. 1 itself shrinks
    with the picture's area, and a network made with it would work at one size only.
    """

    def __init__(self, channels: int, *, styles: int = 1, init: AffineInit = "ones") -> None:
        super().__init__()
        scale = torch.ones(styles, channels) if init == "ones" else torch.rand(styles, channels)
        self.weight = nn.Parameter(scale)
        self.bias = nn.Parameter(torch.zeros(styles, channels))

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        """Normalise (N, C, H, W); ``style`` as in :class:`InstanceNorm`."""
        scale, shift = _affine(self.weight, self.bias, style)
        positions = x.shape[2] * x.shape[3]
        y = contrast_norm(x.float()) * positions * scale[:, :, None, None] + shift[:, :, None, None]
        return y.to(x.dtype)


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation (eq. 2): batch statistics in training, running averages in use, as torch has it."""

    def __init__(self, channels: int, *, styles: int = 1, init: AffineInit = "ones") -> None:
        if styles > 1:
            raise UsageError("norm 'batch' takes one style: use --norm instance for several")
        super().__init__(channels)
        if init == "uniform":
            nn.init.uniform_(self.weight)

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        """Normalise (N, C, H, W); there is no ``style`` to choose."""
        return super().forward(x)


class NoNorm(nn.Module):
    """No normalisation, for ablations."""

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
    """Return the normalisation layer of that name for ``channels`` channels; ``limit`` is instance normalisation's.

    ``init="uniform"`` starts the scales uniform in [0, 1], as the authors' code does (texture_nets,
    InstanceNormalization.lua); "ones" is torch's habit.

    Raises:
        UsageError: for an unknown name.
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
    with torch.autocast(weight.device.type, enabled=False):  # bf16 would round scales and shifts to 8 bits
        return style.to(weight.dtype) @ weight, style.to(bias.dtype) @ bias
