import subprocess
import sys
import threading
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import onnx
import pytest
from onnx import helper

from impasto.errors import BackendError, ModelError
from impasto.models.catalog import shipped_network
from impasto.models.forms import LazyGraph
from impasto.painting import engines, openvino_engine
from impasto.painting.engine import OutOfMemory, without_module
from impasto.painting.engines import ENGINES
from impasto.painting.load import load
from impasto.painting.openvino_engine import OpenVINOEngine
from tests.graphs import CONVOLVE, IMAGE, INVERT, make_onnx, write_test_model
from tests.painting.fakes import random_picture


def test_engines_agree(tmp_path):
    path = write_test_model(tmp_path / "m.onnx", CONVOLVE)
    picture = random_picture(65, 43)
    painted = [
        load(path, backend=name, precision="float32")(picture).astype(int) for name in ENGINES if find_spec(name)
    ]
    assert all(np.abs(other - painted[0]).max() <= 1 for other in painted)


def test_a_stylizer_may_be_shared_between_threads(tmp_path, engine, all_cores):
    stylizer = load(write_test_model(tmp_path / "m.onnx"), backend=engine)
    pictures = [random_picture(40 + 8 * index, 56, index) for index in range(4)]
    wrong = []

    def work(picture):
        wrong.extend(1 for _ in range(10) if (stylizer(picture) != 255 - picture).any())

    threads = [threading.Thread(target=work, args=(picture,)) for picture in pictures]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_result_outlives_the_next_call(tmp_path, engine):
    stylizer = load(write_test_model(tmp_path / "m.onnx"), backend=engine)
    picture = random_picture(24, 24)
    first = stylizer(picture)
    stylizer(255 - picture)
    assert (first == 255 - picture).all()


def broken_graph():
    """Protobuf says it is fine; the graph adds a tensor that does not exist."""
    model = onnx.load_from_string(INVERT)
    model.graph.node[0].input[0] = "missing"
    return model.SerializeToString()


def test_a_broken_graph_is_one_line(tmp_path, engine, capfd):
    with pytest.raises(ModelError, match=r"m\.onnx: (.* cannot load the graph|is damaged)") as caught:
        load(write_test_model(tmp_path / "m.onnx", broken_graph()), backend=engine)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("sizes", [IMAGE, [1, 3, 20, 20]], ids=["of any size", "of one size"])
def test_a_graph_that_fails_at_work_is_one_line(tmp_path, engine, sizes, threads, all_cores, capfd):
    noise = make_onnx(
        [helper.make_node("Mul", ["image", "noise"], ["out"])], {"image": IMAGE, "noise": sizes}, ("out", IMAGE)
    )
    path = write_test_model(tmp_path / "m.onnx", noise)  # its description does not mention the noise input
    with pytest.raises(ModelError, match=r"m\.onnx: .* cannot run the graph.*noise") as caught:
        load(path, backend=engine, threads=threads)(random_picture(20, 20))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_an_input_may_have_another_name_inside(tmp_path, engine):
    """OpenVINO gives an input that is passed on as it is the name of what it is passed on as, too."""
    nodes = [helper.make_node("Identity", ["image"], ["a_copy"]), helper.make_node("Sub", ["one", "a_copy"], ["out"])]
    negative = make_onnx(nodes, {"image": IMAGE}, ("out", IMAGE), {"one": np.float32(1)})
    picture = random_picture(20, 20)
    path = write_test_model(tmp_path / "m.onnx", negative)
    assert (load(path, backend=engine)(picture) == 255 - picture).all()


def test_bytes_flipped_in_a_graph_are_one_line(tmp_path, engine):
    path = write_test_model(tmp_path / "m.onnx")
    content = bytearray(path.read_bytes())
    content[-60:-20] = b"\xff" * 40
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        load(path, backend=engine)
    assert "\n" not in str(caught.value)


def test_ctrl_c_after_several_openvino_engines_is_only_that(tmp_path):
    pytest.importorskip("openvino")
    write_test_model(tmp_path / "m.onnx")
    script = """
import os, signal, sys
from impasto import load
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background would ignore it
engines = [load(sys.argv[1], backend="openvino") for _ in range(3)]
while engines:
    del engines[0]  # in the order they were made
try:
    os.kill(os.getpid(), signal.SIGINT)
    signal.pause()
except KeyboardInterrupt:
    print("interrupted")
"""
    command = [sys.executable, "-c", script, str(tmp_path / "m.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "interrupted\n")


def test_openvino_that_returns_nothing_is_out_of_memory(monkeypatch):
    pytest.importorskip("openvino")
    engine = OpenVINOEngine(LazyGraph(shipped_network().read_bytes()), "x", threads=1)
    empty = Mock(inputs=[], return_value={0: np.zeros((0, 3, 0, 0), np.float32)})
    monkeypatch.setattr(engine, "_model", empty)
    with pytest.raises(OutOfMemory):
        engine.run({})


# ---- the choice of an engine ------------------------------------------------------------------------------------


@pytest.fixture
def choose(monkeypatch):
    """choose_engine as in a new process."""
    for cached in (engines._first_that_works, openvino_engine._check_plugin):
        cached.cache_clear()
    yield engines.choose_engine
    for cached in (engines._first_that_works, openvino_engine._check_plugin):
        cached.cache_clear()


def break_package(name, raised, tmp_path, monkeypatch):
    """Install a package of this name that raises this at its import."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text(f"raise {raised}")
    for module in [module for module in sys.modules if module.split(".")[0] == name]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize(
    "raised",
    [
        "ImportError('libtbb.so.12: cannot open shared object file')",
        "OSError('libtbb.so.12: cannot open shared object file')",
        "RuntimeError('libtbb.so.12: cannot open shared object file')",
        "ModuleNotFoundError('libtbb.so.12: cannot open shared object file', name='openvino._pyopenvino')",
    ],
)
def test_a_broken_openvino_is_reported_with_its_cause_and_auto_does_without(
    raised, choose, tmp_path, monkeypatch, caplog
):
    break_package("openvino", raised, tmp_path, monkeypatch)
    cause = "OpenVINO is installed but broken (libtbb.so.12: cannot open shared object file)"
    with pytest.raises(BackendError) as caught:
        choose("openvino")
    assert str(caught.value).startswith(cause)
    assert [choose("auto") for _ in range(3)] == ["onnxruntime"] * 3
    (record,) = caplog.records
    assert record.message.startswith(f"impasto: {cause}")
    assert record.message.endswith("using ONNX Runtime instead")
    picture = random_picture(20, 20)
    assert (load(write_test_model(tmp_path / "m.onnx"))(picture) == 255 - picture).all()


def test_an_openvino_without_its_plug_in_is_broken(choose, monkeypatch, caplog):
    openvino = pytest.importorskip("openvino")

    def no_plug_in(*_):
        raise RuntimeError("Device with 'CPU' name is not registered")

    monkeypatch.setattr(openvino, "Core", no_plug_in)
    assert choose("auto") == "onnxruntime"
    assert "OpenVINO is installed but broken (Device with 'CPU' name is not registered)" in caplog.text


def test_without_openvino_auto_is_onnx_runtime_and_says_nothing(choose, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "openvino", None)  # as if it were not installed
    assert choose("auto") == "onnxruntime"
    assert not caplog.records
    with pytest.raises(BackendError, match=r"OpenVINO is not installed; pip install 'impasto\[openvino\]'"):
        choose("openvino")


def test_without_any_engine_the_cause_is_said(choose, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    break_package("onnxruntime", "ImportError('DLL load failed')", tmp_path, monkeypatch)
    with pytest.raises(BackendError, match=r"ONNX Runtime is installed but broken \(DLL load failed\)"):
        choose("auto")


def test_a_hidden_module_is_hidden_until_the_last_block_ends_in_any_thread():
    first, second = without_module("colorsys"), without_module("colorsys")
    sys.modules.pop("colorsys", None)
    first.__enter__()
    thread = threading.Thread(target=second.__enter__)  # does not wait for the first
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    first.__exit__(None, None, None)
    with pytest.raises(ImportError):
        import_module("colorsys")
    second.__exit__(None, None, None)
    assert import_module("colorsys") is sys.modules["colorsys"]
    with without_module("colorsys"):  # what is loaded stays
        assert import_module("colorsys") is sys.modules["colorsys"]


# ---- memory -----------------------------------------------------------------------------------------------------

MEMORY = """
import resource, sys
import numpy as np
import impasto
from impasto.painting.settings import AS_IT_IS

def in_use():
    import os
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

stylizer = impasto.load("udnie", variant="fast", backend=sys.argv[1], precision="float32", threads=1)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="asks Linux how much memory is in use")
def test_memory_does_not_grow_with_the_number_of_sizes(engine):
    """OpenVINO kept some 300 KB of kernels for each."""
    code = (
        MEMORY
        + """
sizes = np.random.default_rng(0).integers(16, 40, (400, 2))
seen = []
for height, width in sizes:
    stylizer(np.zeros((height, width, 3), np.uint8), AS_IT_IS)
    seen.append(in_use())
print(max(seen[200:]) - max(seen[:200]))
"""
    )
    done = subprocess.run([sys.executable, "-c", code, engine], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 20  # megabytes; 60 before


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="asks Linux how much memory is in use")
def test_measuring_keeps_no_features(engine):
    """ONNX Runtime kept all of them for statistics at the end: 280 bytes a pixel more with this network."""
    code = (
        MEMORY
        + """
picture = np.zeros((400, 400, 3), np.uint8)
inputs = {**stylizer.network.image_inputs(picture), **stylizer.network.style_inputs(stylizer.style, 1.0)}
small = {**inputs, **stylizer.network.image_inputs(picture[:64, :64])}
stylizer.network.measure(small)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
stylizer.network.measure(inputs)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / picture[..., 0].size)
"""
    )
    done = subprocess.run([sys.executable, "-c", code, engine], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 250
