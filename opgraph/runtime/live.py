"""A Keras model that is there already, as what `build` would have made of its graph.

Owns which layer of a live model a node stands for, and the symbolic tensors of all its nodes: the
user's own layers are called once more, one node after the other, so that a model inside another is
laid open and a shared layer has an output for each call. The model itself stays as it is. Must not
know how a configuration is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras

from opgraph.errors import BuildError
from opgraph.graph import Endpoint, NodeNames, OpGraph, name_layers
from opgraph.runtime.builder import (
    Built,
    apply_node,
    make_layer,
    make_model,
)


@dataclass(frozen=True, eq=False)
class LiveBuilt(Built):
    """What `build` makes, of layers that are the user's own."""

    def all_outputs_model(self) -> tuple[Any, list[Endpoint]]:
        """A model of the same layers that returns every output, and what each of them is."""
        with told_apart(self.layers.values()):
            return super().all_outputs_model()


def built_of(model: Any, graph: OpGraph) -> Built:
    """A live model and where each part of its graph is in it.

    Training what comes back trains the model: layers and weights are the same objects.

    Args:
        model: a functional or sequential model that is built.
        graph: its graph, as `formats.read_config` made it, completed.

    Raises:
        BuildError: a node of the graph is nowhere in the model, or the model is no such model.
    """
    parts = parts_of(model, graph)
    layers = {name: _layer(graph, name, parts) for name in graph.order}
    outputs: dict[Endpoint, Any] = {}
    for name in graph.order:
        for port, tensor in enumerate(apply_node(graph, graph[name], layers[name], outputs)):
            outputs[Endpoint(name, port)] = tensor
    owners = {layers[name].name: name for name in reversed(graph.order) if _owns(graph, name)}
    names = NodeNames({name: layer.name for name, layer in layers.items()}, owners)
    with told_apart(layers.values()):
        whole = make_model(graph, outputs)
    return LiveBuilt(whole, graph, layers, outputs, names, _weight_names(graph, layers, outputs))


def parts_of(model: Any, graph: OpGraph) -> dict[str, Any]:
    """The layer or operation of each node of a graph; what marks an output has none.

    Raises:
        BuildError: the model has no graph of its own, or two parts of it go by one name.
    """
    inside = function_of(model)
    if inside is None:
        raise BuildError(
            f"a {type(model).__name__} keeps its graph in Python code, which cannot be traced",
            where=str(model.name),
            hint="make it functional: keras.Model(inputs, outputs); or keep model.fit and use"
            " opgraph.attach, which measures its weights",
        )
    inputs = [node.name for node in graph if node.kind.category == "input"]
    found = {
        name: tensor._keras_history.operation
        for name, tensor in zip(inputs, inside.inputs, strict=True)
    }
    for name, part in _walk(inside, ""):
        if name in found:
            raise BuildError(
                f"two parts of the model are called {name!r}",
                where=str(model.name),
                hint="give one of the layers another name",
            )
        found[name] = part
    return found


def function_of(model: Any) -> Any | None:
    """The functional model inside a model; None for a layer, and for a subclassed model."""
    if isinstance(model, keras.Sequential):
        return model._functional  # pyright: ignore[reportPrivateUsage]
    runs = isinstance(model, keras.Model) and hasattr(model, "_nodes_by_depth")
    return model if runs else None


def calls_of(function: Any) -> list[tuple[str, Any]]:
    """The calls that a functional model makes, in its own order: a name in it, and what is called.

    The second call of the layer `x` is named `x@2`, as in a graph that is read from a
    configuration.
    """
    table: Mapping[int, list[Any]] = function._nodes_by_depth
    kept = {id(node) for nodes in table.values() for node in nodes}
    found: list[tuple[str, Any]] = []
    for depth in sorted(table, reverse=True):
        for node in table[depth]:
            if node.operation is None or node.is_input:
                continue
            own = [n for n in node.operation._inbound_nodes if id(n) in kept]
            index = next(i for i, known in enumerate(own) if known is node)
            suffix = f"@{index + 1}" if index else ""
            found.append((f"{node.operation.name}{suffix}", node.operation))
    return found


def _walk(function: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """All calls of a functional model, those of the models inside it included."""
    for name, operation in calls_of(function):
        inner = function_of(operation)
        if inner is None:
            yield f"{prefix}{name}", operation
        else:
            yield from _walk(inner, f"{prefix}{name}/")


@contextmanager
def told_apart(parts: Iterable[Any]) -> Generator[None]:
    """Let layers of one name stand in one functional model: Keras wants all names to differ."""
    unique = list({id(part): part for part in parts}.values())
    count = Counter(part.name for part in unique)
    twice = [part for part in unique if count[part.name] > 1]
    names = [part.name for part in twice]
    for number, part in enumerate(twice):
        object.__setattr__(part, "name", f"{part.name}-opgraph-{number}")
    try:
        yield
    finally:
        for part, name in zip(twice, names, strict=True):
            object.__setattr__(part, "name", name)


def _owns(graph: OpGraph, name: str) -> bool:
    return graph.owner(name) == name


def _layer(graph: OpGraph, name: str, parts: Mapping[str, Any]) -> Any:
    """The user's own layer; what has no weights and no state may be made anew.

    A function of `keras.ops` may be another op in the graph: `x * 2` is a rescaling there.
    """
    if name not in parts and not marks_output(graph, name):
        raise BuildError(
            "the model has no layer for this node",
            where=name,
            node=name,
            hint="was the model changed after its graph was read?",
        )
    part, node = parts.get(name), graph[name]
    if isinstance(part, keras.layers.Layer) or (part is not None and node.op.category == "opaque"):
        return part
    return make_layer(node, name_layers({name: name}), None)


def marks_output(graph: OpGraph, name: str) -> bool:
    """Whether a node only marks an output of the model, as graphs of a configuration have them."""
    return name.startswith("output_") and graph[name].kind.kind == "Identity"


def _weight_names(
    graph: OpGraph, layers: Mapping[str, Any], outputs: Mapping[Endpoint, Any]
) -> dict[str, Any]:
    """Keras variables by node and name, named as in a model that is built from the graph."""
    named: dict[str, Any] = {}
    for name in graph.order:
        if not _owns(graph, name):
            continue
        weights = getattr(layers[name], "weights", ())  # an operation of keras.ops has none
        shapes = [tuple(outputs[end].shape[1:]) for end in graph.inputs(name)]
        known = list(graph[name].op.weights(*shapes) or ())
        if len(known) != len(weights):
            known = [within(layers[name].name, weight.path) for weight in weights]
        named |= {f"{name}/{key}": weight for key, weight in zip(known, weights, strict=True)}
    return named


def within(layer: str, path: str) -> str:
    """The path of a variable inside its layer, which may be inside a model.

    >>> within("lstm", "encoder/lstm/cell/kernel"), within("lstm", "kernel")
    ('cell/kernel', 'kernel')
    """
    return f"/{path}".rsplit(f"/{layer}/", 1)[-1].removeprefix("/")


def opaque_built(model: Any, graph: OpGraph) -> Built:
    """A model that is one opaque node: only its weights have names.

    Args:
        model: any model that is built.
        graph: a graph whose only opaque node stands for the model.
    """
    name = next(node.name for node in graph if node.kind.category == "opaque")
    weights = {f"{name}/{within(model.name, v.path)}": v for v in model.weights}
    names = NodeNames({name: model.name}, {model.name: name})
    return Built(model, graph, {name: model}, {}, names, weights)


def arrays_of(model: Any) -> dict[str, list[int]]:
    """Shapes of the weights of a model that is one node, by the name each has in it."""
    return {within(model.name, v.path): [int(size) for size in v.shape] for v in model.weights}
