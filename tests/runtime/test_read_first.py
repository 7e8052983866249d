"""A change of a large weight waits for those who read it, and not one bit is other for it."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from opgraph.analysis import analyze
from opgraph.errors import Source
from opgraph.graph import OpGraph
from opgraph.record import parse_measure
from opgraph.runtime import Step, build
from opgraph.runtime.kernels import LARGE, reductions
from opgraph.runtime.optimizer import make_optimizer
from opgraph.text import parse
from tests.runtime.test_quantities import check_all

pytestmark = pytest.mark.tf
TEXT = "x: Input(shape=(300,))\nx -> d -> r -> logits\nd: Dense(units=260)\nr: ReLU"
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {},
    "adam": {},
    "adamw": {},
    "momentum": {"clip": {"clip_global_norm": 0.01}},
    "adam ": {"ema": 0.9},
}
MODES = (("full", "kernel"), ("full", "tensorflow"), ("norms", "tensorflow"))
CHANGES = ("AssignSubVariableOp", "AssignVariableOp")


@cache
def network() -> OpGraph:
    return analyze(parse(Source("large", TEXT), "large"), num_classes=4).require().graph


@cache
def trained(name: str, precision: str | None, mode: str, by: str) -> SimpleNamespace:
    built = build(network(), seed=0, precision=precision)
    optimizer = make_optimizer(name.strip(), 1e-2, **OPTIMIZERS[name])
    if precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    measure = parse_measure("full" if mode == "bare" else mode)
    step = Step(built, optimizer, measure=measure, statistics=reductions(by))
    random = np.random.default_rng(0)
    for number in range(1, 5):
        x = random.normal(size=(8, 300)).astype(np.float32)
        given = [x], [random.integers(0, 4, 8).astype(np.int32)]
        if mode == "bare":
            step.bare(*given)
        else:
            step.measured(*given, step=number)
    variables = (*built.model.variables, *step.core.optimizer.variables)
    return SimpleNamespace(step=step, state=[v.numpy() for v in variables])


def test_the_weight_is_a_large_one() -> None:
    assert LARGE <= 300 * 260


@pytest.mark.parametrize("precision", [None, pytest.param("mixed_float16", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_no_bit_is_other_than_in_the_bare_step(name: str, precision: str | None) -> None:
    bare = trained(name, precision, "bare", "tensorflow")
    assert any(array.size >= LARGE for array in bare.state)
    for mode, by in MODES:
        found = trained(name, precision, mode, by).state
        assert len(found) == len(bare.state)
        for one, other in zip(found, bare.state, strict=True):
            assert one.tobytes() == other.tobytes(), (mode, by)


def waiting(step: Step) -> dict[str, list[str]]:
    """Kinds of operations that each change of the large weight waits for, by its kind."""
    variable = step.core.trainable["d/kernel"].value
    program = next(made for (mode, *_), made in step._made.items() if mode != "bare")
    graph = program.graph
    handle = next(inner for outer, inner in graph.captures if outer is variable.handle)
    return {
        user.type: [op.type for op in user.control_inputs]
        for user in handle.consumers()
        if user.type in CHANGES
    }


@pytest.mark.parametrize(("mode", "by"), MODES)
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_the_change_waits_for_the_numbers(name: str, mode: str, by: str) -> None:
    step = trained(name, None, mode, by).step
    readers = {"kernel": "OpgraphWeightMoments", "tensorflow": "Reshape"}
    if mode == "norms":
        readers["tensorflow"] = "L2Loss"
    assert readers[by] in waiting(step)["AssignSubVariableOp"]


def test_the_second_look_at_numbers_that_are_not_finite_waits_for_nobody() -> None:
    """It is a program of its own, in which the change does not stand."""
    built = build(network(), seed=0)
    by = reductions("tensorflow")
    step = Step(built, make_optimizer("sgd", 1e-2), measure=parse_measure("full"), statistics=by)
    inputs, labels = [np.ones((8, 300), np.float32)], [np.zeros(8, np.int32)]
    inputs[0][3, 7] = np.nan
    check_all(step, step.tensors(inputs, labels, step=1))


def test_where_more_is_done_to_a_weight_nobody_waits() -> None:
    """Weight decay changes the weight as well."""
    found = waiting(trained("adamw", None, "full", "kernel").step)
    assert not any("OpgraphWeightMoments" in kinds for kinds in found.values())
