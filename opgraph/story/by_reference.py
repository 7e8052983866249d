"""Recorded numbers beside independent ones, for ops or parts whose formula is not written out.

Owns that form of telling, and how far such numbers may differ; knows no op.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

import numpy as np

from opgraph.record import Array, output_name
from opgraph.reference import penalty
from opgraph.story.checks import epsilon, tolerance, worked
from opgraph.story.formula import Num
from opgraph.story.model import Item, Table, say
from opgraph.story.view import NodeView, largest, named

L1_L2 = ("l1", "l2")


def depth(view: NodeView) -> int:
    """How many operations stand behind one number of the output."""
    flops = view.facts.flops or 1
    return max(16, flops // max(1, view.output[0].size))


def typical(array: Array) -> float:
    """The usual size of the numbers of an array, at least that of the largest by a tenth."""
    wide = np.abs(array.astype(np.float64))
    return float(max(np.sqrt((wide**2).mean()), wide.max() / 10))


def output_beside(view: NodeView) -> Iterator[Item]:
    """The recorded number beside the independent one, where the formula is not written out."""
    value, recorded = view.independent(view.here), float(view.output[view.here])
    if value is None:
        yield say(
            "forward.recorded_only",
            kind=view.kind,
            element=named(view.name, "output", view.here),
            recorded=recorded,
        )
        return
    yield say("forward.by_reference", kind=view.kind)
    yield worked(
        named(view.name, "output", view.here),
        None,
        Num(value),
        recorded=recorded,
        independent=value,
        terms=depth(view),
        scale=typical(view.output[view.step.example]),
        unit=view.unit,
    )
    yield from _on_the_way(view)


def _on_the_way(view: NodeView) -> Iterator[Item]:
    """What the reference found inside the op, such as gates and scores, which nobody records."""
    parts = {} if view.computed is None else view.computed.parts
    rows = tuple(
        (name, " × ".join(map(str, part.shape)), float(part.min()), float(part.max()),
         float(part.mean()))
        for name, part in parts.items()
        if part.size
    )  # fmt: skip
    if rows:
        names = ("part", "shape", "smallest", "largest", "mean")
        columns = tuple(say(f"column.{name}") for name in names)
        yield Table(say("forward.parts", kind=view.kind), columns, rows)


def gradients_beside(view: NodeView, told: Collection[str] | None = None) -> Iterator[Item]:
    """Recorded gradients beside independent ones.

    Args:
        view: the node.
        told: weights whose gradients are told elsewhere; None where nothing is told.
    """
    found = [*_at_inputs(view), *_at_weights(view, told or ())]
    if told is None:
        yield say("backward.by_reference" if found else "backward.recorded_only", kind=view.kind)
    elif found:
        yield say("backward.others")
    yield from found


def _at_inputs(view: NodeView) -> Iterator[Item]:
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
            terms=depth(view),
            scale=float(np.abs(array).max()),
            unit=view.unit_at(slot),
        )


def _at_weights(view: NodeView, told: Collection[str]) -> Iterator[Item]:
    for name in view.weights:
        grad = view.trained(name)
        if grad is None or name in told:
            continue
        at = view.weight_at(name)
        shares = view.pulled_shares(name, at)
        if shares is None or view.owner != view.name:
            continue
        held = penalty(np.array(view.weights[name][at]), **held_down(view, name))[1]
        value = math.fsum((*shares.values(), float(held)))
        yield worked(
            named(view.name, f"{name}.grad", at),
            None,
            Num(value),
            recorded=float(grad[at]),
            independent=value,
            terms=depth(view) * view.step.batch,
            scale=largest_gradient(view),
            unit=max(epsilon(grad), view.unit),
        )


def largest_gradient(view: NodeView) -> float:
    """The largest gradient of the node's weights.

    A gradient that is 0 but for rounding, as at the bias of attention's keys, is as exact as the
    others of the node.
    """
    known = [np.abs(grad) for grad in map(view.trained, view.weights) if grad is not None]
    return max((float(grad[np.isfinite(grad)].max(initial=0)) for grad in known), default=0.0)


def inherited(view: NodeView) -> float:
    """How far a weight's gradient may be off because of what was computed inside the node."""
    size, unit = largest_gradient(view), view.unit
    return tolerance(depth(view) * view.step.batch, size, size, unit)


def held_down(view: NodeView, weight: str) -> dict[str, float]:
    """How strongly a weight is held down: `l1` and `l2`, 0 without a regulariser."""
    name = weight.rpartition("/")[2].replace("recurrent_kernel", "recurrent")
    op = getattr(view.op, "inner", view.op)
    if weight.startswith("backward_"):
        op = getattr(view.op, "backward", None) or op
    given = getattr(op, f"{name}_regularizer", None)
    if isinstance(given, str):
        return {key: 0.01 if given.lower() in (key, "l1l2", "l1_l2") else 0.0 for key in L1_L2}
    config = given.get("config", {}) if isinstance(given, dict) else {}
    return {key: float(config.get(key) or 0) for key in L1_L2}
