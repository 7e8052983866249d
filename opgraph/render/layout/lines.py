"""The points of every line, from the places of elements, pins and turns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from opgraph.render.layout.layers import Layers, Link
from opgraph.render.layout.levels import Levels, start_of
from opgraph.render.layout.model import Line, Point
from opgraph.render.layout.pins import Pins
from opgraph.render.layout.sides import Sides

ROUND = 8.0


@dataclass(frozen=True)
class Places:
    """Everything that has been decided about one part of a graph."""

    layers: Layers
    centres: list[float]
    sides: Sides
    pins: Pins
    levels: Levels

    def across(self, element: int) -> float:
        """Centre of an element across the flow, columns included."""
        return self.centres[element] + self.levels.shifts[self.layers.ranks[element]]

    def middle(self, element: int) -> float:
        """Centre of an element along the flow."""
        rank = self.layers.ranks[element]
        return self.levels.tops[rank] + self.levels.heights[rank] / 2

    def lower(self, element: int) -> float:
        """Where an element ends along the flow."""
        return self.middle(element) + self.layers.height(element) / 2

    def upper(self, element: int) -> float:
        """Where an element begins along the flow."""
        return self.middle(element) - self.layers.height(element) / 2

    def edge(self, box: int, side: int) -> float:
        """A side of a box, across the flow."""
        return self.across(box) + side * self.layers.width(box) / 2


def draw_lines(places: Places) -> Iterator[Line]:
    """All lines; of each net first the one to its farthest reader."""
    by_net: dict[int, list[Link]] = {}
    for gap in places.layers.gaps:
        for link in gap:
            by_net.setdefault(link.net, []).append(link)
    for links in by_net.values():
        yield from _net_lines(places, links)


def _net_lines(places: Places, links: list[Link]) -> Iterator[Line]:
    trunk = [link for link in links if link.wire is None]
    arrivals = [link for link in links if link.wire is not None]
    last = next(link for link in reversed(arrivals) if not trunk or link.upper == trunk[-1].lower)
    points = _start(places, (trunk or [last])[0])
    for link in [*trunk, last]:
        points += _along(places, link)
    assert last.wire is not None
    yield Line(last.wire, _tidy(points))
    drawn = {(link.upper, beside(places, link)) for link in [*trunk, last]}
    for link in arrivals:
        if link is last or link.wire is None:
            continue
        known = (link.upper, beside(places, link)) in drawn or places.layers.is_lane(link.upper)
        points = _branch(places, link) if known else [*_start(places, link), *_along(places, link)]
        drawn.add((link.upper, beside(places, link)))
        yield Line(link.wire, _tidy(points))


def beside(places: Places, link: Link) -> bool:
    """Whether a link leaves its box at the side."""
    lane = places.layers.is_lane(link.upper)
    return link.wire is None and not lane and link.net in places.sides.exits


def _start(places: Places, link: Link) -> list[Point]:
    box = link.upper
    if beside(places, link):
        side, offset = places.sides.exits[link.net]
        return [Point(places.edge(box, side), places.middle(box) + offset)]
    return [Point(_leaving(places, link), places.lower(box))]


def _leaving(places: Places, link: Link) -> float:
    start = start_of(places.layers, places.centres, places.pins, link.upper, link.net)
    return start + places.levels.shifts[places.layers.ranks[link.upper]]


def _branch(places: Places, link: Link) -> list[Point]:
    """A further line of a net, from where it leaves what is already drawn."""
    key = (link.upper, link.net)
    if key in places.levels.gutters:
        across, above = places.levels.gutters[key]
        goal, end = _arriving(places, link)
        return [Point(across, above + ROUND), Point(across, above), Point(goal, above), *end]
    start = _leaving(places, link)
    turn = places.levels.turns.get(key)
    height = places.lower(link.upper) if turn is None else turn - ROUND
    if link.wire in places.sides.entries:
        assert link.wire is not None
        height = places.middle(link.lower) + places.sides.entries[link.wire][1] - ROUND
    return [Point(start, height), *_along(places, link)]


def _along(places: Places, link: Link) -> list[Point]:
    """The points of a link after its start."""
    goal, end = _arriving(places, link)
    if beside(places, link):
        _, offset = places.sides.exits[link.net]
        return [Point(goal, places.middle(link.upper) + offset), *end]
    key = (link.upper, link.net)
    start = _leaving(places, link)
    turn = places.levels.turns.get(key)
    if key in places.levels.gutters:
        assert turn is not None
        across, above = places.levels.gutters[key]
        around = [Point(start, turn), Point(across, turn), Point(across, above)]
        return [*around, Point(goal, above), *end]
    if turn is None or goal == start:
        return end
    return [Point(start, turn), Point(goal, turn), *end]


def _arriving(places: Places, link: Link) -> tuple[float, list[Point]]:
    """Where a link goes down across the flow, and its last points."""
    lower = link.lower
    if link.wire is None:
        goal = places.across(lower)
        return goal, [Point(goal, places.middle(lower))]
    if link.wire in places.sides.entries:
        side, offset = places.sides.entries[link.wire]
        goal = _leaving(places, link)
        height = places.middle(lower) + offset
        return goal, [Point(goal, height), Point(places.edge(lower, side), height)]
    goal = places.pins.ins[link.wire] + places.levels.shifts[places.layers.ranks[lower]]
    return goal, [Point(goal, places.upper(lower))]


def _tidy(points: list[Point]) -> tuple[Point, ...]:
    """The same line without repeated points and points on a straight run."""
    kept: list[Point] = []
    for point in points:
        if kept and point == kept[-1]:
            continue
        if len(kept) > 1 and _on_run(kept[-2], kept[-1], point):
            kept.pop()
        kept.append(point)
    return tuple(kept)


def _on_run(a: Point, b: Point, c: Point) -> bool:
    return (a.x == b.x == c.x) or (a.y == b.y == c.y)
