"""Gram matrices of a style, stored without its picture."""

import torch
from safetensors.torch import load_file
from torch import Tensor

from impasto.errors import UsageError
from impasto.files import training_data
from impasto.nn.losses import Objective, PerceptualLoss
from impasto.nn.vgg import VGGFeatures

STATISTICS = "statistics"
"""The folder of the training data with the statistics of the shipped styles' pictures."""


class StyleStatistics:
    """The Gram matrices of a style by layer, G = F F^T, stored as the factors F, float32 (C, rank)."""

    def __init__(self, factors: dict[str, Tensor]) -> None:
        self.factors = factors

    @classmethod
    def of(cls, loss: PerceptualLoss, rank: int | None = None) -> "StyleStatistics":
        """The statistics of the first style of ``loss``, with the ``rank`` largest eigenvalues per matrix, or all."""
        assert loss.objective.style_statistic == "gram"
        factors = {}
        for layer, gram in loss.style_targets.items():
            values, vectors = torch.linalg.eigh(gram[0, 0].double())
            factors[layer] = (vectors[:, -(rank or 0) :] * values[-(rank or 0) :].clamp_min(0).sqrt()).float()
        return cls(factors)

    def loss(self, network: VGGFeatures, objective: Objective) -> PerceptualLoss:
        """An objective against this style; its style layers must be among those of the statistics.

        Raises:
            UsageError: if the objective compares more than Gram matrices: another statistic, or the style's pixels.
        """
        if objective.style_statistic != "gram" or objective.needs_picture:
            what = "terms of the pixels" if objective.style_statistic == "gram" else objective.style_statistic
            raise UsageError(f"the stored statistics are Gram matrices: {what} cannot be compared with them")
        grams = {layer: (x @ x.T)[None, None].to(network.mean.device) for layer, x in self.factors.items()}
        return PerceptualLoss(network, objective, targets=grams)


def styles_with_statistics() -> set[str]:
    """The names of the shipped styles whose picture's statistics are in the training data."""
    return {path.stem for path in training_data(STATISTICS).iterdir()}


def shipped_statistics(name: str) -> StyleStatistics:
    """The statistics of a shipped style's picture; ``name`` is one of :func:`styles_with_statistics`."""
    factors = load_file(training_data(f"{STATISTICS}/{name}.safetensors"))
    return StyleStatistics({layer: factor.float() for layer, factor in factors.items()})
