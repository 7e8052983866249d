"""The place of each rank along the flow, and of the horizontal pieces in the gaps."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from opgraph.render.layout.layers import Layers
from opgraph.render.layout.pins import Pins
from opgraph.render.layout.sides import Sides
from opgraph.render.layout.tracks import Bus, assign_tracks

TRACK, LEAST_TRACK = 10.0, 4.0
CROWD = 64.0  # what many tracks share
LEAST_GAP = 22.0
LEAD = 10.0
LABEL_LEAD = 4.0
GUTTER = 32.0


@dataclass
class Levels:
    """Places along the flow, and shifts of columns across it.

    Attributes:
        tops: upper end of each rank.
        heights: extent of each rank.
        shifts: added to the place across the flow, by rank.
        turns: where the line of (upper element, net) turns in the gap below; at a cut, in the lower
            part of the left column.
        gutters: for a line that passes a cut: its place in the gutter and where it turns above.
    """

    tops: list[float]
    heights: list[float]
    shifts: list[float]
    turns: dict[tuple[int, int], float] = field(default_factory=dict[tuple[int, int], float])
    gutters: dict[tuple[int, int], tuple[float, float]] = field(
        default_factory=dict[tuple[int, int], tuple[float, float]]
    )


@dataclass(frozen=True)
class _Gap:
    """The buses of one gap and their tracks."""

    keys: list[tuple[int, int]]
    tracks: list[int]
    label: float

    @property
    def count(self) -> int:
        return max(self.tracks, default=-1) + 1

    @property
    def pitch(self) -> float:
        """From one track to the next; where there are very many they move together."""
        return max(LEAST_TRACK, min(TRACK, CROWD // max(1, self.count)))

    @property
    def height(self) -> float:
        return max(LEAST_GAP, self.label + LABEL_LEAD, self.lead + self.count * self.pitch + LEAD)

    @property
    def lead(self) -> float:
        return max(LEAD, self.label + LABEL_LEAD + 2)


def place_along(
    layers: Layers,
    centres: list[float],
    sides: Sides,
    pins: Pins,
    columns: list[tuple[int, int]],
) -> Levels:
    """Stack the ranks column by column, with room for labels and turning lines in the gaps."""
    heights = [max(map(layers.height, row), default=0.0) for row in layers.rows]
    levels = Levels([0.0] * len(heights), heights, [0.0] * len(heights))
    cuts = [last for _, last in columns[:-1]]
    crossing = {cut: _crossing(layers, centres, pins, cut) for cut in cuts}
    top = max((LEAD + len(keys) * TRACK for keys in crossing.values()), default=0.0)
    right = 0.0
    for first, last in columns:
        across = _extent(layers, centres, first, last)
        before = crossing.get(first - 1, [])
        if first:
            _place_gutter(levels, before, right, top)
            right += GUTTER + max(0, len(before) - 1) * TRACK
        levels.shifts[first : last + 1] = [right - across[0]] * (last + 1 - first)
        right += across[1] - across[0]
        _stack(layers, centres, sides, pins, levels, first, last, top)
        _place_below(layers, levels, last, crossing.get(last, []))
    return levels


def _crossing(layers: Layers, centres: list[float], pins: Pins, cut: int) -> list[tuple[int, int]]:
    """Lines that pass a cut, from the left."""
    keys = {(link.upper, link.net) for link in layers.gaps[cut]}
    return sorted(keys, key=lambda key: start_of(layers, centres, pins, *key))


def start_of(layers: Layers, centres: list[float], pins: Pins, upper: int, net: int) -> float:
    """Where the line of a net leaves an element, across the flow."""
    return centres[upper] if layers.is_lane(upper) else pins.outs[net]


def _extent(layers: Layers, centres: list[float], first: int, last: int) -> tuple[float, float]:
    rows = [row for row in layers.rows[first : last + 1] if row]
    low = min(centres[row[0]] - layers.width(row[0]) / 2 for row in rows)
    high = max(centres[row[-1]] + layers.width(row[-1]) / 2 for row in rows)
    return low, high


def _place_gutter(levels: Levels, keys: list[tuple[int, int]], left: float, top: float) -> None:
    """Nested turns: what comes from the left runs outside."""
    for index, key in enumerate(keys):
        across = left + GUTTER / 2 + (len(keys) - 1 - index) * TRACK
        levels.gutters[key] = across, top - LEAD - index * TRACK


def _place_below(layers: Layers, levels: Levels, last: int, keys: list[tuple[int, int]]) -> None:
    """Turns of lines that leave a column at its lower end; the rightmost turns first."""
    bottom = levels.tops[last] + levels.heights[last] + _label_room(layers, last) + LEAD
    for index, key in enumerate(keys):
        levels.turns[key] = bottom + (len(keys) - 1 - index) * TRACK


def _stack(
    layers: Layers,
    centres: list[float],
    sides: Sides,
    pins: Pins,
    levels: Levels,
    first: int,
    last: int,
    top: float,
) -> None:
    levels.tops[first] = top
    for rank, following in pairwise(range(first, last + 1)):
        gap = _gap(layers, centres, sides, pins, rank)
        bottom = levels.tops[rank] + levels.heights[rank]
        spare = gap.height - gap.lead - LEAD - max(1, gap.count) * gap.pitch
        for key, track in zip(gap.keys, gap.tracks, strict=True):
            levels.turns[key] = bottom + gap.lead + max(0.0, spare // 2) + track * gap.pitch
        levels.tops[following] = bottom + gap.height


def _gap(layers: Layers, centres: list[float], sides: Sides, pins: Pins, rank: int) -> _Gap:
    ends: dict[tuple[int, int], list[float]] = {}
    for link in layers.gaps[rank]:
        if link.wire is None:
            if layers.is_lane(link.upper) or link.net not in sides.exits:
                ends.setdefault((link.upper, link.net), []).append(centres[link.lower])
        elif link.wire not in sides.entries:
            ends.setdefault((link.upper, link.net), []).append(pins.ins[link.wire])
    buses: dict[tuple[int, int], Bus] = {}
    for key, places in ends.items():
        start = start_of(layers, centres, pins, *key)
        if any(place != start for place in places):
            buses[key] = Bus(start, tuple(places))
    tracks = assign_tracks(list(buses.values()))
    return _Gap(list(buses), tracks, _label_room(layers, rank))


def _label_room(layers: Layers, rank: int) -> float:
    labels = layers.sketch.labels
    if not labels:
        return 0.0
    keys = {layers.keys[link.net] for link in layers.gaps[rank] if not layers.is_lane(link.upper)}
    return max((labels[key].height for key in keys if key in labels), default=0.0)
