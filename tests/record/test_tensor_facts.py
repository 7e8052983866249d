"""An array in a few numbers."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np

from opgraph.record import count_linear, tensor_facts


def test_what_is_not_finite_is_counted_and_left_out() -> None:
    facts = tensor_facts(np.array([[1.0, -2.0, np.nan], [0.0, np.inf, -np.inf]], np.float32))
    assert (facts.shape, facts.dtype, facts.count) == ((2, 3), "float32", 6)
    assert (facts.nan, facts.inf, facts.nonfinite, facts.zeros) == (1, 2, 3, 1)
    assert facts.mean == -1 / 3
    assert facts.std == math.sqrt(5 / 3 - 1 / 9)
    assert (facts.norm, facts.min, facts.max) == (math.sqrt(5), -2.0, 1.0)


def test_nothing_finite_is_no_number() -> None:
    for array in (np.array([np.nan]), np.zeros((0, 3))):
        facts = tensor_facts(array)
        assert (facts.mean, facts.std, facts.norm, facts.min, facts.max) == (None,) * 5


def test_small_types_do_not_overflow() -> None:
    for kind in (np.float16, ml_dtypes.bfloat16):
        facts = tensor_facts(np.full(4, 60000, kind))
        assert facts.norm == 2 * float(np.asarray(60000, kind))
    flags = tensor_facts(np.array([True, False]))
    assert (flags.mean, flags.zeros) == (0.5, 1)


def test_bins_of_equal_width() -> None:
    counts, edges = count_linear(np.array([-1.0, 0.0, 3.0, np.inf]), 4)
    assert (counts.tolist(), edges.tolist()) == ([1, 1, 0, 1], [-1.0, 0.0, 1.0, 2.0, 3.0])
    wide = np.array([-1.7e308, 1.7e308])
    assert count_linear(wide, 2)[0].tolist() == [1, 1]
    assert count_linear(np.array([np.nan]), 2)[0].tolist() == [0, 0]
