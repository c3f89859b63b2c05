"""Measures the value ranges of features for 8-bit quantization."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from impasto.models.ranges import MINIMUM_CHANNELS, best_range
from impasto.nn.generator import Generator
from impasto.training.onnx_graph import FIRST_KERNEL, first_layer_sees_pixels

SAMPLES = 2**14
"""Number of feature values that are sampled for each layer, picture and style."""


@torch.no_grad()
def feature_ranges(generator: Generator, photos: Sequence[Tensor]) -> dict[str, tuple[float, float]]:
    """The range of each convolution's input, by the name of its kernel: `ModelInfo.ranges`.

    Only convolutions with at least :data:`MINIMUM_CHANNELS` input channels have an entry. The ranges cover all styles
    at strengths up to 2, the maximum.

    Args:
        generator: The network, on any device.
        photos: Float32 (1, 3, H, W) in [0, 1], on the generator's device.
    """
    mixtures = torch.eye(generator.styles)[:, None]
    if generator.styles > 1:  # the last style reproduces the photo
        mixtures = torch.cat([mixtures, 2 * mixtures[:-1] - mixtures[-1:]])
    with _recorded_inputs(generator) as seen, evaluating(generator):
        for photo in photos:
            noise = None
            if generator.noise_channels:
                source = torch.Generator().manual_seed(0)
                noise = generator.draw_noise(1, *photo.shape[2:], source=source).to(photo.device)
            for mixture in mixtures:
                generator(photo, noise, mixture.to(photo.device) if generator.styles > 1 else None)
    ranges = {name: best_range(torch.cat(samples).numpy()) for name, samples in seen.items()}
    if first_layer_sees_pixels(generator) and FIRST_KERNEL in ranges:
        ranges[FIRST_KERNEL] = (0.0, 255.0)  # 8-bit pixels are whole numbers in it: nothing is rounded
    return ranges


@contextmanager
def _recorded_inputs(generator: Generator) -> Iterator[dict[str, list[Tensor]]]:
    """Samples of the inputs of convolutions, by the kernel's name, of every pass within the context."""
    seen: dict[str, list[Tensor]] = {}
    hooks = []
    for name, layer in generator.named_modules():
        if isinstance(layer, nn.Conv2d) and layer.in_channels >= MINIMUM_CHANNELS:
            samples = seen[f"{name}.weight"] = []

            def record(_: nn.Module, inputs: tuple[Tensor, ...], samples: list[Tensor] = samples) -> None:
                features = inputs[0]
                step = 1 + features.numel() // SAMPLES
                while math.gcd(step, features[0, 0].numel()) > 1:  # not the same positions in every channel
                    step += 1
                samples.append(features.flatten()[::step].float().cpu().clone())  # a view would keep all of them

            hooks.append(layer.register_forward_pre_hook(record))
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def evaluating(generator: Generator) -> Iterator[None]:
    """The generator is in evaluation mode within the context."""
    training = generator.training
    generator.eval()
    try:
        yield
    finally:
        generator.train(training)
