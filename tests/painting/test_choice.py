"""Engine and precision are chosen by measurement, which is kept."""

import json
from dataclasses import replace

import numpy as np
import pytest

from impasto.errors import BackendError, UsageError
from impasto.models.catalog import find_style, shipped_network
from impasto.models.modelfile import read_info
from impasto.models.stylefile import write_style
from impasto.painting import choice
from impasto.painting.choice import Option, choose, fastest
from impasto.painting.engine import Runner
from impasto.painting.load import load
from impasto.painting.network import ModelGraph
from tests.painting.fakes import random_picture

FLOAT, BRAIN, BYTES = (Option("openvino", precision) for precision in ("float32", "bfloat16", "int8"))
OTHER = Option("onnxruntime", "float32")


@pytest.mark.parametrize(
    ("speeds", "expected"),
    [
        ({FLOAT: 20, BRAIN: 10, BYTES: 7}, BYTES),
        ({FLOAT: 20, BRAIN: 10, BYTES: 9.5}, BRAIN),
        ({FLOAT: 20, BRAIN: 40, BYTES: 12}, BYTES),
        ({FLOAT: 20, BRAIN: 19, BYTES: 19}, FLOAT),
        ({FLOAT: 20, OTHER: 15, BRAIN: 14}, OTHER),
        ({FLOAT: 20, OTHER: 15, BRAIN: 13}, BRAIN),
        ({BRAIN: 13}, BRAIN),
    ],
)
def test_the_fastest_is_chosen_and_less_exact_only_for_a_gain(speeds, expected):
    assert fastest(speeds) == expected


@pytest.fixture
def slow_and_wrong(monkeypatch):
    """Engines of given speeds (lists: one a call), errors and failures by option; and the options that were loaded."""
    seconds, levels, failures, measured, clock = {}, {}, {}, [], [0.0]

    class Fake(Runner):
        def __init__(self, option):
            self.option = option

        def run_all(self, inputs):
            time = seconds.get(self.option, 1.0)
            clock[0] += time.pop(0) if isinstance(time, list) else time
            return [inputs["image"] + np.float32(levels.get(self.option, 0.0) / 255)]

    def runner(graph, form):
        option = Option(graph.backend, graph.precision)
        measured.append(option)
        if option in failures:
            raise failures[option]
        return Fake(option)

    monkeypatch.setattr(ModelGraph, "runner", runner)
    monkeypatch.setattr(choice, "has_int8", lambda: True)
    monkeypatch.setattr(choice, "choose_engine", lambda name: "openvino" if name == "auto" else name)
    monkeypatch.setattr(choice, "_measured", {})
    monkeypatch.setattr(choice.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(choice, "installed_version", lambda package: "1")
    monkeypatch.setattr(choice, "find_spec", lambda package: package)
    return seconds, levels, failures, measured


@pytest.fixture
def graph():
    path = shipped_network("fast")
    return ModelGraph(path.read_bytes(), read_info(path), "network.onnx", threads=1)


STYLE = find_style("udnie", "fast")[0]


def chosen(graph, folder=None, style=STYLE, backend="auto", precision="auto"):
    found = choose(graph, style, backend, precision, folder)
    return Option(found.backend, found.precision)


def test_all_options_are_measured_and_the_fastest_is_used(slow_and_wrong, graph):
    seconds, _, _, measured = slow_and_wrong
    seconds.update({FLOAT: 4, BRAIN: 3, BYTES: 2.5, OTHER: 5})
    assert chosen(graph) == BYTES
    assert set(measured) == {FLOAT, BRAIN, BYTES, OTHER}
    assert dict(choose(graph, STYLE, "auto", "auto", None).speeds) == {FLOAT: 4e3, BRAIN: 3e3, BYTES: 2.5e3, OTHER: 5e3}
    assert chosen(graph, backend="onnxruntime") == OTHER
    assert chosen(graph, precision="bfloat16") == BRAIN
    assert len(measured) == 4  # what leaves no choice is not measured


def test_another_engine_is_not_tried_where_a_precision_is_much_faster_than_float32(slow_and_wrong, graph):
    seconds, _, _, measured = slow_and_wrong
    seconds.update({FLOAT: 4, BRAIN: 3, BYTES: 1.9, OTHER: 5})
    assert chosen(graph) == BYTES
    assert set(measured) == {FLOAT, BRAIN, BYTES}


def test_options_are_timed_again_while_the_choice_is_not_clear(slow_and_wrong, graph):
    seconds, _, _, _ = slow_and_wrong
    seconds.update({FLOAT: [9, 4, 4, 4], BRAIN: [9, 3.9, 2, 2], BYTES: 50, OTHER: 50})
    assert chosen(graph) == BRAIN
    assert len(seconds[FLOAT]) == len(seconds[BRAIN]) == 1  # the last round is not needed


def test_a_precision_that_is_far_from_float32_is_not_used(slow_and_wrong, graph):
    seconds, levels, failures, _ = slow_and_wrong
    seconds.update({FLOAT: 4, BRAIN: 2, BYTES: 1})
    levels.update({BYTES: 6.0, BRAIN: np.nan})
    failures[OTHER] = BackendError("broken")
    assert chosen(graph) == FLOAT


def test_what_fails_is_not_used_and_if_all_fail_the_first_cause_is_raised(slow_and_wrong, graph):
    _, _, failures, _ = slow_and_wrong
    failures.update({option: BackendError(f"no {option}") for option in (BRAIN, BYTES, OTHER)})
    assert chosen(graph) == FLOAT
    failures[FLOAT] = BackendError("no CPU")
    with pytest.raises(BackendError, match="no CPU"):
        chosen(replace(graph, threads=2))


def test_a_style_learned_later_is_not_painted_in_8_bits_unless_they_are_asked_for(slow_and_wrong, graph):
    """Its ranges are not known: the network's are those of the styles that it was made with."""
    slow_and_wrong[0].update({FLOAT: 4, BRAIN: 2, BYTES: 1, OTHER: 5})
    mine = replace(STYLE, info=replace(STYLE.info, name="mine"))
    assert chosen(graph, style=mine) == BRAIN
    assert chosen(graph, style=mine, precision="int8") == BYTES


def test_an_engine_that_stops_working_is_measured_around_and_may_be_mended(
    slow_and_wrong, graph, tmp_path, monkeypatch
):
    slow_and_wrong[0].update({FLOAT: 4, BRAIN: 2, BYTES: 1, OTHER: 5})
    assert chosen(graph, tmp_path) == BYTES

    def only_onnx_runtime(name):
        if name == "openvino":
            raise BackendError("broken")
        return "onnxruntime"

    works = choice.choose_engine
    monkeypatch.setattr(choice, "choose_engine", only_onnx_runtime)
    assert chosen(graph, tmp_path) == OTHER
    monkeypatch.setattr(choice, "choose_engine", works)
    monkeypatch.setattr(choice, "_measured", {})  # as in another process
    assert chosen(graph, tmp_path) == BYTES


def test_times_are_kept_for_network_threads_and_versions(slow_and_wrong, graph, tmp_path, monkeypatch):
    _, _, _, measured = slow_and_wrong
    chosen(graph, tmp_path)
    (file,) = tmp_path.iterdir()
    record = json.loads(file.read_text())
    assert set(record["milliseconds"]) == {str(option) for option in (FLOAT, BRAIN, BYTES, OTHER)}
    monkeypatch.setattr(choice, "_measured", {})  # as in another process
    record["milliseconds"][str(FLOAT)] = 0.001
    file.write_text(json.dumps(record))
    assert chosen(graph, tmp_path) == FLOAT
    assert len(measured) == 4
    chosen(replace(graph, threads=3), tmp_path)
    monkeypatch.setattr(choice, "installed_version", lambda package: "2")
    chosen(graph, tmp_path)
    monkeypatch.setattr(choice, "processor_identity", lambda: "another")
    chosen(graph, tmp_path)
    assert len(measured) == 16


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "[" * 100_000,
        '{"milliseconds": {}}',
        '{"milliseconds": []}',
        '{"milliseconds": {"openvino float32": 0}}',
        '{"milliseconds": {"openvino float32": NaN}}',
        '{"milliseconds": {"openvino float32": "1"}}',
        '{"milliseconds": {"cuda float32": 1}}',
    ],
)
def test_a_damaged_record_is_measured_again(text, slow_and_wrong, graph, tmp_path, monkeypatch):
    _, _, _, measured = slow_and_wrong
    chosen(graph, tmp_path)
    (file,) = tmp_path.iterdir()
    sound = file.read_text()
    file.write_text(text)
    monkeypatch.setattr(choice, "_measured", {})
    chosen(graph, tmp_path)
    assert len(measured) == 8
    assert file.read_text() == sound


def test_a_folder_that_cannot_be_written_is_no_hindrance(slow_and_wrong, graph, tmp_path):
    _, _, _, measured = slow_and_wrong
    for _ in range(2):
        chosen(graph, tmp_path / "missing")
    assert len(measured) == 4


def test_unknown_precisions_are_refused(graph):
    with pytest.raises(UsageError, match="unknown precision 'fp32'"):
        choose(graph, STYLE, "auto", "fp32", None)


def test_the_real_engines_are_measured_once(tmp_path, monkeypatch):
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path))
    monkeypatch.setattr(choice, "_measured", {})
    stylizer = load("udnie", variant="fast")
    graph = stylizer.network.graph
    assert Option(graph.backend, graph.precision) == fastest(dict(graph.speeds))
    assert all(time > 0 for time in dict(graph.speeds).values())
    assert len([*tmp_path.glob("*.speeds.json")]) == 1
    exact = load("udnie", variant="fast", backend=graph.backend, precision="float32")
    picture = random_picture(40, 50)
    assert np.abs(stylizer(picture).astype(int) - exact(picture)).mean() <= choice.MOST_LEVELS
    style, _ = find_style("udnie", "fast")
    write_style(tmp_path / "mine.safetensors", replace(style, info=replace(style.info, name="mine")))
    assert load(tmp_path / "mine.safetensors").network.graph.precision != "int8"
