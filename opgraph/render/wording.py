"""How shapes, counts, sizes and attribute values are written."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import isfinite, isnan
from typing import Any, cast

from opgraph.ops import Shape
from opgraph.render.cleaning import clean

PREFIXES = ("", "k", "M", "G", "T", "P", "E")
UNKNOWN = "?"


def shape_text(shape: Shape | None) -> str:
    """A shape without the batch.

    >>> shape_text((32, None, 3)), shape_text(()), shape_text(None)
    ('32×?×3', 'scalar', '?')
    """
    if shape is None:
        return UNKNOWN
    return "×".join(UNKNOWN if dim is None else str(dim) for dim in shape) or "scalar"


def count_text(count: int | None) -> str:
    """An exact count.

    >>> count_text(111946), count_text(None)
    ('111,946', '?')
    """
    return UNKNOWN if count is None else f"{count:,}"


def si_text(value: float | None, unit: str = "") -> str:
    """A quantity in three significant digits with an SI prefix.

    >>> si_text(20_903_434), si_text(447784, "B"), si_text(896), si_text(999_999)
    ('20.9 M', '448 kB', '896', '1.00 M')
    """
    if value is None:
        return UNKNOWN
    if abs(value) < 1000:
        number = f"{value:.0f}" if value == int(value) else f"{value:.3g}"
        return f"{number} {unit}".rstrip()
    power = 0
    while abs(value) >= 999.5 and power < len(PREFIXES) - 1:
        value, power = value / 1000, power + 1
    digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    return f"{value:.{digits}f} {PREFIXES[power]}{unit}"


def figure_text(value: float, unit: str = "") -> str:
    """A measured number in three significant digits; SI prefixes from a thousand on.

    >>> figure_text(0.5), figure_text(-1234.5), figure_text(1.234e-5), figure_text(896, "FLOP")
    ('0.500', '−1.23 k', '1.23e−5', '896 FLOP')
    """
    if not isfinite(value):
        return "NaN" if isnan(value) else "Inf" if value > 0 else "−Inf"
    size = abs(value)
    if size >= 999.5 or value == int(value):
        text = si_text(size, unit)
    else:
        number = f"{size:#.3g}".rstrip(".") if size >= 1e-3 else _with_exponent(size)
        text = f"{number} {unit}".rstrip()
    return f"−{text}" if value < 0 else text


def _with_exponent(size: float) -> str:
    number, exponent = f"{size:.2e}".split("e")
    return f"{number}e−{abs(int(exponent))}"


def sizes_text(sizes: tuple[int | Fraction, ...] | None) -> str:
    """Extents along several axes; None stands for all of the input.

    >>> sizes_text((7, 7)), sizes_text(None), sizes_text((Fraction(5, 2),))
    ('7×7', 'all', '2.5')
    """
    if sizes is None:
        return "all"
    return "×".join(f"{float(size):g}" for size in sizes)


def value_text(value: Any) -> str:
    """The value of an attribute, as one would say it.

    >>> value_text((3, 3)), value_text(1e-3), value_text(True), value_text({"a": 1})
    ('3×3', '0.001', 'true', 'a 1')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return clean(", ".join(f"{key} {value_text(item)}" for key, item in items))
    if isinstance(value, list | tuple):
        items = cast("tuple[Any, ...]", value)
        between = "×" if all(item is None or isinstance(item, int) for item in items) else ", "
        return between.join(UNKNOWN if item is None else value_text(item) for item in items)
    return clean(str(value))
