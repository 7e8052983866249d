"""Oddities of recurrent layers, of layers around layers, and of attention."""

from __future__ import annotations

import pytest

import opgraph.ops as ops
from opgraph.ops.library.wrapper import default_name, nested


def make(kind, **attrs):
    return ops.require(kind)(**attrs)


LSTM = {"class_name": "LSTM", "config": {"units": 8}}


def test_states_are_further_ports():
    op = make("LSTM", units=4, return_state=True, return_sequences=True)
    assert op.shape((5, 3)) == [(5, 4), (4,), (4,)]
    assert make("GRU", units=4, return_state=True).shape((5, 3)) == [(4,), (4,)]


def test_states_may_be_given():
    assert ops.require("LSTM").slots() == (("sequence", "hidden", "carry"), 1, 3)
    assert ops.require("GRU").slots() == (("sequence", "state"), 1, 2)
    assert make("LSTM", units=4).shape((5, 3), (4,), (4,)) == (4,)


def test_bias_of_the_forget_gate_starts_at_one():
    assert make("LSTM", units=2).weights((5, 3))["lstm_cell/bias"].initializer == "unit_forget_bias"
    plain = make("LSTM", units=2, unit_forget_bias=False).weights((5, 3))
    assert plain["lstm_cell/bias"].initializer == "zeros"


def test_inner_op_is_written_as_keras_nests_it():
    op = make("Bidirectional", layer=LSTM)
    assert op == make("Bidirectional", layer=make("LSTM", units=8))
    assert op.values()["layer"].values()["units"] == 8
    assert repr(op) == "Bidirectional(layer=LSTM(units=8))"
    assert hash(op) == hash(make("Bidirectional", layer=LSTM))
    assert op != make("Bidirectional", layer=make("LSTM", units=9))


def test_inner_op_forgets_name_and_default_dtype():
    config = {"units": 8, "name": "lstm_7", "dtype": {"config": {"name": "float32"}}}
    assert nested({"class_name": "LSTM", "config": config}) == make("LSTM", units=8)
    policy = {"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}}
    assert nested({"class_name": "LSTM", "config": {"units": 8, "dtype": policy}}).dtype == (
        "mixed_float16"
    )
    assert nested("Flatten") == make("Flatten")


def test_both_directions_own_weights():
    weights = make("Bidirectional", layer=LSTM).weights((5, 3))
    assert list(weights) == [
        "forward_lstm/lstm_cell/kernel",
        "forward_lstm/lstm_cell/recurrent_kernel",
        "forward_lstm/lstm_cell/bias",
        "backward_lstm/lstm_cell/kernel",
        "backward_lstm/lstm_cell/recurrent_kernel",
        "backward_lstm/lstm_cell/bias",
    ]
    assert weights["backward_lstm/lstm_cell/kernel"].shape == (3, 32)


@pytest.mark.parametrize(
    ("mode", "shape"),
    [("concat", (16,)), ("sum", (8,)), ("mul", (8,)), ("ave", (8,)), (None, [(8,), (8,)])],
)
def test_directions_are_merged(mode, shape):
    assert make("Bidirectional", layer=LSTM, merge_mode=mode).shape((5, 3)) == shape


def test_states_of_both_directions_follow_the_output():
    inner = make("LSTM", units=8, return_state=True)
    assert make("Bidirectional", layer=inner).shape((5, 3)) == [(16,), (8,), (8,), (8,), (8,)]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("SimpleRNN", "simple_rnn"),
        ("Conv2D", "conv2d"),
        ("ReLU", "re_lu"),
        ("MultiHeadAttention", "multi_head_attention"),
    ],
)
def test_default_names_are_those_of_keras(kind, name):
    assert default_name(ops.require(kind)) == name


def test_attention_of_one_input_looks_at_itself():
    op = make("MultiHeadAttention", num_heads=2, key_dim=3)
    assert ops.require("MultiHeadAttention").slots() == (("query", "value", "key"), 1, 3)
    assert op.shape((5, 8)) == op.shape((5, 8), (5, 8)) == (5, 8)
    assert op.weights((5, 8)) == op.weights((5, 8), (5, 8), (5, 8))


def test_scores_are_a_second_port():
    op = make("MultiHeadAttention", num_heads=2, key_dim=3, return_attention_scores=True)
    assert op.shape((5, 8), (7, 8)) == [(5, 8), (2, 5, 7)]
    assert make("Attention", return_attention_scores=True).shape((5, 8), (7, 8)) == [
        (5, 8),
        (5, 7),
    ]


def test_arguments_of_the_call_are_no_attributes_of_the_layer():
    op = make("MultiHeadAttention", num_heads=2, key_dim=3, use_causal_mask=True)
    assert "use_causal_mask" not in op.config()
    received = {}

    def layer(*inputs, **named):
        received["inputs"], received["named"] = inputs, named

    op.call(layer, ["x"])
    assert received == {"inputs": ("x", "x"), "named": {"use_causal_mask": True}}
