"""ONNX Runtime on the CPU: it runs everywhere."""

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from impasto.errors import BackendError, ModelError
from impasto.models.forms import LazyGraph
from impasto.painting.engine import Array, Engine, OutOfMemory, Precision, brief, broken

NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"
"""The environment variable that disables ONNX Runtime's telemetry. If it is not set at import, versions from 1.29 on
send usage data and keep a database of it in the user's cache folder (see its Privacy.md)."""

LARGE = 1_500_000
"""Number of input values above which a call frees its memory at the end: half a megapixel."""

_importing = threading.Lock()


class OnnxRuntimeEngine(Engine):
    """ONNX Runtime on the CPU, in float32 only. See :class:`Engine` for the arguments."""

    title = "ONNX Runtime"
    channels_last = False
    bfloat16 = False
    int8 = False

    def __init__(
        self, graph: LazyGraph, name: str, *, threads: int, precision: Precision = "float32", cache: Path | None = None
    ) -> None:
        if precision != "float32":
            raise BackendError("ONNX Runtime computes in float32 only; use OpenVINO (pip install 'impasto[openvino]')")
        onnxruntime = _imported()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # errors are raised; do not log them on stderr, too
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Free features as early as possible. The default order computes the statistics of the measuring form last and
        # keeps all features for them, which takes 4 times the memory.
        options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
        self._freeing = onnxruntime.RunOptions()
        self._freeing.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        try:
            self._session = onnxruntime.InferenceSession(
                graph.encoded(), options, providers=["CPUExecutionProvider"], enable_fallback=0
            )  # the fallback would try the same provider again, and print to stdout
        except ModelError as reason:
            raise ModelError(f"{name}: {reason}") from None
        except Exception as cause:  # its errors share no base class
            raise ModelError(f"{name}: ONNX Runtime cannot load the graph: {brief(cause)}") from cause
        self._name = name

    @classmethod
    def check(cls) -> None:
        """See `Engine.check`."""
        _imported()

    @classmethod
    def version(cls) -> str:
        """See `Engine.version`."""
        return str(_imported().__version__)

    @property
    def inputs(self) -> dict[str, list[int | str | None]]:
        """See `Engine.inputs`."""
        return {item.name: list(item.shape) for item in self._session.get_inputs()}

    def run_all(self, inputs: Mapping[str, Array]) -> list[Array]:
        """See `Engine.run_all`."""
        try:
            large = sum(values.size for values in inputs.values()) > LARGE
            outputs: list[Array] = self._session.run(None, dict(inputs), self._freeing if large else None)
        except Exception as cause:  # its errors share no base class
            if "alloc" in str(cause) or "bfc_arena" in str(cause):
                raise OutOfMemory(self._name) from cause
            raise ModelError(f"{self._name}: ONNX Runtime cannot run the graph: {brief(cause)}") from cause
        return outputs


def _imported() -> ModuleType:
    """Import the package without its telemetry: without its connections, files and threads."""
    with _importing:
        before = os.environ.get(NO_TELEMETRY)
        os.environ[NO_TELEMETRY] = "1"
        try:
            import onnxruntime
        except Exception as cause:  # a broken package may raise anything
            raise broken("ONNX Runtime", "onnxruntime", "pip install onnxruntime", cause) from cause
        finally:
            if before is None:
                del os.environ[NO_TELEMETRY]
            else:
                os.environ[NO_TELEMETRY] = before
    return onnxruntime  # type: ignore[no-any-return]
