"""Small runs, and what tests ask of them."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace

import torch

from impasto.nn.losses import Objective
from impasto.training.config import PRESETS, Recipe, TrainConfig
from impasto.training.paths import run_folder
from impasto.training.progress import Progress

Weights = dict[str, torch.Tensor]

SMALL = Recipe(
    generator="residual",
    arguments={"width": 4, "blocks": 1},
    objective=Objective(tv_weight=0.5),
    style_size=64,
    crop=48,
    first_crop=32,
    photo_from=48,
    photo_to=80,
    pool=6,
    jitter=4,
    decay=0.5,
)


def weights(config: TrainConfig) -> dict[str, torch.Tensor]:
    saved = torch.load(run_folder(config.output) / "checkpoint.pt", weights_only=True)
    found: dict[str, torch.Tensor] = saved["run"]["generator"]
    return found


def assert_same_weights(one: Weights, other: Weights, atol: float = 0, rtol: float = 0) -> None:
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], atol=atol, rtol=rtol, msg=name)


def stop_after(steps: int) -> Callable[[Progress], None]:
    """A progress callback that presses Ctrl-C after so many steps."""

    def report(progress: Progress) -> None:
        if progress.step == steps:
            os.kill(os.getpid(), signal.SIGINT)

    return report


FROM = {"nothing": "{}.onnx", "base": "{}.onnx", "base, style alone": "{}.safetensors"}


def beginning(config: TrainConfig, start: str, name: str) -> TrainConfig:
    """The same run under another name, from random weights or from the shared network."""
    recipe = config.recipe if start == "nothing" else FAST
    return replace(config, recipe=recipe, output=config.output.with_name(FROM[start].format(name)))


REAL = replace(SMALL, generator="light", arguments=PRESETS["impasto"].arguments)


FAST = replace(REAL, arguments=PRESETS["fast"].arguments)
