"""Which processors are quicker in bfloat16."""

import pytest

from impasto import processor

AMD_ZEN_4 = "vendor_id\t: AuthenticAMD\nflags\t\t: fpu avx2 avx512f avx512_bf16\n"
AMD_ZEN_3 = "vendor_id\t: AuthenticAMD\nflags\t\t: fpu avx2\n"
INTEL_AMX = "vendor_id\t: GenuineIntel\nflags\t\t: fpu avx512f avx512_bf16 amx_bf16 amx_tile\n"
INTEL_AMX_HIDDEN = "vendor_id\t: GenuineIntel\nflags\t\t: fpu avx512f avx512_bf16\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd bf16\n"


@pytest.mark.parametrize(
    ("said", "quick"),
    [
        (AMD_ZEN_4 + "\nprocessor\t: 1\n" + AMD_ZEN_4, True),
        (INTEL_AMX, True),
        (AMD_ZEN_3, False),
        (INTEL_AMX_HIDDEN, False),
        (ARM, False),
        ("", False),
        (None, False),
    ],
)
def test_bfloat16_is_quick_on_amx_and_on_amd(said, quick, tmp_path, monkeypatch):
    file = tmp_path / "cpuinfo"
    if said is not None:
        file.write_text(said)
    monkeypatch.setattr(processor, "CPUINFO", file)
    assert processor.has_quick_bfloat16.__wrapped__() is quick
