"""Reads a folder of weights as ml5 and deeplearn.js use it: `manifest.json`, and one file of raw numbers each."""

import json
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ModelError

Array = NDArray[np.float32]

MANIFEST = "manifest.json"
_LARGEST = 2**28
"""Bytes of one variable."""


def read_weight_folder(folder: Path) -> dict[str, Array]:
    """The weights in a folder: name -> float32 array. Variables of the optimizer are left out.

    Raises:
        ModelError: The manifest is missing or damaged, names a file outside the folder, or a file has another size.
    """
    file = folder / MANIFEST
    try:
        manifest = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise ModelError(
            f"{folder}: has no {MANIFEST} and no checkpoint; give a folder with a model of ml5, or a file"
        ) from None
    except (OSError, ValueError, RecursionError):
        raise ModelError(f"{file}: is not a manifest of weights; copy or download it again") from None
    if not isinstance(manifest, dict) or not manifest:
        raise ModelError(f"{file}: is not a manifest of weights; copy or download it again")
    return {name: _read(folder, name, entry) for name, entry in manifest.items() if "/" not in name}


def _read(folder: Path, name: str, entry: object) -> Array:
    file, shape = (entry.get("filename"), entry.get("shape")) if isinstance(entry, dict) else (None, None)
    sound = isinstance(shape, list) and all(type(size) is int and 0 < size < 2**31 for size in shape)
    if not isinstance(file, str) or not isinstance(shape, list) or not sound:
        raise ModelError(f"{folder / MANIFEST}: its entry {name[:60]!r} has no file name or no shape; copy it again")
    if Path(file).name != file or file in ("", ".", "..") or "\\" in file or "\0" in file:
        raise ModelError(f"{folder / MANIFEST}: its entry {name[:60]!r} is a file outside the folder; nothing was read")
    path, size = folder / file, 4 * math.prod(shape)
    try:
        if size > _LARGEST or path.stat().st_size != size:
            raise ModelError(f"{path}: does not have the {size} bytes that {MANIFEST} says; copy or download it again")
        return np.frombuffer(path.read_bytes(), "<f4").reshape(shape).astype(np.float32)
    except OSError as cause:
        raise ModelError(f"{path}: cannot read: {cause.strerror or cause}; copy or download it again") from cause
