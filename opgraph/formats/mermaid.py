"""Flowcharts of Mermaid, written: what `mermaid_reader` reads back to the same graph.

The label of a node has its name, its second name if it has one, and its op in the notation of an
edge list, each on a line. Characters that Mermaid would take for its own are written as numbers.
Must not know how a flowchart is laid out.

    flowchart TD
      n0(["x<br/>Input(shape=(4,))"])
      n1["fc<br/>Dense(units=2)"]
      n0 --> n1
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from opgraph.formats.drawn import escaper
from opgraph.graph import Edge, Node, OpGraph
from opgraph.text import op_text

_escaped = escaper("#", '#"&<>`\\')


def to_mermaid(graph: OpGraph) -> str:
    """The graph as a flowchart.

    Raises:
        FormatError: an attribute value cannot be written.

    >>> from opgraph.text import parse
    >>> print(to_mermaid(parse("x: Input(shape=4) -> fc[units=2]", "net")), end="")
    ---
    title: "net"
    ---
    flowchart TD
      n0(["x<br/>Input(shape=(4,))"])
      n1["fc<br/>Dense(units=2)"]
      n0 --> n1
    """
    return "".join(f"{line}\n" for line in _lines(graph))


def _lines(graph: OpGraph) -> Iterator[str]:
    yield from ("---", f"title: {json.dumps(graph.name)}", "---", "flowchart TD")
    idents = {name: f"n{index}" for index, name in enumerate(graph.nodes)}
    for node in graph:
        left, right = ("([", "])") if node.kind.category == "input" else ("[", "]")
        yield f'  {idents[node.name]}{left}"{_label(node)}"{right}'
    for name in graph.nodes:
        for number, edge in enumerate(graph.edges_into(name)):
            yield f"  {idents[edge.source]} -->{_said(edge, number)} {idents[edge.target]}"


def _label(node: Node) -> str:
    owner = "" if node.shares is None else f" = {json.dumps(node.shares)}"
    lines = [node.name, *([] if node.label is None else [node.label]), op_text(node) + owner]
    return "<br/>".join(map(_line, lines))


def _line(text: str) -> str:
    """A line of a label; blanks at its ends would be lost."""
    inner = text.strip(" ")
    before = len(text) - len(text.lstrip(" ")) if inner else len(text)
    after = len(text) - len(inner) - before
    return "#32;" * before + _escaped(inner) + "#32;" * after


def _said(edge: Edge, number: int) -> str:
    """What an arrow says: the output that it comes from, and an input that is not the next one."""
    port = f"port {edge.port}" if edge.port else ""
    slot = f"slot {edge.slot}" if edge.slot != number else ""
    said = ", ".join(part for part in (port, slot) if part)
    return f'|"{said}"|' if said else ""
