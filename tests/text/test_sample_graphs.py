"""The sample graphs: each is read, complete, and says in its first line why it is there."""

from pathlib import Path

import pytest

from opgraph.analysis import analyze
from opgraph.errors import OpgraphError
from opgraph.text import parse, read_source, to_text

SAMPLES = Path(__file__).parents[2] / "sample_graphs"
GRAPHS = sorted(path for path in SAMPLES.iterdir() if path.is_file())
BROKEN = sorted((SAMPLES / "broken").iterdir())

# Nodes, edges, parameters; counted by hand from the layers, LeNet-5's in the paper's own figure.
FIGURES = {
    "cnn.txt": (18, 17, 111_946),
    # (16*3*9+16) + 4*16 + 2*(16*16*9) + 8*16 + (32*16*9) + (32*32*9) + 8*32 + (16*32+32) + 330
    "residual.txt": (22, 23, 448 + 64 + 4608 + 128 + 4608 + 9216 + 256 + 544 + 330),
    # 5x5 windows: 6*26, 16*151; then 400*120+120, 120*84+84, 84*10+10
    "lenet5.txt": (10, 9, 156 + 2416 + 48_120 + 10_164 + 850),
    # 3*32*9+32, 32*4+4, 4*32+32, 32*64*9+64, 650
    "squeeze_excite.txt": (13, 13, 896 + 132 + 160 + 18_496 + 650),
    # 3*16*9+16, 3 norms of 4*(16, 16, 32), 16*9+16, 16*32+32, 32*9+32*64+64, 650
    "depthwise_separable.txt": (14, 13, 448 + 64 + 64 + 128 + 160 + 544 + 2400 + 650),
    # 80, 4*16+16, (8*8*8+16)*32+32, 330
    "two_inputs.txt": (12, 11, 80 + 80 + 16_928 + 330),
    # 8*32+32, 3 norms of 64, 4*(32*32+32), 32*64+64, 64*32+32, 330
    "transformer_encoder.txt": (14, 16, 288 + 192 + 4224 + 2112 + 2080 + 330),
    # 4*32*(8+32+1), 4*32*(32+32+1), 330
    "lstm_classifier.txt": (6, 7, 5248 + 8320 + 330),
    # the shared convolution and dense layer once: 80, 8*8*8*32+32, 330
    "siamese.txt": (14, 14, 80 + 16_416 + 330),
    # 896, 32*64*9+64, 64*128+128, 1290
    "gelu_dropout.csv": (12, 11, 896 + 18_496 + 8320 + 1290),
}


def test_every_sample_has_its_figures():
    assert {path.name for path in GRAPHS} == set(FIGURES)


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.name)
def test_samples(path):
    graph = parse(read_source(path))
    analysis = analyze(graph).require()
    nodes, edges, params = FIGURES[path.name]
    assert (len(graph), len(graph.edges)) == (nodes, edges)
    assert str(analysis.totals.params) == f"{params:,}"
    assert [analysis[name].output for name in graph.sinks] == [(10,)]


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.name)
def test_samples_read_back(path):
    graph = parse(read_source(path))
    assert parse(to_text(graph)) == graph
    completed = analyze(graph).graph
    assert parse(to_text(completed)) == completed
    assert parse(to_text(completed, defaults=True)) == completed


@pytest.mark.parametrize(
    "path", [path for path in (*GRAPHS, *BROKEN) if path.suffix == ".txt"], ids=lambda p: p.name
)
def test_samples_say_why_they_are_there(path):
    if path.name != "cnn.txt":  # the paragraph as it was pasted
        assert path.read_text(encoding="utf-8").startswith(("# ", "// "))


# Headlines without the file's name.
FINDINGS = {
    "cycle.txt": ["5:1  the graph has a cycle: conv2 → add → gap → conv2"],
    "unknown_op.txt": [
        "3:40  unknown op 'Conv2'",
        "4:10  unknown op 'Batchnormalisation'",
        "4:46  cannot tell what 'thing' is",
    ],
    "wrong_inputs.txt": [
        "4:8  relu1: ReLU takes 1 input, received 2: conv1, conv2",
        "5:10  minus: Subtract takes 2 inputs, received 1: relu1",
        "8:1  add: the edge from 'minus' is written twice",
    ],
    "bad_attribute.txt": [
        "3:47  c1.filter: Conv2D has no attribute 'filter'",
        "3:58  c1.padding: expected one of 'same', 'valid', received 'SAME'",
        "4:12  c2.filters: expected a whole number of at least 1, received 'many'",
        "4:26  c2.kernel_size: expected a whole number or 2 of them, each at least 1,"
        " received (3, 3, 3)",
        "7:5  bn1: momentum is 0.99 here, 0.9 elsewhere",
    ],
    "dangling.txt": [
        "4:1  mask: leads nowhere",
        "5:1  conv2: Conv2D takes 1 input, received 0",
        "6:17  expected a name after '->', received the end of the line",
    ],
}


@pytest.mark.parametrize("name", FINDINGS)
def test_broken_samples(name):
    with pytest.raises(OpgraphError) as caught:
        parse(read_source(SAMPLES / "broken" / name))
    errors = getattr(caught.value, "errors", [caught.value])
    assert [error.headline.split(f"{name}:")[1] for error in errors] == FINDINGS[name]


def test_shapes_that_do_not_fit_are_found_by_the_analysis():
    graph = parse(read_source(SAMPLES / "broken" / "shape_mismatch.txt"))
    (error,) = analyze(graph).errors
    assert (error.node, error.place.line) == ("sum", 5)
    assert "(8, 8, 16) from 'branch' and (16, 16, 16) from 'relu1'" in error.problem


def test_every_broken_sample_is_tested():
    assert {path.name for path in BROKEN} == {*FINDINGS, "shape_mismatch.txt"}
