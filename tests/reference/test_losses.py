"""Losses against keras.losses: values, mean, and gradient at the output."""

from __future__ import annotations

import numpy as np
import pytest

from opgraph.errors import ReferenceMissingError, ShapeError
from opgraph.reference import compute_loss, losses, penalty

N, CLASSES = 5, 4
RNG = np.random.default_rng(4)
IDS = RNG.integers(0, CLASSES, N)
ROWS = np.eye(CLASSES)[IDS]
SCORES = RNG.normal(size=(N, CLASSES)) * 3
SHARES = np.exp(SCORES) / np.exp(SCORES).sum(axis=-1, keepdims=True)
OFF = SHARES * np.array([[1.0], [1.3], [0.7], [1.0], [1.0]])  # not all sum to 1
SURE = np.array([[1.0, 0, 0, 0]] * N)
FLAGS = RNG.integers(0, 2, (N, 2)).astype(float)
CHANCES = RNG.uniform(0.05, 0.95, (N, 2))
WEIGHTS = RNG.uniform(0.5, 2, N)
SPARSE, DENSE = "SparseCategoricalCrossentropy", "CategoricalCrossentropy"
CASES = [
    ("sparse_categorical_crossentropy", SPARSE, IDS, SCORES, {"from_logits": True}),
    ("sparse_categorical_crossentropy", SPARSE, IDS, SHARES, {}),
    ("sparse_categorical_crossentropy", SPARSE, IDS, OFF, {}),
    ("sparse_categorical_crossentropy", SPARSE, IDS, SURE, {}),
    ("categorical_crossentropy", DENSE, ROWS, SCORES, {"from_logits": True}),
    (
        "categorical_crossentropy",
        DENSE,
        ROWS,
        SCORES,
        {"from_logits": True, "label_smoothing": 0.2},
    ),
    ("categorical_crossentropy", DENSE, ROWS, SHARES, {"label_smoothing": 0.2}),
    ("categorical_crossentropy", DENSE, ROWS, OFF, {}),
    ("categorical_crossentropy", DENSE, ROWS, SURE, {}),
    ("binary_crossentropy", "BinaryCrossentropy", FLAGS, SCORES[:, :2], {"from_logits": True}),
    ("binary_crossentropy", "BinaryCrossentropy", FLAGS, CHANCES, {"label_smoothing": 0.1}),
    ("mse", "MeanSquaredError", ROWS, SCORES, {}),
    ("mae", "MeanAbsoluteError", ROWS, SCORES, {}),
    ("huber", "Huber", ROWS, SCORES, {}),
    ("huber", "Huber", ROWS, SCORES, {"delta": 0.5}),
]


@pytest.mark.tf
@pytest.mark.parametrize(("name", "keras_name", "labels", "output", "settings"), CASES)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["even", "weighted"])
def test_values_and_gradients_are_those_of_keras(
    name, keras_name, labels, output, settings, weights
):
    keras, tf = pytest.importorskip("keras"), pytest.importorskip("tensorflow")
    loss = getattr(keras.losses, keras_name)(**settings, dtype="float64", reduction=None)
    given = tf.constant(output)
    with tf.GradientTape() as tape:
        tape.watch(given)
        values = loss(labels, given)
        factors = np.ones(N) if weights is None else weights
        mean = tf.reduce_sum(values * factors) / N
    ours = compute_loss(name, labels, output, weights=weights, **settings)
    np.testing.assert_allclose(ours.examples, values, rtol=1e-9, atol=1e-10)
    assert ours.mean == pytest.approx(float(mean), rel=1e-9)
    gradient = tape.gradient(mean, given)
    np.testing.assert_allclose(ours.gradient, gradient, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "labels", "output", "settings"), [(a, c, d, e) for a, _, c, d, e in CASES]
)
def test_the_gradient_is_the_slope(name, labels, output, settings):
    if output is SURE:
        pytest.skip("at the bound of what is clipped there is no slope")
    direction = np.random.default_rng(0).normal(size=output.shape) * np.abs(output)
    ahead, behind = (
        compute_loss(name, labels, output + s * direction, weights=WEIGHTS, **settings).mean
        for s in (1e-6, -1e-6)
    )
    ours = compute_loss(name, labels, output, weights=WEIGHTS, **settings)
    assert (ours.gradient * direction).sum() == pytest.approx((ahead - behind) / 2e-6, rel=1e-6)


def test_at_the_logits_the_gradient_is_p_minus_y():
    ours = losses.cross_entropy(IDS, SCORES, from_logits=True)
    np.testing.assert_allclose(ours.gradient, (SHARES - ROWS) / N)
    np.testing.assert_allclose(ours.parts["probabilities"], SHARES)


def test_class_weights_count_by_the_true_class():
    table = [1.0, 2.0, 3.0, 4.0]
    ours = losses.cross_entropy(IDS, SCORES, from_logits=True, class_weights=table)
    plain = losses.cross_entropy(IDS, SCORES, from_logits=True)
    assert ours.mean == pytest.approx((plain.examples * np.array(table)[IDS]).mean())
    both = losses.cross_entropy(IDS, SCORES, from_logits=True, class_weights=table, weights=WEIGHTS)
    np.testing.assert_allclose(both.weights, np.array(table)[IDS] * WEIGHTS)


def test_a_sequence_has_one_value_a_position():
    ours = losses.cross_entropy(IDS[None], SCORES[None], from_logits=True, weights=np.ones(1))
    assert ours.examples.shape == (1, N)


@pytest.mark.tf
def test_penalties_are_those_of_keras():
    keras = pytest.importorskip("keras")
    value, gradient = penalty(SCORES, l1=0.1, l2=0.01)
    expected = keras.regularizers.L1L2(0.1, 0.01)(keras.ops.convert_to_tensor(SCORES))
    assert value == pytest.approx(float(expected))
    np.testing.assert_allclose(gradient, 0.1 * np.sign(SCORES) + 0.02 * SCORES)


def test_an_unknown_loss_is_named():
    with pytest.raises(ReferenceMissingError) as caught:
        compute_loss("poisson", IDS, SCORES)
    assert str(caught.value) == (
        "there is no independent computation of the loss 'poisson'\n"
        "   there is one of: sparse_categorical_crossentropy, categorical_crossentropy,"
        " binary_crossentropy, mse, mae, huber"
    )


@pytest.mark.parametrize("name", ["categorical_crossentropy", "mse"])
def test_labels_that_do_not_fit_are_refused(name):
    with pytest.raises(ShapeError) as caught:
        compute_loss(name, np.ones((N, 3)), SCORES)
    assert str(caught.value) == "labels of shape (5, 3) do not fit an output of (5, 4)"
