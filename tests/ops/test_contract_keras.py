"""Every op of the library against the Keras layer that it stands for."""

from __future__ import annotations

import re

import pytest

import opgraph.ops as ops

keras = pytest.importorskip("keras")
np = pytest.importorskip("numpy")
tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.tf

BATCH = 2
# Convolutions and pools whose channels come first run on accelerators only.
ONLY_SYMBOLIC = re.compile(r"channels_first")


def dtype_of(op):
    return "int32" if op.kind == "Embedding" else "float32"


def symbols(op, case):
    return [keras.KerasTensor((BATCH, *shape), dtype=dtype_of(op)) for shape in case.inputs]


def batch(op, case):
    rng = np.random.default_rng(0)
    if op.kind == "Embedding":
        return [tf.constant(rng.integers(0, op.input_dim, (BATCH, *s)), "int32") for s in case.inputs]
    return [tf.constant(rng.normal(size=(BATCH, *s)), "float32") for s in case.inputs]


def shapes(outputs):
    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    return [tuple(output.shape)[1:] for output in outputs]


def expected_shapes(op, case):
    shape = op.shape(*case.inputs)
    return shape if isinstance(shape, list) else [shape]


def comparable(op_name, cases):
    """Cases that have a Keras layer with a known output."""
    return [] if op_name in ("Input", "Opaque") else cases[op_name]


def test_op_equals_its_keras_layer(op_name, cases):
    for case in comparable(op_name, cases):
        op = ops.require(op_name)(**case.attrs)
        layer = op.layer(keras, name="layer_under_test")
        outputs = op.call(layer, batch(op, case))
        where = f"{op!r} on {case.inputs}"
        assert shapes(outputs) == expected_shapes(op, case), where
        check_weights(op, case, layer, where)


def check_weights(op, case, layer, where):
    ours = op.weights(*case.inputs)
    theirs = {weight.path.removeprefix(f"{layer.path}/"): weight for weight in layer.weights}
    assert list(ours) == list(theirs), where
    for name, weight in ours.items():
        assert weight.shape == tuple(theirs[name].shape), f"{where}: {name}"
        assert weight.trainable == theirs[name].trainable, f"{where}: {name}"
    assert sum(weight.size for weight in ours.values()) == layer.count_params(), where
