"""Faults of the wiring: all of them at once, each with its message."""

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opgraph.graph import Edge, Node, OpGraph, check, expected_inputs
from opgraph.ops import require

DENSE, INPUT = require("Dense"), require("Input")


def messages(graph: OpGraph) -> list[str]:
    return [str(error) for error in check(graph)]


def test_nothing_is_wrong(diamond):
    assert check(diamond) == []


def test_an_empty_graph():
    assert messages(OpGraph([], [])) == ["the graph is empty\n   write at least one edge: a -> b"]


def test_a_cycle_is_shown(make):
    graph = make(
        {"x": "Input", "a": "Add", "b": "ReLU", "c": "ReLU"},
        "x a 0", "c a 1", "a b 0", "b c 0",
    )  # fmt: skip
    assert messages(graph) == [
        "the graph has a cycle: a → b → c → a\n"
        "   an opgraph network is acyclic: take one of these edges out"
    ]


def test_a_loop_of_one(make):
    graph = make({"x": "Input", "a": "Add"}, "x a 0", "a a 1")
    assert messages(graph)[0].startswith("the graph has a cycle: a → a\n")


def test_a_long_cycle_is_shortened(make):
    names = [f"n{i}" for i in range(30)]
    edges = [f"{a} {b} 0" for a, b in zip(names, [*names[1:], "n0"], strict=True)]
    assert messages(make(dict.fromkeys(names, "ReLU"), *edges))[0].splitlines()[0] == (
        "the graph has a cycle: n0 → n1 → n2 → n3 → n4 → n5 → … 19 more …"
        " → n25 → n26 → n27 → n28 → n29 → n0"
    )


def test_every_cycle_is_found(make):
    ops = dict.fromkeys("abcd", "ReLU")
    found = messages(make(ops, "a b 0", "b a 0", "c d 0", "d c 0"))
    assert len(found) == 2


@pytest.mark.parametrize(
    ("ops", "edges", "expected"),
    [
        (
            {"x": "Input", "y": "Input", "r": "ReLU"},
            ["x r 0", "y r 1"],
            "r: ReLU takes 1 input, received 2: x, y\n"
            "   join the inputs first, with Add or Concatenate for instance",
        ),
        (
            {"x": "Input", "r": "ReLU", "g": "ReLU"},
            ["x g 0"],
            "r: ReLU takes 1 input, received 0\n"
            "   nothing leads to this node: connect it, or give it the type Input",
        ),
        (
            {"x": "Input", "a": "Add"},
            ["x a 0"],
            "a: Add takes 2 or more inputs, received 1: x",
        ),
        (
            {"x": "Input", "y": "Input"},
            ["x y 0"],
            "y: Input takes no input, received 1: x\n   nothing may lead to an input",
        ),
        (
            {"x": "Input", "a": "Add"},
            ["x a 0", "x a 2"],
            "a: input slots 0, 2 leave a gap",
        ),
        (
            {"x": "Input", "r": "ReLU", "o": "Opaque", "g": "ReLU"},
            ["x r 0", "o g 0"],
            "o: cannot be reached from any input\n   connect it, or give it the type Input",
        ),
    ],
)
def test_messages(make, ops, edges, expected):
    assert messages(make(ops, *edges)) == [expected]


def test_all_faults_at_once(make):
    ops = {"x": "Input", "a": "Add", "r": "ReLU", "s": "ReLU"}
    graph = make(ops, "x a 0", "x s 0", "a s 1")
    assert [error.node for error in check(graph)] == ["a", "r", "s"]


def share(**owners) -> OpGraph:
    nodes = [Node(name, DENSE, shares=owner) for name, owner in owners.items()]
    return OpGraph([Node("x", INPUT), *nodes], [Edge("x", name, 0) for name in owners])


def test_sharing():
    assert check(share(a=None, b="a", c="b")) == []
    assert messages(share(a="z")) == ["a: shares the weights of 'z', which is not there"]
    graph = OpGraph(
        [Node("x", INPUT), Node("r", require("ReLU"), shares="d"), Node("d", DENSE)],
        [Edge("x", "r", 0), Edge("x", "d", 0)],
    )
    assert messages(graph) == ["r: ReLU cannot share weights with 'd': Dense"]


def test_sharing_in_a_circle():
    found = messages(share(a="b", b="c", c="b", d=None, e="d"))
    assert found == [
        f"{name}: shares weights in a circle, by way of {owner!r}\n"
        "   one of the nodes must own the weights"
        for name, owner in [("a", "b"), ("b", "c"), ("c", "b")]
    ]


def test_expected_inputs_in_words():
    assert [expected_inputs(require(op)) for op in ("Input", "ReLU", "Add", "Subtract")] == [
        "no input",
        "1 input",
        "2 or more inputs",
        "2 inputs",
    ]
    assert expected_inputs(require("LSTM")) == "1 to 3 inputs"


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=14, unique=True))
def test_a_cycle_is_reported_exactly_where_networkx_sees_one(pairs):
    """Two opinions: our check, and networkx on a plain graph of the same pairs."""
    names = [f"n{i}" for i in range(7)]
    edges = [
        Edge(names[a], names[b], sum(other == b for _, other in pairs[:i]))
        for i, (a, b) in enumerate(pairs)
    ]
    graph = OpGraph([Node(name, require("Opaque"), {"class_name": "F"}) for name in names], edges)
    plain = nx.DiGraph(pairs)
    reported = sum("cycle" in error.problem for error in check(graph))
    loops = [
        part
        for part in nx.strongly_connected_components(plain)
        if len(part) > 1 or plain.has_edge(*(list(part) * 2))
    ]
    assert reported == len(loops)
