"""Where a window reads on each axis, and which windows read a place.

Owns that arithmetic for convolutions and pools, padding as TensorFlow does it; knows no numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

Place = tuple[int, ...]


class Axis(NamedTuple):
    """One axis of a sliding window: sizes before and after, the window, and what lies before 0."""

    size: int
    positions: int
    window: int
    stride: int
    dilation: int
    before: int

    def reads(self, at: int) -> list[tuple[int, int]]:
        """Offsets in the window and the places they read, for one position; no padding."""
        start = at * self.stride - self.before
        places = ((k, start + k * self.dilation) for k in range(self.window))
        return [(k, place) for k, place in places if 0 <= place < self.size]

    def seen(self, place: int) -> list[tuple[int, int]]:
        """Offsets in the window and the positions of the windows that read a place with them."""
        found: list[tuple[int, int]] = []
        for k in range(self.window):
            at, off = divmod(place + self.before - k * self.dilation, self.stride)
            if not off and 0 <= at < self.positions:
                found.append((k, at))
        return found

    def pairs(self, k: int) -> tuple[slice, slice]:
        """For one offset: the places that are read, and the positions that read them."""
        first = k * self.dilation - self.before
        known = [at for at in range(self.positions) if 0 <= at * self.stride + first < self.size]
        if not known:
            return slice(0, 0), slice(0, 0)
        start, count = known[0] * self.stride + first, len(known)
        stop = start + (count - 1) * self.stride + 1
        return slice(start, stop, self.stride), slice(known[0], known[0] + count)


def make_axes(
    sizes: Sequence[int],
    positions: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
    padding: str,
    dilation: Sequence[int] | None = None,
) -> tuple[Axis, ...]:
    """The axes of a window; `same` puts the smaller half of the padding in front.

    >>> make_axes([5], [3], [3], [2], "same")[0].reads(0)
    [(1, 0), (2, 1)]
    """
    rows = zip(sizes, positions, window, strides, dilation or (1,) * len(sizes), strict=True)
    return tuple(Axis(*row, _before(*row, padding)) for row in rows)


def _before(size: int, count: int, window: int, stride: int, dilation: int, padding: str) -> int:
    extent = dilation * (window - 1) + 1
    if padding == "causal":
        return extent - 1
    return max((count - 1) * stride + extent - size, 0) // 2 if padding == "same" else 0


def reads(axes: Sequence[Axis], at: Place) -> list[tuple[Place, Place]]:
    """Offsets and places that a window at a position reads, over all axes."""
    return _joined([axis.reads(i) for axis, i in zip(axes, at, strict=True)])


def seen(axes: Sequence[Axis], place: Place) -> list[tuple[Place, Place]]:
    """Offsets and positions of the windows that read a place, over all axes."""
    return _joined([axis.seen(i) for axis, i in zip(axes, place, strict=True)])


def _joined(rows: Sequence[list[tuple[int, int]]]) -> list[tuple[Place, Place]]:
    return [(tuple(a for a, _ in each), tuple(b for _, b in each)) for each in product(*rows)]
