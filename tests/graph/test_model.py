"""The graph as a value: order, neighbours, equality, derived graphs."""

import networkx as nx
import pytest

from opgraph.errors import AttributeValueError, GraphError
from opgraph.graph import Edge, Endpoint, Inferred, Node, OpGraph, with_given
from opgraph.ops import require

DENSE, INPUT = require("Dense"), require("Input")


def test_neighbours(diamond):
    assert diamond.inputs("add") == (Endpoint("left"), Endpoint("deep"))
    assert [edge.target for edge in diamond.edges_from("x")] == ["left", "right"]
    assert [edge.slot for edge in diamond.edges_into("add")] == [0, 1]
    assert (diamond.sources, diamond.sinks) == (("x",), ("add",))
    assert "add" in diamond
    assert "sub" not in diamond
    assert len(diamond) == 5
    assert [node.name for node in diamond] == ["x", "left", "right", "deep", "add"]
    assert repr(diamond) == "OpGraph('made', 5 nodes, 5 edges)"


def test_edges_come_by_target_and_slot(make):
    graph = make({"a": "Input", "b": "Input", "s": "Subtract"}, "b s 1", "a s 0")
    assert [(edge.source, edge.slot) for edge in graph.edges] == [("a", 0), ("b", 1)]
    assert graph.inputs("s") == (Endpoint("a"), Endpoint("b"))


def test_one_node_in_two_slots(make):
    graph = make({"x": "Input", "add": "Add"}, "x add 0", "x add 1")
    assert graph.inputs("add") == (Endpoint("x"), Endpoint("x"))
    assert len(graph.edges) == 2


def test_ports(make):
    graph = make({"x": "Input", "rnn": "LSTM", "fc": "Dense"}, "x rnn 0", "rnn.1 fc 0")
    assert graph.inputs("fc") == (Endpoint("rnn", 1),)
    assert str(graph.inputs("fc")[0]) == "rnn.1"
    assert str(graph.inputs("rnn")[0]) == "x"


def test_order_is_topological_and_prefers_what_was_written_first(diamond, make):
    assert diamond.order == ("x", "left", "right", "deep", "add")
    ops = {"add": "Add", "deep": "ReLU", "right": "ReLU", "left": "ReLU", "x": "Input"}
    wires = ["x left 0", "x right 0", "right deep 0", "left add 0", "deep add 1"]
    assert make(ops, *wires).order == ("x", "right", "deep", "left", "add")
    assert make(ops, *reversed(wires)).order == ("x", "right", "deep", "left", "add")


def test_a_cycle_has_no_order(make):
    graph = make({"a": "ReLU", "b": "ReLU"}, "a b 0", "b a 0")
    with pytest.raises(GraphError) as caught:
        _ = graph.order
    assert str(caught.value) == "the graph has a cycle"


def test_equality_is_about_what_the_graph_does(make, diamond):
    ops = {"add": "Add", "deep": "ReLU", "x": "Input", "right": "ReLU", "left": "ReLU"}
    again = make(ops, "left add 0", "deep add 1", "x left 0", "x right 0", "right deep 0")
    assert again == diamond
    assert again.renamed("other") == diamond
    assert diamond != "diamond"


@pytest.mark.parametrize(
    "edges",
    [
        ["x left 0", "x right 0", "right deep 0", "deep add 0", "left add 1"],
        ["x left 0", "x right 0", "left deep 0", "left add 0", "deep add 1"],
        ["x left 0", "x right 0", "right deep 0", "left add 0"],
        ["x left 0", "x right 0", "right deep 0", "left.1 add 0", "deep add 1"],
    ],
)
def test_other_wiring_is_another_graph(make, diamond, edges):
    ops = {node.name: node.kind.kind for node in diamond}
    assert make(ops, *edges) != diamond


def test_nodes_are_equal_whatever_says_their_values():
    given = Node("fc", DENSE, {"units": 3})
    inferred = Node("fc", DENSE, {}, {"units": Inferred(3, "a rule")}, guessed=True)
    assert given == inferred
    assert hash(given) == hash(inferred)
    assert given == Node("fc", DENSE, {"units": 3, "use_bias": True})
    assert given != Node("fc", DENSE, {"units": 4})
    assert given != Node("fc", DENSE, {"units": 3, "use_bias": False})
    assert given != Node("fc", DENSE, {"units": 3}, label="dense")
    assert given != Node("fc", DENSE, {"units": 3}, shares="other")
    assert given != Node("fc2", DENSE, {"units": 3})
    assert given != Node("fc", require("ReLU"))


def test_where_values_come_from():
    node = Node("fc", DENSE, {"use_bias": False}, {"units": Inferred(3, "a rule")})
    assert [node.provenance(name) for name in ("use_bias", "units", "activation")] == [
        "given",
        "inferred",
        "default",
    ]
    assert node.explicit() == {"units": 3, "use_bias": False}
    assert node.op == DENSE(units=3, use_bias=False)
    assert node.missing() == []
    changed = with_given(node, {"units": 4})
    assert (changed.provenance("units"), changed.op.values()["units"]) == ("given", 4)
    assert node.op.values()["units"] == 3


def test_a_value_that_is_missing():
    node = Node("fc", DENSE)
    assert node.missing() == ["units"]
    with pytest.raises(AttributeValueError) as caught:
        _ = node.op
    assert str(caught.value) == "fc.units: a value is needed, none was given or inferred"
    assert caught.value.node == "fc"


def test_graphs_with_other_nodes_share_their_wiring(diamond):
    changed = diamond.with_nodes({"left": Node("left", require("ReLU"), {"max_value": 6.0})})
    assert changed["left"].given == {"max_value": 6.0}
    assert diamond["left"].given == {}
    assert changed != diamond
    assert changed.edges == diamond.edges
    assert changed.name == diamond.name


def test_networkx_graphs_are_copies(diamond):
    handed = diamond.nx
    assert isinstance(handed, nx.MultiDiGraph)
    assert handed.nodes["add"]["node"] is diamond["add"]
    assert sorted(handed.edges(keys=True)) == sorted(
        (edge.source, edge.target, edge.slot) for edge in diamond.edges
    )
    handed.remove_node("add")
    assert "add" in diamond
    assert len(diamond.edges) == 5
    assert diamond.order[-1] == "add"


def test_who_owns_weights():
    nodes = [Node("a", DENSE), Node("b", DENSE, shares="a"), Node("c", DENSE, shares="b")]
    graph = OpGraph([Node("x", INPUT), *nodes], [Edge("x", name, 0) for name in "abc"])
    assert [graph.owner(name) for name in ("x", "a", "b", "c")] == ["x", "a", "a", "a"]
