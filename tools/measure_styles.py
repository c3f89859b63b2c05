"""Measure every shipped style and write the results into its file, where `impasto styles --json` shows them.

python tools/measure_styles.py PICTURES PHOTOS [--variant best] [--styles NAME ...] [--photos 10] [--gatys]

All measures are computed on held-out photos at 512 px; the comparison with Gatys' optimization on one photo at 256 px.
Two processes of one thread (--threads 1), each for half of the styles, are faster than one process of two threads. The
photos are every fourth of the held-out ones; tools/make_styles.py uses none of them to weaken styles.
"""

import argparse
from dataclasses import asdict, fields, replace
from pathlib import Path

import torch

import impasto
from impasto.evaluation.artifacts import Artifacts, complaints
from impasto.evaluation.scores import QUALITY, equal_evaluations, evaluate
from impasto.models.catalog import VARIANTS, shipped, shipped_network
from impasto.models.stylefile import SUFFIX, write_style
from impasto.training.photos import content_photos

HELD_OUT = Path(__file__).parents[1] / "benchmarks" / "held_out.txt"
GATYS_SIZE = 256
FORMER = ("palette_error", "detail_error")
"""Measures that are no longer kept."""


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("photos_folder", type=Path)
    parser.add_argument("--variant", choices=VARIANTS, default="best")
    parser.add_argument("--styles", nargs="*", choices=[*shipped()], help="the styles to measure; default: all")
    parser.add_argument("--photos", type=int, default=10, help="10 at most")
    parser.add_argument("--gatys", action="store_true", help="also how many evaluations each equals: slow")
    parser.add_argument("--threads", type=int, help="number of threads; default: all cores")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    _, held_out = content_photos(options.photos_folder, HELD_OUT)
    photos = held_out[::4][: options.photos]
    header = ["style", *QUALITY, *(field.name for field in fields(Artifacts)), *["equals"] * options.gatys]
    print("|", " | ".join(header), "| words |")
    print("|---" * (len(header) + 1) + "|")
    for name in options.styles or shipped(options.variant):
        style = shipped(options.variant)[name]
        picture = options.pictures / f"{name}.jpg"
        stylizer = impasto.load(name, variant=options.variant, precision="float32", threads=options.threads)
        found = evaluate(stylizer, picture, photos)
        equal = equal_evaluations(stylizer, picture, photos[: int(options.gatys)], size=GATYS_SIZE)
        former = {key: value for key, value in style.info.training.items() if key not in FORMER}
        training = {**former, **found.record()}
        if options.gatys:
            training["equal_evaluations"] = [asdict(one) for one in equal]
        info = replace(style.info, training=training)
        write_style(shipped_network(options.variant).with_name(f"{name}{SUFFIX}"), replace(style, info=info))
        cells = [name, *(f"{getattr(found, key):.2f}" for key in QUALITY)]
        cells += [f"{value:.1f}" for value in asdict(found.artifacts).values()]
        cells += [f"{one.from_content}, {one.from_noise}" for one in equal]
        print("|", " | ".join([*cells, found.words]), "|", flush=True)
        for fault in complaints(found.artifacts):
            print(f"  {name}: {fault}", flush=True)


if __name__ == "__main__":
    main()
