"""The progress reports of a run, and its log."""

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Progress:
    """The state of a run after a step.

    Attributes:
        step: steps done.
        fraction: of the run, 0 to 1.
        seconds: training time, including earlier parts of a resumed run.
        seconds_left: estimate of the time left.
        steps_per_second: mean over the run.
        content: content error, running mean over about 10 steps.
        style: style error, likewise.
        objective: both, weighted.
        held_out: the terms on held-out photos when last measured, by name; None before.
        message: a line for the user, or None.
    """

    step: int
    fraction: float
    seconds: float
    seconds_left: float
    steps_per_second: float
    content: float
    style: float
    objective: float
    held_out: dict[str, float] | None = None
    message: str | None = None


class Log:
    """The run's log.jsonl: one JSON object per line."""

    def __init__(self, path: Path, *, append: bool) -> None:
        self.path = path
        if not append:
            path.unlink(missing_ok=True)

    def write(self, progress: Progress, crop: int) -> None:
        """Append a line; if the disk is full, do nothing."""
        entry = {name: _rounded(value) for name, value in asdict(progress).items() if value is not None}
        with contextlib.suppress(OSError), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**entry, "crop": crop}) + "\n")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return round(value, 4) if isinstance(value, float) else value
