"""Filling in what an edge list leaves out, by stated rules.

An edge list names nodes and edges, seldom sizes. `complete` walks the graph from its inputs and
lets the rule that an attribute names fill it; every value filled in carries its reason. Rules:

- `input_shape`: what the caller says, else by what reads the input (image, sequence, tokens, row).
- `filters`: as many channels as the branch it is merged with, else 32, doubled each time the
  resolution has halved, at most 512.
- `units`: the last dense layer has one output a class; one that is merged, as many as the other
  branch; a hidden one 128.
- `channels`: as many as the input has.
- `vocabulary`, `embedding`, `recurrent_units`, `heads`, `key_size`, `return_sequences`: see below.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import networkx as nx

from opgraph.analysis.shapes import Result, ask
from opgraph.errors import AttributeValueError
from opgraph.graph import Endpoint, Inferred, Node, OpGraph
from opgraph.ops import Attr, Op, Shape

DEFAULT_CLASSES = 10
FIRST_FILTERS, MOST_FILTERS = 32, 512
HIDDEN_UNITS, RECURRENT_UNITS = 128, 64
VOCABULARY, EMBEDDING, HEADS, SEQUENCE = 1000, 64, 4, 64
KEEPS_CHANNELS = frozenset({"activation", "normalization", "regularization"})


@dataclass
class _Walk:
    """The state of one walk from the inputs to the outputs."""

    graph: OpGraph
    input_shape: Shape | None
    num_classes: int | None
    shapes: dict[tuple[str, int], Shape | None]
    levels: dict[str, float]


@dataclass(frozen=True)
class _Gap:
    """One missing attribute: where it is, and what is known around it."""

    walk: _Walk
    node: Node
    attr: Attr
    inputs: tuple[Shape | None, ...]


Rule = Callable[[_Gap], Inferred | None]


def complete(
    graph: OpGraph, input_shape: Shape | None = None, num_classes: int | None = None
) -> OpGraph:
    """Fill in missing attributes by the rules of this module.

    Args:
        graph: the graph as it was written.
        input_shape: shape of one example, for inputs that do not say theirs.
        num_classes: outputs of the last dense layer, where it does not say.

    Returns:
        The same graph; each value filled in is marked as inferred and carries its reason.
        Attributes that no rule can fill stay missing.
    """
    walk = _Walk(graph, input_shape, num_classes, {}, {})
    changed: dict[str, Node] = {}
    shapes, reads, nodes = walk.shapes, graph.reads, graph.nodes
    for name in graph.order:
        node, ends = nodes[name], reads[name]
        inputs = tuple([shapes.get(end) for end in ends])
        filled = _fill(walk, node, inputs, changed)
        if filled is not node:
            changed[name] = filled
        _advance(walk, filled, ends, inputs)
    shared = {node.name: _like_owner(node, graph, changed) for node in graph if node.shares}
    return graph.with_nodes(changed | shared) if changed or shared else graph


def _like_owner(node: Node, graph: OpGraph, changed: dict[str, Node]) -> Node:
    """A node with the attributes of the one whose weights it uses."""
    owner = changed.get(name := graph.owner(node.name), graph[name])
    return replace(node, given={**owner.given, **node.given}, inferred=dict(owner.inferred))


def _fill(
    walk: _Walk, node: Node, inputs: tuple[Shape | None, ...], changed: dict[str, Node]
) -> Node:
    if node.shares is not None:
        node = _like_owner(node, walk.graph, changed)  # the owner may come later: then by rule
    for spec in _ruled(node.kind):
        if spec.name in node.given or spec.name in node.inferred:
            continue
        found = RULES[spec.rule or ""](_Gap(walk, node, spec, inputs))
        if found is not None:
            node = replace(node, inferred={**node.inferred, spec.name: found})
    return node


@cache
def _ruled(kind: type[Op]) -> list[Attr]:
    """The attributes of an op that a rule may fill."""
    return [spec for spec in kind.schema().values() if spec.rule is not None]


def _advance(
    walk: _Walk, node: Node, ends: tuple[Endpoint, ...], inputs: tuple[Shape | None, ...]
) -> None:
    """Note the node's output shapes and how often the resolution has halved by now."""
    level = max([walk.levels[end[0]] for end in ends], default=0.0)
    result = _answer(node, inputs)
    for port, shape in enumerate(result.outputs):
        walk.shapes[node.name, port] = shape
    stride = _stride(result)
    walk.levels[node.name] = level if stride == 1 else level + math.log2(stride)


def _answer(node: Node, inputs: tuple[Shape | None, ...]) -> Result:
    """What the node's op says; nothing while it lacks an attribute or inputs."""
    try:
        return ask(node.op, inputs)
    except (AttributeValueError, TypeError):
        return Result()


def _stride(result: Result) -> float:
    reach = result.reach
    return float(max(reach.stride, default=1)) if reach and reach.window else 1.0


# Rules -----------------------------------------------------------------------------------------


def _input_shape(gap: _Gap) -> Inferred:
    if gap.walk.input_shape is not None:
        return Inferred(gap.walk.input_shape, "the shape of the data")
    for reader in _readers(gap.walk.graph, gap.node.name):
        kind = reader.kind.kind
        if kind == "Embedding":
            return Inferred((SEQUENCE,), f"read by an Embedding: {SEQUENCE} tokens")
        if kind.endswith("3D"):
            return Inferred((16, 16, 16, 1), "read by a 3-D op: a small volume")
        if kind.endswith("1D") or reader.kind.category in ("recurrent", "attention"):
            return Inferred((SEQUENCE, 16), "read by a sequence op: 64 steps of 16 numbers")
        if kind == "Dense":
            return Inferred((64,), "read by a dense layer: a row of 64 numbers")
        if reader.kind.category not in KEEPS_CHANNELS:
            break
    return Inferred((32, 32, 3), "the usual small colour image")


def _readers(graph: OpGraph, name: str) -> list[Node]:
    """The nodes that read an input, looking through ops that keep the shape."""
    found = [graph[edge.target] for edge in graph.edges_from(name)]
    for node in found:
        if node.kind.category in KEEPS_CHANNELS and len(found) < len(graph):
            found += [graph[e.target] for e in graph.edges_from(node.name)]
    return found


def _input_dtype(gap: _Gap) -> Inferred | None:
    readers = gap.walk.graph.edges_from(gap.node.name)
    if any(gap.walk.graph[edge.target].kind.kind == "Embedding" for edge in readers):
        return Inferred("int32", "read by an Embedding: numbers of tokens")
    return None


def _filters(gap: _Gap) -> Inferred:
    partner = _partner(gap)
    if partner:
        return partner
    above = max(
        (gap.walk.levels[end.node] for end in gap.walk.graph.inputs(gap.node.name)), default=0.0
    )
    level = max(0, round(above + math.log2(_own_stride(gap))))
    filters = min(MOST_FILTERS, FIRST_FILTERS * 2**level)
    if not level:
        return Inferred(filters, f"the first resolution has {FIRST_FILTERS} channels")
    times = {1: "once", 2: "twice"}.get(level, f"{level} times")
    return Inferred(filters, f"the resolution has halved {times}: 32 x {2**level}")


def _own_stride(gap: _Gap) -> float:
    """The stride that the node itself will have, whatever the missing value."""
    trial = replace(gap.node, given={**gap.node.given, gap.attr.name: 1})
    return _stride(_answer(trial, gap.inputs))


def _partner(gap: _Gap) -> Inferred | None:
    """The channels of the branch that this node's output is merged with, element by element."""
    graph, name = gap.walk.graph, gap.node.name
    while True:
        edges = graph.edges_from(name)
        if len(edges) != 1:
            return None
        target = graph[edges[0].target]
        if target.kind.category == "merge":
            break
        if target.kind.category not in KEEPS_CHANNELS:
            return None
        name = target.name
    if not target.kind.commutative:
        return None
    for end in graph.inputs(target.name):
        shape = gap.walk.shapes.get(end)
        if shape and shape[-1] is not None and end.node != name:
            return Inferred(shape[-1], f"merged with {end.node!r} at {target.name!r}")
    return None


def _units(gap: _Gap) -> Inferred:
    partner = _partner(gap)
    if partner:
        return partner
    below = nx.descendants(gap.walk.graph.structure, gap.node.name)
    if any(gap.walk.graph[name].kind is gap.node.kind for name in below):
        return Inferred(HIDDEN_UNITS, f"a hidden dense layer has {HIDDEN_UNITS} units")
    if gap.walk.num_classes is not None:
        return Inferred(gap.walk.num_classes, "the last dense layer: one output a class")
    return Inferred(
        DEFAULT_CLASSES, "the last dense layer: one output a class (10 unless the data say)"
    )


def _fixed(value: Any, reason: str) -> Rule:
    return lambda gap: Inferred(value, reason)


def _channels(gap: _Gap) -> Inferred | None:
    shape = gap.inputs[0] if gap.inputs else None
    if not shape or shape[-1] is None:
        return None
    return Inferred(shape[-1], "as many as the input has")


def _key_size(gap: _Gap) -> Inferred:
    channels = gap.inputs[0][-1] if gap.inputs and gap.inputs[0] else None
    heads = gap.node.explicit().get("num_heads", HEADS)
    size = max(1, (channels or EMBEDDING) // heads)
    return Inferred(size, f"the input's channels divided by {heads} heads")


def _return_sequences(gap: _Gap) -> Inferred | None:
    for edge in gap.walk.graph.edges_from(gap.node.name):
        reader = gap.walk.graph[edge.target].kind
        sequence = reader.category in ("recurrent", "attention") or reader.kind.endswith("1D")
        if sequence and edge.port == 0 and edge.slot == 0:
            return Inferred(True, f"{edge.target!r} reads a sequence")
    return None


RULES: dict[str, Rule] = {
    "input_shape": _input_shape,
    "input_dtype": _input_dtype,
    "filters": _filters,
    "units": _units,
    "vocabulary": _fixed(VOCABULARY, "a small vocabulary"),
    "embedding": _fixed(EMBEDDING, f"{EMBEDDING} numbers a token"),
    "recurrent_units": _fixed(RECURRENT_UNITS, f"a recurrent layer has {RECURRENT_UNITS} units"),
    "channels": _channels,
    "heads": _fixed(HEADS, f"{HEADS} heads"),
    "key_size": _key_size,
    "return_sequences": _return_sequences,
}
