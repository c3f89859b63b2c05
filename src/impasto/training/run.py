"""What a run is made of, and how it is kept: generator, optimisers, state, checkpoint."""

import copy
import hashlib
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from impasto.errors import TrainingError
from impasto.files import replacing
from impasto.models.catalogue import NETWORK
from impasto.models.stylefile import SUFFIX
from impasto.nn.generator import Generator
from impasto.nn.generators import build_generator
from impasto.training.base import Base
from impasto.training.config import Recipe, TrainConfig
from impasto.training.data import draw_looks
from impasto.training.muon import Muon

SETTLING_STEPS = 50
"""Before so many steps no rise of the loss counts as an explosion."""


LEAST_SHARE = 0.2
"""However much of the photo a style costs, it keeps this share of its weight."""


@dataclass
class State:
    """What changes as a run goes on, besides weights and optimisers."""

    step: int = 0
    seconds: float = 0.0
    rate: float = 1.0  # lowered by every rollback
    rollbacks: int = 0
    content: float = 0.0  # running means of the terms, over some 10 steps,
    style: float = 0.0
    usual: float = 0.0  # and of the objective, over some 100: far above it, the run has exploded
    gradient: float = 0.0  # running mean of the gradient's length, over some 20 steps
    contents: list[float] = field(default_factory=list)  # of each style, running means of its content term
    shares: list[float] = field(default_factory=list)  # and of the full style weight, what it is allowed


class Run:
    """The generator, its optimisers and state: all that a checkpoint keeps.

    Attributes:
        from_base: whether the generator began with the package's trained weights.

    Args:
        recipe: what to make.
        styles: how many styles the generator learns; several share all but their scales and shifts. With other scales
            and shifts, its last, it learns to give the photo back, where the recipe says so or there are several.
        seed: of the first weights.
        device: where it lives.
        style_only: whether scales and shifts alone learn.
    """

    def __init__(self, recipe: Recipe, styles: int, seed: int, device: torch.device, *, style_only: bool) -> None:
        torch.manual_seed(seed)
        self.recipe = recipe
        self.styles = styles
        rows = styles + (styles > 1 or (recipe.learns_photo and not style_only))
        self.generator = build_generator(recipe.generator, {**recipe.generator_arguments(), "styles": rows}).to(device)
        self.from_base = False
        self.optimizers: list[tuple[torch.optim.Optimizer, float]] = []
        codes = [x for norm in self.generator.conditional_norms() for x in (norm.weight, norm.bias)]
        if style_only:
            self.generator.requires_grad_(False)
            for code in codes:
                code.requires_grad_(True)
        else:
            inner, rest = _split_parameters(self.generator, use_muon=recipe.muon_rate > 0)
            if inner:
                self.optimizers.append((Muon(inner, recipe.muon_rate), recipe.muon_rate))
            self.optimizers.append((torch.optim.Adam(rest, recipe.adam_rate), recipe.adam_rate))
        if codes:
            self.optimizers.append((torch.optim.Adam(codes, recipe.style_rate), recipe.style_rate))
        ceiling = recipe.content_ceiling
        self.state = State(contents=[ceiling] * styles, shares=[1.0] * styles)

    def begin_with(self, base: Base, style_parameters: Tensor) -> None:
        """Start from a trained network, with these styles of it."""
        base.begin(self.generator, torch.cat([style_parameters, base.style_parameters[-1:]])[: self.generator.styles])
        self.from_base = True

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on exactly; tensors are the live ones."""
        return {
            "generator": self.generator.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer, _ in self.optimizers],
            "state": asdict(self.state),
            "from_base": self.from_base,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Continue from a saved state."""
        self.generator.load_state_dict(saved["generator"])
        for (optimizer, _), state in zip(self.optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(copy.deepcopy(state))
        self.state = State(**copy.deepcopy(saved["state"]))
        self.from_base = saved["from_base"]

    def set_rates(self, fraction: float) -> None:
        """Set the learning rates for this point of the run."""
        recipe = self.recipe
        factor = self.state.rate
        if recipe.decay:
            factor *= min(1.0, (1.0 - fraction) / recipe.decay)
        if recipe.decay_every:
            factor *= 0.8 ** (self.state.step // recipe.decay_every)
        # One style begins with the code of another: before the network is bent to it, its own is found.
        codes_only = self.from_base and self.styles == 1 and fraction < recipe.style_first
        for optimizer, rate in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = 0.0 if codes_only and optimizer is not self.optimizers[-1][0] else rate * factor

    def style_weight(self, fraction: float, which: Sequence[int], strength: Tensor) -> Tensor:
        """The weight of each of these styles, in these strengths, (N,), at this point, (N,).

        All rise while a network from nothing first learns to keep the photo. A style that costs too much of the photo
        is allowed a share of its weight; the less of its strength, the less it costs, and the less is held down.
        """
        ramp = 0.0 if self.from_base else self.recipe.ramp
        risen = min(1.0, 0.05 + 0.95 * fraction / ramp) if ramp else 1.0
        shares = torch.tensor([self.state.shares[number] for number in which])
        return self.recipe.objective.style_weight * risen * (strength * shares + 1 - strength)

    def looks(self, items: range, seed: int) -> tuple[list[int], Tensor]:
        """The style and the strength that each of these places of the run is painted in, see :func:`draw_looks`.

        Where the recipe asks for no photos and there are several styles, which have strengths, photos come as often as
        a style does. Raw terms are so far apart that half-way between the photo's and a style's all is the photo's.
        """
        if self.generator.styles == self.styles:
            return draw_looks(items, self.styles, seed)
        photo_every = self.recipe.photo_every or self.styles + 1
        balanced = self.recipe.objective.scaling == "balanced"
        return draw_looks(items, self.styles, seed, photo_every, between=balanced)

    def balance(self, which: Sequence[int], strength: Tensor, content: Sequence[float]) -> None:
        """Lower the weight of styles that cost more of the photo than they may; raise it again where there is room.

        Args:
            which: the styles of a step's pictures.
            strength: their strengths, (N,); less than the full one says nothing.
            content: their content terms.
        """
        ceiling = self.recipe.content_ceiling
        if not ceiling:
            return
        contents, shares = self.state.contents, self.state.shares
        full = [(style, term) for style, term, part in zip(which, content, strength, strict=True) if part == 1]
        for number in {style for style, _ in full}:
            of_style = [term for style, term in full if style == number]
            contents[number] += 0.05 * (sum(of_style) / len(of_style) - contents[number])
            share = shares[number] * math.exp(0.05 * (ceiling - contents[number]))
            shares[number] = min(1.0, max(LEAST_SHARE, share))

    def cut_gradients(self) -> None:
        """Shorten a gradient that is much longer than usual.

        Of one odd square it may be three hundred times as long (one channel hardly varies, and it is to come out
        as the photo), and both optimisers remember it: the style error of a run from the base doubled,
        for some thirty steps.
        """
        if not self.recipe.longest_gradient:
            return
        usual = self.state.gradient
        longest = self.recipe.longest_gradient * usual if usual else math.inf
        length = float(torch.nn.utils.clip_grad_norm_(self.generator.parameters(), longest))
        self.state.gradient = usual + 0.05 * (min(length, longest) - usual) if usual else length

    def exploded(self, content: float, style: float) -> bool:
        """Take in a step's terms; True if the run must go back: not finite, or lastingly at twice the usual.

        One odd photo does not count: ten times the usual, once, doubles the running mean at the most.
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
        """The objective of these terms, at the full style weight and without total variation."""
        return self.recipe.objective.content_weight * content + self.recipe.objective.style_weight * style


def run_folder(output: Path) -> Path:
    """Where the run that makes ``output`` keeps its files: a model, a style, or a folder of several styles."""
    if not output.suffix:
        return output / "run"
    return output.with_suffix(".run" if output.suffix == ".onnx" else f"{output.suffix}.run")


def results_of(config: TrainConfig) -> list[Path]:
    """The files that a run makes: a model or a style; of several pictures the network, and each one's style."""
    if len(config.styles) == 1:
        return [config.output]
    return [config.output / NETWORK, *(config.output / f"{path.stem}{SUFFIX}" for path in config.styles)]


def config_json(config: TrainConfig) -> str:
    """The configuration as JSON, keys sorted: what config.json and the checkpoint hold."""
    plain = asdict(config)
    plain["recipe"]["arguments"] = dict(config.recipe.arguments)
    return json.dumps(plain, sort_keys=True, indent=1, default=str)


def identity_of(
    config: TrainConfig, style_sha256: str, photos: list[Path], network: str, loss_network: str
) -> dict[str, str]:
    """What makes a run this one and no other; a checkpoint keeps it, and resuming compares it.

    ``network`` and ``loss_network`` are the SHA-256 of the one a style alone is learnt on, and of the loss network's.
    """
    names = "\n".join(sorted(path.name for path in photos))
    return {
        "config": config_json(config),
        "style": style_sha256,
        "content": hashlib.sha256(names.encode(errors="surrogateescape")).hexdigest(),
        "network": network,
        "loss network": loss_network,
    }


def write_checkpoint(path: Path, identity: dict[str, str], run: Run, *, finished: bool) -> None:
    """Write everything needed to go on, whole or not at all."""
    content = io.BytesIO()  # torch reports a full disk in ways of its own
    torch.save({"format": 4, **identity, "finished": finished, "run": run.state_dict()}, content)
    with replacing(path, TrainingError) as part:
        part.write_bytes(content.getvalue())


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What `write_checkpoint` wrote; no code of the file's is run.

    Raises:
        TrainingError: if it is damaged, no checkpoint, or of an unknown format.
    """
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if saved["format"] != 4:
            raise TrainingError(f"{path}: a checkpoint of format {saved['format']}; this Impasto knows 4: --restart")
    except TrainingError:
        raise
    except Exception as error:
        raise TrainingError(f"{path}: not a checkpoint, or damaged: add --restart to begin anew") from error
    return saved


def check_same(identity: dict[str, str], saved: dict[str, Any], path: Path) -> None:
    """Raise TrainingError if the run saved at ``path`` is not this one, its budget and places apart."""
    free = {"minutes", "steps", "output", "styles", "content", "held_out", "threads", "loss_network"}
    old, new = json.loads(saved["config"]), json.loads(identity["config"])
    changed = sorted(name for name in new if name not in free and old.get(name) != new[name])
    changed += [name for name in ("style", "content", "network", "loss network") if saved[name] != identity[name]]
    if changed:
        raise TrainingError(f"{path}: another run, it differs in {', '.join(changed)}: give the same, or --restart")


def channels_last(module: nn.Module) -> None:
    """Lay the weights out by pixel rather than by channel: convolutions are fastest so."""
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's annotations


def _split_parameters(generator: Generator, *, use_muon: bool) -> tuple[list[Tensor], list[Tensor]]:
    """Kernels of convolutions that a normalisation or another layer follows, for Muon; and the rest but for styles.

    The last kernel makes the pixels: how large it is matters there, which an orthogonal step would not respect.
    """
    inner: list[Tensor] = []
    rest: list[Tensor] = []
    codes = {id(x) for norm in generator.conditional_norms() for x in (norm.weight, norm.bias)}
    for name, parameter in generator.named_parameters():
        if id(parameter) in codes:
            continue
        mixes_channels = parameter.ndim == 4 and parameter.shape[1] > 1
        kernel = mixes_channels and not name.startswith("last.")
        (inner if kernel and use_muon else rest).append(parameter)
    return inner, rest
