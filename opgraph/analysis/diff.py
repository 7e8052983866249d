"""How two graphs differ: nodes added, removed, renamed, changed, and what follows from that.

Compares facts; must not know where the graphs come from or how a difference is shown. A difference
of a node's own (op, attributes, what it reads, whose weights it uses) is told apart from one that
only follows from others (shapes, sizes).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from opgraph.analysis.data import plain_value
from opgraph.analysis.matching import match_nodes
from opgraph.analysis.result import Analysis, NodeFacts
from opgraph.graph import Node

Status = Literal["same", "follows", "changed", "added", "removed"]
STATUSES: tuple[Status, ...] = ("added", "removed", "changed", "follows", "same")
Kind = Literal["op", "attribute", "input", "weights", "label", "shape", "params", "error"]


class Change(NamedTuple):
    """One thing that is not the same.

    Attributes:
        kind: what sort of thing.
        name: which one: the attribute, or the number of an input or output; else empty.
        left: what it is in the first graph; None where there is nothing.
        right: what it is in the second.
    """

    kind: Kind
    name: str
    left: Any
    right: Any


@dataclass(frozen=True)
class NodeDiff:
    """What became of a node.

    Attributes:
        left: its name in the first graph; None if it is added.
        right: its name in the second; None if it is removed.
        changes: its own: op, attributes, inputs, weights shared, label.
        effects: what follows from them or from those of other nodes: shapes, parameters, errors.
    """

    left: str | None
    right: str | None
    changes: tuple[Change, ...] = ()
    effects: tuple[Change, ...] = ()

    @property
    def name(self) -> str:
        """Its name, the newer one if it has two."""
        return self.right if self.right is not None else self.left or ""

    @property
    def is_renamed(self) -> bool:
        """Whether it is in both graphs under different names."""
        return self.left is not None and self.right is not None and self.left != self.right

    @property
    def status(self) -> Status:
        """What became of it, in one word; a renamed node is changed."""
        if self.left is None:
            return "added"
        if self.right is None:
            return "removed"
        if self.changes or self.is_renamed:
            return "changed"
        return "follows" if self.effects else "same"


@dataclass(frozen=True)
class GraphDiff:
    """How two graphs differ.

    Attributes:
        left: the first graph with its facts.
        right: the second.
        nodes: every node of both, those of the second in the order of its flow, each removed one
            behind the node that it stood behind.
    """

    left: Analysis
    right: Analysis
    nodes: tuple[NodeDiff, ...]

    @property
    def equal(self) -> bool:
        """Whether both describe the same network, name by name."""
        return all(node.status == "same" for node in self.nodes)

    @cached_property
    def counts(self) -> Mapping[Status, int]:
        """How many nodes there are of each status."""
        found = [node.status for node in self.nodes]
        return {status: found.count(status) for status in STATUSES}

    @property
    def renamed(self) -> int:
        """How many nodes have another name."""
        return sum(node.is_renamed for node in self.nodes)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data; nodes that are the same are only counted."""
        return {
            "equal": self.equal,
            "counts": {**self.counts, "renamed": self.renamed},
            "params": [side.totals.params.value for side in (self.left, self.right)],
            "nodes": [_as_data(node) for node in self.nodes if node.status != "same"],
        }


def diff_graphs(left: Analysis, right: Analysis) -> GraphDiff:
    """Compare two graphs node by node.

    Nodes are matched by name and op, then by structure, so that a renamed node is no removed and an
    added one. Attributes are compared as they are after completion, defaults included; whether a
    value was given or inferred does not count.

    Args:
        left: the first graph with its facts.
        right: the second.

    >>> from opgraph.analysis import analyze
    >>> from opgraph.text import parse
    >>> texts = ("x: Input(shape=(4,)) -> a: Dense(units=2)", "x: Input(shape=(4,)) -> b: Dense()")
    >>> found = diff_graphs(*(analyze(parse(text), num_classes=3) for text in texts))
    >>> [(node.name, node.status, node.changes[0].name) for node in found.nodes if node.changes]
    [('b', 'changed', 'units')]
    """
    partner = match_nodes(left.graph, right.graph)
    back = {new: old for old, new in partner.items()}
    found = [
        _compared(left, right, partner, back[name], name) if name in back else NodeDiff(None, name)
        for name in right.graph.order
    ]
    removed = [name for name in left.graph.order if name not in partner]
    return GraphDiff(left, right, tuple(_placed(found, removed, left)))


def _placed(
    found: Sequence[NodeDiff], removed: Sequence[str], left: Analysis
) -> Iterator[NodeDiff]:
    """All nodes, each removed one behind the one that comes before it in its own graph."""
    behind: dict[str | None, list[str]] = {}
    gone, anchor = set(removed), None
    for name in left.graph.order:
        if name in gone:
            behind.setdefault(anchor, []).append(name)
        else:
            anchor = name
    yield from (NodeDiff(name, None) for name in behind.get(None, ()))
    for node in found:
        yield node
        if node.left is not None:
            yield from (NodeDiff(name, None) for name in behind.get(node.left, ()))


def _compared(
    left: Analysis, right: Analysis, partner: Mapping[str, str], old: str, new: str
) -> NodeDiff:
    nodes = left.graph[old], right.graph[new]
    changes = [
        *_op_changes(*nodes),
        *_attribute_changes(*nodes),
        *_input_changes(left, right, partner, old, new),
        *_weight_changes(*nodes, partner),
        *_unequal("label", "", nodes[0].label, nodes[1].label),
    ]
    told = {change[2:] for change in changes if change.name == "shape"}  # an input's is its own
    effects = [c for c in _effects(left[old], right[new]) if c.kind != "shape" or c[2:] not in told]
    return NodeDiff(old, new, tuple(changes), tuple(effects))


def _unequal(kind: Kind, name: str, left: Any, right: Any) -> Iterator[Change]:
    if left != right:
        yield Change(kind, name, left, right)


def _op_changes(old: Node, new: Node) -> Iterator[Change]:
    yield from _unequal("op", "", old.kind.kind, new.kind.kind)


def _attribute_changes(old: Node, new: Node) -> Iterator[Change]:
    """Values that differ; of another op only those that were not default."""
    sides = [_values(node) for node in (old, new)]
    same_op = old.kind is new.kind
    for name in dict.fromkeys((*sides[1], *sides[0])):
        is_told = same_op or any(name in node.explicit() for node in (old, new))
        if is_told:
            yield from _unequal("attribute", name, *(side.get(name) for side in sides))


def _values(node: Node) -> dict[str, Any]:
    """All attributes, defaults included; what must be given and is not is left out."""
    schema = node.kind.schema()
    values = {name: spec.default for name, spec in schema.items() if not spec.is_required}
    return values | node.explicit()


def _input_changes(
    left: Analysis, right: Analysis, partner: Mapping[str, str], old: str, new: str
) -> Iterator[Change]:
    """Slots that read something else: a node that is not the partner of the one before."""
    before, after = left.graph.inputs(old), right.graph.inputs(new)
    for slot in range(max(len(before), len(after))):
        was = before[slot] if slot < len(before) else None
        now = after[slot] if slot < len(after) else None
        meant = None if was is None else was._replace(node=partner.get(was.node, ""))
        if meant != now:
            name = str(slot + 1) if max(len(before), len(after)) > 1 else ""
            sides = (None if end is None else str(end) for end in (was, now))
            yield Change("input", name, *sides)


def _weight_changes(old: Node, new: Node, partner: Mapping[str, str]) -> Iterator[Change]:
    """Whether it uses weights of another node than before."""
    meant = None if old.shares is None else partner.get(old.shares, "")
    if meant != new.shares:
        yield Change("weights", "", old.shares, new.shares)


def _effects(old: NodeFacts, new: NodeFacts) -> Iterator[Change]:
    count = max(len(old.outputs), len(new.outputs))
    for port in range(count):
        shapes = (f.outputs[port] if port < len(f.outputs) else None for f in (old, new))
        yield from _unequal("shape", str(port + 1) if count > 1 else "", *shapes)
    yield from _unequal("params", "", old.total_params, new.total_params)
    errors = (None if facts.error is None else facts.error.problem for facts in (old, new))
    yield from _unequal("error", "", *errors)


def _as_data(node: NodeDiff) -> dict[str, Any]:
    return {
        "left": node.left,
        "right": node.right,
        "status": node.status,
        "changes": [_change_data(change) for change in node.changes],
        "effects": [_change_data(change) for change in node.effects],
    }


def _change_data(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "name": change.name,
        "left": plain_value(change.left),
        "right": plain_value(change.right),
    }
