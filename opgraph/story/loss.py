"""The third phase: what was wrong, in one number; and the first gradient, which it begins with."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from opgraph.record import Array
from opgraph.story.checks import epsilon, worked
from opgraph.story.formula import (
    Call,
    Expr,
    Fraction,
    Minus,
    Num,
    Product,
    Sum,
    Sym,
    add,
    evaluate,
    square,
    times,
)
from opgraph.story.heads import BINARY, CATEGORICAL, SQUARED, HeadView, head_views
from opgraph.story.model import Block, Item, Table, say
from opgraph.story.terms import numbers
from opgraph.story.view import StepView, largest, named

MOST = 8


def tell_loss(step: StepView) -> Iterator[Block]:
    """A block for each output, and one for their sum where there are several."""
    heads = head_views(step)
    for head in heads:
        if step.only not in (None, head.view.name):
            continue
        items = tuple(_told(head, only=len(heads) == 1))
        yield Block(str(head.about["output"]), head.loss, items, head.view.node.label)
    if len(heads) > 1 and step.only is None:
        yield Block("loss", "", tuple(_total(step, heads)))


def _told(head: HeadView, only: bool) -> Iterator[Item]:
    if not head.is_told:
        yield say("loss.unknown", loss=head.loss, value=head.step.tensors.figures.get("loss", 0.0))
        return
    kind = "squared" if head.loss in SQUARED else "binary" if head.loss in BINARY else "entropy"
    yield say(f"loss.{kind}")
    if head.smoothing:
        yield say("loss.smoothing", share=head.smoothing)
    if head.about["class_weights"] is not None:
        yield say("loss.class_weights")
    yield from _example(head)
    yield _examples(head)
    yield from _mean(head, only)
    if head.view.grad is None:
        yield say("loss.logits", function=head.ends_in)


def _example(head: HeadView) -> Iterator[Item]:
    """The loss of the example that is followed, at its worst place."""
    place = (head.step.example, *largest(head.losses[head.step.example]))
    p, t = head.chances[place], head.targets[place]
    formula, expression = _one(head, p, t)
    factor = float(head.factors[place])
    if factor != 1:
        formula, expression = times(Sym("weight"), formula), times(Num(factor), expression)
    yield say("loss.example", example=place[0], label=_label(head, place))
    yield worked(
        named("loss", "", place).replace(".[", "["),
        formula,
        expression,
        independent=head.opinion_of_loss(place),
        scale=1.0,
    )


def _one(head: HeadView, p: Array, t: Array) -> tuple[Expr, Expr]:
    if head.loss in SQUARED:
        terms = tuple(
            square(add(Num(float(a)), Minus(Num(float(b)))))
            for a, b in zip(p[:MOST], t, strict=False)
        )
        rest = float(((p - t)[MOST:] ** 2).sum())
        terms += (Num(rest, f"Σ {len(p) - MOST}"),) if len(p) > MOST else ()
        top = Sum(terms)
        return Fraction(Sym("Σ (output − y)^2"), Sym("units")), Fraction(top, Num(len(p)))
    if head.loss in BINARY:
        q, y = float(p[0]), float(t[0])
        body = add(
            times(Num(y), Call("ln", (Num(q),))),
            times(add(Num(1), Minus(Num(y))), Call("ln", (add(Num(1), Minus(Num(q))),))),
        )
        whole = Sym("y × ln(p) + (1 − y) × ln(1 − p)")
        if len(p) == 1:
            return Minus(whole), Minus(body)
        each = -(t * np.log(p) + (1 - t) * np.log(1 - p))
        return Fraction(Sym("Σ losses"), Sym("units")), Fraction(numbers(each).numbers, Num(len(p)))
    at = int(t.argmax())
    if not head.smoothing and t.max() == 1:
        return Minus(Call("ln", (Sym("p[label]"),))), Minus(Call("ln", (Num(float(p[at])),)))
    terms = [
        Product((Num(float(b)), Call("ln", (Num(float(a)),)))) for a, b in zip(p, t, strict=True)
    ]
    shown: list[Expr] = [*terms[:MOST]]
    if len(terms) > MOST:
        rest = [evaluate(term) for term in terms[MOST:]]
        shown.append(Num(sum(rest), f"Σ {len(rest)}"))
    return Minus(Sym("Σ y × ln(p)")), Minus(Sum(tuple(shown)))


def _label(head: HeadView, place: tuple[int, ...]) -> str:
    if head.loss in CATEGORICAL:
        at = int(head.targets[place].argmax())
        names = head.step.facts.class_names
        return names[at] if len(names) == head.targets.shape[-1] else str(at)
    return ", ".join(f"{x:.4g}" for x in head.targets[place][:4])


def _examples(head: HeadView) -> Table:
    """The examples with the largest losses."""
    each = head.losses.reshape(len(head.losses), -1).mean(axis=1)
    order = np.argsort(-each, kind="stable")[:MOST].tolist()
    total = float(each.sum()) or 1.0
    rows = tuple(
        (
            f"#{i}",
            _label(head, (i, *largest(head.losses[i]))),
            float(each[i]),
            100 * float(each[i]) / total,
        )
        for i in order
    )
    columns = tuple(say(f"column.{name}") for name in ("example", "label", "loss", "share"))
    return Table(say("loss.table", worst=order[0], share=rows[0][3]), columns, rows)


def _mean(head: HeadView, only: bool) -> Iterator[Item]:
    each = head.losses.reshape(-1)
    labels = [f"#{i}" for i in range(len(each))] if head.losses.ndim == 1 else None
    told = numbers(each, labels)
    yield say("loss.mean", count=len(each))
    penalty = _penalty(head.step) if only else None
    recorded = head.step.tensors.figures.get("loss") if only and penalty is None else None
    if only and head.weight != 1:
        recorded = None
    yield worked(
        "loss",
        Fraction(Sym("Σ loss"), Sym("count")),
        Fraction(told.numbers, Num(len(each))),
        recorded=None if recorded is None else float(recorded),
        independent=None if head.opinion is None else head.opinion.mean,
        terms=len(each),
        scale=told.scale / len(each) + 1.0,
    )
    if penalty is not None:
        yield say("loss.penalty", recorded=head.step.tensors.figures.get("loss", 0.0))


def _penalty(step: StepView) -> bool | None:
    """Whether a regulariser adds to the loss; None if none does."""
    options = (
        "kernel_regularizer",
        "bias_regularizer",
        "activity_regularizer",
        "gamma_regularizer",
        "beta_regularizer",
        "embeddings_regularizer",
        "depthwise_regularizer",
    )
    found = any(getattr(view.op, name, None) for view in step.nodes.values() for name in options)
    kinds = {view.kind for view in step.nodes.values()}
    return True if found or "ActivityRegularization" in kinds else None


def _total(step: StepView, heads: list[HeadView]) -> Iterator[Item]:
    yield say("loss.total", count=len(heads))
    if not all(head.is_told for head in heads):
        return
    terms = tuple(times(Num(head.weight), Num(float(head.losses.mean()))) for head in heads)
    recorded = step.tensors.figures.get("loss") if _penalty(step) is None else None
    opinions = [0.0 if h.opinion is None else h.weight * h.opinion.mean for h in heads]
    yield worked(
        "loss",
        None,
        Sum(terms),
        recorded=recorded,
        independent=sum(opinions) if all(head.opinion for head in heads) else None,
        terms=sum(h.losses.size for h in heads),
        scale=1.0,
    )


def tell_first_gradient(step: StepView) -> Iterator[Block]:
    """Where the way back begins: p - y at the scores."""
    for head in head_views(step):
        if step.only not in (None, head.view.name):
            continue
        yield Block(str(head.about["output"]), head.loss, tuple(_first(head)), head.view.node.label)


def _first(head: HeadView) -> Iterator[Item]:
    if not head.is_told:
        yield say("backward.loss_unknown", loss=head.loss)
        return
    view = head.view
    at = (head.step.example, *largest(head.gradient[head.step.example]))
    p, t, factor = (
        float(head.chances[at]),
        float(head.targets[at]),
        float(head.factors[at[:-1]]) * head.weight,
    )
    squared = head.loss in SQUARED
    grad, where = view.grad, named(view.name, "output.grad", at)
    unit = max(epsilon(grad), view.unit)
    if grad is None and head.scores is not None:
        grad, where = view.input_grad(), named(str(view.reads[0]), "output.grad", at)
        unit = view.unit_at()
    single = grad is view.grad or view.is_only_reader()
    yield say("backward.squared" if squared else "backward.p_minus_y", count=head.divisor)
    inner: Expr = add(Num(p), Minus(Num(t)))
    extra = [Num(2)] * squared + [Num(factor)] * (factor != 1)
    top = times(*extra, inner) if extra else inner
    names = add(Sym("output" if squared else "p"), Minus(Sym("y")))
    symbols = [Num(2)] * squared + [Sym("weight")] * (factor != 1)
    yield worked(
        where,
        Fraction(times(*symbols, names) if symbols else names, Sym("count")),
        Fraction(top, Num(head.divisor)),
        recorded=float(grad[at]) if grad is not None and single else None,
        independent=head.opinion_of_gradient(at),
        terms=4,
        scale=(abs(p) + abs(t)) * abs(factor) / head.divisor,
        unit=unit,
    )
    if head.loss in CATEGORICAL and head.losses.ndim == 1:
        yield _rows(head)


def _rows(head: HeadView) -> Table:
    """p, y and their difference for all classes of the example."""
    row = head.step.example
    p, t, g = head.chances[row], head.targets[row], head.gradient[row]
    order = np.argsort(-np.abs(g), kind="stable")[:12].tolist()
    names = head.step.facts.class_names
    rows = tuple(
        (names[i] if len(names) == len(p) else str(i), float(p[i]), float(t[i]), float(g[i]))
        for i in order
    )
    columns = tuple(say(f"column.{name}") for name in ("class", "probability", "target", "grad"))
    return Table(say("backward.p_minus_y_table", example=row), columns, rows)
