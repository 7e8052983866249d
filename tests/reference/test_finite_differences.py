"""Every pull against central differences in float64, along random directions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from opgraph.reference import Given, compute

STEP = 1e-6
TOLERANCE = 1e-6


def value(given: Given, cotangents) -> float:
    """The number whose gradient is pulled: the outputs, weighted."""
    outputs = compute(given).outputs
    return sum(float((g * y).sum()) for g, y in zip(cotangents, outputs, strict=True))


def difference(made, array, direction, cotangents) -> float:
    """Slope of that number, as one array is moved along a direction."""
    ahead, behind = (value(made(array + s * direction), cotangents) for s in (STEP, -STEP))
    return (ahead - behind) / (2 * STEP)


def with_input(given, at):
    def made(array):
        return replace(given, inputs=(*given.inputs[:at], array, *given.inputs[at + 1 :]))

    return made


def with_weight(given, name):
    return lambda array: replace(given, weights={**given.weights, name: array})


def check(given: Given) -> int:
    """Compare the pull at each input and weight; returns how many were compared."""
    rng, computed = np.random.default_rng(1), compute(given)
    cotangents = [rng.normal(size=y.shape) for y in computed.outputs]
    pulled = computed.pull(cotangents)
    size = sum(np.abs(g * y).sum() for g, y in zip(cotangents, computed.outputs, strict=True))
    rounding = 4 * np.finfo(np.float64).eps * size / STEP
    rows = [
        (f"input {at}", with_input(given, at), given.inputs[at], gradient)
        for at, gradient in enumerate(pulled.inputs)
        if gradient is not None
    ]
    rows += [
        (name, with_weight(given, name), given.weights[name], gradient)
        for name, gradient in pulled.weights.items()
    ]
    for where, made, array, gradient in rows:
        assert gradient.shape == array.shape, f"{given.op!r}: {where}"
        direction = rng.normal(size=array.shape)
        expected = difference(made, array, direction, cotangents)
        error = abs(float((gradient * direction).sum()) - expected)
        allowed = TOLERANCE * np.abs(gradient * direction).sum() + rounding
        assert error <= allowed, f"{given.op!r}: {where} is off by {error:.1e}"
    return len(rows)


def test_the_pull_is_the_slope(kind, givens):
    compared = sum(check(given) for given in givens(kind))
    assert compared > 0


def test_trainable_weights_all_have_a_gradient(kind, givens):
    for given in givens(kind):
        computed = compute(given)
        pulled = computed.pull([np.ones_like(y) for y in computed.outputs])
        weights = given.op.weights(*(x.shape[1:] for x in given.inputs))
        trainable = [name for name, weight in weights.items() if weight.trainable]
        assert sorted(pulled.weights) == sorted(trainable), f"{given.op!r}"
        assert len(pulled.inputs) == len(given.inputs)


def test_shapes_are_those_of_the_op_library(kind, givens):
    for given in givens(kind):
        shape = given.op.shape(*(x.shape[1:] for x in given.inputs))
        expected = shape if isinstance(shape, list) else [shape]
        assert [y.shape[1:] for y in compute(given).outputs] == expected, f"{given.op!r}"


def test_no_gradient_at_an_output_counts_as_zero(givens):
    given = next(givens("Dense"))
    pulled = compute(given).pull([None])
    assert not pulled.inputs[0].any()
    assert not pulled.weights["kernel"].any()


def test_a_wrong_formula_would_be_seen(givens):
    given = next(givens("Dense"))
    computed = compute(given)
    right = computed.pull([np.ones_like(computed.outputs[0])]).inputs[0]
    wrong = difference(with_input(given, 0), given.x, np.ones_like(given.x), [2 * np.ones((2, 1))])
    assert right.sum() != pytest.approx(wrong)
