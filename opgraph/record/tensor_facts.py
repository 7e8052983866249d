"""What there is to say about any array in a few numbers.

Owns those numbers, in float64, by the rules of the statistics of a run: elements that are not
finite are counted and left out of the rest. Must not know where the array comes from.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from opgraph.record.quantities import Array


@dataclass(frozen=True)
class TensorFacts:
    """An array in a few numbers; None where no element is finite.

    Attributes:
        shape: its axes.
        dtype: type of its numbers.
        count: elements.
        nan: elements that are NaN.
        inf: elements that are infinite.
        zeros: exact zeros.
        mean: of the finite elements.
        std: population standard deviation of the finite elements.
        norm: Euclidean norm of the finite elements.
        min: smallest finite element.
        max: largest finite element.
    """

    shape: tuple[int, ...]
    dtype: str
    count: int
    nan: int
    inf: int
    zeros: int
    mean: float | None
    std: float | None
    norm: float | None
    min: float | None
    max: float | None

    @property
    def nonfinite(self) -> int:
        """Elements that are NaN or infinite."""
        return self.nan + self.inf

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return {**asdict(self), "shape": list(self.shape)}


def tensor_facts(array: Array) -> TensorFacts:
    """What there is to say about an array.

    >>> facts = tensor_facts(np.array([3.0, 0.0, np.inf, -4.0]))
    >>> facts.norm, facts.min, facts.zeros, facts.inf
    (5.0, -4.0, 1, 1)
    """
    wide = as_numbers(array)
    finite = wide[np.isfinite(wide)]
    nan = int(np.isnan(wide).sum())
    some = bool(finite.size)
    return TensorFacts(
        tuple(array.shape),
        array.dtype.name,
        array.size,
        nan,
        wide.size - finite.size - nan,
        int((finite == 0).sum()),
        float(finite.mean()) if some else None,
        float(finite.std()) if some else None,
        float(np.sqrt((finite * finite).sum())) if some else None,
        float(finite.min()) if some else None,
        float(finite.max()) if some else None,
    )


def as_numbers(array: Array) -> Array:
    """An array of any type of number in float64."""
    return np.asarray(array).astype(np.float64)


def count_linear(array: Array, bins: int = 12) -> tuple[Array, Array]:
    """Counts of the finite elements in bins of equal width, and the limits between the bins.

    >>> counts, edges = count_linear(np.array([0.0, 1.0, 1.0, np.nan]), 2)
    >>> counts.tolist(), edges.tolist()
    ([1, 2], [0.0, 0.5, 1.0])
    """
    wide = as_numbers(array)
    # Halves, so that the width of the widest range is a finite number.
    halves = wide[np.isfinite(wide)] / 2
    counts, edges = np.histogram(halves, bins)
    return counts, edges * 2
