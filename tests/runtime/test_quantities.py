"""Every recorded number against a naive float64 computation from the tensors of the same step.

`TOLERANCE` says how far each may be off. Not every cell of network, precision, planted element and
maker of the statistics is met in `make test`, but all are in `make test-slow`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from opgraph.graph import OpGraph
from opgraph.record import (
    Array,
    StepRow,
    StepTensors,
    TensorName,
    count_bins,
    make_tables,
    output_name,
    parse_measure,
)
from opgraph.runtime import Step, build
from opgraph.runtime.kernels import reductions
from opgraph.runtime.optimizer import make_optimizer
from opgraph.runtime.state import restore_state, state_arrays

pytestmark = pytest.mark.tf
slow = pytest.mark.slow

# How far a number may be off, by who made it, and as a share of what. What is not here is exact:
# counts, minima, maxima, fractions of counts, histograms, channels of batch normalisation.
# Statistics of a batch normalisation's output may be derived from those of its input.
TOLERANCE = {
    #                    kernel tensorflow  as a share of
    "mean":             (1e-12, 2e-6),    # root mean square
    "rms":              (1e-12, 2e-6),    # itself
    "norm":             (1e-12, 2e-6),    # itself
    "update_ratio":     (2e-12, 4e-6),    # itself: two norms
    "grad_norm":        (2e-6, 2e-6),     # itself; of all gradients together, in float32
    "channel_mean":     (2e-6, 2e-6),     # largest magnitude
    "channel_variance": (2e-6, 2e-6),     # its square
    "bn":               (2e-6, 2e-6),     # itself: means over channels of what is exact
}  # fmt: skip
MAKERS = ("kernel", "tensorflow")

NAMES = [
    *("cnn", "lstm", "shared", "lost", "half", "binary", "attention", "heads"),
    *(pytest.param(name, marks=slow) for name in ("residual", "squeeze", "gelu", "identity")),
]
# convolutions, a short cut, squeeze and excitation, an embedding and a loop, attention, weights
# that are shared between two inputs, several outputs
FAMILIES = ("cnn", "residual", "squeeze", "lstm", "attention", "shared", "heads")
PRECISIONS = (None, "mixed_float16", "mixed_bfloat16")


def rows(step: Step, tensors: StepTensors) -> dict[Any, list[dict[str, Any]]]:
    host: dict[str, Any] = dict.fromkeys(("epoch", "index", "batch_size", "micro_batches"), 0)
    host |= {"step": tensors.step, "calls": tensors.step, "step_time": 0.0, "input_time": 0.0}
    host |= {"fingerprint": "", "time": None}
    tables = make_tables(step.survey, [StepRow(tensors.packed, tensors.layout, host)])
    return {kind: table.to_pylist() for kind, table in tables.items()}


def finite(array: Array) -> Array:
    values = array.astype(np.float64)
    return values[np.isfinite(values)]


class Checker:
    """Compares rows with tensors; sums may be off by a share that depends on who made them."""

    def __init__(self, step: Step, tensors: StepTensors) -> None:
        self.step, self.tensors = step, tensors
        maker = MAKERS.index(step.reductions.name)
        self.tolerance = {name: shares[maker] for name, shares in TOLERANCE.items()}
        self.whole = step.measure.is_whole(tensors.step)

    def close(
        self, name: str, found: float | None, wanted: float, scale: float, size: int = 1
    ) -> bool:
        assert found is not None
        if np.isnan(wanted):
            return bool(np.isnan(found))
        # squares of float32 numbers below 1e-19 are lost where they are made in float32
        floor = 1e-19 * np.sqrt(size) if self.step.reductions.name == "tensorflow" else 0.0
        return abs(found - wanted) <= self.tolerance[name] * scale + floor

    def tensor(self, row: dict[str, Any], array: Array | None, prefix: str = "") -> None:
        """All that is said about one tensor."""
        names = ("mean", "rms", "norm", "min", "max", "zero_fraction", "nan", "inf", "nonfinite")
        given = {name: row[f"{prefix}{name}"] for name in names}
        if array is None:
            assert set(given.values()) == {None}
            return
        left = finite(array)
        assert given["nan"] == np.count_nonzero(np.isnan(array.astype(np.float64)))
        assert given["nonfinite"] == array.size - left.size == given["nan"] + given["inf"]
        if not left.size:
            assert all(np.isnan(given[name]) for name in ("mean", "rms", "min", "max"))
            return
        rms = float(np.sqrt(np.mean(left**2)))
        norm = float(np.sqrt(np.sum(left**2)))
        assert self.close("mean", given["mean"], float(left.mean()), rms)
        assert self.close("rms", given["rms"], rms, rms)
        assert self.close("norm", given["norm"], norm, norm, left.size)
        assert (given["min"], given["max"]) == (left.min(), left.max())
        assert given["zero_fraction"] == np.count_nonzero(left == 0) / left.size

    def lists(self, row: dict[str, Any], array: Array | None) -> None:
        """Channels and histogram, at the steps at which they are due."""
        names = ("channel_mean", "channel_variance", "channel_active", "histogram")
        if array is None or not self.whole:
            assert all(row[name] is None for name in names)
            return
        assert row["histogram"] == count_bins(array).tolist()
        if array.ndim < 2:
            return
        values = array.astype(np.float64).reshape(-1, array.shape[-1])
        kept = np.isfinite(values)
        with np.errstate(invalid="ignore", divide="ignore"):
            count = kept.sum(axis=0)
            safe = np.where(kept, values, 0.0)
            mean = safe.sum(axis=0) / count
            variance = (np.where(kept, values - mean, 0.0) ** 2).sum(axis=0) / count
            active = (safe > 0).sum(axis=0) / count
        assert np.array_equal(row["channel_active"], active, equal_nan=True)
        scale = float(np.max(np.abs(safe), initial=0.0)) + 1e-30
        for name, wanted, size in (
            ("channel_mean", mean, scale),
            ("channel_variance", variance, scale**2),
        ):
            share = self.tolerance[name]
            assert np.allclose(row[name], wanted, rtol=share, atol=share * size, equal_nan=True)

    def output(self, row: dict[str, Any]) -> None:
        array = self.tensors[output_name(row["node"], row["port"])]
        assert array is not None
        assert row["count"] == array.size
        self.tensor(row, array)
        self.lists(row, array)

    def output_grad(self, row: dict[str, Any]) -> None:
        array = self.tensors[output_name(row["node"], row["port"]).grad]
        assert row["connected"] == (array is not None)
        self.tensor(row, array)
        self.lists(row, array)

    def weight(self, row: dict[str, Any]) -> None:
        name = TensorName(row["node"], row["weight"])
        parts = {n: self.tensors[t] for n, t in
                 (("value", name), ("grad", name.grad), ("update", name.update))}  # fmt: skip
        assert row["connected"] == (parts["grad"] is not None)
        for what, array in parts.items():
            self.tensor(row, array, f"{what}_")
            counted = row[f"{what}_histogram"]
            wanted = None if array is None or not self.whole else count_bins(array).tolist()
            assert counted == wanted
        value, update = (np.linalg.norm(finite(parts[n]).ravel()) for n in ("value", "update"))
        if value == 0:
            assert row["update_ratio"] is None
        else:
            assert self.close("update_ratio", row["update_ratio"], update / value, update / value)

    def slot(self, row: dict[str, Any]) -> None:
        array = self.tensors[row["node"], f"{row['weight']}.{row['slot']}"]
        assert array is not None
        left = finite(array)
        norm = float(np.linalg.norm(left.ravel()))
        assert self.close("norm", row["norm"], norm, norm, left.size)
        assert row["nonfinite"] == array.size - left.size

    def dropout(self, row: dict[str, Any]) -> None:
        mask = self.tensors[row["node"], "mask"]
        assert mask is not None
        assert row["drawn"] == mask.size
        assert row["kept_fraction"] == np.count_nonzero(mask) / mask.size

    def steps(self, row: dict[str, Any]) -> None:
        """The norm of all gradients together; not finite where one of them is not."""
        found = (self.tensors[TensorName(*n.rsplit("/", 1)).grad] for n in self.step.core.trainable)
        grads = np.concatenate([x.astype(np.float64).ravel() for x in found if x is not None])
        if not np.isfinite(grads).all():
            assert not np.isfinite(row["grad_norm"])
            return
        norm = float(np.linalg.norm(grads))
        assert self.close("grad_norm", row["grad_norm"], norm, norm)


def check_bn(row: dict[str, Any], tensors: StepTensors, whole: bool) -> None:
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
        share = max(TOLERANCE["bn"])
        assert row[column] == pytest.approx(wanted, rel=share, abs=1e-9, nan_ok=True)
        if whole:
            assert np.array_equal(row[f"{column}_channels"], array, equal_nan=True)
        else:
            assert row[f"{column}_channels"] is None


def check_all(step: Step, tensors: StepTensors) -> dict[Any, list[dict[str, Any]]]:
    found = rows(step, tensors)
    checker = Checker(step, tensors)
    for kind in ("output", "output_grad", "weight", "slot", "dropout", "steps"):
        for row in found[kind]:
            getattr(checker, kind)(row)
    for row in found["bn"]:
        check_bn(row, tensors, checker.whole)
    return found


@pytest.mark.parametrize("statistics", MAKERS)
@pytest.mark.parametrize("name", NAMES)
def test_every_quantity_equals_the_naive_computation(
    stepped: Callable[..., SimpleNamespace], name: str, statistics: str
) -> None:
    optimizer = {"cnn": "adam", "gelu": "adam", "squeeze": "momentum", "shared": "adam"}
    run = stepped(name, "tensors", optimizer.get(name, "sgd"), statistics=statistics)
    for tensors in run.results[:3]:
        found = check_all(run.step, tensors)
        nodes = [row["node"] for row in found["output"] if row["port"] == 0]
        assert nodes == list(run.built.graph.order)
        weights = [f"{row['node']}/{row['weight']}" for row in found["weight"]]
        trainable = {n for n, v in run.built.weight_names.items() if v.trainable}
        assert set(weights) == trainable


@slow
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("statistics", MAKERS)
@pytest.mark.parametrize("name", FAMILIES)
def test_every_quantity_in_every_precision_with_planted_elements(
    stepped: Callable[..., SimpleNamespace],
    making: SimpleNamespace,
    name: str,
    statistics: str,
    precision: str | None,
) -> None:
    run = stepped(name, "tensors", "adam", statistics=statistics, precision=precision)
    for tensors in run.results[:2]:
        check_all(run.step, tensors)
    inputs, labels = making.batch(run.built, 8, 1)
    start = state_arrays(run.built, run.step.core.optimizer)
    for number, planted in enumerate((np.nan, np.inf, -np.inf), 1):
        restore_state(run.built, start, run.step.core.optimizer)
        weight = plant(run.step, inputs, planted)
        found = check_all(run.step, run.step.tensors(inputs, labels, step=number))
        row = next(r for r in found["weight"] if f"{r['node']}/{r['weight']}" == weight)
        assert (row["value_nan"], row["value_inf"]) == (np.isnan(planted), np.isinf(planted))
        assert any(row["nonfinite"] for row in found["output"])
        assert found["steps"][0]["skipped"] == (1 if precision == "mixed_float16" else None)


def plant(step: Step, inputs: list[np.ndarray], value: float) -> str:
    """Put a number into the first weight, where the inputs make use of it; the weight's name."""
    name, variable = next(iter(step.core.trainable.items()))
    array = variable.numpy()
    first = int(inputs[0].flat[0]) if name.endswith("/embeddings") else 0
    array[first].flat[0] = value
    variable.assign(array)
    return name


@pytest.mark.parametrize("name", ["cnn", "shared"])
def test_every_quantity_of_a_step_in_micro_batches(
    stepped: Callable[..., SimpleNamespace], name: str
) -> None:
    run = stepped(name, "tensors", "adam", parts=3)
    for tensors in run.results[:2]:
        found = rows(run.step, tensors)
        checker = Checker(run.step, tensors)
        for kind in ("output", "output_grad", "weight", "slot", "dropout"):
            for row in found[kind]:
                getattr(checker, kind)(row)
        for row in found["bn"]:
            means = tensors[row["node"], "batch_mean"]
            assert means.shape[0] == 3
            assert row["batch_mean"] == pytest.approx(means.astype(np.float64).mean(), rel=1e-6)


def test_gradients_of_a_scaled_loss_are_reported_unscaled(
    stepped: Callable[..., SimpleNamespace],
) -> None:
    """The gradient of cross-entropy at the scores is known: (p - y) / n."""
    run = stepped("tiny", "tensors", "sgd", precision="mixed_float16")
    tensors = run.results[0]
    (row,) = rows(run.step, tensors)["steps"]
    assert (row["loss_scale"], row["skipped"]) == (2.0**15, 0)
    scores = tensors["logits", "output"].astype(np.float64)
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    wanted = (chances - np.eye(4)[tensors.labels[0]]) / len(scores)
    assert np.allclose(tensors["logits", "output.grad"], wanted, rtol=2e-3, atol=1e-5)
    update = tensors["logits", "bias.update"]
    assert np.allclose(update, -0.01 * tensors["logits", "bias.grad"], rtol=1e-4)


def test_a_skipped_update_is_told(
    networks: Callable[[str], OpGraph], making: SimpleNamespace
) -> None:
    built = build(networks("tiny"), seed=0, precision="mixed_float16")
    optimizer = keras.optimizers.LossScaleOptimizer(make_optimizer("sgd", 0.1))
    step = Step(built, optimizer)
    inputs, labels = making.batch(built, 8, 1)
    inputs[0][0, 0] = np.inf
    first = step.tensors(inputs, labels, step=1)
    (row,) = rows(step, first)["steps"]
    assert (row["loss_scale"], row["skipped"]) == (2.0**15, 1)
    assert not first["d", "kernel.update"].any()
    (row,) = rows(step, step.tensors(*making.batch(built, 8, 2), step=2))["steps"]
    assert (row["loss_scale"], row["skipped"]) == (2.0**14, 0)


@pytest.mark.parametrize("clip", [{"global_clipnorm": 0.1}, {"clipnorm": 0.1}, {"clipvalue": 0.01}])
def test_gradient_norms_before_and_after_clipping(
    networks: Callable[[str], OpGraph], making: SimpleNamespace, clip: dict[str, float]
) -> None:
    built = build(networks("tiny"), seed=0)
    step = Step(built, keras.optimizers.SGD(1.0, **clip))
    tensors = step.tensors(*making.batch(built, 8, 1), step=1)
    (row,) = rows(step, tensors)["steps"]
    names = [TensorName(*n.split("/")) for n in step.core.trainable]
    grads = [tensors[name.grad].astype(np.float64).ravel() for name in names]
    assert row["grad_norm"] == pytest.approx(np.linalg.norm(np.concatenate(grads)), rel=1e-6)
    updates = [tensors[name.update].astype(np.float64).ravel() for name in names]
    clipped = np.linalg.norm(np.concatenate(updates))  # the learning rate is 1
    assert row["clipped_grad_norm"] == pytest.approx(clipped, rel=1e-5)
    assert row["clipped_grad_norm"] < row["grad_norm"]


@pytest.mark.parametrize("jit", [False, pytest.param(True, marks=slow)])
def test_kept_fractions_are_of_masks_and_not_of_zeros(
    stepped: Callable[..., SimpleNamespace], jit: bool
) -> None:
    """A mask explains the output of its dropout, also where the input is zero already."""
    run = stepped("dropouts", "tensors", "sgd", jit=jit)
    read = {"plain": "r1", "spatial": "r2", "once": "d", "twice": "once"}
    rates = {"plain": 0.4, "spatial": 0.3, "alpha": 0.2, "once": 0.5, "twice": 0.5}
    for tensors in run.results:
        found = {row["node"]: row for row in rows(run.step, tensors)["dropout"]}
        assert set(found) == set(rates)
        for node, row in found.items():
            mask = tensors[node, "mask"]
            assert mask is not None
            assert row["kept_fraction"] == mask.mean()
            assert row["drawn"] == mask.size
            assert abs(mask.mean() - (1 - rates[node])) < 0.25
        for node, source in read.items():
            given, made = tensors[source, "output"], tensors[node, "output"]
            wanted = np.where(tensors[node, "mask"], given / np.float32(1 - rates[node]), 0)
            assert np.allclose(made, wanted, rtol=1e-6), node
        alpha = tensors["alpha", "output"][~tensors["alpha", "mask"]]
        assert np.allclose(alpha, alpha[0])  # what is dropped has one value, which is not zero
        assert alpha[0] < -0.5
        assert np.mean(tensors["plain", "output"] != 0) < found["plain"]["kept_fraction"] - 0.1
        assert not np.array_equal(tensors["once", "mask"], tensors["twice", "mask"])


def test_share_of_initial_values_in_the_moving_statistics(
    stepped: Callable[..., SimpleNamespace],
) -> None:
    run = stepped("cnn", "tensors", "adam")
    for tensors in run.results:
        for row in rows(run.step, tensors)["bn"]:
            assert row["initial_weight"] == pytest.approx(0.9**tensors.step, rel=1e-12)
    shared = stepped("shared", "tensors", "adam")
    for row in rows(shared.step, shared.results[0])["bn"]:
        assert row["initial_weight"] == pytest.approx(0.99**2, rel=1e-12)  # called twice a step


def test_loss_and_accuracy_equal_the_naive_computation(
    stepped: Callable[..., SimpleNamespace],
) -> None:
    run = stepped("lost", "tensors", "sgd")
    for tensors in run.results:
        (row,) = rows(run.step, tensors)["steps"]
        scores = tensors["logits", "output"].astype(np.float64)
        chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        right = chances[np.arange(len(tensors.labels[0])), tensors.labels[0]]
        penalty = 0.01 * np.sum(tensors["d", "kernel"].astype(np.float64) ** 2)
        assert row["regularization"] == pytest.approx(penalty, rel=1e-6)
        assert row["loss"] == pytest.approx(-np.log(right).mean() + penalty, rel=1e-6)
        assert row["accuracy"] == np.mean(scores.argmax(axis=1) == tensors.labels[0])
        assert row["learning_rate"] == np.float32(0.01)


def test_losses_of_several_outputs_equal_the_naive_computation(
    stepped: Callable[..., SimpleNamespace],
) -> None:
    run = stepped("heads", "tensors", "sgd", statistics="kernel")
    for tensors in run.results:
        (row,) = rows(run.step, tensors)["steps"]
        classes, numbers = tensors.labels
        scores = tensors["kind", "output"].astype(np.float64)
        chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        kind = -np.log(chances[np.arange(len(classes)), classes]).mean()
        off = tensors["price", "output"].astype(np.float64) - numbers
        penalty = 0.01 * np.sum(tensors["ea", "kernel"].astype(np.float64) ** 2)
        assert row["loss_chances"] == pytest.approx(kind, rel=1e-6)
        assert row["loss_price"] == pytest.approx(np.mean(off**2), rel=1e-6)
        assert row["regularization"] == pytest.approx(penalty, rel=1e-6)
        total = kind + 0.25 * np.mean(off**2)
        assert row["data_loss"] == pytest.approx(total, rel=1e-6)
        assert row["loss"] == pytest.approx(total + penalty, rel=1e-6)
        assert row["chances_accuracy"] == np.mean(scores.argmax(axis=1) == classes)
        assert row["price_mae"] == pytest.approx(np.abs(off).mean(), rel=1e-6)


def test_binary_loss_equals_the_naive_computation(
    stepped: Callable[..., SimpleNamespace],
) -> None:
    run = stepped("binary", "tensors", "sgd")
    for tensors in run.results:
        (row,) = rows(run.step, tensors)["steps"]
        chance = tensors["out", "output"][:, 0].astype(np.float64)
        likelihood = np.where(tensors.labels[0] == 1, chance, 1 - chance)
        assert row["loss"] == pytest.approx(-np.log(likelihood).mean(), rel=1e-5)
        assert row["accuracy"] == np.mean((chance > 0.5) == tensors.labels[0])


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


@pytest.mark.parametrize("statistics", MAKERS)
def test_nonfinite_elements_are_counted_and_left_out(
    networks: Callable[[str], OpGraph], making: SimpleNamespace, statistics: str
) -> None:
    built = build(networks("cnn"), seed=0)
    step = Step(built, make_optimizer("sgd", 1e-2), statistics=reductions(statistics))
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


@pytest.mark.parametrize("statistics", MAKERS)
def test_norms_alone_are_not_finite_where_an_element_is_not(
    networks: Callable[[str], OpGraph], making: SimpleNamespace, statistics: str
) -> None:
    built = build(networks("cnn"), seed=0)
    norms, by = parse_measure("norms"), reductions(statistics)
    step = Step(built, make_optimizer("sgd", 1e-2), measure=norms, statistics=by)
    inputs, labels = making.batch(built, 8, 1)
    inputs[0][0, 3, 4, 1] = np.nan
    tensors = step.tensors(inputs, labels, step=1)
    found = {row["node"]: row["norm"] for row in rows(step, tensors)["output"]}
    assert set(found) == set(built.graph.order)
    for node, norm in found.items():
        with np.errstate(over="ignore"):
            squares = np.square(tensors[node, "output"], dtype=np.float32).sum()
        assert np.isfinite(norm) == np.isfinite(squares), node
    assert np.isnan(found["x"])
    assert np.isnan(found["n1"])


def test_statistics_go_on_after_a_nonfinite_step(
    networks: Callable[[str], OpGraph], making: SimpleNamespace
) -> None:
    built = build(networks("tiny"), seed=0)
    step = Step(built, make_optimizer("sgd", 0.0), measure=parse_measure("full"))
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
