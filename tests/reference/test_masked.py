"""Masked steps and dropped weights: what a reference is given beside its inputs, against Keras."""

import numpy as np
import pytest

from opgraph.ops import require
from opgraph.reference import Given, compute

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.tf

KEPT = np.array([[1, 0, 1, 1, 0], [0, 1, 1, 0, 1], [1, 1, 1, 1, 1]], bool)
RECURRENT = [
    ("LSTM", {"return_sequences": True}),
    ("LSTM", {"go_backwards": True}),
    ("GRU", {"return_sequences": True, "zero_output_for_mask": True}),
    ("SimpleRNN", {"return_sequences": True, "go_backwards": True}),
]


@pytest.mark.parametrize(("name", "attrs"), RECURRENT)
def test_masked_steps_are_passed_over_as_by_keras(name, attrs):
    rng = np.random.default_rng(0)
    op, x = require(name)(units=2, **attrs), rng.normal(size=(3, 5, 4))
    weights = {n: rng.normal(size=w.shape) for n, w in op.weights((5, 4)).items()}
    layer = op.layer(keras, name="under_test", dtype="float64")
    layer.build((None, 5, 4))
    layer.set_weights(list(weights.values()))
    ours = compute(Given(op, (x,), weights, steps=KEPT))
    g = rng.normal(size=ours.outputs[0].shape)
    with tf.GradientTape() as tape:
        read = tf.constant(x)
        tape.watch(read)
        theirs = layer(read, mask=tf.constant(KEPT))
        total = tf.reduce_sum(theirs * g)
    at_x, *at_weights = tape.gradient(total, [read, *[v.value for v in layer.weights]])
    pulled = ours.pull([g])
    np.testing.assert_allclose(ours.outputs[0], theirs, atol=1e-12)
    np.testing.assert_allclose(pulled.inputs[0], at_x, atol=1e-12)
    for key, gradient in zip(weights, at_weights, strict=True):
        np.testing.assert_allclose(pulled.weights[key], gradient, atol=1e-12)


def test_gradients_at_the_sums_of_each_step_are_those_that_keras_sends_on():
    """Keras's gradient at an input is that at the sums times the kernel, which can be undone."""
    rng = np.random.default_rng(1)
    op, x = require("LSTM")(units=2), rng.normal(size=(2, 3, 9))
    weights = {n: rng.normal(size=w.shape) for n, w in op.weights((3, 9)).items()}
    layer = op.layer(keras, name="under_test", dtype="float64")
    layer.build((None, 3, 9))
    layer.set_weights(list(weights.values()))
    with tf.GradientTape() as tape:
        read = tf.constant(x)
        tape.watch(read)
        total = tf.reduce_sum(layer(read))
    at_sums = tape.gradient(total, read) @ np.linalg.pinv(weights["lstm_cell/kernel"].T)
    pulled = compute(Given(op, (x,), weights)).pull([np.ones((2, 2))])
    np.testing.assert_allclose(pulled.parts["sums"], at_sums, atol=1e-12)


@pytest.mark.parametrize("name", ["MultiHeadAttention", "Attention"])
def test_dropped_weights_of_an_attention_are_left_out(name):
    """With the same weights and no dropout the output is linear in what is kept of the weights."""
    rng = np.random.default_rng(2)
    size = {"num_heads": 2, "key_dim": 3} if name == "MultiHeadAttention" else {}
    x = rng.normal(size=(2, 4, 5))
    plain, dropping = (require(name)(**size, dropout=rate) for rate in (0.0, 0.25))
    weights = {n: rng.normal(size=w.shape) for n, w in plain.weights((4, 5)).items()}
    known = compute(Given(plain, (x,), weights))
    mask = rng.random(known.parts["probabilities"].shape) > 0.25
    found = compute(Given(dropping, (x,), weights, mask=mask))
    taken = known.parts["probabilities"] * mask / 0.75
    if name == "Attention":
        expected = taken @ x
    else:
        context = np.einsum("nhqk,nkhd->nqhd", taken, known.parts["value"])
        kernel, bias = (weights[f"attention_output/{n}"] for n in ("kernel", "bias"))
        expected = np.einsum("nqhd,hdc->nqc", context, kernel) + bias
    np.testing.assert_allclose(found.outputs[0], expected, atol=1e-12)
    g, step = rng.normal(size=expected.shape), 1e-6
    at = (1, 2, 3)
    sides = []
    for sign in (1, -1):
        moved = x.copy()
        moved[at] += sign * step
        sides.append((compute(Given(dropping, (moved,), weights, mask=mask)).outputs[0] * g).sum())
    slope = (sides[0] - sides[1]) / (2 * step)
    assert found.pull([g]).inputs[0][at] == pytest.approx(slope, rel=1e-6)
