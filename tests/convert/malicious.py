"""Pickles that execute something when Python unpickles them, and files that lie about what they contain.

Each of `programs` creates the file `marker` if it is executed.
"""

import io
import pickle
import pickletools
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from impasto.convert.checkpoint import MAGIC

STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ"
"""A persistent storage of 4 numbers with the key 0."""
HEAD = MAGIC + b"." + b"\x80\x02M\xe9\x03." + pickle.dumps({"little_endian": True}, protocol=2)
"""The three pickles before the values, in the layout before torch 1.6."""


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.parts = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.parts


def programs(marker: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of pickles that create the file ``marker``."""
    import os
    import subprocess

    code = f"open({str(marker)!r}, 'w').close()"
    shell = f"touch '{marker}'"
    for protocol in range(6):
        yield f"os.system, protocol {protocol}", pickle.dumps(Calls(os.system, shell), protocol=protocol)
        yield f"exec, protocol {protocol}", pickle.dumps(Calls(exec, code), protocol=protocol)
    yield "eval", pickle.dumps(Calls(eval, f"open({str(marker)!r}, 'w')"), protocol=2)
    yield "open", pickle.dumps(Calls(open, str(marker), "w"), protocol=2)
    yield "subprocess", pickle.dumps(Calls(subprocess.call, ["touch", str(marker)]), protocol=2)
    yield "a call inside weights", pickle.dumps(OrderedDict(weight=Calls(os.system, shell)), protocol=2)
    yield "a call as a key", pickle.dumps([(Calls(os.system, shell), 1)], protocol=2)
    yield "a call as the state", pickle.dumps(Calls(OrderedDict, state={"x": Calls(os.system, shell)}), protocol=2)
    argument = shell.encode()
    text = b"X" + struct.pack("<I", len(argument)) + argument
    yield "an instance, operation i", b"(S'" + argument.replace(b"'", b'"') + b"'\nios\nsystem\n."
    yield "an object, operation o", b"(cos\nsystem\n" + text + b"o."
    yield "a name in two parts", b"\x80\x04\x8c\x02os\x8c\x06system\x93" + text + b"\x85R."
    yield "a name from the memo", b"\x80\x02cos\nsystem\nq\x00" + text + b"\x85R."
    yield "a name of Python 2", b"\x80\x02c__builtin__\neval\n" + _text(f"open({str(marker)!r}, 'w')") + b"\x85R."


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def suspicious() -> Iterator[tuple[str, bytes]]:
    """Name and bytes of pickles that are not what a file of weights may contain, or that are damaged."""
    for module, name in (
        *(("builtins", "getattr"), ("builtins", "__import__"), ("builtins", "set"), ("importlib", "import_module")),
        *(("torch", "load"), ("torch.jit", "load"), ("torch._utils", "_rebuild_wrapper_subclass"), ("os", "path")),
        *(("torch.serialization", "load"), ("torch.hub", "load_state_dict_from_url"), ("numpy", "load")),
        *(("collections", "OrderedDict.fromkeys"), ("collections", "OrderedDict.__init__"), ("functools", "partial")),
        *(("torch._utils", "_rebuild_tensor_v2.__globals__"), ("torch", "FloatStorage.from_file")),
        *(("torch.nn.modules.container", "Sequential"), ("transformer_net", "TransformerNet"), ("", "")),
    ):
        yield f"the name {module}.{name}", f"c{module}\n{name}\n.".encode()
        yield f"a call of {module}.{name}", b"\x80\x02" + f"c{module}\n{name}\n)R.".encode()
    new = b"\x80\x02ccollections\nOrderedDict\n)"
    yield "operation NEWOBJ", new + b"\x81."
    yield "operation NEWOBJ_EX", b"\x80\x04ccollections\nOrderedDict\n)}\x92."
    yield "a call of a storage", b"\x80\x02ctorch\nFloatStorage\n)R."
    yield "a state that is not a dictionary", new + b"R)b."
    yield "a state for a name", b"\x80\x02ccollections\nOrderedDict\n}b."
    yield "an extension", b"\x80\x02\x82\x01."
    yield "a text as an identity", b"P0\n."
    yield "a set", b"\x80\x04\x8f."
    yield "out-of-band data", b"\x80\x05\x97."
    yield "an enormous number", b"\x80\x02\x8b\xff\xff\xff\x7f."
    yield "an enormous text", b"\x80\x02X\xff\xff\xff\x7fabc."
    yield "an enormous frame", b"\x80\x04\x95" + b"\xff" * 8 + b"N"
    yield "a name without an end", b"\x80\x02c" + b"a" * 5000
    yield "nothing on the stack", b"\x80\x02."
    yield "no mark", b"\x80\x02t."
    yield "a memo that is empty", b"\x80\x02h\x05."
    yield "an append to a number", b"\x80\x02K\x01K\x02a."
    yield "an entry of a number", b"\x80\x02K\x01K\x02K\x03s."
    yield "a key that is a list", b"\x80\x02}]K\x01s."
    yield "text that is no text", b"\x80\x02X\x02\x00\x00\x00\xff\xfe."
    yield "a dictionary that doubles", _doubling()
    yield "no end", b"\x80\x02N"
    yield "empty", b""


def _doubling() -> bytes:
    """A list of a thousand pairs, which a thousand dictionaries are made from."""
    pairs = b"".join(b"K\x01K\x01\x86a" for _ in range(1000))
    return b"\x80\x02]" + pairs + b"q\x00" + b"ccollections\nOrderedDict\nh\x00\x85R0"[:-1] * 1000 + b"."


def lying_tensors() -> Iterator[tuple[str, bytes]]:
    """Name and bytes of pickles of a state dict whose tensor does not fit its storage of 4 numbers."""
    shapes = {
        "larger than its storage": ("K\x00", (5,), (1,)),
        "an offset behind the end": ("K\x04", (1,), (1,)),
        "an offset before the start": ("J\xff\xff\xff\xff", (1,), (1,)),
        "steps behind the end": ("K\x00", (2, 2), (3, 1)),
        "steps backwards": ("K\x00", (2,), (-1,)),
        "more numbers than there are, with steps of 0": ("K\x00", (1000, 1000), (0, 0)),
        "a negative size": ("K\x00", (-1,), (1,)),
        "a size that overflows": ("K\x00", (2**40, 2**40), (1, 1)),
        "a truth value as a size": ("K\x00", (True,), (1,)),
        "fewer steps than sizes": ("K\x00", (2, 2), (1,)),
        "a hundred sizes": ("K\x00", (1,) * 100, (1,) * 100),
    }
    for name, (offset, shape, strides) in shapes.items():
        yield name, state(offset.encode("latin-1"), shape, strides)
    yield "a storage that is a number", state(b"K\x00", (1,), (1,), storage=b"K\x01")
    yield "a storage that is a name", state(b"K\x00", (1,), (1,), storage=b"ctorch\nFloatStorage\n")
    yield "a storage of another kind", state(b"K\x00", (1,), (1,), storage=STORAGE.replace(b"storage", b"garbage", 1))
    yield (
        "a storage that calls",
        state(b"K\x00", (1,), (1,), storage=STORAGE.replace(b"torch\nFloatStorage", b"os\nsystem")),
    )
    yield "a storage of a tuple", state(b"K\x00", (1,), (1,), storage=b")Q")


def state(offset: bytes, shape: tuple[int, ...], strides: tuple[int, ...], storage: bytes = STORAGE) -> bytes:
    """A state dict of one tensor, called w."""
    numbers = b"".join(_without_memo(value) for value in (shape, strides))
    tensor = (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + offset + numbers + b"\x89ccollections\nOrderedDict\n)RtR"
    )
    return b"\x80\x02}X\x01\x00\x00\x00w" + tensor + b"s."


def _without_memo(value: Any) -> bytes:
    return pickletools.optimize(pickle.dumps(value, protocol=2))[2:-1]


def as_zip(data: bytes, *, numbers: bytes = bytes(16), key: str = "0", packed: bool = False, **more: bytes) -> bytes:
    """A file since torch 1.6 with this pickle; ``more`` are further entries."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        for name, content in {"data.pkl": data, "version": b"3\n", f"data/{key}": numbers, **more}.items():
            archive.writestr(f"archive/{name}", content)
    return stream.getvalue()


def as_legacy(data: bytes, *, numbers: bytes = bytes(16)) -> bytes:
    """A file before torch 1.6 with this pickle."""
    return HEAD + data + pickle.dumps(["0"], protocol=2) + struct.pack("<q", len(numbers) // 4) + numbers
