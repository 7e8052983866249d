"""What a layout is made of: boxes and wires in, positions and lines out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Point(NamedTuple):
    """A place in the picture, in pixels from its upper left corner."""

    x: float
    y: float


class Box(NamedTuple):
    """The size of something to be placed."""

    width: float
    height: float


class Wire(NamedTuple):
    """A connection between two boxes, by their indices."""

    source: int
    target: int
    port: int = 0
    slot: int = 0


@dataclass(frozen=True)
class Sketch:
    """What is to be laid out.

    Attributes:
        boxes: sizes; wires name boxes by their index.
        wires: an acyclic set of connections.
        main: indices of the path that is kept on one straight line.
        labels: room for a text beside the lines that leave a (source, port).
    """

    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]
    main: tuple[int, ...] = ()
    labels: Mapping[tuple[int, int], Box] = field(default_factory=dict[tuple[int, int], Box])


class Line(NamedTuple):
    """One wire as it is drawn.

    Lines of the same (source, port) carry the same array and form a tree: only one of them starts
    at the source, the others where they leave one another. With `curved`, the points are those of
    cubic Bezier curves: a start, then two control points and an end for each curve.
    """

    wire: Wire
    points: tuple[Point, ...]
    curved: bool = False


@dataclass(frozen=True)
class Layout:
    """Where everything goes: upper left corners of boxes, lines, and places of labels."""

    corners: tuple[Point, ...]
    lines: tuple[Line, ...]
    labels: Mapping[tuple[int, int], Point]
    width: float
    height: float
