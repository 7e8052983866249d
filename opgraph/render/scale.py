"""From numbers to levels of colour: where a scale begins and ends, and its ticks.

Owns which scale suits which numbers; knows no colours (see `heat`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, inf, isfinite, log10
from typing import Literal

MOST_RATIO = 1e9
DEEPEST = 1e4  # a floor is so many times below the largest number
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
        floor: what is nearer to zero looks like this; for logarithms of both signs.
    """

    low: float
    high: float
    ramp: Literal["m", "s"]
    log: bool
    floor: float = 0.0

    def share(self, number: float) -> float:
        """Where a number is, from 0 to 1.

        >>> Scale(0.01, 100, "m", log=True).share(1)
        0.5
        """
        if self.floor:
            return self._of_both_signs(number)
        low, high, at = self.low, self.high, number
        if self.log:
            low, high, at = log10(low), log10(high), log10(number)
        return 0.5 if high <= low else min(1.0, max(0.0, (at - low) / (high - low)))

    def _of_both_signs(self, number: float) -> float:
        """Zero in the middle, and from the floor on equal ratios, one step away from it."""
        if number == 0:
            return 0.5
        size = max(abs(number), self.floor)
        reach = log10(self.high / self.floor)
        first = 2 / (LEVELS - 1)
        far = first + (1 - first) * min(1.0, log10(size / self.floor) / reach)
        return 0.5 + (far if number > 0 else -far) / 2

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
        if self.log and number <= 0 and not self.floor:
            return ZERO
        return f"{self.ramp}{round(self.share(number) * (LEVELS - 1))}"

    def ticks(self) -> list[float]:
        """Numbers to be written beside it: both ends, then round ones between them."""
        inner = self._decades() if self.log else self._steps()
        return list(dict.fromkeys([self.low, self.high, *inner]))

    def _decades(self) -> list[float]:
        first, last = ceil(log10(self.floor or self.low)), floor(log10(self.high))
        stride = max(1, ceil((last - first) / TICKS))
        decades = [10.0**power for power in range(first, last + 1, stride)]
        return [0.0, *decades, *(-decade for decade in decades)] if self.floor else decades

    def _steps(self) -> list[float]:
        span = self.high - self.low
        if not 0 < span < inf:
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

    >>> scale_for([1.0, 250.0])
    Scale(low=1.0, high=250.0, ramp='m', log=True, floor=0.0)
    >>> scale_for([-1.0, 3.0])
    Scale(low=-3.0, high=3.0, ramp='s', log=False, floor=0.0)
    """
    finite = [number for number in numbers if number is not None and isfinite(number)]
    if not finite:
        return None
    low, high = min(finite), max(finite)
    if low < 0:
        return _of_both_signs(finite)
    positive = [number for number in finite if number > 0]
    if wanted is not None and positive:
        reach = min(MOST_RATIO, max(10.0, max(positive) / wanted, wanted / min(positive)))
        return Scale(wanted / reach, wanted * reach, "s", log=True)
    if positive and high > LOG_RANGE * min(positive):
        return Scale(min(positive), high, "m", log=True)
    return Scale(low, high, "m", log=False)


def _of_both_signs(numbers: Sequence[float]) -> Scale:
    sizes = [abs(number) for number in numbers if number]
    reach, least = max(sizes), min(sizes)
    is_far = reach > LOG_RANGE * least
    floor = max(least, reach / DEEPEST) if is_far else 0.0
    return Scale(-reach, reach, "s", is_far, floor)
