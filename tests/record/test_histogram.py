"""The bins of histograms, against edges written out and a loop over Python's own frexp."""

import json
import math

import numpy as np
import pytest

from opgraph.record import histogram
from opgraph.record.histogram import (
    ALL_BINS,
    BINS,
    NAN_BIN,
    ZERO_BIN,
    bin_edges,
    bin_label,
    bin_numbers,
    count_bins,
    describe_bins,
)


def slow_bin(x: float) -> int:
    """By search: the first bin whose limits hold the number."""
    if math.isnan(x):
        return NAN_BIN
    for number, found in enumerate(ALL_BINS):
        right_sign = found.sign == (x > 0) - (x < 0)
        inside = found.low <= abs(x) < found.high or (found.kind == "inf" and math.isinf(x))
        if found.kind == "zero":
            inside = x == 0
        if right_sign and inside:
            return number
    raise AssertionError(x)


def test_there_are_136_bins_in_the_stated_order():
    kinds = [(found.kind, found.sign) for found in ALL_BINS]
    assert BINS == len(ALL_BINS) == 136
    assert kinds[:2] == [("inf", -1), ("over", -1)]
    assert kinds[2:66] == [("power", -1)] * 64
    assert kinds[66:69] == [("under", -1), ("zero", 0), ("under", 1)]
    assert kinds[69:133] == [("power", 1)] * 64
    assert kinds[133:] == [("over", 1), ("inf", 1), ("nan", 0)]


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (-math.inf, 0),
        (-(2.0**24), 1),
        (-1e300, 1),
        (-(2.0**23), 2),
        (-np.nextafter(2.0**24, 0), 2),
        (-(2.0**-40), 65),
        (-np.nextafter(2.0**-40, 0), 66),
        (-5e-324, 66),
        (-0.0, 67),
        (0.0, 67),
        (5e-324, 68),
        (np.nextafter(2.0**-40, 0), 68),
        (2.0**-40, 69),
        (1.0, 109),
        (1.999, 109),
        (2.0, 110),
        (np.nextafter(2.0**24, 0), 132),
        (2.0**24, 133),
        (math.inf, 134),
        (math.nan, 135),
    ],
)
def test_limits_fall_where_they_are_said_to(value, number):
    assert bin_numbers([value]).tolist() == [number]
    assert slow_bin(float(value)) == number


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_random_numbers_of_all_sizes_agree_with_a_search(dtype):
    random = np.random.default_rng(0)
    with np.errstate(over="ignore", under="ignore"):
        x = (random.normal(size=500) * 10.0 ** random.uniform(-50, 40, 500)).astype(dtype)
    assert bin_numbers(x).tolist() == [slow_bin(float(value)) for value in x]


def test_counts_are_those_of_numpys_own_histogram_between_the_edges():
    x = np.random.default_rng(1).normal(size=10_000) * 2.0 ** np.arange(-50, 50).repeat(100)
    edges = np.array([edge for edge in bin_edges() if np.isfinite(edge) and edge != 0])
    positive = edges[edges > 0]
    expected, _ = np.histogram(x[(x > 0) & (x < positive[-1])], positive)
    assert count_bins(x)[69:133].tolist() == expected.tolist()
    mirrored, _ = np.histogram(-x[(x < 0) & (x > -positive[-1])], positive)
    assert count_bins(x)[65:1:-1].tolist() == mirrored.tolist()
    assert count_bins(x).sum() == x.size


def test_edges_ascend_and_have_one_bin_between_two():
    edges = bin_edges()
    assert len(edges) == BINS - 2 - 1 + 1
    assert np.all(np.diff(edges) >= 0)
    assert np.flatnonzero(np.diff(edges) == 0).tolist() == [ZERO_BIN - 1]
    assert not np.signbit(edges[ZERO_BIN - 1 : ZERO_BIN + 1]).any()


def test_any_shape_and_integers_and_booleans_are_counted():
    assert count_bins(np.zeros((0, 3))).sum() == 0
    assert count_bins(np.ones((2, 3, 4)))[109] == 24
    assert count_bins([True, False])[[67, 109]].tolist() == [1, 1]
    assert count_bins(np.array([3, -1], np.int32))[[110, 25]].tolist() == [1, 1]


def test_the_description_is_plain_data_with_a_label_for_each_bin():
    told = json.loads(json.dumps(describe_bins()))
    assert told["labels"] == [bin_label(number) for number in range(BINS)]
    assert len(set(told["labels"])) == BINS
    assert told["labels"][told["zero_bin"]] == "0"
    assert told["labels"][told["nan_bin"]] == "NaN"
    assert told["least_power"] == -40
    assert told["powers"] == 64


def test_the_module_needs_neither_pyarrow_nor_tensorflow():
    assert not {"pa", "tf", "keras"} & set(vars(histogram))
