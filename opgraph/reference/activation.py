"""Functions applied to each number, or over an axis."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from opgraph.reference.computed import Array, Computed, Given, Pulled, shrunk, single
from opgraph.reference.functions import (
    Back,
    Function,
    apply_function,
    elu,
    leaky,
    pointwise,
    softmax,
)
from opgraph.reference.registry import reference

NAMED = {
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "GELU": "gelu",
    "SiLU": "silu",
    "SELU": "selu",
    "CELU": "celu",
    "ReLU6": "relu6",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "HardSigmoid": "hard_sigmoid",
    "HardSiLU": "hard_silu",
    "HardTanh": "hard_tanh",
    "HardShrink": "hard_shrink",
    "SoftShrink": "soft_shrink",
    "TanhShrink": "tanh_shrink",
    "Mish": "mish",
    "Exponential": "exponential",
    "Squareplus": "squareplus",
    "SparsePlus": "sparse_plus",
    "SparseSigmoid": "sparse_sigmoid",
    "LogSigmoid": "log_sigmoid",
    "LogSoftmax": "log_softmax",
    "Sparsemax": "sparsemax",
}


def _one(applied: tuple[Array, Back]) -> Computed:
    y, back = applied
    return single(y, lambda g: Pulled((back(g),)))


@reference("Activation", *NAMED)
def named(given: Given) -> Computed:
    """The function of that name, from `functions`."""
    name = NAMED.get(given.op.kind) or cast("Any", given.op).activation
    return _one(apply_function(name, given.x))


@reference("ReLU")
def relu(given: Given) -> Computed:
    """max(0, x), with Keras's options: a bound above, a slope below, a threshold to begin at.

    The derivative at the threshold itself is the slope below, as in TensorFlow.
    """
    op = cast("Any", given.op)
    below, start = op.negative_slope, op.threshold
    top = np.inf if op.max_value is None else op.max_value

    def value(x: Array) -> Array:
        return np.where(x > start, np.minimum(x, top), below * (x - start) if below else 0.0)

    def slope(x: Array) -> Array:
        return np.where(x > start, np.where(x < top, 1.0, 0.0), below)

    return _one(pointwise(Function(value, slope), given.x))


@reference("LeakyReLU")
def leaky_relu(given: Given) -> Computed:
    """X above zero, a small slope below (Maas et al. 2013)."""
    return _one(pointwise(leaky(cast("Any", given.op).negative_slope), given.x))


@reference("ELU")
def exponential_linear(given: Given) -> Computed:
    """X above zero, alpha * (exp(x) - 1) below (Clevert et al. 2016)."""
    return _one(pointwise(elu(cast("Any", given.op).alpha), given.x))


@reference("PReLU")
def parametric_relu(given: Given) -> Computed:
    """max(x, 0) + alpha * min(x, 0) with learned alpha (He et al. 2015, arXiv:1502.01852)."""
    x, alpha = given.x, given.weights["alpha"]

    def pull(g: Array) -> Pulled:
        at_alpha = shrunk(g * np.minimum(x, 0), alpha.shape)
        return Pulled((g * np.where(x > 0, 1.0, alpha),), {"alpha": at_alpha})

    return single(np.maximum(x, 0) + alpha * np.minimum(x, 0), pull)


@reference("Softmax")
def softmax_layer(given: Given) -> Computed:
    """exp(x) / sum(exp(x)) over the axes."""
    return _one(softmax(given.x, cast("Any", given.op).axis))
