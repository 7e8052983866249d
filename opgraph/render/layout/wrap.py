"""Where a long graph is cut into columns, like newspaper text."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from opgraph.render.layout.layers import Layers

TOO_TALL = 3.0
MOST_PASSING = 4
# Of a graph that is very tall, more lines may pass a cut than look well.
VERY_TALL, MOST_CROWDED = 5.0, 40


def columns(
    layers: Layers, heights: Sequence[float], width: float, aspect: float
) -> list[tuple[int, int]]:
    """First and last rank of each column.

    Args:
        layers: the graph in ranks.
        heights: extent of each rank along the flow, with the gap behind it.
        width: extent of the graph across the flow.
        aspect: wanted height of the whole, as a multiple of its width.

    Returns:
        One column unless the graph is more than three times as long as wide. Cuts are made where
        few lines pass.
    """
    total = sum(heights)
    last = len(heights) - 1
    if total <= TOO_TALL * width:
        return [(0, last)]
    number = 2
    while total / number > aspect * number * width and number < len(heights):
        number += 1
    most = MOST_CROWDED if total > VERY_TALL * width else MOST_PASSING
    cuts = _cuts(heights, _passing(layers), number, most)
    starts = [0, *(cut + 1 for cut in cuts)]
    return list(zip(starts, [*cuts, last], strict=True))


def _passing(layers: Layers) -> list[int]:
    """How many different arrays pass each gap."""
    return [len({link.net for link in gap}) for gap in layers.gaps]


def _cuts(heights: Sequence[float], passing: Sequence[int], number: int, most: int) -> list[int]:
    """Ranks behind which to cut: near equal parts, where the fewest lines pass."""
    ends: list[float] = []
    total = 0.0
    for height in heights:
        total += height
        ends.append(total)
    cuts: list[int] = []
    part = total / number
    for index in range(1, number):
        start = cuts[-1] + 1 if cuts else 0
        cut = _cut_near(ends, passing, index * part, part, start, most)
        if cut is not None:
            cuts.append(cut)
    return cuts


def _cut_near(
    ends: Sequence[float],
    passing: Sequence[int],
    wanted: float,
    part: float,
    start: int,
    most: int,
) -> int | None:
    """The best rank to cut behind within a third of a column around the wanted place."""
    low = max(start, bisect_left(ends, wanted - part / 3))
    high = min(len(ends) - 1, bisect_right(ends, wanted + part / 3))
    choices = [rank for rank in range(low, high) if passing[rank] <= most]
    return min(choices, key=lambda r: (passing[r], abs(ends[r] - wanted)), default=None)
