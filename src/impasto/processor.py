"""What this machine's processor is quick at, and how much of it is ours."""

import functools
import os
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
"""Where Linux says what the processor knows; elsewhere there is no such file."""


@functools.cache
def has_quick_bfloat16() -> bool:
    """Whether products in bfloat16 are quicker than in float32.

    With AMX they are seven times as quick, and twice on AMD's processors that have AVX-512's bfloat16. Intel's that
    have it without AMX (Cooper Lake, and virtual machines that hide AMX) take twice the time of float32 for it. Where
    the system does not say what there is, False.
    """
    said = _said()
    flags = said.get("flags", [])
    return "amx_bf16" in flags or ("avx512_bf16" in flags and said.get("vendor_id") == ["AuthenticAMD"])


@functools.cache
def has_quick_int8() -> bool:
    """Whether there are products of 8 bits (VNNI, AMX), some four times as quick as those of float32.

    Where the system does not say what there is, False.
    """
    return not {"avx512_vnni", "avx_vnni", "amx_int8"}.isdisjoint(_said().get("flags", []))


def cores() -> int:
    """Cores that this process may run on: `taskset`, or a container's cpuset, may leave it fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _said() -> dict[str, list[str]]:
    """What the system says of the last of its processors, in words."""
    try:
        lines = CPUINFO.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return {}
    return {name.strip(): value.split() for name, _, value in (line.partition(":") for line in lines)}
