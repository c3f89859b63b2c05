"""The square photo crops of a run. All random choices are functions of the seed and an index."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor

from impasto.errors import ImageError, TrainingError
from impasto.nn.tensors import to_tensor
from impasto.pictures.picture import Pixels
from impasto.pictures.read import load_image
from impasto.pictures.resize import resize_short_side


@dataclass(frozen=True)
class Crop:
    """The position of a crop in its photo, independent of the crop's size."""

    photo: int
    short_side: int  # the photo is scaled to this, pixels; to the crop's side if that is larger
    across: float  # horizontal position in [0, 1] of the free space
    down: float
    mirrored: bool


@dataclass
class CropPool:
    """The crops of a run, and their order.

    Args:
        photos: paths of the photos. Unreadable ones are skipped, see ``unreadable``.
        count: number of distinct crops, which repeat in a new order each round; 0: every crop is new.
        short_sides: range of the short side to which photos are scaled, pixels, drawn log-uniformly.
        seed: seed of all random choices.

    Attributes:
        unreadable: photos that could not be read, with the reason.
    """

    photos: list[Path]
    count: int
    short_sides: tuple[int, int]
    seed: int
    unreadable: dict[Path, str] = field(default_factory=dict)
    _pixels: dict[tuple[int, int], Pixels] = field(default_factory=dict)

    def index(self, item: int) -> int:
        """The crop at position ``item`` of the endless sequence: a new permutation of all crops each round."""
        if not self.count:
            return item
        turn, place = divmod(item, self.count)
        return int(np.random.default_rng([self.seed, 1, turn]).permutation(self.count)[place])

    def cut(self, index: int, size: int) -> Tensor:
        """Crop number ``index``, float32 (1, 3, size, size) in [0, 1].

        Raises:
            TrainingError: if none of the photos can be read.
        """
        if (index, size) not in self._pixels:
            pixels = self._read(index, size)
            if not self.count:
                return to_tensor(pixels)
            self._pixels[index, size] = pixels
        return to_tensor(self._pixels[index, size])

    def crop(self, index: int) -> Crop:
        """The position of crop number ``index``. Every photo is used once before any is used twice."""
        turn, place = divmod(index, len(self.photos))
        photo = int(np.random.default_rng([self.seed, 2, turn]).permutation(len(self.photos))[place])
        scale, across, down, mirror = np.random.default_rng([self.seed, 3, index]).random(4)
        low, high = self.short_sides
        return Crop(photo, round(low * (high / low) ** scale), across, down, bool(mirror < 0.5))

    def _read(self, index: int, size: int) -> Pixels:
        """The crop's pixels. An unreadable photo is replaced by the next readable one."""
        crop = self.crop(index)
        for offset in range(len(self.photos)):
            path = self.photos[(crop.photo + offset) % len(self.photos)]
            if path in self.unreadable:
                continue
            try:
                return _cut(load_image(path), crop, size)
            except ImageError as error:
                self.unreadable[path] = str(error)
        raise TrainingError(f"not one of the {len(self.photos)} content pictures can be read: {self.photos[0]} ...")


def _cut(photo: Pixels, crop: Crop, size: int) -> Pixels:
    photo = resize_short_side(photo, max(size, crop.short_side))
    top = round(crop.down * (photo.shape[0] - size))
    left = round(crop.across * (photo.shape[1] - size))
    square = photo[top : top + size, left : left + size]
    return np.ascontiguousarray(square[:, ::-1] if crop.mirrored else square)
