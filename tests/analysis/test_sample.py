"""The figures of the sample network, each worked out by hand."""

from itertools import pairwise

import pytest

from opgraph.analysis import analyze
from opgraph.graph import Edge, Node, OpGraph
from opgraph.ops import guess

IDS = [
    *("input_layer", "conv2d_1", "batch_norm_1", "relu_1", "max_pool_1"),
    *("conv2d_2", "batch_norm_2", "relu_2", "max_pool_2"),
    *("conv2d_3", "batch_norm_3", "relu_3", "global_avg_pool"),
    *("dense_1", "relu_4", "dropout", "logits", "softmax_output"),
]


@pytest.fixture(scope="module")
def sample():
    nodes = [Node(name, guess(name), guessed=True) for name in IDS]
    edges = [Edge(a, b, 0) for a, b in pairwise(IDS)]
    return analyze(OpGraph(nodes, edges))


def test_first_convolution_has_864_weights_and_32_biases(sample):
    weights = sample["conv2d_1"].weights
    assert weights["kernel"].shape == (3, 3, 3, 32)
    assert weights["kernel"].size == 3 * 3 * 3 * 32 == 864
    assert weights["bias"].size == 32


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("input_layer", (32, 32, 3)),
        ("conv2d_1", (32, 32, 32)),
        ("max_pool_1", (16, 16, 32)),
        ("conv2d_2", (16, 16, 64)),
        ("max_pool_2", (8, 8, 64)),
        ("conv2d_3", (8, 8, 128)),
        ("global_avg_pool", (128,)),
        ("dense_1", (128,)),
        ("logits", (10,)),
        ("softmax_output", (10,)),
    ],
)
def test_output_shapes(sample, name, shape):
    assert sample[name].output == shape


def test_parameter_totals(sample):
    convolutions = (27 * 32 + 32) + (9 * 32 * 64 + 64) + (9 * 64 * 128 + 128)
    dense = (128 * 128 + 128) + (128 * 10 + 10)
    trained_norm = moving_norm = 2 * (32 + 64 + 128)
    assert sample.totals.trainable.value == convolutions + dense + trained_norm == 111_498
    assert sample.totals.non_trainable.value == moving_norm
    assert sample.totals.params.value == 111_946
    assert sample.totals.params.unknown == 0
    assert sample.totals.weight_bytes.value == 4 * 111_946


def test_completed_attributes_say_where_they_come_from(sample):
    conv = sample["conv2d_2"].node
    assert conv.op.filters == 64
    assert conv.provenance("filters") == "inferred"
    assert conv.provenance("kernel_size") == "default"
    assert conv.inferred["filters"].reason == "the resolution has halved once: 32 x 2"
    assert sample["dense_1"].node.op.units == 128
    assert sample["dropout"].node.op.rate == 0.5
    assert sample["logits"].node.op.units == 10


def test_cost_of_the_first_convolution_by_a_naive_count(sample):
    positions = 32 * 32
    multiply_adds = positions * 32 * (3 * 3 * 3)
    assert sample["conv2d_1"].flops == 2 * multiply_adds + positions * 32


def test_activation_memory_is_four_bytes_a_number(sample):
    shapes = [fact.output for fact in sample.facts.values()]
    numbers = 0
    for shape in shapes:
        size = 1
        for dim in shape:
            size *= dim
        numbers += size
    assert sample.totals.activation_bytes.value == 4 * numbers


def test_receptive_field_against_a_walk_backwards(sample):
    """One position of relu_3 back to the input: 3x3 conv adds 2, 2x2 pool doubles."""
    width = 1
    for window, stride in [(3, 1), (2, 2), (3, 1), (2, 2), (3, 1)]:
        width = (width - 1) * stride + window
    assert sample["relu_3"].receptive_field.size == (width, width) == (18, 18)
    assert sample["global_avg_pool"].receptive_field.size is None


def test_depth_and_critical_path(sample):
    assert sample.depth == 17
    assert sample.critical_path == tuple(IDS)


def test_data_decide_input_and_classes():
    nodes = [Node(name, guess(name), guessed=True) for name in IDS]
    edges = [Edge(a, b, 0) for a, b in pairwise(IDS)]
    facts = analyze(OpGraph(nodes, edges), input_shape=(28, 28, 1), num_classes=7)
    assert facts["conv2d_1"].weights["kernel"].shape == (3, 3, 1, 32)
    assert facts["logits"].output == (7,)
    assert (
        facts["logits"].node.inferred["units"].reason == "the last dense layer: one output a class"
    )
