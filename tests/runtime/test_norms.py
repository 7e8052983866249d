"""Norms alone: what follows from what is known already is what reading it would give."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from opgraph.analysis import analyze
from opgraph.errors import Source
from opgraph.graph import OpGraph
from opgraph.record import StepTensors, parse_measure
from opgraph.runtime import Step, build
from opgraph.runtime.kernels import reductions
from opgraph.runtime.optimizer import make_optimizer
from opgraph.text import parse

pytestmark = pytest.mark.tf
TOLERANCE = 1e-5  # of each norm
ROUNDING = 1.1 * 2.0**-24  # of a weight: its update is what is taken, before the weight is rounded
POOLED = """
    x: Input(shape=(9, 9, 3))
    x -> c -> n -> r -> p -> c2 -> n2 -> r2 -> q -> f -> logits
    c: Conv2D(filters=6)
    n: BatchNormalization
    r: ReLU
    p: MaxPooling2D
    c2: Conv2D(filters=7)
    n2: BatchNormalization(scale=false)
    r2: ReLU
    q: MaxPooling2D(pool_size=3, strides=2, padding=same)
    f: GlobalAveragePooling2D
"""
SUM_POOLED = """
    x: Input(shape=(9, 9, 3))
    x -> c -> r
    x -> s
    r, s -> add -> p -> f -> logits
    c: Conv2D(filters=5)
    r: ReLU
    s: Conv2D(filters=5, kernel_size=1)
    add: Add
    p: MaxPooling2D
    f: GlobalAveragePooling2D
"""
FIRST = """
    x: Input(shape=(9, 9, 3))
    x -> n -> c -> f -> logits
    n: BatchNormalization
    c: Conv2D(filters=4)
    f: GlobalAveragePooling2D
"""
MASKED = """
    x: Input(shape=(7,), dtype=int32)
    x -> emb -> n -> lstm -> logits
    emb: Embedding(input_dim=20, output_dim=6, mask_zero=true)
    n: BatchNormalization
    lstm: LSTM(units=5)
"""


def graph_of(text: str) -> OpGraph:
    lines = "\n".join(line.strip() for line in text.strip().splitlines())
    return analyze(parse(Source("net", lines), "net"), num_classes=4).require().graph


def make_step(graph: OpGraph, optimizer: str = "adam") -> Step:
    made = make_optimizer(optimizer, 1e-2)
    by = reductions("tensorflow")
    return Step(build(graph, seed=0), made, measure=parse_measure("norms"), statistics=by)


def off(step: Step, tensors: StepTensors) -> dict[str, float]:
    """How far each norm is from that of the tensor in float64, as a share of it."""
    layout, found = tensors.layout, {}
    parts = {"value_": "", "grad_": ".grad", "update_": ".update"}
    for site in (s for s in step.survey.sites if s.kind in ("output", "output_grad", "weight")):
        if site.kind == "weight":
            wanted = {f"{p}sumsq": f"{site.weight}{end}" for p, end in parts.items()}
        else:
            port = "output" if site.port == 0 else f"output.{site.port}"
            wanted = {"sumsq": port + (".grad" if site.kind == "output_grad" else "")}
        for name, what in wanted.items():
            array = tensors[site.node, what]
            if array is None:
                continue
            norm = np.linalg.norm(array.astype(np.float64).ravel())
            got = np.sqrt(float(layout.vector(site, name, tensors.packed[None]).ravel()[0]))
            key = f"{site.node}/{what}"
            less = 0.0
            if what.endswith(".update"):
                less = ROUNDING * float(np.linalg.norm(np.ravel(tensors[site.node, site.weight])))
            found[key] = max(0.0, abs(got - norm) - less) / (norm or 1.0)
    return found


def check(step: Step, tensors: StepTensors) -> None:
    found = off(step, tensors)
    assert len(found) > 10
    assert {key: x for key, x in found.items() if not x <= TOLERANCE} == {}


def batch(making: SimpleNamespace, step: Step, seed: int) -> Any:
    return making.batch(step.core.built, 16, seed)


@pytest.mark.parametrize("text", [POOLED, SUM_POOLED, MASKED], ids=["pooled", "sum", "masked"])
def test_norms_are_those_of_the_tensors(making: SimpleNamespace, text: str) -> None:
    step = make_step(graph_of(text))
    for number in range(1, 4):
        check(step, step.tensors(*batch(making, step, number), step=number))


@pytest.mark.parametrize("offset", [0.0, 1000.0, -1000.0])
@pytest.mark.parametrize("text", [FIRST, POOLED], ids=["first", "pooled"])
def test_norms_where_the_mean_is_far_above_the_deviation(
    making: SimpleNamespace, text: str, offset: float
) -> None:
    step = make_step(graph_of(text))
    for number in (1, 2):
        inputs, labels = batch(making, step, number)
        check(step, step.tensors([inputs[0] + np.float32(offset)], labels, step=number))


def test_norms_where_all_that_relu_reads_is_negative(making: SimpleNamespace) -> None:
    step = make_step(graph_of(POOLED), "sgd")
    step.core.trainable["n/beta"].assign(np.full(6, -100, np.float32))
    tensors = step.tensors(*batch(making, step, 1), step=1)
    assert not tensors["r", "output"].any()
    check(step, tensors)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_norms_of_the_first_steps_of_the_small_sample(
    networks: Callable[[str], OpGraph], making: SimpleNamespace, optimizer: str
) -> None:
    step = make_step(networks("cnn"), optimizer)
    for number in range(1, 22):
        tensors = step.tensors(*batch(making, step, number), step=number)
        check(step, tensors)
