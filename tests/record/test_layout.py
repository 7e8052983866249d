"""The packed vector: every number has one place, and comes back from it."""

from __future__ import annotations

import numpy as np

from opgraph.record import NORM, TENSOR, TENSOR_MOMENTS, Block, Layout, Site, prefixed

X, Y = Site("output", "x", shape=(4,)), Site("output", "y", shape=(4,))
BN = Site("bn", "norm", shape=(3,))
BLOCKS = (
    (X, TENSOR, 0),
    (Y, TENSOR, 0),  # the same numbers in another shape
    (Site("output", "z"), NORM, 8),
    (BN, Block(("batch_mean", "moving_mean_before", "moving_mean"), 3), 9),
)
LAYOUT = Layout(BLOCKS, 18)


def test_scalars_come_back_from_where_they_were_packed() -> None:
    packed = np.arange(18.0)[None]
    for number, name in enumerate(TENSOR_MOMENTS):
        assert LAYOUT.scalars([X, Y], name, packed).tolist() == [[number, number]]
    assert LAYOUT.scalars([LAYOUT.sites[2]], "sumsq", packed).tolist() == [[8]]


def test_what_was_not_packed_is_nan_and_told() -> None:
    packed = np.arange(18.0)[None]
    found = LAYOUT.scalars([LAYOUT.sites[2], X], "max", packed)
    assert np.isnan(found[0, 0])
    assert found[0, 1] == 7
    assert not LAYOUT.has(LAYOUT.sites[2], "max")
    assert LAYOUT.vector(X, "batch_mean", packed) is None


def test_vectors_have_the_width_of_their_block() -> None:
    packed = np.arange(36.0).reshape(2, 18)
    found = LAYOUT.vector(BN, "moving_mean", packed)
    assert found is not None
    assert found.tolist() == [[15, 16, 17], [33, 34, 35]]


def test_one_layout_behind_another() -> None:
    joined = LAYOUT.joined(Layout(((X, Block(("more",)), 0),), 1))
    assert joined.size == 19
    assert joined.start(X, "more") == 18
    assert joined.start(BN, "batch_mean") == 9


def test_places_of_moments_by_their_ending() -> None:
    assert LAYOUT.starts_of("sumsq") == [5, 8]
    weights = Layout(((X, prefixed(["value", "update"]), 0),), 16)
    assert weights.starts_of("sumsq") == [5, 13]


def test_parts_of_a_step_are_combined_by_what_the_moments_are() -> None:
    rows = np.stack([np.arange(18.0), 100 + np.arange(18.0)])
    rows[:, 6] = [-3, -5]  # min
    rows[:, 7] = [np.nan, 2]  # max: nothing finite in the first part
    found = LAYOUT.combine(rows)
    assert found[:6].tolist() == [100, 102, 104, 106, 108, 110]
    assert found[6:8].tolist() == [-5, 2]
    assert found[9:12].tolist() == [59, 60, 61]  # the mean of the batch statistics
    assert found[12:15].tolist() == [12, 13, 14]  # before: that of the first part
    assert found[15:18].tolist() == [115, 116, 117]  # after: that of the last one
