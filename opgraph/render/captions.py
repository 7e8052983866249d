"""Longer texts about a graph and its nodes: tooltips, footers, descriptions."""

from __future__ import annotations

from collections.abc import Iterator

from opgraph.analysis import Analysis, NodeFacts, Sum
from opgraph.render.attributes import all_attrs
from opgraph.render.wording import UNKNOWN, count_text, shape_text, si_text, sizes_text
from opgraph.version import __version__

MOST_LISTED = 8


def tooltip(facts: NodeFacts) -> str:
    """Everything about a node, one thing a line."""
    return "\n".join(_tooltip_lines(facts))


def _tooltip_lines(facts: NodeFacts) -> Iterator[str]:
    node = facts.node
    yield f"{node.name}: {node.kind.kind}" + (f" ({node.label})" if node.label else "")
    if facts.error:
        yield facts.error.problem
    if facts.inputs:
        yield f"in: {', '.join(map(shape_text, facts.inputs[:MOST_LISTED]))}"
    yield f"out: {', '.join(map(shape_text, facts.outputs)) or UNKNOWN}"
    for attr in all_attrs(node):
        because = f": {attr.reason}" if attr.reason else ""
        yield f"{attr.named} ({attr.provenance}{because})"
    for name, weight in (facts.weights or {}).items():
        kept = "" if weight.trainable else ", not trained"
        yield f"{name}: {shape_text(weight.shape)} = {count_text(weight.size)}{kept}"
    cost = [si_text(facts.flops, "FLOP")] if facts.flops else []
    if facts.activation_bytes is not None:
        cost.append(f"output {si_text(facts.activation_bytes, 'B')}")
    if cost:
        yield ", ".join(cost)
    if facts.receptive_field and facts.receptive_field.size != ():
        yield f"sees {sizes_text(facts.receptive_field.size)} of the input"


def sum_text(total: Sum, text: str, unknown: str = UNKNOWN) -> str:
    """A total, marked where something could not be counted.

    >>> sum_text(Sum(5, 1), "5"), sum_text(Sum(5, 0), "5"), sum_text(Sum(0, 2), "0")
    ('>= 5', '5', '?')
    """
    if not total.unknown:
        return text
    return f">= {text}" if total.value else unknown


def size_text(analysis: Analysis) -> str:
    """How large a graph is, in one line."""
    graph, totals = analysis.graph, analysis.totals
    edges = graph.nx.number_of_edges()
    count = f"{totals.params.value:,} params"
    parts = [
        f"{len(graph):,} {'node' if len(graph) == 1 else 'nodes'}",
        f"{edges:,} {'edge' if edges == 1 else 'edges'}",
        sum_text(totals.params, count, "params unknown") + _trainable(analysis),
        sum_text(totals.flops, si_text(totals.flops.value, "FLOP"), "FLOP unknown"),
        sum_text(
            totals.weight_bytes,
            f"{si_text(totals.weight_bytes.value, 'B')} of weights",
            "size unknown",
        ),
    ]
    return " · ".join(parts)


def _trainable(analysis: Analysis) -> str:
    totals = analysis.totals
    if not totals.non_trainable.value:
        return ""
    return f" ({sum_text(totals.trainable, f'{totals.trainable.value:,}')} trainable)"


def footer(analysis: Analysis) -> str:
    """The small print below a picture."""
    return f"{size_text(analysis)} · opgraph {__version__}"


def description(analysis: Analysis) -> str:
    """What the picture shows, for those who cannot see it."""
    graph = analysis.graph
    ends = ", ".join(graph.sources[:MOST_LISTED]), ", ".join(graph.sinks[:MOST_LISTED])
    wrong = f" {len(analysis.errors)} nodes are wrong." if analysis.errors else ""
    return f"A graph of operations from {ends[0]} to {ends[1]}: {size_text(analysis)}.{wrong}"
