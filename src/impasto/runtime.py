"""Stylising: a picture in, the repainted picture out, on a CPU and without torch.

A `Stylizer` knows about pictures: sizes, padding, rounding, noise. A `Backend` knows about one inference engine and
has one method. Engines are imported when their backend is made, so importing this module is cheap.
"""

import ctypes
import os
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from impasto.catalogue import find_style, is_style, shipped
from impasto.errors import BackendError, ImageError, ModelError, UsageError
from impasto.image import Pixels, contact_sheet, resize_short_side
from impasto.modelfile import ModelInfo, check_complete, read_info
from impasto.stylefile import Style

Array = NDArray[np.float32]
Precision = Literal["f32", "auto"]


MAX_PIXELS = 40_000_000
"""Larger pictures are refused: the layers' features take some 300 bytes a pixel, and all must be there at once."""


class Backend(ABC):
    """An inference engine with a model loaded. Safe to call from several threads."""

    @abstractmethod
    def run(self, inputs: dict[str, Array]) -> Array:
        """The graph's output for its named inputs, float32 arrays as in the contract of `impasto.modelfile`.

        Raises:
            ModelError: The graph fails on these inputs.
        """


class OnnxRuntimeBackend(Backend):
    """ONNX Runtime on the CPU: runs anywhere.

    Args:
        path: An ONNX file.
        threads: How many threads one call may use; None for all cores.

    Raises:
        ModelError: The graph is damaged or uses what this engine does not know.
        BackendError: ONNX Runtime is not installed.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError as cause:
            raise BackendError("ONNX Runtime is not installed; pip install onnxruntime") from cause
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what goes wrong is said once, in our words
        options.intra_op_num_threads = threads or 0
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as cause:  # its errors share no base class
            raise ModelError(f"{path}: ONNX Runtime cannot load the graph: {_brief(cause)}") from cause
        self._path = path

    @property
    def inputs(self) -> dict[str, list[Any]]:
        """The graph's inputs: name -> shape, in which a dynamic size is a name or None."""
        return {item.name: list(item.shape) for item in self._session.get_inputs()}

    def run(self, inputs: dict[str, Array]) -> Array:
        """See `Backend.run`."""
        try:
            output: Array = self._session.run(None, inputs)[0]
        except Exception as cause:  # its errors share no base class
            raise ModelError(f"{self._path}: ONNX Runtime cannot run the graph: {_brief(cause)}") from cause
        return output


class OpenVINOBackend(Backend):
    """OpenVINO on the CPU: the fastest on x86.

    Args:
        path: An ONNX file.
        threads: How many threads one call may use; None for all cores.
        precision: "f32" computes like every other backend. "auto" leaves it to OpenVINO, which uses bf16 on CPUs
            that have it: faster, but results differ by several levels of 255 and between machines.

    Raises:
        ModelError: The graph is damaged or uses what this engine does not know.
        BackendError: OpenVINO is not installed.
    """

    def __init__(self, path: Path, *, threads: int | None = None, precision: Precision = "f32") -> None:
        try:
            import openvino
        except ImportError as cause:
            raise BackendError("OpenVINO is not installed; pip install 'impasto[openvino]'") from cause
        config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if threads:
            config["INFERENCE_NUM_THREADS"] = threads
        if precision == "f32":
            config["INFERENCE_PRECISION_HINT"] = "f32"
        try:
            with _keeping_the_signal_stack():
                self._model = openvino.Core().compile_model(str(path), "CPU", config)
        except Exception as cause:  # RuntimeError mostly, but its documentation promises nothing
            raise ModelError(f"{path}: OpenVINO cannot load the graph: {_brief(cause)}") from cause
        self._path = path
        self._one_at_a_time = threading.Lock()  # a compiled model shares one request between its calls

    @property
    def inputs(self) -> dict[str, list[Any]]:
        """The graph's inputs: name -> shape, in which a dynamic size is None."""
        return {
            item.get_any_name(): [size.get_length() if size.is_static else None for size in item.get_partial_shape()]
            for item in self._model.inputs
        }

    def run(self, inputs: dict[str, Array]) -> Array:
        """See `Backend.run`."""
        try:
            with self._one_at_a_time:
                output: Array = self._model(inputs)[0].copy()  # the next call overwrites the original
        except Exception as cause:  # RuntimeError mostly, but its documentation promises nothing
            raise ModelError(f"{self._path}: OpenVINO cannot run the graph: {_brief(cause)}") from cause
        return output


class _SignalStack(ctypes.Structure):
    """stack_t of sigaltstack(2)."""

    _fields_ = (("pointer", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
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

    def run(self, inputs: dict[str, Array]) -> Array:
        """See `Backend.run`."""
        return self._function(inputs)


BACKENDS: dict[str, type[OnnxRuntimeBackend] | type[OpenVINOBackend]] = {
    "openvino": OpenVINOBackend,
    "onnxruntime": OnnxRuntimeBackend,
}
"""The inference engines by name, the one preferred by "auto" first."""


class Stylizer:
    """Repaints pictures of any size with one model.

    Calls from several threads are safe. Equal pictures and seeds give equal results.

    Attributes:
        info: What the model file says about itself.
    """

    def __init__(self, backend: Backend, info: ModelInfo, style: Style | None = None) -> None:
        self.info = info
        self._backend = backend
        self._style = style

    def __call__(self, image: Pixels, *, seed: int = 0, strength: float = 1.0) -> Pixels:
        """The picture repainted: uint8 (H, W, 3) sRGB in, a new array of exactly the same size out.

        Args:
            image: The picture, uint8 (H, W, 3), sRGB; not changed. A size the graph does not take is made up by
                reflecting the picture at its right and lower edge, and the result is cropped.
            seed: Draws the noise, for models that take noise; others ignore it.
            strength: How much of the style, from 0 (the photo as it is) to 1. In between the network's scales and
                shifts lie between the style's and those that give the photo back.

        Raises:
            ImageError: `image` is not such an array, or has more than `MAX_PIXELS` pixels.
            ModelError: The graph fails, or breaks the contract of its output.
            UsageError: `strength` is out of range, or the model has one fixed strength.
        """
        self.check(strength)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise ImageError(f"expected a picture, uint8 (H, W, 3), got {image.dtype} {image.shape}")
        height, width = image.shape[:2]
        if height * width > MAX_PIXELS:
            raise ImageError(
                f"{width} x {height} pixels are more than are painted at once ({MAX_PIXELS // 1_000_000} million): "
                "make the picture smaller first"
            )
        padding = [(0, self._padding(height)), (0, self._padding(width)), (0, 0)]
        # Beyond the first reflection numpy goes on reflecting, and a single row or column is repeated.
        padded = np.pad(image, padding, mode="reflect") if np.any(padding) else image
        batch = np.ascontiguousarray(padded.transpose(2, 0, 1)[np.newaxis], dtype=np.float32) / np.float32(255)

        inputs = {"image": batch}
        if self.info.noise_channels:
            shape = (1, self.info.noise_channels, *padded.shape[:2])
            inputs["noise"] = np.random.default_rng(seed).random(shape, dtype=np.float32)
        if self._style is None:
            return _to_pixels(self._backend.run(inputs), height, width)
        code, photo = self._style.code, self._style.photo
        if strength == 1:
            return _to_pixels(self._backend.run({**inputs, "style": code}), height, width)
        # Normalisation drops the photo's colours and contrast, and the network blurs a little when it gives the photo
        # back: both are put right by the share of the photo that is wanted, wholly at 0.
        kept = np.float32(1 - strength)
        between = self._backend.run({**inputs, "style": photo + np.float32(strength) * (code - photo)})
        returned = self._backend.run({**inputs, "style": photo})
        lost = batch - _match(returned, batch, np.float32(1))
        return _to_pixels(_match(between, batch, kept) + kept * lost, height, width)

    def restyled(self, name_or_path: str | os.PathLike[str] | Mapping[str, float]) -> "Stylizer":
        """This network, which is not loaded again, in another of its styles.

        Args:
            name_or_path: A shipped style's name, a style file, or several and their shares, as in :func:`load`.

        Raises:
            ModelError: No such style file, or damaged; it is another network's; or this model has one style only.
            UsageError: No shipped style of that name, or shares that make no sense.
        """
        if self._style is None:
            raise ModelError("a model of its own has one style; load the other")
        style, network = _mixed(name_or_path if isinstance(name_or_path, Mapping) else {os.fspath(name_or_path): 1.0})
        if style.info.network != self._style.info.network:
            raise ModelError(f"the style {style.info.name} is of another network, {network}; load it by itself")
        _check_fit(style, self.info, network)
        return Stylizer(self._backend, self.info, style)

    def check(self, strength: float) -> None:
        """Raise UsageError unless this model can paint in this strength."""
        if not 0 <= strength <= 1:
            raise UsageError(f"strength must be from 0 (the photo) to 1 (the style), not {strength}")
        if strength < 1 and self._style is None:
            raise UsageError(
                "this model has one strength; styles of the shared network, see `impasto styles`, have any"
            )

    def _padding(self, size: int) -> int:
        wanted = max(size, self.info.minimum_size)
        return -(-wanted // self.info.multiple_of) * self.info.multiple_of - size


def load(
    name_or_path: str | os.PathLike[str] | Mapping[str, float],
    *,
    backend: str = "auto",
    threads: int | None = None,
    precision: Precision = "f32",
) -> Stylizer:
    """A style or a model file, ready to paint.

    Args:
        name_or_path: The name of a shipped style (`impasto.styles`), a style file or a model file, both made by
            `impasto train`; or several styles of one network and their shares, as {"udnie": 0.7, "great_wave": 0.3}.
        backend: "onnxruntime", "openvino", or "auto": OpenVINO when it is installed, else ONNX Runtime.
        threads: How many threads one call may use; None for all cores.
        precision: "f32", so that all backends agree, or "auto" for what OpenVINO thinks fastest on this CPU.

    Raises:
        ModelError: No such file, not a model, or damaged; styles of different networks.
        BackendError: An unknown backend, or one that is not installed.
        UsageError: No shipped style of that name, shares that make no sense, or `threads` is less than 1.
    """
    style: Style | None = None
    if isinstance(name_or_path, Mapping):
        style, path = _mixed(name_or_path)
    elif is_style(name_or_path):
        style, path = find_style(name_or_path)
    else:
        path = Path(name_or_path)
    info = read_info(path)
    if style is not None:
        _check_fit(style, info, path)
    if style is None and info.style_size:
        raise ModelError(f"{path}: is a network, which paints in no style of its own; give one of its style files")
    return Stylizer(_make_backend(path, backend, threads, precision), info, style)


def style_sheet(photo: Pixels, names: Iterable[str] | None = None, *, size: int = 384, columns: int = 4) -> Pixels:
    """One picture that shows ``photo``, uint8 (H, W, 3), in shipped styles, each named.

    Args:
        photo: The photo; it is shown first.
        names: The styles; all when None.
        size: Short side it is painted at, pixels.
        columns: How many pictures stand side by side.
    """
    photo = resize_short_side(photo, size)
    first = load(next(iter(shipped())))
    pictures = {"photo": photo, **{name: first.restyled(name)(photo) for name in names or shipped()}}
    rows = [[*pictures][i : i + columns] for i in range(0, len(pictures), columns)]
    return contact_sheet([[pictures[name] for name in row] for row in rows], captions=rows, cell=size)


def load_foreign(
    path: str | os.PathLike[str],
    *,
    value_range: float = 255.0,
    backend: str = "auto",
    threads: int | None = None,
) -> Stylizer:
    """Another project's ONNX model, ready to paint, for measuring it beside ours.

    The picture is padded by reflection to a multiple of 8, which three halvings need, and the result cropped. The
    returned stylizer's `info` has the architecture "foreign".

    Args:
        path: An ONNX file with one input, (N, 3, H, W) RGB of any size, and such an output, at least as large.
        value_range: White in the model's input and output: 255 or 1.
        backend: See `load`.
        threads: See `load`.

    Raises:
        ModelError: The file is missing or damaged, or the graph takes anything else.
        BackendError: See `load`.
        UsageError: `threads` is less than 1, or `value_range` is not positive.
    """
    if not value_range > 0:
        raise UsageError(f"a value range of {value_range} makes no sense; use 255 or 1")
    path = Path(path)
    check_complete(path)
    engine = _make_backend(path, backend, threads, "f32")
    inputs = engine.inputs
    if len(inputs) != 1:
        raise ModelError(f"{path}: takes {len(inputs)} inputs ({', '.join(inputs)}); only one, a picture, is supported")
    ((name, shape),) = inputs.items()
    if len(shape) != 4 or shape[1] != 3:
        raise ModelError(f"{path}: takes {shape}; only pictures as (N, 3, H, W) are supported")
    if isinstance(shape[2], int) or isinstance(shape[3], int):
        raise ModelError(
            f"{path}: takes pictures of {shape[3]} x {shape[2]} only; export it with dynamic height and width"
        )

    def run(inputs: dict[str, Array]) -> Array:
        return engine.run({name: inputs["image"] * np.float32(value_range)}) / np.float32(value_range)

    info = ModelInfo(architecture="foreign", arguments={}, styles=(path.stem,), multiple_of=8, minimum_size=64)
    return Stylizer(FakeBackend(run), info)


def _check_fit(style: Style, info: ModelInfo, network: Path) -> None:
    if len(style.code) != info.style_size:
        raise ModelError(f"the style {style.info.name} does not fit its network {network}; make it again")


def _mixed(shares: Mapping[str, float]) -> tuple[Style, Path]:
    """The mixture of several styles, and their network; shares are made to sum to 1."""
    if not shares or not all(0 <= share < float("inf") for share in shares.values()) or not sum(shares.values()) > 0:
        raise UsageError("give at least one style, and shares of 0 or more, not all 0")
    found = [find_style(name) for name in shares]
    style, network = found[0]
    for other, path in found[1:]:
        if other.info.network != style.info.network:
            raise ModelError(f"{network} and {path}: styles of different networks cannot be mixed")
        if len(other.code) != len(style.code):
            raise ModelError(f"the style {other.info.name} does not fit its network {path}; make it again")
    weights = np.array([*shares.values()], np.float64) / sum(shares.values())
    codes = np.stack([one.code for one, _ in found])
    return Style(style.info, (weights @ codes).astype(np.float32), style.photo), network


def _make_backend(
    path: Path, backend: str, threads: int | None, precision: Precision
) -> OnnxRuntimeBackend | OpenVINOBackend:
    if threads is not None and threads < 1:
        raise UsageError(f"{threads} threads make no sense; use 1 or more")
    if backend == "auto":
        backend = next(name for name in BACKENDS if find_spec(name) or name == "onnxruntime")
    if backend not in BACKENDS:
        raise BackendError(f"unknown backend {backend!r}; use auto, {', '.join(BACKENDS)}")
    if backend == "openvino":
        return OpenVINOBackend(path, threads=threads, precision=precision)
    return OnnxRuntimeBackend(path, threads=threads)


def _match(picture: Array, photo: Array, share: np.float32) -> Array:
    """The picture with each channel's mean and deviation moved by this share of the way to the photo's."""
    axes = (2, 3)
    mean, deviation = picture.mean(axes, keepdims=True), picture.std(axes, keepdims=True)
    wanted_mean = mean + share * (photo.mean(axes, keepdims=True) - mean)
    wanted_deviation = deviation + share * (photo.std(axes, keepdims=True) - deviation)
    matched: Array = (picture - mean) * (wanted_deviation / (deviation + np.float32(1e-6))) + wanted_mean
    return matched


def _to_pixels(output: Array, height: int, width: int) -> Pixels:
    """Crop (1, 3, h, w) in [0, 1] to uint8 (height, width, 3), rounding to nearest."""
    if output.ndim != 4 or output.shape[:2] != (1, 3) or output.shape[2] < height or output.shape[3] < width:
        raise ModelError(f"the model made {output.shape} of a {width} x {height} picture; it is not a stylising model")
    picture = output[0, :, :height, :width].transpose(1, 2, 0)
    if not np.isfinite(picture).all():
        raise ModelError("the model's output is not finite; its training went wrong, train it again")
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _brief(error: Exception) -> str:
    """An engine's message, often many lines of source positions, as one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:200] + " ..."
