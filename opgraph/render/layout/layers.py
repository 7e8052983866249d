"""Boxes and the lanes of long lines, rank by rank.

A line that goes down several ranks needs a place in each of them: an element that is no box but a
lane. All lines of one (source, port) share their lanes, as they carry the same array; so a box that
everything reads costs one lane, not one for each reader.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from opgraph.render.layout.model import Sketch, Wire
from opgraph.render.layout.ranks import assign_ranks


class Link(NamedTuple):
    """A piece of a line from one rank to the next.

    `wire` is set on the piece that ends in its target, None on one that leads to a lane.
    """

    upper: int
    lower: int
    net: int
    wire: Wire | None


@dataclass
class Layers:
    """Elements (boxes first, then lanes) in ranks, and the links in the gaps between ranks.

    Attributes:
        sketch: what is laid out.
        ranks: rank of each element.
        nets: for a lane the net it belongs to, -1 for a box.
        rows: elements of each rank, from left to right.
        gaps: links from each rank to the next.
        keys: the (source, port) of each net.
        main: pairs of elements that the main path joins.
    """

    sketch: Sketch
    ranks: list[int]
    nets: list[int]
    rows: list[list[int]]
    gaps: list[list[Link]]
    keys: list[tuple[int, int]]
    main: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])

    def is_lane(self, element: int) -> bool:
        """Whether an element is a lane of a long line rather than a box."""
        return element >= len(self.sketch.boxes)

    def width(self, element: int) -> float:
        """Extent across the flow; a lane has none."""
        boxes = self.sketch.boxes
        return boxes[element].width if element < len(boxes) else 0.0

    def height(self, element: int) -> float:
        """Extent along the flow; a lane has none."""
        boxes = self.sketch.boxes
        return boxes[element].height if element < len(boxes) else 0.0


def build_layers(sketch: Sketch) -> Layers:
    """Ranks, lanes and links; the rows are in no particular order yet."""
    count = len(sketch.boxes)
    ranks = assign_ranks(count, sketch.wires)
    depth = max(ranks, default=-1) + 1
    rows: list[list[int]] = [[] for _ in range(depth)]
    for box, rank in enumerate(ranks):
        rows[rank].append(box)
    by_net: dict[tuple[int, int], list[Wire]] = {}
    for wire in sketch.wires:
        by_net.setdefault((wire.source, wire.port), []).append(wire)
    gaps: list[list[Link]] = [[] for _ in range(depth)]
    layers = Layers(sketch, ranks, [-1] * count, rows, gaps, list(by_net))
    following = dict(zip(sketch.main, sketch.main[1:], strict=False))
    for net, wires in enumerate(by_net.values()):
        _lay_net(layers, net, wires, following)
    return layers


def _lay_net(layers: Layers, net: int, wires: list[Wire], following: dict[int, int]) -> None:
    source = layers.keys[net][0]
    above = source
    by_rank: dict[int, list[Wire]] = {}
    for wire in wires:
        by_rank.setdefault(layers.ranks[wire.target], []).append(wire)
    chain: list[tuple[int, int]] = []
    last = max(by_rank)
    for rank in range(layers.ranks[source] + 1, last + 1):
        gap = layers.gaps[rank - 1]
        for wire in by_rank.get(rank, ()):
            gap.append(Link(above, wire.target, net, wire))
            if following.get(source) == wire.target:
                layers.main.update([*chain, (above, wire.target)])
        if rank < last:
            lane = len(layers.ranks)
            layers.ranks.append(rank)
            layers.nets.append(net)
            layers.rows[rank].append(lane)
            gap.append(Link(above, lane, net, None))
            chain.append((above, lane))
            above = lane
