"""Reads the weights in a file of `torch.save`, without torch and without unpickling.

Two layouts exist. Since torch 1.6 a file is a zip archive: `NAME/data.pkl` is a pickle of the values, and
`NAME/data/KEY` are the numbers of each storage. Before, a file was five pickles (a magic number, the version, a
description of the machine, the values, the keys of the storages) and then the storages, each with its length.
"""

import io
import math
import re
import struct
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.convert.pickles import PickleReader, Storage, StoredTensor
from impasto.errors import ModelError

Array = NDArray[np.float32]

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
"""The first pickle of a file before torch 1.6."""
MAGIC = b"\x80\x02\x8a\x0a" + MAGIC_NUMBER.to_bytes(10, "little")
_VERSION = 1001
_LARGEST_PICKLE = 4_000_000
"""Bytes. The pickle of a network's weights has some thousands; the numbers are outside it."""
_ENTRY = re.compile(r"[^/]+/(data\.pkl|byteorder|data/\w+)")
_MOST_DEPTH = 3
"""How deep inside other dictionaries the weights may be."""
_NUMERIC = {
    "float64": "<f8",
    "float32": "<f4",
    "float16": "<f2",
    "bfloat16": "<u2",
    "int64": "<i8",
    "int32": "<i4",
    "int16": "<i2",
    "int8": "|i1",
    "uint8": "|u1",
    "bool": "|b1",
}


def is_checkpoint(head: bytes) -> bool:
    """Whether a file that starts with these bytes is one of `torch.save`, or some other pickle, zip or tar archive."""
    return head[:4] == b"PK\x03\x04" or head[:1] == b"\x80" or head[257:262] == b"ustar"


def read_checkpoint(content: bytes) -> dict[str, Array]:
    """The weights in a file of `torch.save`: name -> float32 array; whole numbers (counters) are left out.

    Raises:
        ModelError: The file is damaged, of another layout, or contains anything but weights. Nothing of it has been
            executed.
    """
    if content[:4] == b"PK\x03\x04":
        value, load = _read_zip(content)
    elif content[257:262] == b"ustar":
        raise ModelError("is a checkpoint of torch before 0.2 (tar); load and save it again with torch 0.4 to 1.5")
    else:
        value, load = _read_legacy(content)
    weights = {}
    for name, tensor in _named_tensors(value).items():
        array = load(tensor)
        if array is not None:
            weights[name] = array
    if not weights:
        raise ModelError("contains no weights; save the network's state_dict, and convert that")
    return weights


def _named_tensors(value: Any) -> dict[str, StoredTensor]:
    """The tensors of the state dict with the most weights: the value, or inside it, beside an optimizer's say."""
    found: list[dict[str, StoredTensor]] = []
    seen: set[int] = set()  # a small pickle can contain one dictionary very many times
    level = [value]
    for _ in range(_MOST_DEPTH + 1):
        new = {id(item): item for item in level if isinstance(item, dict) and id(item) not in seen}
        seen.update(new)
        level = [item for each in new.values() for item in each.values()]
        found += [
            {str(key): item for key, item in each.items() if isinstance(item, StoredTensor)} for each in new.values()
        ]
    return max(found, key=_count_weights, default={})


def _count_weights(tensors: Mapping[str, StoredTensor]) -> tuple[int, int]:
    return sum(name.endswith("weight") for name in tensors), len(tensors)


# ---- since torch 1.6: a zip archive --------------------------------------------------------------------------------


def _read_zip(content: bytes) -> tuple[Any, Callable[[StoredTensor], Array | None]]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        entries = {item.filename: item for item in archive.infolist()}
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error):
        raise ModelError("is a damaged zip archive, or cut short; copy or download it again") from None
    folders = {name.split("/")[0] for name in entries if _ENTRY.fullmatch(name)}
    if len(folders) != 1 or f"{(folder := folders.pop())}/data.pkl" not in entries:
        raise ModelError("is a zip archive, and not one of torch.save; give the file with the weights")
    if f"{folder}/constants.pkl" in entries:
        raise ModelError("is a program (TorchScript), not weights; save the network's state_dict, and convert that")

    def stored(name: str) -> bytes:
        item = entries.get(f"{folder}/{name}")
        if item is None:
            raise ModelError(f"is damaged: {name} is missing in it; copy or download it again")
        if item.compress_type != zipfile.ZIP_STORED or item.file_size > len(content) or item.flag_bits & 1:
            raise ModelError(f"has a packed {name}, which torch does not write; {_AGAIN}")
        try:
            return archive.read(item)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, RuntimeError, EOFError, OSError, struct.error):
            raise ModelError(f"is damaged at {name}; copy or download it again") from None

    if f"{folder}/byteorder" in entries and stored("byteorder") != b"little":
        raise ModelError(f"was written by a big-endian computer; {_AGAIN}")
    if entries[f"{folder}/data.pkl"].file_size > _LARGEST_PICKLE:
        raise ModelError(f"has a pickle of more than {_LARGEST_PICKLE / 1e6:.0f} MB; {_AGAIN}")
    value = PickleReader(stored("data.pkl")).read()

    def load(tensor: StoredTensor) -> Array | None:
        if not re.fullmatch(r"\w+", tensor.storage.key):
            raise ModelError(f"has a storage called {tensor.storage.key[:40]!r}; {_AGAIN}")
        return _elements(tensor, stored(f"data/{tensor.storage.key}"))

    return value, load


_AGAIN = "save the network's state_dict again, and convert that"


# ---- before torch 1.6: pickles in a row ------------------------------------------------------------------------------


def _read_legacy(content: bytes) -> tuple[Any, Callable[[StoredTensor], Array | None]]:
    reader = PickleReader(content[:_LARGEST_PICKLE])
    if reader.read() != MAGIC_NUMBER or reader.read() != _VERSION:
        raise ModelError("is a pickle, and not one of torch.save; give the file with the weights")
    system, value, keys = reader.read(), reader.read(), reader.read()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise ModelError(f"was written by a big-endian computer; {_AGAIN}")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ModelError("is damaged: it names no storages; copy or download it again")
    blocks = _legacy_blocks(content, reader.place, keys, reader.storages)

    def load(tensor: StoredTensor) -> Array | None:
        if tensor.storage.key not in blocks:
            raise ModelError("is damaged: it does not contain all weights; copy or download it again")
        return _elements(tensor, blocks[tensor.storage.key])

    return value, load


def _legacy_blocks(
    content: bytes, place: int, keys: list[str], storages: Mapping[str, Storage]
) -> dict[str, memoryview]:
    """The bytes of each storage: its number of elements, int64, and then the elements."""
    blocks, view = {}, memoryview(content)
    for key in keys:
        if key not in storages:
            raise ModelError("is damaged: it lists a storage that it does not use; copy or download it again")
        if place + 8 > len(content):
            raise ModelError("is cut short; copy or download it again")
        (count,) = struct.unpack_from("<q", content, place)
        size = count * np.dtype(_NUMERIC[storages[key].dtype]).itemsize
        if count < 0 or place + 8 + size > len(content):
            raise ModelError("is cut short; copy or download it again")
        blocks[key] = view[place + 8 : place + 8 + size]
        place += 8 + size
    return blocks


# ---- numbers ---------------------------------------------------------------------------------------------------------


def _elements(tensor: StoredTensor, block: bytes | memoryview) -> Array | None:
    """The tensor's elements, in C order; None where they are whole numbers."""
    storage = tensor.storage
    numbers = np.frombuffer(block, _NUMERIC[storage.dtype], len(block) // np.dtype(_NUMERIC[storage.dtype]).itemsize)
    offset = storage.offset + tensor.offset
    count = math.prod(tensor.shape)
    reach = sum((size - 1) * step for size, step in zip(tensor.shape, tensor.strides, strict=True))
    if count and offset + reach >= len(numbers):
        raise ModelError("is damaged: a tensor is larger than its storage; copy or download it again")
    if storage.dtype == "bfloat16":
        numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
    elif not storage.dtype.startswith("float"):
        return None
    strides = [step * numbers.itemsize for step in tensor.strides]
    seen = np.lib.stride_tricks.as_strided(numbers[offset:], tensor.shape, strides, writeable=False)
    return np.array(seen, np.float32)
