"""Loads stylizers with the engine options of a command, and describes their engines."""

import logging
import time
from collections.abc import Mapping
from typing import Any

from impasto.cli.flags import PaintingFlags
from impasto.models.catalog import Variant
from impasto.painting.devices import CPU
from impasto.painting.engine import without_module
from impasto.painting.engines import ENGINES
from impasto.painting.load import load
from impasto.painting.stylizer import Stylizer

_log = logging.getLogger(__name__)


def load_stylizer(names: str | Mapping[str, float], variant: Variant, engine: PaintingFlags) -> Stylizer:
    """`impasto.load`, which logs the engine for --verbose."""
    start = time.perf_counter()
    with without_module("openvino.tools.ovc"):  # it converts models, and takes longer to import than all the rest
        stylizer = load(
            names,
            variant=variant,
            backend=engine.backend,
            threads=engine.threads,
            precision=engine.precision,
            device=engine.device,
        )
    seconds = time.perf_counter() - start
    title = names if isinstance(names, str) else ", ".join(names)
    _log.info("%s: loaded in %.2f s; %s", title, seconds, describe_engine(engine_record(stylizer)))
    return stylizer


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
