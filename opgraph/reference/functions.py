"""Functions of one number with their derivatives, and those over an axis with their pulls.

By Keras's names, with the constants of keras.activations in Keras 3.15. Knows no op.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from opgraph.errors import ReferenceMissingError
from opgraph.reference.computed import Array

Back = Callable[[Array], Array]


class Function(NamedTuple):
    """A function of one number: its value, and its derivative there."""

    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]


_erf: Callable[[Array], Array] = np.vectorize(math.erf, otypes=[np.float64])


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), written so that exp never overflows.

    >>> sigmoid(np.array([0.0, -1000.0]))
    array([0.5, 0. ])
    """
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def softplus(x: Array) -> Array:
    """log(1 + exp(x))."""
    return np.logaddexp(0, x)


def _sigmoid_slope(x: Array) -> Array:
    return sigmoid(x) * sigmoid(-x)


def _tanh_slope(x: Array) -> Array:
    return 1 - np.tanh(x) ** 2


def _normal(x: Array) -> Array:
    """Share of the standard normal distribution below x."""
    return (1 + _erf(x / math.sqrt(2))) / 2


def _normal_density(x: Array) -> Array:
    return np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


def elu(alpha: float, scale: float = 1.0) -> Function:
    """Scale * x above zero, scale * alpha * (exp(x) - 1) below (Clevert et al. 2016)."""
    return Function(
        lambda x: scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
        lambda x: scale * np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0))),
    )


def leaky(slope: float) -> Function:
    """X above zero, slope * x below (Maas et al. 2013)."""
    return Function(
        lambda x: np.where(x > 0, x, slope * x if slope else 0.0),
        lambda x: np.where(x > 0, 1, slope),
    )


def clipped(low: float, high: float, factor: float = 1.0, offset: float = 0.0) -> Function:
    """Factor * x + offset, kept between two bounds."""

    def inside(x: Array) -> Array:
        line = factor * x + offset
        return (line > low) & (line < high)

    return Function(
        lambda x: np.clip(factor * x + offset, low, high),
        lambda x: np.where(inside(x), factor, 0.0),
    )


def shrink(threshold: float, soft: bool) -> Function:
    """0 within the threshold, x outside; softly: moved towards 0 by it."""

    def value(x: Array) -> Array:
        return np.where(np.abs(x) > threshold, x - soft * threshold * np.sign(x), 0.0)

    return Function(value, lambda x: np.where(np.abs(x) > threshold, 1.0, 0.0))


def _mish_slope(x: Array) -> Array:
    squashed = np.tanh(softplus(x))
    return squashed + x * (1 - squashed**2) * sigmoid(x)


def _sparse_plus(x: Array) -> Array:
    return np.where(x <= -1, 0.0, np.where(x < 1, (x + 1) ** 2 / 4, x))


_HARD_SIGMOID = clipped(0, 1, 1 / 6, 0.5)

FUNCTIONS: dict[str, Function] = {
    "linear": Function(lambda x: x, np.ones_like),
    "relu": leaky(0),
    "relu6": clipped(0, 6),
    "leaky_relu": leaky(0.2),
    "elu": elu(1),
    "celu": elu(1),  # alpha is 1 by default, where both are the same
    "selu": elu(1.6732632423543772, 1.0507009873554805),  # Klambauer et al. 2017
    "sigmoid": Function(sigmoid, _sigmoid_slope),
    "silu": Function(
        lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * sigmoid(-x))
    ),  # Ramachandran et al. 2017
    "log_sigmoid": Function(lambda x: -softplus(-x), lambda x: sigmoid(-x)),
    "tanh": Function(np.tanh, _tanh_slope),
    "tanh_shrink": Function(lambda x: x - np.tanh(x), lambda x: np.tanh(x) ** 2),
    "gelu": Function(
        lambda x: x * _normal(x), lambda x: _normal(x) + x * _normal_density(x)
    ),  # Hendrycks & Gimpel 2016, the exact form
    "softplus": Function(softplus, sigmoid),
    "softsign": Function(lambda x: x / (1 + np.abs(x)), lambda x: 1 / (1 + np.abs(x)) ** 2),
    "mish": Function(lambda x: x * np.tanh(softplus(x)), _mish_slope),  # Misra 2019
    "exponential": Function(np.exp, np.exp),
    "hard_sigmoid": _HARD_SIGMOID,
    "hard_silu": Function(
        lambda x: x * _HARD_SIGMOID.value(x),
        lambda x: _HARD_SIGMOID.value(x) + x * _HARD_SIGMOID.slope(x),
    ),  # Howard et al. 2019
    "hard_tanh": clipped(-1, 1),
    "hard_shrink": shrink(0.5, soft=False),
    "soft_shrink": shrink(0.5, soft=True),
    "squareplus": Function(
        lambda x: (x + np.sqrt(x**2 + 4)) / 2, lambda x: (1 + x / np.sqrt(x**2 + 4)) / 2
    ),
    "sparse_plus": Function(_sparse_plus, lambda x: np.clip((x + 1) / 2, 0, 1)),
    "sparse_sigmoid": clipped(0, 1, 0.5, 0.5),
}


def pointwise(function: Function, x: Array) -> tuple[Array, Back]:
    """A function applied to each number: g * f'(x) is the gradient at x."""
    return function.value(x), lambda gradient: gradient * function.slope(x)


def softmax(x: Array, axis: int | tuple[int, ...] = -1) -> tuple[Array, Back]:
    """exp(x) / sum(exp(x)); its Jacobian is diag(y) - y y^T (Bishop 2006, equation 4.106).

    >>> softmax(np.zeros((1, 4)))[0]
    array([[0.25, 0.25, 0.25, 0.25]])
    """
    raised = np.exp(x - x.max(axis=axis, keepdims=True))
    y = raised / raised.sum(axis=axis, keepdims=True)
    return y, lambda g: y * (g - (g * y).sum(axis=axis, keepdims=True))


def log_softmax(x: Array) -> tuple[Array, Back]:
    """The logarithm of the softmax over the last axis."""
    shifted = x - x.max(axis=-1, keepdims=True)
    y = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return y, lambda g: g - np.exp(y) * g.sum(axis=-1, keepdims=True)


def sparsemax(x: Array) -> tuple[Array, Back]:
    """The point of the simplex nearest to x (Martins & Astudillo 2016, algorithm 1)."""
    ordered = -np.sort(-x, axis=-1)
    totals = np.cumsum(ordered, axis=-1)
    ranks = np.arange(1, x.shape[-1] + 1)
    supported = 1 + ranks * ordered > totals
    size = supported.sum(axis=-1, keepdims=True)
    threshold = (np.take_along_axis(totals, size - 1, axis=-1) - 1) / size
    y = np.maximum(x - threshold, 0)

    def back(gradient: Array) -> Array:
        inside = (y > 0).astype(np.float64)
        mean = (gradient * inside).sum(axis=-1, keepdims=True) / inside.sum(axis=-1, keepdims=True)
        return inside * (gradient - mean)

    return y, back


def glu(x: Array) -> tuple[Array, Back]:
    """The first half of the channels times the sigmoid of the second (Dauphin et al. 2017)."""
    left, right = np.split(x, 2, axis=-1)
    gate = sigmoid(right)

    def back(g: Array) -> Array:
        return np.concatenate([g * gate, g * left * _sigmoid_slope(right)], axis=-1)

    return left * gate, back


OVER_AN_AXIS: dict[str, Callable[[Array], tuple[Array, Back]]] = {
    "softmax": softmax,
    "log_softmax": log_softmax,
    "sparsemax": sparsemax,
    "glu": glu,
}


def apply_function(name: Any, x: Array) -> tuple[Array, Back]:
    """A function by Keras's name: its values, and the map from gradients there to gradients at x.

    Raises:
        ReferenceMissingError: it is a function of the user's own.

    >>> y, back = apply_function("tanh", np.array([0.0]))
    >>> y, back(np.array([3.0]))
    (array([0.]), array([3.]))
    """
    if name is None:
        return x, lambda gradient: gradient
    if not isinstance(name, str) or name not in FUNCTIONS | OVER_AN_AXIS:
        raise ReferenceMissingError(f"there is no independent computation of the function {name!r}")
    if name in OVER_AN_AXIS:
        return OVER_AN_AXIS[name](x)
    return pointwise(FUNCTIONS[name], x)
