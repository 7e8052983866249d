"""Recurrent layers: the gates of one step, the memory over all steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from opgraph.story.by_reference import depth, typical
from opgraph.story.checks import EPSILON, worked
from opgraph.story.families.way import GATES, Gate, Way, find_ways, not_told
from opgraph.story.formula import (
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
    times,
)
from opgraph.story.functions import FUNCTIONS
from opgraph.story.kinds import forward
from opgraph.story.model import Cell, Item, Table, Worked, say
from opgraph.story.view import NodeView, named

ROWS = 12
# Both numbers are computed in float64, with a few dozen operations behind them.
EXACT = EPSILON["float64"]
SEVERAL = 64
INTRODUCED = {"SimpleRNN": "inside.rnn", "LSTM": "inside.lstm", "GRU": "inside.gru"}
COLUMNS = {
    "SimpleRNN": ("state",),
    "LSTM": ("forget_gate", "input_gate", "content", "output_gate", "carry", "state"),
    "GRU": ("reset_gate", "update_gate", "content", "state"),
}


@forward("SimpleRNN", "LSTM", "GRU")
def tell_recurrent(view: NodeView) -> Iterator[Item]:
    """The last step that an output comes from, gate by gate."""
    reasons = list(not_told(view))
    if reasons:
        yield from (*reasons, say("forward.by_reference"))
        return
    (way,) = find_ways(view)
    step, unit = (*view.at,) if view.op.return_sequences else (len(way.order) - 1, view.at[0])
    yield from tell_way(way, step, unit, view.op.zero_output_for_mask)


@forward("Bidirectional")
def tell_bidirectional(view: NodeView) -> Iterator[Item]:
    """The way or the two ways that an output comes from, and how they are merged."""
    reasons = list(not_told(view))
    if reasons:
        yield from (*reasons, say("forward.by_reference"))
        return
    ways = find_ways(view)
    units, channel = int(view.op.inner.units), view.at[-1]
    last = len(ways[0].order) - 1
    place = view.at[0] if view.op.inner.return_sequences else last
    backwards = last - place if view.op.inner.return_sequences else last
    if view.op.merge_mode in ("concat", None):
        second = channel >= units
        yield say("inside.one_way", way="2" if second else "1", first=units)
        step = backwards if second else place
        zeroed = ways[second].op.zero_output_for_mask
        yield from tell_way(ways[second], step, channel - units * second, zeroed)
        return
    yield say("inside.both_ways")
    for way, step in zip(ways, (place, backwards), strict=True):
        yield from tell_way(way, step, channel, is_whole=False)
    yield from _merged(view, [float(w.part("state")[s, channel]) for w, s in
                              zip(ways, (place, backwards), strict=True)])  # fmt: skip


def _merged(view: NodeView, values: list[float]) -> Iterator[Item]:
    """What both ways make together."""
    a, b = (Num(value) for value in values)
    expressions: dict[str, tuple[Expr, Expr]] = {
        "sum": (add(Sym("there"), Sym("back")), add(a, b)),
        "mul": (times(Sym("there"), Sym("back")), times(a, b)),
        "ave": (Fraction(add(Sym("there"), Sym("back")), Num(2)), Fraction(add(a, b), Num(2))),
    }
    yield say("inside.merged", mode=view.op.merge_mode)
    yield worked(
        named(view.name, "output", view.here), *expressions[view.op.merge_mode], **_output(view)
    )


def _output(view: NodeView) -> dict[str, Any]:
    """What the number that is followed is compared with, and how far it may be off."""
    return {
        "recorded": float(view.output[view.here]),
        "independent": view.independent(view.here),
        "terms": depth(view) * (1 if len(view.at) == 1 else view.output.shape[1]),
        "scale": typical(view.output[view.step.example]),
        "unit": view.unit,
    }


def tell_way(
    way: Way, step: int, unit: int, zeroed: bool = False, *, is_whole: bool = True
) -> Iterator[Item]:
    """One step of one unit, gate by gate.

    Args:
        way: who reads.
        step: its number in the order of reading.
        unit: which of the units.
        zeroed: whether the output of a step that is not read is 0.
        is_whole: whether the state is the node's output.
    """
    yield say(INTRODUCED[way.kind])
    read = [at for at in range(step + 1) if way.is_read[at]]
    if not read or (read[-1] != step and zeroed):
        yield from (say("inside.not_read", step=step), say("forward.by_reference"))
        return
    if read[-1] != step:
        yield say("inside.skipped", step=step, read=read[-1])
    step = read[-1]
    yield say("inside.step", unit=unit, step=step, last=len(way.order) - 1, place=way.order[step])
    if step == 0:
        yield say("inside.given_start" if way.slots else "inside.zero_start")
    tellers = {"SimpleRNN": _simple, "LSTM": _lstm, "GRU": _gru}
    yield from tellers[way.kind](way, step, unit, is_whole)
    yield from _memory(way, step, unit)


def _state(way: Way, step: int, unit: int, formula: Expr, numbers: Expr, is_whole: bool) -> Worked:
    """The state after a step, which is the output where nothing follows."""
    if is_whole:
        name = named(way.view.name, "output", way.view.here)
        return worked(name, formula, numbers, **_output(way.view))
    value = float(way.part("state")[step, unit])
    name = way.name("state", step, unit)
    return worked(name, formula, numbers, independent=value, terms=SEVERAL, unit=EXACT)


def _sum_symbols(way: Way, gate: Gate, column: int) -> Expr:
    seen = Over("i", times(Sym("x[i]"), Sym(f"kernel[i, {column}]")))
    terms: list[Expr] = [seen]
    is_apart = way.kind == "GRU" and gate.part == "content" and way.op.reset_after
    if not is_apart:
        read = times(Sym("reset_gate[j]"), Sym("h[j]")) if way.acts_before(gate) else Sym("h[j]")
        terms.append(Over("j", times(read, Sym(f"recurrent_kernel[j, {column}]"))))
    rows = ("",)
    if way.kind == "GRU" and way.op.reset_after:
        rows = ("0, ",) if is_apart else ("0, ", "1, ")
    terms += [Sym(f"bias[{row}{column}]") for row in rows if way.offset(column)]
    return Sum(tuple(terms))


def _gate(way: Way, gate: Gate, step: int, unit: int) -> Iterator[Item]:
    """The sum of a gate and its function."""
    told = way.sum(gate, step, unit)
    yield say(f"gate.{gate.part}", function=way.function(gate))
    if told.rest:
        yield say("forward.rest", shown=told.terms - told.rest, rest=told.rest)
    symbols = _sum_symbols(way, gate, way.column(gate, unit))
    yield worked(way.name(f"{gate.part}.sum", step, unit), symbols, told.numbers)
    yield _applied(way, gate, step, unit, evaluate(told.numbers), told.scale)


def _applied(way: Way, gate: Gate, step: int, unit: int, value: float, scale: float) -> Worked:
    """The function of a gate at its sum, of terms of that size."""
    known = FUNCTIONS[way.function(gate)]
    return worked(
        way.name(gate.part, step, unit),
        known.value(Sym("sum")),
        known.value(Num(value)),
        independent=float(way.part(gate.part)[step, unit]),
        terms=SEVERAL,
        scale=max(1.0, scale),
        unit=EXACT,
    )


def _number(way: Way, part: str, step: int, unit: int) -> Num:
    return Num(float(way.part(part)[step, unit]))


def _simple(way: Way, step: int, unit: int, is_whole: bool) -> Iterator[Item]:
    (gate,) = GATES["SimpleRNN"]
    told = way.sum(gate, step, unit)
    yield say("gate.state", function=way.function(gate))
    if told.rest:
        yield say("forward.rest", shown=told.terms - told.rest, rest=told.rest)
    yield worked(way.name("sum", step, unit), _sum_symbols(way, gate, unit), told.numbers)
    known = FUNCTIONS[way.function(gate)]
    numbers = known.value(Num(evaluate(told.numbers)))
    yield _state(way, step, unit, known.value(Sym("sum")), numbers, is_whole)


def _lstm(way: Way, step: int, unit: int, is_whole: bool) -> Iterator[Item]:
    for gate in GATES["LSTM"]:
        yield from _gate(way, gate, step, unit)
    forget, write, content, show = (_number(way, g.part, step, unit) for g in GATES["LSTM"])
    old = float(way.before("carry", step)[unit])
    yield say("inside.carry")
    carry = worked(
        way.name("carry", step, unit),
        add(times(Sym("f"), Sym("c_before")), times(Sym("i"), Sym("g"))),
        add(times(forget, Num(old)), times(write, content)),
        independent=float(way.part("carry")[step, unit]),
        terms=SEVERAL,
        scale=abs(old) + abs(content.value),
        unit=EXACT,
    )
    yield carry
    yield say("inside.shown")
    known = FUNCTIONS[str(way.op.activation or "linear")]
    formula = times(Sym("o"), known.value(Sym("c")))
    numbers = times(show, known.value(Num(carry.value)))
    yield _state(way, step, unit, formula, numbers, is_whole)


def _gru(way: Way, step: int, unit: int, is_whole: bool) -> Iterator[Item]:
    reset, update, content = GATES["GRU"]
    for gate in (reset, update):
        yield from _gate(way, gate, step, unit)
    if way.op.reset_after:
        yield from _reset_content(way, content, step, unit)
    else:
        yield from _gate(way, content, step, unit)
    keep, new = (_number(way, g.part, step, unit) for g in (update, content))
    old = Num(float(way.before("state", step)[unit]))
    yield say("inside.mixed")
    formula = add(times(Sym("z"), Sym("h_before")), times(_rest(Sym("z")), Sym("g")))
    numbers = add(times(keep, old), times(_rest(keep), new))
    yield _state(way, step, unit, formula, numbers, is_whole)


def _rest(share: Expr) -> Sum:
    return add(Num(1), Minus(share))


def _reset_content(way: Way, gate: Gate, step: int, unit: int) -> Iterator[Item]:
    """The content of a GRU whose reset gate acts behind the product with the states."""
    column, inner, seen = way.column(gate, unit), way.product(step, unit), way.sum(gate, step, unit)
    yield say("inside.product")
    if inner.rest:
        yield say("forward.rest", shown=inner.terms - inner.rest, rest=inner.rest)
    terms: list[Expr] = [Over("j", times(Sym("h[j]"), Sym(f"recurrent_kernel[j, {column}]")))]
    terms += [Sym(f"bias[1, {column}]")] if way.offset(column) else []
    product = worked(
        way.name("product", step, unit),
        Sum(tuple(terms)),
        inner.numbers,
        independent=float(way.part("product")[step, unit]),
        terms=inner.terms,
        scale=inner.scale,
        unit=EXACT,
    )
    yield product
    yield say("inside.reset_content")
    r = _number(way, "reset_gate", step, unit)
    whole = worked(
        way.name("content.sum", step, unit),
        Sum((*_terms(_sum_symbols(way, gate, column)), times(Sym("r"), Sym("product")))),
        Sum((*_terms(seen.numbers), Product((r, Num(product.value))))),
    )
    yield whole
    yield _applied(way, gate, step, unit, whole.value, seen.scale + inner.scale)


def _terms(expression: Expr) -> tuple[Expr, ...]:
    return expression.terms if isinstance(expression, Sum) else (expression,)


def _memory(way: Way, step: int, unit: int) -> Iterator[Item]:
    """The gates and states of the unit over the steps; a few of them where there are many."""
    count = len(way.order)
    shown = sorted(
        {*np.linspace(0, count - 1, min(count, ROWS)).round().astype(int).tolist(), step}
    )
    parts = COLUMNS[way.kind]
    rows: list[tuple[Cell, ...]] = []
    for at in shown:
        cells = [float(way.part(part)[at, unit]) for part in parts]
        is_read = bool(way.is_read[at])
        kept = {"carry", "state"}  # what a step that is not read leaves as it was
        numbers = [x if is_read or p in kept else "" for x, p in zip(cells, parts, strict=True)]
        rows.append((str(at), str(way.order[at]), *numbers))
    columns = (say("column.step"), say("column.place"), *(say(f"column.{part}") for part in parts))
    yield Table(say("inside.memory", unit=unit, shown=len(rows), all=count), columns, tuple(rows))
