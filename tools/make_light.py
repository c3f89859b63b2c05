"""Teach a light network to paint what the package's network paints, in all of its styles at once.

python tools/make_light.py made/light --data DATA --minutes 20 --finish 10 --set width=64 --set blocks=3

For the first part the teacher shows what a square is to look like: a step costs two small networks and no loss
network, some ten in the time of one of `impasto train`. A fifth of these steps are mixtures of two styles. Then, for
--finish minutes, the loss network judges, as in any training. What comes out is a folder: network.onnx and a file
for each style, measured on held-out photos. DATA has `content/open` and `styles`.
"""

import argparse
import time
from ast import literal_eval
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from impasto.catalogue import shipped, shipped_network
from impasto.image import load_image, resize_short_side
from impasto.modelfile import read_info
from impasto.nn.generators import Generator, build_generator
from impasto.nn.losses import PHOTO, PerceptualLoss
from impasto.train.base import load_base
from impasto.train.config import Recipe, TrainConfig
from impasto.train.data import ContentTargets, CropPool, content_photos, draw_styles, to_tensor
from impasto.train.export import write_result
from impasto.train.judge import Judge
from impasto.train.machine import content_terms
from impasto.train.run import Run, channels_last
from impasto.train.weights import load_loss_network

CPU = torch.device("cpu")
SEED = 0
SQUARE = 192
"""Side of the squares that are painted after the teacher, pixels."""
MIXED = 0.2
"""Share of the steps in which two styles are mixed."""
HELD_OUT = Path("benchmarks/held_out.txt")


def teacher() -> Generator:
    """The package's network with all of its styles, and last the photo's own look."""
    info = read_info(shipped_network())
    base = load_base(info.architecture, dict(info.arguments))
    assert base is not None
    generator = build_generator(info.architecture, {**info.arguments, "styles": len(base.codes)})
    base.begin(generator, base.codes)
    channels_last(generator)
    return generator.eval().requires_grad_(False)


def mixture(step: int, styles: int) -> Tensor:
    """The styles of a step: one, in its turn, or two in random shares, (1, styles)."""
    rng = np.random.default_rng([SEED, 6, step])
    shares = np.zeros((1, styles), np.float32)
    shares[0, step % styles] = 1.0
    if rng.random() < MIXED:
        share = np.float32(rng.random())
        shares *= share
        shares[0, rng.integers(styles)] += 1 - share
    return torch.from_numpy(shares)


def difference(painted: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute difference of pixels, and of neighbours' differences: strokes count as much as colours."""
    wrong = painted - wanted
    return wrong.abs().mean() + wrong.diff(dim=2).abs().mean() + wrong.diff(dim=3).abs().mean()


def imitate(run: Run, pool: CropPool, seconds: float) -> None:
    """Learn from the teacher for so long."""
    shows, styles = teacher(), run.generator.styles
    begun, step = time.monotonic(), 0
    said = begun
    while (fraction := (time.monotonic() - begun) / seconds) < 1:
        run.set_rates(fraction)
        photo = pool.cut(pool.index(step), SQUARE).contiguous(memory_format=torch.channels_last)
        style = mixture(step, styles)
        wanted = photo if style[0, -1] == 1 else shows(photo, None, style)
        for optimizer, _ in run.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss = difference(run.generator(photo, None, style), wanted)
        loss.backward()
        for optimizer, _ in run.optimizers:
            optimizer.step()
        step += 1
        run.state.content += 0.01 * (float(loss.detach()) - run.state.content)
        if time.monotonic() - said > 30:
            said = time.monotonic()
            off = f"{255 * run.state.content:.1f} levels"
            print(f"imitating: step {step}, {step / (said - begun):.1f} a second, off by {off}", flush=True)


def finish(run: Run, pool: CropPool, loss: PerceptualLoss, seconds: float) -> None:
    """Learn from the loss network for so long, as `impasto train` does."""
    targets, styles = ContentTargets(loss, pool, CPU), run.generator.styles - 1
    begun = said = time.monotonic()
    while (fraction := (time.monotonic() - begun) / seconds) < 1:
        run.set_rates(fraction)
        items = range(run.state.step, run.state.step + 1)
        which = draw_styles(items, styles, SEED)
        size = run.recipe.first_crop if fraction < run.recipe.grow_at else run.recipe.crop
        photo, target = targets.get([pool.index(items[0])], size)
        painted = run.generator(photo, None, run.generator.choose(which))
        terms = loss(painted, target, run.style_weight(1.0, which), which)
        for optimizer, _ in run.optimizers:
            optimizer.zero_grad(set_to_none=True)
        terms.total.mean().backward()
        for optimizer, _ in run.optimizers:
            optimizer.step()
        run.balance(which, content_terms(terms, 1))
        run.state.step += 1
        if PHOTO not in which:
            run.state.content += 0.02 * (float(terms.content) - run.state.content)
            run.state.style += 0.02 * (float(terms.style) - run.state.style)
        if time.monotonic() - said > 30:
            said = time.monotonic()
            state = run.state
            print(f"finishing: step {state.step}, content {state.content:.3f}, style {state.style:.3f}", flush=True)


def main() -> None:
    """Make it, and say how it goes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20.0, help="of imitation")
    parser.add_argument("--finish", type=float, default=10.0, help="minutes with the loss network")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="arguments of the network")
    parser.add_argument("--style-weight", type=float, default=8.0)
    parser.add_argument("--content-ceiling", type=float, default=1.05)
    options = parser.parse_args()
    arguments = {name: literal_eval(value) for name, _, value in (text.partition("=") for text in options.set)}
    recipe = Recipe(generator="light", start="nothing", arguments=arguments, pool=512)
    recipe = replace(
        recipe,
        content_ceiling=options.content_ceiling,
        objective=replace(recipe.objective, style_weight=options.style_weight),
    )
    pictures = [options.data / "styles" / f"{name}.jpg" for name in shipped()]
    learning, judges = content_photos(options.data / "content" / "open", HELD_OUT)
    torch.manual_seed(SEED)
    run = Run(recipe, len(pictures), SEED, CPU, style_only=False)
    channels_last(run.generator)
    run.generator.train()
    pool = CropPool(learning, recipe.pool, (recipe.photo_from, recipe.photo_to), SEED)
    imitate(run, pool, 60 * options.minutes)
    network, record = load_loss_network()
    channels_last(network)
    looks = [resize_short_side(load_image(path), recipe.style_size) for path in pictures]
    judge = Judge(network, looks, judges, CPU)
    print("after imitation", judge.yardstick(run.generator), flush=True)
    if options.finish:
        loss = PerceptualLoss(network, recipe.objective, *(to_tensor(look) for look in looks))
        finish(run, pool, loss, 60 * options.finish)
    measured = {name: round(value, 4) for name, value in judge.yardstick(run.generator).items()}
    print("finished", measured, flush=True)
    config = TrainConfig(styles=tuple(pictures), output=options.out, recipe=recipe, minutes=options.minutes)
    options.out.mkdir(parents=True, exist_ok=True)
    training = {
        "preset": "light, after the package's network",
        "minutes": options.minutes + options.finish,
        "steps": run.state.step,
        "loss_network": record,
        "objective": measured,
    }
    write_result(run.generator, config, training, None)


if __name__ == "__main__":
    main()
