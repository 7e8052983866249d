"""Regions of a graph, found by its structure: chains, forks that join again, repeated blocks.

In a depth-first order of the flow, a node that no edge jumps over is one through which everything
passes. Between two such nodes stands a fork, whose branches are looked at in the same way. A
region so found has one way in and one way out; nodes that very many others read (hubs) are left
aside and count as further ways in. Owns the tree of regions; what is folded is `folding`'s to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from opgraph.graph.forms import Forms
from opgraph.graph.model import OpGraph
from opgraph.graph.sequence import Region, gathered, leaf

DEEPEST = 24
HUB, MOST_HUBS = 6, 4
WIDE = 30


def find_regions(graph: OpGraph) -> Region:
    """The tree of regions of a graph, in time that grows with its edges times its nesting.

    Raises:
        GraphError: the graph has a cycle.
    """
    return _Finder(graph).whole()


@dataclass(frozen=True)
class _Scope:
    """Where a sequence is looked for: between which nodes, past which hubs, how deep inside."""

    entry: int = -1
    exit: int = -1
    hubs: frozenset[int] = frozenset()
    depth: int = 0


class _Finder:
    """Works on positions in the order of the flow instead of names."""

    def __init__(self, graph: OpGraph) -> None:
        self.order = _flow(graph)
        place = {name: index for index, name in enumerate(self.order)}
        self.above = [[place[end.node] for end in graph.inputs(name)] for name in self.order]
        self.below: list[list[int]] = [[] for _ in self.order]
        for node, sources in enumerate(self.above):
            for source in sources:
                self.below[source].append(node)
        self.ends = {i for i in range(len(self.order)) if not self.above[i] or not self.below[i]}
        self.forms = Forms(graph)
        self.graph = graph

    def whole(self) -> Region:
        found = self._sequence(range(len(self.order)), _Scope())
        parts = self._gathered(found or [self._leaf(node) for node in range(len(self.order))])
        while len(parts) > WIDE:
            parts = _stretches(parts, frozenset(self.order[end] for end in self.ends))
        return _region(parts, "chain")

    def _leaf(self, node: int) -> Region:
        return leaf(self.order[node], self.forms.of((self.order[node],)))

    def _sequence(self, nodes: Sequence[int], scope: _Scope) -> list[Region] | None:
        """The nodes everything passes and the forks between them; None where there are none."""
        cuts = self._cuts(nodes, scope)
        if not cuts or scope.depth > DEEPEST:
            return None
        found: list[Region] = []
        between: list[int] = []
        inner = replace(scope, depth=scope.depth + 1)
        for node in nodes:
            if node not in cuts:
                between.append(node)
                continue
            found += self._fork(between, self._leaf(node), replace(inner, exit=node))
            between, inner = [], replace(inner, entry=node)
        return found + self._fork(between, None, inner)

    def _cuts(self, nodes: Sequence[int], scope: _Scope) -> set[int]:
        inside, cuts = set(nodes), set[int]()
        reach = -1
        if scope.entry not in scope.hubs and scope.entry >= 0:
            reach = max((n for n in self.below[scope.entry] if n in inside), default=-1)
        for node in nodes:
            if reach <= node:
                cuts.add(node)
            if node not in scope.hubs:
                targets = self.below[node]
                far = len(self.order) if scope.exit in targets else -1
                reach = max([reach, far, *(n for n in targets if n in inside)])
        return cuts

    def _fork(self, between: list[int], join: Region | None, scope: _Scope) -> list[Region]:
        """What stands before a join, and the join: as one region, or as what can be told apart."""
        last = [join] if join else []
        if not between:
            return last
        branches = self._branches(between, scope.hubs)
        if len(branches) == 1 and (inner := self._past_hubs(branches[0], scope)) is not None:
            return [*inner, *last]
        parts = [part for branch in branches for part in self._branch(branch, scope)]
        kind = "knot" if len(branches) == 1 and len(parts) > 1 else "fork"
        return [self._wrapped([*parts, *last], kind)]

    def _branch(self, nodes: list[int], scope: _Scope) -> list[Region]:
        found = self._sequence(nodes, scope)
        if found is None:
            found = self._past_hubs(nodes, scope)
        if found is None:
            return self._chains(nodes)
        return [self._wrapped(self._gathered(found), "chain")] if len(found) > 1 else found

    def _past_hubs(self, nodes: list[int], scope: _Scope) -> list[Region] | None:
        """The sequence that is there when the lines of a few hubs are not looked at."""
        inside = set(nodes)
        hubs = [
            node
            for node in {scope.entry, *nodes} - {-1}
            if len(self.below[node]) >= HUB and sum(n in inside for n in self.below[node]) >= HUB
        ]
        if not 0 < len(hubs) <= MOST_HUBS or scope.hubs.issuperset(hubs):
            return None
        hubs_now = scope.hubs.union(hubs)
        return self._sequence(nodes, replace(scope, hubs=hubs_now, depth=scope.depth + 1))

    def _branches(self, nodes: list[int], hubs: frozenset[int]) -> list[list[int]]:
        """Connected parts, in the order of their first nodes."""
        parent = {node: node for node in nodes}

        def root(node: int) -> int:
            while parent[node] != node:
                parent[node] = parent[parent[node]]
                node = parent[node]
            return node

        for node in nodes:
            for source in self.above[node]:
                if source in parent and source not in hubs:
                    a, b = sorted((root(source), root(node)))
                    parent[b] = a
        parts: dict[int, list[int]] = {}
        for node in nodes:
            parts.setdefault(root(node), []).append(node)
        return list(parts.values())

    def _chains(self, nodes: list[int]) -> list[Region]:
        """A part that cannot be told apart: its nodes, those in a chain together."""
        inside, chain_of = set(nodes), dict[int, list[int]]()
        for node in nodes:
            sources = [n for n in self.above[node] if n in inside]
            alone = len(self.above[node]) == 1 and len(sources) == 1
            if alone and len(self.below[sources[0]]) == 1:
                chain_of[node] = chain_of[sources[0]]
                chain_of[node].append(node)
            else:
                chain_of[node] = [node]
        chains = {id(chain): chain for chain in chain_of.values()}.values()
        return [
            self._wrapped([self._leaf(n) for n in chain], "chain")
            if len(chain) > 1
            else self._leaf(chain[0])
            for chain in chains
        ]

    def _gathered(self, found: list[Region]) -> list[Region]:
        ends = frozenset(self.order[end] for end in self.ends)
        return gathered(found, self.graph, self.forms, ends)

    def _wrapped(self, parts: Iterable[Region], kind: str) -> Region:
        region = _region(parts, kind)
        return Region(region.nodes, region.parts, kind, self.forms.of(region.nodes))


def _region(parts: Iterable[Region], kind: str) -> Region:
    parts = tuple(parts)
    return Region(tuple(name for part in parts for name in part.nodes), parts, kind)


def _stretches(parts: list[Region], ends: frozenset[str]) -> list[Region]:
    """Neighbours put together, so that few are left; inputs and outputs stay by themselves."""
    size = -(-len(parts) // WIDE) + 1
    found: list[Region] = []
    run: list[Region] = []

    def close() -> None:
        found.extend([_region(run, "stretch")] if len(run) > 1 else run)
        run.clear()

    for part in parts:
        if ends.intersection(part.nodes):
            close()
            found.append(part)
            continue
        run.append(part)
        if len(run) == size:
            close()
    close()
    return found if len(found) < len(parts) else found[:WIDE]


def _flow(graph: OpGraph) -> list[str]:
    """All nodes, each behind what it reads and as near to it as a walk from the outputs says."""
    depth: dict[str, int] = {}
    for name in graph.order:
        depth[name] = max((depth[end.node] + 1 for end in graph.inputs(name)), default=0)
    done: set[str] = set()
    order: list[str] = []
    for sink in sorted(graph.sinks, key=depth.__getitem__):
        stack = [(sink, iter(graph.inputs(sink)))]
        while stack:
            name, waiting = stack[-1]
            following = next((end.node for end in waiting if end.node not in done), None)
            if following is not None:
                stack.append((following, iter(graph.inputs(following))))
                continue
            stack.pop()
            if name not in done:
                done.add(name)
                order.append(name)
    return order
