"""Compare the time of a training step with that of its necessary arithmetic, and measure the memory of a run.

    python benchmarks/step_cost.py STYLE [--steps 40]

After every step of a real run, the same process times the loss network's forward and backward pass and the generator's
on a picture of the same size, alternating (A B A B). The content features of a crop are computed when it is first used,
and then cached; steps with a new crop are listed separately. Memory is the peak of a separate process that only trains.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from impasto.nn.generators import build_generator
from impasto.nn.losses import Objective, PerceptualLoss
from impasto.nn.weights import load_loss_network
from impasto.training.config import Recipe, TrainConfig
from impasto.training.progress import Progress
from impasto.training.trainer import train

POOL = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("style", type=Path)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--memory-only", action="store_true", help="train, and print this process's peak memory in MB")
    options = parser.parse_args()
    if options.memory_only:
        run(options.style, 16, lambda _: None)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return

    least = least_cost()
    steps: list[float] = []
    floors: list[float] = []
    resumed = [0.0]

    def after_a_step(_: object) -> None:
        steps.append(time.perf_counter() - resumed[0])
        floors.append(least())
        resumed[0] = time.perf_counter()

    run(options.style, options.steps, after_a_step)
    new, kept = slice(2, POOL), slice(POOL, None)  # the first two warm up
    floor = statistics.median(floors[2:])
    print(f"loss network and generator, forward and backward: {floor:.3f} s (median of {len(floors[2:])})")
    for name, part in (("squares seen before", kept), ("new squares", new)):
        ratios = [a / b for a, b in zip(steps[part], floors[part], strict=True)]
        print(f"step on {name}: {statistics.median(steps[part]):.3f} s, {statistics.median(ratios):.3f} x")
    command = [sys.executable, __file__, str(options.style), "--memory-only"]
    memory = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    print(f"peak memory of a run: {float(memory):.0f} MB")


def run(style: Path, steps: int, report: Callable[[Progress], None]) -> None:
    recipe = Recipe(first_crop=256, crop=256, pool=POOL)
    with tempfile.TemporaryDirectory() as folder:
        config = TrainConfig(styles=(style,), output=Path(folder) / "m.onnx", recipe=recipe, minutes=None, steps=steps)
        train(config, progress=report)


def least_cost() -> Callable[[], float]:
    network, _ = load_loss_network()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's annotations
    loss = PerceptualLoss(network, Objective(tv_weight=1.0), torch.rand(1, 3, 512, 512))
    generator = build_generator(Recipe().generator, Recipe().generator_arguments())
    photo = torch.rand(1, 3, 256, 256)
    target = loss.content_target(photo)

    def once() -> float:
        begun = time.perf_counter()
        loss(generator(photo), target).total.mean().backward()
        seconds = time.perf_counter() - begun
        generator.zero_grad(set_to_none=True)
        return seconds

    return once


if __name__ == "__main__":
    main()
