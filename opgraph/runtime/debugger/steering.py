"""A learning rate that can be changed while a training goes on, without another program.

A schedule is computed inside the compiled step; here it looks at a variable first. As long as that
holds nothing, the schedule's own number is taken, bit for bit. Owns this; must not know sessions.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from opgraph.graph import OpGraph
from opgraph.runtime.data import Data
from opgraph.runtime.recipe import Recipe
from opgraph.runtime.training import Training, prepare

_NOTHING = -1.0


class Steered(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule, or a fixed number in its place."""

    def __init__(self, schedule: Any) -> None:
        self.schedule = schedule
        self.fixed = tf.Variable(tf.constant(_NOTHING), trainable=False)

    def __call__(self, step: Any) -> Any:
        """The learning rate of an update; `step` counts from 0."""
        given = tf.cast(self.schedule(step), tf.float32)
        return tf.where(self.fixed > 0, self.fixed, given)

    def get_config(self) -> dict[str, Any]:
        """That of the schedule."""
        return self.schedule.get_config()


def prepare_steered(network: OpGraph, data: Data, recipe: Recipe) -> Training:
    """A training whose learning rate `steer` can change."""
    return prepare(network, data, recipe, adapt=_steered)


def steer(training: Training, rate: float | None) -> None:
    """Fix the learning rate from the next step on; None gives it back to the schedule.

    A learning rate without a schedule is part of the state of the optimizer: it is only ever set.
    """
    optimizer = _inner(training.step.core.optimizer)
    own = optimizer._learning_rate  # pyright: ignore[reportPrivateUsage]
    if isinstance(own, Steered):
        own.fixed.assign(_NOTHING if rate is None else rate)
    elif rate is not None:
        optimizer.learning_rate = rate


def _steered(optimizer: Any) -> Any:
    own = optimizer._learning_rate  # pyright: ignore[reportPrivateUsage]
    if isinstance(own, keras.optimizers.schedules.LearningRateSchedule):
        optimizer._learning_rate = Steered(own)  # pyright: ignore[reportPrivateUsage]
    return optimizer


def _inner(optimizer: Any) -> Any:
    return getattr(optimizer, "inner_optimizer", optimizer)
