"""Thinning, smoothing and setting apart, against plain loops."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opgraph.render.curves.points import (
    condensed,
    shortened,
    smoothed,
    sparkline,
    spread,
    wants_log,
)


@given(st.lists(st.floats(0, 200), min_size=1, max_size=12))
def test_spread_places_do_not_overlap_and_stay_inside(wanted):
    places = spread(wanted, 13.0, 0.0, 200.0)
    ordered = sorted(places)
    assert all(b - a >= 13.0 - 1e-9 for a, b in pairwise(ordered))
    assert ordered[0] >= -1e-9
    assert ordered[-1] <= 200 + 1e-9
    for (a, pa), (b, pb) in zip(*[list(zip(wanted, places, strict=True))] * 2, strict=True):
        assert (a < b) <= (pa <= pb)
    order = np.argsort(wanted, kind="stable")
    assert np.all(np.diff(np.array(places)[order]) > 0), "the order is kept"


@given(st.lists(st.floats(0, 200), min_size=2, max_size=8, unique=True))
def test_spread_moves_nothing_without_need(wanted):
    far = sorted(wanted)
    if min(b - a for a, b in pairwise(far)) >= 5:
        assert spread(wanted, 5.0, 0.0, 200.0) == pytest.approx(wanted)


@pytest.mark.parametrize("count", [100, 997, 5000])
def test_condensed_keeps_the_extremes(count):
    values = np.random.default_rng(count).normal(size=count)
    values[count // 3] = 50.0
    values[count // 2 : count // 2 + count // 5] = np.nan
    steps = np.arange(1, count + 1)
    found = condensed(steps, values, 20)
    column = np.minimum((steps - 1) * 20 // count, 19)
    for number in range(20):
        part = values[column == number]
        known = part[np.isfinite(part)]
        if not known.size:
            assert np.isnan(found.low[number])
            assert np.isnan(found.mean[number])
            continue
        assert found.low[number] == known.min()
        assert found.high[number] == known.max()
        assert found.mean[number] == pytest.approx(known.mean())
    assert np.nanmax(found.high) == 50.0


@given(st.lists(st.one_of(st.floats(-9, 9), st.just(float("nan"))), min_size=1, max_size=30),
       st.integers(1, 9))  # fmt: skip
def test_smoothed_is_the_mean_around(values, window):
    array = np.array(values)
    found = smoothed(array, window)
    for place, value in enumerate(values):
        part = array[max(0, place - (window - 1) // 2) : place + window // 2 + 1]
        if np.isnan(value):
            assert np.isnan(found[place])
        else:
            assert found[place] == pytest.approx(np.nanmean(part), abs=1e-9)


@pytest.mark.parametrize(("values", "log"), [
    ([1e-4, 1e-2, 1.0], True), ([0.5, 1.0, 9.0], False), ([-1.0, 1e-5, 100.0], False),
    ([np.nan, np.inf], False), ([0.0] * 5 + [1e-5, 1.0] * 4, False),
    ([1e-12] + [1.0, 2.0] * 200, False), ([1.0, 2.0] * 200 + [1e6], True)])  # fmt: skip
def test_when_an_axis_is_logarithmic(values, log):
    assert wants_log(np.array(values)) is log


def test_sparklines():
    assert sparkline(np.linspace(0, 1, 64)) == "▁▁▂▂▃▃▄▄▅▅▆▆▇▇██"
    assert sparkline(np.full(4, 2.0)) == "▁▁▁▁"
    assert sparkline(np.full(3, np.nan)) == ""
    assert sparkline(np.array([1.0, np.nan, 2.0])) == "▁ █"
    assert sparkline(np.logspace(-6, 0, 8), 8) == "▁▂▃▄▅▆▇█", "even in ratio"


def test_short_names_are_left_alone():
    assert shortened("conv", 10) == "conv"
    assert len(shortened("a" * 50, 10)) == 10
