"""What this computer's processor is fast at, and how much of it this process may use."""

import functools
import os
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
"""Where Linux describes the processor; other systems have no such file."""


@functools.cache
def has_quick_bfloat16() -> bool:
    """Whether products in bfloat16 are faster than in float32.

    With AMX they are seven times as fast, and twice on AMD's processors with AVX-512's bfloat16. Intel's with that but
    without AMX (Cooper Lake, and virtual machines that hide AMX) take twice the time of float32 for it. False where the
    system does not describe the processor.
    """
    found = _description()
    flags = found.get("flags", [])
    return "amx_bf16" in flags or ("avx512_bf16" in flags and found.get("vendor_id") == ["AuthenticAMD"])


@functools.cache
def has_quick_int8() -> bool:
    """Whether the processor has 8-bit products (VNNI, AMX), some four times as fast as those of float32.

    False where the system does not describe the processor.
    """
    return not {"avx512_vnni", "avx_vnni", "amx_int8"}.isdisjoint(_description().get("flags", []))


def cores() -> int:
    """The number of cores that this process may run on; `taskset` or a container's cpuset may leave it some only."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _description() -> dict[str, list[str]]:
    """The system's description of its last processor: field -> words."""
    try:
        lines = CPUINFO.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return {}
    return {name.strip(): value.split() for name, _, value in (line.partition(":") for line in lines)}
