"""Oddities of ops that bring branches together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import opgraph.ops as ops
from opgraph.errors import ShapeError

DIM = st.integers(1, 3)
SHAPE = st.lists(DIM, min_size=1, max_size=4).map(tuple)


@given(st.lists(SHAPE, min_size=2, max_size=4))
def test_stretching_follows_numpy(shapes):
    try:
        expected = np.broadcast_shapes(*shapes)
    except ValueError:
        with pytest.raises(ShapeError, match="do not fit"):
            ops.require("Add")().shape(*shapes)
    else:
        assert ops.require("Add")().shape(*shapes) == expected


def test_unknown_size_yields_to_any_but_one():
    add = ops.require("Add")()
    assert add.shape((None, 5), (4, 5)) == (4, 5)
    assert add.shape((None, 5), (1, 5)) == (None, 5)
    assert add.shape((4, None), (None, 5)) == (4, 5)


def test_squeeze_and_excitation_scales_channels():
    assert ops.require("Multiply")().shape((8, 8, 16), (16,)) == (8, 8, 16)
    assert ops.require("Multiply")().shape((8, 8, 16), (1, 1, 16)) == (8, 8, 16)


def test_concatenation_adds_sizes_and_keeps_what_is_known():
    concatenate = ops.require("Concatenate")()
    assert concatenate.shape((None, 3), (4, 2), (4, None)) == (4, None)
    assert concatenate.shape((8, 8, 3), (8, 8, 5), (8, 8, 8)) == (8, 8, 16)


def test_order_counts_only_where_it_matters():
    assert ops.require("Subtract").slots() == (("minuend", "subtrahend"), 2, 2)
    assert ops.require("Concatenate").slots() == (("first", "second"), 2, None)


def test_dot_of_two_rows_is_one_number():
    assert ops.require("Dot")().shape((5,), (5,)) == (1,)
