"""A network that is ready to run: its graph in an engine, in the forms that tiles and regions need."""

import ctypes
import hashlib
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from weakref import WeakSet, WeakValueDictionary

import numpy as np

from impasto.errors import ModelError
from impasto.models import forms
from impasto.models.forms import Form
from impasto.models.modelfile import ModelInfo
from impasto.models.stylefile import Style
from impasto.painting.devices import Device
from impasto.painting.engine import Array, Precision, Runner
from impasto.painting.engines import ENGINES
from impasto.painting.forks import ForkGate
from impasto.painting.memory import return_free_memory
from impasto.painting.noise import smooth_noise, uniform_noise
from impasto.pictures.picture import Pixels, white


class Graph(ABC):
    """Makes the engines of a network. Graphs must be hashable to be shared, and picklable to be pickled."""

    @abstractmethod
    def runner(self, form: Form) -> Runner:
        """Load the graph in this form into an engine."""

    @property
    def norms(self) -> tuple[forms.Norm, ...]:
        """The graph's instance normalizations, in order. Raises ModelError if it has other global statistics."""
        raise ModelError("this graph cannot be painted in tiles")


@dataclass(frozen=True)
class ModelGraph(Graph):
    """The graph of a model file, which is read once for all forms.

    Two are equal if their content and options are equal.
    """

    content: bytes = field(repr=False)
    """The bytes of the file."""
    info: ModelInfo = field(compare=False)
    """The file's description of the model."""
    name: str
    """The model's name in messages."""
    threads: int
    backend: str = "onnxruntime"
    """The name of an engine, one of `impasto.painting.engines.ENGINES`."""
    precision: Precision = "float32"
    cache: Path | None = None
    """A folder for compiled graphs."""
    device: Device | None = None
    """None for the CPU."""
    speeds: tuple[tuple[tuple[str, Precision], float], ...] = field(default=(), compare=False)
    """The benchmark by which backend and precision were chosen: options, and milliseconds for a small picture."""

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the file, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    def runner(self, form: Form) -> Runner:
        """See `Graph.runner`. The measuring form is always float32, because `affine` subtracts its results."""
        kind = ENGINES[self.backend]
        precision: Precision = "float32" if form == "measuring" else self.precision
        graph = forms.LazyGraph(
            self.content,
            form,
            ranges=self.info.ranges if precision == "int8" else None,
            channels_last=kind.channels_last and self.device is None,
        )
        given = {} if self.device is None else {"device": self.device}
        return kind(graph, self.name, threads=self.threads, precision=precision, cache=self.cache, **given)

    @cached_property
    def norms(self) -> tuple[forms.Norm, ...]:
        """See `Graph.norms`."""
        return forms.norms(self.content)


class Network:
    """A network that is ready to run. Safe to use from several threads, and after a fork.

    Unpickling loads the network again; a process keeps recently unpickled networks, so that equal ones are loaded once.
    After a fork, the child process loads each form again on first use, because the engines' threads do not survive.

    Attributes:
        info: The model file's description.
        graph: Makes its engines.
    """

    def __init__(self, info: ModelInfo, graph: Graph) -> None:
        self.info = info
        self.graph = graph
        self._runners: dict[Form, Runner] = {}
        self._lock = threading.Lock()  # several threads may load the same form at the same time
        with _gate.passage():
            _loaded.add(self)
            self._runner("plain")

    @staticmethod
    def of(info: ModelInfo, graph: Graph) -> "Network":
        """The network of this graph. Equal graphs share one network while it is in use."""
        with _shared.lock:
            network = _shared.networks.get(graph)
            if network is None:
                network = _shared.networks[graph] = Network(info, graph)
            return network

    def __reduce__(self) -> tuple[Callable[[ModelInfo, Graph], "Network"], tuple[ModelInfo, Graph]]:
        return _unpickled, (self.info, self.graph)

    @property
    def reach(self) -> int:
        """The radius of the receptive field with fixed statistics, in pixels, a multiple of 16.

        0 if it is unknown, or if the graph has other global statistics than instance normalization's. The network can
        then only paint a picture as a whole.
        """
        return self.info.reach

    @property
    def takes_strength(self) -> bool:
        """Whether the network supports strengths other than 1."""
        return self.info.strength or self.info.style_size > 0

    def image_inputs(self, image: Pixels, seed: int = 0, origin: tuple[int, int] = (0, 0)) -> dict[str, Array]:
        """The graph's inputs for a picture (H, W, 3) of any size: ``image``, and ``noise`` if the graph has it.

        If the graph does not support the size, the picture is padded by reflection, right and below. For a tile of a
        picture, ``origin`` is the tile's upper left corner in pixels, a multiple of the noise stride.
        """
        multiple_of = self.info.multiple_of
        wanted = [-(-max(size, self.info.minimum_size) // multiple_of) * multiple_of for size in image.shape[:2]]
        padding = [(0, size - there) for size, there in zip(wanted, image.shape[:2], strict=True)]
        # numpy reflects repeatedly if necessary, and repeats a single row or column.
        padded = np.pad(image, [*padding, (0, 0)], mode="reflect") if np.any(padding) else image
        batch = np.ascontiguousarray(padded.transpose(2, 0, 1)[np.newaxis], dtype=np.float32)
        batch /= np.float32(white(image))
        inputs = {"image": batch}
        if self.info.noise_channels:
            inputs["noise"] = self._noise(padded.shape[:2], seed, origin)
        return inputs

    def _noise(self, size: tuple[int, ...], seed: int, origin: tuple[int, int]) -> Array:
        stride, scales = self.info.noise_stride, self.info.noise_scales
        rows, columns, top, left = (-(-x // stride) for x in (*size, *origin))
        if not scales:
            return uniform_noise(self.info.noise_channels, rows, columns, seed)
        return smooth_noise(scales, rows, columns, seed, top=top, left=left)

    def style_inputs(self, style: Style | None, strength: float) -> dict[str, Array]:
        """The graph's inputs for a style in this strength: ``style`` or ``strength``, or none."""
        if self.info.strength:
            return {"strength": np.array([strength], np.float32)}
        if style is None:
            return {}
        parameters, photo = style.parameters, style.photo
        way = np.full(len(parameters), strength, np.float32)
        way[len(parameters) - self.info.late_size :] = min(strength, 1.0)  # extrapolated colors would wash out
        return {"style": photo + way * (parameters - photo)}

    def run(self, inputs: Mapping[str, Array]) -> Array:
        """Run the plain form; returns the painted picture, float32 (1, 3, H, W).

        Raises:
            ModelError: The graph fails; `OutOfMemory` if there is not enough memory.
        """
        return self._run("plain", inputs)[0]

    def measure(self, inputs: Mapping[str, Array]) -> tuple[Array, dict[str, Array]]:
        """Run the measuring form; returns the painted picture and its statistics, as inputs of :meth:`run_frozen`."""
        *outputs, picture = self._run("measuring", inputs)
        return picture, forms.statistics(self.graph.norms, outputs)

    def run_frozen(self, inputs: Mapping[str, Array]) -> Array:
        """Run the frozen form, with statistics among the inputs; returns the painted picture."""
        return self._run("frozen", inputs)[0]

    def run_frozen_by_position(self, inputs: Mapping[str, Array]) -> Array:
        """Run the form frozen by position, with statistics from :meth:`blend`; returns the painted picture."""
        return self._run("frozen_by_position", inputs)[0]

    def blend(self, each: Sequence[Mapping[str, Array]], weights: Array) -> dict[str, Array]:
        """Weighted means of statistics at every position, as inputs of :meth:`run_frozen_by_position`.

        Args:
            each: Statistics from :meth:`measure`.
            weights: Their weights at each pixel of the picture, float32 (len(each), H, W), which sum to 1 over the
                first axis.

        Raises:
            ModelError: The graph's normalizations differ from those in its description.
        """
        norms = self.graph.norms
        sizes = self.info.feature_sizes(*weights.shape[1:])
        if len(sizes) != len(norms):
            raise ModelError("its graph is not the one that its description names: train it again")
        pooled = {cell: _pooled(weights, cell) for cell in {cell for cell, _, _ in sizes}}
        blended = {}
        for (cell, height, width), norm in zip(sizes, norms, strict=True):
            shares = pooled[cell][:, :height, :width]
            for name in (norm.scale, norm.shift, *norm.limits):
                values = np.stack([statistics[name].reshape(-1) for statistics in each], axis=1)  # (C, len(each))
                blended[name] = np.tensordot(values, shares, axes=1)[np.newaxis].astype(np.float32, copy=False)
        return blended

    def release(self, *which: Form) -> None:
        """Free the memory that engines keep for reuse, for these forms or all that are loaded."""
        for form in which or tuple(self._runners):
            if form in self._runners:
                self._runners[form].release()

    def _run(self, form: Form, inputs: Mapping[str, Array]) -> list[Array]:
        with _gate.passage():
            outputs = self._runner(form).run_all(inputs)
            return_free_memory()
            return outputs

    def forget_runners(self) -> None:
        """In a forked process: abandon the loaded engines, so that each form is loaded again on next use.

        The engines are not freed, because they would wait for threads that do not exist in this process.
        """
        for runner in self._runners.values():
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(runner))
        self._runners = {}
        self._lock = threading.Lock()  # another thread may have held it at the fork

    def _runner(self, form: Form) -> Runner:
        with self._lock:
            if form not in self._runners:
                self._runners[form] = self.graph.runner(form)
            return self._runners[form]


class _Shared:
    """The networks in use, by graph."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.networks: WeakValueDictionary[Graph, Network] = WeakValueDictionary()
        self.unpickled: deque[Network] = deque(maxlen=2)
        """The most recent ones, kept alive: a process pool unpickles its function anew for each task."""


_shared = _Shared()
_loaded: WeakSet[Network] = WeakSet()
_gate = ForkGate()


def _unpickled(info: ModelInfo, graph: Graph) -> Network:
    network = Network.of(info, graph)
    if network not in _shared.unpickled:
        _shared.unpickled.append(network)
    return network


def _after_fork() -> None:
    """Called in the forked process."""
    _shared.lock = threading.Lock()
    for network in tuple(_loaded):
        network.forget_runners()


_gate.guard_forks(_after_fork)


def _pooled(weights: Array, cell: int) -> Array:
    """Means of (K, H, W) over cells of ``cell`` x ``cell`` pixels; H and W are padded to multiples of 4 first."""
    whole = np.pad(weights, [(0, 0), *((0, -size % 4) for size in weights.shape[1:])], mode="edge")
    count, height, width = whole.shape
    means: Array = whole.reshape(count, height // cell, cell, width // cell, cell).mean(axis=(2, 4))
    return means
