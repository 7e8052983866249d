"""Where numbers stopped being finite: the first step, and in it the first node that made them so.

Owns the search: over the record for the step, forward through the graph and then backward for the
node. The usual causes stand in `causes`. Must not know how a step is had again or shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np

from opgraph.graph import OpGraph
from opgraph.record import (
    Array,
    Record,
    StepTensors,
    TensorFacts,
    TensorName,
    as_numbers,
    output_name,
    tensor_facts,
)
from opgraph.runtime.causes import Evidence, usual_causes
from opgraph.runtime.replay import Replay

Phase = Literal["before the step", "forward", "loss", "backward", "update"]
Named = Mapping[str, Array]
ELEMENTS, PAST, TRIES = 5, 5, 20
WORTH = ("max", "rms", "norm")  # what tells best how the output of a node grew


class Element(NamedTuple):
    """An element that is not finite.

    Attributes:
        place: its index.
        value: what it is.
        made_from: elements at the same place of what it was computed from, by name.
    """

    place: tuple[int, ...]
    value: float
    made_from: Mapping[str, float]


class Culprit(NamedTuple):
    """Where finite numbers became others.

    Attributes:
        phase: of the step.
        node: the node that did it; of an output, if it was the loss.
        tensor: the first tensor that is not all finite, by full name.
        array: its numbers.
        read: what it was computed from, by full name.
    """

    phase: Phase
    node: str
    tensor: str
    array: Array
    read: Named


@dataclass(frozen=True, eq=False)
class Autopsy:
    """The first node where finite numbers became others, and the usual causes.

    Attributes:
        step: the step it was.
        verified: whether its tensors are proved to be those that were recorded.
        phase: `forward`, `loss`, `backward` or `update`; `before the step` for a weight that was
            not finite from the start.
        node: the node that did it; the output concerned, where it was the loss.
        op: its kind.
        tensor: the first tensor that is not all finite.
        facts: what there is to say about it.
        read: the same about what it was computed from.
        elements: the first elements that are not finite.
        examples: numbers in the training data of the examples concerned, where that is known.
        past: how the output of the node grew: quantity, and (step, value) pairs.
        causes: the usual ones, the most likely first.
    """

    step: int
    verified: bool
    phase: Phase
    node: str
    op: str
    tensor: str
    facts: TensorFacts
    read: Mapping[str, TensorFacts]
    elements: tuple[Element, ...]
    examples: tuple[int, ...] = ()
    past: tuple[str, tuple[tuple[int, float], ...]] = ("", ())
    causes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data; numbers that are not finite are words."""
        elements = [
            {"index": list(e.place), "value": str(e.value), "made_from": dict(e.made_from)}
            for e in self.elements
        ]
        past = [[step, x if np.isfinite(x) else str(x)] for step, x in self.past[1]]
        plain = {
            "facts": self.facts.as_dict(),
            "read": {name: facts.as_dict() for name, facts in self.read.items()},
            "elements": elements,
            "past": {"quantity": self.past[0], "values": past},
        }
        return {**asdict(replace(self, read={}, elements=())), **plain}


def perform_autopsy(replay: Replay, step: int | None = None) -> Autopsy | None:
    """Find the first node where finite numbers became others; None if all are finite.

    Args:
        replay: the run.
        step: where to look; the first step whose record has something not finite when left out.

    Raises:
        RunError: there is no such step, or it cannot be had again.
    """
    graph = replay.training.built.graph
    for chosen in suspects(replay.record)[:TRIES] if step is None else [step]:
        tensors = replay.at(chosen)
        found = find_culprit(tensors, graph, replay.example_losses(tensors))
        if found is not None:
            return _told(replay, tensors, graph, found)
    return None


def suspects(record: Record) -> list[int]:
    """The steps whose record has a number that is not finite, the first to look at first.

    A norm may be too large for float32 where all elements are finite, hence several. Gradients of
    steps that loss scaling left out come last: it tries out scales that are too large on purpose.
    """
    table = record.steps
    skipped = {
        row["step"] for row in table.select(["step", "skipped"]).to_pylist() if row["skipped"]
    }
    steps = sorted({step for kind in KINDS for step in _bad_steps(record.table(kind), kind)})
    fatal = {step for kind in ("output", "bn") for step in _bad_steps(record.table(kind), kind)}
    fatal |= set(_bad_steps(table.select(["step", "loss"]), "steps"))
    wanted = [step for step in steps if step in fatal or step not in skipped]
    return list(dict.fromkeys([*wanted, *steps]))


KINDS: tuple[Any, ...] = ("steps", "output", "output_grad", "weight", "slot", "bn")
COUNTS = ("nan", "inf", "nonfinite")


def _bad_steps(table: Any, kind: str) -> Iterator[int]:
    steps = table["step"].to_numpy()
    for name in table.column_names:
        if kind == "steps" and name.startswith("val_"):
            continue
        column = table[name].combine_chunks()
        if name.endswith(COUNTS):
            yield from steps[column.fill_null(0).to_numpy(zero_copy_only=False) > 0].tolist()
        elif str(column.type) in ("double", "float"):
            values = column.fill_null(0.0).to_numpy(zero_copy_only=False)
            yield from steps[~np.isfinite(values)].tolist()


def find_culprit(
    tensors: StepTensors, graph: OpGraph, losses: Mapping[str, Array]
) -> Culprit | None:
    """Forward in topological order, the loss, backward, the update: the first that is not finite.

    Args:
        tensors: everything of a step.
        graph: the network.
        losses: the loss of each example, by output.
    """
    ways = (
        lambda: _forward(tensors, graph),
        lambda: _loss(tensors, losses),
        lambda: _backward(tensors, graph, losses),
        lambda: _update(tensors, graph),
    )
    return next((found for way in ways if (found := way()) is not None), None)


def _forward(tensors: StepTensors, graph: OpGraph) -> Culprit | None:
    for node in graph.order:
        outputs = _outputs(tensors, node)
        bad = _first_bad(outputs)
        if bad is None:
            continue
        weights = _weights(tensors, graph.owner(node))
        broken = _first_bad(weights)
        if broken is not None:
            return Culprit("before the step", node, broken, weights[broken], {})
        return Culprit(
            "forward", node, bad, outputs[bad], {**_read(tensors, graph, node), **weights}
        )
    return None


def _loss(tensors: StepTensors, losses: Mapping[str, Array]) -> Culprit | None:
    if np.isfinite(tensors.figures.get("loss", 0.0)):
        return None
    for output, values in losses.items():
        if not _is_finite(values):
            read = _outputs(tensors, output.split(".")[0])
            return Culprit("loss", output, f"loss of each example at {output}", values, read)
    node = next(iter(losses))
    return Culprit("loss", node, "loss", np.array(tensors.figures["loss"]), {})


def _backward(tensors: StepTensors, graph: OpGraph, losses: Mapping[str, Array]) -> Culprit | None:
    for node in reversed(graph.order):
        at_outputs = _outputs(tensors, node, ".grad")
        bad = _first_bad(at_outputs)
        if bad is not None:
            return _passed_back(tensors, graph, losses, node, at_outputs[bad], bad)
        weights = _weights(tensors, node, ".grad")
        bad = _first_bad(weights)
        if bad is not None:
            read = {**at_outputs, **_read(tensors, graph, node)}
            return Culprit("backward", node, bad, weights[bad], read)
    return None


def _passed_back(
    tensors: StepTensors,
    graph: OpGraph,
    losses: Mapping[str, Array],
    node: str,
    array: Array,
    name: str,
) -> Culprit:
    """Who handed a node a gradient that is not finite: what reads it, or the loss."""
    readers = dict.fromkeys(edge.target for edge in graph.edges_from(node))
    for reader in readers:
        handed = _outputs(tensors, reader, ".grad")
        if handed:
            read = {**handed, **_read(tensors, graph, reader), **_weights(tensors, reader)}
            return Culprit("backward", reader, name, array, read)
    at = node if node in losses else next(iter(losses), node)
    return Culprit("backward", at, name, array, _outputs(tensors, node))


def _update(tensors: StepTensors, graph: OpGraph) -> Culprit | None:
    for node in graph.order:
        for name, array in _weights(tensors, node, ".after").items():
            if not _is_finite(array):
                own = name.removesuffix(".after")
                words = (own, f"{own}.grad", f"{own}.update")
                read = {n: x for n, x in _named(tensors, node).items() if n in words}
                return Culprit("update", node, name, array, read)
    return None


def _told(replay: Replay, tensors: StepTensors, graph: OpGraph, found: Culprit) -> Autopsy:
    node = graph[found.node.split(".")[0]]
    read = {name: tensor_facts(array) for name, array in found.read.items()}
    facts = tensor_facts(found.array)
    evidence = Evidence(
        found.phase, node, found.tensor, found.array, found.read, facts, read,
        tensors.figures.get("learning_rate"), replay.record.info.dtype_policy,
    )  # fmt: skip
    return Autopsy(
        tensors.step,
        tensors.verified,
        found.phase,
        found.node,
        node.kind.kind,
        found.tensor,
        facts,
        read,
        tuple(_elements(found, evidence.beside)),
        _examples(tensors, found),
        _past(replay.record, node.name, tensors.step),
        usual_causes(evidence),
    )


def _elements(found: Culprit, beside: Named) -> Iterator[Element]:
    wide = as_numbers(found.array)
    for place in np.argwhere(~np.isfinite(wide))[:ELEMENTS]:
        index = tuple(int(i) for i in place)
        made_from = {name: float(array[index]) for name, array in beside.items()}
        yield Element(index, float(wide[index]), made_from)


def _examples(tensors: StepTensors, found: Culprit) -> tuple[int, ...]:
    """The examples concerned: the first axis of an output is that of the batch."""
    indices, array = tensors.indices, found.array
    per_example = found.phase in ("forward", "loss") and array.ndim > 0
    if indices is None or not per_example or len(array) != len(indices):
        return ()
    rows = ~np.isfinite(as_numbers(array)).reshape(len(array), -1).all(axis=1)
    return tuple(int(i) for i in indices[rows][:ELEMENTS])


def _past(record: Record, node: str, step: int) -> tuple[str, tuple[tuple[int, float], ...]]:
    """How the output of a node grew up to a step."""
    if node not in {site.node for site in record.survey.of("output")}:
        return "", ()
    table = record.table("output", nodes=node, steps=range(max(1, step - PAST), step + 1))
    quantity = next((name for name in WORTH if name in table.column_names), "")
    if not quantity:
        return "", ()
    rows = table.filter(np.asarray(table["port"]) == 0).to_pylist()
    return quantity, tuple(
        (row["step"], row[quantity]) for row in rows if row[quantity] is not None
    )


def _named(tensors: StepTensors, node: str) -> dict[str, Array]:
    found = ((name, x) for name, x in tensors.arrays.items() if name.node == node)
    return {str(name): array for name, array in found if array is not None}


def _outputs(tensors: StepTensors, node: str, of: str = "") -> dict[str, Array]:
    """The outputs of a node, port by port, or the gradients at them."""
    found: dict[str, Array] = {}
    for port in range(len(tensors.arrays)):
        name = output_name(node, port)
        if name not in tensors.arrays:
            break
        name = TensorName(node, f"{name.what}{of}")
        array = tensors.arrays.get(name)
        if array is not None:
            found[str(name)] = array
    return found


def _read(tensors: StepTensors, graph: OpGraph, node: str) -> dict[str, Array]:
    """The outputs that a node reads."""
    names = [output_name(end.node, end.port) for end in graph.inputs(node)]
    return {str(n): x for n in names if (x := tensors.arrays.get(n)) is not None}


def _weights(tensors: StepTensors, node: str, of: str = "") -> dict[str, Array]:
    """The weights of a node before the step, or what is named of them."""
    known = {n.what for n in tensors.arrays if n.node == node}
    owns = [what for what in known if f"{what}.update" in known]
    moving = [w for w in ("moving_mean", "moving_variance") if w in known and of != ".grad"]
    names = [f"{node}.{own}{of}" for own in sorted([*owns, *moving])]
    have = _named(tensors, node)
    return {name: have[name] for name in names if name in have}


def _first_bad(arrays: Named) -> str | None:
    return next((name for name, array in arrays.items() if not _is_finite(array)), None)


def _is_finite(array: Array) -> bool:
    return array.dtype.kind in "iub" or bool(np.isfinite(as_numbers(array)).all())
