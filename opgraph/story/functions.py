"""Functions of one number: their formula, and their derivative, as expressions.

Owns the formulas of the activations that are told in full; the names are Keras's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from opgraph.story.formula import (
    Call,
    Expr,
    Fraction,
    Minus,
    Num,
    Power,
    Product,
    Sum,
    add,
    square,
    times,
)

ONE, HALF = Num(1), Num(0.5)


class Told(NamedTuple):
    """A function and its derivative, from the input and the output of the function.

    Attributes:
        value: the function of x.
        slope: its derivative from x and the function's value y.
        kink: where it has no derivative.
    """

    value: Callable[[Expr], Expr]
    slope: Callable[[float, float], Expr]
    kink: float | None = None


def _sigmoid(x: Expr) -> Expr:
    return Fraction(ONE, add(ONE, Call("exp", (Minus(x),))))


def _step(x: float) -> float:
    return float(x > 0)


def _gelu(x: Expr) -> Expr:
    return times(HALF, x, add(ONE, Call("erf", (Fraction(x, Call("sqrt", (Num(2),))),))))


def _gelu_slope(x: float, _: float) -> Expr:
    density = Fraction(
        Call("exp", (Minus(times(HALF, square(Num(x)))),)),
        Call("sqrt", (times(Num(2), Num(math.pi)),)),
    )
    bell = times(HALF, add(ONE, Call("erf", (Fraction(Num(x), Call("sqrt", (Num(2),))),))))
    return add(bell, times(Num(x), density))


def _silu_slope(x: float, y: float) -> Expr:
    gate = _sigmoid(Num(x))
    return add(gate, times(Num(y), add(ONE, Minus(gate))))


def _one_minus(expression: Expr) -> Sum:
    return add(ONE, Minus(expression))


FUNCTIONS: dict[str, Told] = {
    "linear": Told(lambda x: x, lambda x, y: ONE),
    "relu": Told(lambda x: Call("max", (Num(0), x)), lambda x, y: Num(_step(x)), 0.0),
    "relu6": Told(
        lambda x: Call("min", (Call("max", (Num(0), x)), Num(6))),
        lambda x, y: Num(float(0 < x < 6)),
        0.0,
    ),
    "sigmoid": Told(_sigmoid, lambda x, y: times(Num(y), _one_minus(Num(y)))),
    "tanh": Told(lambda x: Call("tanh", (x,)), lambda x, y: add(ONE, Minus(square(Num(y))))),
    "softplus": Told(
        lambda x: Call("ln", (add(ONE, Call("exp", (x,))),)), lambda x, y: _sigmoid(Num(x))
    ),
    "exponential": Told(lambda x: Call("exp", (x,)), lambda x, y: Num(y)),
    "silu": Told(lambda x: Product((x, _sigmoid(x))), _silu_slope),
    "gelu": Told(_gelu, _gelu_slope),
    "softsign": Told(
        lambda x: Fraction(x, add(ONE, Call("abs", (x,)))),
        lambda x, y: Fraction(ONE, Power(add(ONE, Call("abs", (Num(x),))), Num(2))),
    ),
}


def scaled(slope: float) -> Told:
    """A ReLU that lets through a share of what is below 0."""
    return Told(
        lambda x: Call("max", (x, times(Num(slope), x))),
        lambda x, y: Num(1.0 if x > 0 else slope),
        0.0,
    )
