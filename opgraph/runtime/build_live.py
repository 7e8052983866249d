"""What only a live Keras model knows of layers that opgraph does not: their weights and outputs.

Must not know how a configuration is read; changes nothing in the model.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from opgraph.graph import Node, OpGraph


def describe_opaque(graph: OpGraph, model: Any) -> OpGraph:
    """The graph of a live model with weight and output shapes of its opaque nodes filled in.

    Args:
        graph: what `formats.read_config` made of the model's configuration.
        model: the model; it is only looked at.
    """
    found = {node.name: _layer(model, node.name) for node in graph if _is_opaque(node)}
    described = {
        name: replace(graph[name], given={**_shapes(layer), **graph[name].given})
        for name, layer in found.items()
        if layer is not None
    }
    return graph.with_nodes(described) if described else graph


def _is_opaque(node: Node) -> bool:
    return node.kind.category == "opaque"


def _layer(model: Any, name: str) -> Any:
    """The layer or operation of a node: `inner/name@2` is in the model `inner`."""
    for part in name.split("/"):
        inside = {item.name: item for item in getattr(model, "operations", model.layers)}
        model = inside.get(part) or inside.get(re.sub(r"@\d+'*$", "", part))
        if model is None:
            return None
    return model


def _shapes(layer: Any) -> dict[str, Any]:
    start = f"{layer.name}/"
    weights = getattr(layer, "weights", ())  # an operation of keras.ops has none
    arrays = {
        weight.path.split(start, 1)[-1]: [int(size) for size in weight.shape] for weight in weights
    }
    shape = getattr(layer.output, "shape", None)
    return {"arrays": arrays} if shape is None else {"arrays": arrays, "output": tuple(shape[1:])}
