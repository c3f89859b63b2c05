"""Make pictures of painted clips: strips of frames, and an animation that shows another project's network too.

    python benchmarks/moving.py DATA strips FOLDER [--styles NAME ...] [--frames 150] [--fast]
    python benchmarks/moving.py DATA animation docs/images/video.webp

DATA contains `clips` and `peers`. A strip has every tenth frame of a clip: the clip, the painted clip, and the
difference of each from the frame before, amplified four times. The animation shows a clip, another project's network,
which paints each frame by itself, and `impasto video`.
"""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image
from quality import PEERS

import impasto
from impasto import Settings
from impasto.pictures.contact_sheet import contact_sheet
from impasto.video.clip import Part, Pixels
from impasto.video.reader import open_clip
from impasto.video.steady import Steady

STYLES = ("starry_night", "udnie", "great_wave")
CLIP, STYLE, BEGIN, FRAMES, RATE = "flower.mp4", "starry_night", 1.5, 24, 15
"""The content of the animation: a clip in the public domain, every other frame."""


def frames_of(clip: Path, part: Part) -> Iterator[Pixels]:
    with open_clip(clip, part) as opened:
        for frame in opened.frames():
            yield frame.pixels


def change(frame: Pixels, before: Pixels) -> Pixels:
    strong: Pixels = np.clip(4 * np.abs(frame.astype(int) - before), 0, 255).astype(np.uint8)
    return strong


def write_strips(options: argparse.Namespace) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    for clip in sorted((options.data / "clips").glob("*.mp4")):
        for style in options.styles:
            steady = Steady(impasto.load(style, variant="fast" if options.fast else "best"))
            rows, before = [], None
            for number, frame in enumerate(islice(frames_of(clip, Part(short_side=options.size)), options.frames)):
                painted = steady(frame)
                if before is not None and number % 10 == 0:
                    rows.append([frame, painted, change(frame, before[0]), change(painted, before[1])])
                before = frame, painted
            sheet = options.out / f"{clip.stem}_{style}.png"
            impasto.save_image(sheet, contact_sheet(rows, cell=options.cell))
            print(f"{sheet}: {steady.cuts} cuts")


def write_animation(options: argparse.Namespace) -> None:
    clip = options.data / "clips" / CLIP
    name, theirs = next(iter(PEERS[STYLE](options.data, clip).items()))
    steady, pages = Steady(impasto.load(STYLE)), []
    part = Part(start=BEGIN, short_side=options.size)
    for number, frame in enumerate(islice(frames_of(clip, part), 2 * FRAMES)):
        painted = steady(frame)
        if number % 2 == 0:
            row = [frame, theirs(frame, Settings(crisp=False)), painted]
            labels = ["clip", f"{name.partition(',')[0]}, frame by frame", "impasto video"]
            pages.append(Image.fromarray(contact_sheet([row], labels=labels, cell=options.cell)))
    pages[0].save(
        options.out, save_all=True, append_images=pages[1:], duration=1000 // RATE, loop=0, quality=50, method=6
    )
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("what", choices=("strips", "animation"))
    parser.add_argument("out", type=Path)
    parser.add_argument("--styles", nargs="+", default=STYLES)
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--size", type=int, default=300, help="short side of the frames, pixels")
    parser.add_argument("--cell", type=int, default=320, help="side of a picture on the sheet, pixels")
    parser.add_argument("--fast", action="store_true")
    options = parser.parse_args()
    if options.what == "strips":
        write_strips(options)
    else:
        write_animation(options)


if __name__ == "__main__":
    main()
