"""Run the tests whose numbers depend on the processor as older processors and other core counts would compute them.

    python tools/test_everywhere.py --minutes 10
    python tools/test_everywhere.py --isa AVX2 --threads 4 tests/training

Each run of pytest is a process with the instruction set of oneDNN (torch's and OpenVINO's convolutions and products),
torch's own kernels, MKL and OpenBLAS limited by their environment variables, and so many threads in torch. A limit
above what the processor has changes nothing. ONNX Runtime's kernels and OpenVINO's other ones cannot be limited. The
exit code is 1 if a test failed; the table at the end names it.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = {
    "nn": ("generators", "layers", "losses", "lpips", "norm", "pixel_terms", "vgg", "winograd"),
    "optimize": ("gatys", "refine", "statistics"),
    "training": ("base", "contrast", "export", "learner", "muon", "onnx_graph", "ranges", "result", "trainer"),
    "evaluation": ("artifacts", "measures", "scores"),
    "painting": ("choice", "engines", "load", "noise", "regions", "shipped_styles", "strokes", "stylizer", "tiles"),
    "models": ("forms",),
}
"""Folder -> names of the test modules that compute with networks."""

ISAS = {
    "AVX2": {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
    },
    "AVX512": {
        "ONEDNN_MAX_CPU_ISA": "AVX512_CORE",
        "ATEN_CPU_CAPABILITY": "avx512",
        "MKL_ENABLE_INSTRUCTIONS": "AVX512",
        "OPENBLAS_CORETYPE": "SkylakeX",
    },
    "AVX512_BF16": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"},
    "all": {},
}
"""Environment variables by the name of the highest instruction set: without and with AVX-512, with its bfloat16, and
everything that the processor has."""

THREADS = (1, 2, 4)


def run(isa: str, threads: int, words: list[str], minutes: float | None) -> tuple[bool, str]:
    """Run pytest once; returns whether all tests passed, and a line of the table, with the failed tests' names."""
    count = str(threads)
    number = {"OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count}
    # Waiting threads sleep: where there are more threads than cores, they would take the time of those that work.
    environment = {**os.environ, **ISAS[isa], **number, "OMP_WAIT_POLICY": "passive"}
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", "--tb=short", *words]
    begun = time.monotonic()
    limit = None if minutes is None else 60 * minutes
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired as cut:
        print((cut.stdout or b"").decode()[-2000:], file=sys.stderr)
        return False, f"{isa:12} {threads:7}  {time.monotonic() - begun:6.0f} s  not finished"
    lines = done.stdout.strip().splitlines() or [done.stderr.strip()]
    failed = [line for line in lines if re.match(r"(FAILED|ERROR) ", line)]
    if done.returncode:
        print(done.stdout[-4000:], done.stderr[-2000:], sep="\n", file=sys.stderr)
    row = f"{isa:12} {threads:7}  {time.monotonic() - begun:6.0f} s  {lines[-1]}"
    return not done.returncode, "\n".join([row, *(f"    {line}" for line in failed)])


def main() -> int:
    """Run all combinations and print the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--isa", action="append", choices=ISAS, help="only this instruction set; may be repeated")
    parser.add_argument("--threads", action="append", type=int, help="only this number of threads; may be repeated")
    parser.add_argument("--minutes", type=float, help="end a run after this time; it then counts as failed")
    parser.add_argument(
        "words", nargs="*", help="tests to run and flags of pytest after --, instead of all that compute"
    )
    options = parser.parse_args()
    words = options.words or [f"tests/{folder}/test_{name}.py" for folder, names in TESTS.items() for name in names]
    # Every instruction set on one thread, and every number of threads with all instructions.
    pairs = [(isa, 1) for isa in ISAS] + [("all", threads) for threads in THREADS if threads > 1]
    if options.isa or options.threads:
        pairs = [(isa, threads) for isa in options.isa or ISAS for threads in options.threads or THREADS]
    rows = ["instructions threads  seconds  result"]
    passed = True
    for isa, threads in pairs:
        good, row = run(isa, threads, words, options.minutes)
        passed = passed and good
        rows.append(row)
        print(row, flush=True)
    print("\n" + "\n".join(rows))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
