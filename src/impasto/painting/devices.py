"""The devices that networks run on, what each needs, and which of them work on this computer.

A device that is asked for is used, or an error says why not. Engines put work on the CPU without a word if a driver or
a library is missing, so what a session really uses is checked (`OnnxRuntimeEngine`), and a device's first painting is
compared with the CPU's (`impasto.painting.choice`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from impasto.errors import BackendError, ImpastoError, UsageError
from impasto.models.forms import LazyGraph
from impasto.models.onnx_file import Node, Tensor, Value, new_model

CPU = "cpu"
AUTO = "auto"


@dataclass(frozen=True)
class Device:
    """A device: the engine that runs it, and what the engine calls it."""

    name: str
    """As on the command line."""
    backend: str
    """The name of an engine, one of `impasto.painting.engines.ENGINES`."""
    title: str
    """Its name in messages."""
    targets: tuple[str, ...]
    """ONNX Runtime's providers, of which a session must have all; or OpenVINO's device."""
    install: str
    """What to install for it."""
    options: tuple[tuple[str, str], ...] = ()
    """Options of the first provider."""
    fixed: bool = False
    """Whether graphs are compiled for one size of pictures, and again for another."""
    automatic: bool = False
    """Whether "auto" may choose it."""


DEVICES: dict[str, Device] = {
    "cuda": Device(
        "cuda",
        "onnxruntime",
        "CUDA",
        ("CUDAExecutionProvider",),
        "pip install onnxruntime-gpu in place of onnxruntime, with NVIDIA's driver, CUDA and cuDNN",
        (("use_tf32", "0"), ("cudnn_conv_algo_search", "HEURISTIC")),  # TF32 has 10 bits; EXHAUSTIVE tries all per size
        automatic=True,
    ),
    "tensorrt": Device(
        "tensorrt",
        "onnxruntime",
        "TensorRT",
        ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
        "pip install onnxruntime-gpu tensorrt in place of onnxruntime, with NVIDIA's driver, CUDA and cuDNN",
        fixed=True,
    ),
    "directml": Device(
        "directml",
        "onnxruntime",
        "DirectML",
        ("DmlExecutionProvider",),
        "pip install onnxruntime-directml in place of onnxruntime, on Windows 10 or later",
        automatic=True,
    ),
    "coreml": Device(
        "coreml",
        "onnxruntime",
        "Core ML",
        ("CoreMLExecutionProvider",),
        "pip install onnxruntime, on macOS 13 or later",
        (("ModelFormat", "MLProgram"),),
        fixed=True,
        automatic=True,
    ),
    "openvino:GPU": Device(
        "openvino:GPU",
        "openvino",
        "OpenVINO on an Intel GPU",
        ("GPU",),
        "pip install 'impasto[openvino]' and Intel's GPU driver (compute runtime)",
        automatic=True,
    ),
    "openvino:NPU": Device(
        "openvino:NPU",
        "openvino",
        "OpenVINO on an Intel NPU",
        ("NPU",),
        "pip install 'impasto[openvino]' and Intel's NPU driver",
        fixed=True,
    ),
}
"""The devices besides the CPU, in the order in which "auto" tries them."""
_NUMBERED = re.compile(r"(openvino:GPU)\.\d+")


def find_device(name: str) -> Device | None:
    """The device of this name; None for the CPU. "openvino:GPU.1" is the second of several GPUs.

    Raises:
        UsageError: There is no such device.
    """
    if name == CPU:
        return None
    if isinstance(name, str) and name in DEVICES:
        return DEVICES[name]
    numbered = _NUMBERED.fullmatch(name) if isinstance(name, str) else None
    if numbered:
        known = DEVICES[numbered[1]]
        target = name.partition(":")[2]
        return Device(name, known.backend, f"{known.title} ({target})", (target,), known.install)
    raise UsageError(f"unknown device {name!r}; use one of {AUTO}, {CPU}, {', '.join(DEVICES)}")


def choose_device(name: str) -> Device | None:
    """The device of this name, which works; for "auto" the first that works, else the CPU (None).

    Raises:
        UsageError: There is no such device.
        BackendError: The device does not work here; the message says what is missing.
    """
    if name == AUTO:
        return next((device for device, problem in states() if problem is None and device.automatic), None)
    device = find_device(name)
    if device is not None:
        check_device(device)
    return device


def check_device(device: Device) -> None:
    """Run a small graph on a device.

    Raises:
        BackendError: The device does not work here.
    """
    from impasto.painting.engines import ENGINES  # imports this module

    try:
        engine = ENGINES[device.backend](_small_graph(), "a small graph", threads=1, precision="float32", device=device)
        (result,) = engine.run_all({"image": np.full((1, 3, 16, 16), -1, np.float32)})
    except ImpastoError as reason:
        raise BackendError(f"device {device.name}: {reason}; {device.install}") from None
    if result.shape != (1, 3, 16, 16) or not np.array_equal(result, np.zeros_like(result)):
        raise BackendError(f"device {device.name}: computes wrong results; {device.install}")


def states() -> Iterator[tuple[Device, str | None]]:
    """Each device, and why it does not work on this computer; None if it does."""
    for device in DEVICES.values():
        try:
            check_device(device)
        except BackendError as reason:
            yield device, str(reason)
        else:
            yield device, None


def _small_graph() -> LazyGraph:
    """The positive part of a picture, by a 1 x 1 convolution and a ReLU, which every device has."""
    kernel: Any = np.eye(3, dtype=np.float32)[:, :, np.newaxis, np.newaxis]
    shape = ("batch", 3, "height", "width")
    nodes = [Node("Conv", ("image", "kernel"), ("sum",)), Node("Relu", ("sum",), ("stylized",))]
    constants = {"kernel": Tensor.from_array("kernel", kernel)}
    model = new_model(nodes, constants, [Value("image", shape)], [Value("stylized", shape)], opset=18, ir_version=9)
    return LazyGraph(model.encoded())
