"""What must hold of any graph before its shapes are looked at: all faults found in one go."""

from __future__ import annotations

import networkx as nx

from opgraph.errors import GraphError, OpgraphError
from opgraph.graph.model import Edge, OpGraph
from opgraph.ops import Op

SHOWN_IN_CYCLE = 12


def check(graph: OpGraph) -> list[OpgraphError]:
    """All faults of the wiring: cycles, wrong numbers of inputs, gaps, unreachable nodes."""
    if not len(graph):
        return [GraphError("the graph is empty", hint="write at least one edge: a -> b")]
    cycles = _cycles(graph)
    return [*cycles, *_sharing(graph), *_arity(graph), *([] if cycles else _unreachable(graph))]


def _cycles(graph: OpGraph) -> list[OpgraphError]:
    if _is_acyclic(graph):
        return []
    return [
        _cycle_error(graph, part)
        for part in nx.strongly_connected_components(graph.structure)
        if len(part) > 1 or graph.structure.has_edge(*(list(part) * 2))
    ]


def _is_acyclic(graph: OpGraph) -> bool:
    """Whether taking away nodes without inputs, again and again, leaves none (Kahn 1962).

    The same as networkx's `is_directed_acyclic_graph`, in a third of the time on multigraphs.
    """
    waiting = {name: len(graph.edges_into(name)) for name in graph.nodes}
    ready = [name for name, count in waiting.items() if not count]
    for name in ready:
        for edge in graph.edges_from(name):
            waiting[edge.target] -= 1
            if not waiting[edge.target]:
                ready.append(edge.target)
    return len(ready) == len(waiting)


def _cycle_error(graph: OpGraph, part: set[str]) -> OpgraphError:
    first = next(name for name in graph.nodes if name in part)
    loop = nx.find_cycle(graph.structure.subgraph(part), first)
    names = [str(edge[0]) for edge in loop] + [str(loop[0][0])]
    if len(names) > SHOWN_IN_CYCLE:
        half = SHOWN_IN_CYCLE // 2
        names = [*names[:half], f"… {len(names) - 2 * half} more …", *names[-half:]]
    closing = graph.structure.edges[loop[-1][0], loop[-1][1], loop[-1][2]]["place"]
    return GraphError(
        f"the graph has a cycle: {' → '.join(names)}",
        place=closing,
        node=str(loop[0][0]),
        hint="an opgraph network is acyclic: take one of these edges out",
    )


def _arity(graph: OpGraph) -> list[OpgraphError]:
    return [error for name in graph.nodes if (error := _inputs_error(graph, name))]


def _inputs_error(graph: OpGraph, name: str) -> OpgraphError | None:
    edges, node = graph.edges_into(name), graph[name]
    _, fewest, most = node.kind.slots()
    count = len(edges)
    if count < fewest or (most is not None and count > most):
        place = edges[-1].place if most is not None and count > most else node.place
        return GraphError(
            f"{node.kind.kind} takes {expected_inputs(node.kind)}, received {count}"
            + (f": {', '.join(str(s) for s in graph.inputs(name)[:8])}" if count else ""),
            where=name,
            place=place,
            node=name,
            hint=_arity_hint(count, most),
        )
    if [edge.slot for edge in edges] != list(range(count)):
        return _gap(edges, name)
    return None


def _arity_hint(count: int, most: int | None) -> str | None:
    if count == 0:
        return "nothing leads to this node: connect it, or give it the type Input"
    if most == 1:
        return "join the inputs first, with Add or Concatenate for instance"
    return "nothing may lead to an input" if most == 0 else None


def _gap(edges: list[Edge], name: str) -> OpgraphError:
    slots = ", ".join(str(edge.slot) for edge in edges)
    return GraphError(
        f"input slots {slots} leave a gap", where=name, node=name, place=edges[-1].place
    )


def expected_inputs(kind: type[Op]) -> str:
    """How many inputs an op takes, in words.

    >>> from opgraph.ops import require
    >>> expected_inputs(require("Add")), expected_inputs(require("Dense"))
    ('2 or more inputs', '1 input')
    """
    _, fewest, most = kind.slots()
    if most == 0:
        return "no input"
    if most is None:
        return f"{fewest} or more inputs"
    plural = "input" if most == 1 else "inputs"
    return f"{most} {plural}" if fewest == most else f"{fewest} to {most} {plural}"


def _sharing(graph: OpGraph) -> list[OpgraphError]:
    errors: list[OpgraphError] = []
    circular = _circular(graph)
    for node in graph:
        if node.shares is None:
            continue
        other = graph.nodes.get(node.shares)
        if other is None:
            errors.append(
                GraphError(
                    f"shares the weights of {node.shares!r}, which is not there",
                    where=node.name,
                    place=node.place,
                    node=node.name,
                )
            )
        elif node.name in circular:
            errors.append(
                GraphError(
                    f"shares weights in a circle, by way of {node.shares!r}",
                    where=node.name,
                    place=node.place,
                    node=node.name,
                    hint="one of the nodes must own the weights",
                )
            )
        elif other.kind is not node.kind:
            errors.append(
                GraphError(
                    f"{node.kind.kind} cannot share weights with {other.name!r}: {other.kind.kind}",
                    where=node.name,
                    place=node.place,
                    node=node.name,
                )
            )
    return errors


def _circular(graph: OpGraph) -> set[str]:
    """Nodes from which following who owns the weights never ends."""
    settled: set[str] = set()
    circular: set[str] = set()
    for node in (node for node in graph if node.shares is not None):
        path: dict[str, None] = {}
        at: str | None = node.name
        while at is not None and at in graph and at not in path:
            if at in settled or at in circular:
                break
            path[at] = None
            at = graph[at].shares
        (circular if at in path or at in circular else settled).update(path)
    return circular


def _unreachable(graph: OpGraph) -> list[OpgraphError]:
    """Ops that take any number of inputs and have none; others without are faults of arity.

    A node that has numbers of its own, as the constants of an exported graph do, needs no input.

    In an acyclic graph every node is reached from some source, so sources are all there is to see.
    """
    kinds = ((name, graph[name].kind.slots()) for name in graph.sources)
    return [
        GraphError(
            "cannot be reached from any input",
            where=name,
            node=name,
            place=graph[name].place,
            hint="connect it, or give it the type Input",
        )
        for name, (_, fewest, most) in kinds
        if fewest == 0 and most != 0 and "arrays" not in graph[name].given
    ]
