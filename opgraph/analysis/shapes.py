"""Shapes, weights, sizes and costs of each node, one walk from the inputs to the outputs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from opgraph.errors import AttributeValueError, OpgraphError, ShapeError
from opgraph.graph import Node, OpGraph
from opgraph.ops import Op, Reach, Shape, Weight, count

Shapes = tuple[Shape | None, ...]
WEIGHT_BYTES = {"float64": 8, "float16": 2, "bfloat16": 2}
BYTES = {
    **WEIGHT_BYTES,
    "int64": 8,
    "uint64": 8,
    "int16": 2,
    "int8": 1,
    "uint8": 1,
    "bool": 1,
    "mixed_float16": 2,
    "mixed_bfloat16": 2,
}


class Result(NamedTuple):
    """What an op says for given input shapes."""

    outputs: Shapes = ()
    weights: Mapping[str, Weight] | None = None
    flops: int | None = None
    reach: Reach | None = None
    params: tuple[int, int] | None = None
    weight_bytes: int | None = None
    activation_bytes: int | None = None
    error: OpgraphError | None = None


def infer_shapes(graph: OpGraph) -> dict[str, tuple[Shapes, Result]]:
    """Input shapes and result of each node, in topological order.

    A node behind an error, or behind an unknown shape that its op cannot do without, has unknown
    outputs and no error of its own.
    """
    known: dict[tuple[str, int], Shape | None] = {}
    port_readers = {edge.target for edge in graph.edges if edge.port}
    results: dict[str, tuple[Shapes, Result]] = {}
    reads, nodes = graph.reads, graph.nodes
    for name in graph.order:
        inputs: Shapes = tuple([known.get(end) for end in reads[name]])
        result = _ask_node(graph, nodes[name], inputs)
        if name in port_readers:
            result = _port_errors(graph, name, result, results)
        for port, shape in enumerate(result.outputs):
            known[name, port] = shape
        results[name] = inputs, result
    return results


def _ask_node(graph: OpGraph, node: Node, inputs: Shapes) -> Result:
    try:
        result = ask(node.op, inputs)
    except AttributeValueError as missing:
        return Result(error=missing)
    if (error := result.error) is None:
        return result
    return result._replace(error=_located(graph, node, inputs, error))


@lru_cache(maxsize=8192)
def ask(op: Op, inputs: Shapes) -> Result:
    """What an op says for given input shapes; an error is part of the answer.

    Ops are immutable and answer the same each time, and large graphs repeat them: hence the cache.
    """
    if any(shape is None for shape in inputs) and op.category != "opaque":
        return Result()
    try:
        shape = op.shape(*inputs)
    except ShapeError as error:
        return Result(error=error)
    outputs: Shapes = tuple(shape) if isinstance(shape, list) else (shape,)
    weights = op.weights(*inputs)
    params = _params(op, weights)
    return Result(
        outputs,
        weights,
        flops=_flops(op, inputs),
        reach=op.reach(*inputs),
        params=params,
        weight_bytes=None if params is None else sum(params) * _width(op, WEIGHT_BYTES),
        activation_bytes=_activation_bytes(op, outputs),
    )


def _params(op: Op, weights: Mapping[str, Weight] | None) -> tuple[int, int] | None:
    """Elements that training changes and those it does not."""
    if weights is None:
        return None
    counts = {True: 0, False: 0}
    for weight in weights.values():
        if weight.size is None:
            return None
        counts[weight.trainable and op.trainable] += weight.size
    return counts[True], counts[False]


def _activation_bytes(op: Op, outputs: Shapes) -> int | None:
    sizes = [None if shape is None else count(shape) for shape in outputs]
    known = [size for size in sizes if size is not None]
    return sum(known) * _width(op, BYTES) if len(known) == len(sizes) else None


def _width(op: Op, table: Mapping[str, int]) -> int:
    """Bytes of one number of this op."""
    return table.get(op.dtype or "float32", 4)


def _flops(op: Op, inputs: Shapes) -> int | None:
    known = all(shape is not None and None not in shape for shape in inputs)
    return op.flops(*inputs) if known else None


def _located(graph: OpGraph, node: Node, inputs: Shapes, error: OpgraphError) -> ShapeError:
    """The error with the node, its sources and the place where they are connected."""
    received = [
        f"{shape} from {end.node!r}"
        for shape, end in zip(inputs, graph.inputs(node.name), strict=True)
    ]
    problem = error.problem + (f"; receives {' and '.join(received)}" if received else "")
    edges = graph.edges_into(node.name)
    place = next((edge.place for edge in reversed(edges) if edge.place), node.place)
    return ShapeError(problem, where=node.name, place=place, hint=error.hint, node=node.name)


def _port_errors(
    graph: OpGraph, name: str, result: Result, results: Mapping[str, tuple[Shapes, Result]]
) -> Result:
    """The result, with an error if an input port that is read does not exist."""
    if result.error:
        return result
    for edge in graph.edges_into(name):
        ports = len(results[edge.source][1].outputs)
        if ports and edge.port >= ports and graph[edge.source].kind.category != "opaque":
            numbers = "output 0 only" if ports == 1 else f"outputs 0 to {ports - 1}"
            return result._replace(
                error=ShapeError(
                    f"reads output {edge.port} of {edge.source!r}, which has {numbers}",
                    where=name,
                    place=edge.place,
                    node=name,
                )
            )
    return result
