"""Layers that opgraph does not know: rebuilt when they are Keras's or registered, never by code."""

from __future__ import annotations

import numpy as np
import pytest

from opgraph.analysis import analyze
from opgraph.errors import AttributeValueError, BuildError
from opgraph.formats import read_config
from opgraph.graph import Edge, Node, OpGraph, opaque_arguments
from opgraph.ops import require

keras = pytest.importorskip("keras")

from opgraph.runtime import build, describe_opaque  # noqa: E402

pytestmark = pytest.mark.tf


def opaque(class_name, shape=(4,), **settings):
    given = {"class_name": class_name, "settings": settings}
    nodes = [Node("x", require("Input"), {"shape": shape}), Node("odd", require("Opaque"), given)]
    return OpGraph(nodes, [Edge("x", "odd", 0)])


def refused(graph):
    with pytest.raises(BuildError) as caught:
        build(graph)
    assert caught.value.node == "odd"
    return str(caught.value)


def test_a_layer_of_keras_is_rebuilt_from_its_configuration():
    built = build(opaque("Dense", config={"units": 3, "activation": "relu"}))
    assert built.layers["odd"].units == 3
    assert built.layers["odd"].name == "odd"
    assert list(built.weight_names) == ["odd/kernel", "odd/bias"]


def test_an_operation_of_keras_is_called_with_its_arguments():
    sliced = opaque(
        "GetItem",
        module="keras.src.ops.numpy",
        config={},
        call={
            "args": [
                {"$slot": 0},
                [
                    {"class_name": "__slice__", "config": dict.fromkeys(("start", "stop", "step"))},
                    {"class_name": "__slice__", "config": {"start": 1, "stop": 3, "step": None}},
                ],
            ],
            "kwargs": {},
        },
    )
    x = np.arange(8, dtype="float32").reshape(2, 4)
    np.testing.assert_array_equal(build(sliced).model(x), x[:, 1:3])


def test_an_index_of_slices_is_a_tuple():
    piece = {"class_name": "__slice__", "config": {}}
    call = {"args": [{"$slot": 0}, [piece, 1], [1, 2]], "kwargs": {"more": {"deep": [3]}}}
    op = opaque("GetItem", call=call)["odd"].op
    args, keywords = opaque_arguments(op, ["x"], lambda entry: slice(None))
    assert args == ["x", (slice(None), 1), [1, 2]]
    assert keywords == {"more": {"deep": [3]}}


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (3, "settings is an object"),
        ({"call": 3}, "call is an object"),
        ({"call": {"args": 3}}, "args is a list"),
        ({"call": {"kwargs": []}}, "kwargs is an object"),
        ({"call": {"kwargs": {"a b": 1}}}, "'a b' cannot be the name of an argument"),
        ({"call": {"args": [{"$slot": 1}]}}, "the call reads slot 1 of 1"),
        ({"config": 3}, "config is an object"),
        ({"config": {1: 2}}, "the keys of config are text"),
        ({"module": 3}, "names of classes are text"),
    ],
)
def test_malformed_settings_are_refused(settings, problem):
    given = {"class_name": "Dense", "settings": {"config": {"units": 1}}}
    given["settings"] = {**given["settings"], **settings} if settings != 3 else 3
    nodes = [Node("x", require("Input"), {"shape": (4,)}), Node("odd", require("Opaque"), given)]
    with pytest.raises(AttributeValueError) as caught:
        build(OpGraph(nodes, [Edge("x", "odd", 0)]))
    assert str(caught.value) == f"odd: not the settings of a Keras layer: {problem}"


def test_a_registered_class_is_rebuilt():
    @keras.saving.register_keras_serializable("opgraph_tests")
    class Triple(keras.layers.Layer):
        def call(self, x):
            return 3 * x

    graph = opaque("Triple", module="somewhere", registered_name="opgraph_tests>Triple", config={})
    x = np.ones((1, 4), "float32")
    np.testing.assert_array_equal(build(graph).model(x), 3 * x)


def test_a_class_that_nobody_registered_is_refused():
    assert refused(opaque("Mystery", module="my.package", config={})) == (
        "odd: 'Mystery' is not a layer of Keras, and no class of that name is registered\n"
        "   register it first: keras.saving.register_keras_serializable()"
    )


@pytest.mark.parametrize(
    "module", ["os", "subprocess", "builtins", "keras.src.utils.python_utils", "keras_hub"]
)
def test_no_class_of_another_module_is_reached(module):
    for name in ("system", "Popen", "eval", "func_load"):
        refused(opaque(name, module=module, config={"name": "x"}))


@pytest.mark.parametrize(
    "name", ["Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"]
)
def test_classes_that_run_code_are_refused(name):
    assert refused(opaque(name, config={})) == (
        f"odd: {name} runs code of the file that it comes from; opgraph never does\n"
        "   write the same with ops that opgraph knows"
    )


def test_code_deep_inside_a_configuration_is_refused():
    inner = {"class_name": "Lambda", "config": {"function": "..."}}
    assert "Lambda runs code" in refused(opaque("TimeDistributed", config={"layer": inner}))
    call = {"args": [{"$slot": 0}, {"class_name": "__lambda__", "config": {"value": "x"}}]}
    assert "__lambda__ runs code" in refused(opaque("Dense", config={"units": 1}, call=call))


def test_code_in_an_attribute_of_a_known_op_is_refused():
    nodes = [
        Node("x", require("Input"), {"shape": (4,)}),
        Node(
            "odd",
            require("Dense"),
            {"units": 1, "kernel_initializer": {"class_name": "__lambda__", "config": {}}},
        ),
    ]
    message = refused(OpGraph(nodes, [Edge("x", "odd", 0)]))
    assert message.startswith("odd.kernel_initializer: __lambda__ runs code")


def test_code_in_the_op_inside_a_wrapper_is_refused():
    inner = require("Dense")(units=1, bias_constraint={"class_name": "__lambda__", "config": {}})
    nodes = [
        Node("x", require("Input"), {"shape": (4, 3)}),
        Node("odd", require("TimeDistributed"), {"layer": inner}),
    ]
    message = refused(OpGraph(nodes, [Edge("x", "odd", 0)]))
    assert message.startswith("odd.layer: __lambda__ runs code")


def test_absurd_nesting_is_refused():
    deep: dict[str, object] = {}
    for _ in range(500):
        deep = {"a": deep}
    message = refused(opaque("Dense", config={"units": 1, "deep": deep}))
    assert message == "odd.settings: a configuration nested more than 64 levels deep"


def test_the_live_model_tells_weights_and_outputs_of_unknown_layers():
    @keras.saving.register_keras_serializable("opgraph_tests")
    class Scale(keras.layers.Layer):
        def build(self, shape):
            self.factor = self.add_weight(shape=(shape[-1],), name="factor", initializer="ones")

        def call(self, x):
            return x * self.factor

    x = keras.Input((6,))
    model = keras.Model(x, Scale(name="scale")(keras.Sequential([Scale(name="s")], name="in")(x)))
    graph = describe_opaque(read_config(model.get_config()), model)
    analysis = analyze(graph).require()
    assert analysis["scale"].outputs == ((6,),)
    assert analysis["in/s"].total_params == 6
    assert analysis.totals.params.value == model.count_params() == 12
    built = build(graph)
    assert list(built.weight_names) == ["in/s/factor", "scale/factor"]
    assert describe_opaque(graph, model) == graph
