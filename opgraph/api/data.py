"""Fitting data to a graph: what the network says to the data, and the data to the network.

Owns the facts that pass between them; must not know how either is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from opgraph.api.extras import needed_runtime

if TYPE_CHECKING:
    from opgraph.analysis import Analysis
    from opgraph.api.graph import Graph
    from opgraph.graph import OpGraph
    from opgraph.ops import Shape
    from opgraph.runtime.data import Data, DataFacts, TargetSpec


def prepare(
    graph: Graph,
    data: Any,
    input_shape: Shape | None = None,
    num_classes: int | None = None,
    recipe: Mapping[str, Any] | None = None,
) -> tuple[Analysis, Data]:
    """Complete a graph with what the data say, and fit the data to its inputs and outputs.

    Args:
        graph: what is trained.
        data: the name of some data, arrays, or a `Data`.
        input_shape: shape of one example, for inputs that do not say theirs.
        num_classes: outputs of the last dense layer; what the data say when left out.
        recipe: settings of the training; the losses say what labels an output wants.

    Raises:
        OpgraphError: the graph is wrong, or the data do not fit it.
    """
    facts = _facts(data, sum(node.kind.category == "input" for node in graph.inner))
    shape = input_shape or (None if facts is None else facts.shape)
    classes = num_classes or (data.num_classes if facts is None else facts.num_classes)
    analysis = graph.analyze(shape, classes).require()
    return analysis, fit_data(analysis, data, recipe or {})


def fit_data(analysis: Analysis, data: Any, recipe: Mapping[str, Any]) -> Data:
    """Data for a completed graph.

    Raises:
        OpgraphError: they do not fit it, or it is not clear what is trained.
    """
    from opgraph.runtime.data import Data, augmented, from_arrays, halves, load

    if isinstance(data, Data):
        return data
    inputs = inputs_of(analysis)
    targets = _targets(analysis, _facts(data, len(inputs)), recipe)
    vocabulary = _vocabulary(analysis.graph)
    if isinstance(data, str):
        sinks = analysis.graph.sinks
        found = load(data, inputs, targets=targets, outputs=sinks, vocabulary=vocabulary)
    else:
        train, test = halves(data, len(inputs))
        found = from_arrays(train, test, inputs=inputs, targets=targets, vocabulary=vocabulary)
    changes = recipe.get("augment")
    return augmented(found, changes) if changes else found


def inputs_of(analysis: Analysis) -> list[tuple[str, Shape, str | None]]:
    """Name, shape and type of each input."""
    return [
        (node.name, cast("Shape", analysis[node.name].output), node.op.dtype)
        for node in analysis.graph
        if node.kind.category == "input"
    ]


def _facts(data: Any, num_inputs: int) -> DataFacts | None:
    """What the data say before the network is completed; None for data that are fitted already."""
    from opgraph.runtime.data import Data, halves, peek, peek_arrays

    if isinstance(data, Data):
        return None
    if isinstance(data, tuple | list):
        return peek_arrays(halves(data, num_inputs)[0])
    return peek(str(data))


def _targets(
    analysis: Analysis, facts: DataFacts | None, recipe: Mapping[str, Any]
) -> list[TargetSpec]:
    """What each trained output asks of its labels."""
    from opgraph.runtime.data import TargetSpec

    runtime = needed_runtime()
    graph = analysis.graph
    asked = {"losses": recipe.get("loss"), "metrics": recipe.get("metrics") or ()}
    kinds = None
    unsaid = asked["losses"] is None or callable(asked["losses"])
    if unsaid and facts is not None and facts.kind != "classes":
        kinds = dict.fromkeys(graph.sinks[:1], facts.kind) if len(graph.sinks) == 1 else None
    objective = runtime.choose_objective(graph, kinds=kinds, **asked)
    return [
        TargetSpec(
            head.endpoint.node,
            head.kind,
            cast("Shape", analysis[head.endpoint.node].outputs[head.endpoint.port]),
        )
        for head in objective.heads
    ]


def _vocabulary(graph: OpGraph) -> dict[str, int]:
    """The number of tokens that an embedding behind an input knows, by input."""
    return {
        edge.source: int(cast("Any", graph[edge.target].op).input_dim)
        for edge in graph.edges
        if graph[edge.target].kind.kind == "Embedding"
    }
