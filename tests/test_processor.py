"""What processors are quick at."""

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
    ("said", "bfloat16", "int8"),
    [
        (AMD_ZEN_4 + "\nprocessor\t: 1\n" + AMD_ZEN_4, True, True),
        (INTEL_AMX, True, True),
        (AMD_ZEN_3, False, False),
        (INTEL_AMX_HIDDEN, False, True),
        (INTEL_LAPTOP, False, True),
        (ARM, False, False),
        ("", False, False),
        (None, False, False),
    ],
)
def test_what_is_quick_is_read_off_what_linux_says(said, bfloat16, int8, tmp_path, monkeypatch):
    file = tmp_path / "cpuinfo"
    if said is not None:
        file.write_text(said)
    monkeypatch.setattr(processor, "CPUINFO", file)
    assert processor.has_quick_bfloat16.__wrapped__() is bfloat16
    assert processor.has_quick_int8.__wrapped__() is int8


@pytest.mark.skipif(not CORES, reason="this system does not bind processes to cores")
def test_cores_are_those_that_are_left_to_the_process(all_cores):
    assert processor.cores() == len(CORES)
    os.sched_setaffinity(0, {min(CORES)})
    assert processor.cores() == 1


def test_where_processes_are_not_bound_all_cores_count(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert processor.cores() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert processor.cores() == 1
