"""Attention: how well a query fits each key, and what is taken of their values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from opgraph.record import Array
from opgraph.story.by_reference import depth, typical
from opgraph.story.checks import EPSILON, worked
from opgraph.story.families.look import Look, not_told
from opgraph.story.formula import (
    Call,
    Expr,
    Fraction,
    Minus,
    Num,
    Over,
    Product,
    Sum,
    Sym,
    add,
    evaluate,
    root,
    times,
)
from opgraph.story.kinds import forward
from opgraph.story.model import Cell, Item, Table, say
from opgraph.story.terms import Told, products
from opgraph.story.view import NodeView, named

ROWS = 12
EXACT = EPSILON["float64"]  # both numbers are computed in float64


@forward("MultiHeadAttention", "GroupedQueryAttention")
def tell_heads(view: NodeView) -> Iterator[Item]:
    """One query in one head: scores, weights, the mean of the values, and the output."""
    reasons = list(not_told(view))
    if reasons:
        yield from (*reasons, say("forward.by_reference"))
        return
    look = Look(view)
    heads, depth_of_key = look.part("query").shape[1:]
    yield say("inside.heads", heads=heads, depth=depth_of_key)
    yield say("inside.look", query=look.query, head=look.head, place=look.key)
    products_of = look.vector("query") * look.vector("key")[look.key]
    at = int(np.argmax(np.abs(products_of)))
    yield say("inside.query", query=look.query, source=str(view.reads[0]))
    yield from _projected(look, "query", look.query, look.head, at)
    yield say("inside.key", place=look.key, source=str(view.reads[look.slots["key"]]))
    yield from _projected(look, "key", look.key, look.shared_head, at)
    yield from _attended(look, "context")
    yield from _put_together(look)


@forward("Attention", "AdditiveAttention")
def tell_attention(view: NodeView) -> Iterator[Item]:
    """One query: scores, weights, and the mean of the values."""
    reasons = list(not_told(view))
    if reasons:
        yield from (*reasons, say("forward.by_reference"))
        return
    look = Look(view)
    yield say("inside.attention", query=look.query, place=look.key)
    yield from _attended(look, "output")


def _projected(look: Look, role: str, place: int, head: int, at: int) -> Iterator[Item]:
    """One number of a query, key or value: a weighted sum of what stands at the place."""
    offset = look.view.weights.get(f"{role}/bias")
    plus = [] if offset is None else [float(offset[head, at])]
    x, kernel = look.read(role)[place], look.weight(f"{role}/kernel")[:, head, at]
    told = products(x, kernel, *plus)
    if told.rest:
        yield say("forward.rest", shown=told.terms - told.rest, rest=told.rest)
    sums: list[Expr] = [Over("i", times(Sym("x[i]"), Sym(f"{role}/kernel[i, {head}, {at}]")))]
    sums += [Sym(f"{role}/bias[{head}, {at}]")] if plus else []
    yield worked(
        look.name(role, place, head, at),
        Sum(tuple(sums)),
        told.numbers,
        independent=float(look.part(role)[place, head, at]),
        terms=told.terms,
        scale=told.scale,
        unit=EXACT,
    )


def _attended(look: Look, what: str) -> Iterator[Item]:
    """Score and weight of one key, all weights, and the mean of one number of the values."""
    scores, chances = look.row("scores"), look.row("probabilities")
    yield from _score(look, scores)
    yield from _softmax(look, scores, chances)
    yield _table(look, scores, chances)
    if look.view.own("mask") is not None:
        rate, dropped = float(look.view.op.dropout), int((look.factor == 0).sum())
        yield say("inside.dropped", rate=rate, dropped=dropped, keys=len(scores))
    seen, taken = np.isfinite(scores), chances * look.factor
    told = products(taken[seen], look.vector("value")[seen, look.depth])
    yield say("inside.values", head=look.head)
    formula = Over("k", times(Sym("weight[k]"), Sym(f"value[k, {look.depth}]")))
    if what == "output":
        yield worked(
            named(look.view.name, what, look.view.here), formula, told.numbers, **_output(look)
        )
        return
    yield worked(
        look.name(what, look.query, look.head, look.depth),
        formula,
        told.numbers,
        independent=float(look.part(what)[look.query, look.head, look.depth]),
        terms=told.terms,
        scale=told.scale,
        unit=EXACT,
    )


def _output(look: Look) -> dict[str, Any]:
    view = look.view
    return {
        "recorded": float(view.output[view.here]),
        "independent": view.independent(view.here),
        "terms": depth(view),
        "scale": typical(view.output[view.step.example]),
        "unit": view.unit,
    }


def _score(look: Look, scores: Array) -> Iterator[Item]:
    """How well the query fits the key with the largest weight."""
    query, key = look.vector("query"), look.vector("key")[look.key]
    symbols, numbers, told, inside = _compared(look, query, key)
    yield say(f"inside.score_{inside}", depth=len(query))
    if told.rest:
        yield say("forward.rest", shown=told.terms - told.rest, rest=told.rest)
    yield worked(
        look.name("scores", *look.place(look.key)),
        symbols,
        numbers,
        independent=float(scores[look.key]),
        terms=told.terms + 8,
        scale=told.scale,
        unit=EXACT,
    )


def _compared(look: Look, query: Array, key: Array) -> tuple[Expr, Expr, Told, str]:
    """The score in symbols and numbers, its sum, and which kind of score it is."""
    term = times(Sym("query[d]"), Sym("key[d]"))
    if look.is_headed:
        told = products(query, key)
        size = Num(len(query))
        return (
            Fraction(Over("d", term), root(Sym("depth"))),
            Fraction(told.numbers, root(size)),
            told,
            "scaled",
        )
    scale = look.view.weights.get("scale")
    if look.view.kind == "AdditiveAttention":
        factor = np.ones(len(query)) if scale is None else look.weight("scale")
        told = products(factor, np.tanh(query + key))
        inner = Call("tanh", (add(Sym("query[d]"), Sym("key[d]")),))
        return Over("d", times(Sym("scale[d]"), inner)), told.numbers, told, "added"
    told = products(query, key)
    if scale is None:
        return Over("d", term), told.numbers, told, "plain"
    factor = Num(float(scale))
    return times(Sym("scale"), Over("d", term)), Product((factor, told.numbers)), told, "plain"


def _softmax(look: Look, scores: Array, chances: Array) -> Iterator[Item]:
    """The weight of one key, made of all scores."""
    seen = np.flatnonzero(np.isfinite(scores))
    top, chosen = float(scores[seen].max()), look.key
    if len(seen) < len(scores):
        yield say("inside.hidden", hidden=len(scores) - len(seen), keys=len(scores))
    yield say("inside.weights", keys=len(seen))
    order = seen[np.argsort(-scores[seen], kind="stable")]
    shown, rest = sorted({*order[:ROWS].tolist(), chosen}), order[ROWS:]
    powers = {at: _power(float(scores[at]), top) for at in order.tolist()}
    terms: list[Expr] = [powers[at] for at in shown]
    rest = [at for at in rest.tolist() if at not in shown]
    if rest:
        terms.append(Num(sum(evaluate(powers[at]) for at in rest), f"Σ {len(rest)}"))
    yield worked(
        look.name("probabilities", *look.place(chosen)),
        Fraction(Call("exp", (Sym("s − max(s)"),)), Sym("Σ exp(s − max(s))")),
        Fraction(powers[chosen], Sum(tuple(terms))),
        independent=float(chances[chosen]),
        terms=len(seen) + 8,
        scale=1.0 + abs(top),
        unit=EXACT,
    )


def _power(score: float, top: float) -> Call:
    return Call("exp", (add(Num(score), Minus(Num(top))),))


def _table(look: Look, scores: Array, chances: Array) -> Table:
    """How much of which position is taken."""
    order = np.argsort(-chances, kind="stable")[:ROWS].tolist()
    values, factor = look.vector("value")[:, look.depth], look.factor
    rows = tuple(
        (
            str(at),
            float(scores[at]) if np.isfinite(scores[at]) else say("inside.hidden_score"),
            float(chances[at]),
            float(values[at]),
            float(chances[at] * factor[at] * values[at]),
        )
        for at in sorted(order)
    )
    cells: tuple[tuple[Cell, ...], ...] = rows
    names = ("place", "score", "weight", "attended", "product")
    title = say("inside.taken", query=look.query, shown=len(rows), all=len(chances))
    return Table(title, tuple(say(f"column.{name}") for name in names), cells)


def _put_together(look: Look) -> Iterator[Item]:
    """The output projection: the numbers of all heads, each times a weight."""
    view = look.view
    context, kernel = look.part("context")[look.query], look.weight("attention_output/kernel")
    offset = view.weights.get("attention_output/bias")
    plus = [] if offset is None else [float(offset[look.channel])]
    told = products(context, kernel[..., look.channel], *plus)
    yield say("inside.together", heads=len(context), channel=look.channel)
    if told.rest:
        yield say("forward.rest", shown=told.terms - told.rest, rest=told.rest)
    sums: list[Expr] = [
        Over(
            "h, d",
            times(Sym("context[h, d]"), Sym(f"attention_output/kernel[h, d, {look.channel}]")),
        )
    ]
    sums += [Sym(f"attention_output/bias[{look.channel}]")] if plus else []
    yield worked(
        named(view.name, "output", view.here), Sum(tuple(sums)), told.numbers, **_output(look)
    )
