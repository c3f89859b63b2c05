"""The processor's instruction sets, and the number of cores that this process may use."""

import functools
import math
import os
import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
"""Where Linux describes the processor; other systems have no such file."""
CGROUP = Path("/proc/self/cgroup")
"""Where Linux lists the control groups of this process."""
CGROUPS = Path("/sys/fs/cgroup")
"""Where Linux keeps the limits of control groups."""
CPUS = Path("/sys/devices/system/cpu")
"""Where Linux describes which logical processors share a core."""


@functools.cache
def has_quick_bfloat16() -> bool:
    """Whether products in bfloat16 are faster than in float32.

    With AMX they are seven times as fast; on AMD processors with AVX-512 BF16, twice as fast. On Intel processors with
    AVX-512 BF16 but without AMX (Cooper Lake, and virtual machines that hide AMX), bfloat16 takes twice the time of
    float32. False if the system does not describe the processor, or if ONEDNN_MAX_CPU_ISA forbids bfloat16.
    """
    if not allows_bfloat16():
        return False
    found = _description()
    flags = found.get("flags", [])
    return "amx_bf16" in flags or ("avx512_bf16" in flags and found.get("vendor_id") == ["AuthenticAMD"])


def has_int8() -> bool:
    """Whether the processor has 8-bit dot products: VNNI or AMX on x86. True if the system does not describe it.

    Without these instructions, or if ONEDNN_MAX_CPU_ISA forbids them, int8 is slower than float32, and sums overflow.
    """
    if _onednn_limit() in ("SSE41", "AVX", "AVX2", "AVX512_CORE"):
        return False
    flags = _description().get("flags")
    return flags is None or not {"avx512_vnni", "avx_vnni", "amx_int8"}.isdisjoint(flags)


def allows_bfloat16() -> bool:
    """Whether ONEDNN_MAX_CPU_ISA leaves oneDNN the instructions that bfloat16 needs."""
    return _onednn_limit() not in ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2")


def _onednn_limit() -> str:
    """The limit of the instructions of oneDNN, the library in OpenVINO and PyTorch; it still reads the older name."""
    return (os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA", "")).upper()


def processor_identity() -> str:
    """A text that differs between kinds of processors, and between limits of the instructions that oneDNN may use."""
    flags = " ".join(sorted(_description().get("flags", [])))
    return f"{processor_name()}, {platform.machine()}, {flags}, {_onednn_limit()}"


def processor_name() -> str:
    """The processor's name, as the system gives it; it may be empty."""
    return " ".join(_description().get("model name", [])) or platform.processor() or platform.machine()


def cores() -> int:
    """The number of cores that this process may use, at least 1.

    A core that runs two threads at a time (hyper-threading) counts once. `taskset`, a container's cpuset and CPU quotas
    of control groups (`docker --cpus=2`) leave a process fewer cores than the computer has; a share of a core counts as
    one.
    """
    allowed = _allowed()
    count = _physical(allowed) if allowed else os.cpu_count() or 1
    quota = _quota()
    return max(1, count if quota is None else min(count, math.ceil(quota)))


def _allowed() -> set[int]:
    """The logical processors that this process may run on; empty if the system does not report them."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def _physical(allowed: set[int]) -> int:
    """The number of cores that these logical processors belong to; their own number where that is unknown."""
    cores = set()
    for number in allowed:
        siblings = _read(CPUS / f"cpu{number}" / "topology" / "thread_siblings_list")
        cores.add(siblings or str(number))
    return len(cores)


def _quota() -> float | None:
    """The CPU time that control groups allow, in cores: the smallest of this process's groups and those above them."""
    quotas = []
    for line in _read(CGROUP).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:  # version 2
            roots, read = [CGROUPS], _quota_2
        elif "cpu" in controllers.split(","):  # version 1
            roots, read = [CGROUPS / name for name in (controllers, "cpu", "cpu,cpuacct")], _quota_1
        else:
            continue
        # In a container the path may be that on the host, which cannot be seen: then the root is the container's group.
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for root in roots:
            quotas += [read(root.joinpath(*parts[:depth])) for depth in range(len(parts) + 1)]
    return min((quota for quota in quotas if quota is not None), default=None)


def _quota_2(group: Path) -> float | None:
    return _ratio(*_read(group / "cpu.max").split()[:2])


def _quota_1(group: Path) -> float | None:
    return _ratio(_read(group / "cpu.cfs_quota_us").strip(), _read(group / "cpu.cfs_period_us").strip())


def _ratio(quota: str = "", period: str = "") -> float | None:
    """Quota by period; None for files that are missing, and for "max" or -1, which mean no limit."""
    try:
        ratio = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return None
    return ratio if ratio > 0 else None


def _read(path: Path) -> str:
    """A file's text; empty where there is no such file."""
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _description() -> dict[str, list[str]]:
    """The system's description of its last processor: field -> words."""
    lines = _read(CPUINFO).splitlines()
    return {name.strip(): value.split() for name, _, value in (line.partition(":") for line in lines)}
