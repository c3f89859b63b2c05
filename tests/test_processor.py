"""What processors are fast at, and how much of one a process may use."""

import os

import pytest

from impasto import processor
from tests.conftest import CORES

AMD_ZEN_4 = "vendor_id\t: AuthenticAMD\nflags\t\t: fpu avx2 avx512f avx512_vnni avx512_bf16\n"
AMD_ZEN_3 = "vendor_id\t: AuthenticAMD\nflags\t\t: fpu avx2\n"
INTEL_AMX = "vendor_id\t: GenuineIntel\nflags\t\t: fpu avx512f avx512_vnni avx512_bf16 amx_bf16 amx_tile amx_int8\n"
INTEL_AMX_HIDDEN = "vendor_id\t: GenuineIntel\nflags\t\t: fpu avx512f avx512_vnni avx512_bf16\n"
INTEL_LAPTOP = "vendor_id\t: GenuineIntel\nflags\t\t: fpu avx2 avx_vnni\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd bf16\n"


@pytest.mark.parametrize(
    ("description", "bfloat16", "int8"),
    [
        (AMD_ZEN_4 + "\nprocessor\t: 1\n" + AMD_ZEN_4, True, True),
        (INTEL_AMX, True, True),
        (AMD_ZEN_3, False, False),
        (INTEL_AMX_HIDDEN, False, True),
        (INTEL_LAPTOP, False, True),
        (ARM, False, True),  # not described: engines are asked
        ("", False, True),
        (None, False, True),
    ],
)
def test_what_is_fast_is_read_from_linux(description, bfloat16, int8, tmp_path, monkeypatch):
    file = tmp_path / "cpuinfo"
    if description is not None:
        file.write_text(description)
    monkeypatch.setattr(processor, "CPUINFO", file)
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)
    assert processor.has_quick_bfloat16.__wrapped__() is bfloat16
    assert processor.has_int8() is int8


@pytest.mark.parametrize(
    ("limit", "bfloat16", "int8"),
    [
        ("", True, True),
        ("ALL", True, True),
        ("AVX2", False, False),
        ("avx2_vnni", False, True),
        ("AVX512_CORE", True, False),
        ("AVX512_CORE_BF16", True, True),
        ("UNKNOWN", True, True),  # oneDNN takes no notice of it
    ],
)
@pytest.mark.parametrize("name", ["ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"])
def test_a_limit_of_instructions_is_respected(name, limit, bfloat16, int8, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(AMD_ZEN_4)
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.setenv(name, limit)
    assert processor.allows_bfloat16() is processor.has_quick_bfloat16.__wrapped__() is bfloat16
    assert processor.has_int8() is int8
    assert processor.processor_identity().endswith(limit.upper())


@pytest.fixture
def linux(tmp_path, monkeypatch):
    """A computer of 16 cores of two threads each, without limits: make(name, text) writes one of its files."""
    for name, path in (("CGROUP", "cgroup"), ("CGROUPS", "cgroups"), ("CPUS", "cpus")):
        monkeypatch.setattr(processor, name, tmp_path / path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(32)), raising=False)

    def make(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    for number in range(32):
        make(f"cpus/cpu{number}/topology/thread_siblings_list", f"{number % 16},{number % 16 + 16}\n")
    return make


def test_two_threads_of_a_core_are_one(linux, monkeypatch):
    assert processor.cores() == 16
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 16, 1})
    assert processor.cores() == 2


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"app/job/cpu.max": "200000 100000\n"}, 2),
        ({"app/job/cpu.max": "150000 100000\n"}, 2),
        ({"app/job/cpu.max": "10000 100000\n"}, 1),
        ({"app/job/cpu.max": "max 100000\n"}, 16),
        ({"app/job/cpu.max": "max 100000\n", "app/cpu.max": "300000 100000\n"}, 3),
        ({"app/job/cpu.max": "800000 100000\n", "app/cpu.max": "300000 100000\n"}, 3),
        ({"cpu.max": "400000 100000\n"}, 4),
        ({"app/job/cpu.max": "9900000 100000\n"}, 16),
        ({"app/job/cpu.max": "nonsense\n"}, 16),
        ({"app/job/cpu.max": "200000 0\n"}, 16),
        ({}, 16),
    ],
)
def test_quotas_of_control_groups_version_2_limit_the_cores(linux, limits, expected):
    linux("cgroup", "0::/app/job\n")
    for name, text in limits.items():
        linux(f"cgroups/{name}", text)
    assert processor.cores() == expected


@pytest.mark.parametrize("named", ["cpu,cpuacct", "cpuacct,cpu"])
@pytest.mark.parametrize("mount", ["cpu,cpuacct", "cpu"])
@pytest.mark.parametrize(
    ("group", "quota", "expected"),
    [("docker/abc", "200000", 2), ("docker", "300000", 3), (".", "400000", 4), ("docker/abc", "-1", 16)],
)
def test_quotas_of_control_groups_version_1_limit_the_cores(linux, named, mount, group, quota, expected):
    """In a container the root is its own group, and the path that of the host."""
    linux("cgroup", f"5:memory:/docker/abc\n4:{named}:/docker/abc\n1:name=systemd:/docker/abc\n")
    linux(f"cgroups/{mount}/{group}/cpu.cfs_quota_us", f"{quota}\n")
    linux(f"cgroups/{mount}/{group}/cpu.cfs_period_us", "100000\n")
    linux("cgroups/memory/docker/abc/cpu.cfs_quota_us", "100000\n")
    assert processor.cores() == expected


def test_a_path_that_leads_out_of_the_control_groups_is_not_followed(linux):
    linux("cgroup", "0::/../../elsewhere\n")
    linux("elsewhere/cpu.max", "100000 100000\n")
    assert processor.cores() == 16


@pytest.mark.skipif(not CORES, reason="this system does not bind processes to cores")
def test_cores_are_those_that_are_left_to_the_process(all_cores):
    assert 1 <= processor.cores() <= len(CORES)
    os.sched_setaffinity(0, {min(CORES)})
    assert processor.cores() == 1


def test_without_files_of_linux_all_cores_count(tmp_path, monkeypatch):
    for name in ("CGROUP", "CGROUPS", "CPUS", "CPUINFO"):
        monkeypatch.setattr(processor, name, tmp_path / "missing")
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert processor.cores() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert processor.cores() == 1
    assert isinstance(processor.processor_name(), str)
