"""The fourth phase: how the gradient comes back, from the loss to the first node."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from opgraph.record import output_name
from opgraph.story.checks import epsilon, worked
from opgraph.story.formula import Num, Sum, Sym
from opgraph.story.forward import step_output
from opgraph.story.kinds import BACKWARD
from opgraph.story.loss import tell_first_gradient
from opgraph.story.model import Block, Item, Sentence, say
from opgraph.story.view import NodeView, StepView, largest, named


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
            yield from _by_reference(view)
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


def _by_reference(view: NodeView) -> Iterator[Item]:
    """Recorded gradients beside independent ones, where the formula is not written out."""
    found = [*_inputs_by_reference(view), *_weights_by_reference(view)]
    yield say("backward.by_reference" if found else "backward.recorded_only", kind=view.kind)
    yield from found


def _inputs_by_reference(view: NodeView) -> Iterator[Item]:
    for slot, end in enumerate(view.reads):
        grad = view.input_grad(slot)
        if grad is None:
            continue
        at = (view.step.example, *largest(grad[view.step.example]))
        value = view.pulled_input(slot, at)
        if value is None:
            continue
        array = grad[view.step.example].astype(np.float64)
        yield worked(
            str(named(output_name(end.node, end.port).node, "output.grad", at)),
            None,
            Num(value),
            recorded=view.recorded_input_grad(slot, at),
            independent=value,
            terms=_depth(view),
            scale=float(np.abs(array).max()),
            unit=max(epsilon(grad), view.unit),
        )


def _weights_by_reference(view: NodeView) -> Iterator[Item]:
    # A gradient that is 0 but for rounding, as at the bias of attention's keys, is as exact as the
    # other gradients of the node.
    known = [grad for grad in map(view.trained, view.weights) if grad is not None and grad.size]
    size = max((float(np.abs(grad.astype(np.float64)).max()) for grad in known), default=0.0)
    for name in view.weights:
        grad = view.trained(name)
        if grad is None:
            continue
        at = view.weight_at(name)
        shares = view.pulled_shares(name, at)
        if shares is None or view.owner != view.name:
            continue
        value = math.fsum(shares.values())
        yield worked(
            named(view.name, f"{name}.grad", at),
            None,
            Num(value),
            recorded=float(grad[at]),
            independent=value,
            terms=_depth(view) * view.step.batch,
            scale=size,
            unit=max(epsilon(grad), view.unit),
        )


def _depth(view: NodeView) -> int:
    flops = view.facts.flops or 1
    return max(16, flops // max(1, view.output[0].size))
