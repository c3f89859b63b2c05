"""Devices: what is asked for is used or refused. Accelerators are fakes; the CPU providers are real."""

import types

import numpy as np
import pytest

from impasto.cli.main import main
from impasto.errors import BackendError, ModelError, UsageError
from impasto.painting import choice, devices, onnxruntime_engine, openvino_engine
from impasto.painting.devices import DEVICES, Device, check_device, choose_device, find_device
from impasto.painting.load import load
from impasto.painting.onnxruntime_engine import SIZES_KEPT, OnnxRuntimeEngine
from tests.cli.commands import fails
from tests.cli.conftest import here  # noqa: F401 (a fixture)
from tests.graphs import write_test_model


class FakeRuntime(types.SimpleNamespace):
    """ONNX Runtime with some accelerators, each of which is the CPU in truth; `broken` ones fall back silently."""

    def __init__(self, *providers, broken=(), wrong=False):
        import onnxruntime

        super().__init__(RunOptions=onnxruntime.RunOptions, ExecutionOrder=onnxruntime.ExecutionOrder)
        self.real, self.providers, self.broken, self.wrong = onnxruntime, providers, broken, wrong
        self.made, self.sizes = [], []

    def get_available_providers(self):
        return [*self.providers, "CPUExecutionProvider"]

    def SessionOptions(self):  # noqa: N802 (ONNX Runtime's name)
        options = self.real.SessionOptions()
        fixed = {}
        self.sizes.append(fixed)
        seen = types.SimpleNamespace(options=options)

        class Options:
            def __setattr__(self, name, value):
                setattr(seen.options, name, value)

            def add_free_dimension_override_by_name(self, name, size):
                fixed[name] = size
                seen.options.add_free_dimension_override_by_name(name, size)

            real = options

        return Options()

    def InferenceSession(self, content, options, providers, enable_fallback):  # noqa: N802
        assert enable_fallback == 0
        names = [item if isinstance(item, str) else item[0] for item in providers]
        self.made.append(providers)
        session = self.real.InferenceSession(content, options.real, providers=["CPUExecutionProvider"])
        used = [name for name in names if name in self.get_available_providers() and name not in self.broken]
        off = 0.5 if self.wrong and len(names) > 1 else 0

        def run(outputs, inputs, freeing):
            return [result + np.float32(off) for result in session.run(outputs, inputs)]

        return types.SimpleNamespace(run=run, get_providers=lambda: used, get_inputs=session.get_inputs)


@pytest.fixture
def runtime(monkeypatch):
    def install(*providers, **options):
        made = FakeRuntime(*providers, **options)
        monkeypatch.setattr(onnxruntime_engine, "_imported", lambda: made)
        return made

    return install


@pytest.fixture
def model(tmp_path):
    return write_test_model(tmp_path / "m.onnx")


def test_a_device_that_works_is_used(runtime, model):
    made = runtime("CUDAExecutionProvider")
    stylizer = load(model, device="cuda")
    photo = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    np.testing.assert_array_equal(stylizer(photo), 255 - photo)
    (name, options), last = made.made[-1]
    assert (name, last) == ("CUDAExecutionProvider", "CPUExecutionProvider")
    assert options["use_tf32"] == "0"
    assert stylizer.network.graph.device == DEVICES["cuda"]


@pytest.mark.parametrize("device", [name for name, device in DEVICES.items() if device.backend == "onnxruntime"])
def test_a_provider_that_is_not_installed_is_refused(runtime, model, device):
    runtime()
    with pytest.raises(BackendError, match=rf"device {device}: .*it has no .*Provider here; pip install") as caught:
        load(model, device=device)
    assert "\n" not in str(caught.value)


def test_a_session_that_falls_back_to_the_cpu_is_refused(runtime, model):
    runtime("CUDAExecutionProvider", broken=["CUDAExecutionProvider"])
    with pytest.raises(BackendError, match="does not use CUDA"):
        load(model, device="cuda")
    runtime("TensorrtExecutionProvider", "CUDAExecutionProvider", broken=["TensorrtExecutionProvider"])
    with pytest.raises(BackendError, match="does not use TensorRT"):
        load(model, device="tensorrt")


def test_a_device_that_computes_something_else_is_refused(runtime, model, monkeypatch):
    runtime("CUDAExecutionProvider", wrong=True)
    with pytest.raises(BackendError, match="computes wrong results"):
        load(model, device="cuda")
    monkeypatch.setattr(devices, "check_device", lambda device: None)
    with pytest.raises(BackendError, match="computes something else than the CPU"):
        load(model, device="cuda")


def test_auto_takes_the_first_that_works_and_else_the_cpu(runtime, model, monkeypatch):
    monkeypatch.setattr(openvino_engine, "_imported", _raise)
    runtime("DmlExecutionProvider", "TensorrtExecutionProvider")
    assert choose_device("auto") == DEVICES["directml"]
    runtime("TensorrtExecutionProvider")  # which compiles for minutes: never unasked
    assert choose_device("auto") is None
    assert load(model, device="auto", backend="onnxruntime").network.graph.device is None


def _raise():
    raise BackendError("OpenVINO is not installed")


def test_the_cpu_is_not_probed(monkeypatch):
    monkeypatch.setattr(devices, "check_device", lambda device: pytest.fail("probed"))
    assert choose_device("cpu") is None


@pytest.mark.parametrize("name", ["gpu", "CUDA", "", "openvino", "openvino:CPU", "openvino:NPU.1", "cuda:1", None, 3])
def test_unknown_devices_are_wrong_usage(name):
    with pytest.raises(UsageError, match=r"unknown device .*cuda"):
        find_device(name)


def test_one_of_several_gpus_has_a_number():
    assert find_device("openvino:GPU.1").targets == ("GPU.1",)


def test_options_that_contradict_the_device_are_refused(runtime, model):
    runtime("CUDAExecutionProvider")
    with pytest.raises(UsageError, match="--backend openvino"):
        load(model, device="cuda", backend="openvino")
    with pytest.raises(BackendError, match="--precision int8"):
        load(model, device="cuda", precision="int8")


def test_devices_of_fixed_sizes_get_a_graph_for_each_size(runtime, model):
    made = runtime("CoreMLExecutionProvider")
    stylizer = load(model, device="coreml")
    made.sizes.clear()
    heights = [20, 30, 20, 40, 50, 60, 20]
    for height in heights:
        photo = np.full((height, 24, 3), 99, np.uint8)
        assert (stylizer(photo) == 156).all()
    compiled = [sizes["height"] for sizes in made.sizes]
    assert compiled == [20, 30, 40, 50, 60]  # 20 was in use all the time
    assert SIZES_KEPT == 4
    assert made.sizes[0] == {"batch": 1, "height": 20, "width": 24}


def test_openvino_refuses_a_device_that_it_has_not(model):
    pytest.importorskip("openvino")
    with pytest.raises(BackendError, match=r"device openvino:GPU: OpenVINO has no GPU here, only CPU; .*driver"):
        load(model, device="openvino:GPU")


def test_openvino_compiles_for_each_size_where_a_device_needs_it(model, monkeypatch):
    """Its CPU plug-in in place of the NPU's."""
    pytest.importorskip("openvino")
    device = Device("openvino:NPU", "openvino", "an NPU", ("CPU",), "a driver", fixed=True)
    monkeypatch.setitem(DEVICES, "openvino:NPU", device)
    stylizer = load(model, device="openvino:NPU")
    for size in ((20, 24), (33, 17), (33, 17)):
        photo = np.full((*size, 3), 99, np.uint8)
        assert (stylizer(photo) == 156).all()


def test_the_check_of_a_device_runs_a_graph(runtime):
    runtime("CUDAExecutionProvider")
    check_device(DEVICES["cuda"])
    runtime()
    with pytest.raises(BackendError, match="cuda"):
        check_device(DEVICES["cuda"])


def test_the_cpu_provider_itself_is_a_device_to_the_engine(model):
    """The code of accelerators with ONNX Runtime itself, unfaked."""
    device = Device("x", "onnxruntime", "the CPU", ("CPUExecutionProvider",), "nothing", fixed=True)
    check_device(device)
    from impasto.models.forms import LazyGraph

    engine = OnnxRuntimeEngine(LazyGraph(model.read_bytes()), "m", threads=1, device=device)
    image = np.random.default_rng(0).random((1, 3, 20, 24), dtype=np.float32)
    np.testing.assert_array_equal(engine.run({"image": image}), 1 - image)
    absent = Device("x", "onnxruntime", "CUDA", ("CUDAExecutionProvider",), "nothing")
    with pytest.raises((BackendError, ModelError), match="does not use CUDA"):
        OnnxRuntimeEngine(LazyGraph(model.read_bytes()), "m", threads=1, device=absent)


def test_the_command_lists_devices_and_refuses_those_that_do_not_work(here, runtime, capsys, monkeypatch):  # noqa: F811
    monkeypatch.setattr(openvino_engine, "_imported", _raise)
    runtime("CUDAExecutionProvider")
    assert main(["info", "--devices"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["cpu"] == "works: --device cpu"
    assert lines["cuda"] == "works: --device cuda"
    assert "pip install onnxruntime-directml" in lines["directml"]
    assert "OpenVINO is not installed" in lines["openvino:GPU"]
    assert "--devices" in fails(capsys, 2, "info", "m.onnx", "--devices")
    assert main(["stylize", "a.png", "-m", "m.onnx", "-o", "b.png", "--device", "cuda"]) == 0
    capsys.readouterr()
    assert "device directml" in fails(
        capsys, 1, "stylize", "a.png", "-m", "m.onnx", "-o", "c.png", "--device", "directml"
    )
    assert not (here / "c.png").exists()
    assert "unknown device" in fails(capsys, 2, "stylize", "a.png", "-m", "m.onnx", "-o", "c.png", "--device", "gpu")


def test_the_parity_check_uses_the_cpu(runtime, model, monkeypatch):
    runtime("CUDAExecutionProvider")
    devices_of = []
    network = choice.Network

    class Recording(network):
        @staticmethod
        def of(info, graph):
            devices_of.append(graph.device)
            return network.of(info, graph)

    monkeypatch.setattr(choice, "Network", Recording)
    load(model, device="cuda")
    assert devices_of == [None, DEVICES["cuda"]]
