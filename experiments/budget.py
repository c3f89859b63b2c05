"""The budgets of the experiments, and the networks that they compare."""

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Budget:
    """Numbers of steps, photos, seeds and so on; equal for all arms of a comparison."""

    name: str
    steps: int
    """Training steps of each network."""
    short: int
    """Training steps for claims that need many networks: few_photos and samples."""
    batch: int
    crop: int
    """Side of the training crops, pixels."""
    seeds: tuple[int, ...]
    marks: tuple[int, ...]
    """Steps at which networks are evaluated on held-out photos; both numbers of steps are among them."""
    held_out: int
    """Number of held-out photos."""
    held_out_size: int
    """Short side of the held-out photos and of the style picture, pixels."""
    photos: tuple[int, ...]
    """Sizes of the training sets that few_photos compares."""
    evaluations: int
    """Largest number of evaluations of L-BFGS."""
    gatys: tuple[tuple[int, int, int], ...]
    """The full runs of Gatys' optimization: short side in pixels, photos, evaluations."""
    gatys_photos: int
    """Number of photos for comparisons with results of Gatys' optimization."""
    samples: int
    """Noise samples per photo."""
    recipe_pictures: int
    """Crops on which each published recipe is trained: its number of steps is this divided by its batch size."""


QUICK = Budget(
    name="quick",
    steps=12,
    short=6,
    batch=2,
    crop=64,
    seeds=(0, 1),
    marks=(0, 6, 12),
    held_out=2,
    held_out_size=96,
    photos=(1, 8),
    evaluations=10,
    gatys=((64, 1, 10), (96, 1, 6)),
    gatys_photos=1,
    samples=2,
    recipe_pictures=32,
)
FULL = Budget(
    name="full",
    steps=800,
    short=300,
    batch=4,
    crop=96,
    seeds=(0, 1, 2),
    marks=(0, 10, 25, 50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 800),
    held_out=4,
    held_out_size=256,
    photos=(1, 4, 16, 64, 256, 1000),
    evaluations=100,
    gatys=((256, 3, 100), (512, 2, 40), (1024, 1, 25)),
    gatys_photos=3,
    samples=4,
    recipe_pictures=160,
)


@dataclass(frozen=True)
class Arm:
    """One network to train: everything in which it differs from the others."""

    generator: str
    norm: str
    seed: int
    photos: int | None = None
    """Number of training photos, drawn by the seed; None for all."""
    content_weight: float = 1.0
    standardize: bool = False
    """For the texture network: whether photos are first scaled to unit contrast, and so to the range of the noise."""
    gray: bool = False
    """Whether every photo is replaced by plain gray: for a network with noise this is texture synthesis."""
    short: bool = False
    """Whether it is trained for the shorter time of the budget."""
    steady: bool = False
    """Whether the learning rate is constant instead of falling to 0."""

    def arguments(self) -> dict[str, Any]:
        """The generator's arguments. Nothing but the fields of this class differs between arms."""
        # By default the texture network standardizes photos, which would remove the contrast that is to be tested
        # before any normalization. The bound and the limit of the residual network suit instance normalization only.
        # Both are off here; width, padding and upsampling are the defaults.
        plain: dict[str, dict[str, Any]] = {
            "texture": {"standardize": self.standardize},
            "residual": {"bound": 0.0, "limit": 0.0, "negative_slope": 0.0},
        }
        return {"norm": self.norm, **plain.get(self.generator, {})}

    def key(self) -> dict[str, Any]:
        """The key of a kept network: only what differs from the defaults, so that new fields leave keys valid."""
        differing = [field.name for field in fields(self) if getattr(self, field.name) != field.default]
        return {name: getattr(self, name) for name in differing} | self.arguments()

    def seen(self, photo: Tensor) -> Tensor:
        """The input of the network for this photo."""
        return torch.full_like(photo, 0.5) if self.gray else photo
