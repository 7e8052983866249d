"""Oddities of ops that rearrange, pool or enlarge."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import opgraph.ops as ops
from opgraph.ops import POINTWISE, WHOLE, Reach


def make(kind, **attrs):
    return ops.require(kind)(**attrs)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_reshape_follows_numpy(shape, data):
    array = np.zeros(shape)
    target = [*data.draw(st.permutations(shape))]
    target[data.draw(st.integers(0, len(target) - 1))] = -1
    assert make("Reshape", target_shape=target).shape(tuple(shape)) == array.reshape(target).shape


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_permute_follows_numpy(shape, data):
    axes = data.draw(st.permutations(range(len(shape))))
    op = make("Permute", dims=[axis + 1 for axis in axes])
    assert op.shape(tuple(shape)) == np.zeros(shape).transpose(axes).shape


def test_unknown_sizes_are_not_divided():
    assert make("Reshape", target_shape=(-1, 4)).shape((None, 4)) == (None, 4)
    assert make("Flatten").shape((None, 4)) == (None,)


def test_padding_is_written_in_several_ways():
    same = make("ZeroPadding2D", padding=((1, 1), (2, 2)))
    assert make("ZeroPadding2D", padding=(1, 2)) == same
    assert make("ZeroPadding2D", padding=1).padding == ((1, 1), (1, 1))
    assert make("ZeroPadding1D", padding=(0, 2)) == make("ZeroPadding1D", padding=((0, 2),))


def test_reach_of_rearranging_ops():
    assert make("Flatten").reach((4, 4, 2)) == WHOLE
    assert make("Reshape", target_shape=(1, 1, 8)).reach((8,)) == POINTWISE
    assert make("Reshape", target_shape=(16, 2)).reach((4, 4, 2)) is None
    assert make("Permute", dims=(2, 1)).reach((4, 2)) is None
    assert make("UpSampling2D", size=(2, 3)).reach((4, 4, 2)) == Reach(
        (1, 1), (Fraction(1, 2), Fraction(1, 3))
    )
    assert make("Resizing", height=8, width=2).reach((4, 4, 2)) == Reach(
        (2, 2), (Fraction(1, 2), Fraction(2))
    )
    assert make("Resizing", height=8, width=2, antialias=True).reach((4, 4, 2)) is None
    assert make("Resizing", height=8, width=2).reach((None, 4, 2)) is None
    assert make("CenterCrop", height=2, width=2).reach((4, 4, 2)) == POINTWISE
    assert make("CenterCrop", height=8, width=2).reach((4, 4, 2)) is None


def test_reach_of_pools():
    assert make("MaxPooling2D", pool_size=3).reach((9, 9, 2)) == Reach((3, 3), (3, 3))
    assert make("AveragePooling2D", strides=1).reach((9, 9, 2)) == Reach((2, 2), (1, 1))
    assert make("GlobalMaxPooling1D").reach((9, 2)) == WHOLE
    assert make("AdaptiveMaxPooling2D", output_size=3).reach((9, 6, 2)) == Reach((3, 2), (3, 2))
    assert make("AdaptiveMaxPooling2D", output_size=3).reach((9, 7, 2)) is None
    assert make("AdaptiveMaxPooling2D", output_size=3).reach((None, 6, 2)) is None


def test_reach_of_layers_that_see_everything():
    assert make("Dense", units=2).reach((4,)) == WHOLE
    assert make("Dense", units=2).reach((4, 4)) == POINTWISE
    assert make("GroupNormalization").reach((4, 4, 32)) == WHOLE
    assert make("LayerNormalization").reach((4, 4)) == POINTWISE
    assert make("LayerNormalization", axis=[1, 2]).reach((4, 4)) == WHOLE
    assert make("Softmax", axis=1).reach((4, 4)) == WHOLE
    assert make("LSTM", units=2).reach((4, 4)) == WHOLE
    assert make("MultiHeadAttention", num_heads=1, key_dim=2).reach((4, 4)) == WHOLE


def test_rescaling_keeps_several_factors():
    op = make("Rescaling", scale=[1, 2, 3], offset=-1)
    assert (op.scale, op.offset) == ((1.0, 2.0, 3.0), -1.0)
    assert hash(op) == hash(make("Rescaling", scale=(1.0, 2.0, 3.0), offset=-1))
    serialised = {"class_name": "__numpy__", "config": {"value": [1, 2, 3], "dtype": "float32"}}
    assert make("Rescaling", scale=serialised, offset=-1) == op
    assert make("Rescaling", scale=np.array([1, 2, 3]), offset=np.float64(-1)) == op
