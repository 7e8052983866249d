"""Where nodes come from: no part of what they are; weights are read when asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from opgraph.analysis import analyze, as_data
from opgraph.errors import FormatError
from opgraph.graph import LaterWeights, Node, OpGraph, Origin, WeightSource
from opgraph.ops import require


def source(array, shape=None):
    calls = []

    def load():
        calls.append(1)
        return array

    return WeightSource("w", shape or array.shape, str(array.dtype), load), calls


def test_nothing_is_read_before_it_is_asked_for():
    found, calls = source(np.arange(6.0).reshape(2, 3))
    turned = found.changed((3, 2), np.transpose)
    assert not calls
    assert turned.shape == (3, 2)
    assert turned.read().tolist() == [[0, 3], [1, 4], [2, 5]]
    assert len(calls) == 1


def test_an_array_that_changed_is_refused():
    found, _ = source(np.zeros(3), shape=(4,))
    with pytest.raises(FormatError) as caught:
        found.read()
    assert str(caught.value) == (
        "w: expected an array of shape (4,), received (3,)\n"
        "   the file has changed since it was read"
    )


def test_names_are_looked_up_once():
    calls = []
    weights = LaterWeights(lambda: calls.append(1) or {"kernel": source(np.zeros(1))[0]})
    assert not calls
    assert list(weights) == ["kernel"]
    assert weights["kernel"].shape == (1,)
    assert len(calls) == len(weights) == 1


def test_an_origin_is_no_part_of_a_node():
    node = Node("y", require("ReLU"))
    moved = replace(node, origin=Origin(("a", "b"), "float16", "block"))
    assert node == moved
    assert hash(node) == hash(moved)
    assert OpGraph([node], []) == OpGraph([moved], [])


def test_an_origin_survives_completion_and_is_shown():
    origin = Origin(("input:0",), "float32", "block/1")
    node = Node("x", require("Input"), {"shape": (4,)}, origin=origin)
    plain = Node("z", require("Input"), {"shape": (4,)})
    analysis = analyze(OpGraph([node, plain], []))
    assert analysis.graph["x"].origin is origin
    shown = {item["name"]: item for item in as_data(analysis)["nodes"]}
    assert shown["x"]["origin"] == {"names": ["input:0"], "dtype": "float32", "scope": "block/1"}
    assert "origin" not in shown["z"]
