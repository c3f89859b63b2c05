"""The shipped networks as starting points of training, see :mod:`impasto.models.catalog`."""

import json
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from impasto.models.catalog import VARIANTS, shipped, shipped_network
from impasto.models.modelfile import read_model
from impasto.nn.generator import Generator
from impasto.nn.generators import build_generator
from impasto.nn.losses import ContentTarget, PerceptualLoss
from impasto.training.environment import seeded
from impasto.training.onnx_graph import read_weights


@dataclass(frozen=True)
class Base:
    """A shared network that a run can start from.

    Attributes:
        architecture: its generator's name.
        arguments: its generator's arguments, without ``styles``.
        network: its hash, see :func:`impasto.models.modelfile.network_hash`.
        weights: its parameters and buffers, all but the scales and shifts.
        style_parameters: the scales and shifts of each style, (styles + 1, numbers); the last row reproduces the photo.
    """

    architecture: str
    arguments: dict[str, Any]
    network: str
    weights: dict[str, Tensor]
    style_parameters: Tensor

    @property
    def photo(self) -> Tensor:
        """The style parameters that reproduce the photo, (numbers,)."""
        return self.style_parameters[-1]

    def load_into(self, generator: Generator, style_parameters: Tensor) -> None:
        """Copy the weights, and these style parameters, into a generator of this architecture and these arguments."""
        missing, _ = generator.load_state_dict(self.weights, strict=False)
        assert len(missing) == 2 * len(generator.conditional_norms())  # the scales and shifts, and nothing else
        generator.set_style_parameters(style_parameters)

    @torch.no_grad()
    def nearest(self, loss: PerceptualLoss, photos: Tensor, target: ContentTarget, noise: Tensor | None) -> Tensor:
        """For each style of ``loss``, the style parameters of this network with the lowest objective on the photos.

        Args:
            loss: the objective for the new styles.
            photos: (N, 3, H, W) in [0, 1].
            target: the content target of the photos.
            noise: the network's noise input, or None.

        Returns:
            Style parameters, (styles of ``loss``, numbers).
        """
        count = len(self.style_parameters) - 1
        with seeded(0):  # initial weights, all of which are replaced
            generator = build_generator(self.architecture, {**self.arguments, "styles": count + 1}).to(photos.device)
        self.load_into(generator, self.style_parameters)
        styles = len(loss.style_targets[loss.objective.style_layers[0]])
        totals = torch.zeros(styles, count)
        for number in range(count):
            painted = generator(photos, noise, generator.style_weights([number] * len(photos)))
            features = loss.network(painted, loss.layers)
            for style in range(styles):
                totals[style, number] = loss.compare(features, painted, target, which=[style]).total.mean()
        return self.style_parameters[totals.argmin(dim=1)]


def load_base(architecture: str, arguments: dict[str, Any]) -> Base | None:
    """The shipped network of this architecture and these arguments; None if there is none."""
    for variant in VARIANTS:
        file = read_model(shipped_network(variant))
        if file.info.architecture == architecture and _same(file.info.arguments, arguments):
            break
    else:
        return None
    with torch.device("meta"):  # for the shapes alone
        generator = build_generator(architecture, arguments)
    weights = read_weights(file.content, generator)
    styles = [*shipped(variant).values()]
    vectors = [style.parameters for style in styles] + [styles[0].photo]
    parameters = torch.stack([torch.from_numpy(vector) for vector in vectors])
    return Base(architecture, arguments, file.network_hash, weights, parameters)


def _same(recorded: dict[str, Any], arguments: dict[str, Any]) -> bool:
    """Whether the arguments equal those in a model file; arguments missing in the file must be empty."""
    known = {name: value for name, value in arguments.items() if name in recorded or value}
    return json.dumps(known, sort_keys=True) == json.dumps(recorded, sort_keys=True)
