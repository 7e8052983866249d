"""The functions and statistics that an expression may use, and what they make of NaN.

A *function* is NumPy's, computed in float64: NaN and infinities go through it. A *statistic* (the
last part of a name: `conv.output.rms`) is a quantity of the record: non-finite elements are counted
and left out, and it is NaN if none is left. Owns both tables; knows neither texts nor steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from opgraph.record.quantities import Array, Quantity, quantities


@dataclass(frozen=True)
class Function:
    """A function of an expression.

    Attributes:
        make: what computes it, over float64.
        doc: one line for help.
        reduces: whether it makes one number of an array.
        usage: how it is written.
        arguments: how many it takes.
    """

    make: Callable[..., Any]
    doc: str
    reduces: bool = True
    usage: str = "one array"
    arguments: int = 1


def _rms(x: Array) -> Any:
    return np.sqrt(np.mean(np.square(x)))


def _count(x: Array) -> int:
    return int(np.count_nonzero(x)) if x.dtype == bool else x.size


def _extreme(find: Callable[[Array], Any]) -> Callable[[Array], Any]:
    """A least or largest element; NaN where there is none."""
    return lambda x: find(x) if x.size else np.nan


def _quantile(x: Array, q: Array) -> Any:
    share = float(q) if q.size == 1 else np.nan
    if not 0 <= share <= 1:
        raise ValueError(f"the share of a quantile lies between 0 and 1, received {q}")
    return np.quantile(x, share) if x.size else np.nan


def _each(make: Callable[[Array], Any], doc: str) -> Function:
    return Function(make, f"{doc}, of each element", reduces=False)


FUNCTIONS: Mapping[str, Function] = {
    "abs": _each(np.abs, "size without sign"),
    "sqrt": _each(np.sqrt, "square root"),
    "log": _each(np.log, "natural logarithm"),
    "exp": _each(np.exp, "exponential"),
    "sign": _each(np.sign, "-1, 0 or 1"),
    "isfinite": _each(np.isfinite, "whether it is neither NaN nor infinite"),
    "mean": Function(lambda x: np.mean(x) if x.size else np.nan, "mean"),
    "sum": Function(np.sum, "sum"),
    "min": Function(_extreme(np.min), "smallest element"),
    "max": Function(_extreme(np.max), "largest element"),
    "norm": Function(lambda x: np.sqrt(np.sum(np.square(x))), "Euclidean norm"),
    "rms": Function(lambda x: _rms(x) if x.size else np.nan, "root mean square"),
    "std": Function(lambda x: np.std(x) if x.size else np.nan, "population standard deviation"),
    "var": Function(lambda x: np.var(x) if x.size else np.nan, "population variance"),
    "median": Function(lambda x: np.median(x) if x.size else np.nan, "median"),
    "count": Function(_count, "elements; of a comparison, those for which it holds"),
    "nonfinite": Function(lambda x: np.sum(~np.isfinite(x)), "NaN and infinite elements"),
    "zeros": Function(lambda x: np.sum(x == 0), "elements that are exactly zero"),
    "any": Function(lambda x: bool(np.any(x)), "whether it holds for an element"),
    "all": Function(lambda x: bool(np.all(x)), "whether it holds for all elements"),
    "quantile": Function(
        _quantile, "below which a share of the elements lies", True, "quantile(x, share)", 2
    ),
}

# What is said about any tensor, as the record has it: name and how it is finished from moments.
RECORDED: Mapping[str, Quantity] = {
    quantity.name: quantity for quantity in quantities("output") if not quantity.vector
}
OWN: Mapping[str, tuple[Callable[[Array], Any], str]] = {
    "active": (lambda x: np.mean(x > 0) if x.size else np.nan, "share of elements above zero"),
    "std": (lambda x: np.std(x) if x.size else np.nan, "population standard deviation"),
}
STATISTICS = (*RECORDED, *OWN)


def statistic_of(name: str, array: Array) -> float:
    """A statistic of an array; non-finite elements are counted and left out of the rest.

    >>> statistic_of("mean", np.array([1.0, 3.0, np.nan])), statistic_of("nan", np.array([np.nan]))
    (2.0, 1.0)
    """
    wide = wide_of(array)
    finite = wide[np.isfinite(wide)]
    if name in OWN:
        return float(OWN[name][0](finite))
    found = _moments(wide, finite)
    return float(RECORDED[name].finish({key: np.array(x) for key, x in found.items()}))


def wide_of(array: Array) -> Array:
    """The same numbers in float64; what is true or false stays so."""
    found = np.asarray(array)
    return found if found.dtype == bool else found.astype(np.float64)


def _moments(wide: Array, finite: Array) -> dict[str, float]:
    with np.errstate(over="ignore"):
        squares = np.sum(np.square(finite, dtype=np.float64))
    return {
        "count": float(wide.size),
        "nan": float(np.sum(np.isnan(wide))),
        "inf": float(np.sum(np.isinf(wide))),
        "zeros": float(np.sum(finite == 0)),
        "sum": float(np.sum(finite, dtype=np.float64)),
        "sumsq": float(squares),
        "min": float(np.min(finite)) if finite.size else np.nan,
        "max": float(np.max(finite)) if finite.size else np.nan,
    }
