"""What an optimizer makes of a gradient: the new weight and the new slots.

The formulas of Keras 3.15 (keras.optimizers), whose names the settings and slots have too. Keras's
order is: clip the gradients, take the decay off the weight, then step. Knows no op.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from opgraph.errors import ReferenceMissingError
from opgraph.reference.computed import Array


@dataclass(frozen=True)
class Update:
    """One step of an optimizer on one weight.

    Attributes:
        new_weight: the weight after the step.
        new_slots: what the optimizer remembers of it, after the step.
        parts: numbers on the way: `decay` taken off the weight, `step` added to it, and the
            optimizer's own, such as `correction_1` and `m_hat` of Adam.
    """

    new_weight: Array
    new_slots: Mapping[str, Array]
    parts: Mapping[str, Array]


class Stepped(NamedTuple):
    """What is added to the weight, the new slots, and numbers on the way."""

    step: Array
    slots: Mapping[str, Array]
    parts: Mapping[str, Any]


class State(NamedTuple):
    """What a rule steps from: gradient, slots before, number of the step from 1, rate, settings."""

    gradient: Array
    slots: Mapping[str, Array]
    step: int
    rate: float
    settings: Mapping[str, Any]

    def slot(self, name: str, start: float = 0.0) -> Array:
        """A slot before the step, or what it starts from."""
        if name in self.slots:
            return np.asarray(self.slots[name], np.float64)
        return np.full_like(self.gradient, start)


def sgd(state: State) -> Stepped:
    """W - rate * g; with momentum the velocity v = momentum * v - rate * g is added instead.

    Nesterov's way looks one step ahead: momentum * v - rate * g with the new v (Sutskever et al.
    2013).
    """
    momentum, push = state.settings["momentum"], -state.rate * state.gradient
    if not momentum:
        return Stepped(push, {}, {})
    velocity = momentum * state.slot("momentum") + push
    step = momentum * velocity + push if state.settings["nesterov"] else velocity
    return Stepped(step, {"momentum": velocity}, {"push": push})


def rmsprop(state: State) -> Stepped:
    """G divided by the root of a moving mean of g^2 (Hinton 2012, lecture 6e)."""
    rho, g = state.settings["rho"], state.gradient
    slots = {"velocity": rho * state.slot("velocity") + (1 - rho) * g**2}
    denominator = slots["velocity"] + state.settings["epsilon"]
    if state.settings["centered"]:
        slots["average_gradient"] = rho * state.slot("average_gradient") + (1 - rho) * g
        denominator = denominator - slots["average_gradient"] ** 2
    increment = state.rate * g / np.sqrt(denominator)
    if state.settings["momentum"]:
        slots["momentum"] = state.settings["momentum"] * state.slot("momentum") + increment
        return Stepped(-slots["momentum"], slots, {"increment": increment})
    return Stepped(-increment, slots, {"increment": increment})


def adam(state: State) -> Stepped:
    """Rate * m_hat / sqrt(v_hat), both moving means freed of their start at 0 (Kingma & Ba 2015).

    Keras adds epsilon to sqrt(v), not to sqrt(v_hat): the form before section 2.1 of the paper, in
    which the corrections go into the rate: alpha = rate * sqrt(1 - beta_2^t) / (1 - beta_1^t).
    """
    beta_1, beta_2 = state.settings["beta_1"], state.settings["beta_2"]
    g, m, v = state.gradient, state.slot("momentum"), state.slot("velocity")
    m, v = m + (g - m) * (1 - beta_1), v + (g**2 - v) * (1 - beta_2)
    slots = {"momentum": m, "velocity": v}
    used = v
    if state.settings["amsgrad"]:
        used = slots["velocity_hat"] = np.maximum(state.slot("velocity_hat"), v)
    first, second = 1 - beta_1**state.step, 1 - beta_2**state.step
    alpha = state.rate * math.sqrt(second) / first
    parts = {
        "correction_1": first,
        "correction_2": second,
        "m_hat": m / first,
        "v_hat": used / second,
        "alpha": alpha,
    }
    return Stepped(-alpha * m / (np.sqrt(used) + state.settings["epsilon"]), slots, parts)


def adagrad(state: State) -> Stepped:
    """G divided by the root of the sum of all g^2 so far (Duchi et al. 2011)."""
    total = state.slot("accumulator", state.settings["initial_accumulator_value"])
    total = total + state.gradient**2
    step = -state.rate * state.gradient / np.sqrt(total + state.settings["epsilon"])
    return Stepped(step, {"accumulator": total}, {})


def adamax(state: State) -> Stepped:
    """Adam with the largest |g|, fading, in place of the mean of g^2 (Kingma & Ba 2015, 7.1)."""
    beta_1, beta_2 = state.settings["beta_1"], state.settings["beta_2"]
    m, largest = state.slot("momentum"), state.slot("norm")
    m = m + (state.gradient - m) * (1 - beta_1)
    largest = np.maximum(beta_2 * largest, np.abs(state.gradient))
    first = 1 - beta_1**state.step
    step = -state.rate * m / (first * (largest + state.settings["epsilon"]))
    return Stepped(step, {"momentum": m, "norm": largest}, {"correction_1": first})


def lion(state: State) -> Stepped:
    """The sign of a mixture of momentum and gradient (Chen et al. 2023, arXiv:2302.06675)."""
    beta_1, beta_2 = state.settings["beta_1"], state.settings["beta_2"]
    m, g = state.slot("momentum"), state.gradient
    mixture = beta_1 * m + (1 - beta_1) * g
    slots = {"momentum": beta_2 * m + (1 - beta_2) * g}
    return Stepped(-state.rate * np.sign(mixture), slots, {"mixture": mixture})


class Rule(NamedTuple):
    """An optimizer: how it steps, and Keras's defaults of its settings."""

    step: Callable[[State], Stepped]
    defaults: Mapping[str, Any]


_SGD = {"momentum": 0.0, "nesterov": False}
_ADAM = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "amsgrad": False}
OPTIMIZERS: dict[str, Rule] = {
    "sgd": Rule(sgd, _SGD),
    "momentum": Rule(sgd, {**_SGD, "momentum": 0.9}),
    "nesterov": Rule(sgd, {"momentum": 0.9, "nesterov": True}),
    "rmsprop": Rule(rmsprop, {"rho": 0.9, "momentum": 0.0, "epsilon": 1e-7, "centered": False}),
    "adam": Rule(adam, _ADAM),
    "adamw": Rule(adam, {**_ADAM, "weight_decay": 0.004}),
    "adagrad": Rule(adagrad, {"initial_accumulator_value": 0.1, "epsilon": 1e-7}),
    "adamax": Rule(adamax, {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}),
    "lion": Rule(lion, {"beta_1": 0.9, "beta_2": 0.99}),
}


def update(
    name: str,
    settings: Mapping[str, Any],
    weight: Array,
    gradient: Array,
    slots: Mapping[str, Array],
    step: int,
    learning_rate: float,
) -> Update:
    """One step of an optimizer on one weight, in float64.

    Args:
        name: one of `OPTIMIZERS`, as in a recipe.
        settings: arguments of the Keras class that are not its defaults; `weight_decay` is one.
        weight: before the step.
        gradient: as it is used: clipped, if it was.
        slots: what the optimizer remembers, before the step; what is missing starts as in Keras.
        step: number of the update, from 1.
        learning_rate: of this step.

    Raises:
        ReferenceMissingError: there is no formula for it.

    >>> update("sgd", {}, np.array([1.0]), np.array([2.0]), {}, 1, 0.1).new_weight
    array([0.8])
    """
    if name not in OPTIMIZERS:
        raise ReferenceMissingError(
            f"there is no independent computation of the optimizer {name!r}",
            hint=f"there is one of: {', '.join(OPTIMIZERS)}",
        )
    rule = OPTIMIZERS[name]
    chosen = {**rule.defaults, **settings}
    before, g = np.asarray(weight, np.float64), np.asarray(gradient, np.float64)
    stepped = rule.step(State(g, slots, step, learning_rate, chosen))
    decay = before * (chosen.get("weight_decay") or 0.0) * learning_rate
    parts = {"decay": decay, "step": stepped.step, **stepped.parts}
    new = before - decay + stepped.step
    return Update(new, stepped.slots, {key: np.asarray(part) for key, part in parts.items()})


def clip_by_value(gradient: Array, limit: float) -> Array:
    """Each number kept within -limit and limit (`clipvalue`).

    >>> clip_by_value(np.array([3.0, -0.5]), 1.0)
    array([ 1. , -0.5])
    """
    return np.clip(gradient, -limit, limit)


def clip_by_norm(gradient: Array, limit: float) -> Array:
    """A longer gradient brought to the length `limit` (`clipnorm`, for each weight by itself).

    >>> clip_by_norm(np.array([3.0, 4.0]), 1.0)
    array([0.6, 0.8])
    """
    return clip_by_global_norm([gradient], limit)[0]


def clip_by_global_norm(gradients: Sequence[Array], limit: float) -> list[Array]:
    """All gradients shortened alike, where together they are longer (Pascanu et al. 2013).

    >>> clip_by_global_norm([np.array([3.0]), np.array([4.0])], 1.0)
    [array([0.6]), array([0.8])]
    """
    arrays = [np.asarray(gradient, np.float64) for gradient in gradients]
    norm = math.sqrt(sum(float((array**2).sum()) for array in arrays))
    return [array * (min(1.0, limit / norm) if norm else 1.0) for array in arrays]
