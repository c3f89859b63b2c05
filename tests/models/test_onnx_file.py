"""The codec, compared with the `onnx` package as the independent oracle, and fed with damaged and hostile bytes."""

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from impasto.errors import ModelError
from impasto.models import forms
from impasto.models.catalog import VARIANTS, shipped_network
from impasto.models.onnx_file import Model, Node, Tensor, Value, attribute, parse_model, top_level
from impasto.nn.generators import build_generator
from impasto.training.onnx_graph import to_onnx
from tests.graphs import CONVOLVE, INVERT, NOISE


def light():
    torch.manual_seed(0)
    return to_onnx(build_generator("light", {"width": 4, "blocks": 1, "styles": 2}))


MODELS = {"invert": INVERT, "noise": NOISE, "convolve": CONVOLVE, "light": light()}


@pytest.mark.parametrize("name", [*MODELS, *VARIANTS])
def test_what_is_parsed_and_written_is_the_same_model_to_onnx(name):
    content = MODELS.get(name) or shipped_network(name).read_bytes()
    again = onnx.load_from_string(parse_model(content).encoded())
    assert again == onnx.load_from_string(content), name


@pytest.mark.parametrize("content", MODELS.values(), ids=MODELS)
def test_onnx_reads_the_same_names_shapes_and_numbers(content):
    ours, theirs = parse_model(content), onnx.load_from_string(content).graph
    assert [(x.operator, *x.inputs, *x.outputs) for x in ours.nodes] == [
        (x.op_type, *x.input, *x.output) for x in theirs.node
    ]
    assert [*ours.constants] == [x.name for x in theirs.initializer]
    for constant in theirs.initializer:
        mine = ours.constants[constant.name]
        assert (mine.shape, mine.data_type) == (tuple(constant.dims), constant.data_type)
        assert bytes(mine.data) == numpy_helper.to_array(constant).tobytes()
    for mine, value in zip((*ours.inputs, *ours.outputs), (*theirs.input, *theirs.output), strict=True):
        sizes = [x.dim_param or x.dim_value for x in value.type.tensor_type.shape.dim]
        assert (mine.name, [*mine.shape]) == (value.name, sizes)


def test_onnx_reads_what_the_classes_encode():
    values = {"axis": -300, "alpha": 0.2, "mode": "edge", "pads": [0, 1, 2**40]}
    attributes = b"".join(attribute(name, values[name]) for name in sorted(values))
    made = onnx.NodeProto.FromString(Node("Concat", ("ä", "", "b"), ("c", "d"), attributes, "c").encoded())
    assert made == helper.make_node("Concat", ["ä", "", "b"], ["c", "d"], name="c", **values)
    array = np.arange(6, dtype=np.int8).reshape(2, 3)
    tensor = onnx.TensorProto.FromString(Tensor.from_array("t", array).encoded())
    assert tensor == numpy_helper.from_array(array, "t")
    value = onnx.ValueInfoProto.FromString(Value("x", (1, "C", 200, 1)).encoded())
    assert value == helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "C", 200, 1])


@given(st.data())
def test_every_truncation_is_refused(data):
    content = MODELS[data.draw(st.sampled_from(sorted(MODELS)))]
    with pytest.raises(ModelError) as caught:
        top_level(content[: data.draw(st.integers(0, len(content) - 1))])
    assert "\n" not in str(caught.value)


@settings(max_examples=300)
@given(st.data())
def test_any_changed_byte_is_a_model_or_one_clear_error(data):
    content = bytearray(MODELS["light"])
    # Most bytes are weights: those of the graph's structure are drawn as often.
    weights = content.find(b"first.conv.conv.weight", content.find(b"first.conv.conv.weight") + 1)
    limit = data.draw(st.sampled_from([len(content), max(weights, 100)]))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, limit - 1))] = data.draw(st.integers(0, 255))
    for make in (parse_model, lambda x: forms.rewrite(x, "measuring", channels_last=True)):
        try:
            make(bytes(content))
        except ModelError as reason:
            assert "\n" not in str(reason)


@given(st.binary(max_size=300))
def test_random_bytes_are_never_a_model(content):
    with pytest.raises(ModelError):
        parse_model(content)


def damaged(change):
    model = onnx.load_from_string(MODELS["light"])
    graph = model.graph
    by_operator = {node.op_type: node for node in graph.node}
    match change:
        case "too few inputs":
            del by_operator["InstanceNormalization"].input[2]
        case "a node takes its own output":
            by_operator["Pad"].input[0] = by_operator["Pad"].output[0]
        case "two nodes take each other's output":
            first, second = graph.node[4], graph.node[5]
            first.input[0], second.input[0] = second.output[0], first.output[0]
        case "a node takes what nothing makes":
            by_operator["Relu"].input[0] = "nowhere"
        case "an output that nothing makes":
            graph.output[0].name = "nowhere"
        case "no operator":
            by_operator["Relu"].op_type = ""
        case "no output":
            del by_operator["Relu"].output[:]
        case "two nodes make one value":
            graph.node[5].output[0] = graph.node[4].output[0]
        case "two constants of one name":
            graph.initializer.append(graph.initializer[0])
        case "two inputs of one name":
            graph.input.append(graph.input[0])
        case "a huge constant":
            next(x for x in graph.initializer if x.name == "first.conv.conv.bias").dims[0] = 10**6
        case "a constant of negative size":
            next(x for x in graph.initializer if x.name == "first.conv.conv.bias").dims[0] = -4
    return model.SerializeToString()


DAMAGE = [
    *("too few inputs", "a node takes its own output", "two nodes take each other's output"),
    *("a node takes what nothing makes", "an output that nothing makes", "no operator", "no output"),
    *("two nodes make one value", "two constants of one name", "two inputs of one name"),
    *("a huge constant", "a constant of negative size"),
]


@pytest.mark.parametrize("change", DAMAGE)
def test_damaged_graphs_are_refused_before_an_engine_sees_them(change):
    content = damaged(change)
    assert content != MODELS["light"]
    with pytest.raises(ModelError, match="is damaged"):
        forms.rewrite(content, channels_last=True)


@pytest.mark.parametrize("content", [b"", MODELS["light"][:-5], b"\x07" * 40, 2 * MODELS["invert"]])
def test_content_without_exactly_one_whole_graph_is_refused(content):
    with pytest.raises(ModelError, match="is damaged"):
        parse_model(content)


def test_a_constant_of_another_type_is_no_kernel():
    model = parse_model(MODELS["light"])
    name = "first.conv.conv.bias"
    whole = Tensor(name, (4,), 7, bytes(32))
    changed = Model(model.nodes, {**model.constants, name: whole}, model.inputs, model.outputs, b"", model.rest)
    with pytest.raises(ModelError, match="not float32"):
        forms.rewrite(changed.encoded(), channels_last=True)
