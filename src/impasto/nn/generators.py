"""Generators: feed-forward networks that repaint a picture in one pass.

Every generator maps RGB in [0, 1], (N, 3, H, W), of any size to the same size. The residual network is Johnson, Alahi,
Fei-Fei 2016; the texture network is the multi-scale pyramid of Ulyanov et al. 2016; the light network is our own.
:mod:`impasto.training.config` has presets with the originals' exact layers. The defaults here differ from them to avoid
frames and checkerboards: reflection padding, and upsampling before a convolution instead of a transposed convolution.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.errors import UsageError
from impasto.nn.generator import Generator, Output
from impasto.nn.layers import (
    PADDINGS,
    UPSAMPLINGS,
    Conv,
    ConvNorm,
    Padding,
    ResidualBlock,
    Upsampling,
    check_choice,
    check_counts,
    check_nonnegative,
    space_to_depth,
    upsampling,
)
from impasto.nn.norm import AffineInit, make_norm

CELL = 4
"""The light network turns cells of 4 x 4 pixels into channels."""

BOUND = 4.0
"""Default bound of residual sums, see :class:`ResidualBlock`. Those of an untrained network have a standard deviation
of 1 to 2."""

NOISE_SCALES = (1, 1, 2, 4, 8, 16)
"""Scales of the light network's noise channels as trained, in cells: structures of 4 to 64 pixels."""


class ResidualGenerator(Generator):
    """Johnson 2016: downsampling by 4, residual blocks, upsampling (``c9s1-w,d2w,d4w,R4w x blocks,u2w,uw,c9s1-3``).

    Args:
        width: channels at full size; 32 in the paper, 16 in the authors' released instance-norm models.
        blocks: number of residual blocks, at a quarter of the size.
        norm: one of :data:`impasto.nn.norm.NORMS`.
        styles: number of styles in the network (conditional instance normalization).
        upsample: "bilinear" interpolates, then convolves. "nearest" (pytorch/examples) repeats pixels, and the
            convolution can tell the copies apart: a grid of 4 pixels remains in the picture until long training
            removes it. "transposed" is the original's fractionally strided convolution, prone to checkerboards.
        padding: of every convolution. "reflect-start" is the original's: the picture reflected by 40 pixels first,
            zero padding in the outer convolutions, none in the residual blocks.
        output: "sigmoid", or the original's "tanh150" (150 * tanh plus the ImageNet mean).
        norm_init: initial scales of the normalization, see :func:`impasto.nn.norm.make_norm`.
        bound: of the residual sums, see :class:`ResidualBlock`; 0, as in the original, for none.
        negative_slope: of the (leaky) ReLU after each upsampling; 0 in the original. If a plain ReLU is 0 in all of the
            last channels, the pixel is the last layer's bias, a gray, and has no gradient. This happens to flat dark
            areas.
        limit: the instance normalizations after the upsampling clamp features to this many standard deviations; 0, as
            in the original, for no limit. Without it, a few large values dominate the standard deviation and weaken all
            others.
    """

    def __init__(
        self,
        *,
        width: int = 16,
        blocks: int = 5,
        norm: str = "instance",
        styles: int = 1,
        upsample: Upsampling = "bilinear",
        padding: Literal["reflect", "replicate", "circular", "zero", "reflect-start"] = "reflect",
        output: Output = "sigmoid",
        norm_init: AffineInit = "ones",
        bound: float = BOUND,
        negative_slope: float = 0.2,
        limit: float = 3.0,
    ) -> None:
        super().__init__(output, styles)
        check_counts(width=(width, 1), blocks=(blocks, 0), styles=(styles, 1))
        check_nonnegative(bound=bound, limit=limit, negative_slope=negative_slope)
        check_choice("upsampling", upsample, UPSAMPLINGS)
        check_choice("padding", padding, (*PADDINGS, "reflect-start"))
        self.border = 8 * blocks if padding == "reflect-start" else 0  # a block crops 2 pixels at a quarter size
        outer: Padding = "zero" if padding == "reflect-start" else padding
        inner: Padding | None = None if padding == "reflect-start" else padding
        # The authors pad strided and transposed convolutions with zeros in any case (models.lua).
        self.minimum_size = max(16, self.border + 1)

        def normalize(channels: int, limit: float = 0.0) -> nn.Module:
            return make_norm(norm, channels, styles=styles, init=norm_init, limit=limit)

        self.down = nn.ModuleList(
            [
                ConvNorm(Conv(3, width, 9, padding=outer), normalize(width)),
                ConvNorm(Conv(width, 2 * width, 3, stride=2, padding=outer), normalize(2 * width)),
                ConvNorm(Conv(2 * width, 4 * width, 3, stride=2, padding=outer), normalize(4 * width)),
            ]
        )
        self.blocks = nn.ModuleList(
            [ResidualBlock(4 * width, lambda: normalize(4 * width), padding=inner, bound=bound) for _ in range(blocks)]
        )
        self.up = nn.ModuleList(
            [
                ConvNorm(upsampling(a, b, upsample, outer), normalize(b, limit), negative_slope=negative_slope)
                for a, b in ((4 * width, 2 * width), (2 * width, width))
            ]
        )
        self.last = Conv(width, 3, 9, padding=outer)
        if norm == "instance" and padding not in ("reflect-start", "circular"):  # these depend on the whole picture
            # 9x9 and 3x3 kernels at strides 1, 1, 2; two 3x3 a block at 4; up again: interpolation, 3x3; 9x9.
            self.reach = _rounded_up(4 + 1 + 2 + 8 * blocks + (4 + 2) + (2 + 1) + 4, 16)
            self.strides = (1, 2, 4, *[4] * (2 * blocks), 2, 1)

    def paint(self, image: Tensor, noise: Tensor | None, style: Tensor | None) -> Tensor:
        """The layers, see :meth:`Generator.paint`."""
        x = F.pad(image, [self.border] * 4, mode="reflect") if self.border else image
        for layer in (*self.down, *self.blocks, *self.up):
            x = layer(x, style)
        y: Tensor = self.last(x)
        return y


class LightGenerator(Generator):
    """Residual blocks with all layers at a quarter of the picture's size.

    Cells of 4 x 4 pixels become channels (space to depth), the blocks of :class:`ResidualGenerator` follow, and the
    last convolution outputs a cell of pixels at each position (sub-pixel convolution, Shi et al. 2016). The network
    takes 108,300 multiplications per pixel with the defaults and 28,800 with a width of 64; :class:`ResidualGenerator`
    of width 16 takes 42,300. Yet the defaults are faster than that network, because convolutions of small feature maps
    with many channels are efficient, also in 8 bits.

    The noise z has one value per channel and cell. It passes its own convolution and normalization and is then added to
    the first features of the picture. So the photo's contrast does not change the noise, and the normalization's scales
    set its amplitude for each style. Noise prevents repeated patterns in flat areas, for 432 multiplications per pixel.

    Args:
        width: channels.
        blocks: number of residual blocks.
        norm: one of :data:`impasto.nn.norm.NORMS`.
        styles: number of styles in the network (conditional instance normalization).
        padding: of every convolution.
        output: "sigmoid", or the originals' "tanh150" or "linear".
        norm_init: initial scales of the normalization, see :func:`impasto.nn.norm.make_norm`.
        bound: of the residual sums, see :class:`ResidualBlock`; 0 for none.
        negative_slope: of the leaky ReLU after the blocks, see :class:`ResidualGenerator`.
        limit: of the normalization before it, see :class:`ResidualGenerator`.
        noise_scales: the scale of each noise channel, in cells, see :meth:`Generator.draw_noise`; none for no noise.
    """

    def __init__(
        self,
        *,
        width: int = 128,
        blocks: int = 5,
        norm: str = "instance",
        styles: int = 1,
        padding: Padding = "reflect",
        output: Output = "sigmoid",
        norm_init: AffineInit = "ones",
        bound: float = BOUND,
        negative_slope: float = 0.2,
        limit: float = 3.0,
        noise_scales: Sequence[int] = (),
    ) -> None:
        super().__init__(output, styles)
        check_counts(width=(width, 1), blocks=(blocks, 0), styles=(styles, 1))
        for scale in noise_scales:
            check_counts(noise_scales=(scale, 1))
        check_nonnegative(bound=bound, limit=limit, negative_slope=negative_slope)
        check_choice("padding", padding, PADDINGS)

        def normalize(limit: float = 0.0) -> nn.Module:
            return make_norm(norm, width, styles=styles, init=norm_init, limit=limit)

        self.first = ConvNorm(Conv(3 * CELL**2, width, 3, padding=padding), normalize())
        if noise_scales:
            self.noise_scales, self.noise_channels, self.noise_stride = tuple(noise_scales), len(noise_scales), CELL
            self.noise = ConvNorm(Conv(len(noise_scales), width, 3, padding=padding), normalize())
        self.blocks = nn.ModuleList(
            [ResidualBlock(width, normalize, padding=padding, bound=bound) for _ in range(blocks)]
        )
        self.up = ConvNorm(Conv(width, width, 3, padding=padding), normalize(limit), negative_slope=negative_slope)
        self.last = Conv(width, 3 * CELL**2, 3, padding=padding)
        if norm == "instance" and padding != "circular":
            # 3x3 kernels on cells: first, two a block, up, last; and a cell's own pixels.
            self.reach = _rounded_up(CELL * (3 + 2 * blocks) + CELL - 1, 16)
            self.strides = (CELL,) * (2 + 2 * blocks + bool(noise_scales))

    def paint(self, image: Tensor, noise: Tensor | None, style: Tensor | None) -> Tensor:
        """The layers, see :meth:`Generator.paint`; the picture is padded to whole cells."""
        below, right = -image.shape[2] % CELL, -image.shape[3] % CELL
        x = space_to_depth(F.pad(image, [0, right, 0, below], mode="replicate"), CELL)
        x = self.first.norm(self.first.conv(x), style)
        if noise is not None:
            x = x + self.noise.norm(self.noise.conv(noise), style)
        x = F.relu(x)
        for layer in (*self.blocks, self.up):
            x = layer(x, style)
        return F.pixel_shuffle(self.last(x), CELL)

    @torch.no_grad()
    def amplify(self, style: int, factor: float) -> None:
        """Multiply what the last convolution sees in one style, and so the contrast and saturation of its pictures.

        The leaky ReLU before it is homogeneous, so scales and shifts of the normalization before that are multiplied.
        """
        for parameter in self.up.norm.parameters():
            parameter[style] *= factor


class TextureGenerator(Generator):
    """Ulyanov 2016: a pyramid from coarse to fine, with independent noise z at every scale.

    At each of ``levels`` scales the downsampled picture and its noise pass a branch of ``width`` channels; the branches
    are normalized, concatenated with the coarser scale's features, and upsampled. The published network has 116,915
    parameters without noise and 118,211 with three channels of it (texture_nets, models/pyramid.lua).

    The noise input (N, 2 noise, H, W) contains two sets of channels. The finest scale uses the first. A scale
    downsampled by r uses the second at the positions r/2 modulo r, which no other scale uses, so all noise is
    independent.

    Args:
        width: channels of a branch; 8 in the original.
        levels: number of scales; the coarsest is downsampled by 2 ** (levels - 1).
        noise: channels of z at each scale; 3 in the 2016 original, 0 in the authors' later code.
        norm: one of :data:`impasto.nn.norm.NORMS`.
        styles: number of styles in the network (conditional instance normalization).
        padding: of every convolution; "replicate" in texture_nets' master, "circular" in its first version.
        negative_slope: of the (leaky) ReLU; 0.01 in the first version, 0 later.
        output: "sigmoid", or the original's "linear".
        norm_init: initial scales of the normalization, see :func:`impasto.nn.norm.make_norm`.
        standardize: first scale the picture to mean 0 and standard deviation 1, so that its contrast does not change
            the relative amplitude of the noise; the originals do not.
    """

    def __init__(
        self,
        *,
        width: int = 8,
        levels: int = 6,
        noise: int = 3,
        norm: str = "instance",
        styles: int = 1,
        padding: Padding = "reflect",
        negative_slope: float = 0.0,
        output: Output = "sigmoid",
        norm_init: AffineInit = "ones",
        standardize: bool = True,
    ) -> None:
        super().__init__(output, styles)
        check_counts(width=(width, 1), levels=(levels, 1), noise=(noise, 0), styles=(styles, 1))
        check_nonnegative(negative_slope=negative_slope)
        check_choice("standardize", standardize, (True, False))
        check_choice("padding", padding, PADDINGS)
        self.noise = noise
        self.noise_channels = 2 * noise
        self.ratios = [2**level for level in reversed(range(levels))]  # coarse to fine: 32, 16, 8, 4, 2, 1
        self.minimum_size = 2 * self.ratios[0]  # reflection needs two pixels at the coarsest scale
        self.standardize = standardize

        def chain(inside: int, outside: int) -> nn.ModuleList:
            sizes = [(inside, outside, 3), (outside, outside, 3), (outside, outside, 1)]
            return nn.ModuleList(
                [
                    ConvNorm(
                        Conv(a, b, kernel, padding=padding),
                        make_norm(norm, b, styles=styles, init=norm_init),
                        negative_slope=negative_slope,
                    )
                    for a, b, kernel in sizes
                ]
            )

        def join(channels: int) -> nn.Module:
            return make_norm(norm, channels, styles=styles, init=norm_init)

        self.branches = nn.ModuleList([chain(3 + noise, width) for _ in self.ratios])
        self.join_branch = nn.ModuleList([join(width) for _ in self.ratios[1:]])
        self.join_below = nn.ModuleList([join(width * (level + 1)) for level in range(levels - 1)])
        self.merges = nn.ModuleList([chain(width * (level + 2), width * (level + 2)) for level in range(levels - 1)])
        self.last = Conv(width * levels, 3, 1, padding=padding)

    def paint(self, image: Tensor, noise: Tensor | None, style: Tensor | None) -> Tensor:
        """The layers, see :meth:`Generator.paint`; the picture is padded to whole positions of the coarsest scale."""
        if self.standardize:
            variance, mean = torch.var_mean(image, dim=(2, 3), correction=0, keepdim=True)
            image = (image - mean) * torch.rsqrt(variance.mean(dim=1, keepdim=True) + 1e-5)
        cell = self.ratios[0]
        below, right = -image.shape[2] % cell, -image.shape[3] % cell
        image = F.pad(image, [0, right, 0, below], mode="replicate")
        if noise is not None:
            noise = F.pad(noise, [0, right, 0, below], mode="replicate")

        x = image
        for level, ratio in enumerate(self.ratios):
            y = F.avg_pool2d(image, ratio) if ratio > 1 else image
            if noise is not None:
                fine, coarse = noise[:, : self.noise], noise[:, self.noise :]
                z = coarse[:, :, ratio // 2 :: ratio, ratio // 2 :: ratio] if ratio > 1 else fine
                y = torch.cat([y, z], dim=1)
            y = self._chain(self.branches[level], y, style)
            if level == 0:
                x = y
            else:
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
                joined = [self.join_branch[level - 1](y, style), self.join_below[level - 1](x, style)]
                x = torch.cat(joined, dim=1)
                x = self._chain(self.merges[level - 1], x, style)
        painted: Tensor = self.last(x)
        return painted

    @staticmethod
    def _chain(layers: nn.Module, x: Tensor, style: Tensor | None) -> Tensor:
        for layer in layers.children():
            x = layer(x, style)
        return x


GENERATORS: dict[str, Callable[..., Generator]] = {
    "residual": ResidualGenerator,
    "light": LightGenerator,
    "texture": TextureGenerator,
}


def build_generator(architecture: str, arguments: dict[str, object]) -> Generator:
    """Construct the generator called ``architecture`` with the ``arguments`` that a model file records.

    Raises:
        UsageError: for an unknown name or argument.
    """
    if architecture not in GENERATORS:
        raise UsageError(f"unknown generator '{architecture}': choose one of {', '.join(GENERATORS)}")
    try:
        return GENERATORS[architecture](**arguments)
    except TypeError as error:
        raise UsageError(f"generator '{architecture}' cannot be made with {arguments}: {error}") from error


def _rounded_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
