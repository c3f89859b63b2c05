"""Begin the fast network from the best one: its blocks are taken over, and the ends learn to paint as the best does.

python tools/begin_fast.py PICTURES PHOTOS OUTPUT [--minutes 8]

The light network's blocks are the residual network's; what leads from pixels to them and back is new. It learns from
pictures that the best network paints, in every style and the photo's own look. OUTPUT is a folder as `impasto train` of
several pictures makes it; `python tools/make_styles.py OUTPUT PICTURES/manifest.csv fast` puts it into the package, and
`impasto train PICTURES/*.jpg --generator light -o made ...` goes on from there, with the loss network.
"""

import argparse
import random
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from impasto.catalogue import shipped
from impasto.nn.generators import ConvNorm, Generator, build_generator
from impasto.train.base import load_base
from impasto.train.config import Recipe, TrainConfig
from impasto.train.data import CropPool, content_photos
from impasto.train.export import write_result

HELD_OUT = Path(__file__).parents[1] / "benchmarks" / "held_out.txt"
SIZE, BATCH, SQUARES = 256, 2, 1024
RATE = 3e-3
"""Of the ends; the blocks learn at a tenth of it, after the first third."""


def difference(picture: Tensor, wanted: Tensor) -> Tensor:
    """Of pixels, of their neighbours' differences, and of means over 8 pixels."""
    steps = [(picture.diff(dim=d) - wanted.diff(dim=d)).abs().mean() for d in (2, 3)]
    coarse = (F.avg_pool2d(picture, 8) - F.avg_pool2d(wanted, 8)).abs().mean()
    return 4 * (picture - wanted).abs().mean() + 2 * (steps[0] + steps[1]) + 4 * coarse


def begun(teacher: Generator, light: Generator) -> list[Tensor]:
    """Give ``light`` the blocks of ``teacher``, and the scales and shifts that come before them; these parameters."""
    theirs, ours = teacher.state_dict(), light.state_dict()
    blocks = {name: value for name, value in theirs.items() if name.startswith("blocks.")}
    norm = {f"first.norm.{name}": theirs[f"down.2.norm.{name}"] for name in ("weight", "bias")}
    light.load_state_dict(ours | blocks | norm)
    return [value for name, value in light.named_parameters() if name in blocks]


@torch.no_grad()
def enlarge(layers: list[ConvNorm], inner: list[Tensor]) -> None:
    """Make these layers' kernels as large as those of the blocks: normalisations follow, so that all stays the same.

    Muon's steps are of one length: beside them kernels that are ten times smaller would be gone within ten steps.
    """
    usual = torch.stack([kernel.square().mean().sqrt() for kernel in inner if kernel.ndim == 4]).mean()
    for layer in layers:
        convolution = layer.conv.conv
        factor = usual / convolution.weight.square().mean().sqrt()
        convolution.weight.mul_(factor)
        convolution.bias.mul_(factor)


def main() -> None:
    """Learn and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--minutes", type=float, default=8)
    options = parser.parse_args()
    torch.manual_seed(0)
    rng = random.Random(0)
    best, fast = Recipe(), Recipe(generator="light")
    base = load_base(best.generator, best.generator_arguments())
    assert base is not None
    styles = len(base.codes)
    teacher, light = (
        build_generator(recipe.generator, {**recipe.generator_arguments(), "styles": styles}) for recipe in (best, fast)
    )
    base.begin(teacher, base.codes)
    inner = begun(teacher, light)
    ends = [value for value in light.parameters() if not any(value is block for block in inner)]
    optimizer = torch.optim.Adam([{"params": ends}, {"params": inner}])
    entered: list[Tensor] = []  # what the teacher's blocks take, and ours
    hooks = []
    for network, layer in ((teacher, teacher.down[2]), (light, light.first)):
        hooks.append(layer.register_forward_hook(lambda _, taken, given: entered.append(given)))
        network.to(memory_format=torch.channels_last)
    paths, _ = content_photos(options.photos, HELD_OUT)
    pool = CropPool(paths, SQUARES, (SIZE, 5 * SIZE // 2), 0)

    start, step, shown = time.monotonic(), 0, 0.0
    while (passed := (time.monotonic() - start) / (60 * options.minutes)) < 1:
        rate = RATE * min(1, 2 - 2 * passed)
        for group, share in zip(optimizer.param_groups, (1.0, 0.1 if passed > 1 / 3 else 0.0), strict=True):
            group["lr"] = rate * share
        numbers = [rng.randrange(SQUARES) for _ in range(BATCH)]
        photos = torch.cat([pool.cut(number, SIZE) for number in numbers])
        style = teacher.choose([rng.randrange(styles) for _ in range(BATCH)])
        entered.clear()
        with torch.no_grad():
            wanted = teacher(photos, None, style)
        picture = light(photos, None, style)
        theirs, ours = entered
        loss = difference(picture, wanted) + 0.3 * (ours - theirs).square().mean() / theirs.square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        step += 1
        shown += 0.01 * (float(loss.detach()) - shown)
        if step % 100 == 0:
            print(f"step {step}: {shown / (1 - 0.99**step):.3f}", flush=True)

    for hook in hooks:  # else all that is painted from here on is kept
        hook.remove()
    enlarge([light.first, light.up], inner)
    config = TrainConfig(
        styles=tuple(options.pictures / f"{name}.jpg" for name in shipped()), output=options.output, recipe=fast
    )
    config.output.mkdir(parents=True, exist_ok=True)
    training = {"learnt": "to imitate the best network", "steps": step, "seconds": round(time.monotonic() - start, 1)}
    write_result(light.eval(), config, training, None, [pool.cut(number, SIZE) for number in range(16)])


if __name__ == "__main__":
    main()
