"""Converts frozen dataclasses to JSON objects and back, and checks the type of every value."""

import functools
import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Record = TypeVar("Record", bound=DataclassInstance)
else:
    Record = TypeVar("Record")


class RecordError(ValueError):
    """A text is not JSON, or a value does not have the type that its field declares."""


def to_json(record: "DataclassInstance", *, indent: int | None = None) -> str:
    """Serialize a dataclass as a JSON object with sorted keys: equal instances give equal texts.

    Lone surrogates, which stand for undecodable bytes in file names, are escaped; `parse_object` restores them.

    Raises:
        RecordError: A value is NaN, infinite, or of a type that JSON does not have.
    """
    try:
        text = json.dumps(asdict(record), sort_keys=True, ensure_ascii=False, allow_nan=False, indent=indent)
    except (TypeError, ValueError) as cause:
        raise RecordError(str(cause)) from cause
    return text.encode(errors="backslashreplace").decode()


def parse_object(text: str) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        RecordError: The text is not JSON, not an object, has a key twice, or holds NaN or an infinity.
    """
    try:
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError:
        raise RecordError("it is nested too deeply") from None
    except ValueError as cause:
        raise RecordError(str(cause)) from None
    if not isinstance(found, dict):
        raise RecordError("it is not a JSON object")
    return found


def from_mapping(kind: type[Record], values: Mapping[str, Any]) -> Record:
    """Make an instance of a dataclass from a parsed JSON object; absent fields have their defaults.

    Fields may be declared as `bool`, `int`, `float` (an integer is accepted), `str`, `None`, `Any`, a `Literal`, a
    union, `list[X]`, `tuple[X, ...]` or a tuple of fixed length (arrays in JSON), `dict[str, X]` or `Mapping[str, X]`
    (objects), or another such dataclass.

    Raises:
        RecordError: A key is not a field, a value has another type than its field, or a required field is absent.
            What `__post_init__` raises passes through.
    """
    hints = _hints(kind)
    unknown = sorted(values.keys() - hints.keys())
    if unknown:
        raise RecordError(f"unknown entry {unknown[0]!r}: known are {', '.join(hints)}")
    for item in fields(kind):
        if item.name not in values and item.default is MISSING and item.default_factory is MISSING:
            raise RecordError(f"the entry {item.name!r} is missing")
    return kind(**{name: _checked(value, hints[name], name) for name, value in values.items()})


def from_json(kind: type[Record], text: str) -> Record:
    """Make an instance of a dataclass from the output of `to_json`. Raises RecordError as `from_mapping` does."""
    return from_mapping(kind, parse_object(text))


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    """Field name -> type. Declarations that are strings (`from __future__ import annotations`) are evaluated."""
    hints = get_type_hints(kind)
    return {item.name: hints[item.name] for item in fields(kind)}


def _checked(value: Any, hint: Any, where: str) -> Any:
    """The value as the declared type, arrays as tuples where tuples are declared."""
    if hint is Any:
        return value
    if hint is None or hint is type(None):
        return value if value is None else _refuse(value, hint, where)
    if hint is float:
        return _number(value, where)
    if hint in (bool, int, str):  # exact types: True is not an integer here
        return value if type(value) is hint else _refuse(value, hint, where)
    if is_dataclass(hint) and isinstance(hint, type):
        return from_mapping(hint, value) if isinstance(value, dict) else _refuse(value, hint, where)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        for choice in arguments:
            if type(value) is type(choice) and value == choice:
                return value
        raise RecordError(f"the entry {where!r} must be one of {', '.join(map(repr, arguments))}, not {value!r}")
    if origin in (Union, types.UnionType):
        return _checked_union(value, hint, where)
    if origin in (list, tuple) and isinstance(value, list | tuple):
        return _checked_array(value, hint, where)
    if origin in (dict, Mapping) and isinstance(value, dict) and all(isinstance(key, str) for key in value):
        _, item = arguments
        return {key: _checked(each, item, f"{where}.{key}") for key, each in value.items()}
    _refuse(value, hint, where)


def _checked_union(value: Any, hint: Any, where: str) -> Any:
    for choice in get_args(hint):
        try:
            return _checked(value, choice, where)
        except RecordError:
            continue
    _refuse(value, hint, where)


def _checked_array(value: list[Any] | tuple[Any, ...], hint: Any, where: str) -> list[Any] | tuple[Any, ...]:
    kind, items = get_origin(hint), get_args(hint)
    if kind is list or items[-1] is Ellipsis:
        items = items[:1] * len(value)
    if len(items) != len(value):
        raise RecordError(f"the entry {where!r} must have {len(items)} values, not {len(value)}")
    checked = [_checked(each, item, f"{where}[{n}]") for n, (each, item) in enumerate(zip(value, items, strict=True))]
    return checked if kind is list else tuple(checked)


def _number(value: Any, where: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = float("inf")
        if abs(number) < float("inf"):  # json reads 1e999 as infinity
            return number
    _refuse(value, float, where)


def _refuse(value: Any, hint: Any, where: str) -> NoReturn:
    shown = repr(value)
    shown = shown if len(shown) <= 40 else f"{shown[:40]}..."
    raise RecordError(f"the entry {where!r} must be {_name(hint)}, not {shown}")


def _name(hint: Any) -> str:
    origin = get_origin(hint) or hint
    if is_dataclass(origin) or origin in (dict, Mapping):
        return "an object"
    if origin in (list, tuple):
        return "an array"
    if origin in (Union, types.UnionType):
        return " or ".join("null" if each is type(None) else _name(each) for each in get_args(hint))
    names = {bool: "true or false", int: "an integer", float: "a finite number", str: "a string", None: "null"}
    return names.get(origin, str(hint))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
