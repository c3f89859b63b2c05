"""Muon, an optimizer with orthogonalized momentum (Jordan et al. 2024), for convolution kernels."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


def orthogonalize(matrix: Tensor, steps: int = 5) -> Tensor:
    """Approximately the nearest semi-orthogonal matrix, (R, C) -> float32 (R, C): singular values about 0.7 to 1.2.

    Quintic Newton-Schulz iteration with the coefficients of Jordan's reference implementation, which prefers speed to
    accuracy. All factors are polynomials of X X^T, a small matrix if X is wide, so X itself is multiplied only once, at
    the end; this takes a third of the time.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.float()
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    product = x @ x.T
    identity = torch.eye(len(product), device=x.device)
    factor = identity
    for _ in range(steps):
        polynomial = a * identity + b * product + c * product @ product
        factor = polynomial @ factor
        product = polynomial @ product @ polynomial
    x = factor @ x
    result: Tensor = x.T if tall else x
    return result


class Muon(torch.optim.Optimizer):
    """Steps along the orthogonalized Nesterov momentum of each kernel, reshaped to a matrix (out, in * k * k).

    torch.optim.Muon accepts matrices only; this is the same update for tensors of two or more dimensions. The step does
    not depend on the gradient's norm: each singular value is ``lr`` times the square root of max(1, rows / columns).

    Args:
        parameters: tensors of two or more dimensions.
        lr: learning rate.
        momentum: of the gradient's running mean.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float = 0.02, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update all parameters that have a gradient. ``closure`` is ignored."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                momentum = state["momentum"]
                momentum.lerp_(parameter.grad, 1 - group["momentum"])
                ahead = parameter.grad.lerp(momentum, group["momentum"])
                update = orthogonalize(ahead.reshape(ahead.shape[0], -1))
                scale = max(1.0, update.shape[0] / update.shape[1]) ** 0.5
                parameter.add_(update.reshape(parameter.shape), alpha=-group["lr"] * scale)
