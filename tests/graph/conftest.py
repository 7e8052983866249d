"""Small graphs made by hand, without the reader."""

import pytest

from opgraph.graph import Edge, Node, OpGraph
from opgraph.ops import require


def make(ops: dict[str, str], *edges: str, **given) -> OpGraph:
    """A graph from ops by name and edges such as "a b 0" (source, target, slot) or "a.1 b 0"."""
    nodes = [Node(name, require(op), given.get(name, {})) for name, op in ops.items()]
    links = []
    for edge in edges:
        source, target, slot = edge.split()
        name, _, port = source.partition(".")
        links.append(Edge(name, target, int(slot), int(port or 0)))
    return OpGraph(nodes, links, "made")


@pytest.fixture(name="make")
def make_fixture():
    return make


@pytest.fixture
def diamond():
    """x feeds two branches of different length, which meet."""
    ops = {"x": "Input", "left": "ReLU", "right": "ReLU", "deep": "ReLU", "add": "Add"}
    return make(ops, "x left 0", "x right 0", "right deep 0", "left add 0", "deep add 1")
