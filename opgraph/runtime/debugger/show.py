"""What a session shows, as plain text.

Owns wording and numbers; moves nothing and computes nothing but summaries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from opgraph.errors import OpgraphError
from opgraph.graph import OpGraph
from opgraph.record import Array, StepTensors, TensorName, output_name
from opgraph.record.expression import Answer, figures_of, statistic_of
from opgraph.runtime.debugger.places import Place, made_at
from opgraph.runtime.debugger.sketch import sketch_lines, sources_of, targets_of

SUMMARY = ("mean", "rms", "min", "max")
WIDTH = 96


def number_text(number: float) -> str:
    """A number with six digits.

    >>> number_text(0.1234567891), number_text(3.0), number_text(float("nan"))
    ('0.123457', '3', 'nan')
    """
    return f"{number:.6g}"


def head_text(graph: OpGraph, tensors: StepTensors, place: Place, last: int) -> str:
    """Where one is, in one line."""
    at = "" if place.node is None else f" at {place.node} ({graph[place.node].kind.kind})"
    return f"step {tensors.step} of {last}, {place.phase}{at}"


def where_text(head: str, graph: OpGraph, places: Sequence[Place], place: Place | None) -> str:
    """Where one is: the phases of the step, and the nodes around, drawn as a small graph."""
    if place is None:
        return head
    known = dict.fromkeys(x.phase for x in places)
    phases = " - ".join(f"[{x}]" if x == place.phase else x for x in known)
    lines = [head, f"  {phases}"]
    if place.node is not None:
        own = [x for x in places if x.phase == place.phase]
        lines[0] += f", place {own.index(place) + 1} of {len(own)}"
        if place.phase == "backward":
            lines[1] += "   (upwards in the graph)"
        lines += sketch_lines(graph, place.node)
    return "\n".join(lines)


def place_lines(tensors: StepTensors, place: Place) -> list[str]:
    """What is made at a place: a line a tensor; at the loss the figures of the step."""
    if place.phase == "loss":
        figures = figure_rows(figures_of(tensors))
        return [f"  {name:<13}  {number_text(x)}" for name, x in figures]
    return tensor_lines(tensors, made_at(place, tensors.arrays))


def figure_rows(figures: Mapping[str, float]) -> list[tuple[str, float]]:
    """The figures of a step without those that say nothing new.

    >>> figure_rows({"step": 1, "loss": 2.0, "data_loss": 2.0, "regularization": 0.0})
    [('loss', 2.0)]
    """
    same = {"data_loss": "loss", "clipped_grad_norm": "grad_norm"}
    return [
        (name, x)
        for name, x in figures.items()
        if name != "step"
        and not (name == "regularization" and x == 0)
        and not (name in same and x == figures[same[name]])
    ]


def tensor_lines(tensors: StepTensors, names: Iterable[TensorName]) -> list[str]:
    """A line for each tensor: name, shape, type, and how its numbers lie."""
    rows = [(str(name), *_summary(tensors[name])) for name in names]
    wide = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    return [
        f"  {name:<{wide[0]}}  {shape:<{wide[1]}}  {rest}".rstrip() for name, shape, rest in rows
    ]


def neighbours_text(graph: OpGraph, tensors: StepTensors, place: Place) -> str:
    """The nodes that are read, the node, and those that read it; at a phase without nodes all."""
    if place.node is None:
        nodes = list(graph.order)
    else:
        nodes = [*sources_of(graph, place.node), place.node, *targets_of(graph, place.node)]
    chosen = [(node, output_name(node)) for node in nodes]
    name_of = {n: (x.grad if place.phase == "backward" else x) for n, x in chosen}
    rows = [
        (
            "=>" if node == place.node else "  ",
            f"{node} ({graph[node].kind.kind})",
            name.what,
            *_summary(tensors.arrays.get(name)),
        )
        for node, name in name_of.items()
    ]
    title, what, shape = (max(len(row[column]) for row in rows) for column in (1, 2, 3))
    return "\n".join(
        f"{row[0]} {row[1]:<{title}}  {row[2]:<{what}}  {row[3]:<{shape}}  {row[4]}".rstrip()
        for row in rows
    )


def answer_text(text: str, found: Answer) -> str:
    """What an expression came to: a number, or the head and the elements of an array."""
    array = found.array
    if array.ndim == 0:
        return f"{text} = {_scalar(array)}"
    if found.nodes:
        width = max(map(len, found.nodes))
        pairs = zip(found.nodes, array.reshape(-1), strict=True)
        return "\n".join([text, *(f"  {node:<{width}}  {_scalar(x)}" for node, x in pairs)])
    return array_text(text, array)


def array_text(text: str, array: Array) -> str:
    """A name, the shape, and the elements of an array; of a large one those at its ends."""
    elements = np.array2string(
        array, precision=6, threshold=60, edgeitems=3, max_line_width=WIDTH, floatmode="maxprec"
    )
    return f"{text}  {shape_text(array)}\n{elements}"


def error_text(error: OpgraphError) -> str:
    """An error in one line."""
    said = error.problem
    if error.place is not None and error.place.column > 1:
        said = f"column {error.place.column}: {said}"
    said = f"{error.where}: {said}" if error.where else said
    return f"error: {said}; {error.hint}" if error.hint else f"error: {said}"


def _summary(array: Array | None) -> tuple[str, str]:
    if array is None:
        return "", "no gradient: the loss is not computed from it"
    wrong = int(statistic_of("nonfinite", array))
    found = [f"{name} {statistic_of(name, array):<10.4g}" for name in SUMMARY]
    counted = [f"{wrong} of {array.size} not finite"] if wrong else []
    return shape_text(array), " ".join([*found, *counted]).rstrip()


def shape_text(array: Array) -> str:
    """Shape and, unless it is the usual one, type.

    >>> shape_text(np.zeros((2, 3), np.float32)), shape_text(np.zeros((), np.int32))
    ('2×3', 'scalar int32')
    """
    shape = "×".join(map(str, array.shape)) or "scalar"
    return shape if array.dtype == np.float32 else f"{shape} {array.dtype}"


def _scalar(value: Any) -> str:
    plain = np.asarray(value)
    if plain.dtype == bool:
        return str(bool(plain)).lower()
    return number_text(float(plain)) if plain.dtype.kind not in "iu" else str(int(plain))
