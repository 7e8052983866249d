"""Activations: functions of one number, and the softmax."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from opgraph.record import Array
from opgraph.story.checks import EPSILON_32, norm, worked
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
    times,
)
from opgraph.story.functions import FUNCTIONS, Told, scaled
from opgraph.story.heads import logit_gradient
from opgraph.story.kinds import backward, forward
from opgraph.story.model import Item, Table, say
from opgraph.story.terms import Told as Terms
from opgraph.story.view import NodeView, named, wide

NAMES = {
    "ReLU": "relu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "GELU": "gelu",
    "SiLU": "silu",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Exponential": "exponential",
    "ReLU6": "relu6",
}
KINDS = (*NAMES, "LeakyReLU", "Activation")
# The slope of a function from what it gave, for whole arrays.
SLOPES: dict[str, Callable[[Array], Array]] = {
    "linear": np.ones_like,
    "relu": lambda y: (y > 0).astype(np.float64),
    "relu6": lambda y: ((y > 0) & (y < 6)).astype(np.float64),
    "sigmoid": lambda y: y * (1 - y),
    "tanh": lambda y: 1 - y * y,
    "exponential": lambda y: y,
    "softplus": lambda y: 1 - np.exp(-y),
}
MOST_CLASSES = 12


def function_name(view: NodeView) -> str:
    """The function that a node applies, by Keras's name; `linear` for none."""
    if view.kind in NAMES:
        return NAMES[view.kind]
    found = getattr(view.op, "activation", None) or getattr(view.op, "function", None)
    return str(found or "linear")


def _told(view: NodeView) -> Told | None:
    op = view.op
    if view.kind == "LeakyReLU":
        return scaled(float(op.negative_slope))
    if view.kind == "ReLU" and (op.negative_slope or op.threshold or op.max_value is not None):
        return None
    if view.kind == "GELU" and getattr(op, "approximate", False):
        return None
    return FUNCTIONS.get(function_name(view))


def before_function(view: NodeView) -> str:
    """What the sum is called: the output, or `sum` where a function follows."""
    return "output" if function_name(view) == "linear" else "sum"


def applied(view: NodeView, name: str, formula: Expr, told: Terms) -> Iterator[Item]:
    """A sum, and the function that the layer applies to it, if any."""
    recorded, independent = float(view.output[view.here]), view.independent(view.here)
    about: dict[str, Any] = {"terms": told.terms, "scale": told.scale, "unit": view.unit}
    function = function_name(view)
    if function == "linear":
        yield worked(
            name, formula, told.numbers, recorded=recorded, independent=independent, **about
        )
        return
    yield worked(name, formula, told.numbers)
    known = FUNCTIONS.get(function)
    if known is None:
        yield say("forward.fused_unknown", function=function, recorded=recorded)
        return
    yield say("forward.fused", function=function)
    numbers = known.value(Num(evaluate(told.numbers)))
    yield worked(
        named(view.name, "output", view.here),
        known.value(Sym("sum")),
        numbers,
        recorded=recorded,
        independent=independent,
        **about,
    )


def grad_behind(view: NodeView) -> Array | None:
    """The gradient at the sum behind a fused function; None where it cannot be told."""
    function = function_name(view)
    if view.grad is None:
        return logit_gradient(view) if function in ("softmax", "sigmoid") else None
    if function not in SLOPES:
        return None
    grad = wide(view.grad)
    return grad if function == "linear" else grad * SLOPES[function](wide(view.output))


@forward(*KINDS)
def tell_forward(view: NodeView) -> Iterator[Item]:
    """The function at one number."""
    told = _told(view)
    if view.kind == "Activation" and function_name(view) == "softmax":
        yield from tell_softmax(view)
        return
    if told is None:
        yield say("forward.by_reference")
        return
    x = float(view.read()[view.here])
    function = function_name(view)
    zeros = int((view.output == 0).sum())
    key = "forward.relu" if function == "relu" and view.kind != "LeakyReLU" else "forward.function"
    yield say(
        key,
        function=view.kind if function == "linear" else function,
        zeros=zeros,
        size=view.output.size,
        share=100 * zeros / max(1, view.output.size),
    )
    yield worked(
        named(view.name, "output", view.here),
        told.value(Sym("x")),
        told.value(Num(x)),
        recorded=float(view.output[view.here]),
        independent=view.independent(view.here),
        terms=4,
        scale=max(abs(x), 1.0) if function not in ("relu", "relu6", "linear") else None,
        unit=view.unit,
    )


@backward(*KINDS)
def tell_backward(view: NodeView) -> Iterator[Item]:
    """The slope at one number, times what comes from above."""
    told = _told(view)
    if view.grad is None:
        yield say("backward.none")
        return
    if told is None or view.input_grad() is None:
        yield say("backward.by_reference")
        return
    here = view.here
    x, y, incoming = (float(a[here]) for a in (view.read(), view.output, view.grad))
    yield from _blocked(view)
    slope = told.slope(x, y)
    tie = told.kink is not None and x == told.kink
    if tie:
        yield say("backward.kink", x=x)
    yield say("backward.function", function=function_name(view))
    if not isinstance(slope, Num):
        yield worked(named(view.name, "slope", here), None, slope)
    yield worked(
        named(str(view.reads[0]), "output.grad", here),
        times(Sym("grad"), Sym("slope")),
        times(Num(incoming), Num(evaluate(slope))),
        recorded=view.recorded_input_grad(0, here),
        independent=view.pulled_input(0, here),
        terms=4,
        scale=abs(incoming) if not isinstance(slope, Num) else None,
        unit=view.unit_at(),
        tie=tie,
    )


def _blocked(view: NodeView) -> Iterator[Item]:
    if function_name(view) != "relu" or view.grad is None:
        return
    stopped = int(((view.output <= 0) & (view.grad != 0)).sum())
    arrived = int((view.grad != 0).sum())
    yield say(
        "backward.relu", stopped=stopped, arrived=arrived, share=100 * stopped / max(1, arrived)
    )


@forward("Softmax")
def tell_softmax(view: NodeView) -> Iterator[Item]:
    """The scores of one example made into probabilities."""
    scores = _row(view, view.read())
    at = view.here
    chosen = at[_axis(view)]
    yield say("forward.softmax", classes=len(scores))
    top = float(scores.max())
    powers = [Call("exp", (add(Num(float(z)), Minus(Num(top))),)) for z in scores]
    shown, rest = _few(scores, chosen)
    terms: list[Expr] = [powers[i] for i in shown]
    if rest:
        terms.append(Num(sum(evaluate(powers[i]) for i in rest), f"Σ {len(rest)}"))
        yield say("forward.rest", shown=len(shown), rest=len(rest))
    yield say("forward.softmax_top", top=top)
    yield worked(
        named(view.name, "output", at),
        Fraction(Call("exp", (Sym("z − max(z)"),)), Sym("Σ exp(z − max(z))")),
        Fraction(powers[chosen], Sum(tuple(terms))),
        recorded=float(view.output[at]),
        independent=view.independent(at),
        terms=len(scores),
        scale=float(view.output[at]) * max(1.0, abs(top - float(scores[chosen]))),
        unit=view.unit,
    )
    yield from _probabilities(view, scores)


def _probabilities(view: NodeView, scores: Array) -> Iterator[Item]:
    chances = _row(view, view.output)
    order = np.argsort(-chances, kind="stable")[:MOST_CLASSES].tolist()
    names = view.step.facts.class_names
    rows = tuple(
        (names[i] if len(names) == len(scores) else str(i), float(scores[i]), float(chances[i]))
        for i in order
    )
    columns = (say("column.class"), say("column.score"), say("column.probability"))
    yield Table(say("forward.softmax_table", example=view.step.example), columns, rows)


def _few(scores: Array, chosen: int) -> tuple[list[int], list[int]]:
    """The largest scores and the chosen one; and the others."""
    if len(scores) <= MOST_CLASSES:
        return list(range(len(scores))), []
    shown = sorted({*np.argsort(-scores)[:MOST_CLASSES].tolist(), chosen})
    return shown, [i for i in range(len(scores)) if i not in set(shown)]


def _axis(view: NodeView) -> int:
    axis = getattr(view.op, "axis", -1)
    axis = axis if isinstance(axis, int) else -1
    return axis % view.output.ndim


def _row(view: NodeView, array: Array) -> Array:
    """The numbers that are normalised together with the chosen one."""
    index: list[int | slice] = list(view.here)
    index[_axis(view)] = slice(None)
    return wide(array[tuple(index)])


@backward("Softmax")
def tell_softmax_backward(view: NodeView) -> Iterator[Item]:
    """The gradient through a softmax, where it is not a part of the loss."""
    if view.grad is None or view.input_grad() is None:
        yield say("backward.softmax_skipped", source=view.reads[0].node)
        return
    at = view.here
    p, grad = _row(view, view.output), _row(view, view.grad)
    chosen = at[_axis(view)]
    yield say("backward.softmax")
    terms: list[Expr] = [
        Product((Num(float(a)), Num(float(b)))) for a, b in zip(grad, p, strict=True)
    ]
    if len(terms) > MOST_CLASSES:
        terms = [Num(float((grad * p).sum()), f"Σ {len(terms)}")]
    mean = Sum(tuple(terms))
    yield worked("mean", Sym("Σ grad × p"), mean)
    yield worked(
        named(str(view.reads[0]), "output.grad", at),
        times(Sym("p"), add(Sym("grad"), Minus(Sym("mean")))),
        times(Num(float(p[chosen])), add(Num(float(grad[chosen])), Minus(Num(evaluate(mean))))),
        recorded=view.recorded_input_grad(0, at),
        independent=view.pulled_input(0, at),
        terms=len(p),
        scale=norm([float(x) for x in p * np.abs(grad)]),
        unit=max(EPSILON_32, view.unit),
    )
