"""Describes the engine of a stylizer, for messages and JSON."""

from collections.abc import Mapping
from typing import Any

from impasto.painting.engines import ENGINES
from impasto.painting.stylizer import Stylizer


def engine_record(stylizer: Stylizer) -> dict[str, Any]:
    """The names of engine and precision, and the number of threads."""
    graph = stylizer.network.graph
    names = {"engine": "backend", "precision": "precision", "threads": "threads"}
    return {name: getattr(graph, attribute, None) for name, attribute in names.items()}


def describe_engine(found: Mapping[str, Any]) -> str:
    """The output of :func:`engine_record` as text: "OpenVINO, int8, 2 threads"."""
    title = ENGINES[found["engine"]].title if found["engine"] in ENGINES else found["engine"]
    return f"{title}, {found['precision']}, {found['threads']} thread{'' if found['threads'] == 1 else 's'}"
