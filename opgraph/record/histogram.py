"""The bins of a histogram: powers of two for each sign, the same for every site and every step.

From left to right, so that a histogram is drawn as it is stored:

    0          -Inf
    1          finite, up to and including -2^24           negative, over
    2 .. 65    (-2^(k+1), -2^k] for k = 23 down to -40     negative, 64 bins
    66         (-2^-40, 0)                                 negative, under
    67         0 and -0
    68         (0, 2^-40)                                  positive, under
    69 .. 132  [2^k, 2^(k+1)) for k = -40 up to 23         positive, 64 bins
    133        finite, from 2^24 on                        positive, over
    134        +Inf
    135        NaN

Subnormal numbers are not zero. Owns the bins and their reference in NumPy; must not know how a
training counts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEAST_POWER = -40
POWERS = 64
MOST_POWER = LEAST_POWER + POWERS
ZERO_BIN = POWERS + 3
BINS = 2 * ZERO_BIN + 2
NAN_BIN = BINS - 1

BinKind = Literal["inf", "over", "power", "under", "zero", "nan"]


class Bin(NamedTuple):
    """One bin: numbers of a sign whose magnitude is at least `low` and less than `high`.

    Attributes:
        kind: power for one power of two; under and over for what is smaller and larger than all.
        sign: -1, 0 or 1; 0 for zero and NaN.
        low: least magnitude; `under` has all above it, but not 0 itself.
        high: magnitude that is too large.
    """

    kind: BinKind
    sign: int
    low: float
    high: float


def _positive_bins() -> list[Bin]:
    """What lies to the right of zero, NaN not counted."""
    inf = float("inf")
    powers = [Bin("power", 1, 2.0**k, 2.0 ** (k + 1)) for k in range(LEAST_POWER, MOST_POWER)]
    under, over = Bin("under", 1, 0.0, 2.0**LEAST_POWER), Bin("over", 1, 2.0**MOST_POWER, inf)
    return [under, *powers, over, Bin("inf", 1, inf, inf)]


def _all_bins() -> tuple[Bin, ...]:
    right = _positive_bins()
    left = [found._replace(sign=-1) for found in reversed(right)]
    nan = float("nan")
    return (*left, Bin("zero", 0, 0.0, 0.0), *right, Bin("nan", 0, nan, nan))


ALL_BINS = _all_bins()


def bin_label(number: int) -> str:
    """A bin in few characters.

    >>> [bin_label(number) for number in (0, 1, 2, 66, 67, 68, 69, 134, 135)]
    ['-Inf', '<= -2^24', '-2^23', '> -2^-40', '0', '< 2^-40', '2^-40', '+Inf', 'NaN']
    """
    kind, sign, low, _ = ALL_BINS[number]
    if kind in ("zero", "nan"):
        return "0" if kind == "zero" else "NaN"
    minus = "-" if sign < 0 else ""
    if kind == "inf":
        return f"{minus or '+'}Inf"
    if kind == "over":
        return f"{'<=' if sign < 0 else '>='} {minus}2^{MOST_POWER}"
    if kind == "under":
        return f"{'>' if sign < 0 else '<'} {minus}2^{LEAST_POWER}"
    return f"{minus}2^{int(np.log2(low))}"


def describe_bins() -> Mapping[str, Any]:
    """The bins as plain data, for files that hold histograms.

    >>> describe_bins()["bins"], describe_bins()["labels"][67:70]
    (136, ['0', '< 2^-40', '2^-40'])
    """
    return {
        "kind": "signed powers of two",
        "bins": BINS,
        "least_power": LEAST_POWER,
        "powers": POWERS,
        "zero_bin": ZERO_BIN,
        "nan_bin": NAN_BIN,
        "labels": [bin_label(number) for number in range(BINS)],
    }


def bin_edges() -> NDArray[np.float64]:
    """The limits between the bins of finite numbers, ascending, as a drawing needs them.

    Bin 1 + i lies between edge i and edge i + 1; zero has no width, its two edges are both 0.

    >>> edges = bin_edges().tolist()
    >>> len(edges), edges[0], edges[66], edges[67], edges[68] == 2.0**-40
    (134, -inf, 0.0, 0.0, True)
    """
    positive = [found.low for found in _positive_bins()]
    return np.array([*(-low for low in reversed(positive)), *positive]) + 0.0


def bin_numbers(array: ArrayLike) -> NDArray[np.int64]:
    """The bin of each element.

    >>> bin_numbers([-1.0, -0.0, 1e-300, 1.0, 1.99, 2.0, np.inf, np.nan]).tolist()
    [25, 67, 68, 109, 109, 110, 134, 135]
    """
    x = np.asarray(array)
    x = x if x.dtype.name in ("float32", "float64") else x.astype(np.float64)
    _, exponents = np.frexp(x)
    away = np.clip(exponents.astype(np.int64) - 1 - LEAST_POWER, -1, POWERS) + 2
    numbers = ZERO_BIN + np.where(np.signbit(x), -away, away)
    numbers = np.where(x == 0, ZERO_BIN, numbers)
    numbers = np.where(np.isinf(x), np.where(np.signbit(x), 0, BINS - 2), numbers)
    return np.where(np.isnan(x), NAN_BIN, numbers)


def count_bins(array: ArrayLike) -> NDArray[np.int64]:
    """How many elements fall into each bin; the reference of what a training counts.

    >>> counts = count_bins([0.5, 0.75, 0.0, -3.0])
    >>> {bin_label(number): int(count) for number, count in enumerate(counts) if count}
    {'-2^1': 1, '0': 1, '2^-1': 2}
    """
    return np.bincount(bin_numbers(array).reshape(-1), minlength=BINS)
