"""The settings of stylizing, with their defaults, and files of settings."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from impasto.errors import UsageError
from impasto.files import replacing
from impasto.models.catalog import Variant
from impasto.models.records import from_mapping, parse_object
from impasto.pictures.colors import METHODS, Method
from impasto.pictures.sources import file_or_name

MOST_STRENGTH = 2.0
MOST_SHARE = 1e9
"""Largest share of a style in a settings file."""
STROKES_AT = 512
"""The working size (short side, pixels) for stroke size 1, close to that of training."""
STROKE_SIZES = (0.01, 8.0)
CRISP_PIXELS = 16_000_000
"""The largest size at which a picture is painted again unless the settings say so, to limit time and memory."""
_FORMAT = 1


def _option(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a style is applied.

    Raises:
        UsageError: a value that is out of range.
    """

    strength: float = _option(
        1.0, "how much of the style: 0 leaves the photo as it is, 1 is the style as it was learned, 2 exaggerates it"
    )
    stroke_size: float = _option(
        1.0,
        "size of strokes relative to the picture: 2 makes them twice as large, 0.5 half as large. A picture whose "
        f"short side is above {STROKES_AT} pixels gets strokes as if it were scaled down to {STROKES_AT}; 0 paints "
        "it at its own size, with fine strokes",
    )
    crisp: bool | None = _option(
        None,
        "paint a large picture in several passes, at growing sizes, so that strokes have sharp edges; default: yes, up "
        f"to {CRISP_PIXELS // 1_000_000} megapixels, but not in videos",
    )
    keep_colors: Method | None = _option(
        None,
        "keep the photo's colors: luminance paints only the lightness of each pixel, match moves the painting's "
        "palette to the photo's",
    )
    seed: int = _option(0, "seed of the noise input, for models that have one")

    def __post_init__(self) -> None:
        for name in ("strength", "stroke_size", "crisp", "seed"):  # numpy's numbers are numbers, but not JSON
            value = getattr(self, name)
            if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
                object.__setattr__(self, name, value.item())
        if not _is_number(self.strength) or not 0 <= self.strength <= MOST_STRENGTH:
            raise UsageError(
                f"strength must be from 0 (the photo) over 1 (the style) to {MOST_STRENGTH:g}, not {self.strength!r}"
            )
        least, most = STROKE_SIZES
        if not _is_number(self.stroke_size) or not (self.stroke_size == 0 or least <= self.stroke_size <= most):
            raise UsageError(f"stroke size must be 0, or from {least:g} to {most:g}, not {self.stroke_size!r}")
        if not isinstance(self.crisp, bool | None):
            raise UsageError(f"crisp must be true, false or absent, not {self.crisp!r}")
        if self.keep_colors is not None and self.keep_colors not in METHODS:
            raise UsageError(f"unknown way to keep colors '{self.keep_colors}': choose one of {', '.join(METHODS)}")
        if not isinstance(self.seed, int) or isinstance(self.seed, bool) or self.seed < 0:
            raise UsageError(f"seed must be a whole number of 0 or more, not {self.seed!r}")


AS_IT_IS = Settings(stroke_size=0)
"""The settings that paint every picture at its own size, with the network's own strokes. For evaluating networks."""


@dataclass(frozen=True, kw_only=True)
class SavedSettings:
    """The content of a settings file (`impasto stylize --save-settings`): a style or model, and its settings."""

    style: Mapping[str, float] = field(default_factory=dict)
    """Styles and their shares, as for :func:`impasto.load`; empty if there is a model."""
    model: str | None = None
    """The path of a model file, instead of styles."""
    variant: Variant = "best"
    """The network for shipped styles, as for :func:`impasto.load`."""
    settings: Settings = field(default_factory=Settings)


def write_settings(path: str | os.PathLike[str], saved: SavedSettings) -> None:
    """Write a settings file, JSON, whole or not at all. The order of styles, by which masks are assigned, is kept.

    Raises:
        UsageError: The file cannot be written.
    """
    given = {"style": dict(saved.style), "model": saved.model, "variant": saved.variant}
    record = {"impasto": _FORMAT, **given, **asdict(saved.settings)}
    with replacing(Path(file_or_name(path)), UsageError) as part:
        part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def read_settings(path: str | os.PathLike[str]) -> SavedSettings:
    """Read a settings file. Absent entries have their defaults.

    Raises:
        UsageError: The file does not exist or is not a settings file, or an entry is unknown or out of range.
    """
    path = Path(file_or_name(path))
    try:
        return _parse_settings(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot read: {error.strerror}") from error
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    except ValueError as error:  # not UTF-8, or a RecordError
        raise UsageError(f"{path}: is not a settings file ({error}); give one that --save-settings wrote") from None


def _parse_settings(text: str) -> SavedSettings:
    values = parse_object(text)
    if values.pop("impasto", None) != _FORMAT:
        raise UsageError(f"is not a settings file of format {_FORMAT}; give one that --save-settings wrote")
    named: dict[str, Any] = {key: values.pop(key) for key in ("style", "model", "variant") if key in values}
    saved = replace(from_mapping(SavedSettings, named), settings=from_mapping(Settings, values))
    if any(abs(share) > MOST_SHARE for share in saved.style.values()):
        raise UsageError(f"shares of styles must be at most {MOST_SHARE:g}")
    if any("\0" in name for name in (*saved.style, saved.model or "")):
        raise UsageError("names of styles and models must not contain a null character")
    return saved
