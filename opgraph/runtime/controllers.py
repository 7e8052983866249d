"""Decisions between steps: when to validate, to lower the learning rate, to stop, what is best.

Pure Python: each object is told figures and answers; the loop acts. All of them can be taken out
and put back as numbers, so that a training that goes on after an interruption decides alike. Must
not know Keras, files, or how figures are made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from opgraph.errors import TraceError, suggest
from opgraph.runtime.choice import Choice, Parameter, check_arguments, is_number, read_choice

Mode = Literal["auto", "min", "max"]
Every = Literal["epoch"] | int
RISING = ("accuracy", "precision", "recall", "f1", "cosine_similarity")


@dataclass
class Best:
    """The best figure so far, and how often in a row there was none better.

    A figure that is no number is never better.

    Attributes:
        monitor: name of the figure.
        mode: whether lower (`min`) or higher (`max`) is better; `auto` goes by the name.
        min_delta: by how much it has to be better to count.
    """

    monitor: str
    mode: Mode = "auto"
    min_delta: float = 0.0
    value: float | None = None
    step: int = 0
    waited: int = 0

    @property
    def is_rising(self) -> bool:
        """Whether higher is better."""
        return self.monitor.endswith(RISING) if self.mode == "auto" else self.mode == "max"

    def observe(self, value: float, step: int) -> bool:
        """Take a figure in; whether it is better than all before."""
        gain = value - (self.value or 0) if self.is_rising else (self.value or 0) - value
        better = math.isfinite(value) and (self.value is None or gain > self.min_delta)
        if better:
            self.value, self.step, self.waited = value, step, 0
        else:
            self.waited += 1
        return better

    def state(self) -> dict[str, float]:
        """All that changes, as numbers."""
        known = {} if self.value is None else {"value": self.value}
        return {**known, "step": float(self.step), "waited": float(self.waited)}

    def restore(self, state: Mapping[str, float]) -> None:
        """Be as it was when `state` was taken."""
        self.value = state.get("value")
        self.step, self.waited = int(state["step"]), int(state["waited"])


@dataclass
class Plateau:
    """Lowers the learning rate when a figure has stopped getting better.

    Attributes:
        best: the figure that is watched.
        patience: observations without a better one before the learning rate goes down.
        factor: what it is multiplied by.
        min_lr: it never goes below.
        cooldown: observations after a lowering that do not count.
    """

    best: Best
    patience: int = 10
    factor: float = 0.1
    min_lr: float = 0.0
    cooldown: int = 0
    cooling: int = 0

    def observe(
        self, figures: Mapping[str, float], step: int, learning_rate: float
    ) -> float | None:
        """The learning rate from now on, or None where it stays as it is.

        Raises:
            TraceError: the figure that is watched is not there.
        """
        value = figure(figures, self.best.monitor, "schedule")
        if self.cooling:
            self.cooling -= 1
            self.best.waited = -1 if self.cooling else 0
        self.best.observe(value, step)
        if self.best.waited < self.patience or learning_rate <= self.min_lr:
            return None
        self.cooling, self.best.waited = self.cooldown, 0
        return max(learning_rate * self.factor, self.min_lr)

    def state(self) -> dict[str, float]:
        """All that changes, as numbers."""
        return {**self.best.state(), "cooling": float(self.cooling)}

    def restore(self, state: Mapping[str, float]) -> None:
        """Be as it was when `state` was taken."""
        self.best.restore(state)
        self.cooling = int(state["cooling"])


@dataclass
class EarlyStopping:
    """Ends a training when a figure has stopped getting better.

    Attributes:
        best: the figure that is watched; `best.step` is where it was best.
        patience: observations without a better one before the end.
        restore_best: whether the weights of the best step are to be put back at the end.
    """

    best: Best
    patience: int = 5
    restore_best: bool = False

    def observe(self, figures: Mapping[str, float], step: int) -> bool:
        """Whether the training is to end now.

        Raises:
            TraceError: the figure that is watched is not there.
        """
        self.best.observe(figure(figures, self.best.monitor, "early_stopping"), step)
        return self.is_over

    @property
    def is_over(self) -> bool:
        """Whether the training has ended."""
        return self.best.waited >= self.patience

    def state(self) -> dict[str, float]:
        """All that changes, as numbers."""
        return self.best.state()

    def restore(self, state: Mapping[str, float]) -> None:
        """Be as it was when `state` was taken."""
        self.best.restore(state)


@dataclass
class BestKeeper:
    """Says when a state is the best so far and worth keeping."""

    best: Best

    def observe(self, figures: Mapping[str, float], step: int) -> bool:
        """Whether the state after this step is the best so far.

        Raises:
            TraceError: the figure that is watched is not there.
        """
        return self.best.observe(figure(figures, self.best.monitor, "keep_best"), step)

    def state(self) -> dict[str, float]:
        """All that changes, as numbers."""
        return self.best.state()

    def restore(self, state: Mapping[str, float]) -> None:
        """Be as it was when `state` was taken."""
        self.best.restore(state)


@dataclass(frozen=True)
class Validation:
    """After which steps the network is tested on examples that it does not train on.

    >>> Validation("epoch").is_due(12, per_epoch=4, total=100)
    True
    >>> [step for step in range(1, 12) if Validation(5).is_due(step, per_epoch=4, total=11)]
    [5, 10, 11]
    """

    every: Every = "epoch"

    def is_due(self, step: int, *, per_epoch: int, total: int) -> bool:
        """Whether there is a pass after this step; there always is one after the last."""
        interval = per_epoch if self.every == "epoch" else self.every
        return step % interval == 0 or step == total


@dataclass(frozen=True)
class Controllers:
    """Everything that decides between steps; None for what was not asked for."""

    validation: Validation | None = None
    plateau: Plateau | None = None
    early_stopping: EarlyStopping | None = None
    keeper: BestKeeper | None = None

    def state(self) -> dict[str, float]:
        """All that changes, as numbers; for a keyframe."""
        return {
            f"{name}.{key}": value
            for name, part in self._changing.items()
            for key, value in part.state().items()
        }

    def restore(self, state: Mapping[str, float]) -> None:
        """Be as they were when `state` was taken."""
        for name, part in self._changing.items():
            own = {
                key.removeprefix(f"{name}."): value
                for key, value in state.items()
                if key.startswith(f"{name}.")
            }
            if own:
                part.restore(own)

    @property
    def _changing(self) -> dict[str, Plateau | EarlyStopping | BestKeeper]:
        parts = {"plateau": self.plateau, "early_stopping": self.early_stopping}
        found = {**parts, "keep_best": self.keeper}
        return {name: part for name, part in found.items() if part is not None}

    @property
    def monitors(self) -> tuple[str, ...]:
        """The figures that are watched."""
        return tuple(dict.fromkeys(part.best.monitor for part in self._changing.values()))


def make_controllers(
    *,
    schedule: str = "constant",
    early_stopping: str | int | None = None,
    keep_best: str | None = None,
    validate_every: Every | None = None,
) -> Controllers:
    """What decides between steps, as the fields of a recipe say.

    Where a figure of validation is watched and nothing is said about validation, there is a pass
    after each epoch.

    Args:
        schedule: of the learning rate; only `plateau(patience=3, factor=0.5)` is of interest here.
        early_stopping: `5` (patience), or `patience=5, min_delta=0.001, monitor=val_accuracy`.
        keep_best: the figure to go by.
        validate_every: `epoch`, or a number of steps.

    Raises:
        TraceError: something cannot be read, or has an argument that it does not take.
    """
    found = Controllers(
        None if validate_every is None else Validation(validate_every),
        _plateau(schedule),
        None if early_stopping is None else _early_stopping(early_stopping),
        None if keep_best is None else BestKeeper(Best(keep_best)),
    )
    _check_best(found)
    watches = any(monitor.startswith("val_") for monitor in found.monitors)
    if found.validation is None and watches:
        return Controllers(Validation(), found.plateau, found.early_stopping, found.keeper)
    return found


def _check_best(found: Controllers) -> None:
    """One state is kept as the best, so one figure says which."""
    stopping, keeper = found.early_stopping, found.keeper
    if stopping is None or keeper is None or not stopping.restore_best:
        return
    if stopping.best.monitor != keeper.best.monitor:
        raise TraceError(
            f"the best state goes by one figure, not by {keeper.best.monitor!r} here and"
            f" {stopping.best.monitor!r} in early_stopping(restore_best=true)",
            where="keep_best",
            hint="leave keep_best out, or watch the same figure",
        )


def figure(figures: Mapping[str, float], monitor: str, where: str) -> float:
    """The figure that is watched.

    Raises:
        TraceError: it is not there; the message lists those that are.
    """
    if monitor not in figures:
        raise TraceError(
            f"there is no figure {monitor!r}; there are: {', '.join(figures)}",
            where=where,
            hint=suggest(monitor, figures),
        )
    return figures[monitor]


_WATCHING = (Parameter("monitor", "val_loss"), Parameter("mode", "auto"))


def _plateau(schedule: str) -> Plateau | None:
    choice = read_choice(schedule, "schedule")
    if choice.name.lower() != "plateau":
        return None
    own = (
        Parameter("patience", 10),
        Parameter("factor", 0.1),
        Parameter("min_lr", 0.0),
        Parameter("cooldown", 0),
        Parameter("min_delta", 1e-4),
    )
    given = _arguments(Choice("plateau", choice.arguments), (*own, *_WATCHING), "schedule")
    if not 0 < given["factor"] < 1:
        raise TraceError(
            f"factor: expected a number between 0 and 1, received {given['factor']!r}",
            where="schedule, plateau",
        )
    best = Best(given.pop("monitor"), given.pop("mode"), given.pop("min_delta"))
    return Plateau(best, **given)


def _early_stopping(text: str | int) -> EarlyStopping:
    plain = str(text).strip()
    inside = f"patience={plain}" if plain.isdecimal() else plain
    choice = read_choice(f"early_stopping({inside})", "early_stopping")
    own = (Parameter("patience", 5), Parameter("min_delta", 0.0), Parameter("restore_best", False))
    given = _arguments(choice, (*own, *_WATCHING), "early_stopping")
    best = Best(given.pop("monitor"), given.pop("mode"), given.pop("min_delta"))
    return EarlyStopping(best, **given)


def _arguments(choice: Choice, parameters: tuple[Parameter, ...], where: str) -> dict[str, Any]:
    """The arguments of a controller, the defaults filled in."""
    check_arguments(choice, parameters, where)
    given = {p.name: p.default for p in parameters} | dict(choice.arguments)
    for name in ("patience", "cooldown"):
        value = given.get(name, 1)
        least = 0 if name == "cooldown" else 1
        if not isinstance(value, int) or value < least:
            raise TraceError(
                f"{name}: expected a whole number from {least} on, received {value!r}",
                where=f"{where}, {choice.name}",
            )
    for name in ("min_lr", "min_delta"):
        if name in given and not (is_number(given[name]) and given[name] >= 0):
            raise TraceError(
                f"{name}: expected a number from 0 on, received {given[name]!r}",
                where=f"{where}, {choice.name}",
            )
    if given["mode"] not in ("auto", "min", "max"):
        raise TraceError(
            f"mode: expected auto, min or max, received {given['mode']!r}",
            where=f"{where}, {choice.name}",
        )
    return given
