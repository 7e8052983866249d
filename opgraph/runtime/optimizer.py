"""Optimizers by name, with any argument that Keras has for them.

Owns the names that a user may write; what they do is Keras's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from opgraph.errors import TraceError
from opgraph.runtime.choice import Choice, check_arguments, parameters_of, pick, read_choice
from opgraph.runtime.schedules import make_schedule

OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {"momentum": 0.9}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "rmsprop": ("RMSprop", {}),
    "adam": ("Adam", {}),
    "adamw": ("AdamW", {}),
    "adagrad": ("Adagrad", {}),
    "adadelta": ("Adadelta", {}),
    "adafactor": ("Adafactor", {}),
    "adamax": ("Adamax", {}),
    "nadam": ("Nadam", {}),
    "lion": ("Lion", {}),
    "lamb": ("Lamb", {}),
    "ftrl": ("Ftrl", {}),
    "muon": ("Muon", {}),
    "schedule_free_adamw": ("ScheduleFreeAdamW", {}),
}

# Arguments of Keras that a field of the recipe stands for.
FIELDS = {
    "learning_rate": "learning_rate",
    "clipvalue": "clip_value",
    "clipnorm": "clip_norm",
    "global_clipnorm": "clip_global_norm",
    "use_ema": "ema",
    "ema_momentum": "ema",
    "gradient_accumulation_steps": "accumulate",
    "loss_scale_factor": "precision",
}


def make_optimizer(
    name: str,
    learning_rate: float,
    schedule: str | None = None,
    total_steps: int = 1,
    *,
    weight_decay: float | None = None,
    clip: Mapping[str, float | None] | None = None,
    ema: float | None = None,
) -> Any:
    """A Keras optimizer.

    Args:
        name: one of `OPTIMIZERS`, in any case; with arguments of the Keras class if wanted:
            `adamw(weight_decay=1e-4, beta_2=0.98)`.
        learning_rate: the highest one of the schedule.
        schedule: as for `schedules.make_schedule`.
        total_steps: updates in the whole training.
        weight_decay: share of each weight, times the learning rate, that an update takes away.
        clip: limits by `clip_value`, `clip_norm` or `clip_global_norm`; one of them at most.
        ema: momentum of the moving average of the weights that the optimizer keeps beside them.

    Raises:
        TraceError: there is no optimizer, schedule or argument of that name.
    """
    choice = read_choice(name, "optimizer")
    known = pick(choice.name, OPTIMIZERS, "optimizer")
    kind, preset = OPTIMIZERS[known]
    check_optimizer(Choice(known, choice.arguments))
    arguments = {**preset, **choice.arguments, **_clipping(clip or {})}
    if weight_decay is not None:
        _refuse_twice("weight_decay", choice)
        arguments["weight_decay"] = weight_decay
    if ema is not None:
        arguments |= {"use_ema": True, "ema_momentum": ema}
    rate = make_schedule(learning_rate, schedule or "constant", total_steps)
    try:
        return getattr(keras.optimizers, kind)(learning_rate=rate, **arguments)
    except (ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise TraceError(f"Keras refuses {known}: {reason}", where="optimizer") from None


def check_optimizer(choice: Choice) -> None:
    """Refuse arguments that the Keras class does not have, or that a field of the recipe is for.

    Raises:
        TraceError: naming the argument.
    """
    for argument in choice.arguments:
        if argument in FIELDS:
            field = FIELDS[argument]
            raise TraceError(
                f"{argument} is said by {field!r}, not inside {choice.name}(...)",
                where="optimizer",
                hint=f"{field}=... in Python and in a config file, --{_option(field)} on the"
                " command line",
            )
    kind, _ = OPTIMIZERS[choice.name]
    allowed = parameters_of(getattr(keras.optimizers, kind), without=("name", *FIELDS))
    check_arguments(choice, allowed, "optimizer")


def _refuse_twice(field: str, choice: Choice) -> None:
    if field in choice.arguments:
        raise TraceError(
            f"is given twice, once inside {choice.name}(...)", where=field, hint="leave one out"
        )


def _option(field: str) -> str:
    return field.replace("_", "-")


def _clipping(clip: Mapping[str, float | None]) -> dict[str, float]:
    keras_names = {field: argument for argument, field in FIELDS.items() if "clip" in field}
    return {keras_names[name]: limit for name, limit in clip.items() if limit is not None}
