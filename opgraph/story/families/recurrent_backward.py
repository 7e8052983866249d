"""Recurrent layers on the way back: one weight, used at every step, and what each step adds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from opgraph.record import Array
from opgraph.story.by_reference import gradients_beside, inherited
from opgraph.story.checks import worked
from opgraph.story.families.linear import summed
from opgraph.story.families.recurrent import EXACT, ROWS, SEVERAL
from opgraph.story.families.way import GATES, Gate, Way, find_ways, not_told
from opgraph.story.formula import (
    Expr,
    Minus,
    Num,
    Over,
    Sum,
    Sym,
    add,
    evaluate,
    times,
)
from opgraph.story.functions import FUNCTIONS
from opgraph.story.kinds import backward
from opgraph.story.model import Item, Table, say
from opgraph.story.terms import LARGEST, numbers
from opgraph.story.view import NodeView, wide


@backward("SimpleRNN", "LSTM", "GRU", "Bidirectional")
def tell_recurrent_backward(view: NodeView) -> Iterator[Item]:
    """The gradients of one weight of each kernel, step by step."""
    if list(not_told(view)) or view.is_shared or not view.part_pulls:
        yield say("backward.by_reference")
        return
    ways = find_ways(view)
    names = ("kernel", "recurrent_kernel")
    for way in ways:
        yield say("inside.through_time")
        for name in names:
            yield from _weight(way, name)
    yield from gradients_beside(view, {way.weight_name(n) for way in ways for n in names})


class _Uses(NamedTuple):
    """Where a weight was used: the numbers it was multiplied by, the gradients at its sum.

    Both by example and step, in the order of reading.
    """

    x: Array
    delta: Array


def _weight(way: Way, name: str) -> Iterator[Item]:
    view, weight = way.view, way.weight_name(name)
    if view.trained(weight) is None:
        return
    at = view.weight_at(weight)
    row, column = at
    gate = next(g for g in GATES[way.kind] if g.block == column // way.op.units)
    uses = _uses(way, name, gate, row, column)
    parts = uses.x * uses.delta
    step = int(np.argmax(np.abs(parts[way.example])))
    if name == "kernel":
        yield from _one_step(way, gate, step, column % way.op.units)
    yield say(
        f"kernel_grad.{name}", weight=weight, at=at, steps=parts.shape[1], examples=len(parts)
    )
    yield _products(way, uses)
    told = numbers(parts.sum(axis=0), [f"t={at}" for at in range(parts.shape[1])])
    yield say("inside.by_step", shown=min(parts.shape[1], LARGEST if told.rest else parts.shape[1]))
    formula = Over("t, n", times(Sym("x"), Sym("grad")))
    yield from summed(view, weight, at, formula, told, parts, inherited(view))


def _uses(way: Way, name: str, gate: Gate, row: int, column: int) -> _Uses:
    view, prefix = way.view, way.prefix
    if name == "kernel":
        return _Uses(
            wide(view.read()[..., row])[:, way.order],
            view.whole_grad(f"{prefix}sums")[..., column],
        )
    sums = "own_sums" if way.kind == "GRU" else "sums"
    states = view.whole(f"{prefix}state")[..., row]
    x = np.concatenate([way.start()[:, None, row], states[:, :-1]], axis=1)
    if way.acts_before(gate):
        x = x * view.whole(f"{prefix}reset_gate")[..., row]
    return _Uses(x, view.whole_grad(f"{prefix}{sums}")[..., column])


def _products(way: Way, uses: _Uses) -> Table:
    """The uses for the example that is followed."""
    x, delta = uses.x[way.example], uses.delta[way.example]
    order = np.argsort(-np.abs(x * delta), kind="stable")[:ROWS]
    rows = tuple(
        (str(at), str(way.order[at]), float(x[at]), float(delta[at]), float(x[at] * delta[at]))
        for at in sorted(order.tolist())
    )
    names = ("step", "place", "number", "grad", "product")
    title = say("inside.products", example=way.example, shown=len(rows), all=len(x))
    return Table(title, tuple(say(f"column.{name}") for name in names), rows)


# One step ---------------------------------------------------------------------------------------


def _one_step(way: Way, gate: Gate, step: int, unit: int) -> Iterator[Item]:
    """How the gradient at the state of a step becomes that at the sum of a gate."""
    at_state = _gradient(way, "state", step)[unit]
    yield say("inside.state_grad", step=step, unit=unit, value=float(at_state))
    at_carry = 0.0
    if way.kind == "LSTM":
        yield from _carry(way, step, unit, float(at_state))
        at_carry = float(_gradient(way, "carry", step)[unit])
    known = FUNCTIONS[way.function(gate)]
    value = evaluate(_content_sum(way, gate, step, unit))
    slope = known.slope(value, float(way.part(gate.part)[step, unit]))
    found = _before_slope(way, gate, step, unit, float(at_state), at_carry)
    if found is None:
        return
    symbols, expression = found
    yield say(f"gate_grad.{gate.part}", function=way.function(gate))
    delta = float(_gradient(way, "sums", step)[way.column(gate, unit)])
    yield worked(
        way.name(f"{gate.part}.sum.grad", step, unit),
        times(symbols, Sym("slope")),
        times(expression, slope),
        independent=delta,
        terms=SEVERAL,
        scale=abs(float(at_state)) + abs(at_carry),
        unit=EXACT,
    )


def _gradient(way: Way, name: str, step: int) -> Array:
    """Gradients at numbers inside, of the example at a step."""
    return way.view.whole_grad(way.prefix + name)[way.example, step]


def _content_sum(way: Way, gate: Gate, step: int, unit: int) -> Expr:
    told = way.sum(gate, step, unit).numbers
    if way.kind == "GRU" and gate.part == "content" and way.op.reset_after:
        product = way.product(step, unit).numbers
        return add(told, times(_known(way, "reset_gate", step, unit), Num(evaluate(product))))
    return told


def _known(way: Way, part: str, step: int, unit: int) -> Num:
    return Num(float(way.part(part)[step, unit]))


def _carry(way: Way, step: int, unit: int, at_state: float) -> Iterator[Item]:
    """The gradient at the cell state: what comes by way of h, and from the step after."""
    known = FUNCTIONS[str(way.op.activation or "linear")]
    c, o = float(way.part("carry")[step, unit]), _known(way, "output_gate", step, unit)
    shown = evaluate(known.value(Num(c)))
    yield say("inside.carry_grad")
    terms: list[Expr] = [times(Num(at_state), o, known.slope(c, shown))]
    symbols: list[Expr] = [times(Sym("grad_h"), Sym("o"), Sym("slope(c)"))]
    after = 0.0
    later = [at for at in range(step + 1, len(way.order)) if way.is_read[at]]
    if later:
        after = float(_gradient(way, "carry", later[0])[unit])
        terms.append(times(Num(after), _known(way, "forget_gate", later[0], unit)))
        symbols.append(times(Sym("grad_c_after"), Sym("f_after")))
    yield worked(
        way.name("carry.grad", step, unit),
        Sum(tuple(symbols)),
        Sum(tuple(terms)),
        independent=float(_gradient(way, "carry", step)[unit]),
        terms=SEVERAL,
        scale=abs(at_state) + abs(after),
        unit=EXACT,
    )


def _before_slope(
    way: Way, gate: Gate, step: int, unit: int, at_state: float, at_carry: float
) -> tuple[Expr, Expr] | None:
    """The gradient behind the function of a gate, in symbols and numbers."""
    h, c = Num(at_state), Num(at_carry)
    if way.kind == "SimpleRNN":
        return Sym("grad_h"), h
    if way.kind == "LSTM":
        old = Num(float(way.before("carry", step)[unit]))
        if gate.part == "output_gate":
            known = FUNCTIONS[str(way.op.activation or "linear")]
            shown = known.value(_known(way, "carry", step, unit))
            return times(Sym("grad_h"), known.value(Sym("c"))), times(h, shown)
        partner: dict[str, tuple[str, Num]] = {
            "forget_gate": ("c_before", old),
            "input_gate": ("g", _known(way, "content", step, unit)),
            "content": ("i", _known(way, "input_gate", step, unit)),
        }
        name, value = partner[gate.part]
        return times(Sym("grad_c"), Sym(name)), times(c, value)
    return _gru_before_slope(way, gate, step, unit, h)


def _gru_before_slope(
    way: Way, gate: Gate, step: int, unit: int, h: Num
) -> tuple[Expr, Expr] | None:
    old, content = (
        Num(float(way.before("state", step)[unit])),
        _known(way, "content", step, unit),
    )
    keep = _known(way, "update_gate", step, unit)
    if gate.part == "update_gate":
        difference = add(Sym("h_before"), Minus(Sym("g")))
        return times(Sym("grad_h"), difference), times(h, add(old, Minus(content)))
    if gate.part == "content":
        rest = add(Num(1), Minus(Sym("z")))
        return times(Sym("grad_h"), rest), times(h, add(Num(1), Minus(keep)))
    if not way.op.reset_after:
        return None
    at_content = float(_gradient(way, "sums", step)[way.column(GATES["GRU"][2], unit)])
    product = _known(way, "product", step, unit)
    return times(Sym("grad_content"), Sym("product")), times(Num(at_content), product)
