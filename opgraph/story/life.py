"""The life of one number: an element of a weight or of an output, step by step.

Owns which element is meant and what is noted of each step; how it is told is `follow`'s to know.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from opgraph.analysis import Analysis
from opgraph.errors import RunError, suggest
from opgraph.record import StepTensors
from opgraph.story.view import Index, NodeView, RunFacts, StepView

_ELEMENT = re.compile(r"\s*(?P<name>[^\[\]]+?)\s*(\[(?P<at>[\d,\s]*)\])?\s*")
EXAMPLES = {"weight": "conv2d_1/kernel[1,1,0,5]", "output": "relu_2[0,3,3,7]"}
NO_SLOTS = ("grad", "update", "after")


@dataclass(frozen=True)
class Element:
    """One number of a network.

    Attributes:
        node: the node.
        weight: which of its weights; None for its output.
        at: where it stands; in an output the example of the batch comes first.
    """

    node: str
    weight: str | None
    at: Index

    def __str__(self) -> str:
        name = self.node if self.weight is None else f"{self.node}/{self.weight}"
        return f"{name}[{', '.join(map(str, self.at))}]" if self.at else name


@dataclass(frozen=True)
class Moment:
    """What became of the number in one step.

    Attributes:
        step: number of the step.
        value: of a weight before the update.
        gradient: of the loss; None where there is none.
        change: what the update adds to a weight; of an output the distance from the step before,
            None at the first step.
        slots: of the optimizer, after the update.
        number: of an output the example's number in the training data, where it is known.
    """

    step: int
    value: float
    gradient: float | None
    change: float | None
    slots: Mapping[str, float] = field(default_factory=dict[str, float])
    number: int | None = None


@dataclass(frozen=True, eq=False)
class Life:
    """One number over some steps.

    Attributes:
        element: which.
        moments: in the order of the steps.
        most: the step in which it changed most, with all its tensors.
        verified: whether all steps are proved to be those recorded.
    """

    element: Element
    moments: Sequence[Moment]
    most: StepView
    verified: bool

    @property
    def peak(self) -> Moment:
        """What became of it in the step in which it changed most."""
        return next(moment for moment in self.moments if moment.step == self.most.tensors.step)

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the optimizer's slots."""
        return tuple(dict.fromkeys(name for moment in self.moments for name in moment.slots))


def read_element(
    analysis: Analysis, text: str, *, is_output: bool = False, batch: int | None = None
) -> Element:
    """The element that a text means, such as `conv2d_1/kernel[1,1,0,5]`.

    Args:
        analysis: of the graph.
        text: node, weight and place; for an output node, example and place.
        is_output: whether an output is meant.
        batch: examples of a batch, where they are known.

    Raises:
        RunError: it cannot be read, or there is no such node, weight or element.
    """
    kind = "output" if is_output else "weight"
    found = _ELEMENT.fullmatch(text)
    if found is None:
        example = EXAMPLES[kind]
        raise RunError(f"expected an element such as {example}, received {text!r}", where=kind)
    words = [word.strip() for word in (found["at"] or "").split(",") if word.strip()]
    at = tuple(int(word) for word in words)
    node, weight = _split(analysis, found["name"], is_output)
    if weight is None:
        shape: Sequence[Any] = (batch, *(analysis[node].output or ()))
    else:
        shape = _shape(analysis, node, weight)
    _check_place(text, at, shape)
    return Element(node, weight, at)


def _split(analysis: Analysis, name: str, is_output: bool) -> tuple[str, str | None]:
    graph = analysis.graph
    if is_output:
        return (name, None) if name in graph else _no_node(name, graph.order)
    for cut in reversed([place for place, letter in enumerate(name) if letter == "/"]):
        if name[:cut] in graph:
            return name[:cut], name[cut + 1 :]
    if name in graph:
        listed = ", ".join(f"{name}/{weight}" for weight in analysis[name].weights or ())
        problem = f"say which weight of {name!r} is meant"
        hint = f"there are: {listed}" if listed else "it has none; --output follows what it gives"
        raise RunError(problem, where=name, hint=hint)
    return _no_node(name.partition("/")[0], graph.order)


def _no_node(name: str, known: Sequence[str]) -> NoReturn:
    hint = suggest(name, known) or f"there are: {', '.join(known)}"
    raise RunError(f"no node is called {name!r}", where="node", hint=hint)


def _shape(analysis: Analysis, node: str, weight: str) -> Sequence[Any]:
    known = analysis[node].weights or {}
    if weight not in known:
        near = suggest(weight, known)
        listed = f"there are: {', '.join(known)}" if known else "it has no weights"
        raise RunError(f"{node!r} has no weight {weight!r}", where=node, hint=near or listed)
    return known[weight].shape


def _check_place(text: str, at: Index, shape: Sequence[int | None]) -> None:
    sizes = " x ".join("?" if size is None else str(size) for size in shape) or "a single number"
    if len(at) != len(shape):
        problem = f"expected {len(shape)} numbers in brackets, received {len(at)}"
        raise RunError(problem, where=text, hint=f"the shape is {sizes}")
    for axis, (place, size) in enumerate(zip(at, shape, strict=True)):
        if size is not None and place >= size:
            problem = f"axis {axis} has places 0 to {size - 1}, received {place}"
            raise RunError(problem, where=text, hint=f"the shape is {sizes}")


def live(
    steps: Iterable[StepTensors], analysis: Analysis, facts: RunFacts, element: Element
) -> Life:
    """Note what became of a number in some steps; one pass, holding one step at a time.

    Args:
        steps: their tensors, in order; at least one.
        analysis: of the graph.
        facts: of the run.
        element: which number.

    Raises:
        RunError: a batch has no such example, or the weight is not among the tensors.
    """
    moments: list[Moment] = []
    most, size, verified = None, -1.0, True
    for tensors in steps:
        step = StepView(analysis, tensors, facts, index=_index(element), only=element.node)
        if element.weight is None:
            moment = _of_output(step, element, moments[-1] if moments else None)
        else:
            moment = _of_weight(step.nodes[element.node], element, element.weight)
        moments.append(moment)
        verified &= tensors.verified
        change = abs(moment.change or 0.0)
        if math.isfinite(change) and change > size:
            most, size = step, change
        most = most or step
    assert most is not None
    return Life(element, moments, most, verified)


def _index(element: Element) -> Index:
    return element.at[1:] if element.weight is None else element.at


def _of_output(step: StepView, element: Element, last: Moment | None) -> Moment:
    view, tensors = step.nodes[element.node], step.tensors
    if element.at[0] >= step.batch:
        raise RunError(
            f"the batch has examples 0 to {step.batch - 1}, received {element.at[0]}",
            where=f"step {tensors.step}, {element}",
        )
    value = float(view.output[element.at])
    return Moment(
        tensors.step,
        value,
        None if view.grad is None else float(view.grad[element.at]),
        None if last is None else value - last.value,
        number=None if tensors.indices is None else int(tensors.indices[element.at[0]]),
    )


def _of_weight(view: NodeView, element: Element, weight: str) -> Moment:
    if weight not in view.weights:
        where = f"step {view.step.tensors.step}, {element}"
        raise RunError("the weight is not among the tensors of the step", where=where)
    at, value = element.at, float(view.weights[weight][element.at])
    gradient, update = view.trained(weight), view.trained(weight, "update")
    after = view.trained(weight, "after")
    if update is not None:
        change = float(update[at])
    else:
        change = None if after is None else float(after[at]) - value
    return Moment(
        view.step.tensors.step,
        value,
        None if gradient is None else float(gradient[at]),
        change,
        {name: float(array[at]) for name, array in _slots(view, weight).items()},
    )


def _slots(view: NodeView, weight: str) -> dict[str, Any]:
    """The optimizer's slots of a weight after the update, that have a number for each element."""
    nested, _, last = f"{view.owner}/{weight}".rpartition("/")
    shape, found = view.weights[weight].shape, dict[str, Any]()
    for name, array in view.step.tensors.arrays.items():
        kind, _, slot = name.what.partition(".")
        if (name.node, kind) != (nested, last) or not slot or "." in slot or slot in NO_SLOTS:
            continue
        if array is not None and array.shape == shape:
            found[slot] = array
    return found
