"""The strip above the graph: step, loss, and where both are on the curve of the loss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite, log10
from typing import TYPE_CHECKING

from opgraph.render.card import measure
from opgraph.render.layout import Point
from opgraph.render.scene import Item, Path, Rect, Text
from opgraph.render.wording import figure_text

if TYPE_CHECKING:
    from opgraph.record import Record

STRIP_HEIGHT = 52.0
TOP, BOTTOM = 2.0, 36.0
CURVE_LEFT, LABEL_ROOM = 104.0, 44.0
MOST_POINTS = 160
LOG_RANGE = 100.0
CURSOR = 2.0


@dataclass(frozen=True)
class Losses:
    """The loss of a training, step by step.

    Attributes:
        steps: ascending.
        values: one a step; NaN where there is none.
    """

    steps: Sequence[int]
    values: Sequence[float]

    @cached_property
    def finite(self) -> list[float]:
        """Those that are numbers."""
        return [value for value in self.values if isfinite(value)]

    @cached_property
    def is_log(self) -> bool:
        """Whether equal ratios are equal heights."""
        found = self.finite
        return bool(found) and min(found) > 0 and max(found) > LOG_RANGE * min(found)

    def at(self, step: int) -> float | None:
        """The loss of a step."""
        found = dict(zip(self.steps, self.values, strict=True))
        return found.get(step)

    def height(self, value: float) -> float:
        """Where a value is, from 0 for the lowest to 1."""
        low, high = min(self.finite), max(self.finite)
        if self.is_log:
            low, high, value = log10(low), log10(high), log10(value)
        return 0.5 if high <= low else (value - low) / (high - low)


def read_losses(record: Record) -> Losses:
    """The loss of every step of a run."""
    table = record.steps
    values = [float("nan") if v is None else float(v) for v in table["loss"].to_pylist()]
    return Losses([int(step) for step in table["step"].to_pylist()], values)


def strip_items(losses: Losses, step: int, width: float) -> Iterator[Item]:
    """What to draw for a step; the origin is at the upper left."""
    yield _text(0.0, 12.0, f"step {step:,}", "name")
    loss = losses.at(step)
    if loss is not None:
        yield _text(0.0, 29.0, f"loss {figure_text(loss)}", "params")
    if not losses.finite:
        return
    right = width - LABEL_ROOM
    span = max(1, losses.steps[-1] - losses.steps[0])

    def across(at: int) -> float:
        return CURVE_LEFT + (at - losses.steps[0]) / span * (right - CURVE_LEFT)

    def along(value: float) -> float:
        return BOTTOM - losses.height(value) * (BOTTOM - TOP - 4.0)

    yield Rect(CURVE_LEFT, BOTTOM + 1.0, right - CURVE_LEFT, 1.0, "t-rule")
    for run in _runs(losses):
        points = tuple(Point(across(at), along(value)) for at, value in run)
        yield Path(points, "t-loss")
    for value in dict.fromkeys((max(losses.finite), min(losses.finite))):
        yield _text(right + 6.0, along(value) + 3.5, figure_text(value), "shape")
    yield Rect(across(step) - CURSOR / 2, TOP - 2.0, CURSOR, BOTTOM - TOP + 4.0, "t-cursor")
    if loss is not None and isfinite(loss):
        yield Rect(across(step) - 3.5, along(loss) - 3.5, 7.0, 7.0, "t-dot", 3.5)


def _text(x: float, y: float, words: str, kind: str) -> Text:
    return Text(x, y, words, kind, measure(words, kind))


def _runs(losses: Losses) -> Iterator[list[tuple[int, float]]]:
    """Stretches of finite losses, thinned; the last of each piece stands for it."""
    stride = -(-len(losses.steps) // MOST_POINTS)
    pairs = list(zip(losses.steps, losses.values, strict=True))
    kept = [pairs[0], *pairs[stride - 1 :: stride], pairs[-1]]
    run: list[tuple[int, float]] = []
    for pair in dict.fromkeys(kept):
        if isfinite(pair[1]):
            run.append(pair)
        elif run:
            yield run
            run = []
    if len(run) > 1:
        yield run
