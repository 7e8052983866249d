"""How two graphs differ: what is told of each kind of edit, and who is taken for whom."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from opgraph.analysis import analyze, diff_graphs
from opgraph.formats import read
from opgraph.graph import OpGraph
from opgraph.text import parse

SAMPLES = sorted(Path("sample_graphs").glob("*.*"))
BASE = """
    x: Input(shape=(8, 8, 3))
    x -> conv1: Conv2D(filters=4) -> relu1: ReLU() -> conv2: Conv2D(filters=4)
    conv2, x -> cat: Concatenate()
    cat -> flat: Flatten() -> fc: Dense(units=10)
"""


def facts(text):
    return analyze(parse(text) if isinstance(text, str) else text)


def told(left, right):
    """Every node that differs: status, old name, new name, its own changes."""
    found = diff_graphs(facts(left), facts(right))
    return {
        node.name: (node.status, node.left, [tuple(change) for change in node.changes])
        for node in found.nodes
        if node.status not in ("same", "follows")
    }


def test_a_graph_is_equal_to_itself():
    found = diff_graphs(facts(BASE), facts(BASE))
    assert found.equal
    assert found.counts == {"added": 0, "removed": 0, "changed": 0, "follows": 0, "same": 7}
    assert found.as_dict()["nodes"] == []


def test_where_a_value_comes_from_does_not_count():
    assert told(BASE, BASE.replace("filters=4)", "filters=4, kernel_size=3, strides=1)")) == {}


def test_an_attribute_and_what_follows_from_it():
    found = diff_graphs(facts(BASE), facts(BASE.replace("conv2: Conv2D(filters=4)",
                                                        "conv2: Conv2D(filters=6)")))  # fmt: skip
    assert not found.equal
    assert {node.name: node.status for node in found.nodes} == {
        "x": "same", "conv1": "same", "relu1": "same", "conv2": "changed",
        "cat": "follows", "flat": "follows", "fc": "follows",
    }  # fmt: skip
    by_name = {node.name: node for node in found.nodes}
    assert [tuple(c) for c in by_name["conv2"].changes] == [("attribute", "filters", 4, 6)]
    assert [tuple(c) for c in by_name["conv2"].effects] == [
        ("shape", "", (8, 8, 4), (8, 8, 6)),
        ("params", "", 4 * 4 * 9 + 4, 4 * 6 * 9 + 6),
    ]
    assert [tuple(c) for c in by_name["fc"].effects] == [
        ("params", "", 448 * 10 + 10, 576 * 10 + 10),
    ]


CASES = {
    "a default is made another value": (
        "conv1: Conv2D(filters=4)",
        "conv1: Conv2D(filters=4, strides=1, use_bias=false)",
        {"conv1": ("changed", "conv1", [("attribute", "use_bias", True, False)])},
    ),
    "another op under the same name": (
        "relu1: ReLU()",
        "relu1: LeakyReLU(negative_slope=0.2)",
        {
            "relu1": (
                "changed",
                "relu1",
                [("op", "", "ReLU", "LeakyReLU"), ("attribute", "negative_slope", 0.0, 0.2)],
            )
        },
    ),
    "a node in between": (
        "relu1: ReLU() ->",
        "relu1: ReLU() -> drop: Dropout(rate=0.5) ->",
        {
            "drop": ("added", None, []),
            "conv2": ("changed", "conv2", [("input", "", "relu1", "drop")]),
        },
    ),
    "a node less": (
        "relu1: ReLU() -> ",
        "",
        {
            "relu1": ("removed", "relu1", []),
            "conv2": ("changed", "conv2", [("input", "", "relu1", "conv1")]),
        },
    ),
    "another source": (
        "conv2, x -> cat",
        "conv2, relu1 -> cat",
        {"cat": ("changed", "cat", [("input", "2", "x", "relu1")])},
    ),
    "inputs exchanged": (
        "conv2, x -> cat",
        "x, conv2 -> cat",
        {"cat": ("changed", "cat", [("input", "1", "conv2", "x"), ("input", "2", "x", "conv2")])},
    ),
    "one input more": (
        "conv2, x -> cat",
        "conv2, x, relu1 -> cat",
        {"cat": ("changed", "cat", [("input", "3", None, "relu1")])},
    ),
    "a name": ("conv2", "second", {"second": ("changed", "conv2", [])}),
    "the name of an input": ("x", "image", {"image": ("changed", "x", [])}),
    "a name and an attribute": (
        "relu1: ReLU() -> conv2: Conv2D(filters=4)",
        "act: ReLU() -> conv2: Conv2D(filters=5)",
        {
            "act": ("changed", "relu1", []),
            "conv2": ("changed", "conv2", [("attribute", "filters", 4, 5)]),
        },
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_edit(case):
    old, new, expected = CASES[case]
    changed = re.sub(r"\bx\b", new, BASE) if old == "x" else BASE.replace(old, new)
    assert changed != BASE
    assert told(BASE, changed) == expected


def test_names_exchanged_are_other_ops_of_one_name():
    swapped = BASE.replace("relu1", "tmp").replace("flat", "relu1").replace("tmp", "flat")
    assert {name: entry[:2] for name, entry in told(BASE, swapped).items()} == {
        "flat": ("changed", "relu1"),
        "relu1": ("changed", "flat"),
    }


def test_whose_weights():
    text = (
        "a: Input(shape=(4,)); b: Input(shape=(4,)); a -> p: Dense(units=4); b -> q: Dense(units=4)"
    )
    shared = text.replace("; ", "\n") + "\nq = p\np, q -> d: Subtract()"
    apart = text.replace("; ", "\n") + "\np, q -> d: Subtract()"
    found = diff_graphs(facts(apart), facts(shared.replace("q: Dense(units=4)", "q")))
    changed = {node.name: node for node in found.nodes if node.changes}
    assert [tuple(change) for change in changed["q"].changes] == [("weights", "", None, "p")]
    assert [tuple(change) for change in changed["q"].effects] == [("params", "", 20, 0)]


def test_an_error_that_appears():
    right = BASE.replace("conv1: Conv2D(filters=4)", "conv1: Conv2D(filters=4, strides=2)")
    found = diff_graphs(facts(BASE), facts(right))
    kinds = {node.name: [change.kind for change in node.effects] for node in found.nodes}
    assert "error" in kinds["cat"]
    assert found.as_dict()["nodes"][-1]["effects"][0]["right"] is None


def renamed(graph, name):
    """The graph with every name changed."""
    nodes = [
        replace(node, name=name(node.name), shares=node.shares and name(node.shares))
        for node in graph
    ]
    edges = [
        edge._replace(source=name(edge.source), target=name(edge.target)) for edge in graph.edges
    ]
    return OpGraph(nodes, edges, graph.name)


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: file.stem)
def test_every_name_changed_is_every_node_found_again(file):
    graph = read(file)
    found = diff_graphs(facts(graph), facts(renamed(graph, lambda name: f"n_{name}")))
    assert [(node.left, node.right) for node in found.nodes] == [
        (name, f"n_{name}") for name in graph.order
    ]
    assert not any(node.changes or node.effects for node in found.nodes)
    assert found.renamed == len(graph)


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: file.stem)
def test_what_is_added_one_way_is_removed_the_other(file):
    one, other = facts(read(file)), facts(BASE)
    there, back = diff_graphs(one, other).counts, diff_graphs(other, one).counts
    assert there["added"] - there["removed"] == len(other.graph) - len(one.graph)
    assert back["removed"] - back["added"] == there["added"] - there["removed"]
    assert sum(there.values()) - there["removed"] == len(other.graph)


def test_as_plain_data():
    right = BASE.replace("filters=4) -> relu1", "filters=4, kernel_size=5) -> relu1")
    data = diff_graphs(facts(BASE), facts(right)).as_dict()
    assert data["counts"]["changed"] == 1
    assert data["counts"]["renamed"] == 0
    assert data["nodes"][0] == {
        "left": "conv1",
        "right": "conv1",
        "status": "changed",
        "changes": [
            {"kind": "attribute", "name": "kernel_size", "left": [3, 3], "right": [5, 5]}
        ],
        "effects": [{"kind": "params", "name": "", "left": 112, "right": 304}],
    }  # fmt: skip


def test_the_shape_of_an_input_is_told_once():
    found = diff_graphs(facts(BASE), facts(BASE.replace("(8, 8, 3)", "(4, 4, 3)")))
    assert [tuple(change) for change in found.nodes[0].changes] == [
        ("attribute", "shape", (8, 8, 3), (4, 4, 3))
    ]
    assert found.nodes[0].effects == ()
