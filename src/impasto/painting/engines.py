"""The inference engines by name, and the choice between them."""

import functools
import logging
from importlib.util import find_spec
from typing import Literal

from impasto.errors import BackendError, UsageError
from impasto.painting.engine import Engine
from impasto.painting.onnxruntime_engine import OnnxRuntimeEngine
from impasto.painting.openvino_engine import OpenVINOEngine

_log = logging.getLogger(__name__)

Backend = Literal["auto", "openvino", "onnxruntime"]

ENGINES: dict[str, type[Engine]] = {"openvino": OpenVINOEngine, "onnxruntime": OnnxRuntimeEngine}
"""The inference engines by package name, in the order in which "auto" tries them."""


def choose_engine(backend: str) -> str:
    """The name of a working engine: ``backend`` itself, or for "auto" the first of :data:`ENGINES` that works.

    Raises:
        UsageError: The backend is unknown.
        BackendError: The backend is not installed, or broken.
    """
    if backend == "auto":
        return _first_that_works()
    ENGINES[known_engine(backend)].check()
    return backend


def known_engine(backend: str) -> str:
    """The name itself; UsageError if no engine has it."""
    if not isinstance(backend, str) or backend not in ENGINES:
        raise UsageError(f"unknown backend {backend!r}; use auto, {', '.join(ENGINES)}")
    return backend


@functools.cache
def _first_that_works() -> str:
    """The first engine that can be loaded. Engines that are installed but broken are reported once."""
    *preferred, last = ENGINES
    for name in preferred:
        try:
            if find_spec(name) is None:
                continue
            ENGINES[name].check()
        except (BackendError, ValueError) as cause:  # ValueError: find_spec's, of a module without a spec
            _log.warning("impasto: %s; using %s instead", cause, ENGINES[last].title)
            continue
        return name
    ENGINES[last].check()
    return last
