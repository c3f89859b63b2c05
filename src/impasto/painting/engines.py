"""Inference engines, each behind the same method. They are imported when their backend is made."""

import contextlib
import ctypes
import hashlib
import io
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from impasto.errors import BackendError, ModelError, UsageError
from impasto.files import replacing
from impasto.processor import has_quick_bfloat16

Array = NDArray[np.float32]
Arithmetic = Literal["auto", "float32", "bfloat16"]
"""An engine's arithmetic: "auto" is bfloat16 where the processor is quicker at it and the engine can, else float32."""


class OutOfMemory(ModelError):
    """There is not enough memory for a picture of this size."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}: there is not enough memory for a picture of this size; make it smaller first")


class Backend(ABC):
    """An inference engine with a model loaded. Safe to call from several threads."""

    def run(self, inputs: dict[str, Array]) -> Array:
        """The graph's (first) output for its named inputs, float32 arrays, see `impasto.models.modelfile`.

        Raises:
            ModelError: The graph fails on these inputs; :class:`OutOfMemory` where that is why.
        """
        return self.run_all(inputs)[0]

    @abstractmethod
    def run_all(self, inputs: dict[str, Array]) -> list[Array]:
        """All of the graph's outputs; see `run`."""

    def release(self) -> None:  # noqa: B027 (an engine that cannot has nothing to do)
        """Give back the memory that was taken for a picture and kept for the next one, where the engine can."""


class OnnxRuntimeBackend(Backend):
    """ONNX Runtime on the CPU: runs anywhere.

    Args:
        model: An ONNX file, or what is in one.
        name: What messages call it.
        threads: How many threads one call may use; None for all cores.

    Raises:
        ModelError: The graph is damaged or uses what this engine does not know.
        BackendError: ONNX Runtime is not installed.
    """

    def __init__(self, model: Path | bytes, name: str, *, threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError as cause:
            raise BackendError("ONNX Runtime is not installed; pip install onnxruntime") from cause
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what goes wrong is said once, in our words
        options.intra_op_num_threads = threads or 0
        try:
            self._session = onnxruntime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"], enable_fallback=0
            )  # its second try, with the same provider, prints to standard output
        except Exception as cause:  # its errors share no base class
            raise ModelError(f"{name}: ONNX Runtime cannot load the graph: {_brief(cause)}") from cause
        self._name = name

    @property
    def inputs(self) -> dict[str, list[Any]]:
        """The graph's inputs: name -> shape, in which a dynamic size is a name or None."""
        return {item.name: list(item.shape) for item in self._session.get_inputs()}

    def run_all(self, inputs: dict[str, Array]) -> list[Array]:
        """See `Backend.run_all`."""
        try:
            outputs: list[Array] = self._session.run(None, inputs)
        except Exception as cause:  # its errors share no base class
            if "alloc" in str(cause) or "bfc_arena" in str(cause):
                raise OutOfMemory(self._name) from cause
            raise ModelError(f"{self._name}: ONNX Runtime cannot run the graph: {_brief(cause)}") from cause
        return outputs


class OpenVINOBackend(Backend):
    """OpenVINO on the CPU: the fastest on x86.

    Args:
        model: An ONNX file, or what is in one.
        name: What messages call it.
        threads: How many threads one call may use; None for all cores.
        precision: See :data:`Arithmetic`. Sums, and so the statistics of normalisations, are float32 in either.
        cache: A folder to keep the compiled graph in: compiling it is a third of a cold start.

    Raises:
        ModelError: The graph is damaged or uses what this engine does not know.
        BackendError: OpenVINO is not installed, or the processor has no such arithmetic.
    """

    def __init__(
        self,
        model: Path | bytes,
        name: str,
        *,
        threads: int | None = None,
        precision: Arithmetic = "auto",
        cache: Path | None = None,
    ) -> None:
        try:
            import openvino
        except ImportError as cause:
            raise BackendError("OpenVINO is not installed; pip install 'impasto[openvino]'") from cause
        config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if threads:
            config["INFERENCE_NUM_THREADS"] = threads
        # Not told, OpenVINO takes bfloat16 wherever it is native, and on ARM float16, in which statistics overflow.
        if precision == "float32" or (precision == "auto" and not has_quick_bfloat16()):
            config["INFERENCE_PRECISION_HINT"] = "f32"
        try:
            with _keeping_the_signal_stack():
                self._model = _compiled(model, config, cache)
        except Exception as cause:  # RuntimeError mostly, but its documentation promises nothing
            raise ModelError(f"{name}: OpenVINO cannot load the graph: {_brief(cause)}") from cause
        if precision == "bfloat16" and self._model.get_property("INFERENCE_PRECISION_HINT") != openvino.Type.bf16:
            raise BackendError("this processor has no bfloat16; use precision float32, or auto")
        self._name = name
        self._one_at_a_time = threading.Lock()  # a compiled model shares one request between its calls

    @property
    def inputs(self) -> dict[str, list[Any]]:
        """The graph's inputs: name -> shape, in which a dynamic size is None."""
        return {
            item.get_any_name(): [size.get_length() if size.is_static else None for size in item.get_partial_shape()]
            for item in self._model.inputs
        }

    def run_all(self, inputs: dict[str, Array]) -> list[Array]:
        """See `Backend.run_all`."""
        # What is not given, it may take from whatever is in memory, or return nothing. An input may have several names.
        missing = [item.get_any_name() for item in self._model.inputs if item.get_names().isdisjoint(inputs)]
        if missing:
            raise ModelError(f"{self._name}: OpenVINO cannot run the graph: no value for {', '.join(missing)}")
        try:
            with self._one_at_a_time:
                results = self._model(inputs)
                found = [results[number].copy() for number in range(len(results))]  # the next call overwrites them
        except Exception as cause:  # RuntimeError mostly, but its documentation promises nothing
            if "alloc" in str(cause):
                raise OutOfMemory(self._name) from cause
            raise ModelError(f"{self._name}: OpenVINO cannot run the graph: {_brief(cause)}") from cause
        if not all(result.size for result in found):  # out of memory it returns nothing, and says nothing
            raise OutOfMemory(self._name)
        return found

    def release(self) -> None:
        """See `Backend.release`."""
        with self._one_at_a_time:
            self._model.release_memory()


DIGEST = hashlib.sha256().digest_size
"""Bytes before a kept graph: its SHA-256. The engine would believe what has rotted."""


def _compiled(model: Path | bytes, config: dict[str, Any], cache: Path | None) -> Any:
    """The graph compiled by OpenVINO, from the cache if it is there, and else put there.

    Its own cache (CACHE_DIR) is written in place and mapped into memory: processes that start at one time break it
    for each other.
    """
    import openvino

    core = openvino.Core()
    if cache is None:
        return core.compile_model(core.read_model(model), "CPU", config)
    content = model if isinstance(model, bytes) else model.read_bytes()
    made_for = [openvino.__version__, core.get_property("CPU", "FULL_DEVICE_NAME"), sorted(config.items())]
    kept = cache / f"{hashlib.sha256(content + repr(made_for).encode()).hexdigest()[:32]}.openvino"
    try:
        found = kept.read_bytes()
        if hashlib.sha256(found[DIGEST:]).digest() == found[:DIGEST]:
            return core.import_model(found[DIGEST:], "CPU", config)
    except Exception:  # not there, or what the engine does not take after all
        pass
    made = core.compile_model(core.read_model(content), "CPU", config)
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
    """Leave this thread the stack it had for signal handlers.

    OpenVINO's CPU plug-in gives the thread one that it frees with the engine, putting back what was there before. Of
    two engines freed in the order they were made, the second puts back the first's, which is gone: the next signal,
    a Ctrl-C, would be a segmentation fault.
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


class FakeBackend(Backend):
    """A Python function in place of a model: tests of what surrounds a model need no model."""

    def __init__(self, function: Callable[[dict[str, Array]], Array]) -> None:
        self._function = function

    def run_all(self, inputs: dict[str, Array]) -> list[Array]:
        """See `Backend.run_all`."""
        return [self._function(inputs)]


BACKENDS: dict[str, type[OnnxRuntimeBackend] | type[OpenVINOBackend]] = {
    "openvino": OpenVINOBackend,
    "onnxruntime": OnnxRuntimeBackend,
}
"""The inference engines by name, the one preferred by "auto" first."""


def make_backend(
    model: Path | bytes,
    name: str,
    *,
    backend: str,
    threads: int | None,
    precision: Arithmetic,
    cache: Path | None = None,
) -> OnnxRuntimeBackend | OpenVINOBackend:
    """The engine of that name with a model loaded; "auto" is the first of :data:`BACKENDS` that is installed.

    Args:
        model: An ONNX file, or what is in one.
        name: What messages call it.
        backend: The engine's name, or "auto".
        threads: How many threads one call may use; None for all cores.
        precision: See :data:`Arithmetic`.
        cache: A folder for what the engine compiles, if it can keep that.

    Raises:
        UsageError: `threads` is less than 1.
        BackendError: An unknown backend, one that is not installed, or one that has no such arithmetic.
        ModelError: The graph is damaged.
    """
    if threads is not None and threads < 1:
        raise UsageError(f"{threads} threads make no sense; use 1 or more")
    if chosen_backend(backend) == "openvino":
        return OpenVINOBackend(model, name, threads=threads, precision=precision, cache=cache)
    if precision == "bfloat16":
        raise BackendError("ONNX Runtime computes in float32 only; use OpenVINO (pip install 'impasto[openvino]')")
    return OnnxRuntimeBackend(model, name, threads=threads)


def chosen_backend(backend: str) -> str:
    """The engine's name, where "auto" is the first of :data:`BACKENDS` that is installed; BackendError if unknown."""
    if backend == "auto":
        return next(name for name in BACKENDS if find_spec(name) or name == "onnxruntime")
    if backend not in BACKENDS:
        raise BackendError(f"unknown backend {backend!r}; use auto, {', '.join(BACKENDS)}")
    return backend


def _brief(error: Exception) -> str:
    """An engine's message, often many lines of source positions, as one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:200] + " ..."
