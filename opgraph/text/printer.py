"""From a graph to its edge list: one line a node, with what it reads before it.

`parse(to_text(graph)) == graph`. Prints given and inferred attributes, so that the text means the
same when the completion rules change.
"""

from __future__ import annotations

import re

from opgraph.errors import FormatError
from opgraph.graph import Endpoint, Node, OpGraph
from opgraph.text.lexer import hidden_character
from opgraph.text.mention import LONGEST_NAME, is_kind
from opgraph.text.notation import op_text
from opgraph.text.values import quote

_BARE_NAME = re.compile(r"(?!.*(?:--|//))\w+(?:[./+-]+\w+)*", re.DOTALL)
_PORT_AT_END = re.compile(r".*\.\d+", re.DOTALL)
_ID = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_LABEL = re.compile(r"[^\W\d_]\w*(?: \w+)*")


def to_text(graph: OpGraph, defaults: bool = False) -> str:
    """The edge list of a graph, which reads back as an equal graph.

    Args:
        graph: any graph.
        defaults: whether attributes that nobody gave are written too.

    Raises:
        FormatError: a name has hidden characters, or an attribute value cannot be written.

    >>> from opgraph.text import parse
    >>> print(to_text(parse("x: Input(shape=4) -> fc[units=2] -> ReLU()")), end="")
    x: Input(shape=(4,))
    x -> fc: Dense(units=2)
    fc -> relu: ReLU
    """
    if _is_in_order(graph):
        lines = [_reads(graph, node) + _definition(node, defaults) for node in graph]
    else:
        lines = [_definition(node, defaults) for node in graph]
        readers = (node for node in graph if graph.inputs(node.name))
        lines += [_reads(graph, node) + _name(node.name) for node in readers]
    return "".join(f"{line}\n" for line in lines)


def _reads(graph: OpGraph, node: Node) -> str:
    inputs = ", ".join(_endpoint(end) for end in graph.inputs(node.name))
    return f"{inputs} -> " if inputs else ""


def _is_in_order(graph: OpGraph) -> bool:
    """Whether each node stands behind all that it reads: then one line a node keeps the order."""
    seen: set[str] = set()
    for node in graph:
        if any(end.node not in seen for end in graph.inputs(node.name)):
            return False
        seen.add(node.name)
    return True


def _definition(node: Node, defaults: bool) -> str:
    owner = f" = {_name(node.shares)}" if node.shares is not None else ""
    return f"{_labelled(node)}: {op_text(node, defaults=defaults)}{owner}"


def _endpoint(end: Endpoint) -> str:
    return f"{_name(end.node)}.{end.port}" if end.port else _name(end.node)


def _labelled(node: Node) -> str:
    name, label = _name(node.name), node.label
    if label is None:
        return name
    if _ID.fullmatch(node.name) and _LABEL.fullmatch(label) and not is_kind(node.name):
        return f"{label} ({name})"
    return f"{_quoted(label)} ({_quoted(node.name)})"


def _name(name: str) -> str:
    """A name as it is written: bare where that is read back as the same."""
    if len(name) > LONGEST_NAME:
        raise FormatError(f"a name of {len(name):,} characters cannot be written", node=name)
    if _BARE_NAME.fullmatch(name) and not _PORT_AT_END.fullmatch(name):
        return name
    return _quoted(name)


def _quoted(name: str) -> str:
    if hidden := hidden_character(name):
        raise FormatError(f"the name {name!r} contains {hidden}: it cannot be written", node=name)
    return quote(name)
