"""The model file: a standard ONNX file that says what it is.

Any ONNX runtime can run it. What Impasto needs to know besides the graph, a `ModelInfo`, is one JSON string with
sorted keys in the file's metadata, under the key `impasto`. Reading it takes neither onnx nor an inference engine:
an ONNX file is a protobuf message, of which only the top level is walked (`impasto.models.protobuf`).

The contract of the graph, opset 17 or later (N, H and W are dynamic):

    input   image     float32 (N, 3, H, W)               RGB, 0 to 1
    input   noise     float32 (N, noise_channels, H, W)  uniform in [0, 1); only when noise_channels > 0
    input   style     float32 (style_size,)              scales and shifts (`impasto.models.stylefile`); only when > 0
    input   strength  float32 (1,)                       0 for the photo to 1 for the style, and beyond; 1 when it is
                                                         not given; only where the description says so
    output  stylized  float32 (N, 3, H, W)               RGB, 0 to 1, exactly the size of `image`

The output is defined for every H and W that is at least `minimum_size` and divisible by `multiple_of`. Weights are
inside the file, not in files beside it.
"""

import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, get_origin

from impasto.errors import ModelError
from impasto.files import replacing
from impasto.models.protobuf import Field, encode, read_fields

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FORMATS = (1,)
"""The format versions this code reads. It writes the last."""

ARCHITECTURES = ("texture", "residual", "light")
"""The generators this code knows, see `impasto.nn.generators`."""

_KEY = b"impasto"


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """What a model file says about itself.

    Raises:
        ModelError: No style, or a size or count that is out of range.
    """

    format: int = FORMATS[-1]
    """Version of the file format."""
    architecture: str
    """Name of the generator, one of `ARCHITECTURES`."""
    arguments: dict[str, Any]
    """The generator's constructor arguments, nothing more."""
    styles: tuple[str, ...]
    """Names of the styles it learnt: one, or those whose style files were made with it."""
    multiple_of: int = 1
    """The graph takes heights and widths divisible by this."""
    minimum_size: int = 16
    """The graph takes heights and widths of at least this, in pixels."""
    noise_channels: int = 0
    """Channels of the graph's `noise` input; 0 when it has none."""
    style_size: int = 0
    """Numbers that the graph's `style` input takes; 0 when the one style is part of the graph."""
    late_size: int = 0
    """The last so many of these numbers make the colours: at no strength do they go beyond the style's."""
    strength: bool = False
    """Whether the graph takes `strength`."""
    ranges: dict[str, Any] = field(default_factory=dict)
    """By the name of a convolution's kernel, the least and largest number it takes, for computing in 8 bits."""
    training: dict[str, Any] = field(default_factory=dict)
    """How it was made: preset, steps, seconds, seed, content set, objective reached, code version."""
    style_title: str = ""
    """Title and maker of the style picture."""
    licence: str = ""
    """Licence of the style picture."""
    source: str = ""
    """Where the style picture comes from."""

    def __post_init__(self) -> None:
        if not self.styles or not all(isinstance(name, str) for name in self.styles):
            raise ModelError("the entry 'styles' of its Impasto description names no style; make the model again")
        for name, pair in self.ranges.items():
            sound = isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(x, int | float) for x in pair)
            if not sound or not -1e30 < pair[0] < pair[1] < 1e30 or pair[1] - pair[0] < 1e-6:
                raise ModelError(f"its Impasto description has a bad range for {name!r}; make the model again")
        least = {"multiple_of": 1, "minimum_size": 1, "noise_channels": 0, "style_size": 0, "late_size": 0}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise ModelError(f"the entry {name!r} of its Impasto description is too small; make the model again")

    def to_json(self) -> str:
        """One line of JSON with sorted keys, so that equal infos give equal bytes.

        Raises:
            ModelError: `arguments` or `training` hold something JSON has no notation for.
        """
        try:
            return as_json(self)
        except (TypeError, ValueError) as cause:
            raise ModelError(f"the model's description cannot be stored as JSON: {cause}") from cause

    @classmethod
    def from_json(cls, text: str) -> "ModelInfo":
        """The info that `to_json` wrote.

        Raises:
            ModelError: Not such a text, or an unknown format version or architecture.
        """
        try:
            record = json.loads(text)
        except ValueError as cause:
            raise ModelError(f"its Impasto description is damaged ({cause}); copy or download it again") from None
        if not isinstance(record, dict):
            raise ModelError("its Impasto description is damaged; copy or download it again")
        if record.get("format") not in FORMATS:
            known = ", ".join(map(str, FORMATS))
            raise ModelError(
                f"is of format {record.get('format')!r}, this Impasto knows {known}; update Impasto or the model"
            )
        if record.get("architecture") not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise ModelError(
                f"has the architecture {record.get('architecture')!r}, this Impasto knows {known}; update Impasto"
            )
        if isinstance(record.get("styles"), list):
            record["styles"] = tuple(record["styles"])  # JSON has no tuples
        kinds = {item.name: get_origin(item.type) or item.type for item in fields(cls)}
        for name, value in record.items():
            if name not in kinds or type(value) is not kinds[name]:
                raise ModelError(f"its Impasto description has a bad entry {name!r}; update Impasto or the model")
        try:
            return cls(**record)
        except TypeError as cause:
            raise ModelError(f"its Impasto description is not complete ({cause}); make the model again") from None


def as_json(record: "DataclassInstance") -> str:
    """One line of JSON with sorted keys. What is not text in a file's name is escaped, and is read as it was."""
    text = json.dumps(asdict(record), sort_keys=True, ensure_ascii=False, allow_nan=False)
    return text.encode(errors="backslashreplace").decode()


def read_info(path: str | os.PathLike[str]) -> ModelInfo:
    """What the model file says about itself; the weights are stepped over, not read.

    Raises:
        ModelError: The file is missing, a folder, empty, cut short, not ONNX, another project's ONNX, or of an
            unknown format version or architecture.
    """
    with _opened(path) as stream:
        info = _find_info(stream)
        if info is None:
            raise ModelError(
                "is another project's ONNX, without Impasto's description; `impasto evaluate` takes it with --range"
            )
        return ModelInfo.from_json(info)


def check_complete(path: str | os.PathLike[str]) -> None:
    """Make sure that a file is ONNX and whole, anyone's; inference engines say so in many lines of their own.

    Raises:
        ModelError: The file is missing, a folder, empty, cut short or not ONNX.
    """
    with _opened(path) as stream:
        for _ in _model_fields(stream):
            pass


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """The file to read from; what goes wrong with it is a ModelError that names it."""
    path = Path(path)
    if path.is_dir():
        raise ModelError(f"{path}: is a folder, not a model file; give a .onnx file")
    try:
        with path.open("rb") as stream:
            yield stream
    except FileNotFoundError:
        raise ModelError(f"{path}: no such model file; check the name") from None
    except OSError as cause:
        raise ModelError(f"{path}: cannot read: {cause.strerror or cause}") from cause
    except ModelError as reason:
        raise ModelError(f"{path}: {reason}") from None


def write_model(path: str | os.PathLike[str], onnx_bytes: bytes, info: ModelInfo) -> None:
    """Write a model file, whole or not at all.

    Args:
        path: Where to; an existing file is replaced.
        onnx_bytes: A serialised ONNX model that keeps the contract above. An Impasto description already in it is
            replaced, all else is kept byte for byte.
        info: What the file shall say about itself.

    Raises:
        ModelError: The bytes are not a complete ONNX model, `info` is not one that `read_info` accepts, or the file
            cannot be written.
    """
    text = info.to_json()
    ModelInfo.from_json(text)
    try:
        kept = [
            onnx_bytes[item.start : item.stop]
            for item in _model_fields(io.BytesIO(onnx_bytes))
            if item.number != _METADATA or _parse_entry(onnx_bytes[item.body : item.stop])[0] != _KEY
        ]
    except ModelError as reason:
        raise ModelError(f"{path}: not written, the given ONNX {reason}") from None
    entry = encode(1, _KEY) + encode(2, text.encode())
    # Second, after ONNX's version number and before the graph: found without stepping over the weights, and a file
    # cut short still says what it was. Protobuf allows any order.
    content = b"".join([kept[0], encode(_METADATA, entry), *kept[1:]])
    with replacing(path, ModelError) as part:
        part.write_bytes(content)


# ---- the top level of an ONNX file -----------------------------------------------------------------------------

_IR_VERSION, _GRAPH, _OPSET_IMPORT, _METADATA = 1, 7, 8, 14
_WIRE_TYPES = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}
"""The fields of ModelProto in onnx.proto: number -> wire type."""


def _find_info(stream: BinaryIO) -> str | None:
    """Impasto's JSON in a complete ONNX file, None when the file has none."""
    found = None
    for item in _model_fields(stream):
        if item.number == _METADATA:
            stream.seek(item.body)
            key, value = _parse_entry(stream.read(item.stop - item.body))
            if key == _KEY:
                found = value.decode(errors="replace")
    return found


def _model_fields(stream: BinaryIO) -> Iterator[Field]:
    """The top-level fields of an ONNX file, in order. The stream's position does not matter between them.

    Raises:
        ModelError: Empty, not ONNX, or cut short.
    """
    size = stream.seek(0, io.SEEK_END)
    if size == 0:
        raise ModelError("is empty (0 bytes); copy or download it again")
    seen = set()
    try:
        for item in read_fields(stream, size, _WIRE_TYPES):
            seen.add(item.number)
            yield item
    except EOFError:
        if _IR_VERSION in seen:
            raise ModelError(f"is cut short: it ends at byte {size}; copy or download it again") from None
        raise ModelError("is not an ONNX file; give a model made by `impasto train`") from None
    except ValueError:
        raise ModelError("is not an ONNX file, or damaged; give a model made by `impasto train`") from None
    if not {_IR_VERSION, _GRAPH, _OPSET_IMPORT} <= seen:
        raise ModelError("is not a complete ONNX file; copy or download it again")


def _parse_entry(data: bytes) -> tuple[bytes, bytes]:
    """Key and value of a StringStringEntryProto."""
    values = {1: b"", 2: b""}
    try:
        for item in read_fields(io.BytesIO(data), len(data), {1: 2, 2: 2}):
            values[item.number] = data[item.body : item.stop]
    except (EOFError, ValueError):
        raise ModelError("has damaged metadata; copy or download it again") from None
    return values[1], values[2]
