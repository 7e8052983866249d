"""A graph from the configuration of a Keras model: functional or sequential, nested as it may be.

Reads what `model.get_config()`, `model.to_json()` and `config.json` of a `.keras` file hold. Nested
models are put in place (`outer/inner`), a layer that is called several times becomes several nodes
that share it (`name`, `name@2`, ...). Nothing is executed and TensorFlow is not needed; layers that
opgraph does not know, `Lambda` among them, are carried opaque. What is read is untrusted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from opgraph.analysis import analyze
from opgraph.errors import FormatError
from opgraph.formats.keras_calls import DEEPEST, Call, Entry, Tensor, as_json, mapping, tensors_in
from opgraph.formats.keras_layers import Use, opaque, translate
from opgraph.formats.keras_model import (
    CallKey,
    KerasModel,
    in_order,
    inner_config,
    input_shape,
    read_model,
)
from opgraph.formats.keras_options import KERAS_DTYPE, policy_name
from opgraph.graph import Edge, Endpoint, Node, OpGraph, Origin
from opgraph.ops import require

MOST_NODES = 200_000


def read_config(config: Mapping[str, Any]) -> OpGraph:
    """The graph of a Keras model, from its configuration.

    Every attribute is marked as given. Outputs of the model that are not just the outputs of the
    graph's sinks are marked by `Identity` nodes. Left out are parts of a nested model that nothing
    reads, and masks that Keras computes by itself.

    Args:
        config: of a functional or sequential model, with or without its `class_name` around it.

    Raises:
        FormatError: it is not such a configuration; the message names the place in it.
    """
    top = mapping(as_json(config, "config"), "config")
    inner = inner_config(top)
    if not isinstance(inner.get("layers"), list):
        name = top.get("class_name")
        subject = f"a {name}" if isinstance(name, str) else "an object"
        raise FormatError(
            f"expected a functional or sequential Keras model, received {subject} without layers",
            where="config",
            hint="a subclassed model keeps its graph in Python code: make it functional",
        )
    name = inner.get("name")
    reader = _Reader()
    outputs = reader.place(read_model(inner, "config"), _Spot("", "", True), None)
    return reader.finished(name if isinstance(name, str) and name else "model", outputs)


@dataclass(frozen=True)
class _Spot:
    """Where a model is put: prefix of its node names, and of those of its first call."""

    prefix: str
    first: str
    trainable: bool
    depth: int = 0

    def name(self, entry: Entry, index: int) -> str:
        """The name of a call of a layer here."""
        return f"{self.prefix}{entry.name}" + (f"@{index + 1}" if index else "")


@dataclass(frozen=True)
class _Ends:
    """What the tensors of a model are in the graph."""

    nodes: dict[CallKey, str] = field(default_factory=dict[CallKey, str])
    ports: dict[CallKey, Sequence[Endpoint]] = field(
        default_factory=dict[CallKey, "Sequence[Endpoint]"]
    )

    def __call__(self, tensor: Tensor, where: str) -> Endpoint:
        key = tensor.layer, tensor.call
        if key in self.nodes:
            return Endpoint(self.nodes[key], tensor.port)
        ports = self.ports.get(key, ())
        if tensor.port >= len(ports):
            problem = f"reads output {tensor.port} of {tensor.layer!r}, which has {len(ports)}"
            raise FormatError(problem, where=where)
        return ports[tensor.port]


@dataclass
class _Reader:
    """Collects the nodes and edges of a model and of the models inside it."""

    nodes: dict[str, Node] = field(default_factory=dict[str, Node])
    edges: list[Edge] = field(default_factory=list[Edge])

    def place(
        self, model: KerasModel, spot: _Spot, given: Sequence[Endpoint] | None
    ) -> list[Endpoint]:
        """Add the nodes of a model and hand back its outputs.

        Args:
            model: the model.
            spot: where it goes.
            given: what its inputs are connected to; None makes them inputs of the graph.
        """
        if spot.depth > DEEPEST:
            raise FormatError(f"models nested more than {DEEPEST} deep", where=model.where)
        spot = replace(spot, trainable=spot.trainable and model.trainable)
        ends = self._inputs(model, given)
        uses = _uses(model)
        calls = model.calls()
        for key in in_order(model, lambda key: _read_by(model, key, calls[key], uses)):
            entry = model.entries[key[0]]
            if key in uses:
                ends.nodes[key] = self._single(entry, key[1], spot, uses[key], ends)
            else:
                ends.ports[key] = self._nested(entry, key[1], spot, calls[key], ends)
        return [ends(tensor, f"{model.where}.output_layers") for tensor in model.outputs]

    def _inputs(self, model: KerasModel, given: Sequence[Endpoint] | None) -> _Ends:
        where = f"{model.where}.input_layers"
        entries = [model.entry(tensor, where) for tensor in model.inputs]
        if given is None:
            given = [self._input(entry) for entry in entries]
        if len(given) < len(entries):
            problem = f"the model takes {len(entries)} inputs, received {len(given)}"
            raise FormatError(problem, where=model.where)
        ends = _Ends()
        for entry, end in zip(entries, given, strict=False):
            ends.ports[entry.name, 0] = [end]
        return ends

    def _input(self, entry: Entry) -> Endpoint:
        shape, dtype = input_shape(entry), entry.config.get("dtype")
        given: dict[str, Any] = {} if shape is None else {"shape": shape}
        if isinstance(dtype, str) and dtype != KERAS_DTYPE:
            given["dtype"] = dtype
        origin = _origin(entry, "")
        self.nodes[entry.name] = Node(entry.name, require("Input"), given, origin=origin)
        return Endpoint(entry.name)

    def _single(self, entry: Entry, index: int, spot: _Spot, use: Use, ends: _Ends) -> str:
        if len(self.nodes) >= MOST_NODES:
            raise FormatError(f"more than {MOST_NODES:,} nodes", where=entry.where)
        name, first = self._free(spot.name(entry, index)), f"{spot.first}{entry.name}"
        given = use.given if spot.trainable else {**use.given, "trainable": False}
        shares = first if name != first else None
        origin = _origin(entry, spot.first)
        self.nodes[name] = Node(name, use.kind, given, shares=shares, origin=origin)
        for slot, tensor in enumerate(use.sources):
            source = ends(tensor, f"{entry.where}.inbound_nodes[{index}]")
            self.edges.append(Edge(source.node, name, slot, source.port))
        return name

    def _nested(
        self, entry: Entry, index: int, spot: _Spot, call: Call, ends: _Ends
    ) -> list[Endpoint]:
        place = f"{entry.where}.inbound_nodes[{index}]"
        given = [ends(tensor, place) for tensor in tensors_in(_data(call))]
        inside = _Spot(
            prefix=f"{spot.name(entry, index)}/",
            first=f"{spot.first}{entry.name}/",
            trainable=spot.trainable,
            depth=spot.depth + 1,
        )
        return self.place(read_model(entry.config, f"{entry.where}.config"), inside, given)

    def _free(self, name: str) -> str:
        while name in self.nodes:
            name += "'"
        return name

    def finished(self, name: str, outputs: list[Endpoint]) -> OpGraph:
        """The graph: what the outputs depend on, the outputs last and in their order."""
        graph = _pruned(OpGraph(self.nodes.values(), self.edges, name), outputs)
        nodes, edges = dict(graph.nodes), list(graph.edges)
        ports = _whole_sinks(graph, outputs)
        for number, end in enumerate(outputs, start=1):
            if end.node in ports:
                nodes[end.node] = nodes.pop(end.node)
                continue
            marker = f"output_{number}"
            while marker in nodes:
                marker += "'"
            nodes[marker] = Node(marker, require("Identity"))
            edges.append(Edge(end.node, marker, 0, end.port))
        return OpGraph(nodes.values(), edges, name)


def _origin(entry: Entry, prefix: str) -> Origin:
    dtype = policy_name(entry.config.get("dtype"))
    said = dtype if isinstance(dtype, str) else KERAS_DTYPE if dtype is None else None
    return Origin((f"{prefix}{entry.name}",), said, prefix.rstrip("/") or None)


def _uses(model: KerasModel) -> dict[CallKey, Use]:
    """What each call of a layer is; nested models are not among them."""
    shapes, implicit = model.output_shapes(), model.implicit_masks()
    calls = {key: call for key, call in model.calls().items() if not model.entries[key[0]].is_model}
    uses = {
        key: translate(model.entries[key[0]], call, shapes.get(key), implicit)
        for key, call in calls.items()
    }
    unsaid = {name for (name, _), use in uses.items() if use.kind.category == "opaque"}
    for key, call in calls.items():
        if key[0] in unsaid:  # all calls of a layer are of one kind, for they share its weights
            uses[key] = opaque(model.entries[key[0]], call, shapes.get(key), implicit)
    return uses


def _read_by(
    model: KerasModel, key: CallKey, call: Call, uses: Mapping[CallKey, Use]
) -> Sequence[Tensor]:
    return uses[key].sources if key in uses else list(tensors_in(_data(call)))


def _data(call: Call) -> Any:
    """The arguments of a nested model that are data, not masks."""
    return list(call.args) if call.args else call.kwargs.get("inputs")


def _pruned(graph: OpGraph, outputs: list[Endpoint]) -> OpGraph:
    """The graph without what no output depends on; inputs stay, shared layers find an owner."""
    kept = {node.name for node in graph if node.kind.category == "input"}
    waiting = [end.node for end in outputs]
    while waiting:
        name = waiting.pop()
        if name not in kept:
            kept.add(name)
            waiting += graph.nx.predecessors(name)
    heirs: dict[str, str] = {}
    nodes: list[Node] = []
    for node in graph:
        if node.name not in kept:
            continue
        if node.shares is not None and node.shares not in kept:
            owner = heirs.setdefault(node.shares, node.name)
            node = replace(node, shares=None if owner == node.name else owner)
        nodes.append(node)
    edges = [edge for edge in graph.edges if edge.target in kept]
    return OpGraph(nodes, edges, graph.name)


def _whole_sinks(graph: OpGraph, outputs: list[Endpoint]) -> set[str]:
    """Sinks whose outputs are outputs of the model, all of them, once, one after the other."""
    sinks = {name for name in graph.sinks if graph[name].kind.category != "input"}
    facts = analyze(graph).facts
    whole: set[str] = set()
    for name in sinks:
        places = [at for at, end in enumerate(outputs) if end.node == name]
        ports = [outputs[at].port for at in places]
        count = max(1, len(facts[name].outputs))
        together = places == list(range(places[0], places[0] + count)) if places else False
        if together and ports == list(range(count)):
            whole.add(name)
    return whole
