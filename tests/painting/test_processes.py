"""Engines in other processes: forked, spawned, pickled; and what none of them may do: connect, or write files."""

import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from impasto.painting.engines import ENGINES
from impasto.painting.load import load
from tests.painting.fakes import random_picture

PICTURE = random_picture(40, 50)
FORKING = (sys.executable, "-W", "ignore:This process:DeprecationWarning")
"""Python, from 3.12 on without its warning that a process of several threads forks: that is what is tested."""


def run(code, *arguments, tmp_path, command=(sys.executable,), **environment):
    """The code as a script in a process of its own: what it prints. It has a home folder that it must leave empty."""
    script = tmp_path / "script.py"
    script.write_text(code)
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    path = str(Path(load.__code__.co_filename).parents[2])
    variables = {"PATH": "/usr/bin:/bin", "HOME": str(home), "PYTHONPATH": path, "IMPASTO_CACHE": ""} | environment
    done = subprocess.run(
        [*command, script, *arguments], capture_output=True, text=True, timeout=120, env=variables, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert not [*home.rglob("*")]
    return done.stdout.splitlines()


LOAD_AND_PAINT = """
import sys
import numpy as np
import impasto
stylizer = impasto.load("udnie", variant="fast", backend=sys.argv[1], threads=2)
picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
painted = stylizer(picture)
"""

AUDIT = """
import os, sys, time
cache = os.environ["IMPASTO_CACHE"]
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "subprocess.Popen", "os.exec", "os.fork",
                 "os.posix_spawn", "os.mkdir", "shutil.rmtree"):
        if event != "os.mkdir" or not str(arguments[0]).startswith(cache):
            print("forbidden:", event, arguments)
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        name, mode, flags = os.fsdecode(arguments[0]), arguments[1] or "", arguments[2]
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes and not name.startswith(cache) and name != os.devnull:
            print("forbidden:", name, mode, flags)
sys.dont_write_bytecode = True
sys.addaudithook(watch)
"""


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_nothing_is_connected_to_and_no_file_is_written_but_the_cache(name, tmp_path):
    pytest.importorskip(name)
    cache = tmp_path / "cache"
    lines = run(AUDIT + LOAD_AND_PAINT + "time.sleep(1)", name, tmp_path=tmp_path, IMPASTO_CACHE=str(cache))
    assert lines == []


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("name", sorted(ENGINES))
def test_the_system_sees_no_connection_no_process_and_no_file(name, tmp_path):
    """Native code does not pass through Python's audit hooks."""
    pytest.importorskip(name)
    log = tmp_path / "strace"
    calls = "trace=connect,sendto,sendmsg,sendmmsg,mkdir,mkdirat,open,openat,creat,execve,fork,vfork,clone,clone3"
    strace = ("strace", "-f", "-o", str(log), "-e", calls, sys.executable, "-B")
    run(LOAD_AND_PAINT + "import time; time.sleep(1)", name, tmp_path=tmp_path, command=strace)
    lines = log.read_text().splitlines()
    assert len(lines) > 100
    opened = [line for line in lines if " open" in line and ("O_CREAT" in line or "O_WRONLY" in line)]
    connected = [line for line in lines if any(f" {call}(" in line for call in ("connect", "sendto", "sendmmsg"))]
    made = [line for line in lines if " mkdir" in line]
    started = [line for line in lines if " execve(" in line][1:]
    # A call that another thread interrupts has two lines; the flags are in the first.
    forked = [line for line in lines if " clone" in line and "CLONE_THREAD" not in line and "resumed>" not in line]
    assert opened + connected + made + started + forked == []


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_a_home_that_cannot_be_written_gives_no_warning(name, tmp_path):
    pytest.importorskip(name)
    assert run(LOAD_AND_PAINT, name, tmp_path=tmp_path, HOME="/proc") == []


def test_the_environment_and_the_modules_are_left_as_they_were(tmp_path):
    code = "import os, sys\nbefore = dict(os.environ)\n" + LOAD_AND_PAINT
    code += "assert before == dict(os.environ)\nassert 'openvino_telemetry' not in sys.modules"
    for name in ENGINES:
        pytest.importorskip(name)
        run(code, name, tmp_path=tmp_path)


@pytest.mark.parametrize("name", sorted(ENGINES))
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_script_without_a_guard_runs_once(name, method, tmp_path):
    pytest.importorskip(name)
    code = f"import multiprocessing\nmultiprocessing.set_start_method({method!r})\n{LOAD_AND_PAINT}"
    code += "import time\ntime.sleep(1.5)\nprint('once')"
    assert run(code, name, tmp_path=tmp_path) == ["once"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
@pytest.mark.parametrize("name", sorted(ENGINES))
def test_a_forked_process_paints_the_same_and_ends(name, tmp_path):
    pytest.importorskip(name)
    code = f"""{LOAD_AND_PAINT}
import os, threading
mask = np.full((2, 2), 128, np.uint8)
region = impasto.paint_regions(picture, [(stylizer, mask)])
def again():
    while True:
        stylizer(picture)
threading.Thread(target=again, daemon=True).start()  # the fork may find any lock held
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        assert (stylizer(picture) == painted).all()
        assert (impasto.paint_regions(picture, [(stylizer, mask)]) == region).all()
        sys.exit(0)  # frees all that there is, as the end of a script does
    assert os.waitpid(pid, 0)[1] == 0
assert (stylizer(picture) == painted).all()
print("ended", flush=True)
os._exit(0)
"""
    assert run(code, name, tmp_path=tmp_path, command=FORKING) == ["ended"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
@pytest.mark.parametrize("name", sorted(ENGINES))
def test_a_forked_process_that_paints_nothing_ends(name, tmp_path):
    pytest.importorskip(name)
    code = LOAD_AND_PAINT + "import os\npid = os.fork()\nif pid == 0: sys.exit(0)\nprint(os.waitpid(pid, 0)[1])"
    assert run(code, name, tmp_path=tmp_path, command=FORKING) == ["0"]


@pytest.mark.parametrize("name", sorted(ENGINES))
@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_a_pool_maps_a_stylizer(name, method, tmp_path):
    pytest.importorskip(name)
    if method == "fork" and sys.platform == "win32":
        pytest.skip("Windows has no fork")
    code = f"""
import multiprocessing, sys
import numpy as np
import impasto
if __name__ == "__main__":
    stylizer = impasto.load("udnie", variant="fast", backend=sys.argv[1], threads=1)
    pictures = [np.full((40, 50, 3), level, np.uint8) for level in (0, 60, 120, 250)]
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        painted = pool.map(stylizer, pictures, chunksize=1)
    for one, picture in zip(painted, pictures):
        assert np.abs(one.astype(int) - stylizer(picture)).max() <= 1
    print("mapped")
"""
    assert run(code, name, tmp_path=tmp_path) == ["mapped"]


def test_a_pickled_stylizer_paints_the_same_and_shares_its_network(tmp_path):
    stylizer = load("udnie", variant="fast", threads=1)
    once, again = (pickle.loads(pickle.dumps(stylizer)) for _ in range(2))
    assert (once(PICTURE) == stylizer(PICTURE)).all()
    assert once.network is again.network is stylizer.network
    assert once.style.info == stylizer.style.info


def test_a_pool_loads_a_network_once_in_each_process(monkeypatch):
    """A pool unpickles its function for each task, and drops it after each."""
    stylizer = load("udnie", variant="fast", threads=1)
    pickled = pickle.dumps(stylizer)
    del stylizer
    loaded = []
    pickle.loads(pickled)
    kind = type(pickle.loads(pickled).network.graph)
    monkeypatch.setattr(kind, "runner", lambda *_: loaded.append(1))
    for _ in range(3):
        pickle.loads(pickled)
    assert loaded == []


def test_a_file_replaced_meanwhile_does_not_mix(tmp_path):
    from impasto.models.catalog import shipped_network

    (tmp_path / "network.onnx").write_bytes(shipped_network("fast").read_bytes())
    style = shipped_network("fast").parent / "udnie.safetensors"
    (tmp_path / "udnie.safetensors").write_bytes(style.read_bytes())
    stylizer = load(tmp_path / "udnie.safetensors")
    (tmp_path / "network.onnx").write_bytes(b"something else")
    statistics = stylizer.network.measure({**stylizer.network.image_inputs(PICTURE), "style": stylizer.style.photo})[1]
    assert all(np.isfinite(values).all() for values in statistics.values())
