"""Nodes whose weights training leaves alone.

Owns which nodes a glob freezes; must not know Keras. A frozen layer gets no gradient, and a frozen
batch normalisation works with its moving statistics and does not change them.
"""

from __future__ import annotations

from dataclasses import dataclass

from opgraph.analysis import analyze
from opgraph.errors import TraceError, suggest
from opgraph.graph import OpGraph, matching, with_given

SECTION = "freeze"


@dataclass(frozen=True)
class Frozen:
    """A graph with nodes frozen.

    Attributes:
        graph: the same graph, with `trainable=False` where a glob matched.
        nodes: the nodes that were frozen: those that own the matched weights.
        params: how many numbers they hold; None where it is not known.
    """

    graph: OpGraph
    nodes: tuple[str, ...]
    params: int | None


def freeze(graph: OpGraph, globs: str) -> Frozen:
    """Freeze all nodes with weights that a glob matches.

    Args:
        graph: a completed graph.
        globs: such as `conv*` or `stem, block_1*`; a node that shares weights freezes their owner.

    Raises:
        TraceError: a glob matches no node, or none that has weights.
    """
    facts = analyze(graph).require().facts
    owners: dict[str, None] = {}
    for pattern in (part.strip() for part in globs.split(",") if part.strip()):
        names = matching(pattern, graph.nodes)
        if not names:
            hint = suggest(pattern.strip("*?"), graph.nodes)
            raise TraceError(f"no node is called {pattern!r}", where=SECTION, hint=hint)
        found = [graph.owner(name) for name in names]
        heavy = [name for name in found if facts[name].weights != {}]
        if not heavy:
            example = next((name for name in graph.nodes if facts[name].weights), None)
            raise TraceError(
                f"{pattern!r} matches {', '.join(map(repr, names[:5]))}, which has no weights",
                where=SECTION,
                hint=None if example is None else f"{example!r} has some",
            )
        owners |= dict.fromkeys(heavy)
    changed = {name: with_given(graph[name], {"trainable": False}) for name in owners}
    counts = [facts[name].total_params for name in owners]
    known = None if any(count is None for count in counts) else sum(filter(None, counts))
    return Frozen(graph.with_nodes(changed), tuple(owners), known)
