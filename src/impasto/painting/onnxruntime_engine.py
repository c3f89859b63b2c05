"""ONNX Runtime: on the CPU it runs everywhere, and it has most accelerators."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from impasto.errors import BackendError, ModelError
from impasto.models.forms import LazyGraph
from impasto.models.runtime import onnx_runtime
from impasto.painting.devices import Device
from impasto.painting.engine import Array, Engine, OutOfMemory, Precision, brief, broken

LARGE = 1_500_000
"""Number of input values above which a call frees its memory at the end: half a megapixel."""

SIZES_KEPT = 4
"""Number of sizes whose sessions are kept, for devices that need one for each size."""


class OnnxRuntimeEngine(Engine):
    """ONNX Runtime on the CPU or another device, in float32 only. See :class:`Engine` for the arguments."""

    title = "ONNX Runtime"
    channels_last = False
    bfloat16 = False
    int8 = False

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
        if precision != "float32":
            raise BackendError("ONNX Runtime computes in float32 only; use OpenVINO (pip install 'impasto[openvino]')")
        self._runtime = _imported()
        self._graph, self._name, self._threads, self._device = graph, name, threads, device
        self._freeing = self._runtime.RunOptions()
        if device is None:
            self._freeing.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self._lock = threading.Lock()
        self._of_size: OrderedDict[tuple[int, ...], Any] = OrderedDict()
        self._session = self._load({})

    def _load(self, sizes: Mapping[str, int]) -> Any:
        """A session, with these sizes of the input fixed."""
        options = self._runtime.SessionOptions()
        options.log_severity_level = 4  # errors are raised; do not log them on stderr, too
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        # Otherwise it keeps a plan of memory for every picture size, some 3 KB each. DirectML requires this as well.
        options.enable_mem_pattern = False
        # Free features as early as possible. The default order computes the statistics of the measuring form last and
        # keeps all features for them, which takes 4 times the memory.
        options.execution_order = self._runtime.ExecutionOrder.PRIORITY_BASED
        for dimension, size in sizes.items():
            options.add_free_dimension_override_by_name(dimension, size)
        providers: list[Any] = ["CPUExecutionProvider"]
        if self._device is not None:
            self._check_providers(self._runtime.get_available_providers())
            first, *others = self._device.targets
            providers = [(first, dict(self._device.options)), *others]
            if first != "CPUExecutionProvider":
                providers.append("CPUExecutionProvider")
        try:
            session = self._runtime.InferenceSession(
                self._graph.encoded(), options, providers=providers, enable_fallback=0
            )  # the fallback would try the same provider again, and print to stdout
        except ModelError as reason:
            raise ModelError(f"{self._name}: {reason}") from None
        except Exception as cause:  # its errors share no base class
            raise ModelError(f"{self._name}: ONNX Runtime cannot load the graph: {brief(cause)}") from cause
        if self._device is not None:
            self._check_providers(session.get_providers())
        return session

    def _check_providers(self, found: Sequence[str]) -> None:
        """Raise BackendError unless the device's providers are among these: ONNX Runtime goes on without them."""
        assert self._device is not None
        missing = [name for name in self._device.targets if name not in found]
        if missing:
            raise BackendError(f"ONNX Runtime does not use {self._device.title}: it has no {missing[0]} here")

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
            session = self._session_for(inputs)
            outputs: list[Array] = session.run(None, dict(inputs), self._freeing if large else None)
        except (BackendError, ModelError):
            raise
        except Exception as cause:  # its errors share no base class
            if "alloc" in str(cause) or "bfc_arena" in str(cause):
                raise OutOfMemory(self._name) from cause
            raise ModelError(f"{self._name}: ONNX Runtime cannot run the graph: {brief(cause)}") from cause
        return outputs

    def _session_for(self, inputs: Mapping[str, Array]) -> Any:
        """The session for these inputs: of their size, for devices that need one for each size."""
        if self._device is None or not self._device.fixed:
            return self._session
        batch, _, height, width = inputs["image"].shape
        with self._lock:
            key = (batch, height, width)
            if key not in self._of_size:
                self._of_size[key] = self._load({"batch": batch, "height": height, "width": width})
                if len(self._of_size) > SIZES_KEPT:
                    self._of_size.popitem(last=False)
            self._of_size.move_to_end(key)
            return self._of_size[key]


def _imported() -> ModuleType:
    """ONNX Runtime, or BackendError."""
    try:
        return onnx_runtime()
    except Exception as cause:  # a broken package may raise anything
        raise broken("ONNX Runtime", "onnxruntime", "pip install onnxruntime", cause) from cause
