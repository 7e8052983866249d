"""Ops that only move numbers: where a number came from is asked of the reference itself."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from opgraph.errors import OpgraphError
from opgraph.reference import Given, compute, has_reference
from opgraph.story.checks import epsilon, worked
from opgraph.story.formula import Num, Sym
from opgraph.story.kinds import backward, forward
from opgraph.story.model import Item, say
from opgraph.story.view import Index, NodeView, named

KINDS = (
    "Flatten",
    "Reshape",
    "Permute",
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
    "RepeatVector",
    "Identity",
)


def _origin(view: NodeView) -> Index | None:
    """Where the chosen number came from; None if it is padding, or cannot be told."""
    if not has_reference(view.kind):
        return None
    shape = view.read().shape[1:]
    places = np.arange(1, np.prod(shape, dtype=int) + 1, dtype=np.float64).reshape(1, *shape)
    try:
        moved = compute(Given(op=view.op, inputs=(places,), weights={})).outputs[0]
    except OpgraphError:
        return None
    number = int(moved[(0, *view.at)])
    if not number:
        return None
    return (view.step.example, *(int(i) for i in np.unravel_index(number - 1, shape)))


@forward(*KINDS)
def tell_moved(view: NodeView) -> Iterator[Item]:
    """Where a number came from."""
    at = _origin(view)
    if at is None:
        yield say("forward.by_reference")
        return
    yield say("forward.moved", before=view.read().shape[1:], after=view.output.shape[1:])
    yield worked(
        named(view.name, "output", view.here),
        Sym(named(str(view.reads[0]), "output", at)),
        Num(float(view.read()[at])),
        recorded=float(view.output[view.here]),
        independent=view.independent(view.here),
        unit=view.unit,
    )


@backward(*KINDS)
def tell_moved_backward(view: NodeView) -> Iterator[Item]:
    """The gradient goes back to where the number came from."""
    at = _origin(view)
    if at is None or view.grad is None or view.input_grad() is None or view.kind == "RepeatVector":
        yield say("backward.by_reference")
        return
    yield say("backward.moved", source=str(view.reads[0]))
    yield worked(
        named(str(view.reads[0]), "output.grad", at),
        Sym("grad"),
        Num(float(view.grad[view.here])),
        recorded=view.recorded_input_grad(0, at),
        independent=view.pulled_input(0, at),
        unit=max(epsilon(view.grad), view.unit),
    )
