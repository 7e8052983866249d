"""Attention on the way back: through the weights to the scores, and what each position adds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from opgraph.record import Array
from opgraph.story.by_reference import gradients_beside, inherited
from opgraph.story.checks import norm, worked
from opgraph.story.families.attention import EXACT, ROWS
from opgraph.story.families.linear import summed
from opgraph.story.families.look import Look, not_told
from opgraph.story.formula import Minus, Num, Over, Sym, add, times
from opgraph.story.kinds import backward
from opgraph.story.model import Item, Table, say
from opgraph.story.terms import LARGEST, numbers, products
from opgraph.story.view import NodeView, wide

PROJECTIONS = ("query", "key", "value", "attention_output")


@backward("MultiHeadAttention", "GroupedQueryAttention", "Attention", "AdditiveAttention")
def tell_attention_backward(view: NodeView) -> Iterator[Item]:
    """The gradient at the scores of a query, and one weight of each projection."""
    if list(not_told(view)) or view.is_shared or view.grad is None or not view.part_pulls:
        yield say("backward.by_reference")
        return
    look = Look(view)
    yield from _scores(look)
    told = {f"{name}/kernel" for name in PROJECTIONS} if look.is_headed else set[str]()
    for name in PROJECTIONS if look.is_headed else ():
        yield from _by_position(look, name)
    if "key/bias" in view.weights:
        yield say("inside.key_bias")
    yield from gradients_beside(view, told)


def _scores(look: Look) -> Iterator[Item]:
    """How the gradient at the mean of the values becomes that at one score."""
    chances, at_chances = look.row("probabilities"), look.grad_row("probabilities")
    at_scores, key = look.grad_row("scores"), look.key
    arriving = _arriving(look)
    yield say("inside.weight_grad", query=look.query, head=look.head, place=key)
    factor = float(look.factor[key])
    told = products(arriving * factor, look.vector("value")[key])
    if told.rest:
        yield say("forward.rest", shown=told.terms - told.rest, rest=told.rest)
    if not look.view.op.return_attention_scores:  # which would add a gradient of their own
        yield worked(
            look.name("probabilities.grad", *look.place(key)),
            Over("d", times(Sym("grad[d]"), Sym(f"value[{key}, d]"))),
            told.numbers,
            independent=float(at_chances[key]),
            terms=told.terms + 64,
            scale=told.scale,
            unit=EXACT,
        )
    yield say("inside.score_grad")
    seen = np.isfinite(look.row("scores"))
    mean = products(chances[seen], at_chances[seen])
    yield worked(
        look.name("probabilities.grad.mean", *look.place()),
        Over("k", times(Sym("weight[k]"), Sym("grad[k]"))),
        mean.numbers,
    )
    average = float((chances * at_chances).sum())
    yield worked(
        look.name("scores.grad", *look.place(key)),
        times(Sym("weight"), add(Sym("grad"), Minus(Sym("mean")))),
        times(Num(float(chances[key])), add(Num(float(at_chances[key])), Minus(Num(average)))),
        independent=float(at_scores[key]),
        terms=len(chances) + 8,
        scale=norm([float(x) for x in chances * at_chances]) + abs(float(at_chances[key])),
        unit=EXACT,
    )
    yield _table(look, chances, at_chances, at_scores)


def _arriving(look: Look) -> Array:
    """The gradient at the mean of the values, for the query and the head."""
    grad = look.view.grad
    assert grad is not None
    row = wide(grad[look.view.step.example])[look.query]
    return look.weight("attention_output/kernel")[look.head] @ row if look.is_headed else row


def _table(look: Look, chances: Array, at_chances: Array, at_scores: Array) -> Table:
    order = np.argsort(-np.abs(at_scores), kind="stable")[:ROWS].tolist()
    rows = tuple(
        (str(at), float(chances[at]), float(at_chances[at]), float(at_scores[at]))
        for at in sorted(order)
    )
    names = ("place", "weight", "weight_grad", "score_grad")
    title = say("inside.score_grads", query=look.query, shown=len(rows), all=len(chances))
    return Table(title, tuple(say(f"column.{name}") for name in names), rows)


def _by_position(look: Look, name: str) -> Iterator[Item]:
    """The gradient of one weight of a projection, position by position."""
    view, weight = look.view, f"{name}/kernel"
    if view.trained(weight) is None or view.grad is None:
        return
    at = view.weight_at(weight)
    if name == "attention_output":
        x, delta = view.whole("context")[..., at[0], at[1]], wide(view.grad)[..., at[2]]
    else:
        x = wide(view.read(look.slots[name])[..., at[0]])
        delta = view.whole_grad(name)[..., at[1], at[2]]
    parts = x * delta
    yield say(
        f"kernel_grad.{name}",
        weight=weight,
        at=at,
        positions=parts.shape[1],
        examples=len(parts),
    )
    told = numbers(parts.sum(axis=0), [f"t={t}" for t in range(parts.shape[1])])
    yield say(
        "inside.by_place", shown=min(parts.shape[1], LARGEST if told.rest else parts.shape[1])
    )
    formula = Over("t, n", times(Sym("x"), Sym("grad")))
    yield from summed(view, weight, at, formula, told, parts, inherited(view))
