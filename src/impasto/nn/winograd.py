"""3 x 3 convolutions with constant kernels by Winograd's minimal filtering (Lavin, Gray 2016).

With kernel and input transformed, 4 x 4 outputs need 36 multiplications instead of 144. The transforms cost time too,
so this is faster only from about 100 channels on, where it takes half the time. The loss network takes two thirds of a
training step and its kernels are constant, so they are transformed only once.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

LEAST_CHANNELS = 128
"""With fewer channels, in or out, the transforms cost more than they save."""

# F(4x4, 3x3) of the paper, section 4: the transforms of kernel, input and output in one dimension; patches are 6 x 6.
_KERNEL = torch.tensor(
    [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]], dtype=torch.float64
) / torch.tensor([24.0])
_INPUT = torch.tensor(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    dtype=torch.float64,
)
_OUTPUT = torch.tensor(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], dtype=torch.float64
)
_KERNEL_2D, _INPUT_2D, _OUTPUT_2D = (torch.kron(x, x).float() for x in (_KERNEL, _INPUT, _OUTPUT))


class FixedConv:
    """A 3 x 3 convolution with zero padding of 1 and a constant kernel: (N, C, H, W) -> (N, K, H, W).

    It uses Winograd's method for float32 on a CPU where that is faster, else torch's convolution. The two differ by
    about 1e-5 of the largest output.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.weight = weight
        self.bias = bias
        self._forward: Tensor | None = None  # transformed kernels, computed when first needed
        self._backward: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """The convolution of ``x``."""
        plain = x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_autocast_enabled("cpu")
        if plain or min(self.weight.shape[:2]) < LEAST_CHANNELS:
            return F.conv2d(x, self.weight, self.bias, padding=1)
        result: Tensor = _Convolve.apply(x, self)  # type: ignore[no-untyped-call]  # missing in torch's annotations
        return result

    def forward(self, x: Tensor) -> Tensor:
        """The convolution of ``x`` by Winograd's method, without gradient."""
        if self._forward is None:
            self._forward = _transformed(self.weight)
        return _winograd(x, self._forward).add_(self.bias[:, None, None])

    def backward(self, gradient: Tensor) -> Tensor:
        """The gradient of the input from that of the output: the convolution with the transposed and flipped kernel."""
        if self._backward is None:
            self._backward = _transformed(self.weight.transpose(0, 1).flip(2, 3))
        return _winograd(gradient, self._backward)


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, convolution: FixedConv) -> Tensor:
        ctx.convolution = convolution
        return convolution.forward(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.convolution.backward(gradients[0]), None


def _transformed(weight: Tensor) -> Tensor:
    """Kernels (K, C, 3, 3) transformed to (36, C, K)."""
    k, c = weight.shape[:2]
    flat = weight.reshape(k * c, 9).T
    return (_KERNEL_2D @ flat).reshape(36, k, c).transpose(1, 2).contiguous()


def _winograd(x: Tensor, kernel: Tensor) -> Tensor:
    """Convolve (N, C, H, W) with transformed kernels (36, C, K); the result is channels-last."""
    n, c, height, width = x.shape
    k = kernel.shape[2]
    down, across = -(-height // 4), -(-width // 4)
    padded = x.new_zeros(n, 4 * down + 2, 4 * across + 2, c)
    padded[:, 1 : 1 + height, 1 : 1 + width] = x.permute(0, 2, 3, 1)
    rows, columns = padded.shape[1:3]
    strides = (rows * columns * c, 4 * columns * c, 4 * c, columns * c, c, 1)
    patches = padded.as_strided((n, down, across, 6, 6, c), strides).reshape(n * down * across, 36, c)
    products = x.new_empty(n * down * across, 36, k)
    torch.bmm((_INPUT_2D @ patches).transpose(0, 1), kernel, out=products.transpose(0, 1))
    y = (_OUTPUT_2D @ products).view(n, down, across, 4, 4, k).transpose(2, 3)
    return y.reshape(n, 4 * down, 4 * across, k)[:, :height, :width].permute(0, 3, 1, 2)
