"""Oddities of convolutions, transposed and separable ones."""

from __future__ import annotations

from fractions import Fraction

import pytest

import opgraph.ops as ops
from opgraph.ops import Reach


def make(kind, **attrs):
    return ops.require(kind)(**attrs)


def test_first_layer_of_the_sample_has_864_weights_and_32_biases():
    weights = make("Conv2D", filters=32).weights((32, 32, 3))
    assert weights["kernel"].shape == (3, 3, 3, 32)
    assert (weights["kernel"].size, weights["bias"].size) == (864, 32)
    assert [weight.initializer for weight in weights.values()] == ["glorot_uniform", "zeros"]


def test_defaults_differ_from_keras_where_an_edge_list_needs_them():
    conv = make("Conv2D", filters=8)
    assert (conv.kernel_size, conv.padding) == ((3, 3), "same")
    assert make("Conv1DTranspose", filters=8).padding == "same"
    assert make("DepthwiseConv2D").kernel_size == (3, 3)


def test_gaps_widen_what_a_window_sees():
    assert make("Conv2D", filters=1, kernel_size=(3, 2), dilation_rate=(2, 3)).reach(
        (8, 8, 1)
    ) == Reach((5, 4), (1, 1))


def test_window_with_gaps_must_fit_as_a_whole():
    conv = make("Conv1D", filters=1, kernel_size=3, dilation_rate=4, padding="valid")
    assert conv.shape((9, 2)) == (1, 1)
    with pytest.raises(ops_error(), match="a window of 9 does not fit into an axis of 8"):
        conv.shape((8, 2))


def ops_error():
    from opgraph.errors import ShapeError

    return ShapeError


def test_transposed_convolution_undoes_a_convolution():
    for size in (7, 8, 9):
        for kernel in (2, 3, 5):
            for stride in (1, 2, 3):
                small = make(
                    "Conv1D", filters=2, kernel_size=kernel, strides=stride, padding="valid"
                )
                if size < kernel:
                    continue
                left = (size - kernel) % stride
                back = make(
                    "Conv1DTranspose",
                    filters=2,
                    kernel_size=kernel,
                    strides=stride,
                    padding="valid",
                    output_padding=left,
                )
                assert back.shape(small.shape((size, 2))) == (size, 2)


def test_transposed_convolution_steps_by_fractions():
    op = make("Conv2DTranspose", filters=1, kernel_size=5, strides=2)
    assert op.reach((8, 8, 1)) == Reach((3, 3), (Fraction(1, 2), Fraction(1, 2)))


def test_grouped_kernel_sees_only_its_group():
    assert make("Conv2D", filters=6, groups=3).weights((8, 8, 9))["kernel"].shape == (3, 3, 3, 6)


def test_linear_activation_is_none_at_all():
    assert make("Conv2D", filters=2, activation="linear") == make("Conv2D", filters=2)


def test_swish_is_silu():
    assert make("Dense", units=2, activation="swish").activation == "silu"


def test_weights_are_unknown_where_channels_are():
    kernel = make("SeparableConv2D", filters=4).weights((8, 8, None))["pointwise_kernel"]
    assert kernel.shape == (1, 1, None, 4)
    assert kernel.size is None


def test_initializer_is_named_in_one_way():
    given = {"class_name": "HeNormal", "config": {}}
    kernel = make("Conv2D", filters=2, kernel_initializer=given).weights((4, 4, 1))["kernel"]
    assert kernel.initializer == "he_normal"
    kernel = make("Dense", units=2, kernel_initializer="LecunUniform").weights((4,))["kernel"]
    assert kernel.initializer == "lecun_uniform"
