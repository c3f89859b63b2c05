"""Key frames: a JSON file of strengths and style mixtures that change over a clip's time.

    {"strength": {"0": 0.0, "2.5": 1.0},
     "mix": {"0": {"udnie": 1}, "5": {"udnie": 0.3, "great_wave": 0.7}}}

Keys are seconds from the clip's first frame. Values are interpolated linearly, and constant before the first and after
the last key.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from impasto.errors import UsageError
from impasto.painting.settings import MOST_STRENGTH

STEPS = 50
"""Number of mixtures between two styles. Mixtures are quantized, because each one resets the smoothed statistics."""


@dataclass(frozen=True)
class Keyframes:
    """The content of a file of key frames.

    Attributes:
        strength: Seconds -> strength, in order of time.
        mix: Seconds -> styles and their shares, which sum to 1, in order of time.
    """

    strength: tuple[tuple[float, float], ...] = ()
    mix: tuple[tuple[float, Mapping[str, float]], ...] = field(default=())

    def strength_at(self, seconds: float, default: float) -> float:
        """The strength at a time; ``default`` if the file has none."""
        if not self.strength:
            return default
        before, after, share = _around([time for time, _ in self.strength], seconds)
        return (1 - share) * self.strength[before][1] + share * self.strength[after][1]

    def mix_at(self, seconds: float) -> Mapping[str, float] | None:
        """The styles and their shares at a time, in steps of 1 / `STEPS`; None if the file has none."""
        if not self.mix:
            return None
        before, after, share = _around([time for time, _ in self.mix], seconds)
        share = round(share * STEPS) / STEPS
        one, other = self.mix[before][1], self.mix[after][1]
        names = sorted({*one, *other})
        mixed = {name: (1 - share) * one.get(name, 0.0) + share * other.get(name, 0.0) for name in names}
        return {name: value for name, value in mixed.items() if value > 0}


def read_keyframes(path: Path) -> Keyframes:
    """Read a file of key frames.

    Raises:
        UsageError: The file cannot be read, or does not have the format above.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as cause:
        raise UsageError(f"{path}: cannot read: {cause.strerror}") from cause
    except (ValueError, RecursionError):
        raise UsageError(f'{path}: is not JSON: write {{"strength": {{"0": 0, "2.5": 1}}}}, say') from None
    if not isinstance(data, dict) or not data or not {*data} <= {"strength", "mix"}:
        raise UsageError(f"{path}: must hold strength, mix or both, and nothing else")
    strength, mix = (_timed(path, name, data.get(name, {})) for name in ("strength", "mix"))
    for time, value in strength:
        if not _is_number(value) or not 0 <= value <= MOST_STRENGTH:
            raise UsageError(f"{path}: strength at {time:g} s must be from 0 to {MOST_STRENGTH:g}, not {value}")
    shares = []
    for time, value in mix:
        if isinstance(value, str):
            value = {value: 1}
        sound = isinstance(value, dict) and value and all(_is_number(x) and 0 <= x < 1e9 for x in value.values())
        if not sound or not sum(value.values()) > 0:
            raise UsageError(f"{path}: mix at {time:g} s must be styles and their shares, not {value}")
        shares.append((time, {name: x / sum(value.values()) for name, x in value.items()}))
    return Keyframes(tuple((time, float(value)) for time, value in strength), tuple(shares))


def _timed(path: Path, name: str, values: object) -> list[tuple[float, Any]]:
    """Values and their times in seconds, in order."""
    if not isinstance(values, dict):
        raise UsageError(f"{path}: {name} must be times in seconds and values")
    timed = []
    for key, value in values.items():
        try:
            time = float(key)
        except ValueError:
            time = float("nan")
        if not 0 <= time < float("inf"):
            raise UsageError(f"{path}: '{key}' is no time in seconds")
        timed.append((time, value))
    return sorted(timed, key=lambda item: item[0])


def _around(times: list[float], seconds: float) -> tuple[int, int, float]:
    """The indices of the key frames before and after a time, and the position between them, 0 to 1."""
    after = next((place for place, time in enumerate(times) if time > seconds), len(times))
    if after == 0:
        return 0, 0, 0.0
    if after == len(times):
        return after - 1, after - 1, 0.0
    return after - 1, after, (seconds - times[after - 1]) / (times[after] - times[after - 1])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
