"""Long series thinned to what a page can hold: of each bucket of steps the last value, both ends.

Owns which steps share a bucket and what is kept of it; must not know what the numbers mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from opgraph.record import Array


@dataclass(frozen=True, eq=False)
class Grid:
    """Buckets of steps, in order.

    Attributes:
        ends: the last step of each bucket; the value that is kept is the last one up to it.
        width: how many measured steps fall into a bucket at most; 1 if nothing is thinned.
    """

    ends: Array
    width: int

    def __len__(self) -> int:
        return len(self.ends)


def make_grid(steps: Sequence[int], points: int) -> Grid:
    """Buckets of equally many measured steps, at most so many of them; the last step ends one.

    >>> make_grid([1, 2, 3, 4, 5, 6, 7], 3).ends.tolist()
    [1, 4, 7]
    >>> make_grid([10, 20, 30], 3).width
    1
    """
    width = -(-len(steps) // points) or 1
    return Grid(np.array(steps[::-1][::width][::-1], np.int64), width)


class Thinned:
    """One series on a grid, filled stretch by stretch in the order of the steps.

    Attributes:
        at: the last value of each bucket; NaN where there is none, or where it is no number.
        low: the least finite value of each bucket.
        high: the largest.
        bad: how many values of each bucket are NaN or infinite.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.at = np.full(len(grid), np.nan)
        self.low, self.high = np.full(len(grid), np.inf), np.full(len(grid), -np.inf)
        self.bad = np.zeros(len(grid), np.int64)

    def add(self, steps: Array, values: Array, absent: Array) -> None:
        """Take in values at ascending steps; those that are absent do not count.

        >>> thinned = Thinned(make_grid([1, 2, 3, 4], 2))
        >>> values = np.array([9.0, 5.0, np.nan, np.inf])
        >>> thinned.add(np.arange(1, 5), values, np.array([False, False, True, False]))
        >>> thinned.at.tolist(), thinned.high.tolist(), thinned.bad.tolist()
        ([5.0, nan], [9.0, -inf], [0, 1])
        """
        steps, values = steps[~absent], values[~absent]
        bucket = np.searchsorted(self.grid.ends, steps)
        known = bucket < len(self.grid)
        bucket, values = bucket[known], values[known]
        if not bucket.size:
            return
        starts = np.concatenate([[0], np.flatnonzero(np.diff(bucket)) + 1])
        rows, finite = bucket[starts], np.isfinite(values)
        lasts = values[np.append(starts[1:], len(values)) - 1]
        self.at[rows] = np.where(np.isfinite(lasts), lasts, np.nan)
        low = np.minimum.reduceat(np.where(finite, values, np.inf), starts)
        high = np.maximum.reduceat(np.where(finite, values, -np.inf), starts)
        self.low[rows] = np.minimum(self.low[rows], low)
        self.high[rows] = np.maximum(self.high[rows], high)
        self.bad[rows] += np.add.reduceat((~finite).astype(np.int64), starts)

    @property
    def constant(self) -> float | None:
        """The one value that it has everywhere, if that is so."""
        low, high = float(self.low.min(initial=np.inf)), float(self.high.max(initial=-np.inf))
        return low if low == high and not self.bad.any() else None
