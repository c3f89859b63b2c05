import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import impasto
from impasto.nn.losses import PAINTERLY
from impasto.training.paths import run_folder
from impasto.training.trainer import train
from tests.training.runs import SMALL


def gradients(config):
    """Each parameter's gradient in the first step, from the optimizers' momenta: (1 - beta) times it."""
    saved = torch.load(run_folder(config.output) / "checkpoint.pt", weights_only=True)
    muon, *adams = (optimizer["state"] for optimizer in saved["run"]["optimizers"])
    return [s["momentum"] / 0.05 for s in muon.values()] + [s["exp_avg"] / 0.1 for adam in adams for s in adam.values()]


def test_two_processes_equal_one_on_the_same_batch(config, tmp_path):
    """Instance norm sees each picture alone, so sharing a batch changes nothing but the order of sums.

    Gradients are compared, not weights: both optimizers blow up rounding errors where a gradient is nearly zero. And
    the photos are noise: in smooth ones the loss network's max-pooling meets ties that rounding decides.
    """
    noisy = tmp_path / "noisy"
    noisy.mkdir()
    for seed in range(4):
        pixels = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        impasto.save_image(noisy / f"{seed}.png", pixels)
    objective = replace(PAINTERLY, style_weight=4.0, tv_weight=0.5)
    recipe = replace(SMALL, objective=objective, batch=2, photo_every=2, jitter=4)
    straight = replace(config, content=noisy, recipe=recipe, steps=1)
    train(straight)
    shared = replace(straight, output=tmp_path / "shared.onnx")
    flags = {"content": noisy, "loss-network": config.loss_network, "output": shared.output, "threads": 1, "steps": 1}
    flags |= {
        "style-weight": 4,
        "tv-weight": 0.5,
        "jitter": 4,
        "style-size": 64,
        "crop": 48,
        "first-crop": 32,
        "photo-from": 48,
        "photo-every": 2,
        "generator": "residual",
    }
    flags |= {"photo-to": 80, "pool": 6, "batch": 2, "set.width": 4, "set.blocks": 1, "precision": "float32"}
    words = [str(word) for name, value in flags.items() for word in (f"--{name}", value)]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", "-m", "impasto"]
    command = [*launch, "train", str(config.styles[0]), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("learned after 1 steps") == 1  # one of them speaks
    one, two = gradients(straight), gradients(shared)
    scale = max(g.abs().max() for g in one)
    assert scale > 1e-3
    for a, b in zip(one, two, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5 * float(scale), rtol=1e-4)
    objectives = [
        json.loads((run_folder(c.output) / "log.jsonl").read_text().splitlines()[0])["objective"]
        for c in (straight, shared)
    ]
    assert objectives[0] == pytest.approx(objectives[1], abs=1e-3)
    assert shared.output.exists()
