"""How many digits a number is printed with, so that printed arithmetic comes out as printed.

Owns that choice and the spelling of numbers; knows no network.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from opgraph.story.formula import Expr, evaluate

LEAST, USUAL, MOST = 5, 6, 17
MINUS = "−"


def numeral(value: float, digits: int = USUAL) -> str:
    """A number with so many significant digits; whole numbers as they are.

    >>> numeral(-0.000012345678), numeral(32768.0), numeral(0.25)
    ('−1.23457e-5', '32768', '0.25')
    """
    if not math.isfinite(value):
        return str(value).replace("-", MINUS)
    if value == int(value) and abs(value) < 1e15:
        text = str(int(value))
    else:
        text = f"{value:.{digits}g}"
        mantissa, exponent, power = text.partition("e")
        text = f"{mantissa}e{int(power)}" if exponent else text
    return text.replace("-", MINUS, 1) if text.startswith("-") else text


def shape_text(shape: Iterable[int]) -> str:
    """A shape as people write it.

    >>> shape_text((3, 3)), shape_text(())
    ('3 × 3', '1')
    """
    return " × ".join(map(str, shape)) or "1"


def rounded(value: float, digits: int) -> float:
    """What is read when the number is printed."""
    return float(numeral(value, digits).replace(MINUS, "-", 1))


def last_place(value: float, digits: int) -> float:
    """What one unit of the last printed digit is worth.

    >>> last_place(0.123456, 6)
    1e-06
    """
    if value == 0 or not math.isfinite(value):
        return 0.0
    return float(f"1e{math.floor(math.log10(abs(value))) - digits + 1}")


def settle(expression: Expr) -> tuple[int, int]:
    """Digits of the numbers and of the result, so that the printed line is right.

    Whoever works the printed numbers out gets the printed result to one unit of its last digit.
    Where terms cancel, the numbers have to be printed with more digits than usual.
    """
    exact = evaluate(expression)
    for digits in range(USUAL, MOST + 1):
        printed = _attempt(expression, digits)
        for shown in range(min(digits, USUAL + 1), LEAST - 1, -1):
            if abs(printed - rounded(exact, shown)) <= last_place(exact, shown):
                return digits, shown
    return MOST, LEAST


def _attempt(expression: Expr, digits: int) -> float:
    try:
        return evaluate(expression, lambda value: rounded(value, digits))
    except (ValueError, ZeroDivisionError, OverflowError):
        return math.nan
