"""A graph with its facts as a scene: cards at their places, lines, title, legend, footer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from opgraph.analysis import Analysis, Folded
from opgraph.graph import Edge, Endpoint
from opgraph.render.captions import description, footer, tooltip
from opgraph.render.card import (
    Card,
    is_quiet,
    measure,
    node_card,
    set_card,
    with_mark,
    with_notes,
)
from opgraph.render.cleaning import clean
from opgraph.render.fold_card import fold_card, fold_tooltip
from opgraph.render.heat_legend import heat_rows, scope_row
from opgraph.render.layout import Box, Layout, Line, Point, Sketch, Wire
from opgraph.render.legend import legend_rows, mark_rows
from opgraph.render.marks import Way
from opgraph.render.metrics import shorten
from opgraph.render.options import Options
from opgraph.render.scale import Scale, level_of, scale_for
from opgraph.render.scene import Group, Item, Path, Rect, Scene, Shape, Text
from opgraph.render.stubs import Tag, with_tags
from opgraph.render.tag import TAG_WIDTH, set_tag
from opgraph.render.wording import shape_text

MARGIN = 24.0
TITLE_ROOM, LEGEND_LEAD, LEGEND_ROW, FOOT_ROOM = 30.0, 26.0, 18.0, 20.0
CORNER = 8.0
LABEL_HEIGHT = 12.0
ARROW, ARROW_HALF = 6.0, 3.2
LEAST_CONTENT = 300.0
LINE_ROOM = 8.0
FRAME, FRAME_COLOUR = 4.0, "#DC2626"

Engine = Callable[[Sketch], Layout]


@dataclass(frozen=True)
class Picture:
    """One picture in the making."""

    folded: Folded
    options: Options
    engine: Engine
    sideways: bool = False

    @cached_property
    def analysis(self) -> Analysis:
        """What is drawn: nodes, and folds that stand for several."""
        return self.folded.view

    @cached_property
    def names(self) -> dict[str, int]:
        """Index of each node."""
        return {name: index for index, name in enumerate(self.analysis.graph.nodes)}

    @cached_property
    def ghosts(self) -> frozenset[str]:
        """Nodes that stand behind an error."""
        found: set[str] = set()
        for name, facts in self.analysis.facts.items():
            sources = (end.node for end in self.analysis.graph.inputs(name))
            if any(s in found or self.analysis[s].error for s in sources) and not facts.error:
                found.add(name)
        return frozenset(found)

    @cached_property
    def cards(self) -> list[Card]:
        """The card of each node."""
        show, facts = self.options.show, self.analysis.facts
        folds = self.folded.folds
        cards = [
            fold_card(folds[name], show)
            if name in folds
            else node_card(facts[name], show, name in self.ghosts)
            for name in self.names
        ]
        if not self.options.notes.all and not self.options.marks.nodes:
            return cards
        return [self._noted(name, card) for name, card in zip(self.names, cards, strict=True)]

    def _noted(self, name: str, card: Card) -> Card:
        notes, inside = self.options.notes, self._inside(name)
        rows = [row for note in notes.rows for row in note.rows(inside)]
        mark = self.options.marks.of(inside)
        card = with_mark(card, mark) if mark else card
        return with_notes(card, [*(mark.rows if mark else ()), *rows], self.levels.get(name))

    def _inside(self, name: str) -> tuple[str, ...]:
        """The nodes that a box stands for."""
        folds = self.folded.folds
        return folds[name].fold.nodes if name in folds else (name,)

    @cached_property
    def scale(self) -> Scale | None:
        """The scale of colour over all boxes."""
        note = self.options.notes.colour
        if self.options.fixed is not None or note is None:
            return self.options.fixed and self.options.fixed.scale
        return scale_for(self.numbers, note.wanted)

    @cached_property
    def numbers(self) -> list[float | None]:
        """The number that colours each box."""
        note = self.options.notes.colour
        return [None if note is None else note.number(self._inside(name)) for name in self.names]

    @cached_property
    def levels(self) -> dict[str, str]:
        """The level of colour of each box; none of a picture without colour."""
        if self.options.notes.colour is None:
            return {}
        found = zip(self.names, self.numbers, strict=True)
        return {name: level_of(self.scale, number) for name, number in found}

    @cached_property
    def width(self) -> float:
        """The common width of all nodes, a whole even number."""
        if self.options.fixed is not None:
            return self.options.fixed.width
        widest = max((card.width for card in self.cards), default=0.0)
        return float(2 * (int(widest + 1.99) // 2))

    @cached_property
    def heights(self) -> list[float]:
        """The height of each node; sideways there is room for all lines that meet it."""
        if self.options.fixed is not None:
            return list(self.options.fixed.heights)
        heights = self.heights_at(self.width)
        if not self.sideways:
            return heights
        graph = self.analysis.graph.nx
        ends = [max(graph.in_degree(name), graph.out_degree(name)) for name in self.names]
        return [max(h, LINE_ROOM * (count + 1)) for h, count in zip(heights, ends, strict=True)]

    def heights_at(self, width: float) -> list[float]:
        """What each card would need at a width."""
        return [card.height(width) for card in self.cards]

    @cached_property
    def sketch(self) -> tuple[Sketch, tuple[Tag, ...], int]:
        """Boxes and wires, the tags that stand for long lines, and how many of those there are."""
        boxes = tuple(Box(self.width, height) for height in self.heights)
        graph = self.analysis.graph
        wires = tuple(
            Wire(self.names[edge.source], self.names[edge.target], edge.port, edge.slot)
            for edge in graph.edges
        )
        main = tuple(self.names[name] for name in self.analysis.critical_path)
        labels = {key: Box(w, LABEL_HEIGHT) for key, (_, w) in self.edge_labels.items()}
        return with_tags(Sketch(boxes, wires, main, labels), TAG_WIDTH)

    @cached_property
    def edge_labels(self) -> dict[tuple[int, int], tuple[str, float]]:
        """The shapes to be written at lines, by (source, port), with their widths."""
        if self.options.edge_shapes == "none":
            return {}
        found: dict[tuple[int, int], tuple[str, float]] = {}
        for name, facts in self.analysis.facts.items():
            by_port: dict[int, list[Edge]] = {}
            for edge in self.analysis.graph.edges_from(name):
                by_port.setdefault(edge.port, []).append(edge)
            for port, edges in by_port.items():
                shape = facts.outputs[port] if port < len(facts.outputs) else None
                if shape is not None and (self.options.edge_shapes == "all" or self._tells(edges)):
                    text = shape_text(shape)
                    found[self.names[name], port] = text, measure(text, "shape")
        return found

    def _tells(self, edges: list[Edge]) -> bool:
        """Whether a shape is news: after a change; at a fork or merge that no box tells it of."""
        facts = self.analysis[edges[0].source]
        if facts.outputs[edges[0].port] not in facts.inputs:
            return True
        forks = len({edge.target for edge in edges}) > 1
        return is_quiet(facts) and (forks or len(self.analysis[edges[0].target].inputs) > 1)

    def scene(self) -> Scene:
        """The whole picture."""
        sketch, tags, cut = self.sketch
        layout = self.engine(sketch)
        text = self.options.title
        title = clean(self.analysis.graph.name if text is None else text)
        width = max(layout.width, LEAST_CONTENT)
        top = MARGIN + (TITLE_ROOM if title else 0.0)
        banner = self._banner(width, top)
        top += self.options.banner.height if self.options.banner else 0.0
        drawing = [*self._lines(layout, tags), *self._nodes(layout), *self._tags(layout, tags)]
        at = Point(MARGIN, top)
        below, bottom = self._below(width, top + layout.height, cut)
        size = width + 2 * MARGIN, bottom + MARGIN
        head = self._title(title, width) if title else ()
        children: tuple[Item, ...] = (
            Rect(0.0, 0.0, *size, "background"),
            *head,
            *banner,
            Group(tuple(drawing), at, kind="graph"),
            *below,
        )
        name = title or clean(self.analysis.graph.name)
        text = self.options.marks.summary or description(self.folded.whole)
        return Scene(*size, name, text, children)

    def _title(self, title: str, width: float) -> tuple[Item, ...]:
        short = shorten(title, width, 15, True)
        return (Text(MARGIN, MARGIN + 12, short, "title", measure(short, "title")),)

    def _banner(self, width: float, top: float) -> tuple[Item, ...]:
        banner = self.options.banner
        return (Group(banner.items(width), Point(MARGIN, top)),) if banner else ()

    def _nodes(self, layout: Layout) -> Iterable[Item]:
        for (name, index), card in zip(self.names.items(), self.cards, strict=True):
            height = self.heights[index]
            facts = self.analysis[name]
            frame = (_frame(self.width, height),) if name == self.options.mark else ()
            yield Group(
                (*frame, *set_card(card, self.width, height)),
                at=layout.corners[index],
                ident=f"n{index}",
                kind="node",
                title=self._tooltip(name),
                data={"node": name, "op": facts.node.kind.kind},
            )

    def _tooltip(self, name: str) -> str:
        """Everything about a box, notes in full at the end."""
        folds = self.folded.folds
        text = fold_tooltip(folds[name]) if name in folds else tooltip(self.analysis[name])
        inside = self._inside(name)
        lines = [line for note in self.options.notes.all for line in note.lines(inside)]
        return "\n".join([text, *lines])

    def _lines(self, layout: Layout, tags: tuple[Tag, ...]) -> Iterable[Item]:
        by_net: dict[tuple[int, int], list[Line]] = {}
        for line in layout.lines:
            by_net.setdefault((line.wire.source, line.wire.port), []).append(line)
        by_tag = {tag.box: tag for tag in tags}
        names = list(self.names)
        for (source, port), lines in by_net.items():
            tag = by_tag.get(source)
            name = names[tag.sources[0] if tag else source]
            faint = " ghost-line" if name in self.ghosts or self.analysis[name].error else ""
            way = self._way(name, port)
            faint += f" d-{way.status}" if way else ""
            items: list[Item] = [
                Path(line.points, f"edge{faint}", CORNER, line.curved) for line in lines
            ]
            items.append(Shape("".join(map(arrow, lines)), f"arrow{faint}"))
            if (source, port) in layout.labels:
                text, measured = self.edge_labels[source, port]
                corner = layout.labels[source, port]
                items.append(Text(corner.x, corner.y + 9, text, "shape", measured))
            if tag:
                yield Group(tuple(items), kind="line")
            else:
                data = {"source": name, "port": str(port)}
                title = self._line_title(name, port)
                yield Group(tuple(items), kind="line", title=title, data=data)

    def _way(self, name: str, port: int) -> Way | None:
        """What became of the lines that leave a box by a port."""
        folds = self.folded.folds
        if name in folds and port < len(folds[name].exits):
            return self.options.marks.lines.get(list(folds[name].exits)[port])
        return self.options.marks.lines.get(Endpoint(name, port))

    def _line_title(self, name: str, port: int) -> str:
        facts = self.analysis[name]
        way = self._way(name, port)
        if way is not None:
            port = way.port
        shape = facts.outputs[port] if port < len(facts.outputs) else None
        source = f"{name}.{port}" if port else name
        return f"{source}: {shape_text(shape)}"

    def _tags(self, layout: Layout, tags: tuple[Tag, ...]) -> Iterable[Item]:
        names = list(self.names)
        for tag in tags:
            yield set_tag(tag, names, layout.corners[tag.box])

    def _below(self, width: float, top: float, cut: int) -> tuple[tuple[Item, ...], float]:
        """Legend and footer, and where they end."""
        items: list[Item] = []
        bottom = top
        if self.options.legend:
            rows = [*self._note_rows(width), *self._legend(width, cut)]
            bottom += LEGEND_LEAD
            for row in rows:
                items.append(Group(row, Point(MARGIN, bottom)))
                bottom += LEGEND_ROW
            bottom -= LEGEND_ROW
        if self.options.foot:
            bottom += FOOT_ROOM if self.options.legend else LEGEND_LEAD
            for line in _foot_lines(self._summary(), width):
                items.append(Text(MARGIN, bottom, line, "foot", measure(line, "foot")))
                bottom += LEGEND_ROW
            bottom -= LEGEND_ROW
        return tuple(items), bottom

    def _legend(self, width: float, cut: int) -> list[tuple[Item, ...]]:
        marks = self.options.marks
        return [
            *mark_rows(marks, width),
            *legend_rows(self.folded, self.cards, width, cut),
        ]

    def _summary(self) -> str:
        return self.options.marks.summary or footer(self.folded.whole)

    def _note_rows(self, width: float) -> list[tuple[Item, ...]]:
        """What the legend says of notes."""
        notes, folded = self.options.notes, bool(self.folded.folds)
        rows = scope_row(notes, folded, width)
        if notes.colour is not None:
            rows += heat_rows(notes.colour, self.scale, self.levels.values(), folded, width)
        return rows


def _frame(width: float, height: float) -> Rect:
    """What marks a node: a rectangle that looks out from behind its card."""
    wide, high = width + 2 * FRAME, height + 2 * FRAME
    return Rect(-FRAME, -FRAME, wide, high, "mark", CORNER, FRAME_COLOUR)


def _foot_lines(text: str, width: float) -> list[str]:
    lines: list[str] = []
    for part in text.split(" · "):
        joined = f"{lines[-1]} · {part}" if lines else part
        if lines and measure(joined, "foot") <= width:
            lines[-1] = joined
        else:
            lines.append(part)
    return lines


def arrow(line: Line) -> str:
    """Path data of the arrowhead at the end of a line."""
    tip = line.points[-1]
    before = next((p for p in reversed(line.points[:-1]) if p != tip), None)
    if before is None:
        return ""
    dx, dy = tip.x - before.x, tip.y - before.y
    length = (dx * dx + dy * dy) ** 0.5
    ux, uy = dx / length, dy / length
    back = tip.x - ux * ARROW, tip.y - uy * ARROW
    a = back[0] - uy * ARROW_HALF, back[1] + ux * ARROW_HALF
    b = back[0] + uy * ARROW_HALF, back[1] - ux * ARROW_HALF
    return f"M{tip.x:.4g} {tip.y:.4g}L{a[0]:.4g} {a[1]:.4g}L{b[0]:.4g} {b[1]:.4g}Z"
