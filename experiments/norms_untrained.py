"""Claim 1, for comparison: the objective's terms for pictures that no network made."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from experiments.lab import Lab
from experiments.page import mean


def measure(lab: Lab) -> dict[str, Any]:
    def terms(*makers: Callable[[Tensor, int], Tensor]) -> list[float]:
        """Means over the held-out photos, and over the pictures that are made for each."""
        found = [
            lab.terms(make(photo, number), number)
            for make in makers
            for number, photo in enumerate(lab.held_out_tensors)
        ]
        return [mean(column) for column in zip(*found, strict=True)]

    def other(step: int) -> Callable[[Tensor, int], Tensor]:
        """The photo ``step`` places further on, scaled to the size of this one."""
        return lambda photo, number: interpolate(
            lab.held_out_tensors[(number + step) % len(lab.held_out)],
            photo.shape[2:],
            mode="bilinear",
            antialias=True,
        )

    return {
        "untrained": {
            "the photo itself": terms(lambda photo, _: photo),
            "plain gray": terms(lambda photo, _: torch.full_like(photo, 0.5)),
            "another photo": terms(*(other(step) for step in range(1, len(lab.held_out)))),
        }
    }
