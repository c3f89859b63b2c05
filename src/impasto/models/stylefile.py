"""The style file: one style of a shared network, a few KB.

A network with a `style` input paints the style whose scales and shifts it receives. A style file is a safetensors file
with two float32 vectors of length `style_size`: `style`, and `photo`, with which the network reproduces the photo.
Interpolating between the two varies the strength. The description, a `StyleInfo`, is a JSON object in the metadata
under the key `impasto`.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ModelError
from impasto.files import replacing
from impasto.models.records import RecordError, from_mapping, parse_object, to_json

Vector = NDArray[np.float32]

SUFFIX = ".safetensors"
_FORMAT = 1
_LARGEST = 16_000_000
"""Largest accepted file, bytes."""


@dataclass(frozen=True, kw_only=True)
class StyleInfo:
    """The description in a style file."""

    format: int = _FORMAT
    """Version of the file format."""
    name: str
    """The style's name, as used on the command line."""
    network: str
    """The hash of the style's network, see `impasto.models.modelfile.network_hash`."""
    title: str = ""
    """The title of the style picture. The next four fields describe the picture, too."""
    artist: str = ""
    year: str = ""
    license: str = ""
    source: str = ""
    training: dict[str, Any] = field(default_factory=dict)
    """Training record, see `impasto.models.modelfile.ModelInfo`."""


@dataclass(frozen=True)
class Style:
    """The content of a style file."""

    info: StyleInfo
    parameters: Vector
    """The style's scales and shifts, layer by layer, float32 (style_size,)."""
    photo: Vector
    """The scales and shifts with which the network reproduces the photo, float32 (style_size,)."""


def read_style(path: str | os.PathLike[str]) -> Style:
    """Read a style file.

    Raises:
        ModelError: The file is missing, damaged, not a style file, or of an unknown format version.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    try:
        if path.stat().st_size > _LARGEST:
            raise ModelError("is too large for a style file; give one made by `impasto train`")
        path.open("rb").close()
        with safe_open(path, framework="np") as file:
            text = (file.metadata() or {}).get("impasto")
            if text is None or set(file.keys()) != {"style", "photo"}:
                raise ModelError("is not a style file; give one made by `impasto train`")
            info = _parse(text)
            parameters, photo = (np.asarray(file.get_tensor(name)) for name in ("style", "photo"))
    except ModelError as reason:
        raise ModelError(f"{path}: {reason}") from None
    except FileNotFoundError:
        raise ModelError(f"{path}: no such style file; check the name") from None
    except OSError as cause:
        raise ModelError(f"{path}: cannot read: {cause.strerror or cause}") from cause
    except (SafetensorError, TypeError):  # TypeError: an element type that numpy lacks
        raise ModelError(f"{path}: is not a style file, or damaged; copy or download it again") from None
    for vector in (parameters, photo):
        if (
            vector.dtype != np.float32
            or vector.ndim != 1
            or vector.shape != parameters.shape
            or not np.isfinite(vector).all()
        ):
            raise ModelError(f"{path}: its numbers are damaged; copy or download it again")
    return Style(info, parameters, photo)


def write_style(path: str | os.PathLike[str], style: Style) -> None:
    """Write a style file, whole or not at all.

    Raises:
        ModelError: The file cannot be written, or the description contains a value that JSON does not have.
    """
    from safetensors.numpy import save

    try:
        description = to_json(style.info)
    except RecordError as cause:
        raise ModelError(f"{path}: not written: its description cannot be stored as JSON: {cause}") from cause
    data = save({"style": style.parameters, "photo": style.photo}, metadata={"impasto": description})
    with replacing(Path(path), ModelError) as part:
        part.write_bytes(data)


def _parse(text: str) -> StyleInfo:
    try:
        values = parse_object(text)
        if values.get("format") != _FORMAT:
            raise ModelError(
                f"is a style of format {values.get('format')!r}, this version of Impasto reads {_FORMAT}; "
                "update Impasto"
            )
        return from_mapping(StyleInfo, values)
    except RecordError as reason:
        raise ModelError(f"its Impasto description is damaged ({reason}); copy or download it again") from None
