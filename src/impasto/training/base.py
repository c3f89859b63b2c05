"""What training begins with: the package's networks of many styles, see :mod:`impasto.models.catalogue`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from impasto.models.catalogue import VARIANTS, network_hash, shipped, shipped_network
from impasto.models.modelfile import read_info
from impasto.nn.generators import Generator, build_generator
from impasto.nn.losses import ContentTarget, PerceptualLoss


@dataclass(frozen=True)
class Base:
    """A trained network: ``network`` is its model file's hash, ``codes`` (styles, numbers) what it learnt.

    The last code gives the photo back, see :meth:`impasto.nn.generators.Generator.choose`.
    """

    architecture: str
    arguments: dict[str, Any]
    network: str
    weights: dict[str, Tensor]
    codes: Tensor

    def begin(self, generator: Generator, codes: Tensor) -> None:
        """Give ``generator``, of this architecture and these arguments, the weights and these styles."""
        missing, _ = generator.load_state_dict(self.weights, strict=False)
        assert len(missing) == 2 * len(generator.conditional_norms())  # the scales and shifts, and nothing else
        generator.set_codes(codes)

    @torch.no_grad()
    def nearest(self, loss: PerceptualLoss, photos: Tensor, target: ContentTarget, device: torch.device) -> Tensor:
        """For each style of ``loss`` the code whose picture of these photos suits it best, (styles, numbers)."""
        count = len(self.codes) - 1
        arguments = {**self.arguments, "styles": count + 1}
        generator = build_generator(self.architecture, arguments).to(device)
        self.begin(generator, self.codes)
        styles = len(loss.style_targets[loss.objective.style_layers[0]])
        totals = torch.zeros(styles, count)
        for number in range(count):
            painted = generator(photos, None, generator.choose([number] * len(photos)))
            features = loss.network(painted, loss.layers)
            for style in range(styles):
                totals[style, number] = loss.compare(features, painted, target, which=[style]).total.mean()
        return self.codes[totals.argmin(dim=1)]


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
    codes = torch.stack([torch.from_numpy(code) for code in [style.code for style in styles] + [styles[0].photo]])
    return Base(architecture, arguments, network_hash(path), weights, codes)


def _first_of_pixels(stored: Tensor, size: Sequence[int]) -> Tensor:
    """The kernel or bias of this size of which the graph has one for several pixels at once (see export), or itself."""
    return stored[:: len(stored) // size[0]][tuple(slice(length) for length in size)].contiguous()
