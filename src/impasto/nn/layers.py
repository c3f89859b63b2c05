"""Layers of the generators, and the checks of their arguments.

Feature maps are (N, C, H, W). A layer that normalizes takes, beside them, the styles' mixing weights (N, styles).
"""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.errors import UsageError
from impasto.nn.norm import bounded

Padding = Literal["reflect", "replicate", "circular", "zero"]
PADDINGS = ("reflect", "replicate", "circular", "zero")
Upsampling = Literal["bilinear", "nearest", "transposed"]
UPSAMPLINGS = ("bilinear", "nearest", "transposed")


class Conv(nn.Module):
    """A convolution that keeps height and width (divided by ``stride`` and rounded up), padded as ``padding`` says.

    ``padding=None`` is no padding: the output is smaller by ``kernel - 1``.
    """

    def __init__(
        self,
        inside: int,
        outside: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: Padding | None = "reflect",
    ) -> None:
        super().__init__()
        border = 0 if padding is None else kernel // 2
        self.mode = {"zero": "constant"}.get(padding or "", padding or "")
        # The convolution pads with zeros itself, without a padded copy of its input.
        self.border = 0 if padding == "zero" else border
        self.conv = nn.Conv2d(inside, outside, kernel, stride, border if padding == "zero" else 0)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inside, H, W) -> (N, outside, ceil(H / stride), ceil(W / stride))."""
        if self.border:
            with torch.autocast(x.device.type, enabled=False):  # autocast would cast to float32 for a mere copy
                x = F.pad(x, [self.border] * 4, mode=self.mode)
        if torch.is_grad_enabled() and _is_narrow(self.conv):
            return narrow_conv(x, self.conv)
        y: Tensor = self.conv(x)
        return y


class UpsampleConv(nn.Module):
    """Upsampling by two, then a 3 x 3 convolution."""

    def __init__(self, inside: int, outside: int, *, mode: Literal["bilinear", "nearest"], padding: Padding) -> None:
        super().__init__()
        self.mode = mode
        self.conv = Conv(inside, outside, 3, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inside, H, W) -> (N, outside, 2 H, 2 W)."""
        y: Tensor = self.conv(F.interpolate(x, scale_factor=2.0, mode=self.mode))
        return y


class ConvNorm(nn.Module):
    """Convolution, normalization, then ReLU or, with a ``negative_slope``, leaky ReLU."""

    def __init__(self, conv: nn.Module, norm: nn.Module, *, negative_slope: float = 0.0) -> None:
        super().__init__()
        self.conv = conv
        self.norm = norm
        self.negative_slope = negative_slope

    def forward(self, x: Tensor, style: Tensor | None) -> Tensor:
        """(N, C, H, W) -> the convolution's output shape; ``style`` is (N, styles) or None."""
        y = self.norm(self.conv(x), style)
        return F.leaky_relu(y, self.negative_slope) if self.negative_slope else F.relu(y)


class ResidualBlock(nn.Module):
    """x + norm(conv(relu(norm(conv(x))))), clamped to [-bound, bound]; without padding, x is cropped to fit.

    The bound is necessary because no layer normalizes the sum. Without it, the features at a few positions, mostly in
    dark and flat areas, grow from block to block. They then dominate the standard deviation in the instance
    normalizations after the blocks, and the picture becomes pale with gray patches. A ``bound`` of 0 means no bound, as
    in the papers.
    """

    def __init__(
        self,
        channels: int,
        normalize: Callable[[], nn.Module],
        *,
        padding: Padding | None,
        bound: float = 0.0,
    ) -> None:
        super().__init__()
        self.crop = padding is None
        self.bound = bound
        self.first = ConvNorm(Conv(channels, channels, 3, padding=padding), normalize())
        self.conv = Conv(channels, channels, 3, padding=padding)
        self.norm = normalize()

    def forward(self, x: Tensor, style: Tensor | None) -> Tensor:
        """(N, C, H, W) -> the same shape, or (N, C, H - 4, W - 4) without padding."""
        y: Tensor = self.norm(self.conv(self.first(x, style)), style)
        y = y + (x[:, :, 2:-2, 2:-2] if self.crop else x)
        return bounded(y, self.bound) if self.bound else y


def upsampling(inside: int, outside: int, kind: Upsampling, padding: Padding) -> nn.Module:
    """A layer (N, inside, H, W) -> (N, outside, 2 H, 2 W); "transposed" is Johnson's fractionally strided one."""
    if kind == "transposed":
        return nn.ConvTranspose2d(inside, outside, 3, stride=2, padding=1, output_padding=1)
    return UpsampleConv(inside, outside, mode=kind, padding=padding)


def space_to_depth(x: Tensor, cell: int) -> Tensor:
    """(N, C, H, W) -> (N, cell^2 C, H / cell, W / cell), as ONNX's SpaceToDepth: channels vary fastest.

    ``torch.pixel_unshuffle`` orders the new channels the other way, with the position in the cell fastest.
    """
    n, c, height, width = x.shape
    cells = x.reshape(n, c, height // cell, cell, width // cell, cell)
    return cells.permute(0, 3, 5, 1, 2, 4).reshape(n, cell * cell * c, height // cell, width // cell)


def pad_to(x: Tensor, minimum: int) -> Tensor:
    """``x`` padded with its edge values, right and below, to a height and width of at least ``minimum``."""
    if x.shape[2] >= minimum and x.shape[3] >= minimum:
        return x
    return F.pad(x, [0, max(0, minimum - x.shape[3]), 0, max(0, minimum - x.shape[2])], mode="replicate")


def _is_narrow(conv: nn.Conv2d) -> bool:
    """Whether :func:`narrow_conv` can compute this convolution faster: a large kernel, few output channels."""
    return conv.out_channels < 8 and conv.kernel_size[0] > 3 and conv.stride == (1, 1) and conv.padding == (0, 0)


def narrow_conv(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """``conv(x)`` for few output channels, computed as a convolution of stride 2 with four times the channels.

    Libraries compute eight or sixteen channels at a time, so three channels waste most of the work, above all in the
    backward pass. Here, the kernel is placed at the four positions of a window that is larger by one. One strided
    convolution then computes each cell of 2 x 2 outputs as twelve channels, which ``pixel_shuffle`` rearranges.
    """
    bottom, right = ((x.shape[d] - conv.kernel_size[d - 2] + 1) % 2 for d in (2, 3))
    x = F.pad(x, [0, right, 0, bottom])
    kernels = [F.pad(conv.weight, [j, 1 - j, i, 1 - i]) for i in (0, 1) for j in (0, 1)]
    y = F.conv2d(x, torch.stack(kernels, dim=1).flatten(0, 1), stride=2)
    y = F.pixel_shuffle(y, 2)
    y = y[:, :, : y.shape[2] - bottom, : y.shape[3] - right]
    return y if conv.bias is None else y + conv.bias[:, None, None]


def check_choice(what: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise UsageError, naming the choices, unless ``value`` is one of them."""
    if value not in choices:
        raise UsageError(f"unknown {what} '{value}': choose one of {', '.join(map(str, choices))}")


def check_counts(**counts: tuple[object, int]) -> None:
    """Raise UsageError unless each ``name=(value, minimum)`` is a whole number of at least that minimum."""
    for name, (value, minimum) in counts.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise UsageError(f"{name} must be a whole number of {minimum} or more, not {value}")


def check_nonnegative(**numbers: object) -> None:
    """Raise UsageError unless each argument is a finite number of 0 or more."""
    for name, number in numbers.items():
        if not isinstance(number, int | float) or isinstance(number, bool) or not 0 <= number < float("inf"):
            raise UsageError(f"{name} must be a number of 0 or more, not {number}")
