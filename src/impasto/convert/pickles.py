"""Reads the data in a pickle, and executes nothing.

Python's own unpickler imports what a pickle names and calls it. This module interprets only the few operations
that occur in saved weights. A name outside `NAMES` and an operation outside `_OPERATIONS` are errors; nothing is
imported, and no method of a value is called. The names in `NAMES` are replaced by plain dictionaries and records.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from impasto.errors import ModelError

DTYPES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
"""torch's storage class -> the type of its elements."""

NAMES = {
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    *(f"{module}.{name}" for module in ("torch", "torch.cuda") for name in DTYPES),
}
"""All names that a pickle may use."""

_MOST_DIMENSIONS = 8
_MOST_PAIRS = 100_000
"""Largest number of entries that all dictionaries which are made from lists have together."""


class Name(NamedTuple):
    """A name of `NAMES` on the stack."""

    text: str


class Storage(NamedTuple):
    """A block of numbers that is stored outside the pickle."""

    key: str
    dtype: str
    length: int
    """Number of elements."""
    offset: int = 0
    """First element of a view of another storage."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor: where its elements are."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    """In elements."""


class PickleReader:
    """Reads consecutive pickles from a buffer.

    Args:
        data: The bytes. They may go on after the last pickle.

    Attributes:
        place: The offset after what has been read.
        storages: All storages that the pickles name, by key.
        pairs: The number of entries that were copied from lists.
    """

    def __init__(self, data: bytes) -> None:
        self.place = 0
        self.storages: dict[str, Storage] = {}
        self.pairs = 0
        self._data = data
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def read(self) -> Any:
        """The value of the next pickle: numbers, texts, None, tuples, lists, dicts and `StoredTensor`.

        Raises:
            ModelError: The pickle is damaged, or contains anything else. Nothing of it has been executed.
        """
        self._stack, self._marks, self._memo = [], [], {}
        try:
            while (code := self.take(1)) != b".":
                operation = _OPERATIONS.get(code)
                if operation is None:
                    raise ModelError(f"contains the pickle operation {code!r}, which weights do not need; {_REFUSED}")
                operation(self)
            value = self._stack.pop()
        except (IndexError, KeyError, TypeError, ValueError, struct.error, OverflowError):
            raise ModelError("is damaged: its pickle does not add up; copy or download it again") from None
        if isinstance(value, Name | Storage):
            raise ModelError(f"contains no weights; {_REFUSED}")
        return value

    # ---- bytes, and the stack ----------------------------------------------------------------------------------

    def take(self, count: int) -> bytes:
        """The next bytes of the buffer. Raises ModelError if there are fewer."""
        piece = self._data[self.place : self.place + count]
        if len(piece) < count:
            raise ModelError("is cut short; copy or download it again")
        self.place += count
        return piece

    def number(self, form: str) -> Any:
        """The next number, in a format of `struct`."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> str:
        """The text up to the next line break."""
        end = self._data.find(b"\n", self.place, self.place + 1000)
        if end < 0:
            raise ModelError("is damaged: a name in its pickle has no end; copy or download it again")
        text = self._data[self.place : end].decode("utf-8")
        self.place = end + 1
        return text

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self._stack.append(value)

    def pop(self) -> Any:
        """Take the value from the top of the stack."""
        return self._stack.pop()

    def top(self) -> Any:
        """The value on the top of the stack."""
        return self._stack[-1]

    def mark(self) -> None:
        """Remember the height of the stack."""
        self._marks.append(len(self._stack))

    def since_mark(self) -> list[Any]:
        """Take all values above the last mark."""
        height = self._marks.pop()
        found = self._stack[height:]
        del self._stack[height:]
        return found

    def memorize(self, number: int | None = None) -> None:
        """Store the top of the stack under this number, or the next."""
        self._memo[len(self._memo) if number is None else number] = self._stack[-1]

    def recall(self, number: int) -> None:
        """Put a stored value on the stack."""
        self._stack.append(self._memo[number])


_REFUSED = "it was not opened. Save the network's state_dict alone, and convert that"


def _long(reader: PickleReader) -> None:
    reader.push(int.from_bytes(reader.take(reader.number("<B")), "little", signed=True))


def _text(form: str, encoding: str = "utf-8") -> Callable[[PickleReader], None]:
    def operation(reader: PickleReader) -> None:
        reader.push(reader.take(reader.number(form)).decode(encoding))

    return operation


def _struct(form: str) -> Callable[[PickleReader], None]:
    return lambda reader: reader.push(reader.number(form))


def _constant(value: Any) -> Callable[[PickleReader], None]:
    return lambda reader: reader.push(value)


def _tuple(count: int) -> Callable[[PickleReader], None]:
    return lambda reader: reader.push(tuple([reader.pop() for _ in range(count)][::-1]))


def _append(reader: PickleReader) -> None:
    value = reader.pop()
    _checked(reader.top(), list).append(value)


def _appends(reader: PickleReader) -> None:
    values = reader.since_mark()
    _checked(reader.top(), list).extend(values)


def _set_item(reader: PickleReader) -> None:
    value, key = reader.pop(), reader.pop()
    _checked(reader.top(), dict)[_key(key)] = value


def _set_items(reader: PickleReader) -> None:
    values = reader.since_mark()
    target = _checked(reader.top(), dict)
    for key, value in zip(values[::2], values[1::2], strict=True):
        target[_key(key)] = value


def _key(key: Any) -> Any:
    return _checked(key, (str, int))


def _checked(value: Any, kind: Any) -> Any:
    """The value itself. Raises TypeError, which means damage, if it has another type."""
    if not isinstance(value, kind):
        raise TypeError
    return value


def _name(reader: PickleReader, module: Any, name: Any) -> None:
    text = f"{_checked(module, str)}.{_checked(name, str)}".replace("__builtin__.", "builtins.")
    if text not in NAMES:
        raise ModelError(f"names {text[:80]!r}, which is not weights; {_REFUSED}")
    reader.push(Name(text))


def _global(reader: PickleReader) -> None:
    module = reader.line()
    _name(reader, module, reader.line())


def _stack_global(reader: PickleReader) -> None:
    name = reader.pop()
    _name(reader, reader.pop(), name)


def _reduce(reader: PickleReader) -> None:
    """Make the value that a name and its arguments stand for."""
    arguments, name = _checked(reader.pop(), tuple), _checked(reader.pop(), Name).text
    if name == "collections.OrderedDict":
        pairs = _checked(arguments[0], list) if arguments else []
        reader.pairs += len(pairs)
        if reader.pairs > _MOST_PAIRS:
            raise ModelError(f"contains more entries than weights have; {_REFUSED}")
        reader.push({_key(pair[0]): pair[1] for pair in pairs if _checked(pair, (tuple, list)) and len(pair) == 2})
    elif name == "torch._utils._rebuild_parameter":
        reader.push(_checked(arguments[0], StoredTensor))
    elif name.startswith("torch._utils._rebuild_tensor"):
        storage, offset, shape, strides = arguments[:4]
        reader.push(_tensor(_checked(storage, Storage), offset, shape, strides))
    else:
        raise ModelError(f"calls {name}, which is not a tensor; {_REFUSED}")


def _tensor(storage: Storage, offset: Any, shape: Any, strides: Any) -> StoredTensor:
    numbers = [_size(offset), *map(_size, _checked(shape, tuple)), *map(_size, _checked(strides, tuple))]
    sizes, steps = numbers[1 : 1 + len(shape)], numbers[1 + len(shape) :]
    if len(sizes) != len(steps) or len(sizes) > _MOST_DIMENSIONS:
        raise ValueError
    count, last = 1, offset
    for size, step in zip(sizes, steps, strict=True):
        count *= size
        last += (size - 1) * step
    if count and (last >= storage.length or count > storage.length):
        raise ModelError("is damaged: a tensor is larger than its storage; copy or download it again")
    return StoredTensor(storage, offset, tuple(sizes), tuple(steps))


def _size(value: Any) -> int:
    """A whole number of 0 or more, and not a truth value."""
    if type(value) is not int or not 0 <= value < 2**48:
        raise ValueError
    return value


def _storage(reader: PickleReader) -> None:
    """("storage", class, key, device, count), and for a view of another storage (key, offset, count)."""
    parts = _checked(reader.pop(), tuple)
    kind, name, key, _, count, *view = parts
    dtype = DTYPES.get(_checked(name, Name).text.rpartition(".")[2])
    if kind != "storage" or dtype is None or len(view) > 1:
        raise ValueError
    offset = 0
    if view and view[0] is not None:
        _, offset, count = view[0]
    storage = Storage(_checked(key, str), dtype, _size(count), _size(offset))
    reader.storages.setdefault(storage.key, storage)
    reader.push(storage)


def _build(reader: PickleReader) -> None:
    """The attributes of an OrderedDict: torch's versions of layers. They are not needed."""
    _checked(reader.pop(), dict)
    _checked(reader.top(), dict)


def _skip(form: str) -> Callable[[PickleReader], None]:
    """Read a number that says nothing about the value."""

    def operation(reader: PickleReader) -> None:
        reader.number(form)

    return operation


_OPERATIONS: dict[bytes, Callable[[PickleReader], None]] = {
    b"\x80": _skip("<B"),  # the protocol's number
    b"\x95": _skip("<Q"),  # the length of a frame
    b"N": _constant(None),
    b"\x88": _constant(True),
    b"\x89": _constant(False),
    b"K": _struct("<B"),
    b"M": _struct("<H"),
    b"J": _struct("<i"),
    b"\x8a": _long,
    b"G": _struct(">d"),
    b"X": _text("<I"),
    b"\x8c": _text("<B"),
    b"U": _text("<B", "latin-1"),  # texts of Python 2
    b"T": _text("<I", "latin-1"),
    b"(": PickleReader.mark,
    b")": _constant(()),
    b"t": lambda reader: reader.push(tuple(reader.since_mark())),
    b"\x85": _tuple(1),
    b"\x86": _tuple(2),
    b"\x87": _tuple(3),
    b"]": lambda reader: reader.push([]),
    b"a": _append,
    b"e": _appends,
    b"}": lambda reader: reader.push({}),
    b"s": _set_item,
    b"u": _set_items,
    b"q": lambda reader: reader.memorize(reader.number("<B")),
    b"r": lambda reader: reader.memorize(reader.number("<I")),
    b"\x94": lambda reader: reader.memorize(),
    b"h": lambda reader: reader.recall(reader.number("<B")),
    b"j": lambda reader: reader.recall(reader.number("<I")),
    b"c": _global,
    b"\x93": _stack_global,
    b"R": _reduce,
    b"Q": _storage,
    b"b": _build,
}
