"""What a picture shows, and what several pictures have in common. Frozen data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from opgraph.render.card import Show
from opgraph.render.marks import Marks
from opgraph.render.notes.model import Notes
from opgraph.render.scale import Scale
from opgraph.render.scene import Item


@dataclass(frozen=True, slots=True)
class Fixed:
    """What several pictures of one graph have in common, so that they can follow one another.

    Attributes:
        width: of all boxes.
        heights: of each box.
        scale: of the colours, if there are any.
    """

    width: float
    heights: tuple[float, ...]
    scale: Scale | None


@dataclass(frozen=True, slots=True)
class Banner:
    """Something between the title and the graph.

    Attributes:
        height: how much room it takes.
        items: what to draw, given the width of the picture; its origin is at the upper left.
    """

    height: float
    items: Callable[[float], tuple[Item, ...]]


@dataclass(frozen=True, slots=True)
class Options:
    """What a picture shows.

    Attributes:
        show: what stands in the boxes.
        edge_shapes: on which lines the shape is written.
        title: above the picture; the graph's name when None, nothing when empty.
        legend: whether colours and type are explained.
        foot: whether the totals stand below.
        mark: name of a node with a frame around it, if any.
        notes: numbers in the boxes, and what colours them.
        marks: what became of nodes and lines, in the picture of a comparison.
        fixed: sizes and scale, where they are not this picture's own.
        banner: between title and graph.
    """

    show: Show = field(default_factory=Show)
    edge_shapes: str = "changes"
    title: str | None = None
    legend: bool = True
    foot: bool = True
    mark: str | None = None
    notes: Notes = field(default_factory=Notes)
    marks: Marks = field(default_factory=Marks)
    fixed: Fixed | None = None
    banner: Banner | None = None
