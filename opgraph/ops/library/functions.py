"""Functions of one number, by Keras's names: which there are, and what they cost.

Shared by the activation family and by the layers that apply a function to their result.
"""

from __future__ import annotations

from typing import Any

from opgraph.errors import suggest
from opgraph.ops.windows import Dim

# Operations for one number, as the formula beside each is written: +, *, /, a comparison and an
# elementary function (exp, log, tanh, erf) count 1 each.
COST = {
    "linear": 0,
    "relu": 1,  # max(0, x)
    "relu6": 2,  # min(max(0, x), 6)
    "leaky_relu": 2,  # max(x, a * x)
    "elu": 4,  # x > 0 ? x : a * (exp(x) - 1)
    "celu": 5,  # x > 0 ? x : a * (exp(x / a) - 1)
    "selu": 5,  # s * elu(x)
    "sigmoid": 4,  # 1 / (1 + exp(-x))
    "silu": 5,  # x * sigmoid(x)
    "log_sigmoid": 5,  # -log(1 + exp(-x))
    "tanh": 1,
    "tanh_shrink": 2,  # x - tanh(x)
    "gelu": 5,  # 0.5 * x * (1 + erf(c * x))
    "softplus": 3,  # log(1 + exp(x))
    "softsign": 3,  # x / (1 + |x|)
    "mish": 5,  # x * tanh(softplus(x))
    "exponential": 1,
    "hard_sigmoid": 4,  # min(max(x / 6 + 0.5, 0), 1)
    "hard_silu": 5,  # x * hard_sigmoid(x)
    "hard_tanh": 2,  # min(max(x, -1), 1)
    "hard_shrink": 2,  # |x| > t ? x : 0
    "soft_shrink": 4,  # x > t ? x - t : x < -t ? x + t : 0
    "squareplus": 5,  # (x + sqrt(x^2 + b)) / 2
    "sparse_plus": 6,  # x <= -1 ? 0 : x < 1 ? (x + 1)^2 / 4 : x
    "sparse_sigmoid": 4,  # min(max((x + 1) / 2, 0), 1)
    "softmax": 5,  # exp(x - max) / sum, over an axis
    "log_softmax": 5,  # x - max - log(sum(exp(x - max))), over an axis
}
UNCOUNTED = ("sparsemax", "glu")
SPELLINGS = {"swish": "silu", "hard_swish": "hard_silu"}


def function(value: Any) -> Any:
    """Converter to Keras's name of an activation function.

    A serialised function of the user's own passes unchanged.

    >>> function("swish")
    'silu'
    """
    if isinstance(value, dict) and "class_name" in value:
        return value
    if not isinstance(value, str):
        raise ValueError("expected the name of an activation function")
    name = SPELLINGS.get(value, value)
    if name not in COST and name not in UNCOUNTED:
        near = suggest(name, (*COST, *UNCOUNTED, *SPELLINGS))
        raise ValueError(
            "expected the name of an activation function" + (f" ({near})" if near else "")
        )
    return name


def fused(value: Any) -> Any:
    """Converter for a function that a layer applies to its own result; `linear` is none at all."""
    if value is None or value == "linear":
        return None
    if value == "glu":
        raise ValueError("expected a function that keeps the shape; glu halves the channels")
    return function(value)


def function_flops(name: Any, numbers: int) -> Dim:
    """Operations of a function applied to so many numbers; None if its cost is not known.

    >>> function_flops("sigmoid", 10), function_flops(None, 10), function_flops("sparsemax", 10)
    (40, 0, None)
    """
    if name is None:
        return 0
    cost = COST.get(name) if isinstance(name, str) else None
    return None if cost is None else cost * numbers
