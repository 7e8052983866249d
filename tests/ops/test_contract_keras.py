"""Every op of the library against the Keras layer that it stands for."""

from __future__ import annotations

import re

import pytest

import opgraph.ops as ops
from opgraph.ops.library.wrapper import default_name
from opgraph.ops.registry import fold

keras = pytest.importorskip("keras")
np = pytest.importorskip("numpy")
tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.tf

BATCH = 2
NO_LAYER = ("Input", "Opaque")


def batch(op, case):
    rng = np.random.default_rng(0)
    shapes = [(BATCH, *shape) for shape in case.inputs]
    if op.kind == "Embedding":
        return [tf.constant(rng.integers(0, op.input_dim, shape), "int32") for shape in shapes]
    return [tf.constant(rng.normal(size=shape), "float32") for shape in shapes]


def symbols(op, case):
    dtype = "int32" if op.kind == "Embedding" else "float32"
    return [keras.KerasTensor((None, *shape), dtype) for shape in case.inputs]


def ports(shape):
    return shape if isinstance(shape, list) else [shape]


def output_shapes(outputs):
    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    return [tuple(output.shape)[1:] for output in outputs]


def tried(op_name, cases):
    """Op, case, a text for messages, for each case that has a Keras layer."""
    for case in [] if op_name in NO_LAYER else cases[op_name]:
        op = ops.require(op_name)(**case.attrs)
        yield op, case, f"{op!r} on {case.inputs}"


def test_shapes_and_weights_equal_keras(op_name, cases):
    for op, case, where in tried(op_name, cases):
        layer = op.layer(keras, name="under_test", dtype="float32")
        outputs = op.call(layer, batch(op, case))
        assert output_shapes(outputs) == ports(op.shape(*case.inputs)), where
        check_weights(op.weights(*case.inputs), layer, where)


def check_weights(ours, layer, where):
    """Path below the layer, order, shape, trainability, count, and start values that are fixed."""
    paths = [weight.path.removeprefix(f"{layer.path}/") for weight in layer.weights]
    assert len(ours) == len(paths), where
    for (name, weight), path, variable in zip(ours.items(), paths, layer.weights, strict=True):
        unnamed = re.fullmatch(r"variable(_\d+)?", path)
        assert unnamed or name == path, where
        assert weight.shape == tuple(variable.shape), f"{where}: {name}"
        assert weight.trainable == variable.trainable, f"{where}: {name}"
        check_start(weight.initializer, np.asarray(variable), f"{where}: {name}")
    assert sum(weight.size for weight in ours.values()) == layer.count_params(), where


def check_start(initializer, values, where):
    if initializer == "zeros":
        assert not values.any(), where
    elif initializer == "ones":
        assert (values == 1).all(), where
    elif initializer == "constant":
        assert np.ptp(values) == 0, where
    elif initializer == "unit_forget_bias":
        assert values.reshape(4, -1).mean(axis=1).tolist() == [0, 1, 0, 0], where
    else:
        assert values.size == 1 or np.ptp(values) > 0, where


def test_layers_take_what_every_layer_takes(op_name, cases):
    for op, case, where in list(tried(op_name, cases))[:1]:
        layer = op.layer(keras, name="under_test", dtype="float64", trainable=False)
        assert (layer.name, layer.dtype_policy.name) == ("under_test", "float64"), where
        op.call(layer, symbols(op, case))
        assert not layer.trainable_weights, where


def test_symbolic_shapes_agree_with_keras(op_name, cases):
    """What Keras says before it runs contradicts nothing; it may say less."""
    for op, case, where in tried(op_name, cases):
        outputs = op.call(op.layer(keras, name="under_test"), symbols(op, case))
        theirs, ours = output_shapes(outputs), ports(op.shape(*case.inputs))
        assert len(theirs) == len(ours), where
        if op.kind == "MultiHeadAttention":  # Keras 3.15.1 always calls the scores (heads, T, T)
            theirs, ours = theirs[:1], ours[:1]
        for vague, known in zip(theirs, ours, strict=True):
            assert len(vague) == len(known), where
            assert all(a in (None, b) for a, b in zip(vague, known, strict=True)), where


def test_keras_config_makes_the_same_op(op_name, cases):
    """The config that a Keras layer gives back, with all its serialised initialisers."""
    for op, case, where in tried(op_name, cases):
        layer = op.layer(keras, name="under_test")
        kind = ops.require(type(layer).__name__)
        config = layer.get_config()
        assert config.keys() - kind.schema().keys() <= {"name"}, where
        again = kind(**{key: config[key] for key in config.keys() - {"name", "dtype"}})
        ours, theirs = op.weights(*case.inputs), again.weights(*case.inputs)
        assert list(theirs) == list(ours), where
        assert [w.initializer for w in theirs.values()] == [w.initializer for w in ours.values()]
        assert ports(again.shape(*case.inputs))[0] == ports(op.shape(*case.inputs))[0], where
        assert again.flops(*case.inputs) == op.flops(*case.inputs), where


OPTIONS = {
    "initializer": {"class_name": "Constant", "config": {"value": 0.25}},
    "regularizer": {"class_name": "L2", "config": {"l2": 0.5}},
    "constraint": {"class_name": "NonNeg", "config": {}},
}


def test_options_reach_keras(op_name, cases):
    """Initialisers, regularisers and constraints, in Keras's serialised form, by their names."""
    for op, case, where in list(tried(op_name, cases))[:1]:
        given = {name: OPTIONS.get(name.rsplit("_", 1)[1]) for name in op.options}
        if op.kind == "SimpleRNN":
            del given["activity_regularizer"]  # Keras 3.15.1 takes it and forgets it
        layer = type(op)(**{**case.attrs, **given}).layer(keras, name="under_test")
        config = layer.get_config()
        for name, value in given.items():
            if value is not None:
                assert config[name]["class_name"] == value["class_name"], f"{where}: {name}"


@pytest.mark.parametrize("kind", ["Conv2D", "Dense", "LSTM", "BatchNormalization", "Embedding"])
def test_chosen_initializers_fill_the_weights(kind, cases):
    case = cases[kind][0]
    chosen = [name for name in ops.require(kind).options if name.endswith("_initializer")]
    values = dict.fromkeys(chosen, OPTIONS["initializer"])
    op = ops.require(kind)(**{**case.attrs, **values})
    layer = op.layer(keras, name="under_test")
    op.call(layer, batch(op, case))
    ours = op.weights(*case.inputs).values()
    constant = [
        np.asarray(variable)
        for weight, variable in zip(ours, layer.weights, strict=True)
        if weight.initializer == "constant"
    ]
    assert constant
    assert all((values == 0.25).all() for values in constant)


def test_default_name_is_that_of_keras(op_name, cases):
    for op, _, where in list(tried(op_name, cases))[:1]:
        made = type(op.layer(keras, name="under_test"))
        if made.__name__ == op.kind:
            assert default_name(type(op)) == keras.src.utils.naming.to_snake_case(op.kind), where


def test_named_activations_apply_the_function_of_their_name(cases):
    named = [kind for kind in ops.kinds() if kind.family == "activation" and kind.kind in cases]
    made = {kind.kind: kind(**cases[kind.kind][0].attrs).layer(keras) for kind in named}
    functions = {
        kind: layer.get_config()["activation"]
        for kind, layer in made.items()
        if isinstance(layer, keras.layers.Activation) and kind != "Activation"
    }
    assert len(functions) == 23
    assert all(fold(function) == fold(kind) for kind, function in functions.items())
