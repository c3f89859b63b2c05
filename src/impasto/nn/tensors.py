"""Pictures as tensors and back."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn


def to_tensor(picture: npt.NDArray[np.uint8]) -> Tensor:
    """A picture, uint8 (H, W, 3), as a batch of one: float32 (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1)[None] / 255.0


def to_picture(batch: Tensor) -> npt.NDArray[np.uint8]:
    """The first image of a batch, (N, 3, H, W) in [0, 1], as uint8 (H, W, 3), clipped and rounded to nearest."""
    clipped = batch[0].detach().float().clamp(0, 1).mul(255).round().to(torch.uint8)
    return clipped.permute(1, 2, 0).cpu().numpy()


def channels_last(module: nn.Module) -> None:
    """Store the weights of a module channels-last, in which convolutions are fastest."""
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's annotations
