"""OpenVINO on the CPU: the fastest engine on x86 processors."""

import contextlib
import ctypes
import functools
import hashlib
import io
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from impasto.errors import BackendError, ModelError
from impasto.files import replacing
from impasto.models.forms import LazyGraph
from impasto.painting.engine import Array, Engine, OutOfMemory, Precision, brief, broken, without_module

TELEMETRY = "openvino_telemetry"
"""The package by which OpenVINO reports its imports to its maker; it does without where that is missing."""
INSTALL = "pip install 'impasto[openvino]'"
DIGEST = hashlib.sha256().digest_size
"""Bytes of the SHA-256 before a cached graph: OpenVINO itself does not notice a damaged one."""


class OpenVINOEngine(Engine):
    """OpenVINO on the CPU. See :class:`Engine` for the arguments.

    The cache saves compiling the graph, a third of a cold start.
    """

    title = "OpenVINO"
    channels_last = True
    bfloat16 = True
    int8 = True

    def __init__(
        self, graph: LazyGraph, name: str, *, threads: int, precision: Precision = "float32", cache: Path | None = None
    ) -> None:
        openvino = _imported()
        config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
        # Otherwise it keeps kernels for every size of picture that it has seen, some 300 KB each.
        config["CPU_RUNTIME_CACHE_CAPACITY"] = 0
        # Without a hint OpenVINO takes bfloat16 where it is native, and on ARM float16, in which statistics overflow.
        config["INFERENCE_PRECISION_HINT"] = "bf16" if precision == "bfloat16" else "f32"
        try:
            with _keeping_the_signal_stack():
                self._model = _compiled(graph, config, cache)
        except ModelError as reason:
            raise ModelError(f"{name}: {reason}") from None
        except Exception as cause:  # RuntimeError mostly, but its documentation promises nothing
            raise ModelError(f"{name}: OpenVINO cannot load the graph: {brief(cause)}") from cause
        if precision == "bfloat16" and self._model.get_property("INFERENCE_PRECISION_HINT") != openvino.Type.bf16:
            raise BackendError("this processor has no bfloat16; use precision float32, or auto")
        self._name = name
        self._lock = threading.Lock()  # a compiled model has one request, which its calls share

    @classmethod
    def check(cls) -> None:
        """See `Engine.check`."""
        _check_plugin()

    @classmethod
    def version(cls) -> str:
        """See `Engine.version`."""
        return str(_imported().__version__)

    @property
    def inputs(self) -> dict[str, list[int | str | None]]:
        """See `Engine.inputs`."""
        return {
            item.get_any_name(): [size.get_length() if size.is_static else None for size in item.get_partial_shape()]
            for item in self._model.inputs
        }

    def run_all(self, inputs: Mapping[str, Array]) -> list[Array]:
        """See `Engine.run_all`."""
        # For a missing input it may read whatever is in memory, or return nothing. An input may have several names.
        missing = [item.get_any_name() for item in self._model.inputs if item.get_names().isdisjoint(inputs)]
        if missing:
            raise ModelError(f"{self._name}: OpenVINO cannot run the graph: no value for {', '.join(missing)}")
        try:
            with self._lock:
                results = self._model(dict(inputs))
                found = [results[number].copy() for number in range(len(results))]  # the next call overwrites them
        except Exception as cause:  # RuntimeError mostly, but its documentation promises nothing
            if "alloc" in str(cause):
                raise OutOfMemory(self._name) from cause
            raise ModelError(f"{self._name}: OpenVINO cannot run the graph: {brief(cause)}") from cause
        if not all(result.size for result in found):  # without enough memory it returns nothing, and raises nothing
            raise OutOfMemory(self._name)
        return found

    def release(self) -> None:
        """See `Engine.release`."""
        with self._lock:
            self._model.release_memory()


def _imported() -> ModuleType:
    """The package, imported without its telemetry: no connection, no file, no process for it."""
    try:
        with without_module(TELEMETRY):
            import openvino
    except Exception as cause:  # a broken package may raise anything
        raise broken("OpenVINO", "openvino", INSTALL, cause) from cause
    return openvino  # type: ignore[no-any-return]


@functools.cache
def _check_plugin() -> None:
    """Raise BackendError unless OpenVINO can be imported and has its CPU plug-in."""
    openvino = _imported()
    try:
        openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")
    except Exception as cause:
        raise broken("OpenVINO", "openvino", INSTALL, cause) from cause


def _compiled(graph: LazyGraph, config: dict[str, Any], cache: Path | None) -> Any:
    """The compiled graph, from the cache if it is there; else it is compiled and put there.

    OpenVINO's own cache (CACHE_DIR) is written in place and mapped into memory: processes that start at the same time
    break it for each other.
    """
    openvino = _imported()
    core = openvino.Core()
    if cache is None:
        return core.compile_model(core.read_model(graph.encoded()), "CPU", config)
    made_for = [openvino.__version__, core.get_property("CPU", "FULL_DEVICE_NAME"), sorted(config.items())]
    kept = cache / f"{hashlib.sha256(repr((graph.key, *made_for)).encode()).hexdigest()[:32]}.openvino"
    try:
        found = kept.read_bytes()
        if hashlib.sha256(found[DIGEST:]).digest() == found[:DIGEST]:
            return core.import_model(found[DIGEST:], "CPU", config)
    except Exception:  # not there, or not what this OpenVINO reads
        pass
    made = core.compile_model(core.read_model(graph.encoded()), "CPU", config)
    with contextlib.suppress(OSError, BackendError), replacing(kept, BackendError) as part:
        stream = io.BytesIO()
        made.export_model(stream)
        part.write_bytes(hashlib.sha256(stream.getvalue()).digest() + stream.getvalue())
    return made


class _SignalStack(ctypes.Structure):
    """stack_t of sigaltstack(2)."""

    _fields_ = (("pointer", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextlib.contextmanager
def _keeping_the_signal_stack() -> Iterator[None]:
    """Restore this thread's stack for signal handlers after the block.

    OpenVINO's CPU plug-in gives the thread a stack that it frees with the engine, and then restores the one before. Of
    two engines freed in the order in which they were made, the second restores the first's, which is freed already: the
    next signal, a Ctrl-C, would be a segmentation fault.
    """
    sigaltstack = None if sys.platform == "win32" else getattr(ctypes.CDLL(None), "sigaltstack", None)
    before = _SignalStack()
    if sigaltstack is None or sigaltstack(None, ctypes.byref(before)) != 0:
        yield
        return
    try:
        yield
    finally:
        sigaltstack(ctypes.byref(before), None)
