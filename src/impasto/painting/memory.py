"""Returns free memory to the system.

The allocator of glibc keeps what is freed, in pieces between blocks that are still in use. With pictures of many sizes,
the pieces fit less and less, and a server's memory grows although no more of it is in use.
"""

import ctypes
import functools
import time
from collections.abc import Callable

SECONDS = 2.0
"""The shortest time between two calls of the allocator, which take milliseconds."""

_next = 0.0


def return_free_memory() -> None:
    """Return free memory to the system, if the allocator can, at most once in `SECONDS`."""
    global _next
    now = time.monotonic()
    if now >= _next:
        _next = now + SECONDS
        _trim()(0)


@functools.cache
def _trim() -> Callable[[int], object]:
    """Glibc's malloc_trim; other systems' allocators have none, and need none."""
    try:
        found: Callable[[int], object] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # TypeError: on Windows
        return lambda _: None
    return found
