"""A graph out of a drawing: boxes, and arrows between them, as DOT and Mermaid have them.

A box says its op in the notation of an edge list, or it is told from its label or its id; what no
op is known for is carried opaque, or is an input where nothing leads to it. Must not know how a
drawing is written down.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from html.entities import html5
from typing import NamedTuple

from opgraph.errors import (
    AttributeValueError,
    FormatError,
    GraphError,
    ParseError,
    Place,
    UnknownOpError,
)
from opgraph.graph import Edge, Node, OpGraph, check
from opgraph.ops import guess, require
from opgraph.text import parse_op

MOST_NODES = 200_000


@dataclass(frozen=True)
class Box:
    """A box of a drawing.

    Attributes:
        name: what the node is called.
        op: its op in the notation of an edge list, where it is written.
        label: a text for people.
        shares: the name of the node whose weights it uses.
        guessed: whether the op was told from the name when the graph was first read.
        place: where the box stands.
    """

    name: str
    op: str | None = None
    label: str | None = None
    shares: str | None = None
    guessed: bool = False
    place: Place | None = field(default=None, compare=False)


class Arrow(NamedTuple):
    """An arrow between two boxes, which it calls by their ids; the slot is None if not written."""

    source: str
    target: str
    port: int = 0
    slot: int | None = None
    place: Place | None = None


def graph_of(boxes: Mapping[str, Box], arrows: Iterable[Arrow], name: str) -> OpGraph:
    """The graph of a drawing.

    Args:
        boxes: by the id that arrows call them by.
        arrows: in the order in which a target reads them.
        name: of the graph.

    Raises:
        FormatError: two boxes have one name, a slot is taken twice, or an attribute is wrong.
        GraphError: arrows lead round in a cycle.
    """
    if len(boxes) > MOST_NODES:
        raise FormatError(f"more than {MOST_NODES:,} nodes")
    links = list(arrows)
    targets = {link.target for link in links}
    nodes: dict[str, Node] = {}
    for ident, box in boxes.items():
        if box.name in nodes:
            raise FormatError(f"a second node {box.name!r}", place=box.place, node=box.name)
        nodes[box.name] = node_of(box, is_source=ident not in targets)
    graph = OpGraph(nodes.values(), _edges(boxes, links), name)
    try:
        _ = graph.order
    except GraphError:
        raise check(graph)[0] from None
    return graph


def node_of(box: Box, *, is_source: bool) -> Node:
    """The node that a box stands for.

    Args:
        box: the box.
        is_source: whether nothing leads to it; then it is an input, unless it says otherwise.

    Raises:
        FormatError: an attribute that is written does not suit the op.

    >>> node_of(Box("c1", op="Conv2D(filters=8)"), is_source=False).op.filters
    8
    >>> node_of(Box("A", label="max pool 2x2"), is_source=False).kind.kind
    'MaxPooling2D'
    """
    if box.op is None:
        return _told(box, is_source)
    try:
        kind, given = parse_op(box.op)
    except (ParseError, UnknownOpError):
        return _opaque(box, box.op)
    except AttributeValueError as error:
        raise FormatError(
            error.problem, where=box.name, place=box.place, hint=error.hint, node=box.name
        ) from None
    return Node(
        box.name,
        kind,
        given,
        label=box.label,
        shares=box.shares,
        guessed=box.guessed,
        place=box.place,
    )


def _told(box: Box, is_source: bool) -> Node:
    kind = (guess(box.label) if box.label else None) or guess(box.name)
    if kind is None and not is_source:
        return _opaque(box, box.label or box.name)
    kind = kind or require("Input")
    return Node(box.name, kind, label=box.label, guessed=True, place=box.place)


def _opaque(box: Box, class_name: str) -> Node:
    given = {"class_name": class_name}
    return Node(box.name, require("Opaque"), given, label=box.label, place=box.place)


def _edges(boxes: Mapping[str, Box], arrows: list[Arrow]) -> Iterable[Edge]:
    """Edges with their slots: those that are written, and the free ones in the order of arrival."""
    taken: dict[str, set[int]] = {}
    for arrow in arrows:
        slots = taken.setdefault(arrow.target, set())
        if arrow.slot in slots:
            target = boxes[arrow.target].name
            problem = f"slot {arrow.slot} of {target!r} is taken already"
            raise FormatError(problem, place=arrow.place, node=target)
        if arrow.slot is not None:
            slots.add(arrow.slot)
    next_free: dict[str, int] = {}
    for arrow in arrows:
        slot = arrow.slot
        if slot is None:
            slot = next_free.get(arrow.target, 0)
            while slot in taken[arrow.target]:
                slot += 1
            next_free[arrow.target] = slot + 1
        ends = boxes[arrow.source].name, boxes[arrow.target].name
        yield Edge(*ends, slot, arrow.port, arrow.place)


# Characters that a format has no room for ------------------------------------------------------


def escaper(mark: str, further: str) -> Callable[[str], str]:
    """What writes characters as numbers, `&#34;` or `#34;`: those listed, and all unseen ones.

    >>> escaper("&#", '&"')('a "b"')
    'a &#34;b&#34;'
    """
    wanted = frozenset(further)

    def escaped(text: str) -> str:
        return "".join(
            f"{mark}{ord(char)};" if char in wanted or not char.isprintable() else char
            for char in text
        )

    return escaped


def unescaper(mark: str, sign: str) -> Callable[[str], str]:
    """What reads such numbers, and the names that HTML has for characters, `&quot;` or `#quot;`.

    >>> unescaper("&#", "&")("a &#34;b&quot; &none;")
    'a "b" &none;'
    """
    found = re.compile(rf"{re.escape(mark)}(\d{{1,7}});|{re.escape(sign)}([A-Za-z]{{1,31}};)")

    def char(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1])) if int(match[1]) <= 0x10FFFF else match[0]
        return html5.get(match[2], match[0])

    return lambda text: found.sub(char, text)
