"""Changes to a graph; each returns a new one and leaves the old one as it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opgraph.errors import AttributeValueError, GraphError, suggest
from opgraph.graph.model import Node, OpGraph, with_given
from opgraph.graph.select import matching
from opgraph.ops import convert_value, unknown_attribute


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
