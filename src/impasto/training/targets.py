"""Caches the content targets, which are the crops' own features."""

import torch
from torch import Tensor

from impasto.nn.losses import ContentTarget, PerceptualLoss
from impasto.training.crops import CropPool

CACHE_BYTES = 600_000_000
"""Size of the cache."""


class ContentTargets:
    """Crops and their content targets, by crop number. Features are cached until the cache is full.

    Features are stored in float16, and rounded to it even if they are not cached, so that the cache does not change
    results.
    """

    def __init__(self, loss: PerceptualLoss, pool: CropPool, device: torch.device) -> None:
        self.loss = loss
        self.pool = pool
        self.device = device
        self.size = 0
        self.bytes = 0
        self.cache: dict[int, ContentTarget] = {}

    def get(self, indices: list[int], size: int) -> tuple[Tensor, ContentTarget]:
        """The crops, float32 (N, 3, size, size) in [0, 1], and their content target."""
        if size != self.size:
            self.cache.clear()
            self.size, self.bytes = size, 0
        photos = [self.pool.cut(index, size).to(self.device) for index in indices]
        each = [self._target(index, photo) for index, photo in zip(indices, photos, strict=True)]
        layers = each[0].features
        batch = torch.cat(photos)
        with torch.autocast(self.device.type, enabled=False):  # on a CPU autocast does not support float16
            return batch, ContentTarget(
                {layer: torch.cat([target.features[layer] for target in each]) for layer in layers},
                {layer: torch.cat([target.variance[layer] for target in each]) for layer in layers},
                batch,
            )

    def _target(self, index: int, photo: Tensor) -> ContentTarget:
        if index in self.cache:
            return self.cache[index]
        target = self.loss.content_target(photo.contiguous(memory_format=torch.channels_last))
        target = ContentTarget({layer: x.half() for layer, x in target.features.items()}, target.variance)
        size = sum(2 * x.numel() for x in target.features.values())
        if self.pool.count and self.bytes + size <= CACHE_BYTES:
            self.bytes += size
            self.cache[index] = target
        return target
