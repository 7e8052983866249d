"""Overriding attributes by glob, and choosing nodes."""

import pytest

from opgraph.errors import AttributeValueError, GraphError
from opgraph.graph import Inferred, Node, OpGraph, matching, override
from opgraph.ops import require

NORM, DENSE = require("BatchNormalization"), require("Dense")


@pytest.fixture
def graph():
    nodes = [
        Node("bn_1", NORM),
        Node("bn_2", NORM, {"momentum": 0.5}),
        Node("fc", DENSE, {}, {"units": Inferred(10, "a rule")}),
    ]
    return OpGraph(nodes, [])


def test_one_glob_gives_many_nodes_a_value(graph):
    changed = override(graph, [("bn_*", "momentum", 0.9)])
    assert [dict(node.given) for node in changed] == [{"momentum": 0.9}, {"momentum": 0.9}, {}]
    assert dict(graph["bn_1"].given) == {}
    assert override(graph, []) == graph


def test_later_settings_win(graph):
    changed = override(graph, [("bn_*", "momentum", 0.9), ("bn_1", "momentum", 0.8)])
    assert [changed[name].given["momentum"] for name in ("bn_1", "bn_2")] == [0.8, 0.9]


def test_settings_of_one_node_add_up(graph):
    changed = override(graph, [("bn_1", "momentum", 0.9), ("bn_*", "epsilon", 0.01)])
    assert dict(changed["bn_1"].given) == {"momentum": 0.9, "epsilon": 0.01}


def test_values_are_converted_and_win_over_inferred_ones(graph):
    changed = override(graph, [("fc", "units", 7.0)])
    assert changed["fc"].op.values()["units"] == 7
    assert changed["fc"].provenance("units") == "given"


def test_nodes_without_the_attribute_are_passed_over(graph):
    changed = override(graph, [("*", "momentum", 0.9)])
    assert dict(changed["fc"].given) == {}


@pytest.mark.parametrize(
    ("setting", "kind", "expected"),
    [
        (
            ("bm_1", "momentum", 0.9),
            GraphError,
            "bm_1.momentum: no node is called 'bm_1'\n   did you mean 'bn_1'?",
        ),
        (
            ("bn_1", "momentun", 0.9),
            AttributeValueError,
            "bn_1.momentun: BatchNormalization has no attribute 'momentun'\n"
            "   did you mean 'momentum'?",
        ),
        (
            ("fc", "units", "many"),
            AttributeValueError,
            "fc.units: expected a whole number of at least 1, received 'many'",
        ),
    ],
)
def test_messages(graph, setting, kind, expected):
    with pytest.raises(kind) as caught:
        override(graph, [setting])
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("conv1", ["conv1"]),
        ("conv*", ["conv1", "conv2"]),
        ("conv?,fc", ["conv1", "conv2", "fc"]),
        ("conv[13], fc ", ["conv1", "fc"]),
        ("CONV1", []),
        ("onv1", []),
        ("", []),
        (",", []),
        ("卷*", ["卷积 1"]),
    ],
)
def test_matching(pattern, expected):
    assert matching(pattern, ["conv1", "conv2", "fc", "卷积 1"]) == expected
