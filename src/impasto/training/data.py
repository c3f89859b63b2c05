"""Content pictures for training: a folder of photos, or the built-in ones, cut into crops.

Everything drawn at random is a function of (seed, index): a run that stops and resumes sees what a straight run sees.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from impasto.errors import ImageError, TrainingError
from impasto.files import training_data
from impasto.nn.generator import Generator
from impasto.nn.losses import ContentTarget, PerceptualLoss
from impasto.nn.tensors import to_tensor
from impasto.pictures.folders import find_images
from impasto.pictures.picture import Pixels
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side

CACHE_BYTES = 600_000_000
"""Content features are kept while they fit in this much memory."""
HELD_OUT = 4
"""Photos of a content folder that are kept for judging the result, when the user names none."""


def built_in_photos() -> list[Path]:
    """Return the photos of the training data, for training without a data set."""
    return find_images(training_data("photos"))


def content_photos(
    folder: Path | None, held_out: Path | None, without: Path | None = None
) -> tuple[list[Path], list[Path]]:
    """The photos to learn from and the photos to judge by, never the same.

    Args:
        folder: photos of any format, with folders below; None for the built-in ones.
        held_out: a folder of photos to judge by, or a text file that names some (one a line, by file name); None
            takes a few evenly spread ones out of ``folder``.
        without: a folder that is passed over, wherever it lies: that of the run itself, with its preview.

    Raises:
        TrainingError: if no photo is left to learn from, or a named one is missing.
    """
    photos = built_in_photos() if folder is None else find_images(folder)
    if without is not None:
        photos = [path for path in photos if without.resolve() not in path.resolve().parents]
    if not photos:
        raise TrainingError(f"{folder}: no pictures in this folder: give one with photos to learn from")
    if held_out is None:
        if len(photos) < 3 * HELD_OUT:  # too few to spare any
            return photos, built_in_photos()[:HELD_OUT]
        step = len(photos) / HELD_OUT
        judges = [photos[int((i + 0.5) * step)] for i in range(HELD_OUT)]
    elif held_out.is_dir():
        judges = find_images(held_out)
    else:
        judges = _listed(held_out, photos)
    names = {path.resolve() for path in judges}
    learning = [path for path in photos if path.resolve() not in names]
    if not learning:
        raise TrainingError(f"{folder}: all its pictures are held out: none is left to learn from")
    if not judges:
        raise TrainingError(f"{held_out}: no held-out pictures there")
    return learning, judges


def read_photos(paths: Iterable[Path], unreadable: dict[Path, str]) -> Iterator[tuple[Path, Pixels]]:
    """The photos that can be read, one by one; those that cannot are added to ``unreadable`` with the reason."""
    for path in paths:
        try:
            photo = load_image(path)
        except ImageError as error:
            unreadable[path] = str(error)
        else:
            yield path, photo


def _listed(file: Path, photos: list[Path]) -> list[Path]:
    try:
        names = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"{file}: cannot read the list of held-out pictures") from error
    by_name = {path.name: path for path in photos}
    wanted = [name for name in names if name and not name.startswith("#")]
    missing = [name for name in wanted if name not in by_name]
    if missing:
        raise TrainingError(f"{file}: {len(missing)} held-out pictures are not in the content folder: {missing[0]} ...")
    return [by_name[name] for name in wanted]


@dataclass(frozen=True)
class Crop:
    """One square to learn from: where it lies in its photo, whatever its own size."""

    photo: int
    short_side: int  # the photo is scaled to this, pixels; to the crop's side if that is more
    across: float  # position in [0, 1] of the free space
    down: float
    mirrored: bool


@dataclass
class CropPool:
    """The squares a run learns from, and the order in which it sees them.

    Args:
        photos: where the photos are. Those that cannot be read are left out, see ``unreadable``.
        count: number of different crops; they come round again in a new order each time. 0: every crop is new.
        short_sides: photos are scaled to a short side between these, pixels, log-uniform.
        seed: of all that is drawn.
    """

    photos: list[Path]
    count: int
    short_sides: tuple[int, int]
    seed: int
    unreadable: dict[Path, str] = field(default_factory=dict)
    _pixels: dict[tuple[int, int], Pixels] = field(default_factory=dict)

    def index(self, item: int) -> int:
        """Which crop comes at place ``item`` of the endless sequence: a new permutation of all every round."""
        if not self.count:
            return item
        turn, place = divmod(item, self.count)
        return int(np.random.default_rng([self.seed, 1, turn]).permutation(self.count)[place])

    def cut(self, index: int, size: int) -> Tensor:
        """Crop number ``index``, float32 (1, 3, size, size) in [0, 1].

        Raises:
            TrainingError: if not one of the photos can be read.
        """
        if (index, size) not in self._pixels:
            pixels = self._cut_afresh(index, size)
            if not self.count:
                return to_tensor(pixels)
            self._pixels[index, size] = pixels
        return to_tensor(self._pixels[index, size])

    def _cut_afresh(self, index: int, size: int) -> Pixels:
        """The crop as drawn; where its photo cannot be read, the same square of the next photo that can."""
        crop = self._draw(index)
        for offset in range(len(self.photos)):
            path = self.photos[(crop.photo + offset) % len(self.photos)]
            if path in self.unreadable:
                continue
            try:
                return _cut(load_image(path), crop, size)
            except ImageError as error:
                self.unreadable[path] = str(error)
        raise TrainingError(f"not one of the {len(self.photos)} content pictures can be read: {self.photos[0]} ...")

    def _draw(self, index: int) -> Crop:
        # Every photo is used before one is used twice.
        turn, place = divmod(index, len(self.photos))
        photo = int(np.random.default_rng([self.seed, 2, turn]).permutation(len(self.photos))[place])
        scale, across, down, mirror = np.random.default_rng([self.seed, 3, index]).random(4)
        least, most = self.short_sides
        return Crop(photo, round(least * (most / least) ** scale), across, down, bool(mirror < 0.5))


def _cut(photo: Pixels, crop: Crop, size: int) -> Pixels:
    photo = resize_short_side(photo, max(size, crop.short_side))
    top = round(crop.down * (photo.shape[0] - size))
    left = round(crop.across * (photo.shape[1] - size))
    square = photo[top : top + size, left : left + size]
    return np.ascontiguousarray(square[:, ::-1] if crop.mirrored else square)


class ContentTargets:
    """Photos and what the content term wants of them, by number of crop; features are kept while they fit.

    They are kept as float16, and rounded to it even when not kept: what a step sees must not depend on the cache.
    """

    def __init__(self, loss: PerceptualLoss, pool: CropPool, device: torch.device) -> None:
        self.loss = loss
        self.pool = pool
        self.device = device
        self.size = 0
        self.bytes = 0
        self.kept: dict[int, ContentTarget] = {}

    def get(self, indices: list[int], size: int) -> tuple[Tensor, ContentTarget]:
        """The crops, (N, 3, size, size), and their content target."""
        if size != self.size:
            self.kept.clear()
            self.size, self.bytes = size, 0
        photos = [self.pool.cut(index, size).to(self.device) for index in indices]
        each = [self._target(index, photo) for index, photo in zip(indices, photos, strict=True)]
        layers = each[0].features
        batch = torch.cat(photos)
        with torch.autocast(self.device.type, enabled=False):  # on a CPU it knows no float16
            return batch, ContentTarget(
                {layer: torch.cat([target.features[layer] for target in each]) for layer in layers},
                {layer: torch.cat([target.variance[layer] for target in each]) for layer in layers},
                batch,
            )

    def _target(self, index: int, photo: Tensor) -> ContentTarget:
        if index in self.kept:
            return self.kept[index]
        target = self.loss.content_target(photo.contiguous(memory_format=torch.channels_last))
        target = ContentTarget({layer: x.half() for layer, x in target.features.items()}, target.variance)
        size = sum(2 * x.numel() for x in target.features.values())
        if self.pool.count and self.bytes + size <= CACHE_BYTES:
            self.bytes += size
            self.kept[index] = target
        return target


def draw_looks(
    items: range, styles: int, seed: int, photo_every: int = 0, *, between: bool = True
) -> tuple[list[int], Tensor]:
    """The number of the style that each of these places of the run is painted in, and its strength, (N,), 0 to 1.

    Each style has its turn before one comes again. The last of every ``photo_every`` places is to come out as the
    photo, strength 0; half of them, drawn at random, on the way to it, unless nothing ``between`` is wanted.
    """
    which, strengths = [], []
    for item in items:
        turn, place = divmod(item, styles)
        which.append(int(np.random.default_rng([seed, 4, turn]).permutation(styles)[place]))
        if not photo_every or item % photo_every < photo_every - 1:
            strengths.append(1.0)
        else:
            drawn = 2 * np.random.default_rng([seed, 6, item]).random() - 1
            strengths.append(max(0.0, drawn) if between else 0.0)
    return which, torch.tensor(strengths)


def draw_frame(item: int, jitter: int, seed: int) -> list[int]:
    """By how much a square is extended at this place of the run: left, right, above, below, in pixels.

    Left and right make ``jitter - 1`` together, as above and below do. So the generator's strides and the loss
    network's pooling meet at every offset, and no grid can please the pooling at one of them.
    """
    if jitter < 2:
        return [0, 0, 0, 0]
    left, above = (int(x) for x in np.random.default_rng([seed, 5, item]).integers(0, jitter, 2))
    return [left, jitter - 1 - left, above, jitter - 1 - above]


def draw_noise(
    generator: Generator, items: range, size: int | tuple[int, ...], seed: int, device: torch.device
) -> Tensor | None:
    """Noise z for these places of the run, as `Generator.draw_noise` returns it: a function of (seed, place)."""
    if not generator.noise_channels:
        return None
    height, width = (size, size) if isinstance(size, int) else size
    drawn = []
    for item in items:
        # torch takes the lower 32 bits of a seed and no more: both numbers have to be in them.
        source = torch.Generator().manual_seed((item + seed * 0x9E3779B1) % 2**32)
        drawn.append(generator.draw_noise(1, height, width, source=source))
    return torch.cat(drawn).to(device)
