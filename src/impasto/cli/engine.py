"""Describes the engine of a stylizer, for messages and JSON."""

from collections.abc import Mapping
from typing import Any

from impasto.painting.devices import CPU
from impasto.painting.engines import ENGINES
from impasto.painting.stylizer import Stylizer


def engine_record(stylizer: Stylizer) -> dict[str, Any]:
    """The names of engine, precision and device, and the number of threads."""
    graph = stylizer.network.graph
    names = {"engine": "backend", "precision": "precision", "threads": "threads"}
    device = getattr(graph, "device", None)
    found = {name: getattr(graph, attribute, None) for name, attribute in names.items()}
    return found | {"device": CPU if device is None else device.name}


def describe_engine(found: Mapping[str, Any]) -> str:
    """The output of :func:`engine_record` as text: "OpenVINO, int8, 2 threads"."""
    title = ENGINES[found["engine"]].title if found["engine"] in ENGINES else found["engine"]
    if found.get("device", CPU) != CPU:
        return f"{title}, {found['precision']}, {found['device']}"
    return f"{title}, {found['precision']}, {found['threads']} thread{'' if found['threads'] == 1 else 's'}"
