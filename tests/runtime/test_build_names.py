"""Layer names: legal everywhere, never ending in `_<digits>`, and the way back to the node."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opgraph.graph import layer_name, name_layers

SCOPE = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.>-]*\Z")  # TensorFlow's rule, without "/"


def table(*names):
    return name_layers({name: name for name in names})


@pytest.mark.parametrize(
    ("node", "layer"),
    [
        ("conv2d_1", "conv2d-1"),
        ("batch_norm_12", "batch_norm-12"),
        ("conv", "conv"),
        ("conv-1", "conv-1"),
        ("a_1_b", "a_1_b"),
        ("enc/q", "enc.q"),
        ("enc@2", "enc.at.2"),
        ("two words", "two-words"),
        ("卷积_1", "u5377u79ef-1"),
        ("_x", "n_x"),
        ("-", "n-"),
        ("a:0", "a.0"),
    ],
)
def test_names_stay_readable(node, layer):
    assert layer_name(node) == layer


def test_a_name_that_fits_keeps_it_whoever_comes_first():
    names = table("conv_1", "conv-1")
    assert names.layers == {"conv_1": "conv-1-2", "conv-1": "conv-1"}


def test_names_that_differ_by_case_alone_are_kept_apart():
    assert table("ReLU", "relu", "RELU").layers == {
        "ReLU": "ReLU",
        "relu": "relu-2",
        "RELU": "RELU-3",
    }


def test_shared_nodes_have_one_layer_and_one_owner():
    names = name_layers({"b": "a_1", "a_1": "a_1"})
    assert names.layer_name("b") == names.layer_name("a_1") == "a-1"
    assert names.node_name("a-1") == "a_1"
    assert names.nodes == {"a-1": ("b", "a_1")}


@given(st.lists(st.text(min_size=1, max_size=140), unique=True, max_size=20))
def test_any_names_become_legal_distinct_layers_and_come_back(nodes):
    names = table(*nodes)
    layers = list(names.layers.values())
    assert len({layer.casefold() for layer in layers}) == len(nodes)
    for node, layer in names.layers.items():
        assert SCOPE.match(layer), layer
        assert not re.search(r"_\d+$", layer), layer
        assert names.node_name(layer) == node
