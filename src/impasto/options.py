"""Dataclass fields with a help text and a range, which the Python interface and the command line share."""

from dataclasses import field, fields
from typing import TYPE_CHECKING, Any

from impasto.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def opt(default: Any, help: str, *, least: float | None = None, most: float | None = None) -> Any:
    """A dataclass field.

    Args:
        default: The default value.
        help: What the value means, with its unit. It becomes the help text of the command-line flag.
        least: The smallest value allowed; `check_ranges` and the command line test it.
        most: The largest value allowed.
    """
    return field(default=default, metadata={"help": help, "least": least, "most": most})


def check_ranges(record: "DataclassInstance") -> None:
    """Check every field of a dataclass instance that was declared with a range. None is always allowed.

    Raises:
        UsageError: A value is out of range, or not a number.
    """
    for item in fields(record):
        least, most = item.metadata.get("least"), item.metadata.get("most")
        value = getattr(record, item.name)
        if value is None or (least is None and most is None):
            continue
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or (least is not None and value < least) or (most is not None and value > most):
            allowed = f"{least:g} or more" if most is None else f"from {least:g} to {most:g}"
            raise UsageError(f"{item.name.replace('_', '-')} must be {allowed}, not {value}")
