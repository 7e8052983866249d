"""The fourth phase: how the gradient comes back, from the loss to the first node."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from opgraph.story.by_reference import gradients_beside
from opgraph.story.checks import epsilon, worked
from opgraph.story.formula import Num, Sum, Sym
from opgraph.story.forward import step_output
from opgraph.story.kinds import BACKWARD
from opgraph.story.loss import tell_first_gradient
from opgraph.story.model import Block, Item, Sentence, say
from opgraph.story.view import NodeView, StepView, named


def tell_backward(step: StepView) -> Iterator[Block]:
    """The first gradient, then a block for each node, in reverse."""
    yield from tell_first_gradient(step)
    for view in reversed(step.told):
        yield Block(view.name, view.kind, tuple(_told(view)), view.node.label)


def _told(view: NodeView) -> Iterator[Item]:
    if step_output(view) is None:
        return
    yield from _incoming(view)
    if view.grad is not None and not view.grad.any():
        yield say("backward.zero")
    for slot in range(len(view.reads)):
        if view.input_grad(slot) is None and view.grad is not None:
            yield say("backward.not_connected", source=str(view.reads[slot]))
    teller = BACKWARD.get(view.kind)
    items = [say("backward.by_reference")] if teller is None else teller(view)
    for item in items:
        if isinstance(item, Sentence) and item.key == "backward.by_reference":
            yield from gradients_beside(view)
        else:
            yield item


def _incoming(view: NodeView) -> Iterator[Item]:
    """What arrives at the node's output; where several read it, the sum of what they send."""
    if view.grad is None:
        return
    here = view.here
    yield say(
        "backward.incoming",
        element=named(view.name, "output.grad", here),
        value=float(view.grad[here]),
    )
    edges = [e for e in view.step.analysis.graph.edges_from(view.name) if e.port == 0]
    if len(edges) > 1:
        parts = [view.step.nodes[edge.target].pulled_input(edge.slot, here) for edge in edges]
        names = [edge.target for edge in edges]
        yield say("backward.joined", count=len(edges), readers=names)
        if all(part is not None for part in parts) and not _is_head(view):
            yield worked(
                named(view.name, "output.grad", here),
                Sum(tuple(Sym(f"grad({edge.target})") for edge in edges)),
                Sum(tuple(Num(part or 0.0) for part in parts)),
                recorded=float(view.grad[here]),
                terms=64,
                scale=float(np.linalg.norm(np.array(parts, float))),
                unit=max(epsilon(view.grad), view.unit),
            )


def _is_head(view: NodeView) -> bool:
    return any(head["output"] == view.name for head in view.step.facts.heads)
