"""A network that is ready to run: its graph in an engine, and the other forms of the graph that tiles need."""

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
from impasto.painting.engine import Array, Precision, Runner
from impasto.painting.engines import ENGINES
from impasto.painting.forks import ForkGate
from impasto.painting.noise import smooth_noise, uniform_noise
from impasto.pictures.picture import Pixels, white


class Graph(ABC):
    """Where a network gets its engines from. To be shared, graphs must be hashable; to be pickled, picklable."""

    @abstractmethod
    def runner(self, form: Form) -> Runner:
        """An engine with the graph in this form."""

    @property
    def norms(self) -> tuple[forms.Norm, ...]:
        """The graph's instance normalisations, in order; ModelError if it has other statistics as well."""
        raise ModelError("this graph cannot be painted in tiles")


@dataclass(frozen=True)
class ModelGraph(Graph):
    """The graph of a model file, whose bytes are read once: every form is made from the same bytes.

    Two are equal when content and options are.
    """

    content: bytes = field(repr=False)
    """The bytes of the file."""
    info: ModelInfo = field(compare=False)
    """The file's description of the model."""
    name: str
    """What messages call it."""
    threads: int
    backend: str = "onnxruntime"
    """The name of an engine, one of `impasto.painting.engines.ENGINES`."""
    precision: Precision = "float32"
    cache: Path | None = None
    """A folder for compiled graphs."""
    speeds: tuple[tuple[tuple[str, Precision], float], ...] = field(default=(), compare=False)
    """If backend and precision were chosen by measurement: each option, and its milliseconds for a small picture."""

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the file, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    def runner(self, form: Form) -> Runner:
        """See `Graph.runner`. The measuring form is float32: differences of its results are taken."""
        kind = ENGINES[self.backend]
        precision: Precision = "float32" if form == "measuring" else self.precision
        graph = forms.LazyGraph(
            self.content,
            form,
            ranges=self.info.ranges if precision == "int8" else None,
            channels_last=kind.channels_last,
        )
        return kind(graph, self.name, threads=self.threads, precision=precision, cache=self.cache)

    @cached_property
    def norms(self) -> tuple[forms.Norm, ...]:
        """See `Graph.norms`."""
        return forms.norms(self.content)


class Network:
    """A network that is ready to run. Safe to use from several threads, and after a fork.

    A pickled network is loaded again where it is unpickled, once in a process for equal ones that follow each other. In
    a forked process each form is loaded again when it is first used: threads of engines do not survive a fork.

    Attributes:
        info: The model file's description.
        graph: Where its engines come from.
    """

    def __init__(self, info: ModelInfo, graph: Graph) -> None:
        self.info = info
        self.graph = graph
        self._runners: dict[Form, Runner] = {}
        self._lock = threading.Lock()  # several threads may need the same form at the same time
        with _gate.passage():
            _loaded.add(self)
            self._runner("plain")

    @staticmethod
    def of(info: ModelInfo, graph: Graph) -> "Network":
        """The network of this graph; the same one for an equal graph, as long as that is in use."""
        with _shared.lock:
            network = _shared.networks.get(graph)
            if network is None:
                network = _shared.networks[graph] = Network(info, graph)
            return network

    def __reduce__(self) -> tuple[Callable[[ModelInfo, Graph], "Network"], tuple[ModelInfo, Graph]]:
        return _unpickled, (self.info, self.graph)

    @property
    def reach(self) -> int:
        """The distance, in pixels, of the farthest input pixel that an output pixel depends on; a multiple of 16.

        Statistics do not count. 0 when it is unknown, or when there are other statistics than instance normalisation's:
        then the network can only paint a picture as a whole.
        """
        return self.info.reach

    @property
    def takes_strength(self) -> bool:
        """Whether the network paints in any strength."""
        return self.info.strength or self.info.style_size > 0

    def image_inputs(self, image: Pixels, seed: int = 0, origin: tuple[int, int] = (0, 0)) -> dict[str, Array]:
        """The graph's inputs for a picture (H, W, 3) of any size: image, and noise if the graph takes it.

        A size that the graph does not take is enlarged by reflecting the picture at its right and lower edge. Of a part
        of a picture, ``origin`` is its upper left corner, in multiples of the noise's stride: its noise is the part's.
        """
        multiple_of = self.info.multiple_of
        wanted = [-(-max(size, self.info.minimum_size) // multiple_of) * multiple_of for size in image.shape[:2]]
        padding = [(0, size - there) for size, there in zip(wanted, image.shape[:2], strict=True)]
        # Beyond the first reflection numpy goes on reflecting, and a single row or column is repeated.
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
        """The graph's inputs for a style in this strength: style or strength, or none."""
        if self.info.strength:
            return {"strength": np.array([strength], np.float32)}
        if style is None:
            return {}
        parameters, photo = style.parameters, style.photo
        way = np.full(len(parameters), strength, np.float32)
        way[len(parameters) - self.info.late_size :] = min(strength, 1.0)  # beyond, colours would only wash out
        return {"style": photo + way * (parameters - photo)}

    def run(self, inputs: Mapping[str, Array]) -> Array:
        """The painted picture, float32 (1, 3, H, W), of these inputs.

        Raises:
            ModelError: The graph fails; `OutOfMemory` if memory was too small.
        """
        return self._run("plain", inputs)[0]

    def measure(self, inputs: Mapping[str, Array]) -> tuple[Array, dict[str, Array]]:
        """The painted picture of these inputs, and its statistics, as inputs of :meth:`run_frozen`."""
        *outputs, picture = self._run("measuring", inputs)
        return picture, forms.statistics(self.graph.norms, outputs)

    def run_frozen(self, inputs: Mapping[str, Array]) -> Array:
        """The painted picture of these inputs, which include statistics."""
        return self._run("frozen", inputs)[0]

    def run_frozen_by_position(self, inputs: Mapping[str, Array]) -> Array:
        """The painted picture of these inputs, which include statistics for every place, see :meth:`blend`."""
        return self._run("frozen_by_position", inputs)[0]

    def blend(self, each: Sequence[Mapping[str, Array]], weights: Array) -> dict[str, Array]:
        """Weighted means of statistics at every place, as inputs of :meth:`run_frozen_by_position`.

        Args:
            each: Statistics, as :meth:`measure` returns them.
            weights: The weight of each, float32 (len(each), H, W), of the size of the picture that is painted with
                them, summing to 1 at every place.

        Raises:
            ModelError: The graph does not have the normalisations that its description promises.
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
                blended[name] = np.tensordot(values, shares, axes=1)[np.newaxis].astype(np.float32)
        return blended

    def release(self, *which: Form) -> None:
        """Free the memory that engines keep for the next call: those of these forms, or all that are loaded."""
        for form in which or tuple(self._runners):
            if form in self._runners:
                self._runners[form].release()

    def _run(self, form: Form, inputs: Mapping[str, Array]) -> list[Array]:
        with _gate.passage():
            return self._runner(form).run_all(inputs)

    def forget_runners(self) -> None:
        """Load each form again when it is next used, and leave the engines that are loaded alone, in a forked process.

        They cannot even be freed: they would wait for their threads, which the process does not have.
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
    """Networks that are in use, by their graphs."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.networks: WeakValueDictionary[Graph, Network] = WeakValueDictionary()
        self.unpickled: deque[Network] = deque(maxlen=2)
        """The last ones, kept: a pool unpickles its function for each task, and drops it after each."""


_shared = _Shared()
_loaded: WeakSet[Network] = WeakSet()
_gate = ForkGate()


def _unpickled(info: ModelInfo, graph: Graph) -> Network:
    network = Network.of(info, graph)
    if network not in _shared.unpickled:
        _shared.unpickled.append(network)
    return network


def _after_fork() -> None:
    """In the forked process."""
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
