"""Two graphs as one, to be looked at side by side: all nodes and edges, each marked by its fate.

Makes a graph that nobody trains: what only the first graph has stands in it beside the second.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Literal, NamedTuple

import networkx as nx

from opgraph.analysis.diff import GraphDiff, NodeDiff
from opgraph.analysis.result import Analysis, NodeFacts
from opgraph.graph import Edge, Endpoint, OpGraph

EdgeStatus = Literal["added", "removed"]


class Way(NamedTuple):
    """What an array in the union stands for.

    Attributes:
        port: the port that it really comes from.
        status: whether its edges are new or gone.
    """

    port: int
    status: EdgeStatus


@dataclass(frozen=True)
class Union:
    """Both graphs in one.

    Attributes:
        analysis: nodes of the second graph, and those of the first that it lacks, with their facts.
        nodes: what became of each, by its name in the union.
        ways: edges that only one graph has leave their source by ports of their own, listed here.
        undrawn: removed edges that would make a cycle and are left out.
    """

    analysis: Analysis
    nodes: Mapping[str, NodeDiff]
    ways: Mapping[Endpoint, Way]
    undrawn: int


def unite(diff: GraphDiff) -> Union:
    """Both graphs of a comparison as one."""
    return _Uniting(diff).union()


class _Uniting:
    def __init__(self, diff: GraphDiff) -> None:
        self.diff = diff
        self.nodes = dict(self._named())
        self.new = {n.left: name for name, n in self.nodes.items() if n.left is not None}
        self.ways: dict[Endpoint, Way] = {}
        self.undrawn = 0

    def _named(self) -> Iterator[tuple[str, NodeDiff]]:
        """Nodes by a name of their own: a removed one may be called as another of the second."""
        taken = set(self.diff.right.graph.nodes)
        for node in self.diff.nodes:
            name = node.name
            if node.status == "removed" and name in taken:
                name = next(n for i in count(1) if (n := f"{name} ({i})") not in taken)
            taken.add(name)
            yield name, node

    def union(self) -> Union:
        kept, gone = self._edges()
        edges = [*kept, *self._drawable(kept, gone)]
        right = self.diff.right
        facts = {name: self._facts(name, node) for name, node in self.nodes.items()}
        nodes = [known.node for known in facts.values()]
        graph = OpGraph(nodes, edges, right.graph.name)
        analysis = Analysis(
            graph,
            {name: facts[name] for name in graph.order},
            right.totals,
            right.depth,
            right.critical_path,
            right.errors,
        )
        return Union(analysis, self.nodes, self.ways, self.undrawn)

    def _edges(self) -> tuple[list[Edge], list[Edge]]:
        """Edges of the second graph, new ones marked; and those that only the first has."""
        before, now = self.diff.left.graph.edges, self.diff.right.graph.edges
        old = {(self.new[e.source], self.new[e.target], e.port) for e in before}
        new = {(e.source, e.target, e.port) for e in now}
        kept = [
            edge
            if (edge.source, edge.target, edge.port) in old
            else edge._replace(port=self._way(edge.source, edge.port, "added"))
            for edge in now
        ]
        slots = {name: len(known.inputs) for name, known in self.diff.right.facts.items()}
        gone: list[Edge] = []
        for edge in before:
            source, target = self.new[edge.source], self.new[edge.target]
            if (source, target, edge.port) not in new:
                slot = slots.get(target, 0) + edge.slot
                gone.append(Edge(source, target, slot, self._way(source, edge.port, "removed")))
        return kept, gone

    def _way(self, source: str, port: int, status: EdgeStatus) -> int:
        """The port of the union by which such edges leave a node; behind all that it has."""
        node = self.nodes[source]
        left, right = self.diff.left.facts, self.diff.right.facts
        outputs = [
            len(facts[name].outputs)
            for facts, name in ((left, node.left), (right, node.right))
            if name is not None
        ]
        first = max(*outputs, port + 1)
        new = first + 2 * port + (status == "removed")
        self.ways[Endpoint(source, new)] = Way(port, status)
        return new

    def _drawable(self, kept: list[Edge], gone: list[Edge]) -> Iterator[Edge]:
        """Edges of the first graph that make no cycle; those that go with the flow never do."""
        place = {name: index for index, name in enumerate(self.nodes)}
        forward = [edge for edge in gone if place[edge.source] < place[edge.target]]
        yield from forward
        graph: nx.DiGraph[str] = nx.DiGraph(edge[:2] for edge in (*kept, *forward))
        graph.add_nodes_from(self.nodes)
        for edge in gone:
            if place[edge.source] < place[edge.target]:
                continue
            if nx.has_path(graph, edge.target, edge.source):
                self.undrawn += 1
                continue
            graph.add_edge(edge.source, edge.target)
            yield edge

    def _facts(self, name: str, node: NodeDiff) -> NodeFacts:
        """What is known of a node, under its name in the union."""
        if node.right is not None:
            return self.diff.right[node.right]
        facts = self.diff.left[node.name]
        shares = facts.node.shares
        own = None if shares is None else self.new[shares]
        return facts._replace(node=replace(facts.node, name=name, shares=own))
