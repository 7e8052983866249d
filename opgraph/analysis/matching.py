"""Which node of one graph is which node of another: by name, then by what stands around it.

Owns the pairing alone; must not know how two nodes that belong together differ.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from opgraph.graph import Node, OpGraph
from opgraph.ops import freeze


@dataclass
class Pairs:
    """Pairs of names, found so far.

    Attributes:
        left: a graph.
        right: another.
        partner: names in the second by names in the first.
        back: the other way round.
    """

    left: OpGraph
    right: OpGraph
    partner: dict[str, str] = field(default_factory=dict[str, str])
    back: dict[str, str] = field(default_factory=dict[str, str])

    def add(self, left: str, right: str) -> None:
        """Two nodes are the same."""
        self.partner[left] = right
        self.back[right] = left

    @property
    def free(self) -> tuple[list[str], list[str]]:
        """Nodes of both that have no partner, in the order of the flow."""
        return (
            [name for name in self.left.order if name not in self.partner],
            [name for name in self.right.order if name not in self.back],
        )


def match_nodes(left: OpGraph, right: OpGraph) -> dict[str, str]:
    """The node of the second graph that each node of the first has become.

    A node keeps its name and op; failing that, it is the one with the same past (op, attributes,
    all that leads to it) or the same future, then the one that stands between the same nodes; at
    last the one of its name that has another op.

    Returns:
        Names in the second graph by names in the first; a node without a partner is not there.

    >>> from opgraph.text import parse
    >>> match_nodes(parse("x -> a: Dense(units=2)"), parse("x -> b: Dense(units=2)"))
    {'x': 'x', 'a': 'b'}
    """
    pairs = Pairs(left, right)
    _by_name(pairs, same_op=True)
    if all(pairs.free):
        _by_print(pairs, _pasts)
        _by_print(pairs, _futures)
    while all(pairs.free) and _by_neighbours(pairs):
        pass
    _by_name(pairs, same_op=False)
    return {name: pairs.partner[name] for name in left.order if name in pairs.partner}


def _by_name(pairs: Pairs, *, same_op: bool) -> None:
    for name in pairs.free[0]:
        other = pairs.right.nodes.get(name)
        if other is None or name in pairs.back:
            continue
        if not same_op or other.kind is pairs.left[name].kind:
            pairs.add(name, name)


def _own(node: Node) -> Hashable:
    """What a node is, apart from its name."""
    schema = node.kind.schema()
    values = {k: v for k, v in sorted(node.explicit().items()) if v != schema[k].default}
    return node.kind.kind, freeze(values)


def _pasts(graph: OpGraph) -> dict[str, int]:
    """A print of each node with all that leads to it."""
    found: dict[str, int] = {}
    for name in graph.order:
        ends = tuple((found[end.node], end.port) for end in graph.inputs(name))
        found[name] = hash((_own(graph[name]), ends))
    return found


def _futures(graph: OpGraph) -> dict[str, int]:
    """A print of each node with all that it leads to."""
    found: dict[str, int] = {}
    for name in reversed(graph.order):
        edges = graph.edges_from(name)
        ends = sorted((found[edge.target], edge.slot, edge.port) for edge in edges)
        found[name] = hash((_own(graph[name]), tuple(ends)))
    return found


def _by_print(pairs: Pairs, prints: Callable[[OpGraph], dict[str, int]]) -> None:
    """Pair nodes of equal print, where both graphs have as many of them, in their order."""
    sides = [
        _grouped(names, prints(graph))
        for names, graph in zip(pairs.free, (pairs.left, pairs.right), strict=True)
    ]
    for key, names in sides[0].items():
        others = sides[1].get(key, [])
        if len(names) == len(others):
            for name, other in zip(names, others, strict=True):
                pairs.add(name, other)


def _grouped(names: Sequence[str], prints: dict[str, int]) -> dict[int, list[str]]:
    groups: dict[int, list[str]] = {}
    for name in names:
        groups.setdefault(prints[name], []).append(name)
    return groups


def _by_neighbours(pairs: Pairs) -> bool:
    """Pair each free node with the best of those beside its neighbours' partners, both ways."""
    found = False
    free = pairs.free[0]
    for name in (*free, *reversed(free)):
        if name in pairs.partner:
            continue
        node = pairs.left[name]
        near = dict.fromkeys(_beside(pairs, name))
        alike = [other for other in near if pairs.right[other].kind is node.kind]
        best = max(alike, key=lambda other: _likeness(pairs, name, other), default=None)
        if best is not None and _is_likely(pairs, name, best):
            pairs.add(name, best)
            found = True
    return found


def _beside(pairs: Pairs, name: str) -> Iterator[str]:
    """Free nodes that read what the partners of its sources give, or feed those of its readers."""
    for end in pairs.left.inputs(name):
        if end.node in pairs.partner:
            yield from _free(pairs, _readers(pairs.right, pairs.partner[end.node]))
    for reader in _readers(pairs.left, name):
        if reader in pairs.partner:
            ends = pairs.right.inputs(pairs.partner[reader])
            yield from _free(pairs, (end.node for end in ends))


def _is_likely(pairs: Pairs, name: str, other: str) -> bool:
    """Whether two nodes are equal but for their names, or share half of their neighbours."""
    shared, is_equal = _likeness(pairs, name, other)
    sides = (pairs.left, name), (pairs.right, other)
    around = max(
        len({end.node for end in graph.inputs(node)}) + len(set(_readers(graph, node)))
        for graph, node in sides
    )
    return is_equal or 2 * shared >= around


def _free(pairs: Pairs, names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if name not in pairs.back)


def _readers(graph: OpGraph, name: str) -> list[str]:
    return [edge.target for edge in graph.edges_from(name)]


def _likeness(pairs: Pairs, name: str, other: str) -> tuple[int, bool]:
    """How many neighbours two nodes share, and whether they are the same apart from names."""
    sources = [pairs.partner.get(end.node) for end in pairs.left.inputs(name)]
    readers = [pairs.partner.get(reader) for reader in _readers(pairs.left, name)]
    shared = len({end.node for end in pairs.right.inputs(other)} & set(sources))
    shared += len(set(_readers(pairs.right, other)) & set(readers))
    return shared, _own(pairs.left[name]) == _own(pairs.right[other])
