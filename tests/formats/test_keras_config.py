"""Keras configurations as plain data: what they become, and what is refused. No TensorFlow."""

from __future__ import annotations

import copy

import pytest

from opgraph.errors import FormatError
from opgraph.formats import read_config
from opgraph.graph import Endpoint, check


def refused(config):
    with pytest.raises(FormatError) as caught:
        read_config(config)
    return str(caught.value)


def wires(graph):
    return {(e.source, e.port, e.target, e.slot) for e in graph.edges}


@pytest.fixture
def tiny(make):
    return make.functional(
        make.entry("x", 4),
        make.layer("y", "Dense", ("x", 0, 0, [4]), units=3, activation="linear"),
    )


def test_a_functional_model(tiny):
    graph = read_config(tiny)
    assert graph.name == "net"
    assert dict(graph["x"].given) == {"shape": (4,)}
    assert dict(graph["y"].given) == {"units": 3}
    assert graph["y"].provenance("units") == "given"
    assert wires(graph) == {("x", 0, "y", 0)}


def test_the_class_name_may_stand_around_it(tiny):
    assert read_config({"class_name": "Functional", "config": tiny}) == read_config(tiny)


def test_what_is_read_is_not_changed(tiny):
    before = copy.deepcopy(tiny)
    read_config(tiny)
    assert tiny == before


def test_a_sequential_model(make):
    layers = [make.entry("x", 4), make.layer("a", "Dense", units=3), make.layer("b", "ReLU")]
    graph = read_config({"name": "seq", "layers": layers})
    assert wires(graph) == {("x", 0, "a", 0), ("a", 0, "b", 0)}


@pytest.mark.parametrize(
    ("extra", "given"), [({}, {}), ({"build_input_shape": [None, 7]}, {"shape": (7,)})]
)
def test_a_sequential_model_without_an_input(make, extra, given):
    layers = [make.layer("input", "Dense", units=3)]
    graph = read_config({"name": "seq", "layers": layers, **extra})
    assert list(graph.nodes) == ["input_", "input"]
    assert dict(graph["input_"].given) == given


def test_keras_2_lists(make):
    old = {
        "name": "old",
        "layers": [
            {
                "class_name": "InputLayer",
                "name": "x",
                "config": {"batch_input_shape": [None, 4], "dtype": "float32"},
                "inbound_nodes": [],
            },
            {
                "class_name": "Dense",
                "name": "a",
                "config": {"name": "a", "units": 3, "dtype": "float32"},
                "inbound_nodes": [[["x", 0, 0, {}]]],
            },
            {
                "class_name": "Add",
                "name": "b",
                "config": {"name": "b"},
                "inbound_nodes": [[["a", 0, 0, {}], ["a", 0, 0, {}]]],
            },
        ],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["b", 0, 0]],
    }
    graph = read_config(old)
    assert graph["x"].given["shape"] == (4,)
    assert wires(graph) == {("x", 0, "a", 0), ("a", 0, "b", 0), ("a", 0, "b", 1)}


def test_unusual_options_stay_and_usual_ones_do_not(make):
    def start(name, **config):
        return {"module": "keras.initializers", "class_name": name, "config": config}

    config = make.functional(
        make.entry("x", 4),
        make.layer(
            "y",
            "Dense",
            ("x", 0, 0, [4]),
            units=3,
            kernel_initializer=start("GlorotUniform", seed=None),
            bias_initializer=start("Ones"),
            kernel_regularizer={
                "module": "keras.regularizers",
                "class_name": "L2",
                "config": {"l2": 0.5},
            },
            bias_constraint=None,
        ),
    )
    given = read_config(config)["y"].given
    assert dict(given) == {
        "units": 3,
        "bias_initializer": "ones",
        "kernel_regularizer": {"class_name": "L2", "config": {"l2": 0.5}},
    }


@pytest.mark.parametrize(
    ("start", "kept"),
    [
        ({"class_name": "GlorotUniform", "config": {"seed": 3}}, {"seed": 3}),
        ({"class_name": "VarianceScaling", "config": {"scale": 2.0}}, {"scale": 2.0}),
    ],
)
def test_an_initializer_with_arguments_is_kept_whole(make, start, kept):
    y = make.layer("y", "Dense", ("x", 0, 0, [4]), units=3, kernel_initializer=start)
    graph = read_config(make.functional(make.entry("x", 4), y))
    assert graph["y"].given["kernel_initializer"]["config"] == kept


def only(make, class_name, *, kwargs=None, module="keras.layers", **config):
    y = make.layer("y", class_name, ("x", 0, 0, [4]), module=module, kwargs=kwargs, **config)
    return read_config(make.functional(make.entry("x", 4), y))["y"]


def policy(name, class_name="DTypePolicy"):
    return {"module": "keras", "class_name": class_name, "config": {"name": name}}


def test_dtypes(make):
    assert "dtype" not in only(make, "ReLU", dtype=policy("float32")).given
    assert only(make, "ReLU", dtype=policy("mixed_float16")).given["dtype"] == "mixed_float16"
    quantized = only(make, "ReLU", dtype=policy("int8", "QuantizedDTypePolicy"))
    assert quantized.kind.kind == "Opaque"


def test_a_frozen_layer(make):
    assert only(make, "Dense", units=1, trainable=False).op.trainable is False


@pytest.mark.parametrize(
    ("class_name", "config", "kwargs"),
    [
        ("Whatever", {}, None),
        ("Dense", {"units": 1, "enable_magic": True}, None),
        ("Dense", {"units": 1, "activation": "swoosh"}, None),
        ("Dense", {"units": -1}, None),
        ("Dense", {"units": 1}, {"strange": 3}),
        ("ReLU", {"data_format": "channels_first"}, None),
    ],
)
def test_what_no_op_says_is_carried_opaque(make, class_name, config, kwargs):
    node = only(make, class_name, kwargs=kwargs, **config)
    assert node.kind.kind == "Opaque"
    assert node.op.class_name == class_name
    assert node.op.settings["config"] == config
    assert ("call" in node.op.settings) == bool(kwargs)


@pytest.mark.parametrize("kwargs", [{"training": True}, {"training": False}, {"mask": None}])
def test_keywords_that_say_nothing_are_left_out(make, kwargs):
    assert only(make, "Dense", units=1, kwargs=kwargs).kind.kind == "Dense"


def test_the_output_shape_of_an_unknown_layer_comes_from_its_reader(make):
    odd = make.layer("odd", "Odd", ("x", 0, 0, [4]))
    y = make.layer("y", "ReLU", ("odd", 0, 0, [9, 2]))
    graph = read_config(make.functional(make.entry("x", 4), odd, y))
    assert graph["odd"].op.output == (9, 2)


def test_all_calls_of_a_layer_are_of_one_kind(make):
    y = make.layer("y", "Dense", ("x", 0, 0, [4]), ("y", 0, 0, [4]), units=4)
    y["inbound_nodes"][1]["kwargs"] = {"strange": 3}
    graph = read_config(make.functional(make.entry("x", 4), y, outputs=[("y", 1, 0)]))
    assert [node.kind.kind for node in graph] == ["Input", "Opaque", "Opaque"]


def test_a_user_class_of_the_same_name_is_not_keras_own(make):
    assert only(make, "Dense", module="mine", units=3).kind.kind == "Opaque"
    assert only(make, "Dense", module="keras_hub.layers", units=3).kind.kind == "Opaque"


def operation(make, name, *args, shape=(4, 6), **config):
    item = make.layer("y", name, module=f"keras.src.ops.{config.pop('of', 'numpy')}", **config)
    tensors = [make.layer("t", "T", ("x", 0, 0, shape))["inbound_nodes"][0]["args"][0]]
    filled = [tensors[0] if arg == "x" else arg for arg in args]
    filled = [[tensors[0]] * 2 if arg == "xx" else arg for arg in filled]
    item["inbound_nodes"] = [{"args": filled, "kwargs": {}}]
    node = read_config(make.functional(make.entry("x", *shape), item))["y"]
    return node.kind.kind, {k: v for k, v in node.given.items() if k not in ("settings", "arrays")}


@pytest.mark.parametrize(
    ("args", "config", "expected"),
    [
        (("Add", "x", 3.0), {}, ("Rescaling", {"scale": 1.0, "offset": 3.0})),
        (("Add", 3, "x"), {}, ("Rescaling", {"scale": 1.0, "offset": 3.0})),
        (("Subtract", "x", 3.0), {}, ("Rescaling", {"scale": 1.0, "offset": -3.0})),
        (("Subtract", 3.0, "x"), {}, ("Rescaling", {"scale": -1.0, "offset": 3.0})),
        (("Multiply", "x", 0.5), {}, ("Rescaling", {"scale": 0.5, "offset": 0.0})),
        (("TrueDivide", "x", 4.0), {}, ("Rescaling", {"scale": 0.25, "offset": 0.0})),
        (("Negative", "x"), {}, ("Rescaling", {"scale": -1.0, "offset": 0.0})),
        (("Add", "x", "x"), {}, ("Add", {})),
        (("Maximum", "x", "x"), {}, ("Maximum", {})),
        (("Concatenate", "xx"), {"axis": -1}, ("Concatenate", {"axis": -1})),
        (("Relu", "x"), {"of": "nn"}, ("Activation", {"activation": "relu"})),
        (("Gelu", "x"), {"of": "nn", "approximate": False}, ("Activation", {"activation": "gelu"})),
        (("Softmax", "x"), {"of": "nn", "axis": -1}, ("Softmax", {"axis": -1})),
        (("Mean", "x"), {"axis": [1]}, ("GlobalAveragePooling1D", {"keepdims": False})),
        (("Mean", "x"), {"axis": [-2]}, ("GlobalAveragePooling1D", {"keepdims": False})),
        (("Max", "x"), {"axis": [1], "keepdims": True}, ("GlobalMaxPooling1D", {"keepdims": True})),
        (("Transpose", "x"), {"axes": [0, 2, 1]}, ("Permute", {"dims": (2, 1)})),
        (("Reshape", "x"), {"newshape": [-1, 24]}, ("Reshape", {"target_shape": (24,)})),
        (("ExpandDims", "x"), {"axis": -1}, ("Reshape", {"target_shape": (4, 6, 1)})),
        (("ExpandDims", "x"), {"axis": 1}, ("Reshape", {"target_shape": (1, 4, 6)})),
    ],
)
def test_operations(make, args, config, expected):
    assert operation(make, *args, **config) == expected


@pytest.mark.parametrize(
    ("args", "config"),
    [
        (("TrueDivide", 4.0, "x"), {}),
        (("TrueDivide", "x", 0.0), {}),
        (("TrueDivide", "x", "x"), {}),
        (("Add", "x", float("nan")), {}),
        (("Add", "x", True), {}),
        (("Add", "x", [1.0, 2.0]), {}),
        (("Concatenate", "xx"), {"axis": 0}),
        (("Gelu", "x"), {"of": "nn", "approximate": True}),
        (("Softmax", "x"), {"of": "nn", "axis": 0}),
        (("Mean", "x"), {"axis": None}),
        (("Mean", "x"), {"axis": [0]}),
        (("Mean", "x"), {"axis": [2]}),
        (("Max", "x"), {"axis": [1], "initial": 0.0}),
        (("Transpose", "x"), {"axes": [1, 0, 2]}),
        (("Transpose", "x"), {"axes": None}),
        (("Reshape", "x"), {"newshape": [-1, 12]}),
        (("Reshape", "x"), {"newshape": [2, 12]}),
        (("GetItem", "x", 0), {}),
        (("Sqrt", "x"), {}),
    ],
)
def test_operations_that_no_op_does(make, args, config):
    kind, given = operation(make, *args, **config)
    assert kind == "Opaque"
    assert given["class_name"] == args[0]


def test_an_operation_has_no_weights_and_that_is_known(make):
    item = make.layer("y", "Sqrt", ("x", 0, 0, [4]), module="keras.src.ops.numpy")
    graph = read_config(make.functional(make.entry("x", 4), item))
    assert graph["y"].op.arrays == {}


def test_arithmetic_on_whole_numbers_is_not_a_rescaling(make):
    item = make.layer("y", "Add", ("x", 0, 0, [4]), module="keras.src.ops.numpy")
    item["inbound_nodes"][0]["args"][0]["config"]["dtype"] = "int32"
    item["inbound_nodes"][0]["args"].append(3)
    assert read_config(make.functional(make.entry("x", 4), item))["y"].kind.kind == "Opaque"


def test_outputs_that_are_read_inside_are_marked(make):
    config = make.functional(
        make.entry("x", 4),
        make.layer("a", "Dense", ("x", 0, 0, [4]), units=3),
        make.layer("y", "ReLU", ("a", 0, 0, [3])),
        outputs=[("y", 0, 0), ("a", 0, 0), ("x", 0, 0)],
    )
    graph = read_config(config)
    assert list(graph.nodes) == ["x", "a", "y", "output_2", "output_3"]
    assert graph.inputs("output_2") == (Endpoint("a"),)
    assert graph.sinks == ("y", "output_2", "output_3")


def test_outputs_keep_their_order(make):
    config = make.functional(
        make.entry("x", 4),
        make.layer("a", "ReLU", ("x", 0, 0, [4])),
        make.layer("y", "ReLU", ("x", 0, 0, [4])),
        outputs=[("y", 0, 0), ("a", 0, 0)],
    )
    assert read_config(config).sinks == ("y", "a")


def nest(make, *, trainable=True, outputs):
    """A model of two layers that is called twice."""
    inner = make.functional(
        make.entry("x", 4),
        make.layer("q", "Dense", ("x", 0, 0, [4]), units=4),
        make.layer("r", "Dense", ("x", 0, 0, [4]), units=4),
        outputs=[("q", 0, 0), ("r", 0, 0)],
    )
    twice = make.layer("in", "Functional", ("x", 0, 0, [4]), ("x", 0, 0, [4]), module="keras")
    twice["config"] = {**inner, "trainable": trainable}
    return make.functional(make.entry("x", 4), twice, outputs=outputs)


def test_a_frozen_model_freezes_its_layers(make):
    config = nest(make, trainable=False, outputs=[("in", 1, 0)])
    assert read_config(config)["in/q"].op.trainable is False
    config = nest(make, outputs=[("in", 1, 0)])
    assert read_config(config)["in/q"].op.trainable is True
    assert read_config({**config, "trainable": False})["in/q"].op.trainable is False


def test_weights_find_another_owner_when_the_first_call_is_not_read(make):
    graph = read_config(nest(make, outputs=[("in", 1, 0), ("in", 2, 1)]))
    assert {node.name: node.shares for node in graph} == {
        "x": None,
        "in/q": None,
        "in@2/r": None,
    }
    assert check(graph) == []


def test_a_cycle_is_refused(make):
    config = make.functional(
        make.entry("x", 4),
        make.layer("y", "Add", [("x", 0, 0, [4]), ("z", 0, 0, [4])]),
        make.layer("z", "ReLU", ("y", 0, 0, [4])),
    )
    assert refused(config) == "config: layers read each other in a ring: 'y', 'z'"


def test_calls_need_not_stand_in_order(make):
    config = make.functional(
        make.layer("y", "ReLU", ("m", 0, 0, [4])),
        make.layer("m", "ReLU", ("x", 0, 0, [4])),
        make.entry("x", 4),
    )
    assert list(read_config(config).nodes) == ["x", "m", "y"]


def test_names_that_meet_are_kept_apart(make):
    config = make.functional(
        make.entry("x", 4),
        make.layer("a", "ReLU", ("x", 0, 0, [4]), ("a@2", 0, 0, [4])),
        make.layer("a@2", "ReLU", ("a", 0, 0, [4])),
        outputs=[("a", 1, 0)],
    )
    graph = read_config(config)
    assert len(graph) == 4
    assert [node.shares for node in graph] == [None, None, None, "a"]


def bad(tiny, path, value):
    item = tiny
    for key in path[:-1]:
        item = item[key]
    item[path[-1]] = value
    return refused(tiny)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["layers", 1], 3, "config.layers[1]: expected an object, received 3"),
        (["layers", 1, "name"], None, "config.layers[1].name: expected a text, received nothing"),
        (["layers", 1, "config"], [], "config.layers[1].config: expected an object, received []"),
        (["layers", 1, "name"], "x", "config.layers: two layers are called 'x'"),
        (
            ["layers", 1, "inbound_nodes"],
            "x",
            "config.layers[1].inbound_nodes: expected a list, received 'x'",
        ),
        (
            ["layers", 1, "inbound_nodes", 0, "args"],
            3,
            "config.layers[1].inbound_nodes[0].args: expected a list, received 3",
        ),
        (
            ["layers", 1, "inbound_nodes", 0, "args", 0, "config", "keras_history"],
            ["q", 0, 0],
            "config.layers[1].inbound_nodes[0]: there is no layer 'q'",
        ),
        (
            ["layers", 1, "inbound_nodes", 0, "args", 0, "config", "keras_history"],
            ["x", 0],
            "config.layers[1].inbound_nodes[0].args: expected [layer, call, output],"
            " received ['x', 0]",
        ),
        (
            ["layers", 1, "inbound_nodes", 0, "args", 0, "config", "keras_history"],
            ["x", 0, 1],
            "config.layers[1].inbound_nodes[0]: reads output 1 of 'x', which has 1",
        ),
        (
            ["output_layers"],
            [["y", 4, 0]],
            "config.output_layers: reads call 4 of 'y', which has 1",
        ),
        (["output_layers"], 3, "config.output_layers: expected a list of layers, received 3"),
        (["input_layers"], [["q", 0, 0]], "config.input_layers: there is no layer 'q'"),
        (
            ["layers", 0, "config", "batch_shape"],
            [None, -4],
            "config.layers[0].config.batch_shape: expected a shape such as [null, 32, 32, 3],"
            " received [None, -4]",
        ),
        (
            ["layers", 0, "config", "sparse"],
            True,
            "config.layers[0]: opgraph reads no sparse inputs",
        ),
        (["layers"], [], "config.layers: the model has no layers"),
    ],
)
def test_faults_are_named_by_their_path(tiny, path, value, message):
    assert bad(tiny, path, value) == message


def test_a_subclassed_model_is_refused():
    message = refused({"class_name": "MyModel", "config": {"name": "m"}})
    assert message == (
        "config: expected a functional or sequential Keras model,"
        " received a MyModel without layers\n"
        "   a subclassed model keeps its graph in Python code: make it functional"
    )


def test_absurd_nesting_is_refused(make, tiny):
    config = tiny
    for _ in range(100):
        inner = make.layer("y", "Functional", ("x", 0, 0, [4]), module="keras")
        inner["config"] = config
        config = make.functional(make.entry("x", 4), inner, outputs=[("y", 1, 0)])
    assert "nested more than" in refused(config)


def test_a_model_that_multiplies_without_end_is_refused(make, monkeypatch):
    """Thirty levels, each calling the one inside twice, would be a thousand million nodes."""
    config = make.functional(make.entry("x", 4), make.layer("y", "ReLU", ("x", 0, 0, [4])))
    for _ in range(30):
        inner = make.layer("y", "Functional", ("x", 0, 0, [4]), ("y", 0, 0, [4]), module="keras")
        inner["config"] = config
        config = make.functional(make.entry("x", 4), inner, outputs=[("y", 2, 0)])
    monkeypatch.setattr("opgraph.formats.keras_config.MOST_NODES", 1000)
    assert refused(config).endswith("more than 1,000 nodes")


def test_any_damage_ends_in_one_of_our_errors(make, tiny):
    nested = make.layer("n", "Functional", ("y", 0, 0, [3]), module="keras")
    nested["config"] = make.functional(
        make.entry("x", 3), make.layer("y", "Dense", ("x", 0, 0, [3]), units=2)
    )
    tiny["layers"].append(nested)
    tiny["output_layers"] = [["n", 1, 0]]
    assert len(read_config(tiny)) == 3
    for path in list(paths(tiny)):
        for value in (None, [], {}, -1, "?", 1e300, True, ["x", 0, 0], [[]]):
            damaged = copy.deepcopy(tiny)
            item = damaged
            for key in path[:-1]:
                item = item[key]
            item[path[-1]] = value
            try:
                graph = read_config(damaged)
            except FormatError:
                continue
            assert len(graph.order) == len(graph)


def paths(data, before=()):
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        yield [*before, key]
        if isinstance(value, dict | list):
            yield from paths(value, (*before, key))
