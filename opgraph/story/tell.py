"""The whole story of a step: who is followed, and the six phases in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from opgraph.analysis import Analysis
from opgraph.errors import RunError, suggest
from opgraph.graph import OpGraph
from opgraph.record import StepTensors
from opgraph.story.backward import tell_backward
from opgraph.story.forward import tell_forward
from opgraph.story.heads import head_views
from opgraph.story.initial import tell_initial
from opgraph.story.loss import tell_loss
from opgraph.story.model import PHASES, Block, Item, Phase, Story, say
from opgraph.story.moving import tell_moving
from opgraph.story.update import tell_update
from opgraph.story.view import Index, RunFacts, StepView, fits

TELLERS: Mapping[str, Callable[[StepView], Iterator[Block]]] = {
    "initial": tell_initial,
    "forward": tell_forward,
    "loss": tell_loss,
    "backward": tell_backward,
    "update": tell_update,
    "moving": tell_moving,
}


def tell_story(
    analysis: Analysis,
    tensors: StepTensors,
    facts: RunFacts,
    *,
    node: str | None = None,
    phase: str | None = None,
    example: int | None = None,
    index: Index | None = None,
) -> Story:
    """Tell how a step came to its numbers, one element of each node in full.

    Args:
        analysis: of the graph that was trained.
        tensors: everything the step computed.
        facts: of the run.
        node: tell of this node alone.
        phase: tell this phase alone.
        example: which example of the batch is followed; the one with the largest loss when left
            out.
        index: which element is worked out, in tensors of that many axes; the one with the largest
            gradient when left out.

    Raises:
        RunError: there is no such node, phase, example or element.
    """
    check_choice(analysis.graph, node, phase)
    step = StepView(analysis, tensors, facts, 0, index)
    if example is not None and not 0 <= example < step.batch:
        raise RunError(
            f"the batch has examples 0 to {step.batch - 1}, received {example}", where="example"
        )
    chosen = worst_example(step) if example is None else example
    step = replace(step, example=chosen, only=node)
    if index is not None and node is not None:
        _check_index(step, node, index)
    return tell_phases(step, PHASES if phase is None else (phase,), example)


def tell_phases(step: StepView, names: Sequence[str] = PHASES, given: int | None = None) -> Story:
    """Tell phases of a step, of the nodes and the example that the view says.

    Args:
        step: the step as it is looked at.
        names: which phases.
        given: the example, where it is not the one with the largest loss that is followed.
    """
    phases = tuple(Phase(name, tuple(TELLERS[name](step))) for name in names)
    opening = tuple(_opening(step, given))
    return Story(step.tensors.step, step.example, step.tensors.verified, opening, phases)


def check_choice(graph: OpGraph, node: str | None, phase: str | None) -> None:
    """Refuse what cannot be meant.

    Raises:
        RunError: there is no such node or phase.
    """
    if node is not None and node not in graph:
        hint = suggest(node, graph.order) or f"there are: {', '.join(graph.order)}"
        raise RunError(f"no node is called {node!r}", where="node", hint=hint)
    if phase is not None and phase not in PHASES:
        hint = suggest(phase, PHASES)
        raise RunError(
            f"expected one of {', '.join(PHASES)}, received {phase!r}", where="phase", hint=hint
        )


def _check_index(step: StepView, node: str, index: Index) -> None:
    view = step.nodes[node]
    shapes = {"output": view.output.shape[1:], **{n: a.shape for n, a in view.weights.items()}}
    if not any(fits(index, shape) for shape in shapes.values()):
        known = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise RunError(
            f"no tensor of {node!r} has an element {list(index)}",
            where="index",
            hint=f"there are: {known}",
        )


def worst_example(step: StepView) -> int:
    """The example with the largest loss, where that is known; else with the largest gradient."""
    for head in head_views(step):
        if head.is_told:
            return int(np.argmax(head.losses.reshape(step.batch, -1).sum(axis=1)))
    for view in reversed(step.nodes.values()):
        if view.grad is not None:
            rows = view.grad.astype(np.float64).reshape(step.batch, -1)
            return int(np.argmax((rows**2).sum(axis=1)))
    return 0


def _opening(step: StepView, example: int | None) -> Iterator[Item]:
    tensors = step.tensors
    loss = tensors.figures.get("loss", float("nan"))
    yield say("opening.step", step=tensors.step, batch=step.batch, loss=loss)
    number = None if tensors.indices is None else int(tensors.indices[step.example])
    yield say("opening.example" if example is None else "opening.chosen", example=step.example)
    if number is not None:
        yield say("opening.data", number=number)
    yield say("opening.checks")
    yield say("opening.rest")
