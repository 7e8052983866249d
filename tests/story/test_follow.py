"""The life of one number: equal to the arrays of every step, and explained by them."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import opgraph
from opgraph.analysis import seen_inputs
from opgraph.errors import RunError
from opgraph.story import read_element
from opgraph.text import parse

pytestmark = pytest.mark.tf

NETWORK = (
    "image: Input(shape=(8, 8, 1)) -> conv[filters=4] -> bn -> relu -> max_pool -> flatten"
    " -> drop: Dropout(rate=0.2) -> fc: Dense(units=10) -> softmax"
)
STEPS = range(1, 31)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("follow") / "run"
    return opgraph.trace(NETWORK, "digits", output=path, steps=30, batch_size=8, keyframe_every=7)


@pytest.fixture(scope="module")
def tensors(run):
    return {step: run.at(step) for step in STEPS}


@pytest.fixture(scope="module")
def kernel(run):
    return run.follow("conv/kernel[1,1,0,2]")


def test_a_weight_is_that_of_every_step(kernel, tensors):
    columns, at = kernel.columns(), (1, 1, 0, 2)
    names = {
        "value": "kernel",
        "gradient": "kernel.grad",
        "change": "kernel.update",
        "momentum": "kernel.momentum",
        "velocity": "kernel.velocity",
    }
    assert list(columns) == ["step", "value", "gradient", "momentum", "velocity", "change"]
    assert columns["step"] == list(STEPS)
    for name, what in names.items():
        assert columns[name] == [float(tensors[s].find("conv", what)[at]) for s in STEPS]
    assert kernel.life.verified
    assert kernel.table().column_names == list(columns)


def test_it_moved_most_where_numpy_says_so(kernel, tensors):
    moves = [abs(tensors[s].find("conv", "kernel.update")[1, 1, 0, 2]) for s in STEPS]
    assert kernel.life.peak.step == STEPS[int(np.argmax(moves))]
    grads = [abs(tensors[s].find("conv", "kernel.grad")[1, 1, 0, 2]) for s in STEPS]
    assert f"largest in step {STEPS[int(np.argmax(grads))]}:" in kernel.text(120)


def contributions(step, weight):
    """What each example adds to an element of fc's kernel: x times the gradient behind it."""
    x, delta = step.find("drop", "output"), step.find("fc", "output.grad")
    return x[:, weight[0]].astype(float) * delta[:, weight[1]].astype(float)


def test_contributions_are_those_of_numpy_and_sum_to_the_gradient(run, tensors):
    at = (20, 3)
    found = run.follow(f"fc/kernel[{at[0]},{at[1]}]", steps=[5, 6, 7])
    step = found.life.peak.step
    each = contributions(tensors[step], at)
    np.testing.assert_allclose(each.sum(), found.life.peak.gradient, rtol=1e-5)
    (table,) = [i for i in found.story.phases[1].blocks[0].items if hasattr(i, "rows")]
    order = np.argsort(-abs(each), kind="stable")[:8]
    assert [row[0] for row in table.rows] == [f"#{i}" for i in order]
    np.testing.assert_allclose([row[3] for row in table.rows], each[order])
    shares = 100 * abs(each[order]) / abs(each).sum()
    np.testing.assert_allclose([row[4] for row in table.rows], shares)
    assert [int(row[1]) for row in table.rows] == tensors[step].indices[order].tolist()
    assert [int(row[2]) for row in table.rows] == tensors[step].labels[0][order].tolist()


@pytest.mark.parametrize(
    "element", ["conv/kernel[0,2,0,1]", "bn/gamma[2]", "bn/beta[0]", "fc/bias[4]"]
)
def test_every_kind_of_weight_is_explained(run, element):
    story = run.follow(element, steps=[9]).story
    assert [phase.name for phase in story.phases] == ["life", "examples", "backward", "update"]
    line = story.phases[2].blocks[0].items[-1]
    assert abs(line.by_example.sum() - line.check.recorded) <= line.check.tolerance
    assert not story.defects


def test_examples_are_told_where_the_derivative_is_not_written_out(tmp_path):
    """In an LSTM the independent gradients of single examples sum to the recorded one."""
    rows = Path(__file__).parents[2] / "sample_graphs" / "lstm_classifier.txt"
    run = opgraph.trace(rows, "digits", output=tmp_path / "run", steps=2, batch_size=8)
    found = run.follow("reader/lstm_cell/kernel[3,5]", steps=[2])
    said, table = found.story.phases[1].blocks[0].items
    assert said.values["total"] == pytest.approx(found.life.peak.gradient, rel=1e-4)
    assert said.values["total"] == pytest.approx(sum(row[3] for row in table.rows), rel=1e-9)
    assert len(table.rows) == 8


def test_a_moving_statistic_has_no_gradient(run, tensors):
    found = run.follow("bn/moving_mean[1]", steps=[3, 4])
    columns = found.columns()
    for at, step in enumerate((3, 4)):
        before, after = (tensors[step].find("bn", f"moving_mean{w}")[1] for w in ("", ".after"))
        assert columns["value"][at] == float(before)
        assert columns["change"][at] == pytest.approx(float(after) - float(before), abs=1e-9)
    assert columns["gradient"] == [None, None]


def test_an_output_is_that_of_every_step(run, tensors):
    found = run.follow(output="relu[2,3,4,1]")
    columns = found.columns()
    values = [float(tensors[s].find("relu", "output")[2, 3, 4, 1]) for s in STEPS]
    assert columns["value"] == values
    grads = [float(tensors[s].find("relu", "output.grad")[2, 3, 4, 1]) for s in STEPS]
    assert columns["gradient"] == grads
    assert columns["number"] == [int(tensors[s].indices[2]) for s in STEPS]
    jumps = np.abs(np.diff(values))
    assert found.life.peak.step == STEPS[1 + int(np.argmax(jumps))]
    text = found.text(120)
    assert "It sees 3 x 3 positions of image, at most: 2..4 x 3..5 (counted from 0)." in text
    assert "the rest of the batch has a say as well" in text
    assert not found.story.defects


def test_long_tables_are_thinned_around_the_peak(kernel):
    (table,) = kernel.story.phases[0].blocks[0].items
    assert len(table.rows) <= 24 < len(kernel.life.moments)
    assert [table.rows[at][0] for at in (0, -1)] == ["1", "30"]
    marked = [row[0] for row in table.rows if row[-1]]
    assert marked == [str(kernel.life.peak.step)]


def test_chinese_text_and_markdown(run):
    found = run.follow("fc/bias[4]", steps=[2, 3], lang="zh")
    assert found.text().startswith("fc/bias[4] 的一生\n")
    assert "这些步已重新计算，结果与记录逐位相同。" in found.text()
    assert found.markdown().startswith("# fc/bias[4] 的一生\n")


def test_files(run, kernel, tmp_path):
    for name in ("a.txt", "a.md", "a.csv", "a.svg"):
        kernel.write(tmp_path / name)
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()))
    assert [float(row["change"]) for row in rows] == kernel.columns()["change"]
    drawn = (tmp_path / "a.svg").read_text(encoding="utf-8")
    for word in ("conv/kernel[1, 1, 0, 2]", "value", "gradient", "momentum", "velocity", "change"):
        assert f">{word}<" in drawn
    found = run.follow(output="relu[2,3,4,1]", steps=[4])
    found.write(tmp_path / "b.svg")
    assert "relu[2, 3, 4, 1]: It sees 3 x 3" in (tmp_path / "b.svg").read_text(encoding="utf-8")
    found.write(tmp_path / "b.png")
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")
    json.dumps(found.as_dict(), allow_nan=False)


REFUSED = [
    ("conv kernel 3", "node: no node is called 'conv kernel 3'", "there are: image, conv, bn"),
    (
        "conv/kernel[a]",
        "weight: expected an element such as conv2d_1/kernel[1,1,0,5], received",
        "",
    ),
    ("konv/kernel[1]", "node: no node is called 'konv'", "did you mean 'conv'?"),
    ("conv/kernle[1]", "conv: 'conv' has no weight 'kernle'", "did you mean 'kernel'?"),
    ("relu/kernel[1]", "relu: 'relu' has no weight 'kernel'", "it has no weights"),
    ("fc", "fc: say which weight of 'fc' is meant", "there are: fc/kernel, fc/bias"),
    ("relu", "relu: say which weight of 'relu' is meant", "it has none; --output follows what it"),
    ("fc/bias[10]", "fc/bias[10]: axis 0 has places 0 to 9, received 10", "the shape is 10"),
    ("fc/bias", "fc/bias: expected 1 numbers in brackets, received 0", "the shape is 10"),
    (
        "output relu[8,0,0,0]",
        "relu[8,0,0,0]: axis 0 has places 0 to 7, received 8",
        "the shape is 8 x",
    ),
    ("output rulu[8,0,0,0]", "node: no node is called 'rulu'", "did you mean 'relu'?"),
]


@pytest.mark.parametrize(("text", "problem", "hint"), REFUSED)
def test_what_cannot_be_meant_is_refused(run, text, problem, hint):
    _, mark, name = text.rpartition("output ")
    with pytest.raises(RunError) as caught:
        run.follow(**{"output" if mark else "element": name})
    first, _, second = str(caught.value).partition("\n")
    assert first.startswith(problem)
    assert second.strip().startswith(hint)


def test_one_element_a_language_and_steps_there_are(run):
    with pytest.raises(RunError, match=r"say either .* such as .*, or an output's"):
        run.follow()
    with pytest.raises(RunError, match="say either a weight's element"):
        run.follow("fc/bias[1]", output="relu[0,0,0,0]")
    with pytest.raises(RunError, match="lang: expected one of en, zh, received 'de'"):
        run.follow("fc/bias[1]", lang="de")
    with pytest.raises(RunError, match="the run has none of these steps; it has 1 to 30"):
        run.follow("fc/bias[1]", steps=[99])


def test_nested_weights_are_found():
    line = "x: Input(shape=(6, 8)) -> a: MultiHeadAttention(num_heads=2, key_dim=4)"
    analysis = opgraph.Graph(parse(line)).analyze()
    names = analysis["a"].weights
    assert names
    name = next(iter(names))
    place = ",".join("0" for _ in names[name].shape)
    element = read_element(analysis, f"a/{name}[{place}]")
    assert (element.node, element.weight) == ("a", name)


SIGHTS = [
    (
        [
            ("Conv2D", {"kernel_size": 3, "strides": 2, "padding": "same"}),
            ("Conv2D", {"kernel_size": (4, 2), "padding": "same"}),
        ],
        (2, 3),
    ),
    (
        [
            ("Conv2D", {"kernel_size": 3, "dilation_rate": 2, "padding": "same"}),
            ("AveragePooling2D", {"pool_size": 2}),
        ],
        (0, 5),
    ),
    (
        [("ZeroPadding2D", {"padding": ((2, 0), (0, 3))}), ("Conv2D", {"kernel_size": 3})],
        (3, 10),
    ),
    (
        [
            ("Cropping2D", {"cropping": ((2, 1), (1, 0))}),
            ("Conv2D", {"kernel_size": 3, "padding": "same"}),
        ],
        (0, 4),
    ),
]


@pytest.mark.parametrize(("layers", "place"), SIGHTS)
def test_what_is_seen_is_what_has_a_gradient(layers, place):
    """Keras layers with weights of 1: the gradient is not 0 exactly where a pixel is seen."""
    import keras
    import tensorflow as tf

    words = ["x: Input(shape=(11, 13, 1))"]
    x = tf.ones((1, 11, 13, 1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x
        for number, (name, given) in enumerate(layers):
            own = {"filters": 1, "kernel_initializer": "ones"} if name == "Conv2D" else {}
            y = getattr(keras.layers, name)(**own, **given)(y)
            settings = {"filters": 1, "padding": "valid", **given} if own else given
            listed = ", ".join(f"{key}={value}" for key, value in settings.items())
            words.append(f"n{number}: {name}({listed})")
        one = y[0, place[0], place[1], 0]
    pixels = np.argwhere(tape.gradient(one, x).numpy()[0, :, :, 0] != 0)
    wanted = tuple(zip(pixels.min(axis=0).tolist(), pixels.max(axis=0).tolist(), strict=True))
    graph = opgraph.Graph(parse(" -> ".join(words)))
    assert seen_inputs(graph.analyze(), "n1", place) == {"x": wanted}
