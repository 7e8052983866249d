"""What ops refuse, and the whole text in which they say so."""

from __future__ import annotations

import pytest

import opgraph.ops as ops
from opgraph.errors import AttributeValueError, ShapeError

SHAPES = [
    (
        "Conv2D",
        {"filters": 4},
        [(32, 32)],
        "Conv2D takes (height, width, channels), received (32, 32)",
    ),
    (
        "Conv2D",
        {"filters": 4, "data_format": "channels_first"},
        [(32, 32)],
        "Conv2D takes (channels, height, width), received (32, 32)",
    ),
    ("Conv1D", {"filters": 4}, [(8, 8, 3)], "Conv1D takes (steps, channels), received (8, 8, 3)"),
    (
        "Conv3D",
        {"filters": 4},
        [(8, 8, 3)],
        "Conv3D takes (depth, height, width, channels), received (8, 8, 3)",
    ),
    (
        "Conv2D",
        {"filters": 4, "groups": 3},
        [(8, 8, 4)],
        "groups=3 must divide both 4 channels and 4 filters",
    ),
    (
        "Conv2D",
        {"filters": 4, "kernel_size": 5, "padding": "valid"},
        [(3, 8, 4)],
        "a window of 5 does not fit into an axis of 3; padding='same' would fill it up",
    ),
    (
        "DepthwiseConv2D",
        {"padding": "valid"},
        [(2, 8, 4)],
        "a window of 3 does not fit into an axis of 2; padding='same' would fill it up",
    ),
    (
        "Conv2DTranspose",
        {"filters": 4},
        [(8, 8)],
        "Conv2DTranspose takes (height, width, channels), received (8, 8)",
    ),
    (
        "MaxPooling2D",
        {},
        [(1, 8, 4)],
        "a window of 2 does not fit into an axis of 1; padding='same' would fill it up",
    ),
    ("MaxPooling2D", {}, [(8, 4)], "MaxPooling2D takes (height, width, channels), received (8, 4)"),
    (
        "GlobalAveragePooling2D",
        {},
        [(8, 4)],
        "GlobalAveragePooling2D takes (height, width, channels), received (8, 4)",
    ),
    (
        "AdaptiveMaxPooling2D",
        {"output_size": 2},
        [(8, 4)],
        "AdaptiveMaxPooling2D takes (height, width, channels), received (8, 4)",
    ),
    ("Dense", {"units": 3}, [()], "Dense takes (..., channels), received ()"),
    (
        "EinsumDense",
        {"equation": "abc,cd->abd", "output_shape": (None, 3)},
        [(4,)],
        "equation 'abc,cd->abd' does not fit an input of (4,)",
    ),
    (
        "EinsumDense",
        {"equation": "abc,cd->abd", "output_shape": (5, 3)},
        [(4, 6)],
        "b is 4 in (4, 6), 5 in output_shape",
    ),
    (
        "EinsumDense",
        {"equation": "abc,cd->abd", "output_shape": 3},
        [(4, 6)],
        "output_shape=(3,) needs 2 numbers",
    ),
    (
        "BatchNormalization",
        {"axis": 4},
        [(4, 6)],
        "axis 4 of (4, 6) does not exist; axis 1 is the first one after the batch",
    ),
    (
        "BatchNormalization",
        {"axis": 0},
        [(4, 6)],
        "axis 0 of (4, 6) is the batch; axis 1 is the first one after the batch",
    ),
    (
        "LayerNormalization",
        {"axis": -3},
        [(4, 6)],
        "axis -3 of (4, 6) is the batch; axis 1 is the first one after the batch",
    ),
    ("GroupNormalization", {"groups": 4}, [(4, 6)], "groups=4 must divide 6 channels"),
    ("LayerScale", {"projection_dim": 4}, [(4, 6)], "projection_dim=4 does not fit (4, 6)"),
    (
        "PReLU",
        {"shared_axes": [3]},
        [(4, 6)],
        "axis 3 of (4, 6) does not exist; axis 1 is the first one after the batch",
    ),
    (
        "Softmax",
        {"axis": 5},
        [(4, 6)],
        "axis 5 of (4, 6) does not exist; axis 1 is the first one after the batch",
    ),
    (
        "Activation",
        {"activation": "glu"},
        [(4, 5)],
        "glu needs an even number of channels, received (4, 5)",
    ),
    (
        "Add",
        {},
        [(4, 5), (4, 6)],
        "inputs of (4, 5) and (4, 6) do not fit: 5 meets 6, and neither is 1",
    ),
    (
        "Add",
        {},
        [(4, 5), (4, 5), (3, 5)],
        "inputs of (4, 5) and (3, 5) do not fit: 4 meets 3, and neither is 1",
    ),
    ("Concatenate", {}, [(4, 5), (3, 5)], "inputs of (4, 5) and (3, 5) differ outside axis -1"),
    ("Concatenate", {}, [(4, 5), (5,)], "inputs of (4, 5) and (5,) differ in the number of axes"),
    (
        "Concatenate",
        {"axis": 3},
        [(4, 5), (4, 5)],
        "axis 3 of (4, 5) does not exist; axis 1 is the first one after the batch",
    ),
    ("Dot", {"axes": 1}, [(4, 5), (3, 5)], "axes 1 of (4, 5) and (3, 5) differ in size"),
    (
        "Reshape",
        {"target_shape": (5, -1)},
        [(4, 6)],
        "the 24 numbers of (4, 6) cannot take the shape (5, -1)",
    ),
    (
        "Reshape",
        {"target_shape": (5, 5)},
        [(4, 6)],
        "the 24 numbers of (4, 6) cannot take the shape (5, 5)",
    ),
    ("Permute", {"dims": (2, 1)}, [(4, 6, 3)], "dims=(2, 1) needs 2 axes, received (4, 6, 3)"),
    ("RepeatVector", {"n": 2}, [(4, 6)], "RepeatVector takes (channels), received (4, 6)"),
    (
        "Cropping2D",
        {"cropping": 4},
        [(8, 8, 3)],
        "cropping=((4, 4), (4, 4)) leaves nothing of (8, 8, 3)",
    ),
    (
        "ZeroPadding2D",
        {},
        [(8, 8)],
        "ZeroPadding2D takes (height, width, channels), received (8, 8)",
    ),
    ("UpSampling2D", {}, [(8, 8)], "UpSampling2D takes (height, width, channels), received (8, 8)"),
    (
        "SpatialDropout2D",
        {},
        [(8, 8)],
        "SpatialDropout2D takes (height, width, channels), received (8, 8)",
    ),
    ("LSTM", {"units": 3}, [(8,)], "LSTM takes (steps, channels), received (8,)"),
    ("LSTM", {"units": 3}, [(8, 2), (3,)], "LSTM starts from 2 states or none, not 1"),
    ("LSTM", {"units": 3}, [(8, 2), (4,), (3,)], "a state of LSTM has shape (3,), received (4,)"),
    (
        "Bidirectional",
        {"layer": {"class_name": "GRU", "config": {"units": 3}}},
        [(8,)],
        "GRU takes (steps, channels), received (8,)",
    ),
    (
        "TimeDistributed",
        {"layer": {"class_name": "Dense", "config": {"units": 3}}},
        [(8,)],
        "TimeDistributed takes (steps, ...), received (8,)",
    ),
    (
        "TimeDistributed",
        {"layer": {"class_name": "LSTM", "config": {"units": 3, "return_state": True}}},
        [(8, 4, 2)],
        "LSTM has 3 outputs, expected one",
    ),
    (
        "MultiHeadAttention",
        {"num_heads": 2, "key_dim": 3},
        [(8,)],
        "MultiHeadAttention takes (steps, channels), received (8,)",
    ),
    (
        "MultiHeadAttention",
        {"num_heads": 2, "key_dim": 3},
        [(8, 4), (7, 4), (6, 4)],
        "value (7, 4) and key (6, 4) differ in length",
    ),
    (
        "MultiHeadAttention",
        {"num_heads": 2, "key_dim": 3, "attention_axes": 3},
        [(8, 4)],
        "attention_axes=3 are not between batch and channels of (8, 4)",
    ),
    (
        "GroupedQueryAttention",
        {"num_query_heads": 2, "num_key_value_heads": 2, "head_dim": 3},
        [(8, 4), (7, 5)],
        "query (8, 4) and value (7, 5) differ in channels",
    ),
    ("Attention", {}, [(8, 4), (7, 5)], "query (8, 4) and key (7, 5) differ in channels"),
    ("Rescaling", {"scale": [1, 2]}, [(8, 8, 3)], "scale of shape (2,) does not fit (8, 8, 3)"),
    (
        "Normalization",
        {"axis": 3},
        [(8, 3)],
        "axis 3 of (8, 3) does not exist; axis 1 is the first one after the batch",
    ),
    (
        "Resizing",
        {"height": 4, "width": 4},
        [(8, 8)],
        "Resizing takes (height, width, channels), received (8, 8)",
    ),
]
ATTRIBUTES = [
    (
        "Normalization",
        {"mean": 1.0},
        "variance: expected a value beside the one of its partner, received None",
    ),
    ("Conv2D", {"filters": 0}, "filters: expected a whole number of at least 1, received 0"),
    (
        "Conv2D",
        {"filters": 4, "padding": "SAME"},
        "padding: expected one of 'same', 'valid', received 'SAME'",
    ),
    (
        "Conv2D",
        {"filters": 4, "kernel_size": (3, 3, 3)},
        "kernel_size: expected a whole number or 2 of them, each at least 1, received (3, 3, 3)",
    ),
    (
        "Conv2D",
        {"filters": 4, "strides": 2, "dilation_rate": 2},
        "dilation_rate: expected 1 where strides=(2, 2), received (2, 2)\n"
        "   Keras has no convolution with strides and gaps at once",
    ),
    (
        "Conv2D",
        {"filters": 4, "activation": "rellu"},
        "activation: expected the name of an activation function (did you mean 'relu'?), "
        "received 'rellu'",
    ),
    (
        "Conv2D",
        {"filters": 4, "activation": 3},
        "activation: expected the name of an activation function, received 3",
    ),
    (
        "Dense",
        {"units": 4, "activation": "glu"},
        "activation: expected a function that keeps the shape; glu halves the channels, "
        "received 'glu'",
    ),
    (
        "Conv2DTranspose",
        {"filters": 4, "strides": 2, "output_padding": 2},
        "output_padding: expected less than strides=(2, 2), received (2, 2)",
    ),
    (
        "Conv2DTranspose",
        {"filters": 4, "output_padding": (1, 2, 3)},
        "output_padding: expected a whole number or 2 of them, each at least 0, received (1, 2, 3)",
    ),
    (
        "EinsumDense",
        {"equation": "ab->c", "output_shape": 3},
        "equation: expected an equation such as abc,cd->abd, received 'ab->c'",
    ),
    (
        "EinsumDense",
        {"equation": "ab,bc->ad", "output_shape": 3},
        "equation: expected each letter twice, received 'ab,bc->ad' with c, d alone",
    ),
    (
        "EinsumDense",
        {"equation": "ab,bc->ac", "output_shape": 3, "bias_axes": "z"},
        "bias_axes: expected letters of 'ac', received 'z'",
    ),
    (
        "LayerNormalization",
        {"axis": "last"},
        "axis: expected a whole number or several of them, received 'last'",
    ),
    (
        "GroupNormalization",
        {"groups": 0},
        "groups: expected a whole number of at least 1, or -1 for one group a channel, received 0",
    ),
    ("Dropout", {"rate": 1.5}, "rate: expected a number from 0 to 1, received 1.5"),
    ("Dropout", {"noise_shape": "x"}, "noise_shape: expected a whole number, received 'x'"),
    ("GaussianNoise", {"stddev": -1}, "stddev: expected a number of at least 0, received -1"),
    ("GaussianNoise", {}, "stddev: a value is needed, none was given or inferred"),
    (
        "Reshape",
        {"target_shape": (-1, -1)},
        "target_shape: expected a shape with at most one -1, received (-1, -1)",
    ),
    (
        "Permute",
        {"dims": (1, 3)},
        "dims: expected each axis number from 1 once, such as (2, 1), received (1, 3)",
    ),
    (
        "ZeroPadding2D",
        {"padding": -1},
        "padding: expected a whole number of at least 0, or (start, end), received -1",
    ),
    (
        "ZeroPadding2D",
        {"padding": (1, 2, 3)},
        "padding: expected a whole number, or 2 numbers or (start, end) pairs, received (1, 2, 3)",
    ),
    (
        "ZeroPadding1D",
        {"padding": (1, 2, 3)},
        "padding: expected a whole number of at least 0, or (start, end), received (1, 2, 3)",
    ),
    (
        "Cropping1D",
        {"cropping": "x"},
        "cropping: expected a whole number of at least 0, or (start, end), received 'x'",
    ),
    (
        "Dot",
        {"axes": (1, 2, 3)},
        "axes: expected a whole number or two of them, received (1, 2, 3)",
    ),
    ("Bidirectional", {"layer": 3}, "layer: expected an op such as LSTM(units=8), received 3"),
    (
        "Bidirectional",
        {"layer": "Lstm2"},
        "layer: expected an op, there is none called 'Lstm2', received 'Lstm2'",
    ),
    (
        "Bidirectional",
        {"layer": {"class_name": "LSTM", "config": {}}},
        "layer: expected a complete LSTM: units: a value is needed, none was given or "
        "inferred, received {'class_name': 'LSTM', 'config': {}}",
    ),
    (
        "Bidirectional",
        {"layer": {"class_name": "Dense", "config": {"units": 3}}},
        "layer: expected SimpleRNN, LSTM or GRU, received Dense(units=3)",
    ),
    (
        "TimeDistributed",
        {"layer": {"class_name": "Dense", "config": {"unit": 3}}},
        "layer: expected a complete Dense: unit: Dense has no attribute 'unit', received "
        "{'class_name': 'Dense', 'config': {'unit': 3}}",
    ),
    (
        "SpectralNormalization",
        {"layer": "Flatten"},
        "layer: expected an op with one kernel, such as Conv2D, received Flatten()",
    ),
    (
        "GroupedQueryAttention",
        {"num_query_heads": 4, "num_key_value_heads": 3, "head_dim": 3},
        "num_key_value_heads: expected a divisor of num_query_heads=4, received 3",
    ),
    ("Rescaling", {"scale": "x"}, "scale: expected a number or a list of them, received 'x'"),
    (
        "Resizing",
        {"height": 4, "width": 4, "interpolation": "cubic"},
        "interpolation: expected one of 'nearest', 'bilinear', 'bicubic', 'lanczos3', "
        "'lanczos5', received 'cubic'",
    ),
    (
        "UpSampling2D",
        {"size": 0},
        "size: expected a whole number or 2 of them, each at least 1, received 0",
    ),
    (
        "Normalization",
        {"mean": 1.0},
        "variance: expected a value beside the one of its partner, received None",
    ),
]


@pytest.mark.parametrize(("kind", "attrs", "inputs", "message"), SHAPES)
def test_shapes_that_do_not_fit_are_refused(kind, attrs, inputs, message):
    with pytest.raises(ShapeError) as caught:
        ops.require(kind)(**attrs).shape(*inputs)
    assert str(caught.value) == message


@pytest.mark.parametrize(("kind", "attrs", "message"), ATTRIBUTES)
def test_attribute_values_that_make_no_sense_are_refused(kind, attrs, message):
    with pytest.raises(AttributeValueError) as caught:
        ops.require(kind)(**attrs)
    assert str(caught.value) == message


def test_unknown_attribute_is_named_with_the_nearest():
    with pytest.raises(AttributeValueError) as caught:
        ops.require("Conv2D")(filters=3, kernel=3)
    assert str(caught.value) == (
        "kernel: Conv2D has no attribute 'kernel'\n   did you mean 'kernel_size'?"
    )


@pytest.mark.parametrize("kind", ["SpatialDropout1D", "MaxPooling3D", "GlobalMaxPooling1D"])
def test_wrong_rank_names_the_axes(kind, cases):
    (good,) = cases[kind][0].inputs
    for wrong in [(), good[:-1], (*good, 2)]:
        with pytest.raises(ShapeError, match=rf"^{kind} takes \(.*channels\), received \("):
            ops.require(kind)().shape(wrong)
