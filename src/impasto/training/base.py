"""The shipped networks as a start for training, see :mod:`impasto.models.catalogue`."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from impasto.models.catalogue import VARIANTS, shipped, shipped_network
from impasto.models.modelfile import read_model
from impasto.nn.generator import Generator
from impasto.nn.generators import build_generator
from impasto.nn.losses import ContentTarget, PerceptualLoss
from impasto.training.onnx_graph import read_weights


@dataclass(frozen=True)
class Base:
    """A trained network of many styles, as the start of a run."""

    architecture: str
    arguments: dict[str, Any]
    network: str
    """Its hash, see `impasto.models.modelfile.network_hash`."""
    weights: dict[str, Tensor]
    """By their names in the generator; without the scales and shifts."""
    style_parameters: Tensor
    """Float32 (styles + 1, numbers); the last row reproduces the photo."""

    @property
    def photo(self) -> Tensor:
        """The style parameters that reproduce the photo, (numbers,)."""
        return self.style_parameters[-1]

    def begin(self, generator: Generator, parameters: Tensor) -> None:
        """Copy the weights and these style parameters into a generator of this architecture and these arguments."""
        missing, _ = generator.load_state_dict(self.weights, strict=False)
        assert len(missing) == 2 * len(generator.conditional_norms())  # the scales and shifts, and nothing else
        generator.set_style_parameters(parameters)

    @torch.no_grad()
    def nearest(self, loss: PerceptualLoss, photos: Tensor, target: ContentTarget, device: torch.device) -> Tensor:
        """For each style of the loss the shipped parameters whose pictures have the lowest loss, (styles, numbers).

        Args:
            loss: The objective, with the statistics of the styles to learn.
            photos: Float32 (N, 3, H, W).
            target: The photos' content.
            device: To compute on.
        """
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
    """The shipped network of this architecture and these arguments; None if there is none."""
    for variant in VARIANTS:
        file = read_model(shipped_network(variant))
        if (file.info.architecture, file.info.arguments) == (architecture, arguments):
            break
    else:
        return None
    weights = read_weights(file.content, build_generator(architecture, arguments))
    styles = [*shipped(variant).values()]
    vectors = [style.parameters for style in styles] + [styles[0].photo]
    parameters = torch.stack([torch.from_numpy(vector) for vector in vectors])
    return Base(architecture, arguments, file.network_hash, weights, parameters)
