"""Questions on the way back and on the update: gradients, new values, moving statistics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from opgraph.record import Array
from opgraph.story.checks import worked
from opgraph.story.families.activation import grad_behind
from opgraph.story.families.linear import before_normalisation, regularized
from opgraph.story.follow import told_gradient, told_update
from opgraph.story.formula import Minus, Num, Sym, add
from opgraph.story.lesson.model import Given, Question
from opgraph.story.lesson.questions.asking import (
    MOST_NUMBERS,
    Quiz,
    behind,
    inputs_of,
    make,
    numbered,
    striking,
    up_to,
    weights_of,
)
from opgraph.story.lesson.questions.forward import is_plain
from opgraph.story.model import Item, Worked, say
from opgraph.story.moving import tell_moving
from opgraph.story.opinion import LEFT_OUT, SLOTS
from opgraph.story.update import TOLD
from opgraph.story.view import Index, NodeView, named

SETTINGS = ("beta_1", "beta_2", "epsilon", "momentum", "rho", "weight_decay", "nesterov")


def _learners(quiz: Quiz, weight: str) -> list[NodeView]:
    """Dense layers whose gradient of this weight is a plain sum over the batch."""
    return [
        view
        for view in quiz.views("Dense")
        if weight in view.weights
        and view.trained(weight) is not None
        and grad_behind(view) is not None
        and not view.is_shared
        and not before_normalisation(view)
        and regularized(view, weight, (0,) * view.weights[weight].ndim) is None
    ]


def _batch_rows(view: NodeView) -> int:
    """Numbers that are added for the gradient of one bias."""
    return view.output[..., 0].size


def _bias(quiz: Quiz) -> tuple[NodeView, Index] | None:
    """The bias whose gradient is asked for, and then its new value."""
    view = quiz.easiest("bias", _learners(quiz, "bias"), _batch_rows)
    grad = None if view is None else view.trained("bias")
    if view is None or grad is None:
        return None
    at = striking(quiz.draw("bias"), grad)
    return quiz.focus(view, at), at


def ask_bias_gradient(quiz: Quiz) -> Iterator[Question]:
    """The gradient of one bias, from what came back for each example."""
    found = _bias(quiz)
    if found is None:
        return
    view, (unit,) = found
    delta = grad_behind(view)
    assert delta is not None
    told = told_gradient(view.step, named(view.name, "bias.grad", (unit,)))
    asked = say("ask.bias_gradient", node=view.name, unit=unit, count=_batch_rows(view))
    arrays = {
        f"{view.name}/sum.grad.batch": delta,
        f"{view.owner}/bias.grad": view.trained("bias"),
    }
    given = numbered("grad", delta[..., unit])
    yield from make("bias_gradient", view, asked, given, told, arrays)


def ask_weight_gradient(quiz: Quiz) -> Iterator[Question]:
    """The gradient of one weight: number times gradient, over the batch."""
    view = quiz.easiest("weight", _learners(quiz, "kernel"), _batch_rows)
    grad = None if view is None else view.trained("kernel")
    if view is None or grad is None:
        return
    at = striking(quiz.draw("weight"), grad)
    view = quiz.focus(view, at)
    delta = grad_behind(view)
    assert delta is not None
    told = told_gradient(view.step, named(view.name, "kernel.grad", at))
    x, d = view.read()[..., at[0]], delta[..., at[1]]
    given: dict[str, Given | None] = {**numbered("x", x), **numbered("grad", d)}
    asked = say("ask.weight_gradient", element=named(view.name, "kernel", at), source=at[0],
                unit=at[1], count=_batch_rows(view))  # fmt: skip
    arrays = {
        f"{view.reads[0]}/output.batch": view.read(),
        f"{view.name}/sum.grad.batch": delta,
        f"{view.owner}/kernel.grad": grad,
    }
    yield from make("weight_gradient", view, asked, given, told, arrays)


def ask_new_value(quiz: Quiz) -> Iterator[Question]:
    """The value of the same bias after the optimizer."""
    found, facts = _bias(quiz), quiz.step.facts
    clips = any(facts.settings.get(name) for name in LEFT_OUT)
    if found is None or clips or facts.optimizer not in TOLD:
        return
    view, at = found
    told = up_to(told_update(view.step, "bias"), named(view.owner, "bias.after", at))
    if not told or any(isinstance(item, Worked) and item.formula is None for item in told):
        return
    slots = {name: view.trained("bias", f"{name}.before") for name in SLOTS}
    given: dict[str, Given | None] = {
        "optimizer": facts.optimizer,
        "w": float(view.weights["bias"][at]),
        "g": _number(view.trained("bias"), at),
        "rate": float(quiz.step.tensors.figures["learning_rate"]),
        "step": quiz.step.tensors.step,
        **{f"{name}.before": _number(array, at) for name, array in slots.items()},
        **{name: _setting(facts.settings.get(name)) for name in SETTINGS},
    }
    asked = say("ask.new_value", element=named(view.owner, "bias", at), optimizer=facts.optimizer)
    yield from make("new_value", view, asked, given, told, _before_and_after(view, "bias"))


def _number(array: Array | None, at: Index) -> float | None:
    return None if array is None else float(array[at])


def _setting(value: Any) -> float | None:
    return float(value) if isinstance(value, bool | int | float) else None


def _before_and_after(view: NodeView, weight: str) -> dict[str, Array | None]:
    """A weight, its gradient and the optimizer's slots, before and after the update."""
    wanted = ["grad", "after", *(f"{slot}{end}" for slot in SLOTS for end in (".before", ""))]
    found = {f"{view.owner}/{weight}.{what}": view.trained(weight, what) for what in wanted}
    return {**weights_of(view, weight), **found}


def ask_blocked(quiz: Quiz) -> Iterator[Question]:
    """How many gradients does a ReLU stop, in an example or in one channel of it?"""
    views = [view for view in quiz.views("ReLU") if view.grad is not None and _is_plain(view)]
    view = quiz.easiest("blocked", views, _map_size)
    if view is None or view.grad is None:
        return
    x, y, grad = (a[view.step.example] for a in (view.read(), view.output, view.grad))
    channel = None if x.size <= MOST_NUMBERS else _mixed(quiz, x, grad)
    if channel is not None:
        x, y, grad = x[..., channel], y[..., channel], grad[..., channel]
    arrived, passed = int((grad != 0).sum()), int(((grad != 0) & (x > 0)).sum())
    if not arrived:
        return
    line = worked(
        f"{view.name}.blocked",
        add(Sym("arrived"), Minus(Sym("passed"))),
        add(Num(arrived), Minus(Num(passed))),
        recorded=float(((grad != 0) & (y <= 0)).sum()),
        scale=0.0,
        drift=0.0,
    )
    answer = (say("ask.blocked_why", arrived=arrived, passed=passed), line)
    given: dict[str, Given | None] = {**numbered("x", x), **numbered("grad", grad)}
    key = "ask.blocked" if channel is None else "ask.blocked_channel"
    asked = say(key, node=view.name, example=view.step.example, size=x.size, channel=channel)
    arrays = {**inputs_of(view), f"{view.name}/output.grad": view.grad[view.step.example]}
    yield from make("blocked", view, asked, given, answer, arrays)


def _mixed(quiz: Quiz, x: Array, grad: Array) -> int:
    """A channel of which about as many gradients pass as are blocked."""
    axes = tuple(range(x.ndim - 1))
    passed = ((grad != 0) & (x > 0)).sum(axis=axes)
    blocked = (grad != 0).sum(axis=axes) - passed
    return striking(quiz.draw("blocked"), np.minimum(passed, blocked))[-1]


def _map_size(view: NodeView) -> int:
    """Numbers of an example, or of one channel of it where those are too many."""
    size = view.output[0].size
    return size if size <= MOST_NUMBERS else size // view.output.shape[-1]


def _is_plain(view: NodeView) -> bool:
    op = view.op
    return not op.negative_slope and not op.threshold and op.max_value is None


def _normalised(quiz: Quiz) -> NodeView | None:
    views = [view for view in quiz.views("BatchNormalization") if is_plain(view)]
    views = [view for view in views if view.own("moving_mean.after") is not None]
    return quiz.on_output("moving", quiz.draw("moving").choice(views)) if views else None


def _told_moving(view: NodeView) -> list[Item]:
    return [item for block in tell_moving(view.step) for item in block.items]


def ask_moving_mean(quiz: Quiz) -> Iterator[Question]:
    """The moving mean after the step."""
    view = _normalised(quiz)
    if view is None:
        return
    channel = view.here[view.op.axis % view.output.ndim]
    arrays = {
        f"{view.name}/{name}": view.own(name)
        for name in ("moving_mean", "moving_mean.after", "batch_mean")
    }
    old, new = arrays[f"{view.name}/moving_mean"], arrays[f"{view.name}/batch_mean"]
    given: dict[str, Given | None] = {
        "momentum": float(view.op.momentum),
        "old": _number(old, (channel,)),
        "batch": _number(new, (channel,)),
    }
    told = up_to(_told_moving(view), named(view.name, "moving_mean.after", (channel,)))
    asked = say("ask.moving_mean", node=view.name, channel=channel)
    yield from make("moving_mean", view, asked, given, told, arrays)


def ask_initial_share(quiz: Quiz) -> Iterator[Question]:
    """How much of its first value is still in a moving mean?"""
    view = _normalised(quiz)
    if view is None:
        return
    updates = quiz.step.tensors.step
    given: dict[str, Given | None] = {"momentum": float(view.op.momentum), "updates": updates}
    told = up_to(_told_moving(view), f"{view.name}.initial_share")
    asked = say("ask.initial_share", node=view.name, updates=updates)
    yield from make("initial_share", view, asked, given, behind(told, "moving.left"), {})
