"""Every loss and metric against a formula of its own in NumPy float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from opgraph.graph import Endpoint
from opgraph.runtime.losses import LOSSES, read_loss
from opgraph.runtime.metrics import METRICS, metric_named
from opgraph.runtime.objective import Head

pytestmark = pytest.mark.tf
RANDOM = np.random.default_rng(1)
IDS = np.array([0, 3, 1, 1, 2, 3])
SCORES = RANDOM.normal(size=(6, 4))
NUMBERS = RANDOM.normal(size=(6, 4))
FLAGS = (RANDOM.random((6, 4)) < 0.4).astype(float)
POSITIVE = RANDOM.random((6, 4)) + 0.1
SPREAD = POSITIVE / POSITIVE.sum(1, keepdims=True)


def softmax(values: np.ndarray) -> np.ndarray:
    raised = np.exp(values)
    return raised / raised.sum(-1, keepdims=True)


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


ONE_HOT = np.eye(4)[IDS]
RIGHT = softmax(SCORES)[range(6), IDS]
CHANCE = np.where(FLAGS == 1, sigmoid(SCORES), 1 - sigmoid(SCORES))
OFF = np.abs(SCORES - NUMBERS)
SIGNED = 2 * FLAGS - 1
PROBABLE, SURE = softmax(SCORES), sigmoid(SCORES)
QUOTIENT = np.log(SPREAD / PROBABLE)

# loss as written, labels, output, value
CASES: dict[str, tuple[str, np.ndarray, np.ndarray, float]] = {
    "sparse, scores": (
        "sparse_categorical_crossentropy(from_logits=true)", IDS, SCORES, -np.log(RIGHT).mean(),
    ),
    "sparse, chances": (
        "sparse_categorical_crossentropy", IDS, PROBABLE, -np.log(RIGHT).mean(),
    ),
    "categorical, class ids": (
        "categorical_crossentropy(from_logits=true)", IDS, SCORES, -np.log(RIGHT).mean(),
    ),
    "categorical, rows": (
        "categorical_crossentropy", SPREAD, PROBABLE, -(SPREAD * np.log(PROBABLE)).sum(1).mean(),
    ),
    "categorical, smoothed": (
        "categorical_crossentropy(label_smoothing=0.3)", IDS, PROBABLE,
        -((ONE_HOT * 0.7 + 0.3 / 4) * np.log(PROBABLE)).sum(1).mean(),
    ),
    "focal of classes": (
        "categorical_focal(alpha=0.5, gamma=3)", IDS, PROBABLE,
        -(0.5 * (1 - RIGHT) ** 3 * np.log(RIGHT)).mean(),
    ),
    "hinge of classes": (
        "categorical_hinge", IDS, SCORES,
        np.maximum(
            0, np.max(SCORES * (1 - ONE_HOT), 1) - (SCORES * ONE_HOT).sum(1) + 1
        ).mean(),
    ),
    "binary, scores": (
        "binary_crossentropy(from_logits=true)", FLAGS, SCORES, -np.log(CHANCE).mean(),
    ),
    "binary, chances": ("binary_crossentropy", FLAGS, SURE, -np.log(CHANCE).mean()),
    "focal of flags": (
        "binary_focal(gamma=1.5, from_logits=true)", FLAGS, SCORES,
        -((1 - CHANCE) ** 1.5 * np.log(CHANCE)).mean(),
    ),
    "hinge": ("hinge", FLAGS, SCORES, np.maximum(0, 1 - SIGNED * SCORES).mean()),
    "squared hinge": (
        "squared_hinge", FLAGS, SCORES, (np.maximum(0, 1 - SIGNED * SCORES) ** 2).mean(),
    ),
    "mse": ("mean_squared_error", NUMBERS, SCORES, (OFF**2).mean()),
    "mse of class ids": ("mse", IDS, SCORES, ((SCORES - ONE_HOT) ** 2).mean()),
    "mae": ("mae", NUMBERS, SCORES, OFF.mean()),
    "mape": ("mape", POSITIVE, SCORES, 100 * (np.abs(SCORES - POSITIVE) / POSITIVE).mean()),
    "msle": (
        "msle", POSITIVE, SPREAD, ((np.log1p(POSITIVE) - np.log1p(SPREAD)) ** 2).mean(),
    ),
    "huber": (
        "huber(delta=0.7)", NUMBERS, SCORES,
        np.where(OFF <= 0.7, OFF**2 / 2, 0.7 * (OFF - 0.35)).mean(),
    ),
    "log_cosh": ("logcosh", NUMBERS, SCORES, np.log(np.cosh(OFF)).mean()),
    "poisson": ("poisson", POSITIVE, SPREAD, (SPREAD - POSITIVE * np.log(SPREAD)).mean()),
    "kl_divergence": ("kld", SPREAD, PROBABLE, (SPREAD * QUOTIENT).sum(1).mean()),
    "cosine_similarity": (
        "cosine_similarity", NUMBERS, SCORES,
        -((NUMBERS * SCORES).sum(1)
          / np.linalg.norm(NUMBERS, axis=1) / np.linalg.norm(SCORES, axis=1)).mean(),
    ),
}  # fmt: skip


def tensor(array: np.ndarray, dtype: Any) -> Any:
    return tf.constant(array, tf.int32 if array.dtype.kind == "i" else dtype)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_loss_is_its_formula(case: str, dtype: str) -> None:
    text, labels, output, wanted = CASES[case]
    found = read_loss(text).values(tensor(labels, dtype), tensor(output, dtype))
    assert found.dtype == dtype
    # Keras keeps chances 1e-7 away from 0 and 1
    assert float(found) == pytest.approx(wanted, rel=2e-5 if dtype == "float32" else 2e-6)


def test_every_loss_has_a_formula() -> None:
    assert {read_loss(text).name for text, *_ in CASES.values()} == set(LOSSES)


def test_numbers_without_an_axis_of_their_own_meet_a_single_unit() -> None:
    labels, output = RANDOM.normal(size=5), RANDOM.normal(size=(5, 1))
    found = read_loss("mse").values(tf.constant(labels), tf.constant(output))
    assert float(found) == pytest.approx(np.mean((labels - output[:, 0]) ** 2))


def test_whole_numbers_that_meet_a_single_unit_stay_numbers() -> None:
    labels, output = np.array([0, 1, 5]), RANDOM.normal(size=(3, 1))
    found = read_loss("mse").values(tf.constant(labels, tf.int32), tf.constant(output))
    assert float(found) == pytest.approx(np.mean((labels - output[:, 0]) ** 2))


def test_a_function_is_weighed_like_the_others() -> None:
    labels, output = RANDOM.normal(size=(3, 2)), RANDOM.normal(size=(3, 2))
    loss = read_loss(lambda wanted, found: tf.abs(wanted - found))
    weights = tf.constant([0.5, 2.0, 4.0])
    found = loss.values(tf.constant(labels), tf.constant(output), weights)
    wanted = np.mean(np.abs(labels - output) * np.array([[0.5], [2.0], [4.0]]))
    assert float(found) == pytest.approx(wanted)


def test_sequences_of_classes() -> None:
    ids, output = RANDOM.integers(0, 4, (3, 5)), RANDOM.normal(size=(3, 5, 4))
    chances = softmax(output).reshape(-1, 4)[range(15), ids.reshape(-1)]
    for name in ("sparse_categorical_crossentropy", "categorical_crossentropy"):
        loss = read_loss(f"{name}(from_logits=true)")
        found = loss.values(tf.constant(ids, tf.int32), tf.constant(output))
        assert float(found) == pytest.approx(-np.log(chances).mean())


CLASS_HEAD = Head(Endpoint("d"), "sparse_categorical_crossentropy", True, units=8)
BINARY_HEAD = Head(Endpoint("d"), "binary_crossentropy", False, units=1)
FLAG_HEAD = Head(Endpoint("d"), "binary_crossentropy", True, kind="flags")
NUMBER_HEAD = Head(Endpoint("d"), "mse", kind="numbers")
MANY = RANDOM.normal(size=(20, 8))
MANY_IDS = RANDOM.integers(0, 8, 20)
ONE, ONE_ID = RANDOM.random((20, 1)), RANDOM.integers(0, 2, 20)
TOLD, THERE = ONE[:, 0] > 0.5, ONE_ID == 1
ORDER = np.argsort(-MANY, axis=1)[:, :5]

METRIC_CASES: dict[str, tuple[Head, np.ndarray, np.ndarray, float]] = {
    "accuracy": (CLASS_HEAD, MANY_IDS, MANY, (MANY.argmax(1) == MANY_IDS).mean()),
    "categorical_accuracy": (CLASS_HEAD, MANY_IDS, MANY, (MANY.argmax(1) == MANY_IDS).mean()),
    "top_5_accuracy": (CLASS_HEAD, MANY_IDS, MANY, (MANY_IDS[:, None] == ORDER).any(1).mean()),
    "top_1_accuracy": (CLASS_HEAD, MANY_IDS, MANY, (MANY.argmax(1) == MANY_IDS).mean()),
    "binary_accuracy": (FLAG_HEAD, FLAGS, SCORES, ((SCORES > 0) == FLAGS).mean()),
    "precision": (BINARY_HEAD, ONE_ID, ONE, (TOLD & THERE).sum() / TOLD.sum()),
    "recall": (BINARY_HEAD, ONE_ID, ONE, (TOLD & THERE).sum() / THERE.sum()),
    "f1": (BINARY_HEAD, ONE_ID, ONE, 2 * (TOLD & THERE).sum() / (TOLD.sum() + THERE.sum())),
    "mse": (NUMBER_HEAD, NUMBERS, SCORES, (OFF**2).mean()),
    "rmse": (NUMBER_HEAD, NUMBERS, SCORES, np.sqrt((OFF**2).mean())),
    "mae": (NUMBER_HEAD, NUMBERS, SCORES, OFF.mean()),
    "mape": (NUMBER_HEAD, POSITIVE, SCORES, 100 * (np.abs(SCORES - POSITIVE) / POSITIVE).mean()),
    "cosine_similarity": (
        NUMBER_HEAD, NUMBERS, SCORES,
        ((NUMBERS * SCORES).sum(1) / np.linalg.norm(NUMBERS, axis=1)
         / np.linalg.norm(SCORES, axis=1)).mean(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", [*METRICS, "top_1_accuracy"])
def test_metric_is_its_formula_and_adds_up_over_batches(name: str) -> None:
    head, labels, output, wanted = METRIC_CASES[name]
    metric = metric_named(name)
    assert metric.fits(head)
    total = count = 0.0
    for part in (slice(0, 2), slice(2, 3), slice(3, None)):
        pair = metric.pair(head, tensor(labels[part], "float32"), tensor(output[part], "float32"))
        total, count = total + float(pair[0]), count + float(pair[1])
    assert metric.value(total, count) == pytest.approx(wanted, rel=1e-5)


def test_a_metric_of_nothing_is_no_number() -> None:
    assert np.isnan(METRICS["precision"].value(0, 0))


def test_five_of_three_classes_are_all() -> None:
    metric: Callable[..., Any] = METRICS["top_5_accuracy"].pair
    right, count = metric(CLASS_HEAD, tf.constant([0, 1]), tf.zeros((2, 3)))
    assert (int(right), int(count)) == (2, 2)
