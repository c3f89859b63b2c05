"""Loads styles and models as stylizers."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from impasto.errors import BackendError, ModelError, UsageError
from impasto.models.catalog import Variant, cache_folder, compiled_folder, find_style, is_style, shipped_network
from impasto.models.forms import Form, LazyGraph
from impasto.models.modelfile import ModelInfo, read_model, read_onnx
from impasto.models.stylefile import Style
from impasto.painting.choice import PrecisionChoice, check_precision, choose, on_device
from impasto.painting.devices import CPU, choose_device
from impasto.painting.engine import Array, Precision, Runner
from impasto.painting.engines import ENGINES, Backend, choose_engine
from impasto.painting.mixing import check_fit, check_name, mix_styles
from impasto.painting.network import Graph, ModelGraph, Network
from impasto.painting.stylizer import Stylizer
from impasto.pictures.sources import file_or_name
from impasto.processor import cores


def load(
    name_or_path: str | os.PathLike[str] | Mapping[str, float],
    *,
    variant: Variant = "best",
    backend: Backend = "auto",
    threads: int | None = None,
    precision: PrecisionChoice = "auto",
    device: str = CPU,
) -> Stylizer:
    """Load a style or a model file.

    Stylizers with equal model files and options share their network.

    Args:
        name_or_path: The name of a shipped style (`impasto.styles`), a style file or a model file, both made by
            `impasto train`; or several styles of one network and their shares, as {"udnie": 0.7, "great_wave": 0.3}.
        variant: The network for shipped styles: "best", or "fast", which takes half the time. Ignored for files.
        backend: "onnxruntime", "openvino", or "auto": the faster of those that are installed and work.
        threads: The number of threads that one call may use, at most one for each logical processor; None
            for all cores.
        precision: "float32", whose results are equal on all computers except for rounding; "bfloat16"; "int8"; or
            "auto", the fastest on this computer, see :mod:`impasto.painting.choice`. On average, its results differ
            from float32's by less than 2 levels of 255 (up to 4 at strength 2).
        device: "cpu"; another device, which is used or refused (:data:`impasto.painting.devices.DEVICES`: "cuda",
            "tensorrt", "directml", "coreml", "openvino:GPU" or "openvino:NPU"); or "auto", the first that works.

    Raises:
        ModelError: The file does not exist, is damaged or not a model; or the styles have different networks.
        BackendError: The backend is not installed, is broken, or does not support the precision; or the device does not
            work here.
        UsageError: The backend, device, variant, precision or name of a shipped style is unknown, a share is not a
            number of 0 or more, or ``threads`` is less than 1.
    """
    _check_options(threads, precision)
    shipped_network(variant)  # raises UsageError for unknown variants
    check_name(name_or_path)
    style: Style | None = None
    if isinstance(name_or_path, Mapping):
        style, path = mix_styles(name_or_path, variant)
    elif is_style(name := file_or_name(name_or_path)):
        style, path = find_style(name, variant)
    else:
        path = Path(name)
    file = read_model(path)
    info = file.info
    if style is not None:
        check_fit(style, info, path)
    if style is None and info.style_size:
        raise ModelError(f"{path}: is a network without a style of its own; give one of its style files")
    graph = ModelGraph(
        content=file.content, info=info, name=str(path), threads=_most(threads), cache=compiled_folder(path)
    )
    chosen = choose_device(device)
    if chosen is not None:
        return Stylizer(Network.of(info, on_device(graph, style, chosen, backend, precision)), style)
    return Stylizer(Network.of(info, choose(graph, style, backend, precision, cache_folder())), style)


def load_foreign(
    path: str | os.PathLike[str],
    *,
    value_range: float = 255.0,
    backend: Backend = "auto",
    threads: int | None = None,
    precision: Precision = "float32",
) -> Stylizer:
    """Load another project's ONNX model, for comparison.

    The picture is padded by reflection to a multiple of 8, for networks that downsample three times, and the result is
    cropped. The architecture in the stylizer's `info` is "foreign".

    Args:
        path: An ONNX file with one input, (N, 3, H, W) RGB of any size, and one output of the same format, at least as
            large.
        value_range: The value of white in the model's input and output: 255 or 1.
        backend: See `load`.
        threads: See `load`.
        precision: "float32" or "bfloat16".

    Raises:
        ModelError: The file is missing or damaged, or the graph has other inputs.
        BackendError: See `load`.
        UsageError: See `load`; or `value_range` is not positive.
    """
    if not value_range > 0:
        raise UsageError(f"the value range must be positive, 255 or 1, not {value_range}")
    _check_options(threads, precision)
    path = Path(file_or_name(path))
    content = read_onnx(path)
    info = ModelInfo(architecture="foreign", arguments={}, styles=(path.stem,), multiple_of=8, minimum_size=64)
    if precision not in ("float32", "bfloat16"):
        raise BackendError(f"another project's model cannot be painted in {precision}; use float32 or bfloat16")
    graph = ForeignGraph(content, str(path), choose_engine(backend), _most(threads), precision, value_range)
    return Stylizer(Network.of(info, graph))


@dataclass(frozen=True)
class ForeignGraph(Graph):
    """Another project's graph, with any input name and value range."""

    content: bytes
    name: str
    backend: str
    threads: int
    precision: Precision
    value_range: float

    def runner(self, form: Form) -> Runner:
        """See `Graph.runner`; only the plain form exists."""
        graph = LazyGraph(self.content)
        engine = ENGINES[self.backend](graph, self.name, threads=self.threads, precision=self.precision)
        inputs = engine.inputs
        if len(inputs) != 1:
            raise ModelError(f"{self.name}: has {len(inputs)} inputs ({', '.join(inputs)}); only one is supported")
        ((name, shape),) = inputs.items()
        if len(shape) != 4 or shape[1] != 3:
            raise ModelError(f"{self.name}: its input is {shape}; only pictures as (N, 3, H, W) are supported")
        if isinstance(shape[2], int) or isinstance(shape[3], int):
            raise ModelError(
                f"{self.name}: its input is {shape[3]} x {shape[2]} only; export it with dynamic height and width"
            )
        return ScaledRunner(engine, name, self.value_range)


class ScaledRunner(Runner):
    """Adapts another project's graph to Impasto's input name and value range."""

    def __init__(self, runner: Runner, name: str, value_range: float) -> None:
        self._runner = runner
        self._name = name
        self._white = np.float32(value_range)

    def run_all(self, inputs: Mapping[str, Array]) -> list[Array]:
        """See `Runner.run_all`."""
        return [output / self._white for output in self._runner.run_all({self._name: inputs["image"] * self._white})]

    def release(self) -> None:
        """See `Runner.release`."""
        self._runner.release()


def _most(threads: int | None) -> int:
    """The threads that engines get: more than there are processors only cost time, and thousands end in a stop."""
    return min(threads, max(os.cpu_count() or 1, cores())) if threads else cores()


def _check_options(threads: int | None, precision: str) -> None:
    """Raise UsageError for options that no engine supports."""
    if threads is not None and (not isinstance(threads, int) or isinstance(threads, bool) or threads < 1):
        raise UsageError(f"the number of threads must be a whole number of 1 or more, not {threads!r}")
    check_precision(precision)
