"""python -m tests.soak.sizes [--count 5000] [--engine openvino]: memory of a server that paints all sizes."""

import argparse
import os
import sys
import time

import numpy as np

import impasto
from impasto.painting.engines import ENGINES, Backend
from tests.soak.__main__ import Run, resident_mb

SMALLEST, LARGEST = 100, 400


def by_size(count: int, engine: Backend, seed: int = 0) -> Run:
    """Paint noise of random sizes with one stylizer, in one thread."""
    run, start = Run(engine), time.perf_counter()
    stylizer = impasto.load("udnie", variant="fast", backend=engine, threads=1)
    random = np.random.default_rng(seed)
    for number in range(count):
        height, width = random.integers(SMALLEST, LARGEST + 1, 2)
        picture = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        assert stylizer(picture).shape == picture.shape
        run.painted.add(str(number))
        run.memory.append(resident_mb(os.getpid()))
    run.seconds = time.perf_counter() - start
    return run


def main() -> int:
    """Return 1 if memory grows."""
    parser = argparse.ArgumentParser(description="Paint pictures of random sizes, and watch memory.")
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--engine", choices=sorted(ENGINES), default="openvino")
    options = parser.parse_args()
    run = by_size(options.count, options.engine)
    print(run.line())
    found = run.complaints([])
    print(*found or ["passed"], sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
