"""A formula as a small tree: printed with symbols, printed with numbers, and worked out.

Owns the kinds of expression and their value in float64; how they look is `render`'s to know.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, assert_never

Rounding = Callable[[float], float]


@dataclass(frozen=True)
class Num:
    """A number; `note` says in a few words what it stands for, such as `the other 248`."""

    value: float
    note: str = ""


@dataclass(frozen=True)
class Sym:
    """A name, such as `kernel[0, 1, 2, 5]`; it has no value."""

    name: str


@dataclass(frozen=True)
class Sum:
    """Terms that are added."""

    terms: tuple[Expr, ...]


@dataclass(frozen=True)
class Minus:
    """What is taken away in a sum."""

    of: Expr


@dataclass(frozen=True)
class Product:
    """Factors that are multiplied."""

    factors: tuple[Expr, ...]


@dataclass(frozen=True)
class Fraction:
    """One expression divided by another."""

    top: Expr
    bottom: Expr


@dataclass(frozen=True)
class Power:
    """A base and its exponent."""

    base: Expr
    exponent: Expr


@dataclass(frozen=True)
class Call:
    """A function of one or several arguments: sqrt, exp, ln, tanh, erf, abs, max, min."""

    name: str
    arguments: tuple[Expr, ...]


@dataclass(frozen=True)
class Over:
    """A sum over indices, in symbols only: Σ over `index` of an expression."""

    index: str
    of: Expr


Expr = Num | Sym | Sum | Minus | Product | Fraction | Power | Call | Over

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "ceil": math.ceil,
    "floor": math.floor,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "ln": math.log,
    "tanh": math.tanh,
    "erf": math.erf,
    "abs": abs,
    "max": lambda *values: max(values),
    "min": lambda *values: min(values),
}


def add(*terms: Expr) -> Sum:
    """A sum."""
    return Sum(terms)


def times(*factors: Expr) -> Product:
    """A product."""
    return Product(factors)


def root(of: Expr) -> Call:
    """A square root."""
    return Call("sqrt", (of,))


def square(of: Expr) -> Power:
    """A square."""
    return Power(of, Num(2))


def syms(text: str) -> tuple[Sym, ...]:
    """Names apart by blanks.

    >>> syms("x y")
    (Sym(name='x'), Sym(name='y'))
    """
    return tuple(Sym(name) for name in text.split())


def evaluate(expression: Expr, rounding: Rounding = float) -> float:
    """The value of an expression in float64.

    Args:
        expression: without symbols.
        rounding: what is done to each number first, as when it is printed with few digits.

    Raises:
        ValueError: it has a symbol.

    >>> evaluate(add(Num(1), times(Num(2), Num(3)), Minus(Num(4))))
    3.0
    """
    match expression:
        case Num(value):
            return rounding(value)
        case Sum(terms):
            return math.fsum(evaluate(term, rounding) for term in terms)
        case Minus(of):
            return -evaluate(of, rounding)
        case Product(factors):
            return math.prod(evaluate(factor, rounding) for factor in factors)
        case Fraction(top, bottom):
            return evaluate(top, rounding) / evaluate(bottom, rounding)
        case Power(base, exponent):
            return evaluate(base, rounding) ** evaluate(exponent, rounding)
        case Call(name, arguments):
            return FUNCTIONS[name](*(evaluate(each, rounding) for each in arguments))
        case Sym() | Over():
            raise ValueError(f"{expression} has no value")
        case _:
            assert_never(expression)
