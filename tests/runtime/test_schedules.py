"""Learning-rate schedules, each against a formula of its own in float64."""

from __future__ import annotations

import math
from collections.abc import Callable

import keras
import numpy as np
import pytest

from opgraph.errors import TraceError
from opgraph.runtime.schedules import SCHEDULES, make_schedule

pytestmark = pytest.mark.tf

RATE, TOTAL = 0.02, 40


def rates(text: str, count: int = TOTAL) -> np.ndarray:
    """The learning rate of update 1, 2, ..., as the optimizer asks for it."""
    made = make_schedule(RATE, text, TOTAL)
    return np.array([float(made(i)) if callable(made) else made for i in range(count)])


def half_cosine(share: float, alpha: float = 0.0) -> float:
    return RATE * ((1 - alpha) * 0.5 * (1 + math.cos(math.pi * min(share, 1))) + alpha)


def rise(i: int, steps: int, start: float | None = None) -> float:
    first = 1 / steps if start is None else start
    return RATE * (first + (1 - first) * i / steps)


FORMULAS: dict[str, Callable[[int], float]] = {
    "constant": lambda i: RATE,
    "cosine": lambda i: half_cosine(i / TOTAL),
    "cosine(alpha=0.1)": lambda i: half_cosine(i / TOTAL, 0.1),
    "cosine(warmup=8)": lambda i: rise(i, 8) if i < 8 else half_cosine((i - 8) / (TOTAL - 8)),
    "cosine(warmup=8, warmup_from=0, alpha=0.2)": lambda i: (
        rise(i, 8, 0.0) if i < 8 else half_cosine((i - 8) / (TOTAL - 8), 0.2)
    ),
    "constant(warmup=4)": lambda i: rise(i, 4) if i < 4 else RATE,
    "linear": lambda i: RATE * (1 - i / TOTAL),
    "linear(end=0.005)": lambda i: RATE + (0.005 - RATE) * i / TOTAL,
    "linear(warmup=10, warmup_from=0.5)": lambda i: (
        rise(i, 10, 0.5) if i < 10 else RATE * (1 - (i - 10) / (TOTAL - 10))
    ),
    "polynomial": lambda i: RATE * (1 - i / TOTAL) ** 2,
    "polynomial(power=3, end=0.001)": lambda i: (RATE - 0.001) * (1 - i / TOTAL) ** 3 + 0.001,
    "exponential(decay_rate=0.5)": lambda i: RATE * 0.5 ** (i / TOTAL),
    "exponential(decay_rate=0.9, every=5)": lambda i: RATE * 0.9 ** (i / 5),
    "exponential(decay_rate=0.9, every=5, staircase=true)": lambda i: RATE * 0.9 ** (i // 5),
    "exponential(decay_rate=0.5, every=4, warmup=6)": lambda i: (
        rise(i, 6) if i < 6 else RATE * 0.5 ** ((i - 6) / 4)
    ),
    "inverse_time(decay_rate=0.25)": lambda i: RATE / (1 + 0.25 * i),
    "inverse_time(decay_rate=1, every=10, staircase=true)": lambda i: RATE / (1 + i // 10),
    "step(every=10)": lambda i: RATE * 0.1 ** (i // 10),
    "step(every=7, factor=0.5)": lambda i: RATE * 0.5 ** (i // 7),
    # boundaries are step numbers, counted from 1: step 10 is the last of the first stretch
    "piecewise(boundaries=[10, 25], values=[1e-2, 1e-3, 1e-4])": lambda i: (
        1e-2 if i + 1 <= 10 else 1e-3 if i + 1 <= 25 else 1e-4
    ),
    "piecewise(boundaries=10, values=[1, 0.5])": lambda i: 1.0 if i + 1 <= 10 else 0.5,
    "cosine_restarts(first=5)": lambda i: half_cosine(
        i / 5 if i < 5 else (i - 5) / 10 if i < 15 else (i - 15) / 20 if i < 35 else (i - 35) / 40
    ),
    "cosine_restarts(first=10, t_mul=1, m_mul=0.5)": lambda i: (
        half_cosine(i % 10 / 10) * 0.5 ** (i // 10)
    ),
    "plateau(patience=3)": lambda i: RATE,
}


@pytest.mark.parametrize("text", FORMULAS)
def test_schedule_is_its_formula(text: str) -> None:
    wanted = [FORMULAS[text](i) for i in range(TOTAL)]
    assert np.allclose(rates(text), wanted, rtol=3e-6, atol=1e-9)


def test_every_schedule_has_a_formula() -> None:
    assert {text.split("(")[0] for text in FORMULAS} == set(SCHEDULES)


def test_the_first_update_of_a_warm_up_is_not_lost() -> None:
    for text in ("cosine(warmup=8)", "step(every=3, warmup=8)"):
        assert rates(text)[0] == pytest.approx(RATE / 8)


@pytest.mark.parametrize("text", [t for t in FORMULAS if not t.startswith(("constant", "plat"))])
def test_schedule_is_computed_from_the_optimizers_own_counter(text: str) -> None:
    optimizer = keras.optimizers.SGD(make_schedule(RATE, text, TOTAL))
    optimizer.build([keras.Variable([0.0])])
    optimizer.iterations.assign(7)
    assert float(optimizer.learning_rate.numpy()) == pytest.approx(FORMULAS[text](7), rel=3e-6)


@pytest.mark.parametrize("text", ["linear(warmup=10)", "constant(warmup=3)", "cosine(warmup=3)"])
def test_schedule_survives_being_written_down(text: str) -> None:
    made = make_schedule(RATE, text, TOTAL)
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(made))
    assert [float(again(i)) for i in range(9)] == [float(made(i)) for i in range(9)]


def test_cosine_without_arguments_is_the_keras_object_of_before() -> None:
    made = make_schedule(RATE, "cosine", TOTAL)
    assert made.get_config() == keras.optimizers.schedules.CosineDecay(RATE, TOTAL).get_config()


KERAS = keras.optimizers.schedules
SAME_AS: dict[str, Callable[[], Callable[[int], object]]] = {
    "cosine(alpha=0.1)": lambda: KERAS.CosineDecay(RATE, TOTAL, alpha=0.1),
    # Keras does not count the warm-up among the steps of the decay
    "cosine(warmup=8, warmup_from=0)": lambda: KERAS.CosineDecay(
        0.0, TOTAL - 8, warmup_target=RATE, warmup_steps=8
    ),
    "cosine_restarts(first=5, t_mul=2, m_mul=0.5, alpha=0.1)": lambda: KERAS.CosineDecayRestarts(
        RATE, 5, t_mul=2.0, m_mul=0.5, alpha=0.1
    ),
    "exponential(decay_rate=0.9, every=5, staircase=true)": lambda: KERAS.ExponentialDecay(
        RATE, 5, 0.9, staircase=True
    ),
    "inverse_time(decay_rate=0.5, every=4)": lambda: KERAS.InverseTimeDecay(RATE, 4, 0.5),
    "polynomial(power=3, end=0.001)": lambda: KERAS.PolynomialDecay(RATE, TOTAL, 0.001, power=3.0),
    "linear(end=0.005)": lambda: KERAS.PolynomialDecay(RATE, TOTAL, 0.005),
    # Keras counts updates from 0
    "piecewise(boundaries=[10, 25], values=[1e-2, 1e-3, 1e-4])": lambda: (
        KERAS.PiecewiseConstantDecay([9, 24], [1e-2, 1e-3, 1e-4])
    ),
}


@pytest.mark.parametrize("text", SAME_AS)
def test_schedule_is_that_of_keras(text: str) -> None:
    theirs = SAME_AS[text]()
    wanted = [float(np.asarray(theirs(i))) for i in range(TOTAL)]
    assert np.allclose(rates(text), wanted, rtol=1e-5, atol=1e-9)


NAMES = (
    "constant, cosine, cosine_restarts, exponential, inverse_time, linear, piecewise, polynomial,"
    " step, plateau"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "cosin",
            f"schedule: expected one of {NAMES}, received 'cosin'\n   did you mean 'cosine'?",
        ),
        (
            "cosine(warm=3)",
            "schedule: cosine has no argument 'warm'\n   did you mean 'warmup'?",
        ),
        (
            "exponential",
            "schedule: exponential needs decay_rate\n   write exponential(decay_rate=...)",
        ),
        (
            "cosine(warmup=40)",
            "schedule: a warm-up of 40 steps leaves nothing of a training of 40",
        ),
        (
            "piecewise(boundaries=[3], values=[1])",
            "schedule: piecewise: 1 boundaries part the steps into 2 stretches, received 1 values",
        ),
        (
            "piecewise(boundaries=[3, 3], values=[1, 2, 3])",
            "schedule: piecewise: boundaries must rise, received [3, 3]",
        ),
        (
            "piecewise(boundaries=[a], values=[1, 2])",
            "schedule: piecewise: boundaries: expected positive numbers, received ['a']",
        ),
        (
            "piecewise(boundaries=[3], values=[1, 2], warmup=2)",
            "schedule: piecewise has no argument 'warmup'\n   piecewise takes: boundaries, values",
        ),
        (
            "step(every=2.5)",
            "schedule, step: every: expected a whole number of steps from 1 on, received 2.5",
        ),
        (
            "cosine(alpha=-1)",
            "schedule, cosine: alpha: expected a number from 0 on, received -1",
        ),
        (
            "cosine(alpha=low)",
            "schedule, cosine: alpha: expected a number, received 'low'",
        ),
        (
            "step(every=3, staircase=1)",
            "schedule: step has no argument 'staircase'\n"
            "   step takes: every, factor, warmup, warmup_from",
        ),
        (
            "exponential(decay_rate=0.5, staircase=1)",
            "schedule, exponential: staircase: expected true or false, received 1",
        ),
        (
            "cosine(",
            "schedule: 'cosine(' cannot be read: '(' is not closed\n"
            "   write a name, or a name with arguments: name(first=1, second=0.5)",
        ),
        ("[1, 2]", "schedule: expected a name, received '[1, 2]'"),
    ],
)
def test_what_a_schedule_cannot_be(text: str, message: str) -> None:
    with pytest.raises(TraceError) as caught:
        make_schedule(RATE, text, TOTAL)
    assert str(caught.value) == message
