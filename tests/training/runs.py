"""Small runs, and what tests ask of them."""

import os
import signal
from dataclasses import replace

import torch

from impasto.nn.losses import Objective
from impasto.training.config import PRESETS, Recipe
from impasto.training.paths import run_folder

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


def weights(config):
    saved = torch.load(run_folder(config.output) / "checkpoint.pt", weights_only=True)
    return saved["run"]["generator"]


def assert_same_weights(one, other, **tolerance):
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], **(tolerance or {"atol": 0, "rtol": 0}), msg=name)


def stop_after(steps):
    """A progress callback that presses Ctrl-C after so many steps."""

    def report(progress):
        if progress.step == steps:
            os.kill(os.getpid(), signal.SIGINT)

    return report


FROM = {"nothing": "{}.onnx", "base": "{}.onnx", "base, style alone": "{}.safetensors"}


def beginning(config, start, name):
    """The same run under another name, from random weights or from the shared network."""
    recipe = config.recipe if start == "nothing" else FAST
    return replace(config, recipe=recipe, output=config.output.with_name(FROM[start].format(name)))


REAL = replace(SMALL, generator="light", arguments={})


FAST = replace(REAL, arguments=PRESETS["fast"].arguments)
