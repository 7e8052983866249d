"""The graph of operations: a typed, read-only view of a networkx `MultiDiGraph`.

A node of the networkx graph holds a `Node` under the key `"node"`. An edge's key is the input slot
of its target, its data hold the output `port` of its source and the `place` where it was written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, Literal, NamedTuple

import networkx as nx

from opgraph.errors import AttributeValueError, GraphError, Place
from opgraph.graph.origin import Origin
from opgraph.ops import Op, freeze

Provenance = Literal["given", "inferred", "default"]


class Inferred(NamedTuple):
    """A value that a completion rule filled in, and the rule in words."""

    value: Any
    reason: str


class Endpoint(NamedTuple):
    """An output of a node: its name and port."""

    node: str
    port: int = 0

    def __str__(self) -> str:
        return f"{self.node}.{self.port}" if self.port else self.node


class Edge(NamedTuple):
    """A connection from an output port to an input slot."""

    source: str
    target: str
    slot: int
    port: int = 0
    place: Place | None = None


@dataclass(frozen=True, eq=False)
class Node:
    """The use of an op in a graph.

    Two nodes are equal when they describe the same operation under the same name; where a value
    (given, inferred or default) or the node itself came from does not count.

    Attributes:
        name: as the user wrote it; unique in the graph.
        kind: the op.
        given: attribute values that were written down, converted.
        inferred: attribute values that `analysis.complete` filled in.
        label: a second name, in another language for instance.
        shares: the node whose weights this one uses.
        guessed: True where the op was told from the id or label, not written.
        place: where the node was first written.
        origin: what it was in the file it was read from, with its weights unread.
    """

    name: str
    kind: type[Op]
    given: Mapping[str, Any] = field(default_factory=dict[str, Any])
    inferred: Mapping[str, Inferred] = field(default_factory=dict[str, Inferred])
    label: str | None = None
    shares: str | None = None
    guessed: bool = False
    place: Place | None = None
    origin: Origin | None = None

    @cached_property
    def op(self) -> Op:
        """The op with all its attribute values.

        Raises:
            AttributeValueError: a required attribute is neither given nor inferred.
        """
        try:
            return _op(self.kind, self.explicit())
        except AttributeValueError as error:
            where = f"{self.name}.{error.where}" if error.where else self.name
            raise AttributeValueError(
                error.problem, where=where, place=self.place, hint=error.hint, node=self.name
            ) from None

    def explicit(self) -> dict[str, Any]:
        """Attribute values that are given or inferred."""
        return {name: item.value for name, item in self.inferred.items()} | dict(self.given)

    def provenance(self, attribute: str) -> Provenance:
        """Where the value of an attribute comes from."""
        if attribute in self.given:
            return "given"
        return "inferred" if attribute in self.inferred else "default"

    def missing(self) -> list[str]:
        """Required attributes that have no value yet."""
        known = self.explicit()
        return [
            s.name for s in self.kind.schema().values() if s.is_required and s.name not in known
        ]

    def _identity(self) -> tuple[Any, ...]:
        schema = self.kind.schema()
        explicit = {k: v for k, v in self.explicit().items() if v != schema[k].default}
        values = freeze(dict(sorted(explicit.items())))
        return (self.name, self.kind, values, self.label, self.shares)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash((self.name, self.kind))


class OpGraph:
    """A directed acyclic graph of operations.

    Read-only by convention: what changes a graph returns a new one.

    >>> from opgraph.ops import require
    >>> nodes = [Node("x", require("Input"), {"shape": (4,)}), Node("y", require("ReLU"))]
    >>> graph = OpGraph(nodes, [Edge("x", "y", slot=0)])
    >>> graph.order, graph.inputs("y")
    (('x', 'y'), (Endpoint(node='x', port=0),))
    """

    def __init__(self, nodes: Iterable[Node], edges: Iterable[Edge], name: str = "graph") -> None:
        self.nodes: Mapping[str, Node] = {node.name: node for node in nodes}
        self.name = name
        self._wiring = _Wiring(self.nodes, edges)

    @cached_property
    def nx(self) -> nx.MultiDiGraph[str]:
        """The networkx graph; a copy that is the caller's own."""
        graph: nx.MultiDiGraph[str] = nx.MultiDiGraph(self._wiring.nx, name=self.name)
        for name, node in self.nodes.items():
            graph.nodes[name]["node"] = node
        return graph

    @property
    def structure(self) -> nx.MultiDiGraph[str]:
        """Names and edges as networkx holds them, shared between graphs: only to be read."""
        return self._wiring.nx

    @property
    def edges(self) -> tuple[Edge, ...]:
        """All edges, by target in the order of the nodes and then by slot."""
        return tuple(edge for edges in self._wiring.into.values() for edge in edges)

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def __contains__(self, name: object) -> bool:
        return name in self.nodes

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes.values())

    def __len__(self) -> int:
        return len(self.nodes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, OpGraph):
            return NotImplemented
        return self.nodes == other.nodes and self._links() == other._links()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"OpGraph({self.name!r}, {len(self)} nodes, {len(self.edges)} edges)"

    def _links(self) -> set[tuple[str, str, int, int]]:
        return {(edge.source, edge.target, edge.slot, edge.port) for edge in self.edges}

    def edges_into(self, name: str) -> list[Edge]:
        """Edges into a node, by slot."""
        return self._wiring.into[name]

    def edges_from(self, name: str) -> list[Edge]:
        """Edges out of a node, in the order of their targets and then by slot."""
        return self._wiring.out[name]

    @property
    def reads(self) -> Mapping[str, tuple[Endpoint, ...]]:
        """What each node reads, by slot."""
        return self._wiring.ends

    def inputs(self, name: str) -> tuple[Endpoint, ...]:
        """What a node reads, by slot."""
        return self._wiring.ends[name]

    @property
    def order(self) -> tuple[str, ...]:
        """Node names in topological order; among several choices the one written first.

        Raises:
            GraphError: the graph has a cycle.
        """
        return self._wiring.order

    @property
    def sources(self) -> tuple[str, ...]:
        """Nodes that nothing leads to."""
        return tuple(name for name, edges in self._wiring.into.items() if not edges)

    @property
    def sinks(self) -> tuple[str, ...]:
        """Nodes that lead nowhere: the outputs of the network."""
        return tuple(name for name, edges in self._wiring.out.items() if not edges)

    def owner(self, name: str) -> str:
        """The node that owns the weights that a node uses; itself unless it shares."""
        while (shares := self.nodes[name].shares) is not None:
            name = shares
        return name

    def with_nodes(self, changed: Mapping[str, Node]) -> OpGraph:
        """The same graph with some nodes replaced by others of the same names."""
        return self._like({name: changed.get(name, node) for name, node in self.nodes.items()})

    def renamed(self, name: str) -> OpGraph:
        """The same graph under another name."""
        return self._like(self.nodes, name)

    def _like(self, nodes: Mapping[str, Node], name: str | None = None) -> OpGraph:
        other = OpGraph.__new__(OpGraph)
        other.nodes, other.name, other._wiring = nodes, name or self.name, self._wiring
        return other


class _Wiring:
    """Who reads whom: shared by graphs that differ in their nodes' attributes only."""

    def __init__(self, names: Iterable[str], edges: Iterable[Edge]) -> None:
        self.nx: nx.MultiDiGraph[str] = nx.MultiDiGraph()
        self.nx.add_nodes_from(names)
        self.into: dict[str, list[Edge]] = {name: [] for name in self.nx}
        for edge in edges:
            self.nx.add_edge(edge.source, edge.target, edge.slot, port=edge.port, place=edge.place)
            self.into[edge.target].append(edge)
        for found in self.into.values():
            found.sort(key=lambda edge: edge.slot)

    @cached_property
    def ends(self) -> dict[str, tuple[Endpoint, ...]]:
        return {
            name: tuple([Endpoint(edge.source, edge.port) for edge in edges])
            for name, edges in self.into.items()
        }

    @cached_property
    def out(self) -> dict[str, list[Edge]]:
        out: dict[str, list[Edge]] = {name: [] for name in self.into}
        for edges in self.into.values():
            for edge in edges:
                out[edge.source].append(edge)
        return out

    @cached_property
    def order(self) -> tuple[str, ...]:
        rank = {name: index for index, name in enumerate(self.into)}
        written = (
            rank[edge.source] < rank[name] for name, found in self.into.items() for edge in found
        )
        if all(written):
            return tuple(self.into)  # what the sort below would give, in a tenth of its time
        try:
            return tuple(nx.lexicographical_topological_sort(self.nx, key=rank.__getitem__))
        except nx.NetworkXUnfeasible:
            raise GraphError("the graph has a cycle") from None


@lru_cache(maxsize=4096)
def _shared_op(kind: type[Op], items: tuple[tuple[str, Any], ...]) -> Op:
    return kind(**dict(items))


def _op(kind: type[Op], values: dict[str, Any]) -> Op:
    """The op of these values; equal ones are the same object, since large graphs repeat them."""
    try:
        hash(items := tuple(values.items()))
    except TypeError:
        return kind(**values)
    return _shared_op(kind, items)


def with_given(node: Node, values: Mapping[str, Any]) -> Node:
    """A node with further attributes given; they win over inferred ones."""
    inferred = {name: item for name, item in node.inferred.items() if name not in values}
    return replace(node, given={**node.given, **values}, inferred=inferred)
