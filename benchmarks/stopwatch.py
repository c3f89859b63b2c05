"""What benchmarks time with."""

import time
from collections.abc import Callable


def timed(work: Callable[[], object]) -> float:
    """Seconds of wall clock that it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
