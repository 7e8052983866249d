"""Where lines touch the lower and upper edges of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from opgraph.render.layout.layers import Layers, Link
from opgraph.render.layout.model import Wire
from opgraph.render.layout.sides import Sides

PIN_GAP = 16.0
PORT_GAP = 56.0
MARGIN = 14.0


class _End(NamedTuple):
    """An end of a line at an edge: where its other end is, and whether it should be straight."""

    far: float
    straight: bool
    key: int | Wire


@dataclass
class Pins:
    """Places across the flow.

    Attributes:
        outs: by net, at the lower edge of its source.
        ins: by wire, at the upper edge of its target.
    """

    outs: dict[int, float] = field(default_factory=dict[int, float])
    ins: dict[Wire, float] = field(default_factory=dict[Wire, float])


def place_pins(layers: Layers, centres: list[float], blocks: list[int], sides: Sides) -> Pins:
    """Spread the ends of lines over the edges; straight lines stay in the middle."""
    pins = Pins()
    for gap in layers.gaps:
        for box, ends in _out_ends(layers, gap, centres, blocks, sides).items():
            places = _spread(ends, centres[box], layers.width(box), PORT_GAP)
            pins.outs.update({e.key: x for e, x in places if isinstance(e.key, int)})
        for box, ends in _in_ends(layers, gap, centres, blocks, sides, pins).items():
            places = _spread(ends, centres[box], layers.width(box), PIN_GAP, reach=True)
            pins.ins.update({e.key: x for e, x in places if isinstance(e.key, Wire)})
    return pins


def _out_ends(
    layers: Layers, gap: list[Link], centres: list[float], blocks: list[int], sides: Sides
) -> dict[int, list[_End]]:
    by_net: dict[tuple[int, int], list[Link]] = {}
    for link in gap:
        beside = link.wire is None and link.net in sides.exits
        if not layers.is_lane(link.upper) and not beside:
            by_net.setdefault((link.upper, link.net), []).append(link)
    ends: dict[int, list[_End]] = {}
    for (box, net), links in by_net.items():
        far = sum(centres[link.lower] for link in links) / len(links)
        straight = any(blocks[link.lower] == blocks[box] for link in links)
        ends.setdefault(box, []).append(_End(far, straight, net))
    return ends


def _in_ends(
    layers: Layers,
    gap: list[Link],
    centres: list[float],
    blocks: list[int],
    sides: Sides,
    pins: Pins,
) -> dict[int, list[_End]]:
    ends: dict[int, list[_End]] = {}
    for link in gap:
        if link.wire is None or link.wire in sides.entries:
            continue
        far = centres[link.upper] if layers.is_lane(link.upper) else pins.outs[link.net]
        straight = blocks[link.upper] == blocks[link.lower]
        ends.setdefault(link.lower, []).append(_End(far, straight, link.wire))
    return ends


def _spread(
    ends: list[_End], centre: float, width: float, gap: float, reach: bool = False
) -> list[tuple[_End, float]]:
    """Places for the ends at an edge, in the order of their other ends.

    A single end is met where it comes from if that is above the box (`reach`).
    """
    room = max(width / 4, width / 2 - MARGIN)
    if len(ends) == 1:
        near = reach and abs(ends[0].far - centre) <= room
        return [(ends[0], ends[0].far if near else centre)]
    ends = sorted(ends, key=lambda end: end.far)
    anchor = _anchor(ends)
    most = max(anchor, len(ends) - 1 - anchor)
    step = min(gap, room / most)
    return [(end, centre + (index - anchor) * step) for index, end in enumerate(ends)]


def _anchor(ends: Sequence[_End]) -> float:
    """Index that stands in the middle: that of the straight ends, else halfway."""
    straight = [index for index, end in enumerate(ends) if end.straight]
    return straight[len(straight) // 2] if straight else (len(ends) - 1) / 2
