"""The independent opinion on an update, asked of `reference` for one element.

Owns the way from the story's names to those of the reference's optimizers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from opgraph.errors import OpgraphError
from opgraph.reference import optimizers

SLOTS = ("momentum", "velocity")
# Said elsewhere: gradients come clipped and weights decayed.
LEFT_OUT = ("clipnorm", "clipvalue", "global_clipnorm", "weight_decay")


def new_weight(one: Any, before: float) -> float | None:
    """The new value of an element; None where the reference does not know the optimizer.

    Args:
        one: the element (`update.Updated`).
        before: its value, decayed.
    """
    facts = one.view.step.facts
    settings = {name: x for name, x in facts.settings.items() if name not in LEFT_OUT}
    settings["weight_decay"] = None
    slots = {slot: one.recorded(f"{slot}.before") for slot in SLOTS}
    known = {slot: np.array(value) for slot, value in slots.items() if value is not None}
    try:
        found = optimizers.update(
            facts.optimizer.lower(),
            settings,
            np.array(before),
            np.array(one.gradient),
            known,
            one.view.step.tensors.step,
            one.rate,
        )
    except OpgraphError:
        return None
    return float(found.new_weight)
