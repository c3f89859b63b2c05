"""The networks of other projects in torch, written from their description: the oracles of the conversion.

Layers have the names of the projects' checkpoints, and any width.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Convolution(nn.Module):
    """A convolution after reflection by half a kernel."""

    def __init__(self, name: str, inputs: int, outputs: int, size: int, stride: int = 1, *, norm: bool = False) -> None:
        super().__init__()
        self.name = name
        self.add_module(name, nn.Conv2d(inputs, outputs, size, stride))
        if norm:
            self.norm_layer = nn.InstanceNorm2d(outputs, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        conv: Any = getattr(self, self.name)
        edge = conv.kernel_size[0] // 2
        x = conv(F.pad(x, (edge,) * 4, mode="reflect") if edge else x)
        y: Tensor = self.norm_layer(x) if hasattr(self, "norm_layer") else x
        return y


class ExamplesBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = Convolution("conv2d", width, width, 3), Convolution("conv2d", width, width, 3)
        self.in1, self.in2 = (nn.InstanceNorm2d(width, affine=True) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.in2(self.conv2(torch.relu(self.in1(self.conv1(x)))))
        return x + y


class Examples(nn.Module):
    """TransformerNet of pytorch/examples: RGB, 0 to 255."""

    def __init__(self, widths: Sequence[int] = (4, 5, 6), blocks: int = 2) -> None:
        super().__init__()
        a, b, c = widths
        sizes = {"1": (3, a, 9, 1), "2": (a, b, 3, 2), "3": (b, c, 3, 2)}
        for name, (inputs, outputs, size, stride) in sizes.items():
            self.add_module(f"conv{name}", Convolution("conv2d", inputs, outputs, size, stride))
            self.add_module(f"in{name}", nn.InstanceNorm2d(outputs, affine=True))
        for number in range(blocks):
            self.add_module(f"res{number + 1}", ExamplesBlock(c))
        self.deconv1, self.in4 = Convolution("conv2d", c, b, 3), nn.InstanceNorm2d(b, affine=True)
        self.deconv2, self.in5 = Convolution("conv2d", b, a, 3), nn.InstanceNorm2d(a, affine=True)
        self.deconv3 = Convolution("conv2d", a, 3, 9)
        self.blocks = blocks

    def forward(self, x: Tensor) -> Tensor:
        part: Any = self.get_submodule
        for number in (1, 2, 3):
            x = torch.relu(part(f"in{number}")(part(f"conv{number}")(x)))
        for number in range(self.blocks):
            x = part(f"res{number + 1}")(x)
        for number in (1, 2):
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = torch.relu(part(f"in{number + 3}")(part(f"deconv{number}")(x)))
        y: Tensor = part("deconv3")(x)
        return y


class RrminaBlock(nn.Module):
    def __init__(self, width: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.count = len(sizes)
        for number, size in enumerate(sizes):
            self.add_module(f"conv{number + 1}", Convolution("conv_layer", width, width, size, norm=True))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for number in range(self.count):
            y = self.get_submodule(f"conv{number + 1}")(torch.relu(y) if number else y)
        return x + y


class NormFirst(nn.Module):
    """NormReluConv: the layers of a convolution in another order."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm_layer = nn.InstanceNorm2d(width, affine=True)
        self.conv_layer = nn.Conv2d(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv_layer(F.pad(torch.relu(self.norm_layer(x)), (1,) * 4, mode="reflect"))
        return y


class NormFirstBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = NormFirst(width), NormFirst(width)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.conv2(self.conv1(x))
        return y


class RrminaUp(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv_transpose = nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, 1)
        self.norm_layer = nn.InstanceNorm2d(outputs, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm_layer(self.conv_transpose(x))
        return y


class Rrmina(nn.Module):
    """TransformerNetwork (`sizes` 3, 3), TransformerResNextNetwork (1, 3, 1), V2, or with tanh: BGR, 0 to 255."""

    def __init__(
        self,
        widths: Sequence[int] = (4, 5, 6),
        blocks: int = 2,
        sizes: Sequence[int] = (3, 3),
        *,
        tanh: bool = False,
        norm_first: bool = False,
    ) -> None:
        super().__init__()
        a, b, c = widths
        layers = [Convolution("conv_layer", 3, a, 9, norm=True), nn.ReLU()]
        layers += [Convolution("conv_layer", a, b, 3, 2, norm=True), nn.ReLU()]
        layers += [Convolution("conv_layer", b, c, 3, 2, norm=True), nn.ReLU()]
        self.ConvBlock = nn.Sequential(*layers)
        self.ResidualBlock = nn.Sequential(
            *(NormFirstBlock(c) if norm_first else RrminaBlock(c, sizes) for _ in range(blocks))
        )
        self.DeconvBlock = nn.Sequential(
            RrminaUp(c, b), nn.ReLU(), RrminaUp(b, a), nn.ReLU(), Convolution("conv_layer", a, 3, 9)
        )
        self.tanh = tanh

    def forward(self, x: Tensor) -> Tensor:
        x = self.DeconvBlock(self.ResidualBlock(self.ConvBlock(x)))
        return torch.tanh(x) * 150 if self.tanh else x


def made(kind: Any, seed: int = 0, *, spread: float = 40.0, **arguments: Any) -> Any:
    """A network with random weights whose output covers the range of pixels."""
    torch.manual_seed(seed)
    network = kind(**arguments).eval()
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.InstanceNorm2d):
                assert layer.weight is not None
                layer.weight.normal_(1, 0.3)
                layer.bias.normal_(0, 0.3)
        last = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)][-1]
        last.weight.mul_(spread)
        assert last.bias is not None
        last.bias.fill_(0.4 if spread < 2 else 110)
    return network


@torch.no_grad()
def painted(network: nn.Module, picture: Tensor, *, bgr: bool = False) -> Any:
    """What the project's own code paints of a picture (1, 3, H, W) in [0, 1]: clipped and cropped, in [0, 1]."""
    pixels = 255 * (picture.flip(1) if bgr else picture)
    result = (network(pixels) / 255).clamp(0, 1)[:, :, : picture.shape[2], : picture.shape[3]]
    return (result.flip(1) if bgr else result).numpy()
