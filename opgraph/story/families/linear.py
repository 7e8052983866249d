"""What all weighted sums share: the gradients at the input, the kernel and the bias.

Owns how they are told for layers that multiply and add; a family says which numbers meet.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from opgraph.record import Array
from opgraph.reference import penalty
from opgraph.story.by_reference import held_down
from opgraph.story.checks import epsilon, largest_partial, worked
from opgraph.story.formula import Expr, Num, Over, Product, Sum, Sym, times
from opgraph.story.model import Item, Table, Worked, say
from opgraph.story.terms import LARGEST, Told, numbers
from opgraph.story.view import Index, NodeView, named

PLACES = 5


def pulled_back(
    view: NodeView, at: Index, formula: Expr, told: Told, slot: int = 0
) -> Iterator[Item]:
    """What a node hands back to one number that it read, beside what was recorded there."""
    if told.rest:
        yield say("forward.rest", shown=told.terms - told.rest, rest=told.rest)
    if not view.is_only_reader(slot):
        yield say("backward.one_of_several", source=view.reads[slot].node)
    yield worked(
        named(str(view.reads[slot]), "output.grad", at),
        formula,
        told.numbers,
        recorded=view.recorded_input_grad(slot, at),
        independent=view.pulled_input(slot, at),
        terms=told.terms,
        scale=told.scale,
        unit=view.unit_at(slot),
    )


def before_normalisation(view: NodeView) -> bool:
    """Whether only a batch normalisation reads the node, which takes its bias away again."""
    edges = view.step.analysis.graph.edges_from(view.name)
    readers = [view.step.nodes[edge.target] for edge in edges]
    return bool(readers) and all(reader.couples for reader in readers)


def kernel_gradient(
    view: NodeView,
    weight: str,
    at: Index,
    x: Array,
    delta: Array,
    starts: Sequence[tuple[int, int, int]] = (),
) -> Iterator[Item]:
    """The gradient of one weight: every number it was multiplied by, times what came back there.

    Args:
        view: the node.
        weight: which of its weights.
        at: the element.
        x: the numbers it was multiplied by, batch first.
        delta: the gradients at the sums that it took part in, of the same shape.
        starts: for each axis of `x` the first place and position, and the stride.
    """
    parts = x * delta
    each = parts.reshape(len(parts), -1).sum(axis=1)
    yield say("backward.weight", weight=weight, at=at, places=int(parts.size), examples=len(each))
    yield from _largest_product(view, x, delta, parts, starts)
    told = numbers(each, [f"#{i}" for i in range(len(each))])
    yield say("backward.examples", shown=min(len(each), LARGEST if told.rest else len(each)))
    index = "n, places" if parts.ndim > 1 else "n"
    yield from summed(view, weight, at, Over(index, times(Sym("x"), Sym("grad"))), told, parts)


def _largest_product(
    view: NodeView, x: Array, delta: Array, parts: Array, starts: Sequence[tuple[int, int, int]]
) -> Iterator[Item]:
    order = np.argsort(-np.abs(parts), axis=None, kind="stable")[:PLACES]
    places = [tuple(int(i) for i in np.unravel_index(flat, parts.shape)) for flat in order]
    rows = tuple(
        (
            str(place[0]),
            *_where(place[1:], starts),
            float(x[place]),
            float(delta[place]),
            float(parts[place]),
        )
        for place in places
    )
    columns = [
        say("column.example"),
        *([say("column.reads"), say("column.position")] if starts else []),
        say("column.number"),
        say("column.grad"),
        say("column.product"),
    ]
    yield Table(
        say("backward.largest", count=len(rows), source=view.reads[0].node), tuple(columns), rows
    )


def _where(place: Index, starts: Sequence[tuple[int, int, int]]) -> list[str]:
    if not starts:
        return []
    read = [first + i * stride for i, (first, _, stride) in zip(place, starts, strict=True)]
    made = [first + i for i, (_, first, _) in zip(place, starts, strict=True)]
    return [", ".join(map(str, read)), ", ".join(map(str, made))]


def bias_gradient(view: NodeView, delta: Array, at: Index, weight: str = "bias") -> Iterator[Item]:
    """The gradient of an offset: what came back, added over examples and places."""
    parts = np.asarray(delta, np.float64)
    each = parts.reshape(len(parts), -1).sum(axis=1)
    told = numbers(each, [f"#{i}" for i in range(len(each))])
    formula = Over("n, places" if parts.ndim > 1 else "n", Sym("grad"))
    yield from summed(view, weight, at, formula, told, parts)


def summed(
    view: NodeView,
    weight: str,
    at: Index,
    formula: Expr,
    told: Told,
    parts: Array,
    inherited: float = 0.0,
) -> Iterator[Item]:
    """The gradient of one element of a weight as a sum over examples, with its check.

    Args:
        view: the node.
        weight: which of its weights.
        at: the element.
        formula: in symbols.
        told: the sum as it is written out.
        parts: its terms, batch first.
        inherited: how far it may be off because of what the terms were computed from.
    """
    about: dict[str, Any] = {
        "terms": int(parts.size),
        "scale": float(np.sqrt((parts * parts).sum())),
        "drift": largest_partial(parts),
        "unit": max(epsilon(view.trained(weight)), view.unit),
        "inherited": inherited,
    }
    if view.is_shared:
        name, own = named(view.name, f"{weight}.grad_share", at), view.pulled_weight(weight, at)
        yield worked(name, formula, told.numbers, independent=own, **about)
        yield from shared(view, weight, at, about)
        return
    extra = regularized(view, weight, at)
    expression = told.numbers
    if extra is not None:
        yield say("backward.regularized", weight=weight)
        expression = with_term(expression, extra)
    whole = _whole(view, weight, at, formula, expression, about)
    yield replace(whole, by_example=parts.reshape(len(parts), -1).sum(axis=1))


def shared(view: NodeView, weight: str, at: Index, about: dict[str, Any]) -> Iterator[Item]:
    """What all nodes that use a weight send to it, added; told where the weight belongs."""
    yield say("backward.shared", owner=view.owner, count=len(view.users))
    shares = view.pulled_shares(weight, at)
    if view.owner != view.name or shares is None:
        return
    yield say("backward.shares", weight=weight)
    formula = Sum(tuple(Sym(f"grad({user})") for user in shares))
    terms = [Num(share, user) for user, share in shares.items()]
    extra = regularized(view, weight, at)
    expression = Sum((*terms, *([extra] if extra is not None else [])))
    about = {**about, "scale": max(about["scale"], *(abs(x) for x in shares.values()))}
    yield _whole(view, weight, at, formula, expression, about)


def _whole(
    view: NodeView,
    weight: str,
    at: Index,
    formula: Expr,
    expression: Expr,
    about: dict[str, Any],
) -> Worked:
    """The gradient that was recorded, beside its terms and the independent sum."""
    grad, shares = view.trained(weight), view.pulled_shares(weight, at)
    extra = penalty(np.array(view.weights[weight][at]), **held_down(view, weight))[1]
    return worked(
        named(view.name, f"{weight}.grad", at),
        formula,
        expression,
        recorded=None if grad is None else float(grad[at]),
        independent=None if shares is None else math.fsum(shares.values()) + float(extra),
        **about,
    )


def with_term(expression: Expr, extra: Expr) -> Expr:
    """One more term at the end of a sum."""
    terms = expression.terms if isinstance(expression, Sum) else (expression,)
    return Sum((*terms, extra))


def regularized(view: NodeView, weight: str, at: Index) -> Expr | None:
    """What an L2 or L1 regulariser adds to the gradient of an element; None without one."""
    rates = held_down(view, weight)
    value = float(view.weights[weight][at])
    terms: list[Expr] = []
    if rates["l2"]:
        terms.append(Product((Num(2), Num(rates["l2"]), Num(value))))
    if rates["l1"]:
        terms.append(Product((Num(rates["l1"]), Num(float(np.sign(value))))))
    if not terms:
        return None
    return terms[0] if len(terms) == 1 else Sum(tuple(terms))
