"""Make the best network from the fast one, with more channels that do not change its output at first.

python tools/widen.py PICTURES PHOTOS OUTPUT [--width 128]

The weights from new to old channels are 0, so the output does not change. A new channel starts with the kernel of an
old one, rotated by 90 degrees, so that it has useful features from the start. OUTPUT is a folder as `impasto train` of
several pictures makes it; `python tools/make_styles.py OUTPUT PICTURES best PHOTOS` puts it into the
package, and `impasto train PICTURES/*.jpg -o made ...` goes on from there.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from impasto.models.catalog import shipped
from impasto.nn.generator import Generator
from impasto.nn.generators import build_generator
from impasto.training.base import load_base
from impasto.training.config import PRESETS, TrainConfig
from impasto.training.crops import CropPool
from impasto.training.export import write_result
from impasto.training.photos import content_photos

HELD_OUT = Path(__file__).parents[1] / "benchmarks" / "held_out.txt"
SIZE, SQUARES = 256, 16


def widened(old: Tensor, size: torch.Size) -> Tensor:
    """``old``, a kernel (out, in, height, width), bias or scale (..., channels), in a tensor of this size.

    New outputs repeat the old ones with kernels rotated by 90 degrees (180 the next time);
    the weights of new inputs are 0.
    """
    new = torch.zeros(size)
    if old.ndim == 4:
        for number in range(size[0]):
            turns, taken = divmod(number, len(old))
            new[number, : old.shape[1]] = old[taken].rot90(turns, dims=(1, 2))
        return new
    copied = [number % old.shape[-1] for number in range(size[-1])]
    return old[..., copied].clone()


def widen(narrow: Generator, wide: Generator) -> None:
    """Give ``wide`` the weights of ``narrow``, an equal network of fewer channels: it paints the same."""
    sizes = {name: x.shape for name, x in wide.state_dict().items()}
    wide.load_state_dict({name: widened(x, sizes[name]) for name, x in narrow.state_dict().items()})


def main() -> None:
    """Widen and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--width", type=int, default=128)
    options = parser.parse_args()
    fast = PRESETS["fast"]
    if options.width <= fast.arguments["width"]:
        parser.error(f"width must be more than the fast network's {fast.arguments['width']}")
    best = replace(fast, arguments={"width": options.width})
    base = load_base(fast.generator, fast.generator_arguments())
    assert base is not None
    styles = len(base.style_parameters)
    narrow, wide = (
        build_generator("light", {**recipe.generator_arguments(), "styles": styles}).eval() for recipe in (fast, best)
    )
    base.load_into(narrow, base.style_parameters)
    widen(narrow, wide)
    paths, _ = content_photos(options.photos, HELD_OUT)
    pool = CropPool(paths, SQUARES, (SIZE, 2 * SIZE), 0)
    photos = [pool.cut(number, SIZE) for number in range(SQUARES)]
    with torch.no_grad():
        style = wide.style_weights([0])
        changed = float((wide(photos[0], None, style) - narrow(photos[0], None, style)).abs().max())
    print(f"width {options.width}: pixels differ by {255 * changed:.3f} of 255 at most")
    config = TrainConfig(
        styles=tuple(options.pictures / f"{name}.jpg" for name in shipped("fast")), output=options.output, recipe=best
    )
    options.output.mkdir(parents=True, exist_ok=True)
    write_result(wide, config, {"learned": "nothing yet: the fast network, widened", "steps": 0}, None, photos)


if __name__ == "__main__":
    main()
