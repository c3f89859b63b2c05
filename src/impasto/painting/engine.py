"""The interface of the inference engines, and their errors. See :mod:`impasto.painting.engines` for the engines."""

import contextlib
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from impasto.errors import BackendError, ModelError
from impasto.models.forms import LazyGraph

if TYPE_CHECKING:
    from impasto.painting.devices import Device

Array = NDArray[np.float32]
Precision = Literal["float32", "bfloat16", "int8"]
"""The precision of convolutions. Normalization statistics are always computed in float32."""


class OutOfMemory(ModelError):
    """There is not enough memory for a picture of this size."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}: there is not enough memory for a picture of this size; make it smaller first")


class Runner(ABC):
    """Runs a graph. Safe to call from several threads."""

    def run(self, inputs: Mapping[str, Array]) -> Array:
        """The graph's first output for these inputs, float32; see :mod:`impasto.models.modelfile`.

        Raises:
            ModelError: The graph fails on these inputs; :class:`OutOfMemory` if there is not enough memory.
        """
        return self.run_all(inputs)[0]

    @abstractmethod
    def run_all(self, inputs: Mapping[str, Array]) -> list[Array]:
        """All outputs of the graph; see `run`."""

    def release(self) -> None:  # noqa: B027 (a runner without such memory has nothing to do)
        """Free the memory that is kept for reuse by the next call."""


class Engine(Runner):
    """An inference engine with a graph loaded.

    Args:
        graph: The graph; its bytes are computed only if they are needed.
        name: The model's name in messages.
        threads: The number of threads that one call may use, at least 1.
        precision: A precision that the class supports. "int8" means that the graph has 8-bit operators.
        cache: A folder in which to cache the compiled graph, for engines that can.
        device: The device to run on; None for the CPU.

    Raises:
        ModelError: The graph is damaged, or uses operators that this engine does not support.
        BackendError: The engine is missing or broken, the processor does not support the precision, or the device is
            not used.
    """

    title: ClassVar[str]
    """The engine's name in messages."""
    channels_last: ClassVar[bool]
    """Whether the engine is fastest with features in channels-last layout, see :mod:`impasto.models.forms`."""
    bfloat16: ClassVar[bool]
    """Whether the engine supports bfloat16, on processors that do."""
    int8: ClassVar[bool]
    """Whether the engine supports 8-bit convolutions, on processors that do."""

    @abstractmethod
    def __init__(
        self,
        graph: LazyGraph,
        name: str,
        *,
        threads: int,
        precision: Precision,
        cache: Path | None = None,
        device: "Device | None" = None,
    ) -> None: ...

    @classmethod
    @abstractmethod
    def check(cls) -> None:
        """Load the engine's package.

        Raises:
            BackendError: The package is not installed, or is broken; the message gives the cause.
        """

    @classmethod
    @abstractmethod
    def version(cls) -> str:
        """The version of the engine's package."""

    @property
    @abstractmethod
    def inputs(self) -> dict[str, list[int | str | None]]:
        """The graph's inputs: name -> shape. A dynamic size is a name or None."""


def installed_version(package: str) -> str:
    """The version of an installed package, from the folder beside it: importing it takes longer. Empty if unknown."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return ""
    beside = Path(spec.origin).parent.parent
    return ", ".join(sorted(entry.name for entry in beside.glob(f"{package}*.dist-info")))


def brief(error: BaseException) -> str:
    """An engine's error message, shortened to one line of at most 200 characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:200] + " ..."


def broken(title: str, package: str, install: str, cause: BaseException) -> BackendError:
    """The error for an engine whose package cannot be imported: it is missing, or raises ``cause``."""
    if isinstance(cause, ModuleNotFoundError) and cause.name == package:
        return BackendError(f"{title} is not installed; {install}")
    return BackendError(f"{title} is installed but broken ({brief(cause)}); install it again: {install}")


_hidden: dict[str, int] = {}
_hiding = threading.Lock()


@contextlib.contextmanager
def without_module(name: str) -> Iterator[None]:
    """Within the block, importing ``name`` raises ImportError, unless it is loaded already. Blocks may overlap."""
    with _hiding:
        hides = name in _hidden or name not in sys.modules
        if hides:
            _hidden[name] = _hidden.get(name, 0) + 1
            sys.modules[name] = None  # type: ignore[assignment]  # Python's way to forbid an import
    try:
        yield
    finally:
        with _hiding:
            if hides:
                _hidden[name] -= 1
                if not _hidden[name]:
                    del _hidden[name]
                    if sys.modules.get(name, ...) is None:
                        del sys.modules[name]
