"""How a style is applied: every choice a user has without training, and its default."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from impasto.errors import UsageError
from impasto.files import replacing
from impasto.models.catalogue import VARIANTS, Variant
from impasto.pictures.colors import METHODS, Method

MOST_STRENGTH = 2.0
MOST_SHARE = 1e9
"""Of a style in a file of settings, beside the others'."""
STROKES_AT = 512
"""Short side, pixels, of the pictures that styles are learnt on."""
STROKE_SIZES = (0.01, 8.0)
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

    strength: float = _option(1.0, "how much of the style: 0 is the photo, 1 the style, up to 2 more than that")
    stroke_size: float = _option(
        1.0,
        f"how large strokes are beside the picture: at 1, from {STROKES_AT} pixels (short side) up, as on one of that "
        "size; at 2 twice, at 0.5 half as large; 0: the network's own, which are fine on a large picture",
    )
    crisp: bool = _option(
        False,
        "paint a large picture once more at each doubling of its size: strokes come out as sharp as on a small one; "
        "takes the time that its size takes",
    )
    keep_colors: Method | None = _option(
        None,
        "keep the photo's colours: of each place (luminance: only lightness is painted), or on the whole (match: the "
        "painting's palette is moved to the photo's)",
    )
    seed: int = _option(0, "draws the noise, for models that take noise")

    def __post_init__(self) -> None:
        if not _is_number(self.strength) or not 0 <= self.strength <= MOST_STRENGTH:
            raise UsageError(
                f"strength must be from 0 (the photo) over 1 (the style) to {MOST_STRENGTH:g}, not {self.strength}"
            )
        least, most = STROKE_SIZES
        if not _is_number(self.stroke_size) or not (self.stroke_size == 0 or least <= self.stroke_size <= most):
            raise UsageError(f"stroke size must be 0, or from {least:g} to {most:g}, not {self.stroke_size}")
        if not isinstance(self.crisp, bool):
            raise UsageError(f"crisp must be true or false, not {self.crisp}")
        if self.keep_colors is not None and self.keep_colors not in METHODS:
            raise UsageError(f"unknown way to keep colours '{self.keep_colors}': choose one of {', '.join(METHODS)}")
        if not isinstance(self.seed, int) or isinstance(self.seed, bool) or self.seed < 0:
            raise UsageError(f"seed must be a whole number of 0 or more, not {self.seed}")


AS_IT_IS = Settings(stroke_size=0)
"""The network's own strokes: a picture is painted at its own size, whatever that is. For measuring networks."""


@dataclass(frozen=True, kw_only=True)
class SavedSettings:
    """A style or model, and how it is applied: what `impasto stylize --save-settings` keeps."""

    style: Mapping[str, float] = field(default_factory=dict)
    """Styles and their shares, as :func:`impasto.load` takes them; empty with a model."""
    model: str | None = None
    """A model file, instead of styles."""
    variant: Variant = "best"
    """The network of shipped styles, as :func:`impasto.load` takes it."""
    settings: Settings = field(default_factory=Settings)


def write_settings(path: str | os.PathLike[str], saved: SavedSettings) -> None:
    """Write them as JSON, whole or not at all; styles in their order, in which masks are given.

    Raises:
        UsageError: the file cannot be written.
    """
    given = {"style": dict(saved.style), "model": saved.model, "variant": saved.variant}
    record = {"impasto": _FORMAT, **given, **asdict(saved.settings)}
    with replacing(Path(path), UsageError) as part:
        part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def read_settings(path: str | os.PathLike[str]) -> SavedSettings:
    """What :func:`write_settings` wrote; what is missing has its default.

    Raises:
        UsageError: no such file, or not one of these; a setting that is not known or out of range.
    """
    path = Path(path)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot read: {error.strerror}") from error
    except (ValueError, RecursionError):
        raise UsageError(f"{path}: is no file of settings: give one made by --save-settings") from None
    if not isinstance(record, dict) or record.pop("impasto", None) != _FORMAT:
        raise UsageError(f"{path}: is no file of settings, format {_FORMAT}: give one made by --save-settings")
    style, model, variant = record.pop("style", {}), record.pop("model", None), record.pop("variant", "best")
    if not isinstance(style, dict) or not all(_is_number(x) and abs(x) <= MOST_SHARE for x in style.values()):
        raise UsageError(f"{path}: style must be names and their shares")
    if model is not None and not isinstance(model, str):
        raise UsageError(f"{path}: model must be the name of a file")
    if any("\0" in name for name in (*style, model or "")):
        raise UsageError(f"{path}: style and model must be names")
    if variant not in VARIANTS:
        raise UsageError(f"{path}: variant must be one of {', '.join(VARIANTS)}")
    known = [item.name for item in fields(Settings)]
    if not {*record} <= {*known}:
        unknown = ", ".join(sorted({*record} - {*known}))
        raise UsageError(f"{path}: unknown setting {unknown}: known are {', '.join(known)}")
    try:
        return SavedSettings(style=style, model=model, variant=variant, settings=Settings(**record))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
