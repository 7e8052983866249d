"""A network as volumes: stacked boxes in parallel projection, as figures of papers have them.

Each volume is the output of a node: its height and depth are the sides of the image, its width the
channels, all logarithmic. What changes no shape (normalisation, activation, dropout) is a slab at
the right of what it follows. True vector form: faces, no pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log2
from typing import NamedTuple

from opgraph.analysis import Analysis, NodeFacts
from opgraph.errors import GraphError
from opgraph.ops import Shape as Dims
from opgraph.render.captions import description, footer, tooltip
from opgraph.render.card import is_quiet, measure
from opgraph.render.cleaning import clean
from opgraph.render.layout import Line, Point, Wire
from opgraph.render.legend import face_rows
from opgraph.render.metrics import shorten
from opgraph.render.picture import arrow
from opgraph.render.scene import Group, Item, Path, Rect, Scene, Shape, Text
from opgraph.render.theme import TYPE
from opgraph.render.wording import shape_text

MOST_VOLUMES = 48
MARGIN, TITLE_ROOM, GAP = 24.0, 34.0, 22.0
SLAB, FLAT, SLANT = 5.0, 8.0, 0.38
LEAST_SIDE, SIDE = 10.0, 13.0  # of height and depth: a base, and so much for each doubling
LEAST_WIDE, WIDE = 5.0, 4.0
LABEL_WIDTH, LABEL_ROW, LEAST_WIDTH = 104.0, 14.0, 380.0
ARC, ARC_LEAD = 12.0, 14.0
NOTE = "height and depth: sides of the image; width: channels; all logarithmic"


class Size(NamedTuple):
    """The sides of a volume, in pixels."""

    width: float
    height: float
    depth: float


@dataclass(frozen=True)
class Volume:
    """A node and what is stacked on it.

    Attributes:
        facts: the node whose output is drawn.
        slabs: nodes that follow it without changing the shape.
        size: of the node's own part.
    """

    facts: NodeFacts
    slabs: tuple[NodeFacts, ...]
    size: Size

    @property
    def nodes(self) -> tuple[NodeFacts, ...]:
        """All that it stands for."""
        return (self.facts, *self.slabs)

    @property
    def width(self) -> float:
        """Of its front, slabs included."""
        return self.size.width + SLAB * len(self.slabs)

    @property
    def shift(self) -> float:
        """How far its back is moved to the right, and up."""
        return SLANT * self.size.depth


def size_of(shape: Dims | None) -> Size:
    """The sides of an output: of an image from all three, of a sequence or a vector flat ones.

    >>> size_of((32, 32, 64)), size_of((10,)).width
    (Size(width=29.0, height=75.0, depth=75.0), 8.0)
    """
    dims = [dim or 1 for dim in shape or ()]
    if len(dims) >= 3:
        return Size(LEAST_WIDE + WIDE * log2(dims[-1]), _side(dims[0]), _side(dims[1]))
    if len(dims) == 2:
        return Size(LEAST_WIDE + WIDE * log2(dims[1]), _side(dims[0]), FLAT)
    return Size(FLAT, _side(dims[0]) if dims else LEAST_SIDE, FLAT)


def _side(length: int) -> float:
    return LEAST_SIDE + SIDE * log2(length)


def volumes_of(analysis: Analysis) -> list[Volume]:
    """The volumes in the order of the flow; each node is in one of them.

    Raises:
        GraphError: there are too many for a figure.
    """
    home: dict[str, int] = {}
    stacks: list[list[NodeFacts]] = []
    for name, facts in analysis.facts.items():
        before = _base(analysis, facts)
        if before is None:
            home[name] = len(stacks)
            stacks.append([facts])
        else:
            home[name] = home[before]
            stacks[home[name]].append(facts)
    if len(stacks) > MOST_VOLUMES:
        raise GraphError(
            f"{len(stacks)} volumes are too many for a figure, expected at most {MOST_VOLUMES}",
            where="--style volume",
            hint="draw it as boxes, which fold",
        )
    return [Volume(nodes[0], tuple(nodes[1:]), size_of(nodes[0].output)) for nodes in stacks]


def _base(analysis: Analysis, facts: NodeFacts) -> str | None:
    """The node that one is a slab on: its only source, of which it is the only reader."""
    sources = analysis.graph.inputs(facts.node.name)
    is_slab = is_quiet(facts) or facts.node.kind.category == "normalization"
    if not is_slab or len(sources) != 1:
        return None
    before = sources[0].node
    return before if len(analysis.graph.edges_from(before)) == 1 else None


@dataclass(frozen=True)
class _Figure:
    """Volumes at their places; the middle of all fronts is at the height 0."""

    analysis: Analysis
    volumes: Sequence[Volume]
    lefts: Sequence[float]

    @property
    def home(self) -> Mapping[str, int]:
        return {
            facts.node.name: index
            for index, volume in enumerate(self.volumes)
            for facts in volume.nodes
        }

    @property
    def top(self) -> float:
        return min(-volume.size.height / 2 - volume.shift for volume in self.volumes)

    @property
    def bottom(self) -> float:
        return max(volume.size.height / 2 for volume in self.volumes)

    def links(self) -> list[tuple[int, int]]:
        """Pairs of volumes that an array joins, each once."""
        home = self.home
        pairs = ((home[edge.source], home[edge.target]) for edge in self.analysis.graph.edges)
        return sorted({pair for pair in pairs if pair[0] != pair[1]})

    def items(self) -> Iterator[Item]:
        """Arrows and arcs, then the volumes from left to right."""
        levels = _levels([link for link in self.links() if link[1] != link[0] + 1])
        for source, target in self.links():
            points = self._straight(source) if target == source + 1 else ()
            points = points or self._arc(source, target, levels[source, target])
            line = Line(Wire(source, target), points)
            yield Group((Path(points, "edge", 8.0), Shape(arrow(line), "arrow")), kind="line")
        for index, volume in enumerate(self.volumes):
            yield self._volume(index, volume)

    def _straight(self, source: int) -> tuple[Point, ...]:
        volume = self.volumes[source]
        start = self.lefts[source] + volume.width + volume.shift / 2
        return Point(start, -volume.shift / 2), Point(self.lefts[source + 1], -volume.shift / 2)

    def _arc(self, source: int, target: int, level: int) -> tuple[Point, ...]:
        """Over the top, from the far edge of one lid to that of the other."""
        height = self.top - ARC_LEAD - level * ARC
        (a, up), (b, down) = self._lid(source, 0.65), self._lid(target, 0.35)
        return Point(a, up), Point(a, height), Point(b, height), Point(b, down)

    def _lid(self, index: int, share: float) -> tuple[float, float]:
        volume = self.volumes[index]
        across = self.lefts[index] + volume.width * share + volume.shift
        return across, -volume.size.height / 2 - volume.shift

    def _volume(self, index: int, volume: Volume) -> Group:
        items: list[Item] = []
        x, size, shift = 0.0, volume.size, volume.shift
        for facts in volume.nodes:
            width = size.width if facts is volume.facts else SLAB
            kind = f"v-{facts.node.kind.category}"
            items.append(Rect(x, 0.0, width, size.height, f"{kind} front"))
            lid = f"M{x:g} 0L{x + shift:g} {-shift:g}H{x + shift + width:g}L{x + width:g} 0Z"
            items.append(Shape(lid, f"{kind} lid"))
            x += width
        kind = f"v-{volume.nodes[-1].node.kind.category}"
        side = f"M{x:g} 0L{x + shift:g} {-shift:g}V{size.height - shift:g}L{x:g} {size.height:g}Z"
        items.append(Shape(side, f"{kind} side"))
        items += self._labels(volume)
        title = "\n\n".join(tooltip(facts) for facts in volume.nodes)
        at = Point(self.lefts[index], -size.height / 2)
        return Group(
            tuple(items), at, f"n{index}", "volume", title, {"node": volume.facts.node.name}
        )

    def _labels(self, volume: Volume) -> Iterator[Text]:
        """Name, op and shape below the middle of the whole column."""
        y = self.bottom + volume.size.height / 2 + 20.0
        for text, kind in _labels(volume):
            size, bold, _, _ = TYPE[kind]
            short = shorten(text, LABEL_WIDTH, size, bold)
            room = measure(short, kind)
            yield Text((volume.width + volume.shift - room) / 2, y, short, kind, room)
            y += LABEL_ROW


def _levels(arcs: Sequence[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """How high each arc goes: above all arcs that it spans, beside those that it does not touch."""
    found: dict[tuple[int, int], int] = {}
    for arc in sorted(arcs, key=lambda arc: (arc[1] - arc[0], arc)):
        below = [level for (a, b), level in found.items() if a <= arc[1] and arc[0] <= b]
        found[arc] = max(below, default=-1) + 1
    return found


def _placed(volumes: Sequence[Volume]) -> tuple[list[float], float]:
    """Left ends of fronts and the whole width; a column is as wide as volume and labels need."""
    lefts: list[float] = []
    x = 0.0
    for volume in volumes:
        own = volume.width + volume.shift
        label = max(min(LABEL_WIDTH, measure(text, kind)) for text, kind in _labels(volume))
        column = max(own, label)
        lefts.append(round(x + (column - own) / 2, 1))
        x += column + GAP
    return lefts, x - GAP


def _labels(volume: Volume) -> list[tuple[str, str]]:
    """Name, op and shape, each with its kind of type."""
    node = volume.facts.node
    shape = shape_text(volume.facts.output)
    return [(clean(node.name), "name"), (node.kind.kind, "op"), (shape, "shape")]


def volume_scene(analysis: Analysis, *, title: str | None = None, legend: bool = True) -> Scene:
    """The figure as a tree of faces, texts and lines; see `draw_svg`.

    Raises:
        GraphError: there are too many volumes.
        OpgraphError: shapes do not fit.
    """
    volumes = volumes_of(analysis.require())
    lefts, width = _placed(volumes)
    figure = _Figure(analysis, volumes, lefts)
    heading = clean(analysis.graph.name if title is None else title)
    items = tuple(figure.items())
    arcs = [link for link in figure.links() if link[1] != link[0] + 1]
    above = ARC_LEAD + max(_levels(arcs).values(), default=-1) * ARC + ARC if arcs else 0.0
    top = MARGIN + (TITLE_ROOM if heading else 0.0) + above - figure.top
    width = max(width, LEAST_WIDTH)
    bottom = top + figure.bottom + 20.0 + 2 * LABEL_ROW
    below: list[Item] = []
    if legend:
        categories = {facts.node.kind.category for v in volumes for facts in v.nodes}
        for row in [*face_rows(categories, width), (_words(NOTE),), (_words(footer(analysis)),)]:
            bottom += 20.0
            below.append(Group(row, Point(MARGIN, bottom)))
    size = width + 2 * MARGIN, bottom + MARGIN
    head = (Text(MARGIN, MARGIN + 12, heading, "title", measure(heading, "title")),)
    children: tuple[Item, ...] = (
        Rect(0.0, 0.0, *size, "background"),
        *(head if heading else ()),
        Group(items, Point(MARGIN, top), kind="graph"),
        *below,
    )
    return Scene(*size, heading or clean(analysis.graph.name), description(analysis), children)


def _words(text: str) -> Text:
    return Text(0.0, 0.0, text, "foot", measure(text, "foot"))
