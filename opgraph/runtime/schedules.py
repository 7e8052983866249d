"""Learning-rate schedules by name: Keras's own, computed inside the step from its counter.

Owns the names and arguments that a user may write; `plateau` is decided on the host between steps
(see `controllers`) and stands here only so that its name is known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from opgraph.errors import TraceError
from opgraph.runtime.choice import check_arguments, is_number, parameters_of, pick, read_choice

Maker = Callable[..., Any]
Schedule = keras.optimizers.schedules.LearningRateSchedule
SECTION = "schedule"


@keras.saving.register_keras_serializable(package="opgraph")
class WarmUp(Schedule):
    """Rises in a straight line to another schedule, which starts when the rise has ended.

    Keras has this for its cosine alone.
    """

    def __init__(self, target: float, steps: int, start: float, behind: Any) -> None:
        self.target = target
        self.steps = steps
        self.start = start
        self.behind = behind

    def __call__(self, step: Any) -> Any:
        """The learning rate of an update; `step` counts from 0."""
        number = tf.cast(step, tf.float32)
        rising = self.start + (self.target - self.start) * number / self.steps
        later = number - self.steps
        behind: Any = self.behind(later) if callable(self.behind) else self.behind
        return tf.where(later < 0, rising, tf.cast(behind, tf.float32))

    def get_config(self) -> dict[str, Any]:
        """What it is made of, for `keras.optimizers.serialize`."""
        behind = self.behind
        if callable(behind):
            behind = keras.optimizers.schedules.serialize(behind)
        return {"target": self.target, "steps": self.steps, "start": self.start, "behind": behind}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> WarmUp:
        """The schedule that a configuration describes."""
        behind = config["behind"]
        if isinstance(behind, dict):
            behind = keras.optimizers.schedules.deserialize(behind)
        return cls(**{**config, "behind": behind})


def constant(rate: float, total: int) -> Any:
    """The same at every step."""
    return rate


def cosine(rate: float, total: int, alpha: float = 0.0) -> Any:
    """Down along half a cosine, to `alpha` times the learning rate at the last step."""
    return keras.optimizers.schedules.CosineDecay(rate, total, alpha=alpha)


def cosine_restarts(
    rate: float, total: int, first: int, t_mul: float = 2.0, m_mul: float = 1.0, alpha: float = 0.0
) -> Any:
    """Half cosines one after another, each `t_mul` times as long and `m_mul` times as high."""
    return keras.optimizers.schedules.CosineDecayRestarts(rate, first, t_mul, m_mul, alpha)


def exponential(
    rate: float, total: int, decay_rate: float, every: int = 0, staircase: bool = False
) -> Any:
    """Times `decay_rate` in the course of `every` steps; of the whole training if not given."""
    return keras.optimizers.schedules.ExponentialDecay(rate, every or total, decay_rate, staircase)


def inverse_time(
    rate: float, total: int, decay_rate: float, every: int = 1, staircase: bool = False
) -> Any:
    """Divided by `1 + decay_rate * step / every`."""
    return keras.optimizers.schedules.InverseTimeDecay(rate, every, decay_rate, staircase)


def linear(rate: float, total: int, end: float = 0.0) -> Any:
    """Down in a straight line, to the learning rate `end` at the last step."""
    return keras.optimizers.schedules.PolynomialDecay(rate, total, end, power=1.0)


def polynomial(rate: float, total: int, power: float = 2.0, end: float = 0.0) -> Any:
    """Down along a power of what is left, to the learning rate `end` at the last step."""
    return keras.optimizers.schedules.PolynomialDecay(rate, total, end, power=power)


def piecewise(rate: float, total: int, boundaries: Any, values: Any) -> Any:
    """One learning rate after another; the first one up to and including the first boundary."""
    bounds = _numbers("boundaries", boundaries)
    rates = [float(value) for value in _numbers("values", values)]
    if len(rates) != len(bounds) + 1:
        raise TraceError(
            f"piecewise: {len(bounds)} boundaries part the steps into {len(bounds) + 1} stretches,"
            f" received {len(rates)} values",
            where=SECTION,
        )
    if sorted(set(bounds)) != bounds:
        raise TraceError(f"piecewise: boundaries must rise, received {bounds}", where=SECTION)
    # Counted from 0 inside; the boundaries of Keras belong to the stretch before them.
    return keras.optimizers.schedules.PiecewiseConstantDecay([b - 1 for b in bounds], rates)


def step(rate: float, total: int, every: int, factor: float = 0.1) -> Any:
    """Times `factor` after each `every` steps."""
    return keras.optimizers.schedules.ExponentialDecay(rate, every, factor, staircase=True)


def plateau(rate: float, total: int, **_decided_on_the_host: Any) -> Any:
    """Constant as far as the step is concerned; `controllers.Plateau` lowers it."""
    return rate


SCHEDULES: dict[str, Maker] = {
    maker.__name__: maker
    for maker in (
        constant,
        cosine,
        cosine_restarts,
        exponential,
        inverse_time,
        linear,
        piecewise,
        polynomial,
        step,
        plateau,
    )
}


def make_schedule(learning_rate: float, text: str, total_steps: int) -> Any:
    """The learning rate as a number, or as a Keras schedule over the steps.

    Args:
        learning_rate: the highest one.
        text: a name with arguments, such as `cosine(warmup=50, alpha=0.1)`. All but `piecewise`
            and `plateau` take `warmup`, the number of steps in which it rises from `warmup_from`
            (1 / warmup) times the learning rate; what comes after it begins then and has less time.
        total_steps: updates in the whole training.

    Raises:
        TraceError: there is no schedule or argument of that name, or a value does not suit it.
    """
    choice = read_choice(text, SECTION)
    name = pick(choice.name, SCHEDULES, SECTION)
    if name == "plateau":
        return learning_rate
    own = parameters_of(SCHEDULES[name], without=("rate", "total"))
    # The values of piecewise can rise by themselves.
    general = parameters_of(_warmed, ("rate", "total", "make")) if name != "piecewise" else []
    check_arguments(choice, [*own, *general], SECTION)
    _check_positive(name, choice.arguments)
    given = dict(choice.arguments)
    warmup = {p.name: given.pop(p.name) for p in general if p.name in given}

    def make(total: int) -> Any:
        return SCHEDULES[name](learning_rate, total, **given)

    return _warmed(learning_rate, total_steps, make, **warmup)


def _warmed(
    rate: float, total: int, make: Maker, warmup: int = 0, warmup_from: float = -1.0
) -> Any:
    if not warmup:
        return make(total)
    if warmup >= total:
        raise TraceError(
            f"a warm-up of {warmup} steps leaves nothing of a training of {total}", where=SECTION
        )
    behind = make(total - warmup)
    # Not from zero: the first update would change nothing, and Ftrl divides by the rate.
    start = rate / warmup if warmup_from < 0 else warmup_from * rate
    if isinstance(behind, keras.optimizers.schedules.CosineDecay):
        return keras.optimizers.schedules.CosineDecay(
            start, total - warmup, behind.alpha, warmup_target=rate, warmup_steps=warmup
        )
    return WarmUp(rate, warmup, start, behind)


def _numbers(name: str, value: Any) -> list[Any]:
    values: list[Any] = list(value) if isinstance(value, list | tuple) else [value]
    if not all(is_number(item) and item > 0 for item in values):
        raise TraceError(
            f"piecewise: {name}: expected positive numbers, received {value!r}", where=SECTION
        )
    return values


def _check_positive(name: str, arguments: Any) -> None:
    """Refuse lengths that are no whole numbers of steps, and rates that no rate may be."""
    for argument in ("every", "first", "warmup"):
        value = arguments.get(argument)
        if value is not None and not (is_number(value) and value == int(value) and value >= 1):
            raise TraceError(
                f"{argument}: expected a whole number of steps from 1 on, received {value!r}",
                where=f"{SECTION}, {name}",
            )
    for argument in (
        "alpha",
        "end",
        "warmup_from",
        "decay_rate",
        "factor",
        "power",
        "t_mul",
        "m_mul",
    ):
        value = arguments.get(argument)
        if value is not None and not (is_number(value) and value >= 0):
            raise TraceError(
                f"{argument}: expected a number from 0 on, received {value!r}",
                where=f"{SECTION}, {name}",
            )
