"""Graphs of TensorFlow, made by hand as protocol buffers: no TensorFlow here, neither there."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorboard")

from tensorboard.compat.proto.graph_pb2 import GraphDef

from opgraph.analysis import analyze
from opgraph.errors import FormatError, MissingDependencyError, OpgraphError
from opgraph.formats import read
from opgraph.formats.graphdef import flat, messages

FLOAT, INT = 1, 3


def node(graph: Any, name: str, op: str, *inputs: str, **attr: Any) -> str:
    made = graph.node.add(name=name, op=op, input=inputs)
    for key, value in attr.items():
        field = made.attr[key]
        if isinstance(value, np.ndarray):
            field.tensor.dtype = FLOAT if value.dtype == np.float32 else INT
            field.tensor.tensor_content = value.tobytes()
            for size in value.shape:
                field.tensor.tensor_shape.dim.add(size=size)
        elif isinstance(value, bool):
            field.b = value
        elif isinstance(value, int):
            field.i = value
        elif isinstance(value, float):
            field.f = value
        elif isinstance(value, list):
            field.list.i.extend(value)
        elif isinstance(value, tuple):
            for size in value:
                field.shape.dim.add(size=size)
        else:
            field.s = value
    return name


def const(graph: Any, name: str, value: Any) -> str:
    array = np.asarray(value)
    kind = np.float32 if array.dtype.kind == "f" else np.int32
    return node(graph, name, "Const", value=array.astype(kind))


def image(graph: Any, *shape: int) -> str:
    return node(graph, "x", "Placeholder", shape=(-1, *shape))


def made(tmp_path, graph, name="g.pb", **options):
    path = tmp_path / name
    path.write_bytes(graph.SerializeToString())
    return read(path, **options)


def refused(path, **options):
    with pytest.raises(FormatError) as caught:
        read(path, **options)
    return str(caught.value).replace(str(path), path.name)


def kinds(graph):
    return {each.name: each.kind.kind for each in graph}


CHANCE = np.random.default_rng(5)
KERNEL = CHANCE.normal(size=(3, 3, 2, 4)).astype(np.float32)
ROWS = {name: CHANCE.uniform(0.5, 1.5, 4).astype(np.float32) for name in "gbmv"}


def convolution(graph: Any, padding: bytes = b"SAME") -> str:
    kernel = const(graph, "conv/kernel", KERNEL)
    last = node(graph, "conv/Conv2D", "Conv2D", "x", kernel,
                strides=[1, 2, 2, 1], padding=padding, data_format=b"NHWC")  # fmt: skip
    return node(graph, "conv/BiasAdd", "BiasAdd", last, const(graph, "conv/bias", ROWS["b"]))


def batch_norm(graph: Any, x: str, *, scale: bool = True, center: bool = True) -> str:
    """As `tf.nn.batch_normalization` writes it."""
    total = node(graph, "bn/add", "AddV2", const(graph, "bn/var", ROWS["v"]),
                 const(graph, "bn/eps", 0.001))  # fmt: skip
    inverse = node(graph, "bn/Rsqrt", "Rsqrt", total)
    if scale:
        inverse = node(graph, "bn/mul", "Mul", inverse, const(graph, "bn/gamma", ROWS["g"]))
    scaled = node(graph, "bn/mul_1", "Mul", x, inverse)
    mean = const(graph, "bn/mean", ROWS["m"])
    if center:
        shift = node(graph, "bn/mul_2", "Mul", mean, inverse)
        shift = node(graph, "bn/sub", "Sub", const(graph, "bn/beta", ROWS["b"]), shift)
    else:
        shift = node(graph, "bn/mul_2", "Mul", node(graph, "bn/Neg", "Neg", mean), inverse)
    return node(graph, "bn/add_1", "AddV2", scaled, shift)


def network() -> GraphDef:
    graph = GraphDef()
    image(graph, 8, 8, 2)
    last = batch_norm(graph, convolution(graph))
    last = node(graph, "act/Relu", "Relu", last)
    last = node(graph, "gap/Mean", "Mean", last, const(graph, "gap/axes", [1, 2]), keep_dims=False)
    weights = const(graph, "fc/kernel", CHANCE.normal(size=(4, 3)))
    last = node(graph, "fc/MatMul", "MatMul", last, weights)
    last = node(graph, "fc/BiasAdd", "BiasAdd", last, const(graph, "fc/bias", np.ones(3)))
    node(graph, "fc/Softmax", "Softmax", last)
    return graph


# What operations were --------------------------------------------------------------------------


def test_a_network_is_recognised(tmp_path):
    graph = made(tmp_path, network())
    assert kinds(graph) == {
        "x": "Input",
        "conv": "Conv2D",
        "bn": "BatchNormalization",
        "act": "ReLU",
        "gap": "GlobalAveragePooling2D",
        "fc": "Dense",
    }
    analysis = analyze(graph).require()
    assert analysis["fc"].outputs == ((3,),)
    assert analysis.totals.params.value == 3 * 3 * 2 * 4 + 4 + 4 * 4 + 4 * 3 + 3
    assert graph["fc"].op.activation == "softmax"
    assert graph["conv"].op.strides == (2, 2)
    assert graph["conv"].origin.names == ("conv/Conv2D", "conv/BiasAdd")
    assert graph["conv"].origin.scope == "conv"


def test_weights_are_read_when_asked_for(tmp_path):
    graph = made(tmp_path, network())
    weights = graph["bn"].origin.weights
    assert list(weights) == ["gamma", "beta", "moving_mean", "moving_variance"]
    for name, source in weights.items():
        letter = {"moving_mean": "m", "moving_variance": "v"}.get(name, name[0])
        np.testing.assert_array_equal(source.read(), ROWS[letter])
    np.testing.assert_array_equal(graph["conv"].origin.weights["kernel"].read(), KERNEL)


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("center", [True, False])
def test_batch_normalisation_in_all_its_forms(tmp_path, scale, center):
    graph = GraphDef()
    image(graph, 8, 8, 4)
    node(graph, "act/Relu", "Relu", batch_norm(graph, "x", scale=scale, center=center))
    found = made(tmp_path, graph)["bn"]
    assert found.kind.kind == "BatchNormalization"
    assert (found.op.scale, found.op.center, found.op.epsilon) == (scale, center, 0.001)
    assert ("gamma" in found.origin.weights, "beta" in found.origin.weights) == (scale, center)
    np.testing.assert_array_equal(found.origin.weights["moving_variance"].read(), ROWS["v"])
    np.testing.assert_array_equal(found.origin.weights["moving_mean"].read(), ROWS["m"])


def test_a_scaled_value_that_is_read_twice_is_no_batch_normalisation(tmp_path):
    graph = GraphDef()
    image(graph, 8, 8, 4)
    last = batch_norm(graph, "x")
    node(graph, "end/Add", "AddV2", last, node(graph, "side/Tanh", "Tanh", "bn/mul_1"))
    found = made(tmp_path, graph)
    assert "BatchNormalization" not in kinds(found).values()
    assert {n.given["class_name"] for n in found if n.kind.kind == "Opaque"} == {"Mul", "AddV2"}


def test_a_bias_of_another_length_is_no_bias(tmp_path):
    graph = GraphDef()
    image(graph, 8, 8, 2)
    kernel = const(graph, "conv/kernel", KERNEL)
    last = node(graph, "conv/Conv2D", "Conv2D", "x", kernel, padding=b"VALID")
    node(graph, "conv/add", "AddV2", last, const(graph, "conv/bias", np.ones((6, 6, 1))))
    found = made(tmp_path, graph)
    assert found["conv"].op.use_bias is False
    assert found["conv/add"].kind.kind == "Opaque"


def test_an_activation_of_another_scope_is_a_node(tmp_path):
    graph = GraphDef()
    image(graph, 8, 8, 2)
    node(graph, "relu/Relu", "Relu", convolution(graph))
    assert kinds(made(tmp_path, graph)) == {"x": "Input", "conv": "Conv2D", "relu": "ReLU"}


def test_a_factor_for_each_channel(tmp_path):
    graph = GraphDef()
    image(graph, 8, 8, 4)
    row = const(graph, "scale/gamma", ROWS["g"])
    last = node(graph, "scale/mul", "Mul", "x", row)
    node(graph, "other/mul", "Mul", last, const(graph, "other/grid", np.ones((8, 8, 4))))
    found = made(tmp_path, graph)
    assert kinds(found) == {"x": "Input", "scale": "LayerScale", "other": "Opaque"}
    np.testing.assert_array_equal(found["scale"].origin.weights["gamma"].read(), ROWS["g"])


def test_statistics_that_are_numbers_of_the_graph(tmp_path):
    graph = GraphDef()
    image(graph, 8, 8, 2)
    last = node(graph, "n/sub", "Sub", "x", const(graph, "n/mean", [[[[0.5, 1.0]]]]))
    root = node(graph, "n/Sqrt", "Sqrt", const(graph, "n/variance", [[[[4.0, 9.0]]]]))
    bounded = node(graph, "n/Maximum", "Maximum", root, const(graph, "n/epsilon", 1e-7))
    node(graph, "n/truediv", "RealDiv", last, bounded)
    found = made(tmp_path, graph)["n"]
    assert found.kind.kind == "Normalization"
    assert (found.op.mean, found.op.variance) == ((0.5, 1.0), (4.0, 9.0))


def test_groups_show_in_the_kernel(tmp_path):
    graph = GraphDef()
    image(graph, 8, 8, 6)
    convolution(graph)
    assert made(tmp_path, graph)["conv"].op.groups == 3


def test_scopes_that_keras_opened_twice(tmp_path):
    graph = GraphDef()
    image(graph, 4)
    last = "x"
    for name in ("net_1/a_1", "net_1/a_1_2", "net_1/b_1"):
        last = node(graph, f"{name}/Relu", "Relu", last)
    assert list(made(tmp_path, graph).nodes) == ["x", "a", "a_1", "b"]


def test_attributes_that_are_left_out_have_the_defaults_of_tensorflow(tmp_path):
    graph = GraphDef()
    image(graph, 8, 8, 4)
    last = node(graph, "leaky/LeakyRelu", "LeakyRelu", "x")
    rows = [const(graph, f"bn/{name}", ROWS[name]) for name in "gbmv"]
    last = node(graph, "bn/Fused", "FusedBatchNormV3", last, *rows, is_training=False)
    node(graph, "train/Fused", "FusedBatchNormV3", last, *rows)
    found = made(tmp_path, graph)
    assert found["leaky"].op.negative_slope == 0.2
    assert found["bn"].op.epsilon == 1e-4
    assert found["train"].kind.kind == "Opaque"


def test_unknown_operations_are_carried(tmp_path):
    graph = GraphDef()
    image(graph, 4)
    table = const(graph, "table", np.ones((100, 3)))
    node(graph, "odd/Odd", "Odd", "x", table, depth=3, way=b"up", sizes=[1, 2], ratio=0.5)
    found = made(tmp_path, graph)["odd"]
    assert found.given["class_name"] == "Odd"
    config = {"depth": 3, "ratio": 0.5, "sizes": [1, 2], "way": "up"}
    assert found.given["settings"] == {"module": "tensorflow", "config": config}
    assert found.given["arrays"] == {"table": [100, 3]}


def test_raw_shows_every_operation(tmp_path):
    whole = network()
    graph = made(tmp_path, whole, raw=True)
    assert [each for each in graph.nodes if each != "x"] == [
        each.name for each in sorted_like(graph, whole)
    ]
    assert graph["bn/Rsqrt"].given["class_name"] == "Rsqrt"
    analysis = analyze(graph)
    assert analysis.errors == ()
    assert [e.source for e in graph.edges_into("bn/mul_1")] == ["conv/BiasAdd", "bn/mul"]


def sorted_like(graph, whole):
    rank = {name: index for index, name in enumerate(graph.nodes)}
    return sorted((n for n in whole.node if n.name != "x"), key=lambda n: rank[n.name])


def test_text_says_the_same(tmp_path):
    from google.protobuf import text_format

    path = tmp_path / "g.pbtxt"
    path.write_text(text_format.MessageToString(network()))
    assert read(path) == made(tmp_path, network())


def test_an_output_that_is_read_inside_is_marked(tmp_path):
    graph = GraphDef()
    image(graph, 4)
    node(graph, "a/Relu", "Relu", "x")
    node(graph, "b/Relu", "Relu", "a/Relu")
    folder = saved(tmp_path, graph, {"first": "a/Relu:0", "second": "b/Relu:0"})
    assert kinds(read(folder))["output_1"] == "Identity"
    assert [str(end) for end in read(folder).inputs("output_1")] == ["a"]


# Functions -------------------------------------------------------------------------------------


def function(graph: Any, name: str, *ops: tuple[str, str, str], result: str) -> None:
    """A function of one argument `v`: operations of (name, op, input)."""
    made = graph.library.function.add()
    made.signature.name = name
    made.signature.input_arg.add(name="v", type=FLOAT)
    made.signature.output_arg.add(name="y", type=FLOAT)
    for ident, op, source in ops:
        called = made.node_def.add(name=ident, op=op, input=[source])
        if op.endswith("Call"):
            called.attr["f"].func.name = name_of_call(ident)
    made.ret["y"] = result


def name_of_call(ident: str) -> str:
    return ident.rpartition("/")[2]


def call(graph: Any, ident: str, read: str) -> str:
    made = graph.node.add(name=ident, op="StatefulPartitionedCall", input=[read])
    made.attr["f"].func.name = name_of_call(ident)
    return ident


def saved(tmp_path, graph, outputs, inputs=("x",)):
    folder = tmp_path / "model"
    folder.mkdir(exist_ok=True)
    message = messages._messages().SavedModel(saved_model_schema_version=1)
    meta = message.meta_graphs.add()
    meta.meta_info_def.tags.append("serve")
    meta.graph_def.CopyFrom(graph)
    signature = meta.signature_def["serving_default"]
    for key in inputs:
        signature.inputs[key].name = f"{key}:0"
    for key, tensor in outputs.items():
        signature.outputs[key].name = tensor
    (folder / "saved_model.pb").write_bytes(message.SerializeToString())
    return folder


def test_functions_are_put_in_place(tmp_path):
    graph = GraphDef()
    image(graph, 4)
    function(graph, "inner_17", ("act/Tanh", "Tanh", "v"), result="act/Tanh:y:0")
    function(
        graph,
        "outer_99",
        ("one/inner_17", "PartitionedCall", "v"),
        ("two/inner_17", "PartitionedCall", "one/inner_17:output:0"),
        result="two/inner_17:output:0",
    )
    call(graph, "outer_99", "x")
    node(graph, "unused/Relu", "Relu", "x")
    found = read(saved(tmp_path, graph, {"y": "outer_99:0"}))
    assert kinds(found) == {"x": "Input", "one/act": "Tanh", "two/act": "Tanh"}
    assert [str(end) for end in found.inputs("two/act")] == ["one/act"]


def test_functions_that_call_each_other_without_end(tmp_path):
    graph = GraphDef()
    image(graph, 4)
    function(graph, "f", ("f", "PartitionedCall", "v"), result="f:output:0")
    call(graph, "f", "x")
    folder = saved(tmp_path, graph, {"y": "f:0"})
    assert refused(folder) == "model: functions that call each other more than 64 deep"


def test_functions_that_call_each_other_very_often(tmp_path):
    graph = GraphDef()
    image(graph, 4)
    function(graph, "f0", ("i", "Identity", "v"), result="v")
    for level in range(1, 40):
        below = f"f{level - 1}"
        function(graph, f"f{level}", (f"a/{below}", "PartitionedCall", "v"),
                 (f"b/{below}", "PartitionedCall", f"a/{below}:output:0"),
                 result=f"b/{below}:output:0")  # fmt: skip
    call(graph, "f39", "x")
    folder = saved(tmp_path, graph, {"y": "f39:0"})
    assert refused(folder) == "model: more than 50,000 calls of functions"


def test_a_long_chain(tmp_path):
    graph = GraphDef()
    last = image(graph, 4)
    for number in range(5000):
        last = node(graph, f"l{number}/Relu", "Relu", last)
    assert len(made(tmp_path, graph)) == 5001


def test_too_many_operations(tmp_path, monkeypatch):
    monkeypatch.setattr(flat, "MOST_OPERATIONS", 5)
    made(tmp_path, GraphDef.FromString(small().SerializeToString()))
    assert refused(written(tmp_path, network())) == "g.pb: more than 5 operations"


def small() -> GraphDef:
    graph = GraphDef()
    image(graph, 4)
    node(graph, "a/Relu", "Relu", "x")
    return graph


def written(tmp_path, graph, name="g.pb"):
    path = tmp_path / name
    path.write_bytes(graph.SerializeToString())
    return path


# What is wrong ---------------------------------------------------------------------------------


def test_a_ring(tmp_path):
    graph = GraphDef()
    node(graph, "a", "Relu", "b")
    node(graph, "b", "Relu", "a")
    node(graph, "c", "Relu", "b")
    assert refused(written(tmp_path, graph)) == (
        "g.pb: b: 'b' reads its own output: loops are not read"
    )


def test_a_node_that_is_not_there(tmp_path):
    graph = GraphDef()
    node(graph, "a", "Relu", "gone:0")
    assert refused(written(tmp_path, graph)) == "g.pb: there is no node 'gone'"


def test_no_graph(tmp_path):
    path = tmp_path / "g.pb"
    path.write_bytes(b"\x0a\xff\xff\xff")
    assert refused(path).startswith(
        "g.pb: not a TensorFlow graph, which is a protocol buffer: Error parsing message"
    )
    path.write_bytes(b"")
    assert refused(path) == "g.pb: a GraphDef without nodes"
    path = tmp_path / "g.pbtxt"
    path.write_text("node { nome: 'a' }")
    assert refused(path) == (
        "g.pbtxt: not a TensorFlow graph, which is a protocol buffer text:"
        ' 1:8 : Message type "tensorboard.NodeDef" has no field named "nome".'
    )
    path.write_text("node {" * 100_000)
    assert refused(path).startswith("g.pbtxt: not a TensorFlow graph")


def test_a_saved_model_without_a_signature(tmp_path):
    folder = saved(tmp_path, small(), {})
    assert refused(folder).replace(str(folder), folder.name) == (
        "model/saved_model.pb: a SavedModel without a signature: nothing says what goes in and"
        " out\n   export it with one: model.export(folder)"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
@pytest.mark.parametrize("link", ["saved_model.pb", "variables"])
def test_links_out_of_a_saved_model(tmp_path, link):
    folder = saved(tmp_path, with_variable(), {"y": "fc/MatMul:0"})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if link == "variables":
        (elsewhere / "variables.index").write_bytes(b"\0" * 100)
        (folder / link).symlink_to(elsewhere)
        source = read(folder)["fc"].origin.weights["kernel"]
        with pytest.raises(FormatError) as caught:
            source.read()
        message = str(caught.value)
    else:
        (folder / link).replace(elsewhere / link)
        (folder / link).symlink_to(elsewhere / link)
        message = refused(folder)
    assert message.endswith("a link that leads out of the SavedModel, which is not followed")


def with_variable() -> GraphDef:
    graph = GraphDef()
    image(graph, 4)
    handle = node(graph, "fc/kernel", "VarHandleOp", shape=(4, 3), shared_name=b"fc/kernel")
    node(graph, "fc/MatMul", "MatMul", "x", node(graph, "fc/Read", "ReadVariableOp", handle))
    return graph


def test_variables_that_are_not_there(tmp_path):
    graph = read(saved(tmp_path, with_variable(), {"y": "fc/MatMul:0"}))
    assert graph["fc"].op.units == 3
    with pytest.raises(FormatError, match="the variable 'fc/kernel' has no array"):
        graph["fc"].origin.weights["kernel"].read()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "no index of variables"),
        (b"\0" * 60, "a damaged index of variables: it does not end as one"),
        (
            b"\0" * 40
            + b"\x00\x00\xff\x7f\x7f"
            + b"\0" * 35
            + struct.pack("<Q", 0xDB4775248B80FB57),
            "a damaged index of variables: a block beyond its end",
        ),
    ],
)
def test_a_damaged_index(tmp_path, content, expected):
    folder = saved(tmp_path, with_variable(), {"y": "fc/MatMul:0"})
    (folder / "variables").mkdir()
    (folder / "variables" / "variables.index").write_bytes(content)
    with pytest.raises(FormatError) as caught:
        read(folder)["fc"].origin.weights["kernel"].read()
    assert str(caught.value).endswith(expected)


def test_constants_that_claim_too_much(tmp_path):
    graph = GraphDef()
    image(graph, 4)
    name = const(graph, "fc/kernel", np.ones((4, 3)))
    graph.node[-1].attr["value"].tensor.tensor_shape.dim[0].size = 1 << 40
    node(graph, "fc/MatMul", "MatMul", "x", name)
    found = made(tmp_path, graph)["fc"]
    with pytest.raises(FormatError, match=r"a constant of 3,298,534,883,328 numbers"):
        found.origin.weights["kernel"].read()


def test_without_tensorboard(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.graph_pb2", None)
    messages._messages.cache_clear()
    try:
        with pytest.raises(MissingDependencyError) as caught:
            read(written(tmp_path, small()))
    finally:
        messages._messages.cache_clear()
    assert str(caught.value) == (
        "reading graphs of TensorFlow needs the package tensorboard, which has their format\n"
        "   pip install 'opgraph[graphdef]'"
    )


def test_tensorflow_is_not_imported(tmp_path):
    path = written(tmp_path, network())
    code = (
        "import sys; from pathlib import Path; from opgraph.formats import read;"
        f"print(len(read(Path({str(path)!r}))), 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["6", "False"]


@pytest.mark.parametrize("name", ["g.pb", "g.pbtxt", "saved_model.pb"])
@pytest.mark.parametrize("raw", [False, True])
def test_damaged_files_are_refused_or_read(tmp_path, name, raw):
    """200 mutations each: one clear error or a graph, never anything else."""
    from google.protobuf import text_format

    chance = random.Random(7)
    whole = network().SerializeToString()
    if name == "g.pbtxt":
        whole = text_format.MessageToString(network()).encode()
    if name == "saved_model.pb":
        folder = saved(tmp_path, network(), {"y": "fc/Softmax:0"})
        whole = (folder / name).read_bytes()
    path = tmp_path / name
    errors: list[OpgraphError] = []
    for number in range(200):
        at = chance.randrange(len(whole))
        bad = bytes([chance.randrange(256)])
        path.write_bytes(whole[:at] if number % 3 == 0 else whole[:at] + bad + whole[at + 1 :])
        try:
            analyze(read(path, raw=raw))
        except OpgraphError as error:
            errors.append(error)
    assert len(errors) > 20
    assert all(str(error).startswith(str(tmp_path)) for error in errors)
