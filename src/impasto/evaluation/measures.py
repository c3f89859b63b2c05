"""Measures the distance to a style and the loss of the photo's form, from features of a VGG network.

docs/measures.md has the definitions. Distances are relative to the unstyled photo: 1 is the photo's own distance from
the style, 0 is no distance.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.nn.vgg import VGGFeatures

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
SCALES = (1, 2, 4)
"""Factors by which the picture is downscaled for comparison."""
BROAD = tuple(product((2, 4), ("relu4_1", "relu5_1")))
"""Scales and layers at which large strokes and shapes are compared."""
FINE = tuple(product((1,), ("relu1_1", "relu2_1", "relu3_1")))
"""Scales and layers at which contrast, edges and grain are compared."""
FORM_LAYER = "relu4_1"
POSITIONS = 1000
"""Largest number of positions whose similarities are compared."""
LEAST_SIDE = 16
"""Smallest side of a downscaled picture, pixels: relu5_1 has no features of a smaller one."""

Place = tuple[int, str]
"""A scale and a layer."""


@dataclass(frozen=True)
class Gaussian:
    """Mean and covariance of feature vectors, in float64.

    Attributes:
        mean: (C,).
        covariance: (C, C).
        vectors: where there are fewer positions N than channels, the centered vectors by sqrt(N), (C, N).
    """

    mean: Tensor
    covariance: Tensor
    vectors: Tensor | None = None

    @classmethod
    def of(cls, features: Tensor) -> "Gaussian":
        """The mean and covariance of the vectors at all positions of (1, C, H, W)."""
        vectors = features[0].flatten(1)
        mean = vectors.mean(dim=1, dtype=torch.float64)
        covariance = mean.new_zeros(len(mean), len(mean))
        for part in torch.split(vectors, 2**16, dim=1):
            centered = part.double() - mean[:, None]
            covariance += centered @ centered.T
        count = vectors.shape[1]
        few = (vectors.double() - mean[:, None]) / count**0.5 if count < len(mean) else None
        return cls(mean, covariance / count, few)

    def root(self) -> Tensor:
        """A matrix F with F F^T the covariance: its symmetric square root, (C, C), or the vectors, (C, N), if fewer."""
        if self.vectors is not None:
            return self.vectors
        values, vectors = torch.linalg.eigh(self.covariance)
        root: Tensor = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
        return root


def wasserstein(one: Gaussian, other: Gaussian, root: Tensor | None = None) -> float:
    """The squared Wasserstein-2 distance of two normal distributions.

    |m - n|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2); ``root`` is A's where it is known. With any F for which A = F F^T,
    F^T B F has the eigenvalues of A^1/2 B A^1/2 that are not zero.
    """
    root = one.root() if root is None else root
    shared = torch.linalg.eigvalsh(root.T @ other.covariance @ root).clamp_min(0).sqrt().sum()
    spread = one.covariance.trace() + other.covariance.trace() - 2 * shared
    return float((one.mean - other.mean).square().sum() + spread.clamp_min(0))


@dataclass(frozen=True)
class Reference:
    """The values of a photo with which its painted picture is compared.

    Attributes:
        distances: the photo's distance from the style, by scale and layer.
        positions: indices of the positions that are compared, (N,).
        similarity: :func:`self_similarity` of the photo at these positions, (N, N).
        shuffled: :func:`difference` between the similarity and that of the randomly permuted positions.
    """

    distances: dict[Place, float]
    positions: Tensor
    similarity: Tensor
    shuffled: float


@dataclass(frozen=True)
class StyleScores:
    """The distance of a picture from the style, and the loss of the photo's form.

    style_distance: mean over layers and scales; 0 for the style, 1 for the unstyled photo.
    broad: the distance at large scales and deep layers: large strokes and shapes.
    fine: the distance at full size and shallow layers: contrast, edges and grain.
    form: 0 for the photo's form, 1 for a random permutation of its positions.
    """

    style_distance: float
    broad: float
    fine: float
    form: float


class StyleMeasure:
    """Compares pictures with one style picture.

    Args:
        style: the style picture, (1, 3, H, W) in [0, 1], at the size of the pictures to compare.
        network: the VGG network.
    """

    def __init__(self, style: Tensor, network: VGGFeatures) -> None:
        self.network = network
        self.style = {place: Gaussian.of(features) for place, features in self._features(style).items()}
        self.roots = {place: gaussian.root() for place, gaussian in self.style.items()}

    def reference(self, photo: Tensor, full: dict[str, Tensor] | None = None) -> Reference:
        """The reference for pictures painted from ``photo``, (1, 3, H, W) in [0, 1].

        ``full`` are its features at (at least) :data:`LAYERS`, if they are known.
        """
        features = self._features(photo, full)
        count = features[1, FORM_LAYER][0, 0].numel()
        order = torch.from_numpy(np.random.default_rng(0).permutation(count)).to(photo.device)
        positions = order[:POSITIONS]
        similarity = self_similarity(features[1, FORM_LAYER], positions)
        exchange = torch.from_numpy(np.random.default_rng(1).permutation(len(positions))).to(photo.device)
        shuffled = difference(similarity, self_similarity(features[1, FORM_LAYER], positions[exchange]))
        return Reference(self._distances(features), positions, similarity, shuffled)

    def compare(self, picture: Tensor, reference: Reference, full: dict[str, Tensor] | None = None) -> StyleScores:
        """The scores of a picture, (1, 3, H, W) in [0, 1], of the photo's size; ``full`` as in :meth:`reference`."""
        features = self._features(picture, full)
        found = self._distances(features)
        shares = {place: found[place] / max(reference.distances[place], 1e-12) for place in found}
        similarity = self_similarity(features[1, FORM_LAYER], reference.positions)
        return StyleScores(
            style_distance=_mean(shares, list(shares)),
            broad=_mean(shares, BROAD),
            fine=_mean(shares, FINE),
            form=difference(reference.similarity, similarity) / max(reference.shuffled, 1e-12),
        )

    @torch.no_grad()
    def _features(self, image: Tensor, full: dict[str, Tensor] | None = None) -> dict[Place, Tensor]:
        """The features at all scales and layers; ``full`` are those at full size."""
        found = {}
        for scale in SCALES:
            if scale > 1 and min(image.shape[2:]) / scale < LEAST_SIDE:
                continue
            if scale == 1:
                features = full or self.network(image, LAYERS)
            else:
                features = self.network(_smaller(image, scale), LAYERS)
            found.update({(scale, layer): features[layer] for layer in LAYERS})
        return found

    def _distances(self, features: dict[Place, Tensor]) -> dict[Place, float]:
        return {
            place: wasserstein(self.style[place], Gaussian.of(x), self.roots[place])
            for place, x in features.items()
            if place in self.style
        }


def self_similarity(features: Tensor, positions: Tensor) -> Tensor:
    """Cosine distances between the vectors at some positions, each column divided by its sum (STROTSS), (N, N)."""
    vectors = F.normalize(features[0].flatten(1)[:, positions].double(), dim=0)
    distances = (1 - vectors.T @ vectors).clamp_min(0)
    return distances / distances.sum(dim=0, keepdim=True).clamp_min(1e-12)


def difference(one: Tensor, other: Tensor) -> float:
    """The difference of two similarities, (N, N): mean over columns of the sums of absolute differences, 0 to 2."""
    return float((one - other).abs().sum(dim=0).mean())


def _smaller(image: Tensor, scale: int) -> Tensor:
    size = [max(1, round(side / scale)) for side in image.shape[2:]]
    return F.interpolate(image, size, mode="bilinear", antialias=True, align_corners=False)


def _mean(shares: dict[Place, float], places: "tuple[Place, ...] | list[Place]") -> float:
    known = [shares[place] for place in places if place in shares]
    return sum(known) / len(known) if known else float("nan")
