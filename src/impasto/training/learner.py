"""The learner: a generator, its optimizers, and the state of the run. A checkpoint contains all of it."""

import copy
import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from impasto.nn.generator import Generator
from impasto.nn.generators import build_generator
from impasto.training.base import Base
from impasto.training.config import Recipe
from impasto.training.draws import draw_styles
from impasto.training.environment import seeded
from impasto.training.muon import Muon

SETTLING_STEPS = 50
"""Number of first steps in which a rise of the loss does not count as an explosion."""


@dataclass
class State:
    """The state of a run, apart from weights and optimizer states."""

    step: int = 0
    seconds: float = 0.0
    rate: float = 1.0  # factor of the learning rates, halved by every rollback
    rollbacks: int = 0
    content: float = 0.0  # running means of the terms over about 10 steps,
    style: float = 0.0
    usual: float = 0.0  # and of the objective over about 100, which an explosion is measured against
    gradient: float = 0.0  # running mean of the gradient's norm over about 20 steps


class Learner:
    """A generator and its optimizers.

    Args:
        recipe: hyper-parameters.
        styles: number of styles to learn. They share all weights but the scales and shifts of the normalizations. With
            a further style, its last, the generator learns to reproduce the photo, if the recipe says so or there are
            several styles.
        seed: seed of the initial weights.
        device: the generator's device.
        style_only: train only the scales and shifts.

    Attributes:
        from_base: whether the generator started with the weights of a shared network.
    """

    def __init__(self, recipe: Recipe, styles: int, seed: int, device: torch.device, *, style_only: bool) -> None:
        self.recipe = recipe
        self.styles = styles
        rows = styles + (styles > 1 or (recipe.learns_photo and not style_only))
        with seeded(seed):
            generator = build_generator(recipe.generator, {**recipe.generator_arguments(), "styles": rows})
        self.generator = generator.to(device)
        self.from_base = False
        self.optimizers: list[tuple[torch.optim.Optimizer, float]] = []
        scales_and_shifts = [x for norm in self.generator.conditional_norms() for x in (norm.weight, norm.bias)]
        if style_only:
            self.generator.requires_grad_(False)
            for parameter in scales_and_shifts:
                parameter.requires_grad_(True)
        else:
            inner, rest = _split_parameters(self.generator, use_muon=recipe.muon_rate > 0)
            if inner:
                self.optimizers.append((Muon(inner, recipe.muon_rate), recipe.muon_rate))
            self.optimizers.append((torch.optim.Adam(rest, recipe.adam_rate), recipe.adam_rate))
        if scales_and_shifts:
            self.optimizers.append((torch.optim.Adam(scales_and_shifts, recipe.style_rate), recipe.style_rate))
        self.state = State()

    def start_from(self, base: Base, style_parameters: Tensor) -> None:
        """Copy the weights of a shared network and these style parameters, (styles, numbers)."""
        base.load_into(self.generator, torch.cat([style_parameters, base.photo[None]])[: self.generator.styles])
        self.from_base = True

    def state_dict(self) -> dict[str, Any]:
        """The state from which a run can be resumed exactly. The tensors are not copies."""
        return {
            "generator": self.generator.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer, _ in self.optimizers],
            "state": asdict(self.state),
            "from_base": self.from_base,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Continue from a saved state, which is copied."""
        self.generator.load_state_dict(saved["generator"])
        for (optimizer, _), state in zip(self.optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(copy.deepcopy(state))
        self.state = State(**copy.deepcopy(saved["state"]))
        self.from_base = saved["from_base"]

    def set_rates(self, fraction: float) -> None:
        """Set the learning rates for this fraction, 0 to 1, of the run."""
        recipe = self.recipe
        factor = self.state.rate
        if recipe.decay:
            factor *= min(1.0, (1.0 - fraction) / recipe.decay)
        if recipe.decay_every:
            factor *= 0.8 ** (self.state.step // recipe.decay_every)
        # A single style starts with the parameters of another style, which are adapted before the other weights.
        style_first = self.from_base and self.styles == 1 and fraction < recipe.style_first
        for optimizer, rate in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = 0.0 if style_first and optimizer is not self.optimizers[-1][0] else rate * factor

    def style_weight(self, fraction: float) -> float:
        """The style weight at this fraction of the run.

        With random initial weights it rises from a small value, so that the network first learns to keep the photo.
        """
        ramp = 0.0 if self.from_base else self.recipe.ramp
        return self.recipe.objective.style_weight * (min(1.0, 0.05 + 0.95 * fraction / ramp) if ramp else 1.0)

    def draw_styles(self, items: range, seed: int) -> tuple[list[int], Tensor]:
        """The style and the strength of each item, see :func:`impasto.training.draws.draw_styles`.

        With several styles, the photo is drawn as often as each style, unless the recipe sets ``photo_every``.
        Strengths between 0 and 1 are only drawn with balanced terms: raw style terms and
        :func:`impasto.nn.pixel_terms.reconstruction_error` differ so much in scale that any mixture of them would give
        the photo.
        """
        if self.generator.styles == self.styles:
            return draw_styles(items, self.styles, seed)
        photo_every = self.recipe.photo_every or self.styles + 1
        balanced = self.recipe.objective.scaling == "balanced"
        return draw_styles(items, self.styles, seed, photo_every, between=balanced)

    def clip_gradients(self) -> None:
        """Scale down a gradient whose norm is more than ``longest_gradient`` times its running mean.

        The gradient of a single unusual crop can be three hundred times as long, for example if a channel is almost
        constant in a picture of strength 0. Both optimizers accumulate it: in a run from the shared network, the style
        error doubled for about thirty steps.
        """
        if not self.recipe.longest_gradient:
            return
        usual = self.state.gradient
        longest = self.recipe.longest_gradient * usual if usual else math.inf
        length = float(torch.nn.utils.clip_grad_norm_(self.generator.parameters(), longest))
        self.state.gradient = usual + 0.05 * (min(length, longest) - usual) if usual else length

    def exploded(self, content: float, style: float) -> bool:
        """Add a step's terms to the running means; True if they are not finite or the objective has exploded.

        It has exploded if its mean over about 10 steps is more than twice its mean over about 100. A single unusual
        photo does not trigger this: one step at ten times the usual objective at most doubles the shorter mean.
        """
        state = self.state
        if not math.isfinite(content + style):
            return True
        if state.step == 0:
            state.content, state.style, state.usual = 0.0, 0.0, 0.0
        soon, late = (max(share, 1 / (state.step + 1)) for share in (0.1, 0.01))
        state.content += soon * (content - state.content)
        state.style += soon * (style - state.style)
        state.usual += late * (self.objective(content, style) - state.usual)
        return state.step > SETTLING_STEPS and self.objective(state.content, state.style) > 2.0 * state.usual

    def objective(self, content: float, style: float) -> float:
        """The weighted sum of the content and style term, at the full style weight."""
        return self.recipe.objective.content_weight * content + self.recipe.objective.style_weight * style


def _split_parameters(generator: Generator, *, use_muon: bool) -> tuple[list[Tensor], list[Tensor]]:
    """The generator's weights without scales and shifts: the convolution kernels for Muon, and the rest for Adam.

    Adam trains the last kernel, because it outputs the pixels and orthogonalized steps ignore their scale. All other
    kernels are followed by a normalization or another layer.
    """
    inner: list[Tensor] = []
    rest: list[Tensor] = []
    scales_and_shifts = {id(x) for norm in generator.conditional_norms() for x in (norm.weight, norm.bias)}
    for name, parameter in generator.named_parameters():
        if id(parameter) in scales_and_shifts:
            continue
        mixes_channels = parameter.ndim == 4 and parameter.shape[1] > 1
        kernel = mixes_channels and not name.startswith("last.")
        (inner if kernel and use_muon else rest).append(parameter)
    return inner, rest
