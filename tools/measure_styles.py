"""Measure every shipped style and write what was found into its file, where `impasto styles --json` shows it.

python tools/measure_styles.py PICTURES PHOTOS [--variant best] [--styles NAME ...] [--photos 10] [--gatys]

By the yardstick and for artefacts on held-out photos at 512 px; against Gatys' optimisation on one of them at 256 px.
Two processes of one thread (--threads 1), each for half of the styles, are quicker than one of two. Photos are
every fourth of the held-out ones, of which none is one by which tools/make_styles.py weakened styles.
"""

import argparse
from dataclasses import asdict, fields, replace
from pathlib import Path

import torch

import impasto
from impasto.evaluation.artefacts import Artefacts, complaints
from impasto.evaluation.scores import equal_evaluations, evaluate
from impasto.models.catalogue import VARIANTS, shipped, shipped_network
from impasto.models.stylefile import SUFFIX, write_style
from impasto.training.photos import content_photos

HELD_OUT = Path(__file__).parents[1] / "benchmarks" / "held_out.txt"
GATYS_SIZE = 256


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("photos_folder", type=Path)
    parser.add_argument("--variant", choices=VARIANTS, default="best")
    parser.add_argument("--styles", nargs="*", choices=[*shipped()], help="which to measure; all when absent")
    parser.add_argument("--photos", type=int, default=10, help="10 at most")
    parser.add_argument("--gatys", action="store_true", help="also how many evaluations each equals: slow")
    parser.add_argument("--threads", type=int, help="of the processor; all when absent")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    _, held_out = content_photos(options.photos_folder, HELD_OUT)
    photos = held_out[::4][: options.photos]
    faults = [field.name for field in fields(Artefacts)]
    header = ["style", "content", "style", "objective", *faults, *["equals"] * options.gatys]
    print("|", " | ".join(header), "|")
    print("|---" * len(header) + "|")
    for name in options.styles or shipped(options.variant):
        style = shipped(options.variant)[name]
        picture = options.pictures / f"{name}.jpg"
        stylizer = impasto.load(name, variant=options.variant, precision="float32", threads=options.threads)
        found = evaluate(stylizer, picture, photos)
        equal = equal_evaluations(stylizer, picture, photos[: int(options.gatys)], size=GATYS_SIZE)
        artefacts = {key: round(value, 2) for key, value in asdict(found.artefacts).items()}
        terms = {"content": found.content_error, "style": found.style_error, "objective": found.objective}
        training = {
            **style.info.training,
            "objective": {key: round(value, 4) for key, value in terms.items()},
            "artefacts": artefacts,
        }
        if options.gatys:
            training["equal_evaluations"] = [asdict(one) for one in equal]
        info = replace(style.info, training=training)
        write_style(shipped_network(options.variant).with_name(f"{name}{SUFFIX}"), replace(style, info=info))
        yardstick = [*(f"{x:.3f}" for x in terms.values())]
        cells = [name, *yardstick, *(f"{x:.1f}" for x in artefacts.values())]
        print("|", " | ".join([*cells, *(f"{one.from_content}, {one.from_noise}" for one in equal)]), "|", flush=True)
        for fault in complaints(found.artefacts):
            print(f"  {name}: {fault}", flush=True)


if __name__ == "__main__":
    main()
