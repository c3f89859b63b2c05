"""Free memory goes back to the system, but not at every call."""

import os
import platform
from pathlib import Path

import pytest

from impasto.models.forms import LazyGraph
from impasto.painting import memory
from impasto.painting.onnxruntime_engine import OnnxRuntimeEngine
from tests.graphs import CONVOLVE
from tests.painting.fakes import fake, random_picture


@pytest.fixture
def clock(monkeypatch):
    """The time that the module sees, in a list."""
    now = [100.0]
    monkeypatch.setattr(memory.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(memory, "_next", 0.0)
    return now


def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators return memory by themselves")
def test_memory_that_is_free_below_a_block_in_use_is_returned(clock):
    blocks = [bytearray(b"x" * 20_000) for _ in range(4000)]
    last = blocks[-1]
    del blocks
    before = resident_mb()
    memory.return_free_memory()
    assert resident_mb() < before - 40
    assert len(last) == 20_000


def test_painting_returns_memory_at_most_once_in_a_while(clock, monkeypatch):
    calls = []
    monkeypatch.setattr(memory, "_trim", lambda: calls.append)
    stylizer, picture = fake(), random_picture(16, 16)
    for seconds in (0.0, memory.SECONDS * 0.6, memory.SECONDS * 0.6):
        clock[0] += seconds
        stylizer(picture)
    assert calls == [0, 0]


@pytest.mark.parametrize("missing", [OSError, AttributeError, TypeError])
def test_systems_without_such_a_call_do_without(clock, monkeypatch, missing):
    def library(_):
        raise missing

    monkeypatch.setattr(memory.ctypes, "CDLL", library)
    monkeypatch.setattr(memory, "_trim", memory._trim.__wrapped__)
    memory.return_free_memory()


def test_onnx_runtime_keeps_no_plan_for_each_size():
    """It kept some 3 KB for each, for ever."""
    pytest.importorskip("onnxruntime")
    engine = OnnxRuntimeEngine(LazyGraph(CONVOLVE), "model", threads=1)
    assert not engine._session.get_session_options().enable_mem_pattern
