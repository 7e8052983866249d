"""Changes to a graph; each returns a new one and leaves the old one as it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opgraph.errors import AttributeValueError, GraphError, suggest
from opgraph.graph.model import Edge, Node, OpGraph, with_given
from opgraph.graph.select import matching
from opgraph.ops import convert_value, require, unknown_attribute


def override(graph: OpGraph, settings: Iterable[tuple[str, str, Any]]) -> OpGraph:
    """Give attributes to all nodes that a glob matches.

    Args:
        graph: the graph to start from.
        settings: triples of node glob, attribute and value; later ones win.

    Raises:
        GraphError: a glob matches no node.
        AttributeValueError: no matched node has the attribute, or the value does not suit it.
    """
    changed: dict[str, Node] = {}
    for pattern, attribute, value in settings:
        names = matching(pattern, graph.nodes)
        if not names:
            hint = suggest(pattern, graph.nodes)
            raise GraphError(
                f"no node is called {pattern!r}", where=f"{pattern}.{attribute}", hint=hint
            )
        changed |= _give([changed.get(name, graph[name]) for name in names], attribute, value)
    return graph.with_nodes(changed)


def zeroed(graph: OpGraph, pattern: str) -> OpGraph:
    """Multiply the outputs of nodes by 0: behind each, a node `<name>_zero` that its readers read.

    Args:
        graph: the graph to start from.
        pattern: a glob over node names, several joined by commas.

    Raises:
        GraphError: a glob matches no node, or an output of the network.
    """
    names = [name for part in pattern.split(",") for name in _found(graph, part.strip())]
    last = [name for name in names if name in graph.sinks]
    if last:
        hint = "zero a node that another one reads"
        raise GraphError("an output of the network", where=f"zero {last[0]!r}", hint=hint)
    for name in dict.fromkeys(names):
        for port in sorted({edge.port for edge in graph.edges_from(name)}):
            graph = _zeroed(graph, name, port)
    return graph


def _found(graph: OpGraph, pattern: str) -> list[str]:
    names = matching(pattern, graph.nodes)
    if not names:
        hint = suggest(pattern, graph.nodes)
        raise GraphError(f"no node is called {pattern!r}", where="zero", hint=hint)
    return names


def _zeroed(graph: OpGraph, name: str, port: int) -> OpGraph:
    """One output multiplied by 0 on its way to its readers."""
    own = f"{name}_zero" if not port else f"{name}_zero_{port}"
    if own in graph:
        raise GraphError("there is a node of that name already", where=f"zero, {own}", node=own)
    given = {"scale": 0.0} | ({"dtype": graph[name].op.dtype} if graph[name].op.dtype else {})
    nodes: list[Node] = []
    for node in graph:
        nodes.append(node)
        if node.name == name:
            nodes.append(Node(own, require("Rescaling"), given))
    edges = [
        edge._replace(source=own, port=0) if (edge.source, edge.port) == (name, port) else edge
        for edge in graph.edges
    ]
    return OpGraph(nodes, [*edges, Edge(name, own, slot=0, port=port)], graph.name)


def _give(nodes: list[Node], attribute: str, value: Any) -> dict[str, Node]:
    able = [node for node in nodes if attribute in node.kind.schema()]
    if not able:
        error = unknown_attribute(nodes[0].kind, attribute)
        error.where = f"{nodes[0].name}.{attribute}"
        raise error
    return {
        node.name: with_given(node, {attribute: _converted(node, attribute, value)})
        for node in able
    }


def _converted(node: Node, attribute: str, value: Any) -> Any:
    try:
        return convert_value(node.kind.schema()[attribute], value)
    except AttributeValueError as error:
        error.where, error.node = f"{node.name}.{attribute}", node.name
        raise
