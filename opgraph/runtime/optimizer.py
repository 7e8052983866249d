"""Optimizers and learning-rate schedules by name.

Owns the names that a user may write; what they do is Keras's.
"""

from __future__ import annotations

from typing import Any

import keras

from opgraph.errors import TraceError, suggest

OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "rmsprop": ("RMSprop", {}),
    "adam": ("Adam", {}),
    "adamw": ("AdamW", {}),
    "adagrad": ("Adagrad", {}),
    "adadelta": ("Adadelta", {}),
    "adamax": ("Adamax", {}),
    "nadam": ("Nadam", {}),
    "lion": ("Lion", {}),
}
SCHEDULES = ("constant", "cosine")


def make_optimizer(
    name: str, learning_rate: float, schedule: str | None = None, total_steps: int = 1
) -> Any:
    """A Keras optimizer.

    Args:
        name: one of `OPTIMIZERS`, in any case.
        learning_rate: of the first step.
        schedule: `constant` (or None), or `cosine`: down to zero at the last step.
        total_steps: updates in the whole training.

    Raises:
        TraceError: there is no optimizer or schedule of that name.
    """
    known = OPTIMIZERS.get(name.lower())
    if known is None:
        raise TraceError(
            f"expected one of {', '.join(OPTIMIZERS)}, received {name!r}",
            where="optimizer",
            hint=suggest(name, OPTIMIZERS),
        )
    rate = make_schedule(learning_rate, schedule or "constant", total_steps)
    kind, arguments = known
    return getattr(keras.optimizers, kind)(learning_rate=rate, **arguments)


def make_schedule(learning_rate: float, name: str, total_steps: int) -> Any:
    """The learning rate as a number, or as a Keras schedule over the steps."""
    if name not in SCHEDULES:
        raise TraceError(
            f"expected one of {', '.join(SCHEDULES)}, received {name!r}",
            where="schedule",
            hint=suggest(name, SCHEDULES),
        )
    if name == "cosine":
        return keras.optimizers.schedules.CosineDecay(learning_rate, total_steps)
    return learning_rate
