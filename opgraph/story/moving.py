"""The sixth phase: what batch normalisation keeps for later, when there is no batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from opgraph.record import Array
from opgraph.story.checks import worked
from opgraph.story.formula import Expr, Fraction, Minus, Num, Power, Sym, add, evaluate, root, times
from opgraph.story.model import Block, Item, say
from opgraph.story.view import NodeView, StepView, named

PAIRS = (("moving_mean", "batch_mean"), ("moving_variance", "batch_variance"))


def tell_moving(step: StepView) -> Iterator[Block]:
    """A block for each batch normalisation."""
    for view in step.told:
        if view.own("moving_mean") is not None:
            yield Block(view.name, view.kind, tuple(_told(view)), view.node.label)


def _told(view: NodeView) -> Iterator[Item]:
    if view.own("batch_mean") is None:
        yield say("moving.frozen")
        return
    channel = view.here[view.op.axis % view.output.ndim]
    momentum = float(view.op.momentum)
    yield say("moving.why", momentum=momentum, channel=channel)
    for name, batch in PAIRS:
        yield from _moved(view, name, batch, channel, momentum)
    yield from _left(view, momentum)
    yield from _inference(view, channel)


def _moved(view: NodeView, name: str, batch: str, channel: int, momentum: float) -> Iterator[Item]:
    before, after, fresh = view.own(name), view.own(f"{name}.after"), view.own(batch)
    assert before is not None
    assert after is not None
    assert fresh is not None
    rows = fresh if fresh.ndim > 1 else fresh[None]
    old, keep = float(before[channel]), Num(momentum)
    symbols = add(
        times(Sym("momentum"), Sym("old")), times(add(Num(1), Minus(Sym("momentum"))), Sym("batch"))
    )
    for at, row in enumerate(rows):
        new = float(row[channel])
        line: Expr = add(times(keep, Num(old)), times(add(Num(1), Minus(keep)), Num(new)))
        is_last = at == len(rows) - 1
        known = float(after[channel]) if is_last and not view.is_shared else None
        yield worked(
            named(view.name, f"{name}.after" if is_last else f"{name}.{at}", (channel,)),
            symbols,
            line,
            recorded=known,
            independent=_opinion(view, name, channel) if len(rows) == 1 else None,
            terms=2 + len(rows),
            scale=abs(old) + abs(new),
            unit=view.unit,
        )
        old = evaluate(line)


def _opinion(view: NodeView, name: str, channel: int) -> float | None:
    found: Array | None = None if view.computed is None else view.computed.moved.get(name)
    return None if found is None else float(np.ravel(found)[channel])


def _left(view: NodeView, momentum: float) -> Iterator[Item]:
    """How much of the value from before training is still in it."""
    steps = view.step.tensors.step * len(view.step.parts)
    yield say("moving.left", steps=steps)
    yield worked(
        f"{view.name}.initial_share",
        Power(Sym("momentum"), Sym("steps")),
        Power(Num(momentum), Num(steps)),
    )


def _inference(view: NodeView, channel: int) -> Iterator[Item]:
    """What the same number would become outside training, with the new moving statistics."""
    mean, variance = view.own("moving_mean.after"), view.own("moving_variance.after")
    assert mean is not None
    assert variance is not None
    x = float(view.read()[view.here])
    yield say("moving.inference", used=float(view.output[view.here]))
    spread = Fraction(
        add(Num(x), Minus(Num(float(mean[channel])))),
        root(add(Num(float(variance[channel])), Num(float(view.op.epsilon)))),
    )
    parameters = [view.trained(name, "after") for name in ("gamma", "beta")]
    expression: Expr = spread
    if parameters[0] is not None:
        expression = times(Num(float(parameters[0][channel])), expression)
    if parameters[1] is not None:
        expression = add(expression, Num(float(parameters[1][channel])))
    yield worked(named(view.name, "inference", view.here), None, expression)
