"""The model file: a standard ONNX file with a description.

Any ONNX runtime can run it. The description, a `ModelInfo`, is a JSON object in the file's metadata under the key
`impasto`. Reading it needs neither onnx, numpy nor an engine.

The contract of the graph, opset 17 or later (N, H and W are dynamic):

    input   image     float32 (N, 3, H, W)               RGB, 0 to 1
    input   noise     float32 (N, noise_channels, h, w)  see `ModelInfo.noise_scales`; h = ceil(H / noise_stride), and
                                                         w likewise; only if noise_channels > 0
    input   style     float32 (style_size,)              scales and shifts (`impasto.models.stylefile`); only if
                                                         style_size > 0
    input   strength  float32 (1,)                       0 for the photo to 1 for the style, and beyond; default 1;
                                                         only if the description says so
    output  stylized  float32 (N, 3, H, W)               RGB, 0 to 1, exactly the size of `image`

The output is defined for every H and W of at least `minimum_size` that is divisible by `multiple_of`. Weights are
inside the file.
"""

import functools
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from impasto.errors import ModelError
from impasto.files import replacing
from impasto.models.onnx_file import METADATA, metadata_entry, parse_entry, top_level
from impasto.models.protobuf import Field
from impasto.models.records import RecordError, from_mapping, parse_object, to_json

FORMATS = (1,)
"""The supported format versions. The last one is written."""

CONVERTED = "converted"
"""The architecture of a model that `impasto convert` made from another project's: its graph is not one of ours."""
ARCHITECTURES = ("texture", "residual", "light", CONVERTED)
"""The known generators, see `impasto.nn.generators`; and `CONVERTED`."""

METADATA_KEY = "impasto"
"""The key of the description in the metadata of an ONNX file."""
_LARGEST = 2**31
"""Bytes: protobuf's own limit."""


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """The description in a model file.

    Raises:
        ModelError: There is no style, or a value is out of range.
    """

    format: int = FORMATS[-1]
    """Version of the file format."""
    architecture: str
    """Name of the generator, one of `ARCHITECTURES`."""
    arguments: dict[str, Any]
    """All of the generator's constructor arguments."""
    styles: tuple[str, ...]
    """Names of the styles it was trained on: one, or all styles that share it."""
    multiple_of: int = 1
    """Heights and widths must be divisible by this."""
    minimum_size: int = 16
    """Heights and widths must be at least this, in pixels."""
    noise_channels: int = 0
    """Channels of the graph's `noise` input; 0 when it has none."""
    noise_stride: int = 1
    """Pixels between two values of the `noise` input: it has ceil(H / noise_stride) rows."""
    noise_scales: tuple[int, ...] = ()
    """For each channel of `noise`, the grid spacing of the normal noise that is interpolated bilinearly, in values of
    the input (`impasto.painting.noise`). If empty, noise is uniform in [0, 1) and independent at every pixel."""
    reach: int = 0
    """The radius of the receptive field with fixed statistics, in pixels, rounded up to a multiple of 16; 0 if the
    graph cannot paint in tiles."""
    strides: tuple[int, ...] = ()
    """The stride of the features at each instance normalization, in the graph's order; empty if `reach` is 0.
    Features of stride s have ceil(H / c) * c / s rows, where c is the largest stride so far: strided convolutions
    round up."""
    style_size: int = 0
    """Length of the graph's `style` input; 0 when the one style is part of the graph."""
    late_size: int = 0
    """Number of the last elements of `style`, which determine the colors and are not extrapolated beyond strength 1."""
    strength: bool = False
    """Whether the graph has the input `strength`."""
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Kernel name -> minimum and maximum of the convolution's input, for 8-bit quantization."""
    training: dict[str, Any] = field(default_factory=dict)
    """Training record: preset, steps, seconds, seed, content set, final objective, code version."""
    style_title: str = ""
    """Title and maker of the style picture."""
    license: str = ""
    """License of the style picture."""
    source: str = ""
    """Where the style picture comes from."""

    def __post_init__(self) -> None:
        if not self.styles:
            raise ModelError("the entry 'styles' of its Impasto description names no style; export the model again")
        for name, (low, high) in self.ranges.items():
            if not -1e30 < low < high < 1e30 or high - low < 1e-6:
                raise ModelError(f"its Impasto description has a bad range for {name!r}; export the model again")
        least = {"multiple_of": 1, "minimum_size": 1, "noise_channels": 0, "noise_stride": 1, "reach": 0}
        for name, value in (least | {"style_size": 0, "late_size": 0}).items():
            if getattr(self, name) < value:
                raise ModelError(f"the entry {name!r} of its Impasto description is too small; export the model again")
        if len(self.noise_scales) not in (0, self.noise_channels) or any(scale < 1 for scale in self.noise_scales):
            raise ModelError("its Impasto description has bad 'noise_scales'; export the model again")
        if self.reach % 16 or any(stride not in (1, 2, 4, 8, 16) for stride in self.strides):
            raise ModelError("its Impasto description has a bad 'reach' or bad 'strides'; export the model again")
        if (self.reach > 0) != bool(self.strides):
            raise ModelError("its Impasto description has 'reach' without 'strides'; export the model again")

    def to_json(self) -> str:
        """One line of JSON with sorted keys: equal descriptions give equal bytes.

        Raises:
            ModelError: `arguments` or `training` contain a value that JSON does not have.
        """
        try:
            return to_json(self)
        except RecordError as cause:
            raise ModelError(f"the model's description cannot be stored as JSON: {cause}") from cause

    @classmethod
    def from_json(cls, text: str) -> "ModelInfo":
        """The description that `to_json` wrote.

        Raises:
            ModelError: The text is damaged, or of an unknown format version or architecture.
        """
        try:
            values = parse_object(text)
            if values.get("format") not in FORMATS:
                known = ", ".join(map(str, FORMATS))
                raise ModelError(
                    f"is of format {values.get('format')!r}, this version of Impasto reads {known}; update Impasto"
                )
            if values.get("architecture") not in ARCHITECTURES:
                known = ", ".join(ARCHITECTURES)
                raise ModelError(
                    f"has the architecture {values.get('architecture')!r}, this version of Impasto knows {known}; "
                    "update Impasto"
                )
            return from_mapping(cls, values)
        except RecordError as reason:
            raise ModelError(f"its Impasto description is damaged ({reason}); copy or download it again") from None

    def feature_sizes(self, height: int, width: int) -> list[tuple[int, int, int]]:
        """For each instance normalization, in the graph's order: the stride, rows and columns of its features.

        Empty where `reach` is 0.

        Args:
            height: Height of the graph's `image` input.
            width: Width of the graph's `image` input.
        """
        sizes, coarsest = [], 1
        for stride in self.strides:
            coarsest = max(coarsest, stride)
            rows, columns = (-(-size // coarsest) * coarsest // stride for size in (height, width))
            sizes.append((stride, rows, columns))
        return sizes


@dataclass(frozen=True)
class ModelFile:
    """A model file in memory: its description and all of its bytes."""

    path: Path
    info: ModelInfo
    content: bytes = field(repr=False)

    @functools.cached_property
    def network_hash(self) -> str:
        """See :func:`network_hash`."""
        return _hash(self.content)


def read_model(path: str | os.PathLike[str]) -> ModelFile:
    """Read a model file: its description and its content.

    Raises:
        ModelError: The file is missing, a folder, empty, cut short, not ONNX, another project's ONNX, or of an
            unknown format version or architecture.
    """
    path = Path(path)
    content = _read(path)
    with _naming(path):
        text = None
        for item in top_level(content):
            key, value = _entry(content, item)
            text = value if key == METADATA_KEY else text
        if text is None:
            raise ModelError(
                "is another project's ONNX, without Impasto's description: `impasto convert` makes a model of it, and "
                "`impasto evaluate` measures it with --range; if `impasto export` wrote it, paint with its style"
            )
        return ModelFile(path, ModelInfo.from_json(text), content)


def read_info(path: str | os.PathLike[str]) -> ModelInfo:
    """Read the description in a model file. Raises ModelError as :func:`read_model` does."""
    return read_model(path).info


def network_hash(path: str | os.PathLike[str]) -> str:
    """The hexadecimal SHA-256 of a model file without Impasto's description. Style files identify their network by it.

    A change of the description does not change the hash, so the network's styles stay valid.

    Raises:
        ModelError: The file is missing, a folder, empty, cut short or not ONNX.
    """
    content = _read(Path(path))
    with _naming(Path(path)):
        return _hash(content)


def read_onnx(path: str | os.PathLike[str]) -> bytes:
    """Read and check an ONNX file of any project; engines would report damage in many lines.

    Raises:
        ModelError: The file is missing, a folder, empty, cut short or not ONNX.
    """
    content = _read(Path(path))
    with _naming(Path(path)):
        top_level(content)
    return content


def write_model(path: str | os.PathLike[str], content: bytes, info: ModelInfo) -> None:
    """Write a model file, whole or not at all.

    Args:
        path: The file to write; an existing file is replaced.
        content: A serialized ONNX model that follows the contract above. An existing Impasto description is replaced;
            all other bytes are kept.
        info: The description.

    Raises:
        ModelError: The content is not a complete ONNX model, `info` is not one that `read_info` accepts, or the file
            cannot be written.
    """
    text = info.to_json()
    ModelInfo.from_json(text)
    try:
        first, *others = _without_description(content)
    except ModelError as reason:
        raise ModelError(f"{path}: not written, the ONNX model {reason}") from None
    # The description follows ONNX's version number and precedes the graph, so that truncated files still have it.
    # Protobuf allows any order.
    with replacing(Path(path), ModelError) as part:
        part.write_bytes(b"".join((first, metadata_entry(METADATA_KEY, text), *others)))


def _without_description(content: bytes) -> list[memoryview]:
    """The top-level fields, encoded, without Impasto's description."""
    view = memoryview(content)
    return [view[item.start : item.stop] for item in top_level(content) if _entry(content, item)[0] != METADATA_KEY]


def _entry(content: bytes, item: Field) -> tuple[str, str]:
    """Key and value if this top-level field is a metadata entry; else two empty strings."""
    return parse_entry(content[item.body : item.stop]) if item.number == METADATA else ("", "")


def _hash(content: bytes) -> str:
    digest = hashlib.sha256()
    for part in _without_description(content):
        digest.update(part)
    return digest.hexdigest()


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise ModelError(f"{path}: is a folder, not a model file; give a .onnx file")
    try:
        if path.stat().st_size > _LARGEST:
            raise ModelError(f"{path}: is larger than an ONNX file can be (2 GB); give a model made by `impasto train`")
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path}: no such model file; check the name") from None
    except OSError as cause:
        raise ModelError(f"{path}: cannot read: {cause.strerror or cause}") from cause


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put the path before the message of a ModelError."""
    try:
        yield
    except ModelError as reason:
        raise ModelError(f"{path}: {reason}") from None
