"""The style file: one style of a shared network, a few KB.

A conditional network (its model file has a `style_size`) paints in any style it is given the scales and shifts of. A
style file holds one such style as safetensors, two float32 vectors of `style_size` numbers: `style`, and `photo`, with
which the same network gives the photo back, so that the look can be had in any strength between. One JSON string
with sorted keys in the metadata, under the key `impasto`, is a `StyleInfo`.
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
"""Bytes; anything more is no style file and is not read."""


@dataclass(frozen=True, kw_only=True)
class StyleInfo:
    """What a style file says about itself."""

    format: int = _FORMAT
    """Version of the file format."""
    name: str
    """What the style is called on the command line."""
    network: str
    """Which network the vectors fit, see `impasto.models.modelfile.network_hash`; with any other they mean nothing."""
    title: str = ""
    """Of the style picture, as are the next four."""
    artist: str = ""
    year: str = ""
    licence: str = ""
    source: str = ""
    training: dict[str, Any] = field(default_factory=dict)
    """How it was made and how good it is: see `impasto.models.modelfile.ModelInfo`."""


@dataclass(frozen=True)
class Style:
    """A style file's content: `parameters` and `photo` are float32 (style_size,)."""

    info: StyleInfo
    parameters: Vector
    photo: Vector


def read_style(path: str | os.PathLike[str]) -> Style:
    """The style in a file.

    Raises:
        ModelError: The file is missing, damaged, no style file, or of an unknown format version.
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
                raise ModelError("is no style file; give one made by `impasto train`")
            info = _parse(text)
            parameters, photo = (np.asarray(file.get_tensor(name)) for name in ("style", "photo"))
    except ModelError as reason:
        raise ModelError(f"{path}: {reason}") from None
    except FileNotFoundError:
        raise ModelError(f"{path}: no such style file; check the name") from None
    except OSError as cause:
        raise ModelError(f"{path}: cannot read: {cause.strerror or cause}") from cause
    except (SafetensorError, TypeError):  # TypeError: of a number type that numpy has not
        raise ModelError(f"{path}: is no style file, or damaged; copy or download it again") from None
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
        ModelError: The file cannot be written.
    """
    from safetensors.numpy import save

    data = save({"style": style.parameters, "photo": style.photo}, metadata={"impasto": to_json(style.info)})
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
