"""From settled mentions to a graph: one node a name, its op and attributes; edges and slots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opgraph.errors import (
    AttributeValueError,
    GraphError,
    OpgraphError,
    ParseError,
    Place,
    UnknownOpError,
)
from opgraph.graph import Edge, Node, OpGraph, check
from opgraph.ops import Op, convert_value, unknown_attribute
from opgraph.ops import require as require_op
from opgraph.text.draft import Draft, Item, Link, Span
from opgraph.text.findings import Findings
from opgraph.text.tell import cannot_tell, likely_op, require, tell
from opgraph.text.values import Setting


class _Entry:
    """All that is said about one node, over the whole text."""

    __slots__ = (
        "first",
        "guessed",
        "kind",
        "label",
        "label_at",
        "links",
        "op",
        "owner",
        "settings",
    )

    def __init__(self, first: Item) -> None:
        self.first = first
        self.label: str | None = None
        self.label_at: Item | None = None
        self.op: Span | None = None
        self.owner: Item | None = None
        self.settings: dict[str, Setting] | None = None
        self.kind: type[Op] | None = None
        self.guessed = False
        self.links: list[Link] = []


def assemble(draft: Draft, findings: Findings, name: str) -> OpGraph:
    """Make the graph of a draft; what is wrong is added to the findings."""
    return _Assembly(draft, findings).make(name)


class _Assembly:
    def __init__(self, draft: Draft, findings: Findings) -> None:
        self.draft, self.findings = draft, findings
        self.entries: dict[str, _Entry] = {}

    def make(self, name: str) -> OpGraph:
        self._gather()
        self._tell_ops()
        nodes = [self._node(key, entry) for key, entry in self.entries.items()]
        edges = [edge for key, entry in self.entries.items() for edge in self._edges(key, entry)]
        graph = OpGraph(nodes, edges, name)
        self._check(graph)
        return graph

    def _error(self, make: Callable[[], OpgraphError], start: int, end: int) -> None:
        def placed() -> OpgraphError:
            error = make()
            error.place = self.findings.place(start, end)
            return error

        self.findings.add(placed)

    # What is said about each node --------------------------------------------------------------

    def _gather(self) -> None:
        entries = self.entries
        for item in self.draft.items:
            entry = entries.get(item.text)
            if entry is None:
                entry = entries[item.text] = _Entry(item)
            if item.label is not None or not item.is_plain:
                self._describe(entry, item)
        for link in self.draft.links:
            entries[link.target.text].links.append(link)

    def _describe(self, entry: _Entry, item: Item) -> None:
        if item.label is not None:
            self._set_label(entry, item)
        if item.op:
            self._set_op(entry, item, item.op)
        for setting in item.settings or ():
            self._set_attribute(entry, item, setting)
        if item.owner:
            self._set_owner(entry, item, item.owner)

    def _contradiction(self, item: Item, what: str, first: int, span: tuple[int, int]) -> None:
        """Two places say different things about a node; an error at the second."""
        before = self.findings.place(first, first)
        self._error(
            lambda: ParseError(
                what, where=item.text, node=item.text, hint=f"the other one stands at {before}"
            ),
            *span,
        )

    def _set_label(self, entry: _Entry, item: Item) -> None:
        if entry.label_at is None:
            entry.label, entry.label_at = item.label, item
        elif entry.label != item.label:
            what = f"the label is {item.label!r} here, {entry.label!r} elsewhere"
            self._contradiction(item, what, entry.label_at.start, (item.start, item.end))

    def _set_op(self, entry: _Entry, item: Item, op: Span) -> None:
        if entry.op is None:
            entry.op = op
        elif not _is_same_op(entry.op.text, op.text):
            what = f"the op is {op.text!r} here, {entry.op.text!r} elsewhere"
            self._contradiction(item, what, entry.op.start, op[1:])

    def _set_attribute(self, entry: _Entry, item: Item, setting: Setting) -> None:
        entry.settings = entry.settings or {}
        before = entry.settings.setdefault(setting.name, setting)
        if before.value != setting.value:
            what = f"{setting.name} is {setting.value!r} here, {before.value!r} elsewhere"
            self._contradiction(item, what, before.start, (setting.start, setting.end))

    def _set_owner(self, entry: _Entry, item: Item, owner: Item) -> None:
        if entry.owner is None:
            entry.owner = owner
        elif entry.owner.text != owner.text:
            what = f"shares the weights of {owner.text!r} here, of {entry.owner.text!r} elsewhere"
            self._contradiction(item, what, entry.owner.start, (owner.start, owner.end))

    # Ops ----------------------------------------------------------------------------------------

    def _tell_ops(self) -> None:
        for name, entry in self.entries.items():
            if entry.owner is None or entry.op:
                self._tell_op(name, entry)
        for name, entry in self.entries.items():
            if entry.owner is not None:
                self._follow_owner(name)

    def _tell_op(self, name: str, entry: _Entry) -> None:
        if entry.op:
            found, span = require(entry.op.text, name), entry.op[1:]
        else:
            found, span = tell(name, entry.label), (entry.first.start, entry.first.end)
            entry.guessed = True
        if isinstance(found, type):
            entry.kind = found
        elif found is not None:
            self._error(lambda: found, *span)
        elif not entry.links and name in self.draft.lost:
            return
        elif not entry.links and likely_op(name) is None:
            entry.kind = require_op("Input")
        else:
            self._error(lambda: cannot_tell(name, entry.label), *span)

    def _follow_owner(self, name: str) -> None:
        """The op of a node that shares weights is that of the node that owns them."""
        path: dict[str, _Entry] = {}
        while name in self.entries and name not in path:
            path[name] = entry = self.entries[name]
            if entry.kind is not None or entry.owner is None:
                break
            name = entry.owner.text
        last_name, last = next(reversed(path.items()))
        if last.kind is None and last.op is None and last.owner is not None:
            self._tell_op(last_name, last)
        for entry in path.values():
            if entry.op is None:
                entry.kind, entry.guessed = last.kind, last.guessed

    # Nodes --------------------------------------------------------------------------------------

    def _node(self, name: str, entry: _Entry) -> Node:
        place = self.findings.place(entry.first.start, entry.first.end)
        if entry.kind is None:
            stand_in = {"class_name": entry.op.text if entry.op else "Unknown"}
            return Node(name, require_op("Opaque"), stand_in, place=place)
        return Node(
            name,
            entry.kind,
            self._values(name, entry.settings, entry.kind) if entry.settings else {},
            label=entry.label,
            shares=entry.owner.text if entry.owner else None,
            guessed=entry.guessed,
            place=place,
        )

    def _values(self, name: str, settings: dict[str, Setting], kind: type[Op]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for setting in settings.values():
            try:
                values[setting.name] = _converted(kind, setting)
            except AttributeValueError as raised:
                error = raised
                error.where, error.node = f"{name}.{setting.name}", name
                self._error(lambda error=error: error, setting.start, setting.end)
        return values

    # Edges --------------------------------------------------------------------------------------

    def _edges(self, name: str, entry: _Entry) -> list[Edge]:
        links = entry.links
        if len(links) > 1 or (links and links[0].target.slot):
            return self._slotted(name, entry)
        return [self._edge(link, name, 0) for link in links]

    def _edge(self, link: Link, name: str, slot: int) -> Edge:
        source, target = link.source, link.target
        is_back = target.start < source.start
        start, end = (target.start, source.end) if is_back else (source.start, target.end)
        place = Place(self.findings.source, start, end)
        return Edge(source.text, name, slot, source.port or 0, place)

    def _slotted(self, name: str, entry: _Entry) -> list[Edge]:
        links = self._without_repetitions(name, entry)
        written = ((self._slot(name, entry, link), link) for link in links)
        taken = {slot: link for slot, link in written if slot is not None}
        free = (slot for slot in range(len(links) + len(taken)) if slot not in taken)
        by_link = {id(link): slot for slot, link in taken.items()}
        edges = [
            self._edge(link, name, by_link[id(link)] if id(link) in by_link else next(free))
            for link in links
        ]
        return edges

    def _slot(self, name: str, entry: _Entry, link: Link) -> int | None:
        """The number of the input slot that was written, if one was."""
        slot = link.target.slot
        if slot is None:
            return None
        names, _, most = entry.kind.slots() if entry.kind else ((), 0, None)
        number = int(slot) if slot.isdecimal() and len(slot) < 6 else None
        if number is None and slot in names:
            return names.index(slot)
        if number is None or (most is not None and number >= most):
            self._refuse_slot(name, slot, names, link)
            return None
        return number

    def _refuse_slot(self, name: str, slot: str, names: tuple[str, ...], link: Link) -> None:
        listing = ", ".join(f"@{known}" for known in names) or "none"
        self._error(
            lambda: GraphError(
                f"has no input {slot!r}",
                where=name,
                node=name,
                hint=f'its inputs: {listing}; if it is part of the name: "{name}@{slot}"',
            ),
            link.target.start,
            link.target.end,
        )

    def _without_repetitions(self, name: str, entry: _Entry) -> list[Link]:
        """The links, without edges that were written again.

        Twice in one statement means two inputs. Twice in different statements means the same edge
        if the op has one input, and cannot be told if it has more.
        """
        most = entry.kind.slots()[2] if entry.kind else 1
        seen: dict[tuple[str, int, str | None], Link] = {}
        kept: list[Link] = []
        slots: dict[str, Link] = {}
        for link in entry.links:
            key = (link.source.text, link.source.port or 0, link.target.slot)
            first = seen.setdefault(key, link)
            if first.statement != link.statement:
                if most != 1 and link.target.slot is None:
                    self._refuse_repetition(name, link, first)
                continue
            if link.target.slot is not None:
                if link.target.slot in slots:
                    self._refuse_slot_twice(name, link, slots[link.target.slot])
                    self.draft.lost.update((name, link.source.text))
                    continue
                slots[link.target.slot] = link
            kept.append(link)
        return kept

    def _refuse_repetition(self, name: str, link: Link, first: Link) -> None:
        source, before = link.source.text, self.findings.place(first.source.start, 0)
        self._error(
            lambda: GraphError(
                f"the edge from {source!r} is written twice",
                where=name,
                node=name,
                hint=f"for two inputs write {source}, {source} -> {name};"
                f" for one, take this out (first at {before})",
            ),
            *_span(link),
        )

    def _refuse_slot_twice(self, name: str, link: Link, first: Link) -> None:
        before = self.findings.place(first.source.start, 0)
        self._error(
            lambda: GraphError(
                f"input @{link.target.slot} is taken by {first.source.text!r} (at {before})",
                where=name,
                node=name,
            ),
            *_span(link),
        )

    # The whole ----------------------------------------------------------------------------------

    def _check(self, graph: OpGraph) -> None:
        """Faults of the wiring, but for nodes whose edges may have been lost to another error."""
        if self.findings.are_enough:
            return
        if not graph.edges and not any(entry.op for entry in self.entries.values()):
            if not len(self.findings):
                error = ParseError(
                    "no edge was found", where=graph.name, hint="write at least one: a -> b"
                )
                self.findings.add(lambda: error)
            return
        unknown = {e.node for e in self.findings.errors if isinstance(e, UnknownOpError)}
        seen: set[Place | None] = set()
        for error in (*check(graph), *_unread(graph)):
            is_noise = error.node in unknown or (error.place is not None and error.place in seen)
            if not (is_noise or self._is_lost(graph, error.node)):
                self.findings.add(lambda error=error: error)
            seen.add(error.place)

    def _is_lost(self, graph: OpGraph, name: str | None) -> bool:
        """Whether edges of a node may stand in a statement that could not be read."""
        return name in self.draft.lost and len(graph.inputs(name or "")) < 2


def _unread(graph: OpGraph) -> list[OpgraphError]:
    """Inputs that lead nowhere, where there is anywhere to lead."""
    return [
        GraphError(
            "leads nowhere",
            where=name,
            node=name,
            place=graph[name].place,
            hint=f"connect it: {name} -> ..., or take it out",
        )
        for name in graph.sources
        if len(graph) > 1 and graph[name].kind.slots()[2] == 0 and not graph.edges_from(name)
    ]


def _span(link: Link) -> tuple[int, int]:
    return (link.source.start, max(link.target.end, link.source.start + 1))


def _is_same_op(first: str, second: str) -> bool:
    if first == second:
        return True
    kind = require(first, "")
    return isinstance(kind, type) and kind is require(second, "")


def _converted(kind: type[Op], setting: Setting) -> Any:
    schema = kind.schema()
    if setting.name not in schema:
        raise unknown_attribute(kind, setting.name)
    return convert_value(schema[setting.name], setting.value)
