"""The place of each element across the flow.

Elements that should stand exactly below one another form a block: the main path first, then the
lanes of long lines, then any chain. Links of blocks never cross one another, so blocks have an
order from left to right. Blocks are packed, then each moves towards what it is linked to as far as
its neighbours let it; the main block stays.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import pairwise
from math import inf

from opgraph.render.layout.layers import Layers, Link

BOX_GAP = 28.0
LANE_GAP = 12.0
BOX_LANE_GAP = 18.0
ROUNDS = 4


def place_across(layers: Layers) -> tuple[list[float], list[int]]:
    """Centre of each element across the flow, and the block it belongs to."""
    blocks = _blocks(layers)
    order, left_of, right_of = _constraints(layers, blocks)
    centres: dict[int, float] = {}
    for block in order:
        centres[block] = max((centres[b] + gap for b, gap in left_of[block].items()), default=0.0)
    fixed = {blocks[upper] for upper, _ in layers.main}
    pulls = _pulls(layers, blocks)
    for turn in range(ROUNDS):
        for block in order if turn % 2 else reversed(order):
            if block not in fixed and block in pulls:
                centres[block] = _moved(block, pulls, centres, left_of, right_of)
    return [centres[block] for block in blocks], blocks


def _blocks(layers: Layers) -> list[int]:
    """For each element the topmost element of its block."""
    blocks = list(range(len(layers.ranks)))
    places = [0] * len(layers.ranks)
    for row in layers.rows:
        for index, element in enumerate(row):
            places[element] = index
    for gap in layers.gaps:
        for upper, lower in _straight(layers, gap, places):
            blocks[lower] = upper
    for row in layers.rows:
        for element in row:
            blocks[element] = blocks[blocks[element]]
    return blocks


def _straight(layers: Layers, gap: list[Link], places: list[int]) -> Iterable[tuple[int, int]]:
    """Links of one gap that become vertical: each element at most once, none crossing another."""
    fans: dict[int, int] = {}
    for link in gap:
        fans[link.upper] = fans.get(link.upper, 0) + 1
        fans[link.lower] = fans.get(link.lower, 0) + 1

    def urgency(link: Link) -> tuple[int, int, int, int]:
        lanes = layers.is_lane(link.upper) + layers.is_lane(link.lower)
        kind = 0 if (link.upper, link.lower) in layers.main else 1 if lanes == 2 else 2
        fan = fans[link.upper] * fans[link.lower]
        skew = abs(2 * places[link.upper] - 2 * places[link.lower])
        return kind, fan if kind == 2 else 0, lanes, skew

    uppers: list[int] = []
    lowers: list[int] = []
    for link in sorted(gap, key=urgency):
        upper, lower = places[link.upper], places[link.lower]
        at = bisect_left(uppers, upper)
        taken = at < len(uppers) and uppers[at] == upper
        if taken or (at and lowers[at - 1] >= lower) or (at < len(uppers) and lowers[at] <= lower):
            continue
        uppers.insert(at, upper)
        lowers.insert(at, lower)
        yield link.upper, link.lower


Gaps = dict[int, dict[int, float]]


def _constraints(layers: Layers, blocks: list[int]) -> tuple[list[int], Gaps, Gaps]:
    """Blocks from left to right, and how far apart each must keep from its neighbours."""
    left_of: Gaps = {block: {} for block in blocks}
    right_of: Gaps = {block: {} for block in blocks}
    for row in layers.rows:
        for left, right in pairwise(row):
            gap = _separation(layers, left, right)
            a, b = blocks[left], blocks[right]
            left_of[b][a] = right_of[a][b] = max(gap, left_of[b].get(a, 0.0))
    waiting = {block: len(lefts) for block, lefts in left_of.items()}
    order = [block for block, number in waiting.items() if not number]
    for block in order:
        for other in right_of[block]:
            waiting[other] -= 1
            if not waiting[other]:
                order.append(other)
    return order, left_of, right_of


def _separation(layers: Layers, left: int, right: int) -> float:
    lanes = layers.is_lane(left) + layers.is_lane(right)
    gap = (BOX_GAP, BOX_LANE_GAP, LANE_GAP)[lanes]
    return (layers.width(left) + layers.width(right)) / 2 + gap


def _pulls(layers: Layers, blocks: list[int]) -> dict[int, list[int]]:
    """For each block the blocks that it is linked to, as often as it is."""
    pulls: dict[int, list[int]] = {}
    for gap in layers.gaps:
        for link in gap:
            a, b = blocks[link.upper], blocks[link.lower]
            if a != b:
                pulls.setdefault(a, []).append(b)
                pulls.setdefault(b, []).append(a)
    return pulls


def _moved(
    block: int,
    pulls: dict[int, list[int]],
    centres: dict[int, float],
    left_of: Gaps,
    right_of: Gaps,
) -> float:
    wanted = sorted(centres[other] for other in pulls[block])
    middle = len(wanted) // 2
    target = wanted[middle] if len(wanted) % 2 else (wanted[middle - 1] + wanted[middle]) // 2
    low = max((centres[b] + gap for b, gap in left_of[block].items()), default=-inf)
    high = min((centres[b] - gap for b, gap in right_of[block].items()), default=inf)
    return max(low, min(high, target))
