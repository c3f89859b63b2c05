"""Files that torch writes, made for the tests."""

import io
import warnings
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from tests.convert.networks import Examples, made


def saved(value: Any, *, legacy: bool = False) -> bytes:
    """What `torch.save` writes, since 1.6 or before."""
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=not legacy)
    return stream.getvalue()


def with_running_statistics(network: nn.Module) -> "OrderedDict[str, Tensor]":
    """A state dict as torch before 0.4 wrote it: with statistics of instance normalizations, which nothing uses."""
    found: OrderedDict[str, Tensor] = OrderedDict()
    for name, tensor in network.state_dict().items():
        found[name] = tensor
        if ".in" in f".{name}" and name.endswith("bias") and tensor.ndim == 1 and "conv2d" not in name:
            found[name.replace("bias", "running_mean")] = torch.full_like(tensor, 3.0)
            found[name.replace("bias", "running_var")] = torch.full_like(tensor, 0.1)
    return found


def zoo_onnx(network: nn.Module | None = None, *, opset: int = 9, dynamic: bool = True, **options: Any) -> bytes:
    """A file as those of the ONNX model zoo: torch's own exporter, operator set 9."""
    network = network or made(Examples)
    axes = {"input1": {2: "height", 3: "width"}, "output1": {2: "out_height", 3: "out_width"}} if dynamic else None
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # this exporter is the one of that time
        torch.onnx.export(
            network,
            ((torch.rand(1, 3, 64, 48) * 255).to(next(network.parameters()).dtype),),
            stream,  # type: ignore[arg-type]
            opset_version=opset,
            dynamo=False,
            input_names=["input1"],
            output_names=["output1"],
            dynamic_axes=axes,
            **options,
        )
    return stream.getvalue()
