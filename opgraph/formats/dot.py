r"""DOT, the language of Graphviz, read and written.

Each node has a `label` for the picture and its `op` in the notation of an edge list, so that the
file reads back to the same graph; edges have a `slot` and a `port` where it is not the usual one.
In a file of another program the op is told from the label or the id, and clusters become the first
part of a name (`encoder/conv`). Graphviz itself parses, in a child process: the language has
attributes by default, edges between subgraphs, concatenated strings, and one program that says what
they mean.
Must not know how a graph is laid out or drawn.

    digraph "net" {
      node [shape=box];
      "x" [label="x\nInput", op="Input(shape=(4,))"];
      "fc" [label="fc\nDense(units=2)", op="Dense(units=2)"];
      "x" -> "fc";
    }
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from opgraph.errors import (
    FormatError,
    MissingDependencyError,
    OpgraphError,
    ParseError,
    Place,
    Source,
)
from opgraph.formats.drawn import Arrow, Box, escaper, graph_of, unescaper
from opgraph.graph import Edge, OpGraph
from opgraph.text import op_text

TIME_LIMIT = 60.0
LONGEST_LABEL = 60
# Graphviz keeps names that begin with % for itself.
_escaped, _unescaped = escaper("&#", '&"\\%'), unescaper("&#", "&")
_SAID = re.compile(r"in line (\d+)(?: near '(.*)')?")
_TAG = re.compile(r"<[^<>]*>")
_LINE_END = re.compile(r"\\[nlr]")


def to_dot(graph: OpGraph) -> str:
    """The graph in DOT.

    Raises:
        FormatError: an attribute value cannot be written.
    """
    return "".join(f"{line}\n" for line in _lines(graph))


def _lines(graph: OpGraph) -> Iterator[str]:
    yield f"digraph {_quoted(graph.name)} {{"
    yield "  node [shape=box];"
    for node in graph:
        op = op_text(node)
        said = {"label": f"{_escaped(node.name)}\\n{_escaped(_cut(op))}", "op": _escaped(op)}
        optional = {"title": node.label, "shares": node.shares}
        said |= {key: _escaped(value) for key, value in optional.items() if value is not None}
        listed = ", ".join(f'{key}="{value}"' for key, value in said.items())
        yield f"  {_quoted(node.name)} [{listed}{', guessed=true' if node.guessed else ''}];"
    for name in graph.nodes:
        edges = graph.edges_into(name)
        for number, edge in enumerate(edges):
            yield f"  {_quoted(edge.source)} -> {_quoted(edge.target)}{_said(edge, number)};"
    yield "}"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _said(edge: Edge, number: int) -> str:
    slot = f"slot={edge.slot}" if edge.slot != number or number else ""
    port = f"port={edge.port}" if edge.port else ""
    said = ", ".join(part for part in (slot, port) if part)
    return f" [{said}]" if said else ""


def from_dot(source: Source, name: str) -> OpGraph:
    """The graph of a DOT text.

    Args:
        source: the text.
        name: of the graph, where the text has none.

    Raises:
        MissingDependencyError: `pygraphviz` is not there.
        ParseError: it is not DOT.
        FormatError: it is not a directed graph, or what its nodes say is wrong.
        GraphError: arrows lead round in a cycle.
    """
    data = _parsed(source)
    if not data["directed"]:
        problem = "expected arrows, received an undirected graph"
        raise FormatError(problem, where=source.name, hint="digraph { a -> b }")
    groups = data["groups"]
    boxes = {ident: _box(ident, said, groups.get(ident, ())) for ident, said in data["nodes"]}
    arrows = [
        Arrow(first, second, _number(said, "port") or 0, _number(said, "slot"))
        for first, second, said in data["edges"]
    ]
    try:
        return graph_of(boxes, arrows, _unescaped(data["name"]) or name)
    except OpgraphError as error:
        error.where = f"{source.name}: {error.where}" if error.where else source.name
        raise


def _box(ident: str, said: Mapping[str, str], groups: tuple[str, ...]) -> Box:
    if "op" not in said:
        label = _shown(said.get("label", "\\N"), ident)
        name = "/".join([*(_shown(group, "") for group in groups), _unescaped(ident)])
        return Box(name, label=None if label in ("", _unescaped(ident)) else label)
    optional = {key: _unescaped(said[key]) if key in said else None for key in ("title", "shares")}
    return Box(
        _unescaped(ident),
        op=_unescaped(said["op"]),
        label=optional["title"],
        shares=optional["shares"],
        guessed=said.get("guessed") == "true",
    )


def _shown(label: str, ident: str) -> str:
    """What a label shows, on one line."""
    text = _LINE_END.sub(" ", _TAG.sub(" ", label.replace("\\N", ident)))
    return " ".join(_unescaped(text).split())


def _number(said: Mapping[str, str], key: str) -> int | None:
    text = said.get(key, "")
    return int(text) if text.isdecimal() and len(text) < 7 else None


def _parsed(source: Source) -> dict[str, Any]:
    if importlib.util.find_spec("pygraphviz") is None:
        raise MissingDependencyError(
            "reading DOT needs Graphviz's parser, which is not installed",
            where=source.name,
            hint="pip install 'opgraph[dot]'",
        )
    command = [sys.executable, "-P", str(Path(__file__).with_name("dot_child.py"))]
    text = source.text.encode("utf-8", "replace")
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, timeout=TIME_LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        problem = f"Graphviz did not read it within {TIME_LIMIT:g} seconds"
        raise FormatError(problem, where=source.name) from None
    if done.returncode:
        raise _refused(source, done.stderr.decode("utf-8", "replace"))
    return json.loads(done.stdout)


def _refused(source: Source, said: str) -> ParseError:
    """What Graphviz says, at the place that it speaks of."""
    match = _SAID.search(said)
    hint = "DOT is written digraph { a -> b }"
    if match is None:
        return ParseError("not DOT", where=source.name, hint=hint)
    line = min(int(match[1]), len(source.line_starts))
    text, near = source.line(line), match[2] or ""
    marked = near if near and text.count(near) == 1 else text.strip()
    start = source.line_starts[line - 1] + max(0, text.find(marked))
    place = Place(source, start, start + max(1, len(marked)))
    return ParseError(
        "not DOT" + (f": unexpected {near!r}" if near else ""), place=place, hint=hint
    )
