"""What training begins with: the package's networks of many styles, see :mod:`impasto.models.catalogue`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from impasto.models.catalogue import VARIANTS, shipped, shipped_network
from impasto.models.modelfile import network_hash, read_info
from impasto.nn.generator import Generator
from impasto.nn.generators import build_generator
from impasto.nn.losses import ContentTarget, PerceptualLoss


@dataclass(frozen=True)
class Base:
    """A trained network: ``network`` is its model file's hash, ``style_parameters`` (styles, numbers) what it learnt.

    The last row gives the photo back, see :meth:`impasto.nn.generator.Generator.style_weights`.
    """

    architecture: str
    arguments: dict[str, Any]
    network: str
    weights: dict[str, Tensor]
    style_parameters: Tensor

    def begin(self, generator: Generator, parameters: Tensor) -> None:
        """Give ``generator``, of this architecture and these arguments, the weights and these styles."""
        missing, _ = generator.load_state_dict(self.weights, strict=False)
        assert len(missing) == 2 * len(generator.conditional_norms())  # the scales and shifts, and nothing else
        generator.set_style_parameters(parameters)

    @torch.no_grad()
    def nearest(self, loss: PerceptualLoss, photos: Tensor, target: ContentTarget, device: torch.device) -> Tensor:
        """For each style of ``loss`` the parameters whose picture of these photos suits it best, (styles, numbers)."""
        count = len(self.style_parameters) - 1
        arguments = {**self.arguments, "styles": count + 1}
        generator = build_generator(self.architecture, arguments).to(device)
        self.begin(generator, self.style_parameters)
        styles = len(loss.style_targets[loss.objective.style_layers[0]])
        totals = torch.zeros(styles, count)
        for number in range(count):
            painted = generator(photos, None, generator.style_weights([number] * len(photos)))
            features = loss.network(painted, loss.layers)
            for style in range(styles):
                totals[style, number] = loss.compare(features, painted, target, which=[style]).total.mean()
        return self.style_parameters[totals.argmin(dim=1)]


def load_base(architecture: str, arguments: dict[str, Any]) -> Base | None:
    """That of the package's networks which is of this architecture and these arguments; None if none is."""
    for variant in VARIANTS:
        path = shipped_network(variant)
        info = read_info(path)
        if (info.architecture, info.arguments) == (architecture, arguments):
            break
    else:
        return None
    constants = onnx.load(path).graph.initializer
    sizes = {name: x.shape for name, x in build_generator(architecture, arguments).state_dict().items()}
    weights = {x.name: torch.from_numpy(numpy_helper.to_array(x).copy()) for x in constants if x.name in sizes}
    weights = {name: _first_of_pixels(stored, sizes[name]) for name, stored in weights.items()}
    styles = [*shipped(variant).values()]
    vectors = [style.parameters for style in styles] + [styles[0].photo]
    parameters = torch.stack([torch.from_numpy(vector) for vector in vectors])
    return Base(architecture, arguments, network_hash(path), weights, parameters)


def _first_of_pixels(stored: Tensor, size: Sequence[int]) -> Tensor:
    """The kernel or bias of this size of which the graph has one for several pixels at once (see export), or itself."""
    return stored[:: len(stored) // size[0]][tuple(slice(length) for length in size)].contiguous()
