"""The child process that reads DOT: DOT on standard input, boxes and arrows as JSON on the output.

The only module of its package that imports `pygraphviz`. Graphviz's own parser is C code, and what
it is given is untrusted: here it cannot hang or take down more than a process of its own.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import pygraphviz

MOST_MEMORY = 4 << 30


def main() -> None:
    """Read one graph."""
    _limit_memory()
    text = sys.stdin.buffer.read().decode("utf-8")
    try:
        graph: Any = pygraphviz.AGraph(string=text)
    except (ValueError, LookupError):
        sys.exit(1)  # Graphviz itself has said why, on standard error
    json.dump(read(graph), sys.stdout)


def read(graph: Any) -> dict[str, Any]:
    """What a graph holds, as plain data."""
    return {
        "name": str(graph.name or ""),
        "directed": bool(graph.is_directed()),
        "nodes": [[str(node), _said(node.attr)] for node in graph.nodes_iter()],
        "edges": [
            [str(edge[0]), str(edge[1]), _said(edge.attr)]
            for node in graph.nodes_iter()
            for edge in graph.in_edges_iter(node)
        ],
        "groups": dict(_groups(graph, ())),
    }


def _said(attributes: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in attributes.to_dict().items() if value}


def _groups(graph: Any, path: tuple[str, ...]) -> Any:
    """The clusters that each node is in, the outermost first; the innermost cluster counts."""
    for part in graph.subgraphs_iter():
        name = str(part.name or "")
        inner = path
        if name.startswith("cluster"):
            inner = (*path, str(part.graph_attr["label"] or name.removeprefix("cluster_")))
            yield from ((str(node), inner) for node in part.nodes_iter())
        yield from _groups(part, inner)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


if __name__ == "__main__":
    main()
