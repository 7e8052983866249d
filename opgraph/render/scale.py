"""From numbers to levels of colour: where a scale begins and ends, and its ticks.

Owns which scale suits which numbers; knows no colours (see `heat`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10
from typing import Literal

LEVELS = 33  # odd, so that there is a middle
LOG_RANGE = 100.0
NONE, ZERO, NONFINITE = "none", "zero", "nan"
TICKS = 5


@dataclass(frozen=True)
class Scale:
    """A scale of colour.

    Attributes:
        low: the number at its beginning.
        high: the number at its end.
        ramp: `m` for magnitudes, `s` for what lies on two sides of a middle.
        log: whether equal ratios are equal steps.
    """

    low: float
    high: float
    ramp: Literal["m", "s"]
    log: bool

    def share(self, number: float) -> float:
        """Where a number is, from 0 to 1.

        >>> Scale(0.01, 100, "m", log=True).share(1)
        0.5
        """
        low, high, at = self.low, self.high, number
        if self.log:
            low, high, at = log10(low), log10(high), log10(number)
        return 0.5 if high <= low else min(1.0, max(0.0, (at - low) / (high - low)))

    def level(self, number: float | None) -> str:
        """The name of the colour of a number.

        >>> scale = Scale(1, 1000, "m", log=True)
        >>> [scale.level(number) for number in (1, 1000, 0, float("inf"), None)]
        ['m0', 'm32', 'zero', 'nan', 'none']
        """
        if number is None:
            return NONE
        if not isfinite(number):
            return NONFINITE
        if self.log and number <= 0:
            return ZERO
        return f"{self.ramp}{round(self.share(number) * (LEVELS - 1))}"

    def ticks(self) -> list[float]:
        """Numbers to be written beside it: both ends, then round ones between them."""
        inner = self._decades() if self.log else self._steps()
        return list(dict.fromkeys([self.low, self.high, *inner]))

    def _decades(self) -> list[float]:
        first, last = ceil(log10(self.low)), floor(log10(self.high))
        stride = max(1, ceil((last - first) / TICKS))
        return [10.0**power for power in range(first, last + 1, stride)]

    def _steps(self) -> list[float]:
        span = self.high - self.low
        if span <= 0:
            return []
        rough = span / TICKS
        power = 10.0 ** floor(log10(rough))
        step = next(power * f for f in (1, 2, 5, 10) if power * f >= rough * 0.999)
        first, last = ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def level_of(scale: Scale | None, number: float | None) -> str:
    """The name of the colour of a number, where there may be no scale since none is finite."""
    if scale is not None:
        return scale.level(number)
    return NONE if number is None else NONFINITE


def scale_for(numbers: Iterable[float | None], wanted: float | None = None) -> Scale | None:
    """The scale that suits numbers; None if there is none to be placed.

    Numbers of both signs lie around zero, ratios around the value wanted of them; what ranges over
    a factor of 100 and more is logarithmic.

    >>> scale_for([1.0, 250.0]), scale_for([-1.0, 3.0])
    (Scale(low=1.0, high=250.0, ramp='m', log=True), Scale(low=-3.0, high=3.0, ramp='s', log=False))
    """
    finite = [number for number in numbers if number is not None and isfinite(number)]
    if not finite:
        return None
    low, high = min(finite), max(finite)
    if low < 0:
        reach = max(-low, high)
        return Scale(-reach, reach, "s", log=False)
    positive = [number for number in finite if number > 0]
    if wanted is not None and positive:
        reach = max(10.0, max(positive) / wanted, wanted / min(positive))
        return Scale(wanted / reach, wanted * reach, "s", log=True)
    if positive and high > LOG_RANGE * min(positive):
        return Scale(min(positive), high, "m", log=True)
    return Scale(low, high, "m", log=False)
