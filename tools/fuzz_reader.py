"""Feed damaged picture files of every format to the reader: no crash, no hang, no hunger, one line for each refusal.

    python tools/fuzz_reader.py --count 20000

Each file is read in a process of its own kind, which may take 1 GB more than it has at its start and 5 seconds a
file. What goes wrong is kept in --keep, and the exit code is 1.
"""

import argparse
import io
import multiprocessing
import resource
import signal
import sys
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from PIL import Image

from impasto.errors import ImageError
from impasto.pictures.picture import Picture
from impasto.pictures.read import decode_picture
from impasto.pictures.write import encode_picture

SECONDS = 5
MEMORY = 1 << 30


def seeds() -> dict[str, bytes]:
    """Sound files, of every format and several modes, by name."""
    rng = np.random.default_rng(0)
    smooth = np.asarray(Image.fromarray(rng.integers(0, 256, (9, 13, 3), np.uint8)).resize((83, 57)))
    alpha = smooth[..., 0]
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Camera"
    files = {}
    image = Image.fromarray(smooth)

    def add(name: str, kind: str, image: Image.Image, **options: object) -> None:
        file = io.BytesIO()
        image.save(file, format=kind, **options)
        files[name] = file.getvalue()

    import pillow_heif

    pillow_heif.register_heif_opener()
    profile = Image.open(io.BytesIO(encode_picture(Picture(smooth), ".png"))).info["icc_profile"]
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"):
        add(kind, kind, image, exif=exif.tobytes(), icc_profile=profile)
    for kind in ("BMP", "GIF", "PPM", "JPEG2000"):
        add(kind, kind, image)
    add("JPEG progressive", "JPEG", image, progressive=True)
    add("JPEG CMYK", "JPEG", image.convert("CMYK"))
    add("PNG palette", "PNG", image.quantize(64), transparency=3)
    add("PNG interlaced grey", "PNG", image.convert("L"))
    add("TIFF LZW", "TIFF", image, compression="tiff_lzw")
    add("TIFF bilevel", "TIFF", image.convert("1"), compression="group4")
    add("TIFF CMYK", "TIFF", image.convert("CMYK"))
    add("GIF animated", "GIF", image, save_all=True, append_images=[image.rotate(90), image.rotate(180)])
    add("WEBP lossless", "WEBP", image, lossless=True)
    transparent = image.copy()
    transparent.putalpha(Image.fromarray(alpha))
    for kind in ("PNG", "WEBP", "TIFF", "AVIF"):
        add(f"{kind} alpha", kind, transparent)
    deep = smooth.astype(np.uint16) * 251
    for suffix in (".png", ".tif"):
        files[f"16 bits {suffix}"] = encode_picture(Picture(deep, deep[..., 1]), suffix)
    return files


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """The file with a few bytes changed, cut out, repeated or cut off."""
    spoilt = bytearray(data)
    near_start = rng.random() < 0.5  # headers are where it hurts
    for _ in range(int(rng.choice([1, 1, 2, 4, 16]))):
        reach = min(len(spoilt), 200) if near_start else len(spoilt)
        at = int(rng.integers(0, max(1, reach)))
        match int(rng.integers(0, 7)):
            case 0 | 1 | 2:
                spoilt[at : at + 1] = rng.integers(0, 256, 1, np.uint8).tobytes()
            case 3:
                spoilt[at : at + 4] = [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"][int(rng.integers(0, 3))]
            case 4:
                del spoilt[at : at + int(rng.integers(1, 64))]
            case 5:
                spoilt[at:at] = spoilt[at : at + int(rng.integers(1, 256))]
            case _:
                del spoilt[max(1, at) :]
        if not spoilt:
            break
    return bytes(spoilt)


def case(number: int, files: dict[str, bytes]) -> tuple[str, bytes]:
    """The name of the file that is spoilt, and the spoilt file: a function of the number alone."""
    rng = np.random.default_rng(number)
    name = sorted(files)[number % len(files)]
    return name, mutated(files[name], rng)


def work(numbers: range, files: dict[str, bytes], reports: Connection) -> None:
    """Read the files of these numbers; say before each which it is, and after it what came of it."""
    Image.init()
    for data in files.values():
        decode_picture(data, "it", depth="own")  # all libraries are loaded and have their threads
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    for number in numbers:
        reports.send((number, None, 0.0))
        _, data = case(number, files)
        begun = time.perf_counter()
        signal.alarm(SECONDS + 1)
        try:
            picture = decode_picture(data, "it", depth="own")
            sound = picture.pixels.ndim == 3 and picture.pixels.size > 0
            outcome = "read" if sound else "read as nothing"
        except ImageError as refusal:
            text = str(refusal)
            # libheif calls what it refuses to begin with a memory error, too.
            hungry = "memory" in text.lower() and "Security limit" not in text
            outcome = text if hungry or "\n" in text else "refused"
        except BaseException as bug:
            outcome = f"{type(bug).__name__}: {bug}"
        signal.alarm(0)
        reports.send((number, outcome, time.perf_counter() - begun))


def main() -> int:
    """Run it, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20000, help="files to read")
    parser.add_argument("--start", type=int, default=0, help="number of the first")
    parser.add_argument("--keep", type=Path, default=Path("runs/fuzz"), help="folder for the files that went wrong")
    arguments = parser.parse_args()
    files = seeds()
    context = multiprocessing.get_context("spawn")
    outcomes: Counter[str] = Counter()
    slowest, wrong = 0.0, []
    at, end = arguments.start, arguments.start + arguments.count
    while at < end:
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=work, args=(range(at, end), files, theirs))
        child.start()
        theirs.close()
        under_way = None
        try:
            while True:
                number, outcome, seconds = ours.recv()
                under_way = number if outcome is None else None
                if outcome is None:
                    continue
                at = number + 1
                slowest = max(slowest, seconds)
                outcomes[outcome if outcome in ("read", "refused") else "wrong"] += 1
                if outcome not in ("read", "refused") or seconds > SECONDS:
                    wrong.append((number, outcome, seconds))
        except EOFError:
            child.join()
        if under_way is not None:
            outcomes["wrong"] += 1
            wrong.append((under_way, f"the process ended with {child.exitcode}", float(SECONDS)))
            at = under_way + 1
        elif child.exitcode and at < end:
            print(f"the reading process did not begin: exit code {child.exitcode}")
            return 1
    print(f"{arguments.count} files of {len(files)} kinds: {dict(outcomes)}, the slowest {slowest:.2f} s")
    for number, outcome, seconds in wrong:
        name, data = case(number, files)
        arguments.keep.mkdir(parents=True, exist_ok=True)
        (arguments.keep / str(number)).write_bytes(data)
        print(f"{arguments.keep / str(number)} ({name}, {seconds:.1f} s): {outcome}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
