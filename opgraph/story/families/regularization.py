"""Layers that disturb training on purpose."""

from __future__ import annotations

from collections.abc import Iterator

from opgraph.story.checks import epsilon, worked
from opgraph.story.formula import Fraction, Minus, Num, Sym, add, times
from opgraph.story.kinds import backward, forward
from opgraph.story.model import Item, say
from opgraph.story.view import NodeView, named


@forward("Dropout")
def tell_dropout(view: NodeView) -> Iterator[Item]:
    """Which units were dropped, and how the others are scaled."""
    mask, rate = view.own("mask"), float(view.op.rate)
    if mask is None or not rate:
        yield say("forward.dropout_off")
        return
    kept = mask[view.step.example].astype(bool)
    dropped = [",".join(map(str, at)) for at in zip(*(~kept).nonzero(), strict=True)]
    more = len(dropped) - 24
    yield say(
        "forward.dropout",
        rate=rate,
        dropped=len(dropped),
        size=kept.size,
        expected=rate * kept.size,
    )
    if dropped:
        listed = ", ".join(dropped[:24]) + (f", ... (+{more})" if more > 0 else "")
        yield say("forward.dropped", example=view.step.example, units=listed)
    yield say("forward.dropout_why", rate=rate)
    here = view.here
    yield worked(
        named(view.name, "output", here),
        Fraction(times(Sym("x"), Sym("kept")), add(Num(1), Minus(Sym("rate")))),
        _scaled(float(view.read()[here]), bool(mask[here]), rate),
        recorded=float(view.output[here]),
        independent=view.independent(here),
        terms=2,
        unit=view.unit,
    )


def _scaled(value: float, kept: bool, rate: float) -> Fraction:
    return Fraction(times(Num(value), Num(float(kept))), add(Num(1), Minus(Num(rate))))


@backward("Dropout")
def tell_dropout_backward(view: NodeView) -> Iterator[Item]:
    """The gradient goes where the number went."""
    mask, rate = view.own("mask"), float(view.op.rate)
    if view.grad is None or view.input_grad() is None or mask is None:
        yield say("backward.by_reference")
        return
    here = view.here
    yield say("backward.dropout")
    yield worked(
        named(str(view.reads[0]), "output.grad", here),
        Fraction(times(Sym("grad"), Sym("kept")), add(Num(1), Minus(Sym("rate")))),
        _scaled(float(view.grad[here]), bool(mask[here]), rate),
        recorded=view.recorded_input_grad(0, here),
        independent=view.pulled_input(0, here),
        terms=2,
        unit=max(epsilon(view.grad), view.unit),
    )
