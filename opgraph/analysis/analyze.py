"""Everything that is known about a graph without running it, in one call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from opgraph.analysis.complete import complete
from opgraph.analysis.receptive import receptive_field
from opgraph.analysis.result import Analysis, NodeFacts, ReceptiveField, Sum, Totals
from opgraph.analysis.shapes import Result, Shapes, infer_shapes
from opgraph.collector import collector_paused
from opgraph.graph import Node, OpGraph
from opgraph.ops import Shape


def analyze(
    graph: OpGraph, input_shape: Shape | None = None, num_classes: int | None = None
) -> Analysis:
    """Shapes, parameters, cost, memory, receptive fields and depth of every node.

    Args:
        graph: a graph without faults of wiring (see `graph.check`).
        input_shape: shape of one example, for inputs that do not say theirs.
        num_classes: outputs of the last dense layer, where it does not say.

    Returns:
        The facts; whatever does not fit stands in `errors`, everything else is still there.
    """
    with collector_paused():
        return _analyze(complete(graph, input_shape, num_classes))


def _analyze(completed: OpGraph) -> Analysis:
    facts: dict[str, NodeFacts] = {}
    for name, (inputs, result) in infer_shapes(completed).items():
        facts[name] = _node_facts(completed, completed[name], inputs, result, facts)
    return Analysis(
        graph=completed,
        facts=facts,
        totals=totals_of(facts.values()),
        depth=max((fact.depth for fact in facts.values()), default=0),
        critical_path=_critical_path(completed, facts),
        errors=tuple(fact.error for fact in facts.values() if fact.error),
    )


def _node_facts(
    graph: OpGraph, node: Node, inputs: Shapes, result: Result, before: Mapping[str, NodeFacts]
) -> NodeFacts:
    sources = [before[end[0]] for end in graph.reads[node.name]]
    shared = node.shares is not None and result.params is not None
    fields = [source.receptive_field for source in sources] or [ReceptiveField()]
    return NodeFacts(
        node=node,
        inputs=inputs,
        outputs=result.outputs,
        weights=result.weights,
        params=(0, 0) if shared else result.params,
        flops=result.flops,
        activation_bytes=result.activation_bytes,
        weight_bytes=0 if shared else result.weight_bytes,
        receptive_field=receptive_field(fields, result.reach) if result.outputs else None,
        depth=max([source.depth for source in sources], default=-1) + 1,
        error=result.error,
    )


def totals_of(facts: Iterable[NodeFacts]) -> Totals:
    """Sums over some nodes; each says how many it leaves out."""
    facts = list(facts)
    return Totals(
        trainable=_sum(None if fact.params is None else fact.params[0] for fact in facts),
        non_trainable=_sum(None if fact.params is None else fact.params[1] for fact in facts),
        flops=_sum(fact.flops for fact in facts),
        activation_bytes=_sum(fact.activation_bytes for fact in facts),
        weight_bytes=_sum(fact.weight_bytes for fact in facts),
    )


def _sum(values: Iterable[int | None]) -> Sum:
    values = list(values)
    known = [value for value in values if value is not None]
    return Sum(sum(known), len(values) - len(known))


def _critical_path(graph: OpGraph, facts: Mapping[str, NodeFacts]) -> tuple[str, ...]:
    """The path with the most operations; where they are equal, the one with the most nodes."""
    best: dict[str, tuple[int, int]] = {}
    previous: dict[str, str | None] = {}
    reads = graph.reads
    for name, fact in facts.items():
        sources = [end[0] for end in reads[name]]
        source = (
            max(sources, key=best.__getitem__) if len(sources) > 1 else next(iter(sources), None)
        )
        previous[name] = source
        flops, nodes = best[source] if source is not None else (0, 0)
        best[name] = (flops + (fact.flops or 0), nodes + 1)
    name = max(best, key=best.__getitem__, default=None)
    path: list[str] = []
    while name is not None:
        path.append(name)
        name = previous[name]
    return tuple(reversed(path))
