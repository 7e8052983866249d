"""Ops that bring several branches together."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, cast

import numpy as np

from opgraph.reference.computed import Array, Computed, Given, Pulled, shrunk, single
from opgraph.reference.normalization import unit
from opgraph.reference.registry import reference


def _aligned(inputs: tuple[Array, ...]) -> list[Array]:
    """Shorter arrays with axes of size 1 behind the batch, so that all have the same number."""
    most = max(x.ndim for x in inputs)
    return [x.reshape(x.shape[0], *(1,) * (most - x.ndim), *x.shape[1:]) for x in inputs]


def _merged(given: Given, y: Array, parts: Callable[[Array], list[Array]]) -> Computed:
    """A merge; `parts` gives the gradient at each of the stretched inputs."""
    aligned = _aligned(given.inputs)

    def pull(g: Array) -> Pulled:
        rows = zip(parts(g), aligned, given.inputs, strict=True)
        return Pulled(tuple(shrunk(part, x.shape).reshape(own.shape) for part, x, own in rows))

    return single(y, pull)


@reference("Add")
def add(given: Given) -> Computed:
    """Sum of the inputs; the gradient goes to each of them."""
    inputs = _aligned(given.inputs)
    return _merged(given, reduce(np.add, inputs), lambda g: [g] * len(inputs))


@reference("Subtract")
def subtract(given: Given) -> Computed:
    """First minus second; the second gets the gradient with the other sign."""
    first, second = _aligned(given.inputs)
    return _merged(given, first - second, lambda g: [g, -g])


@reference("Average")
def average(given: Given) -> Computed:
    """Mean of the inputs."""
    inputs = _aligned(given.inputs)
    many = len(inputs)
    return _merged(given, reduce(np.add, inputs) / many, lambda g: [g / many] * many)


@reference("Multiply")
def multiply(given: Given) -> Computed:
    """Product of the inputs; each gets the gradient times the product of the others."""
    inputs = _aligned(given.inputs)

    def others(at: int) -> Array:
        return reduce(np.multiply, [*inputs[:at], *inputs[at + 1 :]])

    return _merged(
        given, reduce(np.multiply, inputs), lambda g: [g * others(at) for at in range(len(inputs))]
    )


@reference("Maximum", "Minimum")
def extreme(given: Given) -> Computed:
    """The largest or smallest input; of equal ones the first gets the gradient, as in TensorFlow.

    Parts: `winners`, the number of the input that was taken; `ties`, how many others equal it.
    """
    inputs = np.broadcast_arrays(*_aligned(given.inputs))
    stacked = np.stack(inputs)
    y = stacked.max(axis=0) if given.op.kind == "Maximum" else stacked.min(axis=0)
    winners = (stacked == y).argmax(axis=0)
    plain = _merged(given, y, lambda g: [g * (winners == at) for at in range(len(inputs))])
    ties = (stacked == y).sum(axis=0) - 1
    return Computed(plain.outputs, plain.pull, {"winners": winners, "ties": ties})


@reference("Concatenate")
def concatenate(given: Given) -> Computed:
    """The inputs one after the other; the gradient is cut up again."""
    axis = cast("Any", given.op).axis
    ends = np.cumsum([x.shape[axis] for x in given.inputs])[:-1]
    y = np.concatenate(given.inputs, axis=axis)
    return single(y, lambda g: Pulled(tuple(np.split(g, ends, axis=axis))))


@reference("Dot")
def dot(given: Given) -> Computed:
    """Sums of products along an axis of each input, example by example (keras.layers.Dot)."""
    op = cast("Any", given.op)
    left, right = given.inputs
    axes = op.axes if isinstance(op.axes, tuple) else (op.axes, op.axes)
    i, j = axes[0] % left.ndim, axes[1] % right.ndim
    backs: list[Any] = [lambda g: g, lambda g: g]
    if op.normalize:
        left, _, backs[0] = unit(left, (i,), 1e-12)
        right, _, backs[1] = unit(right, (j,), 1e-12)
    a, b = np.moveaxis(left, i, -1), np.moveaxis(right, j, -1)
    rows, columns = a.shape[1:-1], b.shape[1:-1]
    a, b = a.reshape(len(a), -1, a.shape[-1]), b.reshape(len(b), -1, b.shape[-1])
    y = np.einsum("nac,nbc->nab", a, b, optimize=True)

    def pull(gradient: Array) -> Pulled:
        g = gradient.reshape(y.shape)
        at_a = np.einsum("nab,nbc->nac", g, b, optimize=True).reshape(len(a), *rows, -1)
        at_b = np.einsum("nab,nac->nbc", g, a, optimize=True).reshape(len(b), *columns, -1)
        at_left, at_right = np.moveaxis(at_a, -1, i), np.moveaxis(at_b, -1, j)
        return Pulled((backs[0](at_left), backs[1](at_right)))

    return single(y.reshape(len(y), *(rows + columns or (1,))), pull)
