"""Ops that bring several branches together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from opgraph.record import Array
from opgraph.story.checks import epsilon, norm, worked
from opgraph.story.formula import Call, Expr, Fraction, Minus, Num, Product, Sum, Sym
from opgraph.story.kinds import backward, forward
from opgraph.story.model import Item, say
from opgraph.story.terms import numbers
from opgraph.story.view import Index, NodeView, named

KINDS = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")


def merged(kind: str, terms: tuple[Expr, ...]) -> Expr:
    """What a merge makes of the numbers of its branches."""
    first, *rest = terms
    table: dict[str, Expr] = {
        "Add": Sum(terms),
        "Subtract": Sum((first, *(Minus(term) for term in rest))),
        "Multiply": Product(terms),
        "Average": Fraction(Sum(terms), Num(len(terms))),
        "Maximum": Call("max", terms),
        "Minimum": Call("min", terms),
    }
    return table[kind]


def stretched(at: Index, array: Array) -> Index:
    """Where an input of its own shape is read for an element of the output."""
    tail = at[1:] if array.ndim == len(at) else at[len(at) - array.ndim + 1 :]
    inside = tuple(0 if size == 1 else i for i, size in zip(tail, array.shape[1:], strict=True))
    return (at[0], *inside)


@forward(*KINDS)
def tell_merge(view: NodeView) -> Iterator[Item]:
    """One number of each branch, and what is made of them."""
    arrays = [view.read(slot) for slot in range(len(view.reads))]
    values = [float(array[stretched(view.here, array)]) for array in arrays]
    yield say("forward.merge", kind=view.kind, sources=list(map(str, view.reads)))
    yield worked(
        named(view.name, "output", view.here),
        merged(view.kind, tuple(Sym(str(end)) for end in view.reads)),
        merged(view.kind, tuple(Num(value) for value in values)),
        recorded=float(view.output[view.here]),
        independent=view.independent(view.here),
        terms=len(values),
        scale=norm(values) if view.kind != "Multiply" else None,
        unit=view.unit,
    )


@backward(*KINDS)
def tell_merge_backward(view: NodeView) -> Iterator[Item]:
    """What each branch gets of the gradient."""
    if view.grad is None:
        yield say("backward.none")
        return
    yield say(f"backward.{view.kind.lower()}")
    for slot in range(len(view.reads)):
        if view.input_grad(slot) is not None:
            yield from _branch(view, slot)


def _branch(view: NodeView, slot: int) -> Iterator[Item]:
    assert view.grad is not None
    array = view.read(slot)
    if array.shape != view.output.shape:
        if view.kind in ("Multiply", "Add", "Subtract"):
            yield from _stretched_branch(view, slot)
        return
    here = view.here
    values = [float(view.read(s)[stretched(here, view.read(s))]) for s in range(len(view.reads))]
    grad = Num(float(view.grad[here]))
    expression = _slope(view.kind, slot, values, grad)
    if not view.is_only_reader(slot):
        yield say("backward.one_of_several", source=view.reads[slot].node)
    yield worked(
        named(str(view.reads[slot]), "output.grad", here),
        None,
        expression,
        recorded=view.recorded_input_grad(slot, here),
        independent=view.pulled_input(slot, here),
        terms=len(values),
        unit=max(epsilon(view.grad), view.unit),
        tie=len(set(values)) < len(values),
    )


def _slope(kind: str, slot: int, values: list[float], grad: Num) -> Expr:
    others = tuple(Num(value) for i, value in enumerate(values) if i != slot)
    if kind == "Multiply":
        return Product((grad, *others))
    if kind == "Average":
        return Fraction(grad, Num(len(values)))
    if kind == "Subtract" and slot:
        return Product((grad, Num(-1)))
    if kind in ("Maximum", "Minimum"):
        best = max(values) if kind == "Maximum" else min(values)
        return Product((grad, Num(float(values[slot] == best))))
    return Product((grad, Num(1)))


def _stretched_branch(view: NodeView, slot: int) -> Iterator[Item]:
    """A branch that was stretched gets the sum over all places that it was stretched to."""
    assert view.grad is not None
    at = view.input_at(slot)
    array = view.read(slot)
    grad = np.asarray(view.grad[at[0]], np.float64)
    for other in range(len(view.reads)):
        if other != slot and view.kind == "Multiply":
            grad = grad * view.read(other)[at[0]].astype(np.float64)
    if view.kind == "Subtract" and slot:
        grad = -grad
    inside = (None,) * (grad.ndim - len(at[1:])) + at[1:]
    sizes = (1,) * (grad.ndim - len(at[1:])) + array.shape[1:]
    index = tuple(slice(None) if size == 1 else i for i, size in zip(inside, sizes, strict=True))
    told = numbers(grad[index])
    yield say("backward.stretched", source=str(view.reads[slot]), places=told.terms)
    yield worked(
        named(str(view.reads[slot]), "output.grad", at),
        None,
        told.numbers,
        recorded=view.recorded_input_grad(slot, at),
        independent=view.pulled_input(slot, at),
        terms=told.terms,
        scale=told.scale,
        unit=max(epsilon(view.grad), view.unit),
    )


@forward("Concatenate")
def tell_concatenate(view: NodeView) -> Iterator[Item]:
    """Which branch a number comes from."""
    slot, at = _origin(view)
    value = float(view.read(slot)[at])
    yield say("forward.concatenate", source=str(view.reads[slot]), place=at[1:])
    yield worked(
        named(view.name, "output", view.here),
        Sym(named(str(view.reads[slot]), "output", at)),
        Num(value),
        recorded=float(view.output[view.here]),
        independent=view.independent(view.here),
        unit=view.unit,
    )


def _origin(view: NodeView) -> tuple[int, Index]:
    axis = view.op.axis % view.output.ndim
    left, slot = view.here[axis], 0
    for slot in range(len(view.reads)):
        size = view.read(slot).shape[axis]
        if left < size:
            break
        left -= size
    return slot, (*view.here[:axis], left, *view.here[axis + 1 :])


@backward("Concatenate")
def tell_concatenate_backward(view: NodeView) -> Iterator[Item]:
    """The gradient goes back to where the number came from."""
    if view.grad is None:
        yield say("backward.none")
        return
    slot, at = _origin(view)
    yield say("backward.moved", source=str(view.reads[slot]))
    yield worked(
        named(str(view.reads[slot]), "output.grad", at),
        Sym("grad"),
        Num(float(view.grad[view.here])),
        recorded=view.recorded_input_grad(slot, at),
        independent=view.pulled_input(slot, at),
        unit=max(epsilon(view.grad), view.unit),
    )
