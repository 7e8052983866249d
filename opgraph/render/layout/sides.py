"""Which lines leave or enter a box at its side.

A long line whose lane stands beside a box, with nothing in between, leaves at that side and returns
there; all others use the lower and upper edges. Lines that enter use the upper half of a side,
lines that leave the lower half; nested ones are ordered so that they do not cross.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from typing import NamedTuple

from opgraph.render.layout.layers import Layers, Link
from opgraph.render.layout.model import Wire

CLEAR = 8.0
MOST_PER_SIDE = 2


class _Use(NamedTuple):
    """A line that could use a side: its lane, and what it is the exit or entry of."""

    box: int
    side: int
    lane: float
    link: Link


@dataclass
class Sides:
    """Heights, relative to the middle of the box, at which lines use a side.

    Attributes:
        exits: by net; lines of this net to its first lane leave at the side.
        entries: by wire.
    """

    exits: dict[int, tuple[int, float]] = field(default_factory=dict[int, tuple[int, float]])
    entries: dict[Wire, tuple[int, float]] = field(default_factory=dict[Wire, tuple[int, float]])


def choose_sides(layers: Layers, centres: list[float], cuts: set[int]) -> Sides:
    """Decide for every long line whether its ends use sides."""
    room = _room(layers, centres)
    claimed: dict[tuple[int, int], float] = {}
    uses: dict[tuple[int, int, bool], list[_Use]] = {}
    for use, is_exit in _candidates(layers, centres, cuts):
        group = uses.setdefault((use.box, use.side, is_exit), [])
        if len(group) < MOST_PER_SIDE and _is_free(use, room, claimed):
            group.append(use)
            key = (use.box, use.side)
            claimed[key] = max(claimed.get(key, -inf), use.side * use.lane)
    sides = Sides()
    for (box, side, is_exit), group in uses.items():
        other = bool(uses.get((box, side, not is_exit)))
        _set_heights(sides, group, is_exit, layers.height(box), other)
    return sides


def _candidates(
    layers: Layers, centres: list[float], cuts: set[int]
) -> Iterator[tuple[_Use, bool]]:
    for rank, gap in enumerate(layers.gaps):
        if rank in cuts:
            continue
        for link in gap:
            upper_lane, lower_lane = layers.is_lane(link.upper), layers.is_lane(link.lower)
            if upper_lane == lower_lane:
                continue
            lane, box = (link.upper, link.lower) if upper_lane else (link.lower, link.upper)
            offset = centres[lane] - centres[box]
            if abs(offset) >= layers.width(box) / 2 + CLEAR:
                side = 1 if offset > 0 else -1
                yield _Use(box, side, centres[lane], link), lower_lane


def _room(layers: Layers, centres: list[float]) -> dict[tuple[int, int], tuple[float, int]]:
    """For each side of each element: how far it is free, and which element is next."""
    room: dict[tuple[int, int], tuple[float, int]] = {}
    for row in layers.rows:
        for left, right in pairwise(row):
            room[left, 1] = centres[right] - layers.width(right) / 2, right
            room[right, -1] = centres[left] + layers.width(left) / 2, left
    return room


def _is_free(
    use: _Use,
    room: dict[tuple[int, int], tuple[float, int]],
    claimed: dict[tuple[int, int], float],
) -> bool:
    edge, neighbour = room.get((use.box, use.side), (use.side * inf, -1))
    limit = use.side * edge
    if (neighbour, -use.side) in claimed:
        limit = min(limit, -claimed[neighbour, -use.side])
    return use.side * use.lane + CLEAR <= limit


def _set_heights(
    sides: Sides, group: list[_Use], is_exit: bool, height: float, other: bool
) -> None:
    """Nearer lanes enter higher and leave lower, so that nested lines do not cross."""
    group.sort(key=lambda use: use.side * use.lane, reverse=is_exit)
    low, high = (0.0, height / 2) if is_exit else (-height / 2, 0.0)
    if not other:
        low, high = -height / 2, height / 2
    step = (high - low) / (len(group) + 1)
    for index, use in enumerate(group):
        offset = round(low + step * (index + 1))
        if is_exit:
            sides.exits[use.link.net] = use.side, offset
        elif use.link.wire is not None:
            sides.entries[use.link.wire] = use.side, offset
