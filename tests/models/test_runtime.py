"""Whatever imports ONNX Runtime first, a training too, it is imported without its telemetry."""

import shutil
import subprocess
import sys

import pytest

from impasto.models.runtime import NO_TELEMETRY, onnx_runtime


@pytest.mark.parametrize("before", [None, "0"])
def test_the_environment_is_left_as_it_was(monkeypatch, before):
    if before is None:
        monkeypatch.delenv(NO_TELEMETRY, raising=False)
    else:
        monkeypatch.setenv(NO_TELEMETRY, before)
    import os

    assert onnx_runtime().__name__ == "onnxruntime"
    assert os.environ.get(NO_TELEMETRY) == before


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_the_modules_of_learning_connect_to_nothing_and_write_nothing(tmp_path):
    pytest.importorskip("torch")
    code = "import time, impasto.cli.train, impasto.cli.gatys, impasto.cli.evaluate, impasto.convert.converter\n"
    code += "from impasto.models.runtime import onnx_runtime\nonnx_runtime()\ntime.sleep(1)"
    log, home = tmp_path / "strace", tmp_path / "home"
    home.mkdir()
    calls = "trace=connect,sendto,sendmsg,sendmmsg,mkdir,mkdirat"
    strace = ["strace", "-f", "-o", str(log), "-e", calls, sys.executable, "-B", "-c", code]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "PYTHONPATH": ":".join(sys.path)}
    subprocess.run(strace, check=True, env=environment, timeout=300)
    assert [line for line in log.read_text().splitlines() if "(" in line] == []
    assert not [*home.rglob("*")]
