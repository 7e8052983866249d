"""A graph with some of its regions folded: a smaller graph, and honest totals of what is hidden."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from opgraph.analysis.analyze import totals_of
from opgraph.analysis.result import Analysis, NodeFacts, Totals
from opgraph.graph import Edge, Endpoint, Fold, Node, OpGraph, choose_folds
from opgraph.ops import Op, Shape


class _Folded(Op):
    """Stands for the nodes of a fold; no user can write it."""

    kind = "Fold"
    aliases = ()
    category = "opaque"
    family = "fold"
    summary = "nodes shown as one box"


@dataclass(frozen=True, slots=True)
class FoldFacts:
    """What is known of all the nodes that a box stands for.

    Attributes:
        fold: which nodes those are.
        totals: sums over them; each says how many of them could not be counted.
        shares: whether its blocks all use the same weights, so that it is one block, used often.
        ops: how many nodes of each op, the op used most first.
        entries: the arrays that it reads, and their shapes.
        exits: the arrays of its own that others read, and their shapes.
    """

    fold: Fold
    totals: Totals
    shares: bool
    ops: Mapping[str, int]
    entries: Mapping[Endpoint, Shape | None]
    exits: Mapping[Endpoint, Shape | None]

    @property
    def more(self) -> int:
        """Blocks beside the one that it is named after."""
        return len(self.fold.units) - 1


@dataclass(frozen=True)
class Folded:
    """A graph of which some regions are one node each.

    Attributes:
        whole: the facts of the graph as it is.
        view: the facts of the graph with folds in place of regions; its totals are the whole's.
        folds: by name, what each of them stands for.
    """

    whole: Analysis
    view: Analysis
    folds: Mapping[str, FoldFacts] = field(default_factory=dict[str, FoldFacts])


def fold(
    analysis: Analysis,
    how: str | int = "auto",
    opened: Iterable[str] = (),
    seen: Iterable[str] = (),
) -> Folded:
    """Fold regions of a graph; nodes that do not fit are never hidden.

    Args:
        analysis: any graph with its facts.
        how: `auto`, `none`, a number of boxes or globs; see `opgraph.graph.choose_folds`.
        opened: globs over names of folds and nodes that are to be open.
        seen: further nodes that must not be hidden.

    Raises:
        GraphError: a glob matches nothing, or a number is not positive.
    """
    wrong = {name for name, facts in analysis.facts.items() if facts.error}
    chosen = choose_folds(analysis.graph, how, opened, frozenset(wrong.union(seen)))
    return _fold(analysis, chosen) if chosen else Folded(analysis, analysis)


def _fold(analysis: Analysis, chosen: Sequence[Fold]) -> Folded:
    within = {name: fold for fold in chosen for name in fold.nodes}
    folds = {fold.name: _facts(analysis, fold) for fold in chosen}
    names = list(dict.fromkeys(_box(within, name) for name in analysis.facts))
    nodes = [Node(n, _Folded) if n in folds else analysis.graph[n] for n in names]
    graph = OpGraph(nodes, _edges(analysis.graph, within, folds), analysis.graph.name)
    facts = {name: _box_facts(analysis, graph[name], folds.get(name)) for name in graph.order}
    main = tuple(dict.fromkeys(_box(within, name) for name in analysis.critical_path))
    view = Analysis(graph, facts, analysis.totals, analysis.depth, main, analysis.errors)
    return Folded(analysis, view, folds)


def _box(within: Mapping[str, Fold], name: str) -> str:
    return within[name].name if name in within else name


def _facts(analysis: Analysis, fold: Fold) -> FoldFacts:
    inside = set(fold.nodes)
    ops: dict[str, int] = {}
    entries: dict[Endpoint, Shape | None] = {}
    exits: dict[Endpoint, Shape | None] = {}
    for name in fold.nodes:
        kind = analysis.graph[name].kind.kind
        ops[kind] = ops.get(kind, 0) + 1
        for end, shape in zip(analysis.graph.inputs(name), analysis[name].inputs, strict=True):
            entries |= {end: shape} if end.node not in inside else {}
        for edge in analysis.graph.edges_from(name):
            if edge.target not in inside:
                exits[Endpoint(name, edge.port)] = _output(analysis, name, edge.port)
    return FoldFacts(
        fold,
        totals_of(analysis[name] for name in fold.nodes),
        _shares(analysis, fold),
        dict(sorted(ops.items(), key=lambda item: -item[1])),
        entries,
        exits,
    )


def _output(analysis: Analysis, name: str, port: int) -> Shape | None:
    outputs = analysis[name].outputs
    return outputs[port] if port < len(outputs) else None


def _shares(analysis: Analysis, fold: Fold) -> bool:
    """Whether there are weights, and each is used by all blocks."""
    owners = [
        {analysis.graph.owner(name) for name in alike}
        for alike in zip(*fold.units, strict=True)
        if any(analysis[name].weights != {} for name in alike)
    ]
    return len(fold.units) > 1 and bool(owners) and all(len(names) == 1 for names in owners)


def _edges(
    graph: OpGraph, within: Mapping[str, Fold], folds: Mapping[str, FoldFacts]
) -> Iterator[Edge]:
    """Edges between boxes; an array that enters a fold is one edge, however often it is read."""
    ports = {end: port for facts in folds.values() for port, end in enumerate(facts.exits)}
    slots = {
        (name, end): slot for name, facts in folds.items() for slot, end in enumerate(facts.entries)
    }
    drawn: set[tuple[str, Endpoint]] = set()
    for edge in graph.edges:
        source, target = _box(within, edge.source), _box(within, edge.target)
        end = Endpoint(edge.source, edge.port)
        if source == target or (target, end) in drawn:
            continue
        slot = edge.slot
        if target in folds:
            drawn.add((target, end))
            slot = slots[target, end]
        yield Edge(source, target, slot, ports.get(end, edge.port), edge.place)


def _box_facts(analysis: Analysis, node: Node, folded: FoldFacts | None) -> NodeFacts:
    if folded is None:
        return analysis[node.name]
    last = analysis[folded.fold.nodes[-1]]
    totals = folded.totals
    known = None if totals.params.unknown else (totals.trainable.value, totals.non_trainable.value)
    return NodeFacts(
        node=node,
        inputs=tuple(folded.entries.values()),
        outputs=tuple(folded.exits.values()),
        weights=None,
        params=known,
        flops=None if totals.flops.unknown else totals.flops.value,
        activation_bytes=None,
        weight_bytes=None if totals.weight_bytes.unknown else totals.weight_bytes.value,
        receptive_field=last.receptive_field,
        depth=last.depth,
    )
