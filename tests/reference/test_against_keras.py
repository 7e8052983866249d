"""Every reference against the Keras layer it stands for, in float64: outputs and gradients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from opgraph.reference import compute

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.tf

TOLERANCE = 1e-9
# TensorFlow has no float64 kernel, or holds a constant of the formula in float32
SINGLE = {"MaxPooling3D": 1e-6, "AveragePooling3D": 1e-6, "StochasticDepth": 1e-6}
ROUNDED = dict.fromkeys(("ReLU", "LeakyReLU", "GELU", "Activation", "Dense"), 1e-7)
NO_CHANNELS_FIRST = ("Conv", "Depthwise", "Separable")  # on a CPU, in one and two dimensions
TRAINED = ("BatchNormalization",)
MASKED = ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "StochasticDepth")


def near(ours, theirs, tolerance, where):
    theirs = np.asarray(theirs, np.float64)
    assert ours.shape == theirs.shape, where
    scale = np.abs(theirs).max(initial=0) + 1e-3
    error = np.abs(ours - theirs).max(initial=0) / scale
    assert error <= tolerance, f"{where} is off by {error:.1e}"


def built(given, dtype):
    """The Keras layer with the given weights, and its inputs."""
    op = given.op
    layer = op.layer(keras, name="under_test", dtype=dtype)
    inputs = [tf.constant(x, "int32" if x.dtype.kind == "i" else dtype) for x in given.inputs]
    op.call(layer, inputs)
    assert len(layer.weights) == len(given.weights)
    for variable, array in zip(layer.weights, given.weights.values(), strict=True):
        variable.assign(array)
    if hasattr(layer, "finalize_state"):
        layer.finalize_state()
    return layer, inputs


def called(given, layer, inputs):
    training = given.training and (given.op.kind in TRAINED or given.mask is not None)
    outputs = layer(inputs[0], training=True) if training else given.op.call(layer, inputs)
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def ran(given, dtype, cotangents):
    """Outputs, gradients at inputs and trainable weights, and all weights afterwards."""
    layer, inputs = built(given, dtype)
    trainable = layer.trainable_weights
    with tf.GradientTape() as tape:
        floating = [x for x in inputs if x.dtype.is_floating]
        tape.watch(floating)
        outputs = called(given, layer, inputs)
        total = tf.add_n(
            [
                tf.reduce_sum(y * tf.constant(g, y.dtype))
                for y, g in zip(outputs, cotangents, strict=True)
            ]
        )
    gradients = tape.gradient(
        total, (floating, [v.value for v in trainable]), unconnected_gradients="zero"
    )
    names = [n for n, v in zip(given.weights, layer.weights, strict=True) if v.trainable]
    at_weights = dict(zip(names, map(tf.convert_to_tensor, gradients[1]), strict=True))
    after = dict(zip(given.weights, map(np.asarray, layer.weights), strict=True))
    return outputs, gradients[0], at_weights, after


def runs_on_a_cpu(given):
    first = getattr(given.op, "data_format", "") == "channels_first"
    return not (first and given.op.kind.startswith(NO_CHANNELS_FIRST))


def with_their_mask(given, outputs):
    """The same with the mask that Keras drew: what it left at 0 was dropped."""
    drew = given.op.kind in MASKED
    return replace(given, mask=np.asarray(outputs[0]) != 0) if drew else given


def test_outputs_and_gradients_are_those_of_keras(kind, givens):
    if kind in ("AlphaDropout", "GaussianDropout", "GaussianNoise"):
        pytest.skip("what it drew cannot be told from what comes out")
    dtype = "float32" if kind in SINGLE else "float64"
    tolerance = {**SINGLE, **ROUNDED}.get(kind, TOLERANCE)
    for given in filter(runs_on_a_cpu, givens(kind)):
        rng, where = np.random.default_rng(2), f"{given.op!r} on {[x.shape for x in given.inputs]}"
        cotangents = [rng.normal(size=y.shape) for y in compute(given).outputs]
        outputs, at_inputs, at_weights, after = ran(given, dtype, cotangents)
        ours = compute(with_their_mask(given, outputs))
        pulled = ours.pull(cotangents)
        for port, (y, theirs) in enumerate(zip(ours.outputs, outputs, strict=True)):
            near(y, theirs, tolerance, f"{where}: output {port}")
        floating = [gradient for gradient in pulled.inputs if gradient is not None]
        for slot, (gradient, theirs) in enumerate(zip(floating, at_inputs, strict=True)):
            near(gradient, theirs, tolerance, f"{where}: gradient at input {slot}")
        assert list(pulled.weights).sort() == list(at_weights).sort()
        for name, theirs in at_weights.items():
            near(pulled.weights[name], theirs, tolerance, f"{where}: gradient at {name}")
        for name, theirs in after.items():
            near(np.asarray(ours.moved.get(name, given.weights[name])), theirs, tolerance, name)
