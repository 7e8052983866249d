"""How far two arrays are apart, summed up over batches.

Owns the definitions of the measures and their tolerances; knows no model. All sums are float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from opgraph.record import Array

# The largest difference allowed, relative to the largest magnitude of the first tensor.
RELATIVE = {"float64": 1e-6, "float32": 1e-4, "float16": 1e-2, "bfloat16": 5e-2}
# Quantised tensors: signal to noise in decibels; each bit of a code is worth 6.02 dB, and what
# eight bits hold (about 50 dB) is lost in part at every operation on the way.
QUANTISED_DB = 20.0
FLOOR = 1e-6


@dataclass(frozen=True)
class Tolerance:
    """What counts as equal.

    Attributes:
        relative: largest difference over largest magnitude, by dtype.
        decibels: least signal to noise of a quantised tensor.
        factor: that the relative ones are multiplied by.
    """

    factor: float = 1.0
    decibels: float = QUANTISED_DB

    def limit(self, dtypes: tuple[str, str], scale: float | None) -> tuple[float, str]:
        """The bound and its words: decibels where a tensor is quantised, else a relative one."""
        if scale is not None:
            return self.decibels, f"SNR >= {self.decibels:g} dB"
        known = [RELATIVE[dtype] for dtype in dtypes if dtype in RELATIVE]
        bound = self.factor * max(known, default=0.0)
        return bound, f"max <= {bound:g} of the largest"


@dataclass(frozen=True)
class Measures:
    """How far the second is from the first.

    Attributes:
        count: elements compared.
        max_abs, mean_abs: of the absolute difference.
        max_rel, mean_rel: of the difference over the magnitude of the first, which is taken as at
            least 1e-6 of its largest.
        cosine: of the angle between the two.
        snr: power of the first over power of the difference, in decibels; infinite where equal.
        argmax: share of examples with the same largest class; None where the rank is not two.
        largest: magnitude in the first.
        broken: elements that are NaN or infinite in one of the two alone, or differently.
    """

    count: int
    max_abs: float
    mean_abs: float
    max_rel: float
    mean_rel: float
    cosine: float
    snr: float
    argmax: float | None
    largest: float
    broken: int

    def within(self, bound: float, quantised: bool) -> bool:
        """Whether the two count as equal."""
        if self.broken:
            return False
        if quantised:
            return self.snr >= bound
        return self.max_abs <= bound * self.largest


class Gatherer:
    """Sums differences of one pair of tensors over batches."""

    def __init__(self) -> None:
        self.count = self.broken = self.examples = self.same = 0
        self.max_abs = self.max_rel = self.largest = 0.0
        self.abs = self.rel = self.dot = self.left = self.right = self.noise = 0.0

    def add(self, left: Array, right: Array) -> None:
        """Take in one batch of both, of the same shape."""
        a, b = np.asarray(left, np.float64), np.asarray(right, np.float64)
        self._classes(a, b)
        good = np.isfinite(a) & np.isfinite(b)
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        self.broken += int(np.count_nonzero(~good & ~same))
        if not good.all():
            a, b = a[good], b[good]
        if a.size:
            self._finite(a, b)

    def _classes(self, a: Array, b: Array) -> None:
        if a.ndim != 2 or a.shape[1] < 2:
            return
        self.examples += len(a)
        self.same += int(np.count_nonzero(a.argmax(axis=1) == b.argmax(axis=1)))

    def _finite(self, a: Array, b: Array) -> None:
        apart, size = np.abs(a - b), np.abs(a)
        top = float(size.max())
        relative = apart / np.maximum(size, max(FLOOR * top, np.finfo(np.float64).tiny))
        self.count += a.size
        self.max_abs = max(self.max_abs, float(apart.max()))
        self.max_rel = max(self.max_rel, float(relative.max()))
        self.largest = max(self.largest, top)
        self.abs += float(apart.sum())
        self.rel += float(relative.sum())
        self.dot += float((a * b).sum())
        self.left += float((a * a).sum())
        self.right += float((b * b).sum())
        self.noise += float((apart * apart).sum())

    def result(self) -> Measures:
        """The measures of all that was taken in."""
        count = max(self.count, 1)
        norms = math.sqrt(self.left) * math.sqrt(self.right)
        return Measures(
            count=self.count,
            max_abs=self.max_abs,
            mean_abs=self.abs / count,
            max_rel=self.max_rel,
            mean_rel=self.rel / count,
            cosine=self.dot / norms if norms else float(self.left == self.right),
            snr=decibels(self.left, self.noise),
            argmax=self.same / self.examples if self.examples else None,
            largest=self.largest,
            broken=self.broken,
        )


def decibels(signal: float, noise: float) -> float:
    """Signal to noise ratio of two powers: 10 log10(signal / noise)."""
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf


def measure(left: Array, right: Array) -> Measures:
    """The measures of one pair of arrays.

    >>> round(measure(np.array([3.0, 4.0]), np.array([3.0, 4.5])).snr, 2)
    20.0
    """
    gatherer = Gatherer()
    gatherer.add(left, right)
    return gatherer.result()
