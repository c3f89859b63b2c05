"""Generators: a picture in, the picture repainted out, in one pass.

Every generator takes RGB in [0, 1], (N, 3, H, W), of any size, and returns exactly that size. The residual network is
Johnson, Alahi, Fei-Fei 2016; the texture network is the multi-scale pyramid of Ulyanov et al. 2016; the light network
is ours. Presets with the originals' exact layers are in :mod:`impasto.training.config`; the defaults here are ours:
pictures are reflected at the border and enlarged before a convolution instead of by a transposed one, against frames
and checkerboards.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.errors import UsageError
from impasto.nn.norm import AffineInit, ContrastNorm, InstanceNorm, bounded, make_norm

Padding = Literal["reflect", "replicate", "circular", "zero"]
Output = Literal["sigmoid", "tanh150", "linear"]
PADDINGS = ("reflect", "replicate", "circular", "zero")

SQUARE = 4
"""Side of the squares of pixels that are channels in the light network."""

BOUND = 4.0
"""Of what residual blocks add up, see :class:`ResidualBlock`; that of a fresh network deviates by 1 to 2."""

# Mean RGB of ImageNet, 0..255: what the original networks' inputs are centred on (VGG's own preprocessing).
IMAGENET_MEAN = (123.68, 116.779, 103.939)


def check_choice(what: str, value: object, choices: tuple[object, ...]) -> None:
    """Raise UsageError, naming the choices, unless ``value`` is one of them."""
    if value not in choices:
        raise UsageError(f"unknown {what} '{value}': choose one of {', '.join(map(str, choices))}")


def check_counts(**counts: tuple[object, int]) -> None:
    """Raise UsageError unless each argument, given as (value, least), is a whole number of at least that."""
    for name, (value, least) in counts.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise UsageError(f"{name} must be a whole number of {least} or more, not {value}")


def check_bounds(**bounds: object) -> None:
    """Raise UsageError unless each argument is a number of 0 or more."""
    for name, bound in bounds.items():
        if not isinstance(bound, int | float) or isinstance(bound, bool) or not 0 <= bound < float("inf"):
            raise UsageError(f"{name} must be a number of 0 or more, not {bound}")


class Generator(nn.Module):
    """What all generators share: the range of their pixels, sizes, and the noise they take.

    Pictures enter the layers as 0..255 minus the ImageNet mean, as in the original networks. That is also what makes
    instance normalisation drop the picture's contrast: next to features of that size its eps of 1e-5 is nothing,
    where with [0, 1] it would damp a dimmed picture visibly.
    """

    noise_channels: int = 0
    """Channels of the noise input, (N, noise_channels, H, W), uniform in [0, 1); 0 where the network takes none."""
    minimum_size: int = 16
    """The least height and width the layers can take; ``forward`` extends smaller pictures by their edge."""
    noise_stride: int = 1
    """Pixels between two values of the noise input, each way."""
    noise_scales: tuple[int, ...] = ()
    """For each channel of smooth noise, the spacing of the random values it interpolates, in values of the input;
    empty where the noise is independent at every pixel."""
    reach: int = 0
    """With fixed normalisation statistics, how many pixels away a result pixel's inputs lie at most, rounded up to a
    multiple of 16; 0 where the network cannot paint in tiles."""
    strides: tuple[int, ...] = ()
    """Pixels to a feature at each instance normalisation, in the order they are applied; empty where ``reach`` is 0.

    Features of stride s have ceil(H / c) * c / s rows, c the largest stride so far: strided convolutions round up."""

    mean: Tensor

    def __init__(self, output: Output, styles: int) -> None:
        super().__init__()
        self.styles = styles
        check_choice("output", output, ("sigmoid", "tanh150", "linear"))
        self.output = output
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor, noise: Tensor | None = None, style: Tensor | None = None) -> Tensor:
        """Repaint ``image``, (N, 3, H, W) in [0, 1]; returns the same size.

        The result is in [0, 1] for output "sigmoid". The originals' "tanh150" and "linear" outputs may leave that
        range; they are clipped where pictures are made (export), not here, so that training sees their gradients.

        Args:
            image: RGB pictures.
            noise: (N, noise_channels, H, W), uniform in [0, 1); drawn afresh when None and the network takes noise.
            style: (N, styles) mixing weights, for a network of several styles.
        """
        height, width = image.shape[2:]
        if self.noise_channels and noise is None:
            noise = torch.rand(image.shape[0], self.noise_channels, height, width, device=image.device)
        image = _extend(image, self.minimum_size)
        features = 255.0 * image - self.mean
        if noise is not None:
            noise = _extend(noise, self.minimum_size)
        y = self.paint(features, noise, style)[:, :, :height, :width]
        if self.output == "sigmoid":
            return torch.sigmoid(y)
        if self.output == "tanh150":
            y = 150.0 * torch.tanh(y)
        return (y + self.mean) / 255.0

    def choose(self, styles: Sequence[int], strength: Tensor | None = None) -> Tensor | None:
        """The ``style`` input for pictures in these styles, by number, (N, styles); None for a network of one style.

        Of a network whose last style is the photo's own look, each may be had in a strength, (N,): 0 for the photo.
        """
        if self.styles == 1:
            return None
        each = torch.eye(self.styles, device=self.mean.device)
        chosen = each[list(styles)]
        return chosen if strength is None else each[-1] + strength[:, None] * (chosen - each[-1])

    def conditional_norms(self) -> list[InstanceNorm | ContrastNorm]:
        """The normalisations that hold a scale and shift for each style, in the order of :meth:`style_parameters`."""
        return [layer for layer in self.modules() if isinstance(layer, InstanceNorm | ContrastNorm)]

    def style_parameters(self) -> Tensor:
        """What makes the styles: for each its scales and shifts, layer by layer, (styles, numbers), detached."""
        norms = self.conditional_norms()
        return torch.cat([x.detach() for norm in norms for x in (norm.weight, norm.bias)], dim=1)

    def late_size(self) -> int:
        """How many of the last of these numbers make the colours: those of the last two normalisations."""
        return 2 * sum(norm.weight.shape[1] for norm in self.conditional_norms()[-2:])

    @torch.no_grad()
    def set_style_parameters(self, style_parameters: Tensor) -> None:
        """Give the styles these parameters: what :meth:`style_parameters` of an equal network returned."""
        parameters = [x for norm in self.conditional_norms() for x in (norm.weight, norm.bias)]
        pieces = torch.split(style_parameters, [x.shape[1] for x in parameters], dim=1)
        for parameter, piece in zip(parameters, pieces, strict=True):
            parameter.copy_(piece)

    def paint(self, image: Tensor, noise: Tensor | None, style: Tensor | None) -> Tensor:
        """The layers: centred picture (N, 3, H, W) to (N, 3, >= H, >= W) before the output function."""
        raise NotImplementedError


class ResidualGenerator(Generator):
    """Johnson 2016: down to a quarter, residual blocks, up again (``c9s1-w,d2w,d4w,R4w x blocks,u2w,uw,c9s1-3``).

    Args:
        width: channels at full size; 32 in the paper, 16 in the authors' released instance-norm models.
        blocks: residual blocks at a quarter of the size.
        norm: one of :data:`impasto.nn.norm.NORMS`.
        styles: number of styles (conditional instance normalisation) the network holds.
        upsample: "bilinear" enlarges smoothly and then convolves. "nearest", pytorch/examples' way, repeats pixels,
            and the convolution sees which of the four copies it is on: a grid of 4 pixels stays in the picture until
            long training removes it. "transposed" is the original's fractionally strided convolution, prone to
            checkerboards.
        padding: of every convolution; "reflect-start" is the original's: the picture reflected by 40 pixels first,
            zeros around the outer convolutions, and residual blocks without padding.
        output: "sigmoid", or the original's "tanh150" (150 * tanh plus the ImageNet mean).
        norm_init: the normalisation's first scales.
        bound: of what the residual blocks add up, see :class:`ResidualBlock`; 0, as in the original: none.
        negative_slope: of the (leaky) ReLU after each enlargement; 0 in the original. Where a plain ReLU lets nothing
            of the last features through, the picture is the last layer's bias, grey, and nothing is learnt any more:
            so flat dark places end.
        limit: deviations beyond which the instance normalisations after the enlargements cut features off; 0, as in
            the original: none. A few loud places else make the deviation, and all others come out faint.
    """

    def __init__(
        self,
        *,
        width: int = 16,
        blocks: int = 5,
        norm: str = "instance",
        styles: int = 1,
        upsample: Literal["bilinear", "nearest", "transposed"] = "bilinear",
        padding: Literal["reflect", "replicate", "circular", "zero", "reflect-start"] = "reflect",
        output: Output = "sigmoid",
        norm_init: AffineInit = "ones",
        bound: float = BOUND,
        negative_slope: float = 0.2,
        limit: float = 3.0,
    ) -> None:
        super().__init__(output, styles)
        check_counts(width=(width, 1), blocks=(blocks, 0), styles=(styles, 1))
        check_bounds(bound=bound, limit=limit, negative_slope=negative_slope)
        check_choice("upsampling", upsample, ("bilinear", "nearest", "transposed"))
        check_choice("padding", padding, (*PADDINGS, "reflect-start"))
        self.border = 8 * blocks if padding == "reflect-start" else 0  # each block eats 2 pixels at a quarter size
        outer: Padding = "zero" if padding == "reflect-start" else padding
        inner: Padding | None = None if padding == "reflect-start" else padding
        # The authors pad strided and transposed convolutions with zeros whatever the rest does (models.lua).
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
                ConvNorm(_upsample(a, b, upsample, outer), normalize(b, limit), negative_slope=negative_slope)
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
    """The residual network's blocks at a quarter of the size, and nothing at any other.

    Squares of 4 x 4 pixels become channels; residual blocks of :class:`ResidualGenerator` work on them; and what the
    last convolution makes of each place is a square of pixels again (sub-pixel convolution, Shi et al. 2016). A pixel
    costs 108,300 multiplications with the defaults, 28,800 with a width of 64, against 42,300 of
    :class:`ResidualGenerator` at half width; but all of them where channels are many and pictures small: what a
    processor is quick at, in 8 bits too, so that the defaults paint in less time than that.

    Args:
        width: channels.
        blocks: residual blocks.
        norm: one of :data:`impasto.nn.norm.NORMS`.
        styles: number of styles (conditional instance normalisation) the network holds.
        padding: of every convolution.
        output: "sigmoid", or the originals' "tanh150" or "linear".
        norm_init: the normalisation's first scales.
        bound: of what the residual blocks add up, see :class:`ResidualBlock`; 0: none.
        negative_slope: of the leaky ReLU after the blocks, see :class:`ResidualGenerator`.
        limit: of the normalisation before it, see :class:`ResidualGenerator`.
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
    ) -> None:
        super().__init__(output, styles)
        check_counts(width=(width, 1), blocks=(blocks, 0), styles=(styles, 1))
        check_bounds(bound=bound, limit=limit, negative_slope=negative_slope)
        check_choice("padding", padding, PADDINGS)

        def normalize(limit: float = 0.0) -> nn.Module:
            return make_norm(norm, width, styles=styles, init=norm_init, limit=limit)

        self.first = ConvNorm(Conv(3 * SQUARE**2, width, 3, padding=padding), normalize())
        self.blocks = nn.ModuleList(
            [ResidualBlock(width, normalize, padding=padding, bound=bound) for _ in range(blocks)]
        )
        self.up = ConvNorm(Conv(width, width, 3, padding=padding), normalize(limit), negative_slope=negative_slope)
        self.last = Conv(width, 3 * SQUARE**2, 3, padding=padding)
        if norm == "instance" and padding != "circular":
            # 3x3 kernels on squares: first, two a block, up, last; and a square's own pixels.
            self.reach = _rounded_up(SQUARE * (3 + 2 * blocks) + SQUARE - 1, 16)
            self.strides = (SQUARE,) * (2 + 2 * blocks)

    def paint(self, image: Tensor, noise: Tensor | None, style: Tensor | None) -> Tensor:
        """The layers, see :meth:`Generator.paint`; the picture is extended to whole squares."""
        below, right = -image.shape[2] % SQUARE, -image.shape[3] % SQUARE
        x = _space_to_depth(F.pad(image, [0, right, 0, below], mode="replicate"), SQUARE)
        for layer in (self.first, *self.blocks, self.up):
            x = layer(x, style)
        return F.pixel_shuffle(self.last(x), SQUARE)


class TextureGenerator(Generator):
    """Ulyanov 2016: a pyramid that paints from coarse to fine, with fresh noise z at every scale.

    At each of ``levels`` scales the shrunken picture and its noise pass a small branch of ``width`` channels; the
    branches are normalised, joined with what comes from below, and enlarged. Parameters of the published network:
    116,915 without noise, 118,211 with three channels of it (texture_nets, models/pyramid.lua).

    The noise input holds two fields. The finest scale takes all of the first; a scale shrunk by r takes from the
    second the positions r/2 mod r, which no other scale takes: all scales are independent, from one plain input.

    Args:
        width: channels a branch, 8 in the original.
        levels: scales; the coarsest is shrunk by 2 ** (levels - 1).
        noise: channels of z at each scale; 3 in the 2016 original, 0 in the authors' later code.
        norm: one of :data:`impasto.nn.norm.NORMS`.
        styles: number of styles (conditional instance normalisation) the network holds.
        padding: of every convolution; "replicate" in texture_nets' master, "circular" in its first version.
        negative_slope: of the (leaky) ReLU; 0.01 in the first version, 0 later.
        output: "sigmoid", or the original's "linear".
        norm_init: the normalisation's first scales.
        standardize: bring the picture to mean 0 and a standard deviation of 1 first. Beside noise of a fixed size
            the picture's contrast would otherwise matter again; the originals do not do it.
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
        check_bounds(negative_slope=negative_slope)
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
        """The layers, see :meth:`Generator.paint`; the picture is extended to whole cells of the coarsest scale."""
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


class Conv(nn.Module):
    """A convolution that keeps the size (rounded up when strided), with the border made by ``padding``.

    ``padding=None`` convolves only where the kernel fits.
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
        # Zeros are the convolution's own business: no padded copy is made.
        self.border = 0 if padding == "zero" else border
        self.conv = nn.Conv2d(inside, outside, kernel, stride, border if padding == "zero" else 0)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inside, H, W) -> (N, outside, ceil(H / stride), ceil(W / stride))."""
        if self.border:
            with torch.autocast(x.device.type, enabled=False):  # it would take float32 for what only copies
                x = F.pad(x, [self.border] * 4, mode=self.mode)
        if torch.is_grad_enabled() and _is_narrow(self.conv):
            return _narrow_conv(x, self.conv)
        y: Tensor = self.conv(x)
        return y


class UpsampleConv(nn.Module):
    """Twice the size, then a 3x3 convolution."""

    def __init__(self, inside: int, outside: int, *, mode: Literal["bilinear", "nearest"], padding: Padding) -> None:
        super().__init__()
        self.mode = mode
        self.conv = Conv(inside, outside, 3, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inside, H, W) -> (N, outside, 2 H, 2 W)."""
        y: Tensor = self.conv(F.interpolate(x, scale_factor=2.0, mode=self.mode))
        return y


class ConvNorm(nn.Module):
    """Convolution, normalisation, (leaky) ReLU."""

    def __init__(self, conv: nn.Module, norm: nn.Module, *, negative_slope: float = 0.0) -> None:
        super().__init__()
        self.conv = conv
        self.norm = norm
        self.negative_slope = negative_slope

    def forward(self, x: Tensor, style: Tensor | None) -> Tensor:
        """(N, C, H, W) -> whatever the convolution makes of it."""
        y = self.norm(self.conv(x), style)
        return F.leaky_relu(y, self.negative_slope) if self.negative_slope else F.relu(y)


class ResidualBlock(nn.Module):
    """x plus (convolution, norm, ReLU, convolution, norm) of x; without padding the identity is cropped to fit.

    The sum is held within ``bound``. Nothing normalises it, and a network left to itself makes a few places of every
    picture, dark and flat ones first, louder from block to block, in all channels. The instance normalisations after
    the blocks divide by a deviation that those places make, so that all others come out faint: a timid picture, with
    grey patches. 0: no bound, as in the papers.
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
        """(N, C, H, W) -> the same size, or 4 less each way without padding."""
        y: Tensor = self.norm(self.conv(self.first(x, style)), style)
        y = y + (x[:, :, 2:-2, 2:-2] if self.crop else x)
        return bounded(y, self.bound) if self.bound else y


GENERATORS: dict[str, Callable[..., Generator]] = {
    "residual": ResidualGenerator,
    "light": LightGenerator,
    "texture": TextureGenerator,
}


def build_generator(architecture: str, arguments: dict[str, object]) -> Generator:
    """Return the generator of that name, made with ``arguments`` (as a model file records them).

    Raises:
        UsageError: for an unknown name or argument.
    """
    if architecture not in GENERATORS:
        raise UsageError(f"unknown generator '{architecture}': choose one of {', '.join(GENERATORS)}")
    try:
        return GENERATORS[architecture](**arguments)
    except TypeError as error:
        raise UsageError(f"generator '{architecture}' cannot be made with {arguments}: {error}") from error


def _space_to_depth(x: Tensor, cell: int) -> Tensor:
    """(N, C, H, W) -> (N, cell^2 C, H / cell, W / cell), the place in the cell before the channel, as ONNX has it."""
    n, c, height, width = x.shape
    cells = x.reshape(n, c, height // cell, cell, width // cell, cell)
    return cells.permute(0, 3, 5, 1, 2, 4).reshape(n, cell * cell * c, height // cell, width // cell)


def _rounded_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _extend(x: Tensor, minimum: int) -> Tensor:
    """``x`` continued by its edge, at the right and below, to at least ``minimum`` pixels each way."""
    if x.shape[2] >= minimum and x.shape[3] >= minimum:
        return x
    return F.pad(x, [0, max(0, minimum - x.shape[3]), 0, max(0, minimum - x.shape[2])], mode="replicate")


def _is_narrow(conv: nn.Conv2d) -> bool:
    """Whether :func:`_narrow_conv` can compute this convolution, and pays: a large kernel, few channels out."""
    return conv.out_channels < 8 and conv.kernel_size[0] > 3 and conv.stride == (1, 1) and conv.padding == (0, 0)


def _narrow_conv(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """``conv(x)``, each 2 x 2 pixels of the result computed as channels of one strided convolution.

    Libraries compute eight or sixteen channels at a time; with three out most of that is idle, above all in the
    backward pass. The kernel at its four places in a window one larger makes twelve.
    """
    bottom, right = ((x.shape[d] - conv.kernel_size[d - 2] + 1) % 2 for d in (2, 3))
    x = F.pad(x, [0, right, 0, bottom])
    places = [F.pad(conv.weight, [j, 1 - j, i, 1 - i]) for i in (0, 1) for j in (0, 1)]
    y = F.conv2d(x, torch.stack(places, dim=1).flatten(0, 1), stride=2)
    y = F.pixel_shuffle(y, 2)
    y = y[:, :, : y.shape[2] - bottom, : y.shape[3] - right]
    return y if conv.bias is None else y + conv.bias[:, None, None]


def _upsample(
    inside: int, outside: int, kind: Literal["bilinear", "nearest", "transposed"], padding: Padding
) -> nn.Module:
    if kind == "transposed":
        return nn.ConvTranspose2d(inside, outside, 3, stride=2, padding=1, output_padding=1)
    return UpsampleConv(inside, outside, mode=kind, padding=padding)
