"""A graph as readable Keras source: the functional API, one line a layer.

The layer of an op is said by the op itself, which is handed a stand-in for the `keras` module.
Names and labels are untrusted: they become string literals, comments of one line, and cleaned names
of variables. Must not know TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from opgraph.analysis import Analysis, analyze
from opgraph.errors import OpgraphError
from opgraph.formats.source_text import Module, Name, comment, identifier, source
from opgraph.graph import (
    Endpoint,
    Node,
    NodeNames,
    OpGraph,
    layer_name,
    name_layers,
    opaque_arguments,
    opaque_entry,
)
from opgraph.ops import Op, kinds

# Keras has another default than opgraph, or none: always written.
ALWAYS = frozenset({"padding", "kernel_size", "pool_size", "rate", "axes", "name", "shape"})
TAKEN = ("keras", "layers", "build_model")


def to_source(graph: OpGraph) -> str:
    """Keras source of a graph, as a module with a function `build_model`.

    Args:
        graph: the graph; what is missing is completed by the rules of `analysis`.

    Raises:
        OpgraphError: the graph has faults, or an attribute has no form in Python source.
    """
    analysis = analyze(graph).require()
    writer = _Writer.of(analysis)
    lines = [line for name in analysis.graph.order for line in writer.lines(name)]
    body = "\n".join(f"    {line}" for line in [*lines, writer.ending()])
    title = comment(analysis.graph.name).replace('"', "'").replace("\\", "/")
    return TEMPLATE.format(
        title=title, nodes=len(analysis.graph), params=analysis.totals.params, body=body
    )


TEMPLATE = '''"""Keras model {title}, written by opgraph: {nodes} nodes, {params} parameters."""

import keras
from keras import layers


def build_model():
    """Build the model; its weights are Keras's initial ones."""
{body}


if __name__ == "__main__":
    build_model().summary()
'''


@dataclass(frozen=True)
class _Writer:
    """Writes nodes as assignments.

    Attributes:
        analysis: shapes, for comments and numbers of outputs.
        names: names of the Keras layers, as in a model that opgraph builds itself.
        variables: a variable for each output of each node.
        layers: a variable for each layer that is used several times, by owner.
        written: owners whose layer has been written.
    """

    analysis: Analysis
    names: NodeNames
    variables: Mapping[Endpoint, Name]
    layers: Mapping[str, Name]
    written: set[str]

    @classmethod
    def of(cls, analysis: Analysis) -> _Writer:
        graph = analysis.graph
        taken: set[str] = set(TAKEN)
        shared = {graph.owner(node.name) for node in graph if node.shares is not None}
        variables = {
            Endpoint(name, port): _variable(f"{name}_{port}" if port else name, taken)
            for name in graph.order
            for port in range(_ports(analysis, name))
        }
        layers = {name: _variable(f"{name}_layer", taken) for name in graph.order if name in shared}
        names = name_layers({name: graph.owner(name) for name in graph.nodes})
        return cls(analysis, names, variables, layers, set())

    def lines(self, name: str) -> list[str]:
        """The lines of one node."""
        graph = self.analysis.graph
        node, owner = graph[name], graph.owner(name)
        lines: list[str] = []
        if owner in self.layers and owner not in self.written:
            self.written.add(owner)
            lines.append(f"{self.layers[owner]} = {self._layer(graph[owner])}  # shared")
        layer = self.layers.get(owner) or self._layer(node)
        inputs = [self.variables[end] for end in graph.inputs(name)]
        targets = [self.variables[Endpoint(name, port)] for port in range(self._ports(name))]
        value = self._called(node, layer, inputs)
        return [*lines, f"{', '.join(targets)} = {value}  # {self._remark(node)}"]

    def _ports(self, name: str) -> int:
        return _ports(self.analysis, name)

    def _layer(self, node: Node) -> Any:
        op = node.op
        options: dict[str, Any] = {"name": self.names.layer_name(node.name)}
        if op.dtype is not None:
            options["dtype"] = op.dtype
        if not op.trainable:
            options["trainable"] = False
        try:
            written = _written(op, options)
            str(written)
        except OpgraphError as error:
            error.where = error.node = node.name
            raise
        return written

    def _called(self, node: Node, layer: Any, inputs: list[Name]) -> str:
        try:
            return _called(node.op, layer, inputs)
        except OpgraphError as error:
            error.where = error.node = node.name
            raise

    def _remark(self, node: Node) -> str:
        shapes = self.analysis[node.name].outputs
        shown = ", ".join("?" if shape is None else str(shape) for shape in shapes) or "?"
        label = f"  {comment(node.label)}" if node.label else ""
        guessed = f"; completed: {', '.join(node.inferred)}" if node.inferred else ""
        return f"{shown}{guessed}{label}"

    def ending(self) -> str:
        """The line that puts inputs and outputs together."""
        graph = self.analysis.graph
        inputs = [Endpoint(node.name) for node in graph if node.kind.category == "input"]
        sinks = [name for name in graph.sinks if graph[name].kind.category != "input"]
        outputs = [
            Endpoint(name, port)
            for name in sinks or graph.sinks
            for port in range(self._ports(name))
        ]
        model = Module("keras").Model(
            inputs=self._one_or_all(inputs),
            outputs=self._one_or_all(outputs),
            name=layer_name(graph.name),
        )
        return f"return {model}"

    def _one_or_all(self, ends: list[Endpoint]) -> Any:
        names = [self.variables[end] for end in ends]
        return names[0] if len(names) == 1 else names


def _ports(analysis: Analysis, name: str) -> int:
    return max(1, len(analysis[name].outputs))


def _variable(wanted: str, taken: set[str]) -> Name:
    name = base = identifier(wanted)
    number = 2
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    taken.add(name)
    return Name(name)


@cache
def _schemas() -> dict[str, type[Op]]:
    return {kind.kind: kind for kind in kinds()}


def _omits(function: str, key: str, value: Any) -> bool:
    """Whether an argument is what Keras takes anyway."""
    if key in ("dtype", "seed") and value is None:
        return True
    if key == "trainable":
        return bool(value)
    kind = _schemas().get(function)
    spec = kind.schema().get(key) if kind and key not in ALWAYS else None
    return spec is not None and not spec.is_required and value == spec.default


def _written(op: Op, options: dict[str, Any]) -> Any:
    """The source of the layer of an op."""
    if op.category == "opaque":
        return Module("keras").saving.deserialize_keras_object(opaque_entry(op, options))
    if op.category == "input":
        return Module("keras").Input(shape=op.values()["shape"], **options)
    return op.layer(Module("keras", _omits), **options)


def _called(op: Op, layer: Any, inputs: list[Name]) -> str:
    """The source of a layer applied to its inputs."""
    if op.category == "input":
        return str(layer)
    if op.category == "opaque":
        args, keywords = opaque_arguments(op, inputs, _revived)
        return str(layer(*args, **keywords))
    return source(op.call(layer, cast("list[Any]", inputs)))


def _revived(entry: dict[str, Any]) -> Any:
    """The source of an object from its serialised form."""
    config = entry.get("config")
    if entry["class_name"] == "__slice__" and isinstance(config, dict):
        bounds = cast("dict[str, Any]", config)
        return Module("slice")(*(bounds.get(key) for key in ("start", "stop", "step")))
    if entry["class_name"] == "__ellipsis__":
        return Name("...")
    return Module("keras").saving.deserialize_keras_object(entry)
