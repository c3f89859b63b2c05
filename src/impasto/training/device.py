"""Selects torch's device and precision."""

from typing import Literal

import torch

from impasto.errors import UsageError
from impasto.processor import has_quick_bfloat16

Device = Literal["auto", "cpu", "cuda", "mps"]
DEVICES = ("auto", "cpu", "cuda", "mps")
DEVICE_HELP = "where to compute: cpu, cuda or mps; auto is a CUDA GPU where there is one, else the CPU"


def choose_device(name: str, index: int = 0) -> torch.device:
    """The torch device called ``name``; "auto" is a CUDA GPU if torch has one, else the CPU.

    Args:
        name: one of :data:`DEVICES`.
        index: index of the CUDA GPU, if there are several.

    Raises:
        UsageError: for another name, or if torch does not have this device.
    """
    if name not in DEVICES:
        raise UsageError(f"unknown device '{name}': choose one of {', '.join(DEVICES)}")
    has = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = "cuda" if has["cuda"] else "cpu"
    if not has[name]:
        there = ", ".join(device for device, available in has.items() if available)
        raise UsageError(f"device {name}: this torch has only {there} here: leave the device out, or give one of these")
    return torch.device("cuda", index) if name == "cuda" else torch.device(name)


def use_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether to compute in bfloat16; for "auto", if it is faster than float32 on this device."""
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return device.type == "cpu" and has_quick_bfloat16()
