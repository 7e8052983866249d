"""Every recorded number against a naive float64 computation from the tensors of the same step.

Tolerances: minima, maxima, counts, fractions and batch-normalisation figures are exact; means are
within 2e-6 of the root mean square, norms within 2e-6 relative (float32 sums of many numbers).
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from opgraph.graph import OpGraph
from opgraph.record import Array, StepTensors, TensorName, make_tables, output_name
from opgraph.runtime import Step, build, statistics
from opgraph.runtime.optimizer import make_optimizer
from opgraph.runtime.state import restore_state, state_arrays
from opgraph.runtime.statistics import reduce_finite

pytestmark = pytest.mark.tf
slow = pytest.mark.slow
RELATIVE = 2e-6

NAMES = [
    *("cnn", "lstm", "shared", "lost", "half", "binary"),
    *(pytest.param(name, marks=slow) for name in ("squeeze", "gelu", "attention", "identity")),
]


def rows(step: Step, tensors: StepTensors) -> dict[Any, list[dict[str, Any]]]:
    host: dict[str, Any] = {name: [0] for name in ("epoch", "index", "batch_size")}
    host |= {"step": [tensors.step], "step_time": [0.0], "input_time": [0.0]}
    host |= {"fingerprint": [""], "time": [None]}
    tables = make_tables(step.layout, tensors.packed[None], host, vectors_every=1)
    return {kind: table.to_pylist() for kind, table in tables.items()}


def finite(array: Array) -> Array:
    values = array.astype(np.float64)
    return values[np.isfinite(values)]


def close(found: float, wanted: float, scale: float) -> bool:
    if np.isnan(wanted):
        return bool(np.isnan(found))
    return abs(found - wanted) <= RELATIVE * scale


def check_output(row: dict[str, Any], array: Array) -> None:
    left = finite(array)
    assert row["count"] == array.size
    assert row["nonfinite"] == array.size - left.size
    if not left.size:
        names = ("mean", "rms", "min", "max", "zero_fraction")
        assert all(np.isnan(row[name]) for name in names)
        return
    rms = float(np.sqrt(np.mean(left**2)))
    assert close(row["mean"], left.mean(), rms)
    assert close(row["rms"], rms, rms)
    assert row["min"] == left.min()
    assert row["max"] == left.max()
    assert row["zero_fraction"] == np.count_nonzero(left == 0) / left.size


def naive_norm(array: Array) -> float:
    left = finite(array)
    return float(np.sqrt(np.sum(left**2))) if left.size else np.nan


def check_norm(found: float | None, array: Array | None) -> None:
    if array is None:
        assert found is None
        return
    assert found is not None
    wanted = naive_norm(array)
    assert close(found, wanted, wanted)


def check_grad(row: dict[str, Any], array: Array | None) -> None:
    assert row["connected"] == (array is not None)
    check_norm(row["norm"], array)
    if array is not None:
        left = finite(array).size
        assert (row["count"], row["nonfinite"]) == (array.size, array.size - left)
        wanted = naive_norm(array) / np.sqrt(left) if left else np.nan
        assert close(row["rms"], wanted, wanted)


def check_weight(row: dict[str, Any], tensors: StepTensors) -> None:
    name = TensorName(row["node"], row["weight"])
    parts = {"value": tensors[name], "grad": tensors[name.grad], "update": tensors[name.update]}
    assert row["connected"] == (parts["grad"] is not None)
    for what, array in parts.items():
        check_norm(row[f"{what}_norm"], array)
        if array is not None:
            assert row[f"{what}_nonfinite"] == array.size - finite(array).size
    assert parts["value"] is not None
    assert parts["update"] is not None
    value, update = naive_norm(parts["value"]), naive_norm(parts["update"])
    if value == 0:
        assert row["update_ratio"] is None
    else:
        assert close(row["update_ratio"], update / value, 2 * update / value)


def check_bn(row: dict[str, Any], tensors: StepTensors) -> None:
    names = {
        "batch_mean": "batch_mean",
        "batch_variance": "batch_variance",
        "moving_mean": "moving_mean.after",
        "moving_variance": "moving_variance.after",
        "moving_mean_before": "moving_mean",
        "moving_variance_before": "moving_variance",
    }
    for column, what in names.items():
        array = tensors[row["node"], what]
        assert array is not None
        left = finite(array)
        wanted = left.mean() if left.size else np.nan
        assert row[column] == pytest.approx(wanted, rel=1e-12, nan_ok=True)
        if f"{column}_channels" in row:
            assert np.array_equal(row[f"{column}_channels"], array, equal_nan=True)


def check_all(step: Step, tensors: StepTensors) -> dict[Any, list[dict[str, Any]]]:
    found = rows(step, tensors)
    for row in found["output"]:
        array = tensors[output_name(row["node"], row["port"])]
        assert array is not None
        check_output(row, array)
    for row in found["output_grad"]:
        check_grad(row, tensors[output_name(row["node"], row["port"]).grad])
    for row in found["weight"]:
        check_weight(row, tensors)
    for row in found["bn"]:
        check_bn(row, tensors)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_quantity_equals_the_naive_computation(
    stepped: Callable[..., SimpleNamespace], name: str
) -> None:
    optimizer = {"cnn": "adam", "gelu": "adam", "squeeze": "momentum", "shared": "adam"}
    run = stepped(name, "tensors", optimizer.get(name, "sgd"))
    for tensors in run.results:
        found = check_all(run.step, tensors)
        nodes = [row["node"] for row in found["output"] if row["port"] == 0]
        assert nodes == list(run.built.graph.order)
        weights = [f"{row['node']}/{row['weight']}" for row in found["weight"]]
        trainable = {n for n, v in run.built.weight_names.items() if v.trainable}
        assert set(weights) == trainable


def test_loss_and_accuracy_equal_the_naive_computation(
    stepped: Callable[..., SimpleNamespace],
) -> None:
    run = stepped("lost", "tensors", "sgd")
    for tensors in run.results:
        (row,) = rows(run.step, tensors)["steps"]
        scores = tensors["logits", "output"].astype(np.float64)
        chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        right = chances[np.arange(len(tensors.labels)), tensors.labels]
        penalty = 0.01 * np.sum(tensors["d", "kernel"].astype(np.float64) ** 2)
        assert row["regularization"] == pytest.approx(penalty, rel=1e-6)
        assert row["loss"] == pytest.approx(-np.log(right).mean() + penalty, rel=1e-6)
        assert row["accuracy"] == np.mean(scores.argmax(axis=1) == tensors.labels)
        assert row["learning_rate"] == np.float32(0.01)


def test_binary_loss_equals_the_naive_computation(
    stepped: Callable[..., SimpleNamespace],
) -> None:
    run = stepped("binary", "tensors", "sgd")
    for tensors in run.results:
        (row,) = rows(run.step, tensors)["steps"]
        chance = tensors["out", "output"][:, 0].astype(np.float64)
        likelihood = np.where(tensors.labels == 1, chance, 1 - chance)
        assert row["loss"] == pytest.approx(-np.log(likelihood).mean(), rel=1e-5)
        assert row["accuracy"] == np.mean((chance > 0.5) == tensors.labels)


def test_learning_rate_is_that_of_the_update(
    networks: Callable[[str], OpGraph], making: SimpleNamespace
) -> None:
    built = build(networks("tiny"), seed=0)
    step = Step(built, make_optimizer("sgd", 0.1, "cosine", 10))
    for number in range(1, 5):
        tensors = step.tensors(*making.batch(built, 8, number), step=number)
        (row,) = rows(step, tensors)["steps"]
        assert row["learning_rate"] == pytest.approx(
            0.05 * (1 + np.cos(np.pi * (number - 1) / 10)), rel=1e-6
        )
        grad, update = tensors["d", "kernel.grad"], tensors["d", "kernel.update"]
        assert grad is not None
        assert np.allclose(update, -row["learning_rate"] * grad, atol=1e-7)


def test_nonfinite_elements_are_counted_and_left_out(
    networks: Callable[[str], OpGraph], making: SimpleNamespace
) -> None:
    built = build(networks("cnn"), seed=0)
    step = Step(built, make_optimizer("sgd", 1e-2))
    start = state_arrays(built, step.core.optimizer)
    for planted in (np.nan, np.inf, -np.inf):
        restore_state(built, start, step.core.optimizer)
        inputs, labels = making.batch(built, 8, 1)
        inputs[0][0, 3, 4, 1] = planted
        inputs[0][5, 0, 0, 0] = 0.0
        found = check_all(step, step.tensors(inputs, labels, step=1))
        output = {row["node"]: row for row in found["output"]}
        assert output["x"]["nonfinite"] == 1
        assert output["x"]["zero_fraction"] > 0
        assert 1 < output["c1"]["nonfinite"] < output["c1"]["count"]
        assert output["n1"]["nonfinite"] == output["n1"]["count"]
        kernel = next(row for row in found["weight"] if row["node"] == "logits")
        assert kernel["grad_nonfinite"] > 0
        assert kernel["value_nonfinite"] == 0
        assert np.isfinite(kernel["value_norm"])


def test_statistics_go_on_after_a_nonfinite_step(
    networks: Callable[[str], OpGraph], making: SimpleNamespace
) -> None:
    built = build(networks("tiny"), seed=0)
    step = Step(built, make_optimizer("sgd", 0.0))
    good, labels = making.batch(built, 8, 1)
    bad = [good[0].copy()]
    bad[0][:] = np.nan
    for number, inputs in enumerate((good, bad, good), 1):
        check_all(step, step.tensors(inputs, labels, step=number))


def test_half_precision_does_not_overflow(stepped: Callable[..., SimpleNamespace]) -> None:
    run = stepped("half", "tensors", "sgd")
    found = {row["node"]: row for row in rows(run.step, run.results[0])["output"]}
    assert found["big"]["rms"] ** 2 > float(np.finfo(np.float16).max)
    assert found["brain"]["rms"] > 1e29
    assert found["brain"]["nonfinite"] == 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_widened_before_it_is_squared_and_summed(dtype: str) -> None:
    exact = np.random.default_rng(0).normal(300, 3, 5000)
    tensor = tf.cast(tf.constant(exact), dtype)
    given = tf.cast(tensor, tf.float64).numpy()
    found = reduce_finite(tensor, ("sum", "sumsq", "min", "max"))
    assert float(found["sum"]) == pytest.approx(given.sum(), rel=RELATIVE)
    assert float(found["sumsq"]) == pytest.approx((given**2).sum(), rel=RELATIVE)
    assert (float(found["min"]), float(found["max"])) == (given.min(), given.max())


@pytest.mark.parametrize("limit", [10, 1 << 24])
def test_counts_are_exact_beyond_what_float32_can_count(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "EXACT_IN_FLOAT32", limit)
    flags = np.random.default_rng(0).random(1000) < 0.5
    assert int(statistics.count_true(tf.constant(flags))) == np.count_nonzero(flags)


def test_count_of_zeros_is_exact_in_a_very_large_tensor() -> None:
    size = (1 << 24) + 3
    found = reduce_finite(tf.zeros((size,), tf.float16), ("zeros", "count"))
    assert (int(found["zeros"]), int(found["count"])) == (size, size)
