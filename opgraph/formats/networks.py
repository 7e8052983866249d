"""Graphs as networkx writes them down: GraphML and node-link JSON, read and written.

Nodes are `n0`, `n1`, ... with a `label`, an `op`, and a `record`: the node as opgraph's JSON has
it, so that nothing is lost. Files of other programs have no records; there the op is told from
`op`, label or id, and what no op is known for is carried opaque. What is read is untrusted: XML
with a document type, and so with entities, is refused. Must not know how a graph is drawn.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import ParseError as XmlError

import networkx as nx

from opgraph.errors import FormatError
from opgraph.formats.drawn import MOST_NODES, Box, node_of
from opgraph.formats.json import FORMAT, VERSION, from_json, to_json
from opgraph.graph import OpGraph

_ILLEGAL_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DAMAGE = (
    nx.NetworkXException,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)


def to_graphml(graph: OpGraph) -> str:
    """The graph as GraphML."""
    return "\n".join(nx.generate_graphml(_plain(graph))) + "\n"


def from_graphml(text: str) -> OpGraph:
    """The graph of a GraphML text.

    Raises:
        FormatError: it is not one, or it has a document type declaration.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise FormatError(
            "XML with a document type is not read, for its entities can grow without bound",
            hint="take the <!DOCTYPE ...> declaration out",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of keys without a type, which are taken for text
            plain = nx.parse_graphml(text, force_multigraph=True)
    except (XmlError, RecursionError, *_DAMAGE) as error:
        raise FormatError(f"not GraphML: {_said(error)}") from None
    return _graph(plain)


def to_node_link(graph: OpGraph) -> str:
    """The graph as node-link JSON, which `networkx.node_link_graph` reads."""
    data = nx.node_link_data(_plain(graph), edges="edges")
    return json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def is_node_link(data: Any) -> bool:
    """Whether JSON data look like networkx's node-link form."""
    return isinstance(data, dict) and "nodes" in data and ("edges" in data or "links" in data)


def from_node_link(data: Mapping[str, Any]) -> OpGraph:
    """The graph of node-link data.

    Raises:
        FormatError: the data are not as networkx writes them.
    """
    if data.get("directed") is not True:
        raise FormatError("expected a directed graph", where="directed")
    try:
        plain = nx.node_link_graph(
            {**data, "multigraph": True}, edges="edges" if "edges" in data else "links"
        )
    except (RecursionError, *_DAMAGE) as error:
        raise FormatError(f"not node-link data: {_said(error)}") from None
    return _graph(plain)


def _plain(graph: OpGraph) -> nx.MultiDiGraph[str]:
    """The graph with nothing but short texts and numbers for data."""
    plain: nx.MultiDiGraph[str] = nx.MultiDiGraph(name=_ILLEGAL_XML.sub("\ufffd", graph.name))
    records = to_json(graph)["nodes"]
    idents = {record["name"]: f"n{index}" for index, record in enumerate(records)}
    for record in records:
        label = _ILLEGAL_XML.sub("\ufffd", record["name"])
        text = json.dumps(record, allow_nan=False)
        plain.add_node(idents[record["name"]], label=label, op=record["op"], record=text)
    for edge in graph.edges:
        ends = idents[edge.source], idents[edge.target]
        plain.add_edge(*ends, key=edge.slot, slot=edge.slot, port=edge.port)
    return plain


def _graph(plain: Any) -> OpGraph:
    if plain.number_of_nodes() > MOST_NODES:
        raise FormatError(f"more than {MOST_NODES:,} nodes")
    sources = {ident for ident, count in plain.in_degree() if not count}
    records = {
        ident: _record(str(ident), data, is_source=ident in sources)
        for ident, data in plain.nodes(data=True)
    }
    free: dict[str, int] = {}
    edges: list[dict[str, Any]] = []
    for source, target, data in plain.edges(data=True):
        if source not in records or target not in records:
            raise FormatError(f"an edge from {source!r} to {target!r}: no such node")
        name = records[target]["name"]
        slot = data.get("slot", free.get(str(name), 0))
        free[str(name)] = free.get(str(name), 0) + 1
        port = data.get("port", 0)
        edges.append(
            {"source": records[source]["name"], "port": port, "target": name, "slot": slot}
        )
    return from_json(
        {
            "format": FORMAT,
            "version": VERSION,
            "name": str(plain.graph.get("name") or "graph"),
            "nodes": list(records.values()),
            "edges": edges,
        }
    )


def _record(ident: str, data: Mapping[str, Any], *, is_source: bool) -> dict[str, Any]:
    """The node as opgraph's JSON has it: its record, or what its op, label or id say."""
    if isinstance(text := data.get("record"), str):
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"not JSON: {error}", where=f"{ident}.record") from None
        if not isinstance(record, dict) or not isinstance(record.get("name"), str):
            raise FormatError("expected an object with a name", where=f"{ident}.record")
        return record
    label, op = data.get("label"), data.get("op")
    box = Box(
        ident,
        op=op if isinstance(op, str) else None,
        label=str(label) if label and label != ident else None,
    )
    return to_json(OpGraph([node_of(box, is_source=is_source)], []))["nodes"][0]


def _said(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
