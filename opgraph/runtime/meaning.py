"""What an output of a network stands for: scores or probabilities, and of how many classes.

Reads it off the ops; must not know losses or data.
"""

from __future__ import annotations

from opgraph.graph import Node, OpGraph

KEEPS_MEANING = frozenset({"Identity", "Flatten", "Reshape"})


def last_function(graph: OpGraph, name: str) -> str | None:
    """The activation that an output comes out of, in lower case; None if there is none."""
    node = _behind(graph, name)
    if node.kind.category != "activation":
        activation = node.op.values().get("activation")
        return activation if isinstance(activation, str) else None
    if node.kind.kind == "Activation":
        return str(node.op.values()["activation"])
    return node.kind.kind.lower()


def units_of(graph: OpGraph, name: str) -> int | None:
    """Units of the dense layer that an output comes out of, where it can be told."""
    node = _behind(graph, name)
    while node.kind.category == "activation":
        node = _behind(graph, graph.inputs(node.name)[0].node)
    units = node.op.values().get("units")
    return units if isinstance(units, int) else None


def _behind(graph: OpGraph, name: str) -> Node:
    """The node that decides what an output means, looking through those that keep its meaning."""
    node = graph[name]
    while node.kind.kind in KEEPS_MEANING or node.kind.category == "regularization":
        node = graph[graph.inputs(node.name)[0].node]
    return node
