"""OpenVINO: the fastest engine on x86 processors; it runs on Intel's GPUs and NPUs too."""

import contextlib
import ctypes
import functools
import hashlib
import io
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from impasto.errors import BackendError, ModelError
from impasto.files import replacing
from impasto.models.forms import LazyGraph
from impasto.painting.devices import Device
from impasto.painting.engine import Array, Engine, OutOfMemory, Precision, brief, broken, without_module
from impasto.processor import allows_bfloat16, cores

TELEMETRY = "openvino_telemetry"
"""The package with which OpenVINO reports imports to Intel. OpenVINO works without it."""
INSTALL = "pip install 'impasto[openvino]'"
NO_BFLOAT16 = "OpenVINO has no bfloat16 on this processor; use precision float32, or auto"
DIGEST = hashlib.sha256().digest_size
"""Length of the SHA-256 at the start of a cache file, bytes. OpenVINO itself does not detect damage."""


class OpenVINOEngine(Engine):
    """OpenVINO on the CPU. See :class:`Engine` for the arguments.

    The cache avoids compiling the graph, which takes a third of a cold start.
    """

    title = "OpenVINO"
    channels_last = True
    bfloat16 = True
    int8 = True

    def __init__(
        self,
        graph: LazyGraph,
        name: str,
        *,
        threads: int,
        precision: Precision = "float32",
        cache: Path | None = None,
        device: Device | None = None,
    ) -> None:
        openvino = _imported()
        if precision == "bfloat16" and not allows_bfloat16():  # OpenVINO does not check it, and crashes
            raise BackendError(NO_BFLOAT16)
        target = "CPU" if device is None else device.targets[0]
        config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if device is None:
            config["INFERENCE_NUM_THREADS"] = threads
            # OpenVINO binds threads to the first cores, so that several processes would share those.
            config["ENABLE_CPU_PINNING"] = threads >= cores()
            # Otherwise OpenVINO caches kernels for every picture size, some 300 KB each.
            config["CPU_RUNTIME_CACHE_CAPACITY"] = 0
        else:
            _check_available(openvino.Core().available_devices, target)
        if target != "NPU":  # which computes in float16 alone
            # By default OpenVINO uses bfloat16 where it is native, and float16 on ARM, in which statistics overflow.
            config["INFERENCE_PRECISION_HINT"] = "bf16" if precision == "bfloat16" else "f32"
        self._target = target
        self._fixed = device is not None and device.fixed
        self._given = graph, config
        self._shapes: dict[str, list[int]] = {}
        try:
            with _keeping_the_signal_stack():
                self._model = _compiled(graph, config, cache if device is None else None, target)
        except ModelError as reason:
            raise ModelError(f"{name}: {reason}") from None
        except Exception as cause:  # RuntimeError mostly, but its documentation promises nothing
            raise ModelError(f"{name}: OpenVINO cannot load the graph: {brief(cause)}") from cause
        if precision == "bfloat16" and self._model.get_property("INFERENCE_PRECISION_HINT") != openvino.Type.bf16:
            raise BackendError(NO_BFLOAT16)
        self._name = name
        self._lock = threading.Lock()  # all calls share one inference request

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
        # Without an input, OpenVINO may read uninitialized memory or return nothing. An input may have several names.
        missing = [item.get_any_name() for item in self._model.inputs if item.get_names().isdisjoint(inputs)]
        if missing:
            raise ModelError(f"{self._name}: OpenVINO cannot run the graph: no value for {', '.join(missing)}")
        try:
            with self._lock:
                if self._fixed:
                    self._fit(inputs)
                results = self._model(dict(inputs))
                found = [results[number].copy() for number in range(len(results))]  # the next call overwrites them
        except Exception as cause:  # RuntimeError mostly, but its documentation promises nothing
            if "alloc" in str(cause):
                raise OutOfMemory(self._name) from cause
            raise ModelError(f"{self._name}: OpenVINO cannot run the graph: {brief(cause)}") from cause
        if not all(result.size for result in found):  # OpenVINO returns empty results if there is not enough memory
            raise OutOfMemory(self._name)
        return found

    def release(self) -> None:
        """See `Engine.release`."""
        with self._lock:
            self._model.release_memory()

    def _fit(self, inputs: Mapping[str, Array]) -> None:
        """Compile the graph for the size of these inputs, unless it is the last one."""
        shapes = {name: [*values.shape] for name, values in inputs.items()}
        if shapes != self._shapes:
            graph, config = self._given
            core = _imported().Core()
            model = core.read_model(graph.encoded())
            model.reshape(shapes)
            self._model, self._shapes = core.compile_model(model, self._target, config), shapes


def _imported() -> ModuleType:
    """Import the package without its telemetry: without its connections, files and processes."""
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


def _check_available(found: Sequence[str], target: str) -> None:
    """Raise BackendError unless OpenVINO has this device: GPU stands for the first of several."""
    if not any(name == target or name.startswith(f"{target}.") for name in found):
        raise BackendError(f"OpenVINO has no {target} here, only {', '.join(found) or 'no device'}")


def _compiled(graph: LazyGraph, config: dict[str, Any], cache: Path | None, target: str = "CPU") -> Any:
    """The compiled graph, from the cache; else compile the graph and cache it.

    OpenVINO's own cache (CACHE_DIR) is written in place and memory-mapped, so processes that start at the same time
    can corrupt it for each other.
    """
    openvino = _imported()
    core = openvino.Core()
    if cache is None:
        return core.compile_model(core.read_model(graph.encoded()), target, config)
    made_for = [openvino.__version__, core.get_property("CPU", "FULL_DEVICE_NAME"), sorted(config.items())]
    kept = cache / f"{hashlib.sha256(repr((graph.key, *made_for)).encode()).hexdigest()[:32]}.openvino"
    try:
        found = kept.read_bytes()
        if hashlib.sha256(found[DIGEST:]).digest() == found[:DIGEST]:
            return core.import_model(found[DIGEST:], "CPU", config)
    except Exception:  # missing, or not readable by this version of OpenVINO
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
    """Restore this thread's alternate signal stack after the block.

    OpenVINO's CPU plug-in sets a signal stack for each engine, and restores the previous one when the engine is freed.
    If two engines are freed in the order of their creation, the second restores the freed stack of the first. The next
    signal, such as Ctrl-C, would then cause a segmentation fault.
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
