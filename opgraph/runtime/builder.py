"""From a graph to a functional Keras model whose every output can be reached.

Owns the order of construction, the seeds and the tables between nodes, layers and weights. What
layer stands for an op is said by the op; must not know how a model is trained.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import keras

from opgraph.errors import BuildError, OpgraphError, raise_all
from opgraph.graph import (
    Endpoint,
    Node,
    NodeNames,
    OpGraph,
    check,
    layer_name,
    name_layers,
)
from opgraph.runtime.build_opaque import opaque_call, opaque_layer, refuse_class, refuse_code

NAMES_ATTRIBUTE = "opgraph_names"
SEED_LIMIT = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Built:
    """A Keras model and where each part of the graph is in it.

    Attributes:
        model: functional model from all inputs, in graph order, to all outputs of the sinks; a
            single one is not a list.
        graph: the graph it was built from.
        layers: the Keras layer of each node; nodes that share weights have the same one.
        outputs: the symbolic tensor of each output, call and port.
        names: node names and layer names, two ways.
        weight_names: Keras variables by `node/weight`, the node being the one that owns them.
    """

    model: Any
    graph: OpGraph
    layers: Mapping[str, Any]
    outputs: Mapping[Endpoint, Any]
    names: NodeNames
    weight_names: Mapping[str, Any]

    def layer_name(self, node: str) -> str:
        """The name of the Keras layer that stands for a node."""
        return self.names.layer_name(node)

    def node_name(self, layer: Any) -> str:
        """The node that owns a Keras layer, given the layer or its name."""
        return self.names.node_name(layer if isinstance(layer, str) else layer.name)

    def all_outputs_model(self) -> tuple[Any, list[Endpoint]]:
        """A model of the same layers that returns every output, and what each of them is."""
        endpoints = list(self.outputs)
        tensors = [self.outputs[endpoint] for endpoint in endpoints]
        name = f"{self.model.name}-all"
        return keras.Model(_one_or_all(self.model.inputs), tensors, name=name), endpoints


def build(graph: OpGraph, *, seed: int | None = None, precision: str | None = None) -> Built:
    """Build the Keras model of a completed graph.

    With a seed, the initial weights and the dropout masks of a node follow from the seed and the
    node's name alone: they differ from node to node and stay when the rest of the graph changes.
    Keras's, NumPy's and Python's global seeds are set along the way.

    Args:
        graph: a graph whose required attributes are all given or inferred.
        seed: makes initial weights and random layers repeatable.
        precision: Keras's policy (`mixed_float16`, `mixed_bfloat16`) for nodes that do not say
            their dtype; the outputs of the network stay in float32.

    Raises:
        BuildError: Keras refuses a node, or a layer cannot be rebuilt safely.
        OpgraphError: the wiring has faults, or an attribute is missing.
    """
    raise_all(check(graph))
    names = name_layers({name: graph.owner(name) for name in graph.nodes})
    layers: dict[str, Any] = {}
    outputs: dict[Endpoint, Any] = {}
    for name in graph.order:
        owner = graph.owner(name)
        if seed is not None:
            keras.utils.set_random_seed(derived_seed(seed, owner))
        if owner not in layers:
            policy = None if owner in graph.sinks else precision
            layers[owner] = make_layer(graph[owner], names, policy)
        layers[name] = layers[owner]
        for port, tensor in enumerate(apply_node(graph, graph[name], layers[name], outputs)):
            outputs[Endpoint(name, port)] = tensor
    if seed is not None:
        keras.utils.set_random_seed(seed % SEED_LIMIT)
    model = make_model(graph, outputs)
    setattr(model, NAMES_ATTRIBUTE, names)
    weight_names = _weight_names(graph, layers, outputs)
    return Built(model, graph, layers, outputs, names, weight_names)


def node_names(model: Any) -> dict[str, str]:
    """Node name of each layer of a model; in one that `build` did not make, the layer's own."""
    table: NodeNames | None = getattr(model, NAMES_ATTRIBUTE, None)
    known = table.owners if table else {}
    return {layer.name: known.get(layer.name, layer.name) for layer in model.layers}


def derived_seed(seed: int, name: str) -> int:
    """A seed of its own for a name, the same on every machine.

    >>> derived_seed(0, "dropout_1"), derived_seed(0, "dropout_2")
    (769867438, 1689628710)
    """
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % SEED_LIMIT


def make_layer(node: Node, names: NodeNames, policy: str | None) -> Any:
    """The Keras layer of a node, not yet applied."""
    op = node.op
    options: dict[str, Any] = {"name": names.layer_name(node.name)}
    if op.dtype is not None:
        options["dtype"] = op.dtype
    elif policy is not None and op.category not in ("input", "opaque"):
        options["dtype"] = policy
    if not op.trainable:
        options["trainable"] = False
    try:
        refuse_class(op.values(), node.name)
        for attribute, value in op.values().items():
            refuse_code(value, f"{node.name}.{attribute}")
        if op.category == "opaque":
            return opaque_layer(op, options)
        return op.layer(keras, **options)
    except OpgraphError as error:
        error.where, error.node = error.where or node.name, node.name
        raise
    except Exception as error:
        raise _refused(node, error) from error


def apply_node(
    graph: OpGraph, node: Node, layer: Any, outputs: Mapping[Endpoint, Any]
) -> list[Any]:
    """The symbolic output of each port of a node."""
    if isinstance(layer, keras.layers.InputLayer):
        return [layer.output]
    inputs = [_read(node, end, outputs) for end in graph.inputs(node.name)]
    try:
        call = opaque_call if node.op.category == "opaque" else type(node.op).call
        result = call(node.op, layer, inputs)
    except OpgraphError as error:
        error.where = error.node = node.name
        raise
    except Exception as error:
        raise _refused(node, error) from error
    return list(cast("Iterable[Any]", result)) if isinstance(result, list | tuple) else [result]


def _read(node: Node, end: Endpoint, outputs: Mapping[Endpoint, Any]) -> Any:
    if end in outputs:
        return outputs[end]
    ports = sum(known.node == end.node for known in outputs)
    raise BuildError(
        f"reads output {end.port} of {end.node!r}, which has {ports} of them, numbered from 0",
        where=node.name,
        node=node.name,
        place=node.place,
    )


def _refused(node: Node, error: Exception) -> BuildError:
    """The error for what Keras says about a node, without Keras's list of arguments."""
    said = re.sub(r"\x1b\[\d*m", "", str(error)).split("Arguments received by")[0]
    said = " ".join(re.sub(r"^Exception encountered when calling \S+", "", said).split())
    return BuildError(
        f"Keras cannot make this {node.kind.kind}: {said or type(error).__name__}",
        where=node.name,
        node=node.name,
        place=node.place,
    )


def make_model(graph: OpGraph, outputs: Mapping[Endpoint, Any]) -> Any:
    """The model from all inputs, in graph order, to all outputs of the sinks."""
    inputs = [outputs[Endpoint(node.name)] for node in graph if node.kind.category == "input"]
    unread = [name for name in graph.sinks if graph[name].kind.category != "input"]
    results = [
        outputs[Endpoint(name, port)]
        for name in unread or graph.sinks
        for port in range(sum(end.node == name for end in outputs))
    ]
    return keras.Model(_one_or_all(inputs), _one_or_all(results), name=layer_name(graph.name))


def _one_or_all(tensors: list[Any]) -> Any:
    """A single tensor as it is: Keras tells one apart from a list of one."""
    return tensors[0] if len(tensors) == 1 else tensors


def _weight_names(
    graph: OpGraph, layers: Mapping[str, Any], outputs: Mapping[Endpoint, Any]
) -> dict[str, Any]:
    """Keras variables by node and name; the op knows the names, Keras leaves some to a counter."""
    named: dict[str, Any] = {}
    for name in graph.order:
        if graph.owner(name) != name:
            continue
        weights = getattr(layers[name], "weights", ())  # an operation of keras.ops has none
        shapes = [tuple(outputs[end].shape[1:]) for end in graph.inputs(name)]
        known = list(graph[name].op.weights(*shapes) or ())
        if len(known) != len(weights):
            known = [_within(layers[name].name, weight.path) for weight in weights]
        named |= {f"{name}/{key}": weight for key, weight in zip(known, weights, strict=True)}
    return named


def _within(layer: str, path: str) -> str:
    """The path of a variable inside its layer."""
    return path.split("/", 1)[1] if path.startswith(f"{layer}/") else path
