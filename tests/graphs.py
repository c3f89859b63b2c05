"""Tiny ONNX graphs that keep, or break, the contract of `impasto.models.modelfile`."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from impasto.models.modelfile import ModelInfo, write_model


def _tensor(name: str, shape: Sequence[str | int]) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def make_onnx(
    nodes: Sequence[Any],
    inputs: Mapping[str, Sequence[str | int]],
    output: tuple[str, Sequence[str | int]],
    constants: Mapping[str, Any] | None = None,
) -> bytes:
    graph = helper.make_graph(
        nodes,
        "test",
        [_tensor(name, shape) for name, shape in inputs.items()],
        [_tensor(*output)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


PathLike = TypeVar("PathLike", bound=str | os.PathLike[str])

IMAGE: list[str | int] = ["n", 3, "h", "w"]

INVERT = make_onnx(
    [helper.make_node("Sub", ["one", "image"], ["stylized"])],
    {"image": IMAGE},
    ("stylized", IMAGE),
    {"one": np.float32(1)},
)
"""The negative: 1 - image."""

NOISE = make_onnx(
    [
        helper.make_node("Mul", ["image", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "noise"], ["stylized"]),
    ],
    {"image": IMAGE, "noise": IMAGE},
    ("stylized", IMAGE),
    {"zero": np.float32(0)},
)
"""The noise itself."""

CONVOLVE = make_onnx(
    [
        helper.make_node("Conv", ["image", "kernel"], ["sum"], pads=[4] * 4),
        helper.make_node("Sigmoid", ["sum"], ["out"]),
    ],
    {"image": IMAGE},
    ("out", IMAGE),
    {"kernel": np.random.default_rng(0).normal(0, 0.1, (3, 3, 9, 9)).astype(np.float32)},
)
"""A 9 x 9 convolution and a sigmoid: arithmetic on which backends could differ."""


def write_test_model(path: PathLike, onnx: bytes = INVERT, **changes: Any) -> PathLike:
    info: dict[str, Any] = {"architecture": "residual", "arguments": {"width": 8}, "styles": ("negative",)} | changes
    write_model(path, onnx, ModelInfo(**info))
    return path
