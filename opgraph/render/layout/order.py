"""The order of elements within each rank, so that few lines cross.

A depth-first walk gives a first order that keeps the order of the input; barycentre sweeps and
swaps of neighbours improve it as long as crossings go away. Whatever is equal stays as it was
written, so a picture changes little when the graph does.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator
from random import Random

from opgraph.render.layout.layers import Layers, Link

SWEEPS = 8
SWAP_ROUNDS = 4
SETTLE_ROUNDS, STALE = 24, 6
SMALL = 3000
FEW_LINKS, MOST_STARTS, TRIED = 1500, 24, 6000


def order_rows(layers: Layers) -> None:
    """Sort the rows of all ranks in place."""
    below: list[list[int]] = [[] for _ in layers.ranks]
    above: list[list[int]] = [[] for _ in layers.ranks]
    for gap in layers.gaps:
        for link in gap:
            below[link.upper].append(link.lower)
            above[link.lower].append(link.upper)
    degree = [len(above[e]) + len(below[e]) for e in range(len(layers.ranks))]
    natural = [element for row in layers.rows for element in row]
    _walk(layers, above, below, natural)
    best = _improve(layers, above, below)
    if not best or len(layers.ranks) > SMALL:
        return
    kept = [list(row) for row in layers.rows]
    for starts in _starts(natural, degree):
        _walk(layers, above, below, starts)
        found = _improve(layers, above, below)
        if found < best:
            best, kept = found, [list(row) for row in layers.rows]
        if not best:
            break
    layers.rows[:] = kept


def _starts(natural: list[int], degree: list[int]) -> Iterator[list[int]]:
    """Where further walks begin: few links first, from the end, then shuffled."""
    yield sorted(natural, key=degree.__getitem__)
    yield natural[::-1]
    links = sum(degree) // 2
    chance = Random(0)  # the same picture every time
    for _ in range(min(MOST_STARTS, TRIED // links) if links <= FEW_LINKS else 0):
        yield chance.sample(natural, len(natural))


def _improve(layers: Layers, above: list[list[int]], below: list[list[int]]) -> int:
    """Sweep, then swap; of a small graph again and again. How many crossings are left."""
    best = crossings(layers)
    if best:
        best = _sweep(layers, above, below, best)
    if best and len(layers.ranks) <= SMALL:
        best -= _swap(layers, above, below)
    if best and sum(map(len, layers.gaps)) <= FEW_LINKS:
        best = _settle(layers, above, below, best)
    return best


def _settle(layers: Layers, above: list[list[int]], below: list[list[int]], best: int) -> int:
    """Sweep and swap in turns, from one local optimum to the next; the best is kept."""
    kept = [list(row) for row in layers.rows]
    stale = 0
    for turn in range(SETTLE_ROUNDS):
        _sweep_once(layers, above, below, downwards=turn % 2 == 0, flipped=turn % 4 < 2)
        _swap(layers, above, below)
        found = crossings(layers)
        if found < best:
            best, kept, stale = found, [list(row) for row in layers.rows], 0
            continue
        stale += 1
        if stale == STALE or not best:
            break
    layers.rows[:] = kept
    return best


def _walk(
    layers: Layers, above: list[list[int]], below: list[list[int]], starts: list[int]
) -> None:
    """Order the rows by a depth-first walk, downwards before upwards."""
    visited: dict[int, int] = {}
    for start in starts:
        stack = [start]
        while stack:
            element = stack.pop()
            if element in visited:
                continue
            visited[element] = len(visited)
            stack += above[element][::-1]
            stack += sorted(below[element], reverse=True)
    for row in layers.rows:
        row.sort(key=visited.__getitem__)


def _positions(layers: Layers) -> list[int]:
    places = [0] * len(layers.ranks)
    for row in layers.rows:
        for index, element in enumerate(row):
            places[element] = index
    return places


def _sweep(layers: Layers, above: list[list[int]], below: list[list[int]], best: int) -> int:
    kept = [list(row) for row in layers.rows]
    stale = 0
    for turn in range(SWEEPS):
        _sweep_once(layers, above, below, downwards=turn % 2 == 0)
        found = crossings(layers)
        if found < best:
            best, kept, stale = found, [list(row) for row in layers.rows], 0
            continue
        stale += 1
        if stale == 4 or not best:
            break
    layers.rows[:] = kept
    return best


def _sweep_once(
    layers: Layers,
    above: list[list[int]],
    below: list[list[int]],
    *,
    downwards: bool,
    flipped: bool = False,
) -> None:
    """Sort each row by its neighbours in the row before it; `flipped` turns what is equal round."""
    rows = layers.rows[1:] if downwards else layers.rows[-2::-1]
    places = _positions(layers)
    for row in rows:
        _sort_row(row, above if downwards else below, places, flipped)


def _sort_row(
    row: list[int], neighbours: list[list[int]], places: list[int], flipped: bool
) -> None:
    """Bring the elements to the mean place of their neighbours; the others keep their places."""
    tied = [element for element in row if neighbours[element]]
    if flipped:
        tied.reverse()
    means = {e: sum(places[n] for n in neighbours[e]) / len(neighbours[e]) for e in tied}
    tied.sort(key=means.__getitem__)
    moved = iter(tied)
    row[:] = [next(moved) if neighbours[element] else element for element in row]
    for index, element in enumerate(row):
        places[element] = index


def crossings(layers: Layers) -> int:
    """How many pairs of links cross."""
    places = _positions(layers)
    return sum(_gap_crossings(gap, places) for gap in layers.gaps)


def _gap_crossings(gap: list[Link], places: list[int]) -> int:
    if len(gap) < 2:
        return 0
    pairs = sorted((places[link.upper], places[link.lower]) for link in gap)
    seen: list[int] = []
    found = 0
    for _, lower in pairs:
        found += len(seen) - bisect_right(seen, lower)
        insort(seen, lower)
    return found


def _swap(layers: Layers, above: list[list[int]], below: list[list[int]]) -> int:
    """Exchange neighbours in a row while that takes crossings away; how many went."""
    places = _positions(layers)
    total = 0
    for _ in range(SWAP_ROUNDS):
        gained = sum(_swap_row(row, above, below, places) for row in layers.rows)
        total += gained
        if not gained:
            break
    return total


def _swap_row(
    row: list[int], above: list[list[int]], below: list[list[int]], places: list[int]
) -> int:
    gained = 0
    for index in range(len(row) - 1):
        left, right = row[index], row[index + 1]
        gain = _gain(above[left], above[right], places) + _gain(below[left], below[right], places)
        if gain > 0:
            row[index], row[index + 1] = right, left
            places[left], places[right] = index + 1, index
            gained += gain
    return gained


def _gain(left: list[int], right: list[int], places: list[int]) -> int:
    """Crossings that go away when two neighbours with these links change places."""
    return sum((places[a] > places[b]) - (places[a] < places[b]) for a in left for b in right)
