"""What is decided between steps; Keras's callbacks are the other opinion."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from opgraph.errors import TraceError
from opgraph.runtime.controllers import (
    Best,
    BestKeeper,
    Controllers,
    EarlyStopping,
    Plateau,
    Validation,
    make_controllers,
)

pytestmark = pytest.mark.tf

RANDOM = np.random.default_rng(3)
FIGURES = [list(np.round(RANDOM.normal(size=40).cumsum() * 0.1 + 3, 3)) for _ in range(6)]


def decided(plateau: Plateau, figures: list[float], rate: float = 1.0) -> list[float]:
    rates: list[float] = []
    for step, value in enumerate(figures, 1):
        rate = plateau.observe({plateau.best.monitor: value}, step, rate) or rate
        rates.append(rate)
    return rates


class Model:
    """As much of a model as a callback of Keras looks at."""

    def __init__(self) -> None:
        self.optimizer = SimpleNamespace(learning_rate=1.0)
        self.metrics: list[Any] = []
        self.stop_training = False

    def get_weights(self) -> list[Any]:
        return []


def by_keras(callback: Any, figures: list[float], monitor: str) -> list[tuple[float, bool]]:
    callback.set_model(Model())
    callback.on_train_begin()
    found: list[tuple[float, bool]] = []
    for epoch, value in enumerate(figures):
        callback.on_epoch_end(epoch, {monitor: value})
        model = callback.model
        found.append((float(model.optimizer.learning_rate), model.stop_training))
    return found


@pytest.mark.parametrize("figures", FIGURES)
@pytest.mark.parametrize(
    "options",
    [
        {"patience": 3, "factor": 0.5},
        {"patience": 1, "factor": 0.3, "min_lr": 0.05},
        {"patience": 2, "factor": 0.5, "cooldown": 3},
        {"patience": 2, "factor": 0.5, "cooldown": 1, "min_delta": 0.2},
        {"patience": 2, "factor": 0.5, "mode": "max"},
    ],
)
def test_plateau_lowers_when_keras_does(figures: list[float], options: dict[str, Any]) -> None:
    text = ", ".join(f"{name}={value}" for name, value in options.items())
    plateau = make_controllers(schedule=f"plateau({text})").plateau
    assert plateau is not None
    settings = {"min_delta": 1e-4, "mode": "min", **options}
    keras_rates = by_keras(keras.callbacks.ReduceLROnPlateau("val_loss", **settings), figures,
                           "val_loss")  # fmt: skip
    rates = decided(plateau, figures)
    assert rates == pytest.approx([rate for rate, _ in keras_rates])
    assert len(set(rates)) > 1


@pytest.mark.parametrize("figures", FIGURES)
@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("4", {"patience": 4}),
        ("patience=2, min_delta=0.1", {"patience": 2, "min_delta": 0.1}),
        ("patience=3, mode=max", {"patience": 3, "mode": "max"}),
    ],
)
def test_early_stopping_stops_when_keras_does(
    figures: list[float], text: str, options: dict[str, Any]
) -> None:
    stopping = make_controllers(early_stopping=text).early_stopping
    assert stopping is not None
    told = [stopping.observe({"val_loss": x}, step) for step, x in enumerate(figures, 1)]
    callback = keras.callbacks.EarlyStopping("val_loss", **{"mode": "min", **options})
    stops = [stop for _, stop in by_keras(callback, figures, "val_loss")]
    assert told.index(True) == stops.index(True)


def test_the_best_step_is_known() -> None:
    keeper = BestKeeper(Best("val_accuracy"))
    kept = [keeper.observe({"val_accuracy": x}, 10 * n) for n, x in enumerate([0.2, 0.5, 0.5, 0.4])]
    assert kept == [True, True, False, False]
    assert (keeper.best.step, keeper.best.value, keeper.best.waited) == (10, 0.5, 2)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_never_best(value: float) -> None:
    best = Best("loss")
    assert not best.observe(value, 1)
    assert best.observe(5.0, 2)
    assert not best.observe(value, 3)
    assert best.value == 5.0


@pytest.mark.parametrize(
    ("monitor", "mode", "rising"),
    [
        ("val_loss", "auto", False),
        ("val_accuracy", "auto", True),
        ("val_out_f1", "auto", True),
        ("val_mae", "auto", False),
        ("val_loss", "max", True),
        ("accuracy", "min", False),
    ],
)
def test_which_way_is_better(monitor: str, mode: Any, rising: bool) -> None:
    assert Best(monitor, mode).is_rising is rising


def three() -> Controllers:
    return make_controllers(
        schedule="plateau(patience=2, cooldown=2)", early_stopping="6", keep_best="val_loss"
    )


@pytest.mark.parametrize("cut", [0, 1, 5, 9, 17])
def test_state_taken_out_and_put_back_decides_alike(cut: int) -> None:
    figures = FIGURES[0]

    def tell(parts: Controllers, numbers: range, rate: float) -> list[Any]:
        assert parts.plateau
        assert parts.early_stopping
        assert parts.keeper
        found: list[Any] = []
        for number in numbers:
            given = {"val_loss": figures[number]}
            rate = parts.plateau.observe(given, number, rate) or rate
            found.append((rate, parts.early_stopping.observe(given, number),
                          parts.keeper.observe(given, number)))  # fmt: skip
        return found

    whole = tell(three(), range(40), 1.0)
    first = three()
    rate = [(1.0, False, False), *tell(first, range(cut), 1.0)][-1][0]
    state = json.loads(json.dumps(first.state(), allow_nan=False))
    assert all(isinstance(value, float) for value in state.values())
    second = three()
    second.restore(state)
    assert tell(second, range(cut, 40), rate) == whole[cut:]


def test_validation_comes_after_epochs_or_steps_and_at_the_end() -> None:
    def due(every: Any) -> list[int]:
        validation = Validation(every)
        return [n for n in range(1, 11) if validation.is_due(n, per_epoch=4, total=10)]

    assert due("epoch") == [4, 8, 10]
    assert due(3) == [3, 6, 9, 10]


def test_monitors_are_listed_once() -> None:
    assert three().monitors == ("val_loss",)
    assert make_controllers().monitors == ()


def test_restore_best_is_told_to_the_loop() -> None:
    stopping = make_controllers(early_stopping="patience=2, restore_best=true").early_stopping
    assert isinstance(stopping, EarlyStopping)
    assert stopping.restore_best


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"early_stopping": "patients=3"},
            "early_stopping: early_stopping has no argument 'patients'\n"
            "   did you mean 'patience'?",
        ),
        (
            {"early_stopping": "0"},
            "early_stopping, early_stopping: patience: expected a whole number from 1 on,"
            " received 0",
        ),
        (
            {"early_stopping": "patience=2, mode=up"},
            "early_stopping, early_stopping: mode: expected auto, min or max, received 'up'",
        ),
        (
            {"early_stopping": "patience=2, min_delta=-1"},
            "early_stopping, early_stopping: min_delta: expected a number from 0 on, received -1",
        ),
        (
            {"schedule": "plateau(factor=1.5)"},
            "schedule, plateau: factor: expected a number between 0 and 1, received 1.5",
        ),
        (
            {"schedule": "plateau(cooldown=0.5)"},
            "schedule, plateau: cooldown: expected a whole number from 0 on, received 0.5",
        ),
    ],
)
def test_what_a_controller_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TraceError) as caught:
        make_controllers(**options)
    assert str(caught.value) == message


def test_one_figure_says_which_state_is_best() -> None:
    stopping = "patience=2, monitor=val_accuracy, restore_best=true"
    with pytest.raises(TraceError) as caught:
        make_controllers(early_stopping=stopping, keep_best="val_loss")
    assert str(caught.value) == (
        "keep_best: the best state goes by one figure, not by 'val_loss' here and 'val_accuracy'"
        " in early_stopping(restore_best=true)\n   leave keep_best out, or watch the same figure"
    )
    assert make_controllers(early_stopping=stopping, keep_best="val_accuracy").keeper


def test_a_figure_that_is_not_there_is_named() -> None:
    with pytest.raises(TraceError) as caught:
        BestKeeper(Best("val_acuracy")).observe({"val_loss": 1.0, "val_accuracy": 0.5}, 1)
    assert str(caught.value) == (
        "keep_best: there is no figure 'val_acuracy'; there are: val_loss, val_accuracy\n"
        "   did you mean 'val_accuracy'?"
    )
