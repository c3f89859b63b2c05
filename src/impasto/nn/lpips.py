"""LPIPS, a learned perceptual distance between two images (Zhang et al. 2018, version 0.1, VGG-16)."""

import torch
from safetensors.torch import load as load_safetensors
from torch import Tensor, nn

from impasto.nn.vgg import VGGFeatures
from impasto.nn.weights import LPIPS_HEADS, packaged


class Lpips(nn.Module):
    """The LPIPS distance, 0 for equal images, from the features of a given VGG-16 with torchvision's weights."""

    LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")

    def __init__(self, network: VGGFeatures) -> None:
        super().__init__()
        self.network = network
        heads = load_safetensors(packaged(LPIPS_HEADS))
        self.heads = [heads[key].float().reshape(1, -1, 1, 1) for key in sorted(heads)]

    @torch.no_grad()
    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """Distances between two batches, (N, 3, H, W) in [0, 1] -> float32 (N,)."""
        return self.compare(self.network(one, self.LAYERS), self.network(other, self.LAYERS))

    @torch.no_grad()
    def compare(self, a: dict[str, Tensor], b: dict[str, Tensor]) -> Tensor:
        """The same distances from both batches' features at :attr:`LAYERS`."""
        first = a[self.LAYERS[0]]
        distance = first.new_zeros(first.shape[0], dtype=torch.float32)
        for layer, head in zip(self.LAYERS, self.heads, strict=True):
            difference = (_unit(a[layer]) - _unit(b[layer])).square()
            distance = distance + (difference * head.to(difference.device)).sum(dim=1).mean(dim=(1, 2))
        return distance


def _unit(features: Tensor) -> Tensor:
    """Features (N, C, H, W) with each position's vector scaled to length 1."""
    return features / (features.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)
