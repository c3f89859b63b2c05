"""Loading of the loss network's weights."""

import contextlib
import hashlib
import io
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor

from impasto.errors import TrainingError
from impasto.files import training_data
from impasto.nn.vgg import Convention, VGGFeatures

BUILT_IN = "vgg16_conv_fp16.safetensors"
LPIPS_HEADS = "lpips_vgg16_lin.safetensors"


def load_loss_network(
    path: Path | None = None, convention: Convention = "torchvision"
) -> tuple[VGGFeatures, dict[str, str]]:
    """The loss network, and its description: architecture, convention, file name and SHA-256.

    Args:
        path: weights of VGG-16 or VGG-19: safetensors or a torchvision state dict; None for the training data's VGG-16.
        convention: the preprocessing those weights expect.

    Raises:
        TrainingError: if the file cannot be read, or does not hold the weights of VGG-16 or VGG-19.
    """
    data, name = (packaged(BUILT_IN), BUILT_IN) if path is None else (_read(path), path.name)
    try:
        network = VGGFeatures(_tensors(data), convention=convention)
    except TrainingError as error:
        raise TrainingError(f"{path or name}: {error}") from error
    record = {
        "architecture": network.architecture,
        "convention": convention,
        "file": name,
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    return network, record


def packaged(name: str) -> bytes:
    """Return the content of a file of the training data."""
    return training_data(name).read_bytes()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TrainingError(f"{path}: cannot read the loss network's weights: {error.strerror}") from error


def _tensors(data: bytes) -> dict[str, Tensor]:
    """The tensors of a safetensors file or a torch state dict, by name; no code of the file is run."""
    with contextlib.suppress(SafetensorError):
        return load_safetensors(data)
    try:
        loaded = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # on foreign and damaged files torch raises nearly anything
        raise TrainingError("neither safetensors nor a torch state dict that can be loaded safely") from error
    if isinstance(loaded, dict) and all(isinstance(value, Tensor) for value in loaded.values()):
        return loaded
    raise TrainingError("not a state dict: expected tensors by name")
