"""The pictures of a soak test, as a function of seed and number: formats, modes, sizes, and one in twenty damaged."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, features

LARGEST = 4000
MEDIAN = 200
DAMAGED = 0.05

MODES = {
    "jpg": ("RGB", "L", "CMYK"),
    "png": ("RGB", "RGBA", "L", "LA", "P", "I;16", "1"),
    "webp": ("RGB", "RGBA"),
    "tiff": ("RGB", "RGBA", "L", "CMYK", "I;16"),
    "bmp": ("RGB", "L", "P"),
    "gif": ("P", "L"),
    "avif": ("RGB", "RGBA"),
    "jp2": ("RGB", "L"),
    "heic": ("RGB", "RGBA"),
}
"""Extension -> modes of Pillow that such a file can hold."""


@dataclass(frozen=True)
class Sample:
    """One input: its file, size, and the damage done to it, "" for none."""

    path: Path
    width: int
    height: int
    damage: str


def formats() -> tuple[str, ...]:
    """The extensions that can be written here: HEIC needs pillow-heif, AVIF and JPEG 2000 their libraries."""
    try:
        import pillow_heif

        pillow_heif.register_heif_opener()
        heic = True
    except ImportError:
        heic = False
    missing = {
        *(() if heic else ("heic",)),
        *(() if features.check("avif") else ("avif",)),
        *(() if features.check("jpg_2000") else ("jp2",)),
    }
    return tuple(name for name in MODES if name not in missing)


def side(random: np.random.Generator) -> int:
    """A side in pixels: log-uniform from 1 to the median, or from there to the largest, equally often."""
    low, high = (1, MEDIAN) if random.random() < 0.5 else (MEDIAN, LARGEST)
    return round(float(np.exp(random.uniform(np.log(low), np.log(high)))))


def size(random: np.random.Generator) -> tuple[int, int]:
    """Width and height: mostly within 1:2 of each other, one in ten independent."""
    width = side(random)
    if random.random() < 0.1:
        return width, side(random)
    height = round(width * 2 ** random.uniform(-1, 1))
    return width, min(max(height, 1), LARGEST)


def picture(random: np.random.Generator, width: int, height: int, mode: str) -> Image.Image:
    """A smooth picture of this size and mode, with some noise."""
    coarse = random.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    if mode == "I;16":
        gray = np.asarray(image.convert("L"), np.uint16) * 257
        return Image.fromarray(gray)
    if mode in ("RGBA", "LA"):
        alpha = Image.fromarray(coarse[:, :, 0]).resize((width, height))
        image = image.convert(mode[:-1])
        image.putalpha(alpha)
        return image
    return image.convert(mode)


def encoded(random: np.random.Generator, width: int, height: int, extension: str) -> bytes:
    """The bytes of a picture file of this size and format, in one of the format's modes."""
    modes = MODES[extension]
    image = picture(random, width, height, modes[int(random.integers(len(modes)))])
    buffer = io.BytesIO()
    kind = {"jpg": "JPEG", "jp2": "JPEG2000", "heic": "HEIF", "tiff": "TIFF"}.get(extension, extension.upper())
    image.save(buffer, kind, **({"speed": 10} if kind == "AVIF" else {}))
    return buffer.getvalue()


DAMAGE = ("empty", "cut short", "overwritten", "other content")


def damaged(random: np.random.Generator, data: bytes, damage: str) -> bytes:
    """The bytes after this damage."""
    if damage == "empty":
        return b""
    if damage == "cut short":
        return data[: int(len(data) * random.uniform(0.05, 0.9))]
    if damage == "overwritten":
        changed = np.frombuffer(data, np.uint8).copy()
        places = random.integers(0, len(changed), max(4, len(changed) // 50))
        changed[places] = random.integers(0, 256, len(places))
        return changed.tobytes()
    return b"This is no picture.\n" * 20


def write_sample(
    folder: Path, number: int, seed: int, names: tuple[str, ...], sides: tuple[int, int] | None = None
) -> Sample:
    """Write the picture of this number, sound and of this width and height if they are given.

    Equal arguments give equal files.
    """
    random = np.random.default_rng([seed, number])
    extension = names[int(random.integers(len(names)))]
    width, height = sides or size(random)
    data = encoded(random, width, height, extension)
    damage = DAMAGE[int(random.integers(len(DAMAGE)))] if random.random() < DAMAGED else ""
    damage = damage if sides is None else ""
    path = folder / f"{number:05}.{extension}"
    path.write_bytes(damaged(random, data, damage) if damage else data)
    return Sample(path, width, height, damage)
