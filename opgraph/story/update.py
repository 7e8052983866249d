"""The fifth phase: what the optimizer makes of each gradient."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from opgraph.reference import Update
from opgraph.story.checks import EPSILON_32, worked
from opgraph.story.clipping import clip_factor, tell_clipped
from opgraph.story.formula import (
    Expr,
    Fraction,
    Minus,
    Num,
    Power,
    Product,
    Sum,
    Sym,
    add,
    evaluate,
    root,
    square,
    times,
)
from opgraph.story.model import Block, Item, say
from opgraph.story.opinion import Element, updated
from opgraph.story.parts import tell_parts
from opgraph.story.repeated import apart, squares
from opgraph.story.view import Index, NodeView, StepView, named

OF_SQUARES = ("velocity", "velocity_hat", "accumulator")  # slots that are made of g^2
TOLD = ("SGD", "RMSprop", "Adam", "AdamW")


@dataclass(frozen=True, eq=False)
class Updated:
    """One element of a weight in one update.

    Attributes:
        view: the node.
        weight: the name of the weight.
        at: the element.
        gradient: as the optimizer applies it, clipped where it clips.
    """

    view: NodeView
    weight: str
    at: Index
    gradient: float

    def setting(self, name: str) -> float:
        """A number of the optimizer's; 0 where it has none."""
        return float(self.view.step.facts.settings.get(name) or 0.0)

    @property
    def rate(self) -> float:
        """The learning rate of this update."""
        return float(self.view.step.tensors.figures.get("learning_rate", math.nan))

    @property
    def before(self) -> float:
        """The weight before the update."""
        return float(self.view.weights[self.weight][self.at])

    def recorded(self, what: str) -> float | None:
        """A recorded number of this element: `after`, a slot, a slot before."""
        array = self.view.trained(self.weight, what)
        return None if array is None else float(array[self.at])

    @cached_property
    def apart(self) -> list[float]:
        """The gradients that the optimizer gets one by one; empty where it gets one."""
        return apart(self.view, self.weight, self.at)

    @property
    def square(self) -> Expr:
        """What a memory of squares gets: the square of the gradient, or the sum of squares."""
        return squares(self.apart) if self.apart else square(Num(self.gradient))

    @cached_property
    def opinion(self) -> Update | None:
        """What `reference` makes of the same step; None where gradients come one by one."""
        return None if self.apart else updated(Element(self.view, self.weight, self.at))

    def opinion_of_slot(self, slot: str) -> float | None:
        """The independent value of a slot after the update."""
        found = None if self.opinion is None else self.opinion.new_slots.get(slot)
        return None if found is None else float(found)

    @property
    def opinion_of_weight(self) -> float | None:
        """The independent value of the weight after the update."""
        return None if self.opinion is None else float(self.opinion.new_weight)

    def name(self, what: str) -> str:
        """What such a number is called."""
        return named(self.view.owner, f"{self.weight}.{what}", self.at)


def tell_update(step: StepView) -> Iterator[Block]:
    """A block for each node whose weights were changed."""
    if step.tensors.figures.get("skipped"):
        sentences = (*_scaled(step), say("update.skipped"))
        yield Block("optimizer", step.facts.optimizer, sentences)
        return
    clip = clip_factor(step)
    first = list(_scaled(step))
    for view in step.told:
        if view.owner != view.name:
            continue
        items = [item for name in view.weights for item in _weight(view, name, clip)]
        if items:
            yield Block(view.name, view.kind, (*first, *items), view.node.label)
            first = []


def _scaled(step: StepView) -> Iterator[Item]:
    """That the loss was scaled, and whether the update was left out."""
    figures = step.tensors.figures
    if "loss_scale" in figures:
        yield say("update.loss_scale", scale=figures["loss_scale"])


def _weight(view: NodeView, name: str, clip: float | None) -> Iterator[Item]:
    grad, after = view.trained(name), view.trained(name, "after")
    if after is None or name.startswith("moving_"):  # those are told in the last phase
        return
    at = view.weight_at(name)
    yield say(
        "update.weight",
        weight=name,
        element=named(view.name, name, at),
        optimizer=view.step.facts.optimizer,
    )
    if grad is None:
        yield say("update.not_connected", weight=name)
        return
    if view.step.facts.accumulate > 1:
        yield from tell_parts(view, name, at)
    applied = yield from tell_clipped(view, name, at, grad, clip)
    updated = Updated(view, name, at, applied)
    if updated.apart:
        yield say("update.apart", count=len(updated.apart), token=at[0])
    if view.step.facts.optimizer in TOLD and not updated.setting("amsgrad"):
        yield from _TELLERS[view.step.facts.optimizer](updated)
    else:
        yield from _by_reference(updated)
    yield from _ratio(view, name)


def _by_reference(one: Updated) -> Iterator[Item]:
    """Recorded numbers beside independent ones, where the formula is not written out."""
    optimizer, new = one.view.step.facts.optimizer, one.opinion
    if new is None:
        after = one.recorded("after")
        yield say("update.unknown", optimizer=optimizer, before=one.before, after=after)
        return
    yield say("update.by_reference", optimizer=optimizer, before=one.before)
    for slot, value in new.new_slots.items():
        old, g = one.recorded(f"{slot}.before") or 0.0, one.gradient
        scale = abs(old) + (g * g if slot in OF_SQUARES else abs(g))
        yield from _slot(one, slot, None, Num(float(value)), scale)
    change = Num(float(new.new_weight))
    step = abs(float(new.parts["step"]))
    missing = 1 - one.setting("beta_2") ** one.view.step.update
    yield from _new(one, 0.0, None, change, 1 / missing if missing < 1 else 1.0, step)


def _decayed(one: Updated) -> Any:
    """The weight after its decay, which Keras takes away before the step."""
    decay = one.setting("weight_decay")
    if not decay:
        return one.before
    yield say("update.decay", decay=decay)
    line = worked(
        one.name("decayed"),
        add(Sym("w"), Minus(times(Sym("w"), Sym("decay"), Sym("rate")))),
        add(Num(one.before), Minus(times(Num(one.before), Num(decay), Num(one.rate)))),
    )
    yield line
    return line.value


def _new(
    one: Updated,
    before: float,
    formula: Expr | None,
    change: Expr,
    loss: float = 1.0,
    step: float | None = None,
) -> Iterator[Item]:
    """The new value of the weight.

    Args:
        one: the element.
        before: its value, decayed.
        formula: in symbols.
        change: what is added.
        loss: how much the rounding of the corrections is enlarged.
        step: how far the weight goes; as far as the change says when left out.
    """
    size = abs(evaluate(change)) if step is None else step
    yield worked(
        one.name("after"),
        formula,
        change if formula is None else add(Num(before), change),
        recorded=one.recorded("after"),
        independent=one.opinion_of_weight,
        terms=4,
        scale=max(abs(before), abs(one.before)) + size * loss,
        unit=EPSILON_32,
    )


def _slot(
    one: Updated, slot: str, formula: Expr | None, numbers: Expr, scale: float
) -> Iterator[Item]:
    yield worked(
        one.name(slot),
        formula,
        numbers,
        recorded=one.recorded(slot),
        independent=one.opinion_of_slot(slot),
        terms=2,
        scale=scale,
    )


def _adam(one: Updated) -> Iterator[Item]:
    first, second, step = one.setting("beta_1"), one.setting("beta_2"), one.view.step.update
    m, v = one.recorded("momentum.before") or 0.0, one.recorded("velocity.before") or 0.0
    g = one.gradient
    before = yield from _decayed(one)
    yield say("update.adam_m", keep=first)
    m_new = _blend(first, m, Num(g))
    yield from _slot(
        one, "momentum", _blend_symbols("beta_1", "m", Sym("g")), m_new, abs(m) + abs(g)
    )
    yield say("update.adam_v", keep=second)
    v_new = _blend(second, v, one.square)
    yield from _slot(
        one, "velocity", _blend_symbols("beta_2", "v", square(Sym("g"))), v_new, abs(v) + g * g
    )
    yield say("update.adam_bias", step=step, first=first, second=second)
    one_minus = [add(Num(1), Minus(Power(Num(beta), Num(step)))) for beta in (first, second)]
    symbols = [add(Num(1), Minus(Power(Sym(beta), Sym("t")))) for beta in ("beta_1", "beta_2")]
    size = worked(
        one.name("step_size"),
        Fraction(times(Sym("rate"), root(symbols[1])), symbols[0]),
        Fraction(times(Num(one.rate), root(one_minus[1])), one_minus[0]),
    )
    yield size
    yield say("update.adam_new", epsilon=one.setting("epsilon"))
    change = Fraction(
        times(Num(size.value), Num(evaluate(m_new))),
        add(root(Num(evaluate(v_new))), Num(one.setting("epsilon"))),
    )
    formula = add(
        Sym("w"),
        Minus(Fraction(times(Sym("step_size"), Sym("m")), add(root(Sym("v")), Sym("epsilon")))),
    )
    yield from _new(one, before, formula, Minus(change), 1 / max(evaluate(one_minus[1]), 1e-9) ** 1)


def _blend(keep: float, old: float, new: Expr) -> Sum:
    return add(times(Num(keep), Num(old)), times(add(Num(1), Minus(Num(keep))), new))


def _blend_symbols(keep: str, old: str, new: Expr) -> Sum:
    return add(times(Sym(keep), Sym(old)), times(add(Num(1), Minus(Sym(keep))), new))


def _sgd(one: Updated) -> Iterator[Item]:
    momentum, g, rate = one.setting("momentum"), one.gradient, one.rate
    before = yield from _decayed(one)
    plain: Expr = Product((Num(rate), Num(g)))
    if not momentum:
        yield say("update.sgd")
        yield from _new(
            one, before, add(Sym("w"), Minus(times(Sym("rate"), Sym("g")))), Minus(plain)
        )
        return
    old = one.recorded("momentum.before") or 0.0
    yield say("update.momentum", keep=momentum)
    speed = add(times(Num(momentum), Num(old)), Minus(plain))
    symbols = add(times(Sym("momentum"), Sym("m")), Minus(times(Sym("rate"), Sym("g"))))
    yield from _slot(one, "momentum", symbols, speed, abs(old) + abs(rate * g))
    new = Num(evaluate(speed))
    if one.setting("nesterov"):
        yield say("update.nesterov")
        change = add(times(Num(momentum), new), Minus(plain))
        yield from _new(one, before, add(Sym("w"), symbols), change)
        return
    yield say("update.momentum_new")
    yield from _new(one, before, add(Sym("w"), Sym("m")), new)


def _rmsprop(one: Updated) -> Iterator[Item]:
    if one.setting("centered"):
        yield from _by_reference(one)
        return
    rho, g, rate = one.setting("rho"), one.gradient, one.rate
    before = yield from _decayed(one)
    v = one.recorded("velocity.before") or 0.0
    yield say("update.rmsprop_v", keep=rho)
    v_new = _blend(rho, v, one.square)
    yield from _slot(
        one, "velocity", _blend_symbols("rho", "v", square(Sym("g"))), v_new, abs(v) + g * g
    )
    yield say("update.rmsprop")
    below = root(add(Num(evaluate(v_new)), Num(one.setting("epsilon"))))
    change = Fraction(times(Num(rate), Num(g)), below)
    symbols = Fraction(times(Sym("rate"), Sym("g")), root(add(Sym("v"), Sym("epsilon"))))
    momentum = one.setting("momentum")
    if not momentum:
        yield from _new(one, before, add(Sym("w"), Minus(symbols)), Minus(change))
        return
    old = one.recorded("momentum.before") or 0.0
    speed = add(times(Num(momentum), Num(old)), change)
    yield from _slot(
        one,
        "momentum",
        add(times(Sym("momentum"), Sym("m")), symbols),
        speed,
        abs(old) + abs(evaluate(change)),
    )
    yield from _new(one, before, add(Sym("w"), Minus(Sym("m"))), Minus(Num(evaluate(speed))))


_TELLERS = {"SGD": _sgd, "RMSprop": _rmsprop, "Adam": _adam, "AdamW": _adam}


def _ratio(view: NodeView, name: str) -> Iterator[Item]:
    """How large the update is beside the weight, both as norms."""
    change, weight = view.trained(name, "update"), view.weights[name]
    if change is None:
        return
    norms = [float(np.sqrt((a.astype(np.float64) ** 2).sum())) for a in (change, weight)]
    if not norms[1]:
        yield say("update.from_zero", weight=name)
        return
    yield say("update.ratio", weight=name)
    yield worked(
        f"{view.name}.{name}.update / {name}",
        Fraction(Sym("‖update‖"), Sym("‖w‖")),
        Fraction(Num(norms[0]), Num(norms[1])),
    )
