"""A batch that was taken in parts: what each adds to a gradient, and what they add up to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from opgraph.record import Array
from opgraph.reference import penalty
from opgraph.story.by_reference import held_down, inherited
from opgraph.story.checks import epsilon, worked
from opgraph.story.formula import Expr, Num, Over, Product, Sum, Sym
from opgraph.story.model import Item, say
from opgraph.story.terms import LARGEST, numbers
from opgraph.story.view import Index, NodeView, named


def tell_parts(view: NodeView, weight: str, at: Index) -> Iterator[Item]:
    """The gradient of one element in each part of the batch, and their sum."""
    parts = view.step.parts
    sizes = ", ".join(str(part.stop - part.start) for part in parts)
    yield say("update.accumulated", parts=len(parts), sizes=sizes)
    of_parts, grad = view.trained(weight, "grad.parts"), view.trained(weight)
    if of_parts is None or grad is None:
        return
    values = np.array([float(each[at]) for each in of_parts])
    shown = sorted(np.argsort(-np.abs(values), kind="stable")[:LARGEST].tolist())
    if len(shown) < len(parts):
        yield say("update.parts_shown", shown=len(shown))
    each = view.pulled_by_example(weight, at)
    for part in shown:
        yield _part(view, weight, at, part, each)
    yield say("update.parts_added")
    labels = [f"#{part.start}-#{part.stop - 1}" for part in parts]
    yield worked(
        named(view.owner, f"{weight}.grad", at),
        Over("parts", Sym("grad")),
        numbers(values, labels).numbers,
        recorded=float(grad[at]),
        independent=_opinion(view, weight, at, range(len(parts))),
        **_about(view, weight, values if each is None else np.array([*each, *values])),
    )


def _about(view: NodeView, weight: str, terms: Array) -> dict[str, Any]:
    """How far a sum of these terms may be off.

    They are exact products of recorded numbers, but where an example adds many of them (over places
    or steps), or where examples depend on each other.
    """
    is_exact = view.output.ndim == 2 and "/" not in weight
    is_exact = is_exact and not (view.couples or view.is_shared)
    return {
        "terms": view.step.batch + len(view.step.parts),
        "scale": float(np.linalg.norm(terms)),
        "drift": float(np.linalg.norm(terms)),
        "unit": max(epsilon(view.trained(weight)), view.unit),
        "inherited": 0.0 if is_exact else inherited(view),
    }


def _part(view: NodeView, weight: str, at: Index, part: int, each: Array | None) -> Item:
    """One part: what each of its examples adds, where that is known."""
    span, recorded = view.step.parts[part], view.trained(weight, "grad.parts")
    assert recorded is not None
    value, opinion = float(recorded[part][at]), _opinion(view, weight, at, [part])
    expression: Expr = Num(value if opinion is None else opinion)
    if each is not None:
        labels = [f"#{i}" for i in range(span.start, span.stop)]
        told = numbers(each[span], labels).numbers
        extra = _held_down(view, weight, at, span)
        terms = told.terms if isinstance(told, Sum) else (told,)
        expression = Sum((*terms, extra)) if extra is not None else told
    return worked(
        named(view.owner, f"{weight}.grad.parts", (part, *at)),
        None if each is None else Over("n", Sym("grad")),
        expression,
        recorded=value,
        independent=opinion,
        **_about(view, weight, np.array([value]) if each is None else each[span]),
    )


def _share(view: NodeView, span: slice) -> float:
    return (span.stop - span.start) / view.step.batch


def _penalty(view: NodeView, weight: str, at: Index) -> float:
    """What a regulariser adds to the gradient of an element in the whole step."""
    value = np.array(view.weights[weight][at], np.float64)
    return float(penalty(value, **held_down(view, weight))[1])


def _held_down(view: NodeView, weight: str, at: Index, span: slice) -> Expr | None:
    """What a regulariser adds in a part: its share of the examples."""
    whole = _penalty(view, weight, at)
    return Product((Num(_share(view, span)), Num(whole))) if whole else None


def _opinion(view: NodeView, weight: str, at: Index, parts: Any) -> float | None:
    """The independent gradient in some parts, over all nodes that use the weight."""
    total = 0.0
    for part in parts:
        total += _share(view, view.step.parts[part]) * _penalty(view, weight, at)
        for user in view.users:
            if not user.part_pulls or weight not in user.part_pulls[part][1].weights:
                return None
            total += float(user.part_pulls[part][1].weights[weight][at])
    return total
