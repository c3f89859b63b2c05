"""Claim 6, for comparison: the distances between Gatys' textures of one picture from different noise."""

from itertools import combinations
from typing import Any

from experiments.lab import Lab
from experiments.samples import GATYS_APART, gatys_textures
from impasto.nn.lpips import Lpips
from impasto.nn.tensors import to_tensor


def measure(lab: Lab) -> dict[str, Any]:
    distance = Lpips(lab.network)
    textures = [to_tensor(result.picture) for result in gatys_textures(lab)]
    return {GATYS_APART: [float(distance(one, other)) for one, other in combinations(textures, 2)]}
