"""From settled mentions to a graph: one node a name, with its op and attributes."""

from __future__ import annotations

from typing import Any

from opgraph.errors import (
    AttributeValueError,
    GraphError,
    OpgraphError,
    ParseError,
    Place,
    UnknownOpError,
)
from opgraph.graph import Node, OpGraph, check
from opgraph.ops import Op
from opgraph.ops import require as require_op
from opgraph.text.draft import Draft
from opgraph.text.entry import Entry, gather
from opgraph.text.findings import Findings
from opgraph.text.notation import converted
from opgraph.text.slots import edges_into
from opgraph.text.tell import cannot_tell, likely_op, require, tell
from opgraph.text.values import Setting


def assemble(draft: Draft, findings: Findings, name: str) -> OpGraph:
    """Make the graph of a draft; what is wrong is added to the findings."""
    return _Assembly(draft, findings).make(name)


class _Assembly:
    def __init__(self, draft: Draft, findings: Findings) -> None:
        self.draft, self.findings = draft, findings
        self.entries = gather(draft, findings)

    def make(self, name: str) -> OpGraph:
        self._tell_ops()
        nodes = [self._node(key, entry) for key, entry in self.entries.items()]
        edges = [
            edge
            for key, entry in self.entries.items()
            for edge in edges_into(key, entry, self.findings)
        ]
        graph = OpGraph(nodes, edges, name)
        self._check(graph)
        return graph

    # Ops ----------------------------------------------------------------------------------------

    def _tell_ops(self) -> None:
        for name, entry in self.entries.items():
            if entry.owner is None or entry.op:
                self._tell_op(name, entry)
        for name, entry in self.entries.items():
            if entry.owner is not None:
                self._follow_owner(name)

    def _tell_op(self, name: str, entry: Entry) -> None:
        if entry.op:
            found, span = require(entry.op.text, name), entry.op[1:]
        else:
            found, span = tell(name, entry.label), (entry.first.start, entry.first.end)
            entry.guessed = True
        if isinstance(found, type):
            entry.kind = found
        elif found is not None:
            self.findings.add_at(lambda: found, *span)
        elif not entry.links and name in self.draft.lost:
            return
        elif not entry.links and likely_op(name) is None:
            entry.kind = require_op("Input")
        else:
            self.findings.add_at(lambda: cannot_tell(name, entry.label), *span)

    def _follow_owner(self, name: str) -> None:
        """The op of a node that shares weights is that of the node that owns them."""
        path: dict[str, Entry] = {}
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

    def _node(self, name: str, entry: Entry) -> Node:
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
                values[setting.name] = converted(kind, setting)
            except AttributeValueError as raised:
                error = raised
                error.where, error.node = f"{name}.{setting.name}", name
                self.findings.add_at(lambda error=error: error, setting.start, setting.end)
        return values

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
