"""Every reference against the Keras layer it stands for, in float64: outputs and gradients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from opgraph.ops import require
from opgraph.reference import Given, compute
from opgraph.reference.functions import apply_function

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.tf

TOLERANCE = 1e-9
# TensorFlow has no float64 kernel, or holds a constant of the formula in float32
SINGLE = dict.fromkeys(
    (
        *("MaxPooling3D", "AveragePooling3D", "AdaptiveMaxPooling3D", "AdaptiveAveragePooling3D"),
        "StochasticDepth",
        "Resizing",
        "Conv3DTranspose",  # there is one, which reads other places where the stride is above 2
    ),
    3e-6,
)
ROUNDED = dict.fromkeys(
    (
        *("ReLU", "LeakyReLU", "GELU", "Activation", "Dense"),
        *("MultiHeadAttention", "GroupedQueryAttention"),
    ),
    1e-7,
)
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
    op = given.op
    first = getattr(op, "data_format", "") == "channels_first"
    laid_apart = "Transpose" in op.kind and max(op.dilation_rate) > 1
    wrong_there = "sparsemax" in (op.kind.lower(), getattr(op, "activation", None))
    return not ((first and op.kind.startswith(NO_CHANNELS_FIRST)) or laid_apart or wrong_there)


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
        assert sorted(pulled.weights) == sorted(at_weights), where
        for name, theirs in at_weights.items():
            near(pulled.weights[name], theirs, tolerance, f"{where}: gradient at {name}")
        after.pop("count", None)  # whole numbers
        for name, theirs in after.items():
            near(np.asarray(ours.moved.get(name, given.weights[name])), theirs, tolerance, name)


def test_keras_sparsemax_is_still_no_distribution():
    """Keras 3.15 sums all cumulative sums of the support (keras issue 23425); ours sums to 1."""
    x = np.array([[0.5, 0.4, 0.1]])
    assert float(keras.ops.sum(keras.ops.sparsemax(x))) == pytest.approx(1 / 30)
    y, _ = apply_function("sparsemax", x)
    np.testing.assert_allclose(y, x, atol=1e-12)


@pytest.mark.parametrize("which", ["MaxPooling1D", "MaxPooling2D", "MaxPooling3D"])
def test_equal_numbers_share_the_gradient_as_in_tensorflow(which):
    rank = int(which[-2])
    x = np.random.default_rng(0).integers(0, 3, (2, *(6,) * rank, 2)).astype(np.float32)
    op = require(which)(pool_size=3, strides=2, padding="same")
    check_ties(Given(op, (x,)))


@pytest.mark.parametrize("which", ["GlobalMaxPooling2D", "Maximum", "Minimum", "ReLU"])
def test_other_ties_are_as_in_tensorflow(which):
    rng = np.random.default_rng(0)
    many = 3 if which in ("Maximum", "Minimum") else 1
    inputs = tuple(rng.integers(-1, 2, (2, 4, 4, 2)).astype(np.float32) for _ in range(many))
    check_ties(Given(require(which)(), inputs))


def check_ties(given):
    computed = compute(given)
    cotangents = [np.random.default_rng(1).normal(size=computed.outputs[0].shape)]
    outputs, at_inputs, _, _ = ran(given, "float32", cotangents)
    near(computed.outputs[0], outputs[0], 1e-6, "output")
    for ours, theirs in zip(computed.pull(cotangents).inputs, at_inputs, strict=True):
        near(ours, theirs, 1e-6, given.op.kind)
    if "ties" in computed.parts:
        assert computed.parts["ties"].any()


@pytest.mark.parametrize("which", ["Conv2D", "SeparableConv2D", "DepthwiseConv2D", "Conv1D"])
def test_channels_first_is_channels_last_turned(which, givens):
    turned = [g for g in givens(which) if g.op.data_format == "channels_first"]
    assert turned
    for given in turned:
        op = type(given.op)(**{**given.op.values(), "data_format": "channels_last"})
        last = replace(given, op=op, inputs=(np.moveaxis(given.x, 1, -1),))
        ours, expected = compute(given), compute(last)
        np.testing.assert_allclose(np.moveaxis(ours.outputs[0], 1, -1), expected.outputs[0])
        g = np.random.default_rng(0).normal(size=expected.outputs[0].shape)
        at = ours.pull([np.moveaxis(g, -1, 1)]).inputs[0]
        np.testing.assert_allclose(np.moveaxis(at, 1, -1), expected.pull([g]).inputs[0])
