"""A graph as JSON and back, with where each value came from.

Owns the schema of `graph.json`. What is read is untrusted: every fault is named by its path in the
document. Must not know how a graph is analysed, drawn or built.

    {"format": "opgraph.graph", "version": 1, "name": "cnn",
     "nodes": [{"name": "conv", "op": "Conv2D", "given": {"filters": 8},
                "inferred": {"padding": {"value": "same", "reason": "..."}}}],
     "edges": [{"source": "x", "port": 0, "target": "conv", "slot": 0}]}
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, cast

from opgraph.errors import AttributeValueError, FormatError, OpgraphError, raise_all, suggest
from opgraph.graph import Edge, Inferred, Node, OpGraph
from opgraph.ops import Op, convert_value, find, kinds, unknown_attribute

FORMAT, VERSION = "opgraph.graph", 1
FLOAT = "$float"
DEEPEST = 64
MOST_ERRORS = 20
NODE_KEYS = frozenset({"name", "op", "label", "shares", "guessed", "given", "inferred"})
EDGE_KEYS = frozenset({"source", "port", "target", "slot"})
TOP_KEYS = frozenset({"format", "version", "name", "nodes", "edges"})

# Writing ---------------------------------------------------------------------------------------


def to_json(graph: OpGraph) -> dict[str, Any]:
    """The graph as JSON-ready data; places in a source text are left out.

    Raises:
        FormatError: an attribute holds something that JSON has no form for.

    >>> from opgraph.ops import require
    >>> graph = OpGraph([Node("x", require("Input"), {"shape": (4,)})], [], "tiny")
    >>> to_json(graph)["nodes"]
    [{'name': 'x', 'op': 'Input', 'given': {'shape': [4]}}]
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": graph.name,
        "nodes": [_node_json(node) for node in graph],
        "edges": [
            {"source": e.source, "port": e.port, "target": e.target, "slot": e.slot}
            for e in graph.edges
        ],
    }


def _node_json(node: Node) -> dict[str, Any]:
    data: dict[str, Any] = {"name": node.name, "op": node.kind.kind}
    optional = {"label": node.label, "shares": node.shares, "guessed": node.guessed or None}
    data |= {key: value for key, value in optional.items() if value is not None}
    if node.given:
        data["given"] = {k: _encode(v, f"{node.name}.{k}") for k, v in node.given.items()}
    if node.inferred:
        data["inferred"] = {
            k: {"value": _encode(item.value, f"{node.name}.{k}"), "reason": item.reason}
            for k, item in node.inferred.items()
        }
    return data


def _encode(value: Any, where: str) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {FLOAT: str(value)}
    if isinstance(value, list | tuple):
        return [_encode(item, where) for item in cast("Iterable[Any]", value)]
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {_text_key(key, where): _encode(item, where) for key, item in items}
    if isinstance(value, Op):
        said = {k: v for k, v in value.values().items() if v != value.schema()[k].default}
        return {"class_name": value.kind, "config": _encode(said, where)}
    raise FormatError(f"JSON has no form for {type(value).__name__} {value!r}", where=where)


def _text_key(key: Any, where: str) -> str:
    if not isinstance(key, str):
        raise FormatError(f"JSON keys are text, received {key!r}", where=where)
    return key


# Reading ---------------------------------------------------------------------------------------


def from_json(data: Any) -> OpGraph:
    """The graph that `to_json` wrote.

    Raises:
        FormatError: the document is not one; all faults at once as `Problems`.
    """
    top = _mapping(data, "graph", TOP_KEYS)
    if top.get("format") != FORMAT:
        raise FormatError(
            f"expected {FORMAT!r}, received {_brief(top.get('format'))}",
            where="format",
        )
    if type(top.get("version")) is not int or not 1 <= top["version"] <= VERSION:
        raise FormatError(
            f"this opgraph reads versions up to {VERSION}, received {_brief(top.get('version'))}",
            where="version",
            hint="a newer opgraph wrote this file: pip install --upgrade opgraph",
        )
    errors: list[OpgraphError] = []
    nodes = _each(top, "nodes", _read_node, errors)
    edges = _each(top, "edges", _read_edge, errors)
    raise_all(errors)
    _check_references(nodes, edges)
    return OpGraph(nodes, edges, _text(top, "name", "graph"))


def _each(top: Mapping[str, Any], key: str, read: Any, errors: list[OpgraphError]) -> list[Any]:
    """Read all items of a list, collecting the faults of each."""
    items = top.get(key)
    if not isinstance(items, list):
        raise FormatError(f"expected a list, received {_brief(items)}", where=key)
    found: list[Any] = []
    for index, item in enumerate(cast("list[Any]", items)):
        try:
            found.append(read(item, f"{key}[{index}]"))
        except FormatError as error:
            errors.append(error)
        if len(errors) >= MOST_ERRORS:
            break
    return found


def _read_node(data: Any, where: str) -> Node:
    node = _mapping(data, where, NODE_KEYS)
    kind = _kind(_text(node, "op", where), f"{where}.op")
    given = _mapping(node.get("given", {}), f"{where}.given")
    inferred = _mapping(node.get("inferred", {}), f"{where}.inferred")
    guessed = node.get("guessed", False)
    if not isinstance(guessed, bool):
        raise FormatError(
            f"expected true or false, received {_brief(guessed)}", where=f"{where}.guessed"
        )
    return Node(
        name=_text(node, "name", where),
        kind=kind,
        given={k: _value(kind, k, v, f"{where}.given.{k}") for k, v in given.items()},
        inferred={k: _inferred(kind, k, v, f"{where}.inferred.{k}") for k, v in inferred.items()},
        label=_optional_text(node, "label", where),
        shares=_optional_text(node, "shares", where),
        guessed=guessed,
    )


def _kind(name: str, where: str) -> type[Op]:
    kind = find(name)
    if kind is None:
        hint = suggest(name, [known.kind for known in kinds()]) or "all names: opgraph ops"
        raise FormatError(f"unknown op {name!r}", where=where, hint=hint)
    return kind


def _inferred(kind: type[Op], name: str, data: Any, where: str) -> Inferred:
    item = _mapping(data, where, frozenset({"value", "reason"}))
    if "value" not in item:
        raise FormatError("has no value", where=where)
    return Inferred(
        _value(kind, name, item["value"], f"{where}.value"), _text(item, "reason", where)
    )


def _value(kind: type[Op], name: str, value: Any, where: str) -> Any:
    spec = kind.schema().get(name)
    try:
        if spec is None:
            raise unknown_attribute(kind, name)
        return convert_value(spec, _decode(value, where))
    except AttributeValueError as error:
        raise FormatError(error.problem, where=where, hint=error.hint) from None


def _decode(value: Any, where: str, depth: int = 0) -> Any:
    if depth > DEEPEST:
        raise FormatError(f"nested more than {DEEPEST} levels deep", where=where)
    if isinstance(value, list):
        return [_decode(item, where, depth + 1) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    items = cast("dict[str, Any]", value)
    if set(items) == {FLOAT}:
        return _special_float(items[FLOAT], where)
    return {key: _decode(item, where, depth + 1) for key, item in items.items()}


def _special_float(value: Any, where: str) -> float:
    if value not in ("nan", "inf", "-inf"):
        raise FormatError(f"expected 'nan', 'inf' or '-inf', received {_brief(value)}", where=where)
    return float(value)


def _read_edge(data: Any, where: str) -> Edge:
    edge = _mapping(data, where, EDGE_KEYS)
    return Edge(
        source=_text(edge, "source", where),
        target=_text(edge, "target", where),
        slot=_natural(edge, "slot", where),
        port=_natural(edge, "port", where),
    )


def _check_references(nodes: list[Node], edges: list[Edge]) -> None:
    """Refuse names used twice, edges from or to nowhere, slots that are taken twice."""
    seen: set[str] = set()
    errors: list[OpgraphError] = []
    for index, node in enumerate(nodes):
        if node.name in seen:
            errors.append(FormatError(f"a second node {node.name!r}", where=f"nodes[{index}].name"))
        seen.add(node.name)
    taken: set[tuple[str, int]] = set()
    for index, edge in enumerate(edges):
        errors += _edge_errors(edge, f"edges[{index}]", seen, taken)
        taken.add((edge.target, edge.slot))
    errors += _sharing_errors(nodes)
    raise_all(errors[:MOST_ERRORS])


def _edge_errors(
    edge: Edge, where: str, names: set[str], taken: set[tuple[str, int]]
) -> list[OpgraphError]:
    ends = (("source", edge.source), ("target", edge.target))
    errors: list[OpgraphError] = [
        FormatError(
            f"no node is called {name!r}", where=f"{where}.{end}", hint=suggest(name, names)
        )
        for end, name in ends
        if name not in names
    ]
    if (edge.target, edge.slot) in taken:
        problem = f"slot {edge.slot} of {edge.target!r} is taken already"
        errors.append(FormatError(problem, where=f"{where}.slot"))
    return errors


def _sharing_errors(nodes: list[Node]) -> list[OpgraphError]:
    """Faults of shared weights: the owner is missing, or nodes share with each other in a ring."""
    shares = {node.name: node.shares for node in nodes}
    errors: list[OpgraphError] = []
    for index, node in enumerate(nodes):
        name, steps = node.shares, 0
        while name in shares and steps <= len(nodes):
            name, steps = shares[name], steps + 1
        where = f"nodes[{index}].shares"
        if steps > len(nodes):
            errors.append(FormatError(f"{node.name!r} shares its own weights", where=where))
        elif name is not None:
            hint = suggest(name, shares)
            errors.append(FormatError(f"no node is called {name!r}", where=where, hint=hint))
    return errors


# Items -----------------------------------------------------------------------------------------


def _mapping(data: Any, where: str, known: frozenset[str] | None = None) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise FormatError(f"expected an object, received {_brief(data)}", where=where)
    items = cast("dict[str, Any]", data)
    for key in items:
        if known is not None and key not in known:
            hint = suggest(key, known) or f"known keys: {', '.join(sorted(known))}"
            raise FormatError(f"unknown key {_brief(key)}", where=where, hint=hint)
    return items


def _text(data: Mapping[str, Any], key: str, where: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not value:
        raise FormatError(f"expected a text, received {_brief(value)}", where=f"{where}.{key}")
    return value


def _optional_text(data: Mapping[str, Any], key: str, where: str) -> str | None:
    return None if data.get(key) is None else _text(data, key, where)


def _natural(data: Mapping[str, Any], key: str, where: str) -> int:
    value = data.get(key)
    if type(value) is not int or value < 0:
        raise FormatError(
            f"expected a whole number of at least 0, received {_brief(value)}",
            where=f"{where}.{key}",
        )
    return value


def _brief(value: Any) -> str:
    """A value as shown in a message, cut to a line."""
    if value is None:
        return "nothing"
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
