"""FLOPs against loops that count every single operation, one by one."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import pytest

import opgraph.ops as ops
from opgraph.ops.library.functions import COST, function_flops


def make(kind, **attrs):
    return ops.require(kind)(**attrs)


def grid(*sizes):
    return itertools.product(*map(range, sizes))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("rank", "sizes"), [(1, (7,)), (2, (7, 6)), (3, (5, 4, 6))])
def test_convolution_counts_each_product_and_sum(rank, sizes, padding, groups):
    op = make(f"Conv{rank}D", filters=4, kernel_size=3, strides=2, padding=padding, groups=groups)
    *places, filters = op.shape((*sizes, 6))
    counted = 0
    for _ in grid(*places, filters):
        counted += sum(2 for _ in grid(*(3,) * rank, 6 // groups)) + 1
    assert op.flops((*sizes, 6)) == counted


@pytest.mark.parametrize(("rank", "sizes"), [(1, (5,)), (2, (5, 4)), (3, (3, 4, 2))])
def test_transposed_convolution_counts_each_laid_down_number(rank, sizes):
    op = make(f"Conv{rank}DTranspose", filters=2, kernel_size=3, strides=2, padding="valid")
    counted = sum(2 for _ in grid(*sizes, 4, *(3,) * rank, 2))
    counted += sum(1 for _ in grid(*op.shape((*sizes, 4))))
    assert op.flops((*sizes, 4)) == counted


@pytest.mark.parametrize(("rank", "sizes"), [(1, (5,)), (2, (5, 4))])
def test_separable_convolution_counts_both_halves(rank, sizes):
    depthwise = make(f"DepthwiseConv{rank}D", kernel_size=3, depth_multiplier=2, use_bias=False)
    first = sum(2 for _ in grid(*sizes, 6, *(3,) * rank))
    assert depthwise.flops((*sizes, 3)) == first
    separable = make(f"SeparableConv{rank}D", filters=5, depth_multiplier=2)
    second = sum(2 for _ in grid(*sizes, 6, 5)) + sum(1 for _ in grid(*sizes, 5))
    assert separable.flops((*sizes, 3)) == first + second


@pytest.mark.parametrize("mode", ["Max", "Average"])
def test_pool_counts_each_number_it_reads(mode):
    op = make(f"{mode}Pooling2D", pool_size=(3, 2), strides=2)
    assert op.flops((7, 6, 4)) == sum(1 for _ in grid(3, 3, 4, 3, 2))
    assert make(f"Global{mode}Pooling2D").flops((7, 6, 4)) == sum(1 for _ in grid(7, 6, 4))


def test_adaptive_pool_counts_each_number_it_reads():
    op = make("AdaptiveAveragePooling2D", output_size=(3, 2))
    counted = 0
    for i, j in grid(3, 2):
        rows = range(math.floor(i * 7 / 3), math.ceil((i + 1) * 7 / 3))
        columns = range(math.floor(j * 5 / 2), math.ceil((j + 1) * 5 / 2))
        counted += len(rows) * len(columns) * 4
    assert op.flops((7, 5, 4)) == counted


def test_dense_counts_products_bias_and_activation():
    op = make("Dense", units=3, activation="sigmoid")
    products = sum(2 for _ in grid(4, 5, 3))
    assert op.flops((4, 5)) == products + 4 * 3 + 4 * 4 * 3


def test_einsum_counts_the_product_of_all_letters():
    op = make("EinsumDense", equation="abc,cde->abde", output_shape=(None, 2, 3), bias_axes="e")
    assert op.flops((4, 5)) == sum(2 for _ in grid(4, 5, 2, 3)) + 4 * 2 * 3


def test_dot_counts_products():
    assert make("Dot", axes=2).flops((4, 5), (3, 5)) == sum(2 for _ in grid(4, 3, 5))


def naive_gates(units, inputs, gates, biases):
    """One step of a recurrent layer: both products, and the biases."""
    return sum(2 for _ in grid(gates * units, inputs + units)) + gates * units * biases


def test_recurrent_layers_count_each_step():
    step = naive_gates(3, 2, 1, 1) + 3
    assert make("SimpleRNN", units=3).flops((5, 2)) == 5 * step
    # i, f, o: sigmoid; g and c: tanh; c = f * c + i * g; h = o * tanh(c)
    step = naive_gates(3, 2, 4, 1) + 3 * (3 * 4 + 2 + 3 + 1)
    assert make("LSTM", units=3).flops((5, 2)) == 5 * step
    # r, z: sigmoid; new: tanh; r * h; z * h + (1 - z) * new
    step = naive_gates(3, 2, 3, 2) + 3 * (2 * 4 + 1 + 1 + 4)
    assert make("GRU", units=3).flops((5, 2)) == 5 * step
    lstm = make("LSTM", units=3)
    both = make("Bidirectional", layer=lstm, merge_mode="sum")
    assert both.flops((5, 2)) == 2 * lstm.flops((5, 2)) + 3
    repeated = make("TimeDistributed", layer=make("Dense", units=4))
    assert repeated.flops((5, 2)) == 5 * make("Dense", units=4).flops((2,))


def test_attention_counts_projections_scores_and_sums():
    heads, size, steps, others, channels = 2, 3, 6, 4, 8
    project = sum(2 for _ in grid(channels, heads, size)) + heads * size
    back = sum(2 for _ in grid(heads, size, channels)) + channels
    pair = 2 * size + 5 + 2 * size
    counted = steps * project + 2 * others * project + steps * back
    counted += steps * heads * size + heads * steps * others * pair
    op = make("MultiHeadAttention", num_heads=heads, key_dim=size)
    assert op.flops((steps, channels), (others, channels)) == counted


def test_attention_over_one_axis_runs_for_each_place_of_the_other():
    op = make("MultiHeadAttention", num_heads=2, key_dim=3, attention_axes=2)
    single = make("MultiHeadAttention", num_heads=2, key_dim=3)
    assert op.flops((5, 4, 8)) == 5 * single.flops((4, 8))


def test_grouped_attention_with_as_many_groups_scales_scores_instead_of_queries():
    grouped = make("GroupedQueryAttention", head_dim=3, num_query_heads=2, num_key_value_heads=2)
    full = make("MultiHeadAttention", num_heads=2, key_dim=3)
    difference = 2 * 6 * 6 - 6 * 2 * 3
    assert grouped.flops((6, 8)) == full.flops((6, 8)) + difference


def test_plain_attention_counts_scores_and_sums():
    pairs = [(q, k) for q in range(6) for k in range(4)]
    dot = make("Attention").flops((6, 8), (4, 8))
    assert dot == sum(2 * 8 + 5 + 2 * 8 for _ in pairs)
    additive = make("AdditiveAttention").flops((6, 8), (4, 8))
    assert additive == sum(4 * 8 + 5 + 2 * 8 for _ in pairs)


def test_functions_cost_what_their_formulas_say():
    formulas = {  # written out once more, one letter an operation
        "relu": "max",
        "relu6": "max min",
        "leaky_relu": "mul max",
        "elu": "less exp sub mul",
        "selu": "less exp sub mul mul",
        "celu": "less div exp sub mul",
        "sigmoid": "neg exp add div",
        "silu": "neg exp add div mul",
        "tanh": "tanh",
        "gelu": "mul erf add mul mul",
        "softplus": "exp add log",
        "softsign": "abs add div",
        "mish": "exp add log tanh mul",
        "hard_sigmoid": "div add max min",
        "hard_silu": "div add max min mul",
        "hard_tanh": "max min",
        "squareplus": "mul add sqrt add div",
    }
    for name, formula in formulas.items():
        assert COST[name] == len(formula.split()), name


def test_unknown_costs_stay_unknown():
    assert function_flops("sparsemax", 10) is None
    custom = {"class_name": "function", "config": "mine"}
    assert make("Dense", units=3, activation=custom).flops((4,)) is None
    assert make("Conv2D", filters=3, activation="sparsemax").flops((4, 4, 2)) is None


def test_most_ops_can_say_their_flops(cases):
    """Those that cannot are few and known."""
    silent = Counter()
    for name, rows in cases.items():
        for case in rows:
            op = ops.require(name)(**case.attrs)
            known = all(None not in shape for shape in case.inputs) and name != "Opaque"
            silent[name] += known and op.flops(*case.inputs) is None
    assert {name for name, count in silent.items() if count} == {
        "Activation",
        "Sparsemax",
        "Resizing",
    }
