"""The independent opinion on an update, asked of `reference` for one element.

Owns the way from the story's names to those of the reference's optimizers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from opgraph.errors import OpgraphError
from opgraph.record import Array
from opgraph.reference import (
    Update,
    clip_by_global_norm,
    clip_by_norm,
    clip_by_value,
    optimizers,
)
from opgraph.story.view import Index, NodeView, StepView

# The names that Keras gives the slots of its optimizers, as far as the reference knows them.
SLOTS = ("momentum", "velocity", "average_gradient", "velocity_hat", "accumulator", "norm")
# What is done before the rule: gradients come clipped here.
LEFT_OUT = ("clipnorm", "clipvalue", "global_clipnorm")


class Element(NamedTuple):
    """One number of a weight: node, name of the weight, place."""

    view: NodeView
    weight: str
    at: Index

    def recorded(self, what: str) -> float | None:
        """A recorded number of it: `grad`, `after`, a slot, a slot before."""
        array = self.view.trained(self.weight, what)
        return None if array is None else float(array[self.at])


def gradients(step: StepView) -> list[Array]:
    """The gradients of all weights."""
    return [
        array
        for name, array in step.tensors.arrays.items()
        if array is not None and name.what.endswith(".grad") and not name.what.startswith("output")
    ]


def clipped(element: Element) -> float | None:
    """The gradient as the optimizer applies it; None if the weight has none."""
    grad = element.view.trained(element.weight)
    if grad is None:
        return None
    settings = element.view.step.facts.settings
    if limit := settings.get("global_clipnorm"):
        every: Sequence[Array] = gradients(element.view.step)
        at = next(i for i, each in enumerate(every) if each is grad)
        return float(clip_by_global_norm(every, limit)[at][element.at])
    if limit := settings.get("clipnorm"):
        return float(clip_by_norm(grad, limit)[element.at])
    if limit := settings.get("clipvalue"):
        return float(clip_by_value(grad, limit)[element.at])
    return float(grad[element.at])


def updated(element: Element) -> Update | None:
    """What the update makes of an element; None where the reference does not know the optimizer.

    It starts from the recorded gradient, weight and slots, and clips and decays by itself.
    """
    step, gradient = element.view.step, clipped(element)
    if gradient is None:
        return None
    facts = step.facts
    settings = {name: x for name, x in facts.settings.items() if name not in LEFT_OUT}
    slots = {slot: element.recorded(f"{slot}.before") for slot in SLOTS}
    try:
        return optimizers.update(
            facts.optimizer.lower(),
            settings,
            np.array(float(element.view.weights[element.weight][element.at])),
            np.array(gradient),
            {slot: np.array(value) for slot, value in slots.items() if value is not None},
            step.update,
            float(step.tensors.figures.get("learning_rate", np.nan)),
        )
    except OpgraphError:
        return None
