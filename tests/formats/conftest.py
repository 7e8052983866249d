"""Graphs and pieces of Keras configurations for the tests of the formats."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest

from opgraph.graph import Edge, Inferred, Node, OpGraph
from opgraph.ops import require


def node(name, kind, *, label=None, shares=None, guessed=False, inferred=None, **given):
    return Node(name, require(kind), given, inferred or {}, label, shares, guessed)


def chain(*nodes, name="net"):
    edges = [Edge(a.name, b.name, 0) for a, b in itertools.pairwise(nodes)]
    return OpGraph(nodes, edges, name)


def layer(name, class_name, *reads, module="keras.layers", kwargs=None, **config):
    """A layer entry; each call reads a list of `(layer, call, port, shape)`."""
    return {
        "module": module,
        "class_name": class_name,
        "config": {"name": name, **config},
        "registered_name": None,
        "name": name,
        "inbound_nodes": [{"args": [arguments(item)], "kwargs": kwargs or {}} for item in reads],
    }


def arguments(item):
    if isinstance(item, list):
        return [arguments(part) for part in item]
    if not isinstance(item, tuple):
        return item
    name, call, port, shape = item
    return {
        "class_name": "__keras_tensor__",
        "config": {
            "shape": [None, *shape],
            "dtype": "float32",
            "keras_history": [name, call, port],
        },
    }


def entry(name, *shape, **config):
    return layer(name, "InputLayer", batch_shape=[None, *shape], **config)


def functional(*layers, inputs=("x",), outputs=(("y", 0, 0),), name="net"):
    return {
        "name": name,
        "trainable": True,
        "layers": list(layers),
        "input_layers": [[each, 0, 0] for each in inputs],
        "output_layers": [list(each) for each in outputs],
    }


@pytest.fixture
def make():
    """Short ways to write graphs and configurations down."""
    return SimpleNamespace(node=node, chain=chain, layer=layer, entry=entry, functional=functional)


@pytest.fixture
def everything():
    """A graph with all that a node or an edge can carry."""
    return OpGraph(
        [
            node("输入", "Input", label="data", shape=(5, None), guessed=True),
            node(
                "enc",
                "LSTM",
                units=4,
                return_state=True,
                kernel_initializer={"class_name": "HeNormal", "config": {"seed": 1}},
                inferred={"return_sequences": Inferred(True, "'dec' reads a sequence")},
            ),
            node("dec", "LSTM", units=4),
            node("twin", "LSTM", units=4, shares="dec"),
            node("wide", "TimeDistributed", layer=require("Dense")(units=3)),
            node("odd", "Opaque", class_name="Odd", settings={"a": [1, {"b": None}], "c": 0.5}),
            node("bound", "ReLU", max_value=float("inf")),
            node("join", "Concatenate"),
        ],
        [
            Edge("输入", "enc", 0),
            Edge("enc", "dec", 0),
            Edge("enc", "dec", 1, port=1),
            Edge("enc", "dec", 2, port=2),
            Edge("enc", "twin", 0),
            Edge("enc", "wide", 0),
            Edge("wide", "odd", 0),
            Edge("dec", "bound", 0),
            Edge("bound", "join", 1),
            Edge("twin", "join", 0),
        ],
        "all of it",
    )
