"""The rules that fill in what an edge list leaves out."""

import pytest

from opgraph.analysis import analyze, complete

CASES = {
    "channels double when the resolution halves": (
        "x: Input(shape=(32,32,3)) -> conv1 -> conv2[strides=2] -> pool -> conv3",
        {"conv1.filters": 32, "conv2.filters": 64, "conv3.filters": 128},
    ),
    "channels stop at 512": (
        "x: Input(shape=(256,256,3)) -> c1[strides=8]: Conv2D -> c2[strides=8]: Conv2D",
        {"c1.filters": 256, "c2.filters": 512},
    ),
    "a merged convolution follows the other branch": (
        "x: Input(shape=(8,8,24)) -> relu -> conv1 -> bn -> add\nrelu -> add",
        {"conv1.filters": 24},
    ),
    "the last dense layer has one output a class": (
        "x: Input(shape=(9,)) -> fc1 -> relu -> fc2 -> softmax",
        {"fc1.units": 128, "fc2.units": 10},
    ),
    "a gate has as many units as what it gates": (
        "x: Input(shape=(8,8,24)) -> gap -> fc1[units=6] -> fc2 -> sigmoid -> mul\n"
        "gap -> mul -> fc3\nmul: Multiply",
        {"fc2.units": 24, "fc3.units": 10},
    ),
    "tokens are whole numbers": ("tokens -> embedding", {"tokens.dtype": "int32"}),
    "a convolution sees a small colour image": ("image -> conv", {"image.shape": (32, 32, 3)}),
    "an embedding reads tokens": ("tokens -> embedding", {"tokens.shape": (64,)}),
    "a dense layer reads a row": ("row -> dropout -> dense", {"row.shape": (64,)}),
    "a recurrent layer reads a sequence": ("steps -> lstm", {"steps.shape": (64, 16)}),
    "a 3-D op reads a volume": ("volume -> conv3d", {"volume.shape": (16, 16, 16, 1)}),
    "a recurrent layer before another returns its sequence": (
        "steps -> lstm_1 -> lstm_2 -> dense",
        {"lstm_1.return_sequences": True},
    ),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES.keys())
def test_rule(graph_of, text, expected):
    graph = complete(graph_of(text))
    for place, value in expected.items():
        name, attribute = place.split(".")
        assert graph[name].provenance(attribute) == "inferred", place
        assert graph[name].inferred[attribute].value == value
        assert graph[name].inferred[attribute].reason


def test_what_is_given_is_left_alone(graph_of):
    graph = complete(graph_of("x: Input(shape=(4,)) -> fc[units=3]"), (9, 9), 7)
    assert graph["x"].op.size == (4,)
    assert graph["fc"].op.units == 3
    assert graph["fc"].provenance("units") == "given"


def test_only_the_last_sequence_is_left_out(graph_of):
    graph = complete(graph_of("steps -> lstm_1 -> lstm_2 -> dense"))
    assert "return_sequences" not in graph["lstm_2"].inferred


def test_shared_weights_share_attributes(graph_of):
    graph = complete(
        graph_of("a: Input(shape=(4,)) -> enc_a: Dense(units=5)\nb: Input(shape=(4,)) -> enc_b\n"
                 "enc_b = enc_a\nenc_a, enc_b -> add")
    )  # fmt: skip
    facts = analyze(graph)
    assert graph["enc_b"].op == graph["enc_a"].op
    assert facts["enc_a"].params == (4 * 5 + 5, 0)
    assert facts["enc_b"].params == (0, 0), "shared weights are counted once"
    assert facts["enc_b"].weights["kernel"].shape == (4, 5)


def test_completing_twice_changes_nothing(graph_of):
    once = complete(graph_of("image -> conv -> bn -> gap -> fc"))
    assert complete(once) == once


def test_shared_weights_share_attributes_whichever_comes_first(graph_of):
    """`early` is reached before the node that owns its weights."""
    graph = complete(
        graph_of(
            "a: Input(shape=(4,)) -> early -> out: Add\n"
            "b: Input(shape=(4,)) -> relu -> late -> out\n"
            "early = late\nlate: Dense\nout -> fc[units=10]"
        )
    )
    assert graph["late"].op.units == graph["early"].op.units
    assert not analyze(graph).errors


def test_concatenation_asks_for_no_equal_channels(graph_of):
    graph = complete(
        graph_of("x: Input(shape=(8,8,24)) -> relu -> conv -> concat\nrelu -> concat\n"
                 "concat: Concatenate")
    )  # fmt: skip
    assert graph["conv"].op.filters == 32


@pytest.mark.parametrize("edge", ["lstm_1.1 -> lstm_2", "lstm_1.1 -> lstm_2@1\nrows -> lstm_2"])
def test_a_state_that_is_read_asks_for_no_sequence(graph_of, edge):
    graph = complete(graph_of(f"rows -> lstm_1[return_state=true]\n{edge}\nlstm_2 -> dense"))
    assert "return_sequences" not in graph["lstm_1"].inferred
