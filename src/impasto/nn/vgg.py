"""The loss network: VGG-16 or VGG-19 (Simonyan, Zisserman 2014), with named layers.

Layers are named as in the papers: ``relu3_3`` is the third convolution of the third block, after its ReLU.
"""

import re
from collections.abc import Collection
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from impasto.errors import TrainingError, UsageError
from impasto.nn.winograd import FixedConv

Convention = Literal["torchvision", "caffe"]

BLOCKS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
"""Convolutions in each block, by architecture."""


class VGGFeatures(nn.Module):
    """VGG's features at named layers, of RGB pictures in [0, 1].

    The network preprocesses pictures as its weights need: "torchvision" weights expect RGB, standardized by ImageNet's
    mean and standard deviation; "caffe" weights (the original release, used by the papers' authors) expect BGR in
    0..255 minus the mean. Their features differ in scale, so a raw loss needs different weights. The parameters are
    constant.

    Args:
        weights: ``conv1_1.weight`` (C_out, C_in, 3, 3), ``conv1_1.bias`` ..., or a torchvision state dict
            (``features.0.weight`` ...). The deepest layers may be missing.
        convention: the preprocessing that the weights expect.
        pooling: "max" as in training; "average" as in Gatys 2016.

    Raises:
        TrainingError: if these are not the weights of VGG-16 or VGG-19.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        weights: dict[str, Tensor],
        *,
        convention: Convention = "torchvision",
        pooling: Literal["max", "average"] = "max",
    ) -> None:
        super().__init__()
        named = _named_by_layer(weights)
        self.architecture = "vgg19" if "conv3_4" in named else "vgg16"
        self.convention = convention
        self.pool = F.max_pool2d if pooling == "max" else F.avg_pool2d
        self.layers: list[str] = []
        self._convolutions: dict[str, FixedConv] = {}
        channels = 3
        for block, count in enumerate(BLOCKS[self.architecture], start=1):
            for index in range(1, count + 1):
                name = f"conv{block}_{index}"
                if name not in named:
                    break
                weight, bias = named[name]
                if weight.shape[1:] != (channels, 3, 3) or bias.shape != weight.shape[:1]:
                    raise TrainingError(
                        f"loss network: {name} has shapes {tuple(weight.shape)} and {tuple(bias.shape)}, which are not "
                        "VGG's: give a torchvision VGG-16 or VGG-19 state dict"
                    )
                channels = weight.shape[0]
                self.layers.append(f"relu{block}_{index}")
                self.register_buffer(f"{name}_weight", weight.detach().float(), persistent=False)
                self.register_buffer(f"{name}_bias", bias.detach().float(), persistent=False)
            else:
                continue
            break
        mean, std = {
            "torchvision": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            "caffe": ((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255, 1 / 255, 1 / 255)),
        }[convention]
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def check(self, layers: Collection[str]) -> None:
        """Raise UsageError if one of ``layers`` is not a layer of this network, naming those that are."""
        for layer in layers:
            if _at_scale(layer)[0] not in self.layers:
                raise UsageError(
                    f"unknown layer '{layer}': {self.architecture} has {', '.join(self.layers)}, each also of the "
                    "picture at half or a quarter of its size, as relu4_1/2 or relu4_1/4"
                )

    def forward(self, image: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        """Features of ``image``, (N, 3, H, W) in [0, 1]: (N, C, H / 2^(block-1), W / 2^(block-1)) for each layer.

        ``relu4_1/2`` is the layer's output for the picture at half its size, averaged over 2 x 2 pixels, ``relu4_1/4``
        at a quarter. Nothing deeper than the deepest of the layers is computed at each size.
        """
        self.check(layers)
        found, scales = {}, {layer: _at_scale(layer) for layer in layers}
        for scale in sorted({scale for _, scale in scales.values()}):
            wanted = [name for name, its in scales.values() if its == scale]
            features = self._layers(F.avg_pool2d(image, scale) if scale > 1 else image, wanted)
            found.update({layer: features[name] for layer, (name, its) in scales.items() if its == scale})
        return found

    def _layers(self, image: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        deepest = max(self.layers.index(layer) for layer in layers)
        x = (image - self.mean) / self.std
        if self.convention == "caffe":
            x = x.flip(1)
        found = {}
        for layer in self.layers[: deepest + 1]:
            name = layer.replace("relu", "conv")
            if layer.endswith("_1") and layer != "relu1_1":
                x = self.pool(x, 2)
            x = F.relu(self._convolution(name)(x))
            if layer in layers:
                found[layer] = x
        return found

    def _convolution(self, name: str) -> FixedConv:
        weight, bias = getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias")
        kept = self._convolutions.get(name)
        if kept is None or kept.weight is not weight:  # moved to another device or memory format
            kept = self._convolutions[name] = FixedConv(weight, bias)
        return kept


def _at_scale(layer: str) -> tuple[str, int]:
    """``relu4_1/2`` as ("relu4_1", 2); a scale that is not known is left in the name."""
    name, _, scale = layer.partition("/")
    return (name, int(scale)) if scale in ("2", "4") else (layer, 1)


def _named_by_layer(weights: dict[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """The (weight, bias) of each convolution by name; torchvision's numbers are translated."""
    if "conv1_1.weight" in weights:
        names = [key.removesuffix(".weight") for key in weights if re.fullmatch(r"conv\d_\d\.weight", key)]
        pairs = {name: name for name in names}
    else:
        numbers = [int(m[1]) for key in weights if (m := re.fullmatch(r"features\.(\d+)\.weight", key))]
        numbers.sort()
        count = {13: "vgg16", 16: "vgg19"}.get(len(numbers))
        if count is None:
            raise TrainingError(
                "loss network: these are not the weights of VGG-16 or VGG-19: give a torchvision state dict or a "
                "safetensors file with conv1_1.weight, conv1_1.bias and so on"
            )
        names = [f"conv{b}_{i}" for b, n in enumerate(BLOCKS[count], start=1) for i in range(1, n + 1)]
        pairs = {name: f"features.{number}" for name, number in zip(names, numbers, strict=True)}
    try:
        return {name: (weights[f"{key}.weight"], weights[f"{key}.bias"]) for name, key in pairs.items()}
    except KeyError as missing:
        raise TrainingError(f"loss network: {missing} is missing from the weights") from missing
