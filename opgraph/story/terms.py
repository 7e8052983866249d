"""Long sums, told by their largest terms and the sum of the rest.

Owns how many terms are written out, and where the rest goes; knows no op.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from opgraph.record import Array
from opgraph.story.formula import Expr, Num, Product, Sum

ALL, LARGEST = 27, 8


class Told(NamedTuple):
    """A sum, how many numbers were added, the norm of the terms, how many stand in the rest."""

    numbers: Expr
    terms: int
    scale: float
    rest: int


def products(left: Array, right: Array, *plus: float) -> Told:
    """A sum of products and a few single numbers.

    >>> told = products(np.array([1.0, 2.0]), np.array([3.0, 4.0]), 0.5)
    >>> told.terms, told.rest
    (3, 0)
    """
    left, right = _flat(left), _flat(right)
    values = left * right
    shown, rest = _chosen(values, ALL, LARGEST)
    terms: list[Expr] = [Product((Num(float(left[i])), Num(float(right[i])))) for i in shown]
    return _told(terms, values, rest, plus)


def numbers(values: Array, labels: Sequence[str] | None = None, most: int = LARGEST) -> Told:
    """A sum of numbers; each may carry a label, such as the example it comes from."""
    flat = _flat(values)
    shown, rest = _chosen(flat, most, most)
    terms: list[Expr] = [Num(float(flat[i]), labels[i] if labels else "") for i in shown]
    return _told(terms, flat, rest, ())


def _flat(values: Array) -> Array:
    return np.asarray(values, np.float64).ravel()


def _chosen(values: Array, all_of: int, largest: int) -> tuple[list[int], Array]:
    """Which terms are written out, in their order, and the others."""
    if len(values) <= all_of:
        return list(range(len(values))), values[:0]
    order = np.argsort(-np.abs(values), kind="stable")
    return sorted(order[:largest].tolist()), values[order[largest:]]


def _told(terms: list[Expr], values: Array, rest: Array, plus: Sequence[float]) -> Told:
    if len(rest):
        terms.append(Num(float(rest.sum()), f"Σ {len(rest)}"))
    terms += [Num(float(x)) for x in plus]
    scale = float(np.sqrt((values * values).sum() + sum(x * x for x in plus)))
    body = Sum(tuple(terms)) if terms else Num(0.0)
    return Told(body, len(values) + len(plus), scale, len(rest))
