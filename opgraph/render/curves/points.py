"""What is done to numbers before they are drawn as curves: thinned, smoothed, set apart.

Pure functions over arrays. Must not know what the numbers mean, nor the library that draws them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from opgraph.record import Array

LogChoice = Literal["auto", "on", "off"]
LOG_RANGE = 100.0  # a linear axis shows nothing of what is a hundred times smaller
MOST_ZEROS = 0.1
BARS = "▁▂▃▄▅▆▇█"


def wants_log(values: Array) -> bool:
    """Whether the values range so far that a logarithmic axis is called for.

    >>> wants_log(np.array([1e-5, 0.1])), wants_log(np.array([1.0, 2.0])), wants_log(np.zeros(9))
    (True, False, False)
    """
    finite = values[np.isfinite(values)]
    positive = finite[finite > 0]
    if not positive.size or (finite < 0).any():
        return False
    if finite.size - positive.size > MOST_ZEROS * finite.size:
        return False
    # One stray value near zero is no reason: the smallest hundredth is left out.
    return float(positive.max() / np.percentile(positive, 1, method="lower")) >= LOG_RANGE


@dataclass(frozen=True, eq=False)
class Columns:
    """A long line, one entry a pixel column: where it is, how far it ranges and its mean."""

    steps: Array
    low: Array
    mean: Array
    high: Array


def condensed(steps: Array, values: Array, columns: int) -> Columns:
    """A line of many points by pixel columns: least, mean and largest of each.

    A column without a number is a gap.

    >>> found = condensed(np.arange(6), np.array([0.0, 9, 3, np.nan, np.nan, np.nan]), 2)
    >>> found.low, found.mean, found.high
    (array([ 0., nan]), array([ 4., nan]), array([ 9., nan]))
    """
    width = (int(steps[-1]) - int(steps[0]) + 1) / columns
    column = np.minimum(((steps - steps[0]) / width).astype(np.int64), columns - 1)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(column)) + 1])
    finite = np.isfinite(values)
    count = np.add.reduceat(finite.astype(np.int64), starts)
    known = count > 0

    def over(reduce: np.ufunc, filler: float) -> Array:
        found = np.asarray(reduce.reduceat(np.where(finite, values, filler), starts))
        return np.where(known, found, np.nan)

    mean = over(np.add, 0.0) / np.maximum(count, 1)
    middle = np.add.reduceat(steps, starts) / np.diff([*starts, len(steps)])
    return Columns(middle, over(np.minimum, np.inf), mean, over(np.maximum, -np.inf))


def smoothed(values: Array, window: int) -> Array:
    """The mean over so many steps around each, of those that are numbers; gaps stay gaps.

    >>> smoothed(np.array([1.0, 2.0, 6.0, np.nan, 4.0]), 3)
    array([1.5, 3. , 4. , nan, 4. ])
    """
    if window <= 1:
        return values
    finite = np.isfinite(values)
    before, after = (window - 1) // 2, window // 2
    rows = np.arange(len(values))
    low, high = np.maximum(rows - before, 0), np.minimum(rows + after + 1, len(values))
    sums = np.concatenate([[0.0], np.cumsum(np.where(finite, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(finite)])
    total, count = sums[high] - sums[low], counts[high] - counts[low]
    return np.divide(total, count, out=np.full(len(values), np.nan), where=finite & (count > 0))


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places as near as can be to those wanted, at least `gap` apart and between two bounds.

    >>> spread([10.0, 11.0, 50.0], 10, 0, 100)
    [5.5, 15.5, 50.0]
    """
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    groups: list[tuple[list[int], float]] = []  # members, and where the lowest stands
    for index in order:
        groups.append(([index], _bounded(wanted[index], 0, low, high)))
        while len(groups) > 1 and groups[-2][1] + len(groups[-2][0]) * gap > groups[-1][1]:
            members = groups[-2][0] + groups[-1][0]
            groups[-2:] = [(members, _lowest(members, wanted, gap, low, high))]
    places = [0.0] * len(wanted)
    for members, start in groups:
        for number, index in enumerate(members):
            places[index] = start + number * gap
    return places


def _lowest(
    members: Sequence[int], wanted: Sequence[float], gap: float, low: float, high: float
) -> float:
    """Where the lowest of a stack stands, so that all are near to where they should be."""
    best = sum(wanted[index] - number * gap for number, index in enumerate(members))
    return _bounded(best / len(members), (len(members) - 1) * gap, low, high)


def _bounded(place: float, height: float, low: float, high: float) -> float:
    return max(min(place, high - height), low)


def sparkline(values: Array, width: int = 16) -> str:
    """A line of bars, each the median of its share of the values; log where they range far.

    >>> sparkline(np.array([0.0, 1, 2, 3, 4, 5, 6, 7]), 8)
    '▁▂▃▄▅▆▇█'
    """
    shares = np.array_split(values, min(width, len(values)))
    medians = [np.median(part[np.isfinite(part)]) if np.isfinite(part).any() else np.nan
               for part in shares]  # fmt: skip
    points = np.array(medians, dtype=np.float64)
    if wants_log(values):
        points = np.log(np.where(points > 0, points, np.nan))
    if not np.isfinite(points).any():
        return ""
    low, high = float(np.nanmin(points)), float(np.nanmax(points))
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(
        BARS[round((point - low) * scale)] if math.isfinite(point) else " " for point in points
    )


def tick_text(value: float) -> str:
    """A number beside an axis: plain while short, else with a power of ten.

    >>> tick_text(0.001), tick_text(2e-05), tick_text(12000.0), tick_text(1e6), tick_text(-0.5)
    ('0.001', '2e−5', '12,000', '1e6', '−0.5')
    """
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:,.6g}".replace("-", "−")
    mantissa, _, exponent = f"{value:.3e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}".replace("-", "−")


def shortened(text: str, most: int) -> str:
    """A text with its middle left out where it is too long.

    >>> shortened("block_12_attention_output", 11)
    'block…utput'
    """
    if len(text) <= most:
        return text
    front = (most - 1) // 2
    return f"{text[:front]}…{text[len(text) - (most - 1 - front) :]}"
