"""Which tensors of a step are read together, and that their figures are right all the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from opgraph.analysis import analyze
from opgraph.errors import Source
from opgraph.graph import OpGraph
from opgraph.record import StepTensors, parse_measure
from opgraph.runtime import Step, build, freeze, statistics
from opgraph.runtime.kernels import reductions
from opgraph.runtime.optimizer import make_optimizer
from opgraph.runtime.passes import Plan, plan_passes
from opgraph.runtime.step import Programs
from tests.runtime.test_quantities import check_all

pytestmark = pytest.mark.tf

CHAIN = "x -> c -> n -> r -> p -> f -> logits\nc: Conv2D(filters=5)\nf: GlobalAveragePooling2D\n"
SHORT = "x -> c -> r -> p -> f -> logits\nc: Conv2D(filters=5)\nr: ReLU\np: MaxPooling2D\n"
BN, RELU = "n: BatchNormalization(momentum=0.9)\n", "r: ReLU\n"
NETWORKS = {
    "chain": CHAIN + BN + RELU + "p: MaxPooling2D(pool_size=2)",
    "same": CHAIN + BN + RELU + "p: MaxPooling2D(pool_size=2, padding=same)",
    "overlap": CHAIN + BN + RELU + "p: MaxPooling2D(pool_size=3, strides=2)",
    "gaps": CHAIN + BN + RELU + "p: MaxPooling2D(pool_size=2, strides=3)",
    "bare_bn": CHAIN
    + "n: BatchNormalization(scale=false, center=false)\n"
    + RELU
    + "p: MaxPooling2D",
    "first_axis": CHAIN + "n: BatchNormalization(axis=1)\n" + RELU + "p: MaxPooling2D",
    "no_bn": SHORT + "f: GlobalAveragePooling2D",
    "flattened": SHORT + "f: Flatten",
    # the pooling is read twice, so that its gradient is a sum
    "twice": """
        x -> c -> r -> p -> f
        p -> g
        f, g -> add -> logits
        c: Conv2D(filters=5)
        r: ReLU
        p: MaxPooling2D
        f: GlobalAveragePooling2D
        g: GlobalMaxPooling2D
        add: Add
    """,
    # relu is read by the pooling and by another
    "relu_twice": """
        x -> c -> r -> p -> f
        r -> g
        f, g -> add -> logits
        c: Conv2D(filters=5)
        r: ReLU
        p: MaxPooling2D
        f: GlobalAveragePooling2D
        g: GlobalAveragePooling2D
        add: Add
    """,
    # relu of a sum
    "residual": """
        x -> c -> n
        x -> s
        n, s -> add -> r -> p -> f -> logits
        c: Conv2D(filters=5)
        n: BatchNormalization
        s: Conv2D(filters=5, kernel_size=1)
        add: Add
        r: ReLU
        p: MaxPooling2D
        f: GlobalAveragePooling2D
    """,
    # the sum of a relu is pooled: what is pooled does not tell where the relu was open
    "sum_pooled": """
        x -> c -> r
        x -> s
        r, s -> add -> p -> f -> logits
        c: Conv2D(filters=5)
        r: ReLU
        s: Conv2D(filters=5, kernel_size=1)
        add: Add
        p: MaxPooling2D
        f: GlobalAveragePooling2D
    """,
    "on_input": "x -> r -> p -> f -> logits\nr: ReLU\np: MaxPooling2D\nf: GlobalAveragePooling2D",
    # two that read one tensor
    "two_relus": """
        x -> c -> r
        c -> q
        c -> n
        r, q, n -> add -> f -> logits
        c: Conv2D(filters=5)
        r: ReLU
        q: ReLU
        n: BatchNormalization
        add: Add
        f: GlobalAveragePooling2D
    """,
}
# output passes, then those of gradients; a name for each row, `-` for nobody's, and zeros on top
POOL_ZEROS = 8 * 5 * (49 - 9)  # 7x7 to 3x3
PLANS = {
    "chain": ["c n r", f"p p' r' n' +{POOL_ZEROS}"],
    "same": ["c n r", f"p p' r' n' +{8 * 5 * (49 - 16)}"],
    "overlap": ["c n r", "- r' - n'"],
    "gaps": ["c n r", f"p p' r' n' +{8 * 5 * (49 - 4)}"],  # 2x2 of 2x2 with a column between
    "bare_bn": ["c n r", f"p p' r' n' +{POOL_ZEROS}"],
    "first_axis": ["n r", f"p p' r' n' +{POOL_ZEROS}"],
    "no_bn": ["c r", f"p p' r' c' +{POOL_ZEROS}"],
    "twice": ["c r", f"p p' r' c' +{POOL_ZEROS}"],
    "relu_twice": ["c r", "- r' - c'"],
    "flattened": ["c r", "- r' - c'"],  # the gradient at p is read as that at f
    "residual": ["c n", "add r", f"p p' r' n' +{POOL_ZEROS}"],  # n' is add's,
    "sum_pooled": ["c r", "- r' - c'"],
    "on_input": ["x r", f"p p' r' - +{8 * 3 * (49 - 9)}"],
    "two_relus": ["c n"],
}


@cache
def network(name: str) -> OpGraph:
    lines = [line.strip() for line in NETWORKS[name].splitlines()]
    text = "\n".join(["x: Input(shape=(7, 7, 3))", *lines])
    return analyze(parse_text(name, text), num_classes=4).require().graph


def parse_text(name: str, text: str) -> OpGraph:
    from opgraph.text import parse

    return parse(Source(name, text), name)


def make_step(graph: OpGraph, measure: Any = "full", by: str = "kernel", **how: Any) -> Step:
    precision = how.pop("precision", None)
    built = build(graph, seed=0, precision=precision)
    optimizer = make_optimizer("sgd", 1e-2)
    measured = measure if not isinstance(measure, str) else parse_measure(measure)
    return Step(
        built, optimizer, measure=measured, statistics=reductions(by), programs=Programs(**how)
    )


def batch(size: int = 8, seed: int = 0, value: float | None = None) -> tuple[list[Any], list[Any]]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(size, 7, 7, 3)).astype(np.float32)
    if value is not None:
        x[:] = value
    return [x], [random.integers(0, 4, size).astype(np.int32)]


@pytest.fixture
def plans(kernel_or_skip: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Plan]:
    """The plan that a step makes."""

    def plans(graph: OpGraph, measure: Any = "full", **how: Any) -> Plan:
        found: list[Plan] = []

        def noted(*given: Any, **more: Any) -> Plan:
            found.append(plan_passes(*given, **more))
            return found[-1]

        monkeypatch.setattr(statistics, "plan_passes", noted)
        inputs, labels = batch()
        make_step(graph, measure, **how).prepare([(*inputs, *labels)], "every")
        return max(found, key=lambda plan: len(plan.passes))

    return plans


@pytest.fixture(scope="session")
def kernel_or_skip() -> None:
    from opgraph.errors import MissingDependencyError

    try:
        reductions("kernel")
    except MissingDependencyError as error:
        pytest.skip(error.problem)


def told(plan: Plan) -> list[str]:
    """Passes that give more than one row, in the order of their names: outputs first."""
    found: list[str] = []
    for one in plan.passes:
        rows = [
            "-" if site is None else site.node + ("'" if site.kind == "output_grad" else "")
            for site in one.rows
        ]
        if len(rows) > 1:
            found.append(" ".join(rows) + (f" +{one.zeros}" if one.zeros else ""))
    return sorted(found, key=lambda text: ("'" in text, text))


@pytest.mark.parametrize("name", PLANS)
def test_what_is_read_together(plans, name):
    graph = network(name)
    plan = plans(graph)
    assert told(plan) == sorted(PLANS[name], key=lambda text: ("'" in text, text))
    rows = [site for one in plan.passes for site in one.rows if site is not None]
    rows += [site for site, _ in plan.shared]
    assert len(rows) == len(set(rows))  # each site once
    outputs = [site.node for site in rows if site.kind == "output"]
    assert sorted(outputs) == sorted(graph.order)


def test_flatten_and_its_gradient_have_the_numbers_of_their_source(plans):
    shared = {(a.kind, a.node, b.node) for a, b in plans(network("flattened")).shared}
    assert shared == {("output", "f", "p"), ("output_grad", "p", "f")}


def test_a_frozen_batch_normalisation_is_read_with_its_source(plans):
    graph = freeze(network("chain"), "n").graph
    assert told(plans(graph)) == sorted(PLANS["chain"], key=lambda text: ("'" in text, text))


def test_only_relu_is_known_in_mixed_precision(plans):
    """Batch normalisation works in float32 between two casts."""
    graph = network("chain")
    for precision in ("mixed_float16", "mixed_bfloat16"):
        rows = told(plans(graph, precision=precision))
        assert rows[0] == "n r"
        assert not any(row.startswith("c n") for row in rows)


def test_what_xla_hands_over_is_read_for_itself(plans):
    plan = plans(network("chain"), jit=True)
    assert told(plan) == []
    assert plan.shared == ()


def test_tensorflows_operations_read_each_for_itself(plans):
    assert told(plans(network("chain"), by="tensorflow")) == []


@pytest.mark.parametrize(
    ("sites", "rows"),
    [
        ("c", []),
        ("n", []),
        ("r", []),
        ("c,r", []),  # what is between them is not asked for
        ("n,r", ["n r", "- r' - n'"]),
        ("c,n", ["c n"]),
        ("r,p", [f"p p' r' - +{POOL_ZEROS}"]),
        ("p", []),
        ("n,p", []),
        ("n,r,p", ["n r", f"p p' r' n' +{POOL_ZEROS}"]),
    ],
)
def test_globs_that_take_a_part_of_a_group(plans, sites, rows):
    assert told(plans(network("chain"), parse_measure("full", sites))) == rows


def check(step: Step, inputs: list[Any], labels: list[Any]) -> StepTensors:
    tensors = step.tensors(inputs, labels, step=1)
    check_all(step, tensors)
    return tensors


BATCHES = {
    "random": {},
    "one value": {"value": 0.5},  # ties in every window
    "nothing": {"value": 0.0},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_figures_of_every_plan_equal_the_naive_computation(kernel_or_skip, name):
    step = make_step(network(name))
    for values in BATCHES.values():
        check(step, *batch(**values))


@pytest.mark.parametrize("name", ["chain", "no_bn", "residual"])
def test_figures_where_every_window_is_all_zero(kernel_or_skip, name):
    """Everything that relu reads is negative."""
    step = make_step(network(name))
    weight = "n/beta" if name == "chain" else "c/bias"
    step.core.trainable[weight].assign(np.full(5, -100, np.float32))
    if name == "residual":
        step.core.trainable["s/bias"].assign(np.full(5, -100, np.float32))
    tensors = check(step, *batch())
    assert not tensors["r", "output"].any()
    assert not tensors["n" if name != "no_bn" else "c", "output.grad"].any()


@pytest.mark.parametrize("planted", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["chain", "no_bn", "sum_pooled", "on_input", "relu_twice"])
def test_figures_where_an_element_is_not_finite(kernel_or_skip, name, planted):
    step = make_step(network(name))
    inputs, labels = batch()
    inputs[0][2, 3, 4, 1] = planted
    check(step, inputs, labels)


@pytest.mark.slow
@pytest.mark.parametrize("precision", [None, "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("how", [{"by": "tensorflow"}, {}, {"jit": True}])
@pytest.mark.parametrize("name", NETWORKS)
def test_figures_in_every_precision_and_by_every_maker(kernel_or_skip, name, how, precision):
    step = make_step(network(name), precision=precision, **how)
    for values in BATCHES.values():
        check(step, *batch(**values))


@pytest.mark.parametrize("sites", ["n,r", "c,r", "r,p", "n,p"])
def test_figures_of_a_part_of_a_group(kernel_or_skip, sites):
    step = make_step(network("chain"), parse_measure("full", sites))
    tensors = step.tensors(*batch(), step=1)
    from tests.runtime.test_quantities import Checker, rows

    checker = Checker(step, tensors)
    found = rows(step, tensors)
    assert {row["node"] for row in found["output"]} == set(sites.split(","))
    for kind in ("output", "output_grad"):
        for row in found[kind]:
            getattr(checker, kind)(row)
