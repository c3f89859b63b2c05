"""Reads the variables in a TensorFlow 1 checkpoint, without TensorFlow.

A checkpoint of `tf.train.Saver` is one file (V1) or two (V2: `NAME.index`, and `NAME.data-00000-of-00001` with the
numbers). Both are tables of LevelDB's format (sorted keys, in blocks, with an index of blocks) whose values are
protobuf messages: in V1 SavedTensorSlices (tensorflow/core/util/saved_tensor_slice.proto), in V2 BundleEntryProto
(tensor_bundle.proto).
"""

import contextlib
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ModelError
from impasto.models.protobuf import FOUR_BYTES, LENGTH, VARINT, Field, WireError, fields, varint_at

Array = NDArray[np.float32]

TABLE_END = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"
"""The last bytes of a table."""
_LATEST = re.compile(r'^model_checkpoint_path: "([^"\0]*)"', re.MULTILINE)
_FOOTER = 48
_FLOAT = 1
"""TensorFlow's number of the type float32."""
_MOST_SHAPE = 8
_DAMAGED = "is a damaged TensorFlow checkpoint; copy or download it again"
_LARGEST_BLOCK = 2**28

# The fields of each message: number -> wire type.
_SLICES = {1: LENGTH, 2: LENGTH}
_SAVED = {1: LENGTH, 2: LENGTH, 3: LENGTH}
_META = {1: LENGTH, 2: LENGTH}
_META_OF_ONE = {1: LENGTH, 2: LENGTH, 3: VARINT, 4: LENGTH}
_TENSOR = {1: VARINT, 2: LENGTH, 3: VARINT, 4: LENGTH, 5: LENGTH, 6: LENGTH, 7: LENGTH, 10: LENGTH, 11: LENGTH}
_SHAPE, _SIZE = {2: LENGTH, 3: VARINT}, {1: VARINT, 2: LENGTH}
_ENTRY = {1: VARINT, 2: LENGTH, 3: VARINT, 4: VARINT, 5: VARINT, 6: FOUR_BYTES, 7: LENGTH}
_HEADER = {1: VARINT, 2: VARINT, 3: LENGTH}


def checkpoint_files(path: Path) -> list[Path]:
    """The files of the checkpoint that a path names: one file (V1), or an index and its data (V2); else none.

    The path may be the file, either of two files, their name without the ending (which no file has), the graph that
    TensorFlow saves beside them (`.meta`), or a folder.

    Raises:
        ModelError: A folder contains several checkpoints, and does not say which is the latest.
    """
    if path.is_dir():
        return _files_of_folder(path)
    name = path.name
    for ending in (".index", ".meta"):
        name = name.removesuffix(ending)
    stem = name.partition(".data-")[0]
    index = path.with_name(f"{stem}.index")
    if index.is_file():
        return [index, path.with_name(f"{stem}.data-00000-of-00001")]
    return [path.with_name(stem)] if path.with_name(stem).is_file() else []


def _files_of_folder(folder: Path) -> list[Path]:
    """The files of the checkpoint that TensorFlow's own note (`checkpoint`) names as the latest, or of the only one."""
    with contextlib.suppress(OSError, ValueError):
        found = _LATEST.search((folder / "checkpoint").read_text(encoding="utf-8"))
        name = found[1].replace("\\", "/").rpartition("/")[2] if found else ""  # the path of another computer
        if name not in ("", ".", "..") and (files := checkpoint_files(folder / name)):
            return files
    names = sorted(
        {path.name.removesuffix(".index") for ending in ("index", "ckpt") for path in folder.glob(f"*.{ending}")}
    )
    if len(names) > 1:
        raise ModelError(f"{folder}: contains several checkpoints ({', '.join(names[:3])}); give one of them")
    return checkpoint_files(folder / names[0]) if names else []


def read_tensorflow(files: list[Path]) -> dict[str, Array]:
    """The float32 variables of a checkpoint: name -> array.

    Args:
        files: From `checkpoint_files`.

    Raises:
        ModelError: A file is missing, damaged, or of a kind that `tf.train.Saver` does not write.
    """
    try:
        table = dict(_table(files[0].read_bytes()))
        return _bundle(table, files[1].read_bytes()) if len(files) == 2 else _slices(table)
    except FileNotFoundError as cause:
        raise ModelError(f"{cause.filename}: no such file: a checkpoint needs its index and its data") from None
    except OSError as cause:
        raise ModelError(f"{cause.filename}: cannot read: {cause.strerror or cause}") from cause
    except (WireError, ValueError, LookupError, OverflowError):
        raise ModelError(_DAMAGED) from None


# ---- the table ---------------------------------------------------------------------------------------------------


def _table(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """All keys and values."""
    if len(content) < _FOOTER or content[-8:] != TABLE_END:
        raise ModelError("is cut short, or not a TensorFlow checkpoint; copy or download it again")
    footer = content[-_FOOTER:]
    _, place = _handle(footer, 0)
    index, _ = _handle(footer, place)
    for _, handle in _block(content, *index):
        where, _ = _handle(handle, 0)
        yield from _block(content, *where)


def _handle(buffer: bytes, place: int) -> tuple[tuple[int, int], int]:
    """Offset and size of a block, and the offset after them."""
    offset, place = varint_at(buffer, place)
    size, place = varint_at(buffer, place)
    return (offset, size), place


def _block(content: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of one block. Each key starts with a part of the key before it."""
    if offset + size + 5 > len(content):
        raise WireError("a block after the end")
    body, packing = content[offset : offset + size], content[offset + size]
    if packing == 1:
        body = unsnappy(body)
    elif packing:
        raise ModelError("is a checkpoint of an unknown compression; save it again with tf.train.Saver")
    restarts = int.from_bytes(body[-4:], "little")
    end = len(body) - 4 * (restarts + 1)
    if end < 0:
        raise WireError("more restarts than there is room")
    place, key = 0, b""
    while place < end:
        shared, place = varint_at(body, place)
        own, place = varint_at(body, place)
        length, place = varint_at(body, place)
        if shared > len(key) or place + own + length > end:
            raise WireError("an entry after the end of its block")
        key = key[:shared] + body[place : place + own]
        yield key, body[place + own : place + own + length]
        place += own + length


def unsnappy(packed: bytes) -> bytes:
    """Decompress a block in Snappy's raw format: literals, and copies of what came before.

    Raises:
        WireError: The bytes are damaged.
    """
    size, place = varint_at(packed, 0)
    if size > _LARGEST_BLOCK:
        raise WireError("a block of that size")
    made = bytearray()
    while place < len(packed):
        tag = packed[place]
        kind, place = tag & 3, place + 1
        if kind == 0:
            length = tag >> 2
            if length >= 60:
                width = length - 59
                length = int.from_bytes(packed[place : place + width], "little")
                place += width
            made += packed[place : place + length + 1]
            place += length + 1
            continue
        if kind == 1:
            length, width, high = 4 + (tag >> 2 & 7), 1, tag >> 5 << 8
        else:
            length, width, high = 1 + (tag >> 2), 2 if kind == 2 else 4, 0
        back = high | int.from_bytes(packed[place : place + width], "little")
        place += width
        if not 0 < back <= len(made) or len(made) + length > size:
            raise WireError("a copy of what is not there")
        for _ in range(length):
            made.append(made[-back])
    if len(made) != size:
        raise WireError("a block of another size than it says")
    return bytes(made)


# ---- values ------------------------------------------------------------------------------------------------------


def _slices(table: dict[bytes, bytes]) -> dict[str, Array]:
    """The variables of V1. The entry with the empty key has the shapes, the others have the numbers."""
    shapes: dict[str, tuple[int, ...]] = {}
    for meta in _contents(_one(table.get(b"", b""), _SLICES, 1), _META, 1):
        parts = {item.number: item for item in fields(meta, _META_OF_ONE)}
        if 3 in parts and parts[3].value == _FLOAT:
            shapes[_body(meta, parts[1]).decode()] = _shape(_body(meta, parts[2]))
    found = {}
    for key, value in table.items():
        if not key:
            continue
        data = _one(value, _SLICES, 2)
        saved = {item.number: item for item in fields(data, _SAVED)}
        name = _body(data, saved[1]).decode()
        if name not in shapes:
            continue
        if name in found:
            raise ModelError(f"has the variable {name} in several parts; save it again with one device")
        tensor = _body(data, saved[3])
        parts = {item.number: item for item in fields(tensor, _TENSOR)}
        numbers = _body(tensor, parts[5] if 5 in parts else parts[4])
        found[name] = _array(numbers, shapes[name])
    return found


def _bundle(table: dict[bytes, bytes], data: bytes) -> dict[str, Array]:
    """The variables of V2. The entry with the empty key is a header, the others say where the numbers are."""
    header = {item.number: item.value for item in fields(table.get(b"", b""), _HEADER)}
    if header.get(1, 1) != 1 or header.get(2, 0):
        raise ModelError("has its numbers in several files, or in big-endian order; save it again with one device")
    found = {}
    for key, value in table.items():
        if not key:
            continue
        parts = {item.number: item for item in fields(value, _ENTRY)}
        number = {index: item.value for index, item in parts.items()}
        if number.get(1) != _FLOAT or 7 in parts:
            continue
        offset, size = number.get(4, 0), number.get(5, 0)
        if offset + size > len(data):
            raise ModelError("is cut short: its data have fewer numbers than its index says; copy it again")
        shape = _shape(_body(value, parts[2])) if 2 in parts else ()
        found[key.decode()] = _array(data[offset : offset + size], shape)
    return found


def _array(numbers: bytes, shape: tuple[int, ...]) -> Array:
    if len(numbers) != 4 * math.prod(shape):
        raise WireError("another number of elements than the shape says")
    return np.frombuffer(numbers, "<f4").reshape(shape).astype(np.float32)


def _shape(message: bytes) -> tuple[int, ...]:
    sizes = []
    for size in _contents(message, _SHAPE, 2):
        sizes.append(sum(item.value for item in fields(size, _SIZE) if item.number == 1))
    if len(sizes) > _MOST_SHAPE or any(size >= 2**31 for size in sizes):
        raise WireError("a shape that no variable has")
    return tuple(sizes)


def _body(message: bytes, item: Field) -> bytes:
    return message[item.body : item.stop]


def _contents(message: bytes, wire_types: dict[int, int], number: int) -> list[bytes]:
    """The contents of all fields of this number."""
    return [_body(message, item) for item in fields(message, wire_types) if item.number == number]


def _one(message: bytes, wire_types: dict[int, int], number: int) -> bytes:
    found = _contents(message, wire_types, number)
    if len(found) != 1:
        raise WireError("a message without its part")
    return found[0]
