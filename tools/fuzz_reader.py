"""Read damaged picture files of every format, and write the pictures that can be read.

    python tools/fuzz_reader.py --count 20000

Each file must be read, or refused with an ImageError of one line, and a picture that is read must be writable with its
metadata. Crashes, hangs and excessive memory are failures: the files are read in another process, which may use 1 GB
more than at its start (where the operating system can limit it) and 5 seconds per file. Files that fail are kept in
--keep, and the exit code is 1.
"""

import argparse
import io
import multiprocessing
import sys
import time
import warnings
from collections import Counter
from importlib.util import find_spec
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin, TiffImagePlugin

from impasto.errors import ImageError
from impasto.pictures import png
from impasto.pictures.decode import decode_picture
from impasto.pictures.metadata import Metadata, photoshop_segment
from impasto.pictures.picture import Picture
from impasto.pictures.plugins import silence_decoders
from impasto.pictures.write import encode_picture

SECONDS = 5
MEMORY = 1 << 30
_XMP = (
    b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
    b"<rdf:Description rdf:about='' xmlns:dc='http://purl.org/dc/elements/1.1/' dc:rights='me'/></rdf:RDF></x:xmpmeta>"
)
_IPTC = b"\x1c\x02\x05\x00\x05Title\x1c\x02\x74\x00\x03(c)"
_WRITTEN = (".jpg", ".png", ".tif", ".webp", ".avif")


def seeds() -> dict[str, bytes]:
    """Intact files of every format and several modes, by name."""
    rng = np.random.default_rng(0)
    smooth = np.asarray(Image.fromarray(rng.integers(0, 256, (9, 13, 3), np.uint8)).resize((83, 57)))
    deep = smooth.astype(np.uint16) * 251
    files: dict[str, bytes] = {}
    image = Image.fromarray(smooth)
    transparent = image.copy()
    transparent.putalpha(Image.fromarray(smooth[..., 0]))

    def add(name: str, kind: str, image: Image.Image, **options: Any) -> None:
        file = io.BytesIO()
        image.save(file, format=kind, **options)
        files[name] = file.getvalue()

    if find_spec("pillow_heif"):
        import pillow_heif

        pillow_heif.register_heif_opener()
    profile = Image.open(io.BytesIO(encode_picture(Picture(smooth), ".png"))).info["icc_profile"]
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x8298] = 6, "Camera", "Me"
    exif[0x011A] = exif[0x011B] = 300.0
    exif.get_ifd(0x8769).update({0x8827: 400, 0x829A: TiffImagePlugin.IFDRational(1, 250), 0x9286: b"ASCII\0\0\0hello"})
    exif.get_ifd(0x8825).update({1: "N", 2: (1.0, 2.0, 3.0)})
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", *(["HEIF"] if find_spec("pillow_heif") else [])):
        add(kind, kind, image, exif=exif.tobytes(), icc_profile=profile)
    for kind in ("BMP", "GIF", "PPM", "JPEG2000"):
        add(kind, kind, image)
    segment = photoshop_segment(_IPTC)
    app13 = b"\xff\xed" + (len(segment) + 2).to_bytes(2) + segment
    add("JPEG with all metadata", "JPEG", image, xmp=_XMP, comment=b"a comment", dpi=(300, 300), extra=app13)
    add("JPEG progressive", "JPEG", image, progressive=True)
    add("JPEG with restart markers", "JPEG", image, restart_marker_blocks=2)
    add("JPEG CMYK", "JPEG", image.convert("CMYK"))
    files["JPEG without its end"] = files["JPEG"][:-2]
    add("MPO", "MPO", image, save_all=True, append_images=[image.rotate(90)])
    add("PNG palette", "PNG", image.quantize(64), transparency=3)
    add("PNG gray", "PNG", image.convert("L"))
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", "a title", zip=True)
    text.add_itxt("Copyright", "ü")
    add("PNG with text", "PNG", image, pnginfo=text, dpi=(300, 300))
    add("TIFF LZW", "TIFF", image, compression="tiff_lzw")
    add("TIFF bilevel", "TIFF", image.convert("1"), compression="group4")
    add("TIFF CMYK", "TIFF", image.convert("CMYK"))
    add("GIF animated", "GIF", image, save_all=True, append_images=[image.rotate(90), image.rotate(180)])
    add("WEBP lossless", "WEBP", image, lossless=True)
    for kind in ("PNG", "WEBP", "TIFF", "AVIF"):
        add(f"{kind} alpha", kind, transparent)
    add("JPEG2000 gray of 16 bits", "JPEG2000", Image.fromarray(deep[..., 1]))
    metadata = Metadata(exif=exif.tobytes(), xmp=_XMP, iptc=_IPTC, dpi=(300, 300), comment="a comment")
    for suffix in (".png", ".tif"):
        files[f"16 bits {suffix}"] = encode_picture(Picture(deep, deep[..., 1], metadata), suffix)
    files["PNG PQ"] = png.with_chunks(files["16 bits .png"], [(b"cICP", bytes([9, 16, 0, 1]))])
    space = [(b"gAMA", (100_000).to_bytes(4)), (b"cHRM", b"".join(x.to_bytes(4) for x in range(15000, 55000, 5000)))]
    files["PNG with a gamma"] = png.with_chunks(files["PNG gray"], space)
    if find_spec("pillow_jxl"):
        files["JPEG XL"] = encode_picture(Picture(smooth, metadata=metadata), ".jxl")
    return files


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """The file with a few bytes changed, deleted, repeated or cut off."""
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
    if rng.random() < 0.3:
        spoilt = bytearray(with_right_checksums(bytes(spoilt)))
    return bytes(spoilt)


def with_right_checksums(data: bytes) -> bytes:
    """A PNG whose checksums are right, so that damage in its chunks reaches the decoder; other files as they are."""
    if not data.startswith(png.SIGNATURE):
        return data
    file = bytearray(data)
    for chunk in png.chunks(data):
        end = chunk.start + 8 + len(chunk.data)
        if end + 4 <= len(file):
            file[end : end + 4] = png.checksum(chunk.kind, chunk.data)
    return bytes(file)


def case(number: int, files: dict[str, bytes]) -> tuple[str, bytes]:
    """The name of the file that is damaged, and the damaged file: a function of the number alone."""
    rng = np.random.default_rng(number)
    name = sorted(files)[number % len(files)]
    return name, mutated(files[name], rng)


def outcome_of(data: bytes, number: int) -> str:
    """The outcome of reading one file: "read", "refused" or what went wrong."""
    try:
        picture = decode_picture(data, "it", depth="own")
    except ImageError as refusal:
        text = str(refusal)
        # libheif reports its own limits as memory errors.
        hungry = "memory" in text.lower() and "Security limit" not in text
        return text if hungry or "\n" in text else "refused"
    except BaseException as bug:
        return f"{type(bug).__name__}: {bug}"
    if picture.pixels.ndim != 3 or picture.pixels.size == 0 or any("\n" in note for note in picture.notes):
        return "read as nothing"
    if picture.pixels.shape[0] * picture.pixels.shape[1] > 100_000:
        return "read"
    try:
        suffix = _WRITTEN[number % len(_WRITTEN)]
        again = decode_picture(encode_picture(picture, f"it{suffix}"), "it", depth="own")
    except BaseException as bug:
        return f"written as {suffix}: {type(bug).__name__}: {bug}"
    return "read" if again.pixels.shape == picture.pixels.shape else "written in another size"


def limit_memory() -> None:
    """Limit this process to `MEMORY` more than it has, where the operating system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    pages = Path("/proc/self/statm")
    if pages.exists():
        most = int(pages.read_text(encoding="ascii").split()[0]) * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def work(numbers: range, files: dict[str, bytes], reports: Connection) -> None:
    """Read the files of these numbers; report each before and after it is read."""
    silence_decoders()
    warnings.simplefilter("ignore")
    for number, data in enumerate(files.values()):  # loads all libraries with their threads
        if (outcome := outcome_of(data, number)) != "read":
            raise SystemExit(f"an intact file: {outcome}")
    limit_memory()
    for number in numbers:
        reports.send((number, None, 0.0))
        begun = time.perf_counter()
        outcome = outcome_of(case(number, files)[1], number)
        reports.send((number, outcome, time.perf_counter() - begun))


class Fuzzing:
    """A series of damaged files, and what came of them."""

    def __init__(self, first: int, count: int, files: dict[str, bytes]) -> None:
        self.files = files
        self.next, self.end = first, first + count
        self.outcomes: Counter[str] = Counter()
        self.slowest = 0.0
        self.wrong: list[tuple[int, str, float]] = []

    def run(self) -> None:
        """Read all files; a process that dies or hangs is replaced."""
        context = multiprocessing.get_context("spawn")
        while self.next < self.end:
            ours, theirs = context.Pipe(duplex=False)
            child = context.Process(target=work, args=(range(self.next, self.end), self.files, theirs))
            child.start()
            theirs.close()
            begun = self._follow(ours, child)
            child.join()
            if begun is None and child.exitcode and self.next < self.end:
                raise SystemExit(f"the reading process did not begin: exit code {child.exitcode}")

    def _follow(self, reports: Connection, child: BaseProcess) -> int | None:
        """Collect the reports of one process until it ends; the number of the file that it was reading, if it died."""
        number = None
        try:
            while True:
                if number is not None and not reports.poll(2 * SECONDS):
                    child.kill()
                at, outcome, seconds = reports.recv()
                number = at if outcome is None else None
                if outcome is not None:
                    self._record(at, outcome, seconds)
        except EOFError:
            child.join()
        if number is not None:
            self._record(number, f"the process ended with {child.exitcode}", float(SECONDS))
        return number

    def _record(self, number: int, outcome: str, seconds: float) -> None:
        self.next = number + 1
        self.slowest = max(self.slowest, seconds)
        good = outcome in ("read", "refused")
        self.outcomes[outcome if good else "wrong"] += 1
        if not good or seconds > SECONDS:
            self.wrong.append((number, outcome, seconds))


def main() -> int:
    """Run it, and print the outcome."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20000, help="files to read")
    parser.add_argument("--start", type=int, default=0, help="number of the first")
    parser.add_argument("--keep", type=Path, default=Path("runs/fuzz"), help="folder for the files that failed")
    arguments = parser.parse_args()
    files = seeds()
    fuzzing = Fuzzing(arguments.start, arguments.count, files)
    fuzzing.run()
    print(f"{arguments.count} files of {len(files)} kinds: {dict(fuzzing.outcomes)}, slowest {fuzzing.slowest:.2f} s")
    for number, outcome, seconds in fuzzing.wrong:
        name, data = case(number, files)
        arguments.keep.mkdir(parents=True, exist_ok=True)
        (arguments.keep / str(number)).write_bytes(data)
        print(f"{arguments.keep / str(number)} ({name}, {seconds:.1f} s): {outcome}")
    return 1 if fuzzing.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
