"""Pools: which number of a window won, or their mean."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from opgraph.record import Array
from opgraph.story.checks import epsilon, worked
from opgraph.story.formula import Call, Expr, Fraction, Num, Over, Sum, Sym, times
from opgraph.story.kinds import backward, forward
from opgraph.story.model import Item, Picture, say
from opgraph.story.numerals import shape_text
from opgraph.story.sliding import Axis, make_axes, reads, seen
from opgraph.story.terms import numbers
from opgraph.story.view import Index, NodeView, named

DIMENSIONS = ("1D", "2D", "3D")
LOCAL_MAX = tuple(f"MaxPooling{d}" for d in DIMENSIONS)
LOCAL_MEAN = tuple(f"AveragePooling{d}" for d in DIMENSIONS)
GLOBAL_MAX = tuple(f"GlobalMaxPooling{d}" for d in DIMENSIONS)
GLOBAL_MEAN = tuple(f"GlobalAveragePooling{d}" for d in DIMENSIONS)


def _first(view: NodeView) -> bool:
    return bool(view.op.data_format == "channels_first")


def _apart(view: NodeView, at: Index) -> tuple[Index, int]:
    return (at[1:], at[0]) if _first(view) else (at[:-1], at[-1])


def _element(view: NodeView, place: Index, channel: int) -> Index:
    inside = (channel, *place) if _first(view) else (*place, channel)
    return (view.step.example, *inside)


def _places(view: NodeView, place: Index) -> list[Index]:
    return [found for _, found in reads(_axes(view), place)]


def _axes(view: NodeView) -> tuple[Axis, ...]:
    op = view.op
    spatial = slice(2, None) if _first(view) else slice(1, -1)
    return make_axes(
        view.read().shape[spatial],
        view.output.shape[spatial],
        op.pool_size,
        op.strides or op.pool_size,
        op.padding,
    )


def _map(view: NodeView, array: Array, channel: int) -> Array:
    """The map of one channel of the example."""
    example = array[view.step.example]
    return example[channel] if _first(view) else example[..., channel]


def competitors(view: NodeView) -> tuple[list[Index], list[float]]:
    """The places of the window that is looked at, and the numbers there."""
    place, channel = _apart(view, view.at)
    cells = _places(view, place)
    return cells, [float(view.read()[_element(view, cell, channel)]) for cell in cells]


@forward(*LOCAL_MAX)
def tell_max(view: NodeView) -> Iterator[Item]:
    """The numbers of one window, and the largest."""
    place, channel = _apart(view, view.at)
    cells, values = competitors(view)
    best = max(values)
    yield say(
        "forward.max_pool", window=shape_text(view.op.pool_size), place=place, channel=channel
    )
    yield from _picture(view, cells, channel)
    yield worked(
        named(view.name, "output", view.here),
        Call("max", (Sym("x"),)),
        Call("max", tuple(Num(value) for value in values)),
        recorded=float(view.output[view.here]),
        independent=view.independent(view.here),
        unit=view.unit,
    )
    winners = [cell for cell, value in zip(cells, values, strict=True) if value == best]
    key = "forward.winner" if len(winners) == 1 else "forward.tied_winners"
    yield say(key, winner=winners[0], count=len(winners))


def _picture(view: NodeView, cells: list[Index], channel: int) -> Iterator[Item]:
    if len(cells[0]) != 2:
        return
    (top, left), (bottom, right) = np.min(cells, axis=0), np.max(cells, axis=0)
    box = (int(top), int(left), int(bottom - top) + 1, int(right - left) + 1)
    title = say("picture.channel", source=view.reads[0].node, channel=channel)
    yield Picture(title, _map(view, view.read(), channel), box)


@backward(*LOCAL_MAX)
def tell_max_backward(view: NodeView) -> Iterator[Item]:
    """The number that won gets all of the gradient, the others nothing."""
    if view.grad is None or view.input_grad() is None:
        yield say("backward.none")
        return
    at = view.input_at()
    place, channel = _apart(view, at[1:])
    source = view.read()
    own = float(source[at])
    terms: list[Expr] = []
    tie = False
    for _, window in seen(_axes(view), place):
        cells = _places(view, window)
        values = [float(source[_element(view, cell, channel)]) for cell in cells]
        won = own == max(values)
        tie |= won and values.count(own) > 1
        share = float(won and cells[values.index(own)] == place)
        incoming = float(view.grad[_element(view, window, channel)])
        terms.append(_product(incoming, share))
    yield say("backward.max_pool", element=place, windows=len(terms))
    if tie:
        yield say("backward.tie")
    yield _back(view, at, Over("windows", Sym("grad × won")), Sum(tuple(terms)), len(terms), tie)


def _product(incoming: float, share: float) -> Expr:
    return times(Num(incoming), Num(share))


def _back(
    view: NodeView, at: Index, formula: Expr, expression: Expr, terms: int, tie: bool = False
):
    return worked(
        named(str(view.reads[0]), "output.grad", at),
        formula,
        expression,
        recorded=view.recorded_input_grad(0, at),
        independent=view.pulled_input(0, at),
        terms=terms,
        unit=max(epsilon(view.grad), view.unit),
        tie=tie,
    )


@forward(*LOCAL_MEAN, *GLOBAL_MEAN)
def tell_mean(view: NodeView) -> Iterator[Item]:
    """The numbers of one window, or of a whole map, added and divided."""
    values = averaged(view, view.at)
    told = numbers(values)
    yield say("forward.mean_pool", count=values.size)
    if told.rest:
        yield say("forward.rest", shown=values.size - told.rest, rest=told.rest)
    yield worked(
        named(view.name, "output", view.here),
        Fraction(Over("places", Sym("x")), Sym("count")),
        Fraction(told.numbers, Num(values.size)),
        recorded=float(view.output[view.here]),
        independent=view.independent(view.here),
        terms=told.terms,
        scale=told.scale / values.size,
        unit=view.unit,
    )


def averaged(view: NodeView, at: Index) -> Array:
    """The numbers that are averaged for an element, or that compete for it."""
    if view.kind in GLOBAL_MEAN or view.kind in GLOBAL_MAX:
        flat = list(at)
        channel = flat[0] if _first(view) else flat[-1]
        return np.asarray(_map(view, view.read(), channel), np.float64).ravel()
    place, channel = _apart(view, at)
    cells = _places(view, place)
    return np.array([view.read()[_element(view, cell, channel)] for cell in cells], np.float64)


@backward(*LOCAL_MEAN, *GLOBAL_MEAN)
def tell_mean_backward(view: NodeView) -> Iterator[Item]:
    """Each number gets its share of the gradient."""
    if view.grad is None or view.input_grad() is None:
        yield say("backward.none")
        return
    at = view.input_at()
    place, channel = _apart(view, at[1:])
    if view.kind in GLOBAL_MEAN:
        count = view.read().size // (
            view.read().shape[0] * view.read().shape[1 if _first(view) else -1]
        )
        windows = [(_global(view, at, channel), count)]
    else:
        windows = [
            (_element(view, window, channel), len(_places(view, window)))
            for _, window in seen(_axes(view), place)
        ]
    terms = [Fraction(Num(float(view.grad[w])), Num(count)) for w, count in windows]
    yield say("backward.mean_pool", count=windows[0][1] if windows else 0)
    formula = Over("windows", Fraction(Sym("grad"), Sym("count")))
    yield _back(view, at, formula, terms[0] if len(terms) == 1 else Sum(tuple(terms)), len(terms))


def _global(view: NodeView, at: Index, channel: int) -> Index:
    """The element of a globally pooled output that an input belongs to."""
    if view.output.ndim == 2:
        return (at[0], channel)
    inside = (0,) * (view.output.ndim - 2)
    return _element(view, inside, channel)


@forward(*GLOBAL_MAX)
def tell_global_max(view: NodeView) -> Iterator[Item]:
    """The largest number of a whole map."""
    values = averaged(view, view.at)
    order = np.argsort(-values, kind="stable")[:8]
    yield say("forward.global_max", count=values.size)
    yield worked(
        named(view.name, "output", view.here),
        Call("max", (Sym("x"),)),
        Call("max", tuple(Num(float(values[i])) for i in order)),
        recorded=float(view.output[view.here]),
        independent=view.independent(view.here),
        unit=view.unit,
    )
