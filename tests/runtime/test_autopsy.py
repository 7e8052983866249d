"""Planted numbers that are not finite, found at their node; and what is said about them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import opgraph
from opgraph.errors import TraceError
from opgraph.record import StepTensors, TensorName
from opgraph.runtime.autopsy import find_culprit, suspects

pytestmark = pytest.mark.tf

DENSE = (
    "x: Input(shape=(8,8,1)) -> flatten -> d: Dense(units=8) -> relu -> e: Dense(units=8)"
    " -> r2: ReLU -> out: Dense(units=10)"
)
HALF = (
    "x: Input(shape=(8,8,1)) -> flatten -> big: Rescaling(scale=3000)"
    " -> d: Dense(units=64, kernel_initializer=ones) -> relu -> out: Dense(units=10)"
)


def keras_model(function: Callable[[Any], Any]) -> Any:
    image = keras.Input((8, 8, 1))
    hidden = keras.layers.Dense(8, name="d")(keras.layers.Flatten()(image))
    return keras.Model(image, keras.layers.Dense(10, name="out")(function(hidden)))


def failed(path: Path, graph: Any, **settings: Any) -> opgraph.Run:
    """A training that ends in NaN; its run."""
    with pytest.raises(TraceError, match="the loss is"):
        opgraph.trace(graph, "digits", output=path, **settings)
    return opgraph.open_run(path)


def test_a_logarithm_of_negative_numbers(tmp_path: Path) -> None:
    run = failed(tmp_path / "run", keras_model(keras.ops.log), steps=5)
    found = run.autopsy()
    assert found is not None
    assert (found.step, found.phase, found.node, found.tensor) == (
        1,
        "forward",
        "log",
        "log.output",
    )
    assert found.verified
    assert found.facts.nan > 0
    assert found.read["d.output"].nonfinite == 0
    assert len(found.elements) == 5
    assert all(element.made_from["d.output"] < 0 for element in found.elements)
    (cause,) = found.causes
    assert cause.startswith("a logarithm, root or fractional power of a negative number: every")
    assert "of d.output is below zero, and no other" in cause
    tensors = run.at(1)
    rows = np.isnan(tensors.find("log", "output")).any(axis=1)
    assert tensors.indices is not None
    assert list(found.examples) == tensors.indices[rows][:5].tolist()
    data = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert data["elements"][0]["value"] == "nan"


def test_a_learning_rate_that_is_too_large(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 1e4, "schedule": None}
    run = failed(tmp_path / "run", DENSE, steps=60, **settings)
    found = run.autopsy()
    assert found is not None
    assert (found.step, found.phase, found.node) == (run.steps.num_rows, "forward", "out")
    assert found.facts.inf > 0
    assert all(facts.nonfinite == 0 for facts in found.read.values())
    assert all(not element.made_from for element in found.elements), "a sum of many products"
    (cause,) = found.causes
    assert cause.startswith("overflow: ")
    assert "(the learning rate is 1e+04); the training has diverged" in cause
    quantity, values = found.past
    assert quantity == "max"
    assert [step for step, _ in values] == list(range(max(1, found.step - 5), found.step + 1))
    assert run.autopsy(1) is None, "the first step was good"


def test_an_overflow_in_float16(tmp_path: Path) -> None:
    found = failed(tmp_path / "run", HALF, steps=20, precision="mixed_float16").autopsy()
    assert found is not None
    assert (found.step, found.phase, found.node, found.op) == (1, "forward", "d", "Dense")
    assert (found.facts.dtype, found.facts.nan) == ("float16", 0)
    assert found.causes[0].startswith(
        "overflow in float16, which ends at 65504; big.output reaches 3000: let the node compute in"
        " float32 (--set d.dtype=float32)"
    )


@pytest.mark.slow
def test_the_way_back(tmp_path: Path) -> None:
    """The root of zero is zero, its slope is not finite."""
    model = keras_model(lambda x: keras.ops.sqrt(keras.ops.relu(x)))
    found = failed(tmp_path / "run", model, steps=5).autopsy()
    assert found is not None
    assert (found.step, found.phase, found.node) == (1, "backward", "sqrt")
    assert found.tensor == "relu.output.grad"
    assert "a logarithm of zero or a division by it" in found.causes[0]


@pytest.mark.slow
def test_the_loss(tmp_path: Path) -> None:
    graph = "x: Input(shape=(8,8,1)) -> flatten -> d: Dense(units=8) -> out: Dense(units=1)"
    run = failed(tmp_path / "run", graph, steps=5, loss="poisson", learning_rate=1e-5)
    found = run.autopsy()
    assert found is not None
    assert (found.step, found.phase, found.node) == (1, "loss", "out")
    assert found.causes[0].startswith("the loss takes a logarithm of the output, which goes down")


@pytest.mark.slow
def test_the_root_of_a_negative_variance(tmp_path: Path) -> None:
    graph = DENSE.replace("relu", "n: Normalization(mean=0, variance=-1)")
    found = failed(tmp_path / "run", graph, steps=2).autopsy()
    assert found is not None
    assert (found.phase, found.node) == ("forward", "n")
    assert found.causes == ("the root of a negative variance: its variance goes down to -1",)


@pytest.mark.slow
def test_steps_that_loss_scaling_leaves_out_come_last(tmp_path: Path) -> None:
    """The loss scale of 32768 is too large for these gradients at first, which is no fault."""
    graph = DENSE.replace(
        "out: Dense(units=10)", "big: Rescaling(scale=100) -> out: Dense(units=10)"
    )
    settings: dict[str, Any] = {"precision": "mixed_float16", "optimizer": "sgd"}
    run = opgraph.trace(
        graph, "digits", output=tmp_path / "run", steps=20, learning_rate=1e-6, **settings
    )
    skipped = [row["step"] for row in run.steps.to_pylist() if row["skipped"]]
    assert 0 < len(skipped) < 20
    assert suspects(run.record)[0] == skipped[0]
    found = run.autopsy()
    assert found is not None
    assert (found.step, found.phase) == (skipped[0], "backward")
    assert found.causes[0].startswith("overflow in float16 on the way back: the loss scale was")


def test_nothing_to_find(tmp_path: Path) -> None:
    run = opgraph.trace(DENSE, "digits", output=tmp_path / "run", steps=3)
    assert run.autopsy() is None
    assert run.autopsy(2) is None
    tensors = run.at(2)
    losses = {"out": np.zeros(3)}
    graph = run.graph.inner

    def broken(node: str, what: str) -> StepTensors:
        """The same step with one element of a tensor that is infinite."""
        array = np.array(tensors.find(node, what))
        array.reshape(-1)[0] = np.inf
        arrays = {**tensors.arrays, TensorName(node, what): array}
        return StepTensors(2, arrays, (), (), tensors.packed, tensors.layout)

    for node, what, phase, at in (
        ("e", "kernel.after", "update", "e"),
        ("e", "kernel.grad", "backward", "e"),
        ("e", "output.grad", "backward", "r2"),
        ("out", "output.grad", "backward", "out"),
        ("x", "output", "forward", "x"),
    ):
        found = find_culprit(broken(node, what), graph, losses)
        assert found is not None
        assert (found.phase, found.node, found.tensor) == (phase, at, f"{node}.{what}")
    both = broken("e", "output")
    arrays = {**both.arrays, TensorName("e", "kernel"): broken("e", "kernel")["e", "kernel"]}
    found = find_culprit(StepTensors(2, arrays, (), (), both.packed, both.layout), graph, losses)
    assert found is not None
    assert (found.phase, found.tensor) == ("before the step", "e.kernel")
