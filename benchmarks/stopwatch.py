"""The timer of the benchmarks."""

import time
from collections.abc import Callable


def timed(work: Callable[[], object]) -> float:
    """The wall-clock time of a call, in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
