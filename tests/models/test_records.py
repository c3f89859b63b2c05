"""Strict JSON of dataclasses. The oracle for the text is Python's json; for the types, the declarations."""

from __future__ import annotations  # declarations are strings then, which must work as well

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impasto.models.records import RecordError, from_json, from_mapping, parse_object, to_json


@dataclass(frozen=True)
class Inner:
    share: float = 1.0


@dataclass(frozen=True)
class Outer:
    name: str
    count: int = 0
    kept: bool = False
    ratio: float = 0.5
    choice: Literal["best", "fast", 1] = "best"
    perhaps: str | None = None
    many: tuple[int, ...] = ()
    pair: tuple[float, float] = (0.0, 1.0)
    each: list[str] = field(default_factory=list)
    by_name: dict[str, tuple[float, float]] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    inner: Inner = field(default_factory=Inner)
    free: Any = None


FULL = Outer(
    "Große Welle",
    3,
    True,
    2.0,
    "fast",
    "x",
    (1, 2),
    (0.0, 255.0),
    ["a"],
    {"k": (0.0, 1.5)},
    {"udnie": 0.25},
    Inner(0.5),
    {"steps": [1, 2.5, None]},
)


def test_what_is_written_is_read():
    assert from_json(Outer, to_json(FULL)) == FULL
    assert from_json(Outer, '{"name": ""}') == Outer("")


@given(st.builds(Outer, st.text(), st.integers(), st.booleans(), st.floats(-1e9, 1e9), many=st.tuples(st.integers())))
def test_any_record_survives(record):
    assert from_json(Outer, to_json(record)) == record


def test_the_text_is_json_with_sorted_keys():
    found = json.loads(to_json(FULL))
    assert list(found) == sorted(found)
    assert found["name"] == "Große Welle"
    assert "\n" not in to_json(FULL)
    assert json.loads(to_json(FULL, indent=1)) == found


def test_undecodable_file_names_survive():
    assert from_json(Outer, to_json(Outer("caf\udce9"))).name == "caf\udce9"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": 1}, "'name' must be a string, not 1"),
        ({"count": 1.0}, "'count' must be an integer, not 1.0"),
        ({"count": True}, "'count' must be an integer, not True"),
        ({"kept": 1}, "'kept' must be true or false, not 1"),
        ({"ratio": "1"}, "'ratio' must be a finite number, not '1'"),
        ({"ratio": 10**400}, "'ratio' must be a finite number"),
        ({"ratio": float("inf")}, "'ratio' must be a finite number"),
        ({"choice": True}, "'choice' must be one of 'best', 'fast', 1, not True"),
        ({"perhaps": 1}, "'perhaps' must be a string or null, not 1"),
        ({"many": 1}, "'many' must be an array, not 1"),
        ({"many": [1, "2"]}, r"'many\[1\]' must be an integer, not '2'"),
        ({"pair": [1]}, "'pair' must have 2 values, not 1"),
        ({"each": "abc"}, "'each' must be an array, not 'abc'"),
        ({"by_name": {"k": 1}}, r"'by_name\.k' must be an array, not 1"),
        ({"by_name": []}, r"'by_name' must be an object, not \[\]"),
        ({"inner": {"share": "x"}}, "'share' must be a finite number"),
        ({"inner": 1}, "'inner' must be an object, not 1"),
        ({"color": "blue"}, "unknown entry 'color': known are name, count"),
        ({"name": "x" * 99, "count": "x" * 99}, r"not 'x{39}\.\.\.$"),
    ],
)
def test_values_of_other_types_are_refused(change, message):
    with pytest.raises(RecordError, match=message):
        from_mapping(Outer, {"name": "a"} | change)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"count": 1}', '{"name": "a", "name": "b"}', '{"name": "a", "ratio": NaN}', "[" * 100_000],
)
def test_texts_that_are_no_such_record_are_refused(text):
    with pytest.raises(RecordError):
        from_json(Outer, text)


@given(st.text(max_size=30))
def test_any_text_is_an_object_or_refused(text):
    with contextlib.suppress(RecordError):
        assert isinstance(parse_object(text), dict)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(RecordError):
        to_json(Outer("a", free=value))
