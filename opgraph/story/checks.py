"""Whether a worked number, the independent one and the recorded one are the same.

Owns the tolerance, which is derived and not fitted. A number x is stored as x (1 + d), |d| <= u,
with u = 2^-24 in float32. A sum of n terms x with partial sums s is off by sum(x d) for its terms,
and by sum(s d) for its additions. At worst that is about n u sum|x| (Higham 2002, section 4.2),
which no training comes near. Taken as independent and of mean 0, the errors stay below

    L u sqrt(sum x^2 + sum s^2)

but for a chance of 2 exp(-L^2 / 2) (Azuma; Higham and Mary 2019), and sum s^2 <= n max s^2. L = 8
makes that chance 3e-14. The order in which the training adds is its own; another order moves the
partial sums by about the norm of the terms, which therefore stands beside the largest of them:

    8 u sqrt(n) (norm + largest partial sum)

Where an op is more than a sum, its teller says how its errors enlarge the norm (`scale`), how far
its inputs may be off (`inherited`), and how many roundings follow each other (`terms`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from opgraph.record import Array
from opgraph.story.formula import Expr, evaluate
from opgraph.story.model import Check, Verdict, Worked

EPSILON = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float64": 2.0**-52}
EPSILON_32 = 2.0**-23
DEVIATIONS = 8.0


def epsilon(array: Array | None) -> float:
    """Distance from 1 to the next number that the type of an array can hold."""
    return EPSILON_32 if array is None else EPSILON.get(array.dtype.name, EPSILON_32)


def tolerance(terms: int, scale: float, drift: float, unit: float = EPSILON_32) -> float:
    """How far a recorded number may be from the exact one.

    Args:
        terms: how many numbers are added.
        scale: Euclidean norm of the terms.
        drift: the largest sum on the way; each addition rounds a number of that size.
        unit: machine epsilon.
    """
    return DEVIATIONS * unit / 2 * math.sqrt(max(1, terms)) * (abs(scale) + abs(drift))


def norm(values: Sequence[float]) -> float:
    """Euclidean norm of a few numbers."""
    return math.sqrt(math.fsum(value * value for value in values))


def largest_partial(parts: Array) -> float:
    """The largest sum on the way, when numbers are added in their order."""
    return float(np.abs(np.cumsum(parts, dtype=np.float64)).max()) if parts.size else 0.0


def worked(
    name: str,
    formula: Expr | None,
    numbers: Expr,
    *,
    recorded: float | None = None,
    independent: float | None = None,
    terms: int = 1,
    scale: float | None = None,
    unit: float = EPSILON_32,
    tie: bool = False,
    drift: float | None = None,
    inherited: float = 0.0,
) -> Worked:
    """A worked line with its check; without a number to compare with it has none.

    Args:
        name: what is worked out.
        formula: in symbols.
        numbers: with numbers.
        recorded: by the training.
        independent: by `reference`.
        terms: how many numbers were added.
        scale: Euclidean norm of the terms; the result when left out.
        unit: machine epsilon of the recorded number.
        tie: whether two inputs are equal, so that either may have won.
        drift: the largest sum on the way; the result when left out.
        inherited: how far the result may be off because of what it was computed from.
    """
    if recorded is None and independent is None:
        return Worked(name, formula, numbers)
    value = evaluate(numbers)
    size, most = value if scale is None else scale, value if drift is None else drift
    allowed = tolerance(terms, size, most, unit) + inherited
    known = [x for x in (value, independent, recorded) if x is not None]
    spread = max(known) - min(known) if all(map(math.isfinite, known)) else math.inf
    none_finite = not any(map(math.isfinite, known))
    agrees = none_finite or spread <= allowed
    verdict: Verdict = "agrees" if agrees else "tie" if tie else "disagrees"
    base = value if independent is None else independent
    difference = None if recorded is None else recorded - base
    check = Check(recorded, independent, difference, allowed, terms, verdict)
    return Worked(name, formula, numbers, check)
