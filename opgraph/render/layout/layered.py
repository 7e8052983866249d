"""The built-in layout: layered, deterministic, in pure Python.

Ranks by the longest path, lanes for long lines, few crossings, the main path on one straight line,
right angles, long graphs wrapped into columns. Parts that are not connected stand side by side.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Literal

from opgraph.render.layout.columns import place_across
from opgraph.render.layout.layers import Layers, build_layers
from opgraph.render.layout.levels import place_along
from opgraph.render.layout.lines import Places, draw_lines
from opgraph.render.layout.model import Box, Layout, Line, Point, Sketch
from opgraph.render.layout.order import order_rows
from opgraph.render.layout.pins import place_pins
from opgraph.render.layout.sides import choose_sides
from opgraph.render.layout.wrap import columns

Direction = Literal["TB", "LR"]
ASPECT: dict[Direction, float] = {"TB": 1.4, "LR": 2.2}
ESTIMATED_GAP = 26.0
PART_GAP = 40.0
LABEL_SIDE = 5.0
LABEL_LEAD = 3.0


def arrange(sketch: Sketch, direction: Direction = "TB", wrap: bool = True) -> Layout:
    """Place all boxes and lines.

    Args:
        sketch: boxes and wires.
        direction: top to bottom or left to right.
        wrap: whether a long graph is cut into columns.

    >>> from opgraph.render.layout import Wire
    >>> two = Sketch((Box(80, 20), Box(80, 20)), (Wire(0, 1),))
    >>> arrange(two).corners
    (Point(x=0.0, y=0.0), Point(x=0.0, y=42.0))
    """
    if direction == "LR":
        return _turned_layout(arrange_down(_turned_sketch(sketch), ASPECT["LR"], wrap))
    return arrange_down(sketch, ASPECT["TB"], wrap)


def arrange_down(sketch: Sketch, aspect: float, wrap: bool) -> Layout:
    """Lay out every connected part from top to bottom, side by side."""
    corners: list[Point] = [Point(0.0, 0.0)] * len(sketch.boxes)
    lines: list[Line] = []
    labels: dict[tuple[int, int], Point] = {}
    parts = _parts(sketch)
    if len(parts) == 1:
        return _arrange_part(sketch, aspect, wrap)
    shelf = _Shelf(len(parts))
    for members in parts:
        part = _arrange_part(_part_sketch(sketch, members), aspect, wrap)
        x, y = shelf.put(part.width, part.height)
        for index, corner in zip(members, part.corners, strict=True):
            corners[index] = Point(corner.x + x, corner.y + y)
        lines += (_moved(line, members, x, y) for line in part.lines)
        for (source, port), point in part.labels.items():
            labels[members[source], port] = Point(point.x + x, point.y + y)
    return Layout(tuple(corners), tuple(lines), labels, shelf.width, shelf.height)


class _Shelf:
    """Puts parts side by side; a great many of them in several rows."""

    def __init__(self, parts: int) -> None:
        self.per_row = 6 if parts > 6 else parts
        self.in_row = 0
        self.x = self.y = self.width = self.height = 0.0

    def put(self, width: float, height: float) -> tuple[float, float]:
        if self.in_row == self.per_row:
            self.x, self.y, self.in_row = 0.0, self.height + PART_GAP, 0
        place = self.x, self.y
        self.in_row += 1
        self.width = max(self.width, self.x + width)
        self.height = max(self.height, self.y + height)
        self.x += width + PART_GAP
        return place


def _arrange_part(sketch: Sketch, aspect: float, wrap: bool) -> Layout:
    layers = build_layers(sketch)
    if not layers.main:
        layers = build_layers(_with_main(sketch, layers))
    order_rows(layers)
    centres, blocks = place_across(layers)
    cut = _columns(layers, centres, aspect) if wrap else [(0, len(layers.rows) - 1)]
    sides = choose_sides(layers, centres, {last for _, last in cut[:-1]})
    pins = place_pins(layers, centres, blocks, sides)
    levels = place_along(layers, centres, sides, pins, cut)
    return _finish(Places(layers, centres, sides, pins, levels))


def _with_main(sketch: Sketch, layers: Layers) -> Sketch:
    """A part that no main path was named for: its longest path."""
    above = {wire.target: wire.source for wire in reversed(sketch.wires)}
    box = max(range(len(sketch.boxes)), key=layers.ranks.__getitem__)
    path = [box]
    while path[-1] in above:
        path.append(above[path[-1]])
    return Sketch(sketch.boxes, sketch.wires, tuple(reversed(path)), sketch.labels)


def _columns(layers: Layers, centres: list[float], aspect: float) -> list[tuple[int, int]]:
    heights = [max(map(layers.height, row)) + ESTIMATED_GAP for row in layers.rows]
    low = min(centres[row[0]] - layers.width(row[0]) / 2 for row in layers.rows)
    high = max(centres[row[-1]] + layers.width(row[-1]) / 2 for row in layers.rows)
    return columns(layers, heights, high - low + ESTIMATED_GAP, aspect)


def _finish(places: Places) -> Layout:
    layers = places.layers
    boxes = range(len(layers.sketch.boxes))
    corners = [Point(places.edge(box, -1), places.upper(box)) for box in boxes]
    lines = list(draw_lines(places))
    rights = [places.edge(box, 1) for box in boxes]
    lowers = [places.lower(box) for box in boxes]
    points = [point for line in lines for point in line.points]
    left = min(0.0, *(point.x for point in points), *(corner.x for corner in corners))
    return Layout(
        tuple(Point(corner.x - left, corner.y) for corner in corners),
        tuple(_moved(line, boxes, -left, 0.0) for line in lines) if left else tuple(lines),
        {key: Point(p.x - left, p.y) for key, p in _labels(places).items()},
        max(*rights, *(point.x for point in points), 0.0) - left,
        max(*lowers, *(point.y for point in points), 0.0),
    )


def _labels(places: Places) -> dict[tuple[int, int], Point]:
    """Upper left corners of the labels that have room beside the start of their line."""
    pins = places.pins.outs
    at_box: dict[int, list[float]] = {}
    for net, x in pins.items():
        at_box.setdefault(places.layers.keys[net][0], []).append(x)
    found: dict[tuple[int, int], Point] = {}
    for net, key in enumerate(places.layers.keys):
        if net not in pins or key not in places.layers.sketch.labels:
            continue
        box, rank = key[0], places.layers.ranks[key[0]]
        limit = min((x for x in at_box[box] if x > pins[net]), default=inf)
        limit = min(limit, places.centres[box] + places.layers.width(box) / 2)
        if pins[net] + LABEL_SIDE + places.layers.sketch.labels[key].width <= limit:
            bottom = places.levels.tops[rank] + places.levels.heights[rank]
            x = pins[net] + places.levels.shifts[rank] + LABEL_SIDE
            found[key] = Point(x, bottom + LABEL_LEAD)
    return found


def _parts(sketch: Sketch) -> list[list[int]]:
    """Connected parts, in the order of their first boxes."""
    parent = list(range(len(sketch.boxes)))

    def root(box: int) -> int:
        while parent[box] != box:
            parent[box] = parent[parent[box]]
            box = parent[box]
        return box

    for wire in sketch.wires:
        a, b = sorted((root(wire.source), root(wire.target)))
        parent[b] = a
    parts: dict[int, list[int]] = {}
    for box in range(len(sketch.boxes)):
        parts.setdefault(root(box), []).append(box)
    return list(parts.values())


def _part_sketch(sketch: Sketch, members: list[int]) -> Sketch:
    if len(members) == len(sketch.boxes):
        return sketch
    new = {old: index for index, old in enumerate(members)}
    wires = [
        wire._replace(source=new[wire.source], target=new[wire.target])
        for wire in sketch.wires
        if wire.source in new
    ]
    labels = {(new[b], port): box for (b, port), box in sketch.labels.items() if b in new}
    main = tuple(new[box] for box in sketch.main if box in new)
    return Sketch(tuple(sketch.boxes[b] for b in members), tuple(wires), main, labels)


def _moved(line: Line, members: Iterable[int], x: float, y: float) -> Line:
    index = members if isinstance(members, list | range) else list(members)
    wire = line.wire._replace(source=index[line.wire.source], target=index[line.wire.target])
    return Line(wire, tuple(Point(p.x + x, p.y + y) for p in line.points), line.curved)


def _turned_sketch(sketch: Sketch) -> Sketch:
    labels = {key: Box(box.height, box.width) for key, box in sketch.labels.items()}
    boxes = tuple(Box(box.height, box.width) for box in sketch.boxes)
    return Sketch(boxes, sketch.wires, sketch.main, labels)


def _turned_layout(layout: Layout) -> Layout:
    return Layout(
        tuple(Point(p.y, p.x) for p in layout.corners),
        tuple(
            Line(line.wire, tuple(Point(p.y, p.x) for p in line.points), line.curved)
            for line in layout.lines
        ),
        {key: Point(p.y, p.x) for key, p in layout.labels.items()},
        layout.height,
        layout.width,
    )
