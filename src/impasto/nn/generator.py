"""The base class of the generators: pixel ranges, sizes, noise and styles."""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.nn.layers import check_choice, pad_to
from impasto.nn.norm import ContrastNorm, InstanceNorm

Output = Literal["sigmoid", "tanh150", "linear"]
OUTPUTS = ("sigmoid", "tanh150", "linear")

# Mean RGB of ImageNet, 0..255, which the original networks subtract from their input (VGG's own preprocessing).
IMAGENET_MEAN = (123.68, 116.779, 103.939)


class Generator(nn.Module):
    """Base class: pixel ranges, sizes, noise and styles.

    The layers' input is the picture in 0..255 minus the ImageNet mean, as in the original networks. On this scale the
    eps of instance normalization, 1e-5, is negligible; with inputs in [0, 1] it would visibly reduce the contrast of a
    low-contrast picture.
    """

    noise_channels: int = 0
    """Channels of the noise input z, see :meth:`draw_noise`; 0 for a network without noise."""
    minimum_size: int = 16
    """Minimum height and width of the layers' input; ``forward`` pads smaller pictures with their edge values."""
    noise_stride: int = 1
    """Pixels between two values of the noise input, in each direction."""
    noise_scales: tuple[int, ...] = ()
    """The grid spacing of each channel of smooth noise, in values of the noise input; empty for noise that is
    independent at every pixel."""
    reach: int = 0
    """The radius of the receptive field with fixed normalization statistics, in pixels, rounded up to a multiple of 16;
    0 for a network that cannot paint in tiles."""
    strides: tuple[int, ...] = ()
    """The stride of the features at each instance normalization, in order of application; empty if ``reach`` is 0.

    Features of stride s have ceil(H / c) * c / s rows, c the largest stride so far: strided convolutions round up."""

    mean: Tensor

    def __init__(self, output: Output, styles: int) -> None:
        super().__init__()
        self.styles = styles
        check_choice("output", output, OUTPUTS)
        self.output = output
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor, noise: Tensor | None = None, style: Tensor | None = None) -> Tensor:
        """Repaint ``image``, (N, 3, H, W) in [0, 1] -> the same shape.

        The output "sigmoid" is in [0, 1]. The originals' "tanh150" and "linear" may leave that range: training needs
        the gradients there, so only the exported model clips.

        Args:
            image: RGB pictures.
            noise: as :meth:`draw_noise` returns it. With None, a network with noise draws it from torch's global random
                generator.
            style: (N, styles) mixing weights, for a network of several styles; None for its first style.
        """
        height, width = image.shape[2:]
        if self.noise_channels and noise is None:
            noise = self.draw_noise(image.shape[0], height, width, device=image.device)
        image = pad_to(image, self.minimum_size)
        features = 255.0 * image - self.mean
        if noise is not None:
            noise = pad_to(noise, -(-self.minimum_size // self.noise_stride))
        y = self.paint(features, noise, style)[:, :, :height, :width]
        if self.output == "sigmoid":
            return torch.sigmoid(y)
        if self.output == "tanh150":
            y = 150.0 * torch.tanh(y)
        return (y + self.mean) / 255.0

    def draw_noise(
        self,
        count: int,
        height: int,
        width: int,
        *,
        source: torch.Generator | None = None,
        device: torch.device | str = "cpu",
    ) -> Tensor:
        """Noise z for ``count`` pictures of ``height`` x ``width`` pixels, float32 (count, noise_channels, h, w).

        h is ceil(height / noise_stride), and w likewise. Without :attr:`noise_scales` all values are independent and
        uniform in [0, 1). Otherwise channel k is standard normal noise on a grid of ``noise_scales[k]`` values,
        interpolated bilinearly. Random numbers come from ``source``, on ``device``, or from torch's global generator.
        """
        h, w = (-(-side // self.noise_stride) for side in (height, width))
        if not self.noise_scales:
            return torch.rand(count, self.noise_channels, h, w, generator=source, device=device)
        fields = []
        for scale in self.noise_scales:
            # One more grid point than cells, as the last cell needs both of its ends.
            field = torch.randn(count, 1, -(-h // scale) + 1, -(-w // scale) + 1, generator=source, device=device)
            if scale > 1:
                field = F.interpolate(field, scale_factor=float(scale), mode="bilinear", align_corners=False)
            fields.append(field[:, :, :h, :w])
        return torch.cat(fields, dim=1)

    def style_weights(self, styles: Sequence[int], strength: Tensor | None = None) -> Tensor | None:
        """The ``style`` input (N, styles) that selects N styles by index; None for a network of one style.

        In a network whose last style reproduces the photo, ``strength`` (N,) fades each style toward the photo at 0.
        """
        if self.styles == 1:
            return None
        each = torch.eye(self.styles, device=self.mean.device)
        chosen = each[list(styles)]
        return chosen if strength is None else each[-1] + strength[:, None] * (chosen - each[-1])

    def conditional_norms(self) -> list[InstanceNorm | ContrastNorm]:
        """The normalizations with a scale and shift for each style, in the order of :meth:`style_parameters`."""
        return [layer for layer in self.modules() if isinstance(layer, InstanceNorm | ContrastNorm)]

    def style_parameters(self) -> Tensor:
        """The scales and shifts of each style, concatenated layer by layer, (styles, numbers), detached."""
        norms = self.conditional_norms()
        return torch.cat([x.detach() for norm in norms for x in (norm.weight, norm.bias)], dim=1)

    def late_size(self) -> int:
        """Number of the last style parameters, which determine the colors: those of the last two normalizations."""
        return 2 * sum(norm.weight.shape[1] for norm in self.conditional_norms()[-2:])

    @torch.no_grad()
    def set_style_parameters(self, values: Tensor) -> None:
        """Copy ``values``, as :meth:`style_parameters` of an equal network returned them, into the normalizations."""
        parameters = [x for norm in self.conditional_norms() for x in (norm.weight, norm.bias)]
        pieces = torch.split(values, [x.shape[1] for x in parameters], dim=1)
        for parameter, piece in zip(parameters, pieces, strict=True):
            parameter.copy_(piece)

    def paint(self, image: Tensor, noise: Tensor | None, style: Tensor | None) -> Tensor:
        """The layers: centered picture (N, 3, H, W) -> (N, 3, >= H, >= W), before the output function."""
        raise NotImplementedError
