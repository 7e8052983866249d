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
    names = {"value": "kernel", "gradient": "kernel.grad", "change": "kernel.update",
             "momentum": "kernel.momentum", "velocity": "kernel.velocity"}  # fmt: skip
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
    np.testing.assert_allclose([row[4] for row in table.rows], 100 * abs(each[order] / abs(each).sum()))  # fmt: skip
    assert [int(row[1]) for row in table.rows] == tensors[step].indices[order].tolist()
    assert [int(row[2]) for row in table.rows] == tensors[step].labels[0][order].tolist()


@pytest.mark.parametrize("element", ["conv/kernel[0,2,0,1]", "bn/gamma[2]", "bn/beta[0]", "fc/bias[4]"])  # fmt: skip
def test_every_kind_of_weight_is_explained(run, element):
    story = run.follow(element, steps=[9]).story
    assert [phase.name for phase in story.phases] == ["life", "examples", "backward", "update"]
    line = story.phases[2].blocks[0].items[-1]
    np.testing.assert_allclose(line.by_example.sum(), line.check.recorded, atol=line.check.tolerance)  # fmt: skip
    assert not story.defects


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
    assert columns["gradient"] == [float(tensors[s].find("relu", "output.grad")[2, 3, 4, 1]) for s in STEPS]  # fmt: skip
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


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"element": "conv kernel 3"}, "node: no node is called 'conv kernel 3'"),
        ({"element": "conv/kernel[a]"}, "weight: expected an element such as conv2d_1/kernel[1,1,0,5], received 'conv/kernel[a]'"),
        ({"element": "konv/kernel[1]"}, "node: no node is called 'konv'\n   did you mean 'conv'?"),
        ({"element": "conv/kernle[1]"}, "conv: 'conv' has no weight 'kernle'\n   did you mean 'kernel'?"),
        ({"element": "relu/kernel[1]"}, "relu: 'relu' has no weight 'kernel'\n   it has no weights"),
        ({"element": "fc"}, "fc: say which weight of 'fc' is meant\n   there are: fc/kernel, fc/bias"),
        ({"element": "relu"}, "relu: say which weight of 'relu' is meant\n   it has none; --output follows what it gives"),
        ({"element": "fc/bias[10]"}, "fc/bias[10]: axis 0 has places 0 to 9, received 10\n   the shape is 10"),
        ({"element": "conv/kernel[1,1]"}, "conv/kernel[1,1]: expected 4 numbers in brackets, received 2\n   the shape is 3 x 3 x 1 x 4"),
        ({"output": "relu[8,0,0,0]"}, "relu[8,0,0,0]: axis 0 has places 0 to 7, received 8\n   the shape is 8 x 8 x 8 x 4"),
        ({"output": "rulu[8,0,0,0]"}, "node: no node is called 'rulu'\n   did you mean 'relu'?"),
        ({}, "{run}: say either a weight's element, such as 'conv2d_1/kernel[1,1,0,5]', or an output's"),
        ({"element": "fc/bias[1]", "lang": "de"}, "lang: expected one of en, zh, received 'de'"),
        ({"element": "fc/bias[1]", "steps": [99]}, "{run}: the run has none of these steps; it has 1 to 30"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(run, given, message):
    with pytest.raises(RunError) as caught:
        run.follow(**given)
    wanted = message.replace("{run}", str(run.path))
    assert str(caught.value).startswith(wanted), str(caught.value)


def test_nested_weights_are_found():
    line = "x: Input(shape=(6, 8)) -> a: MultiHeadAttention(num_heads=2, key_dim=4)"
    analysis = opgraph.Graph(parse(line)).analyze()
    names = analysis["a"].weights
    assert names
    name = next(iter(names))
    place = ",".join("0" for _ in names[name].shape)
    element = read_element(analysis, f"a/{name}[{place}]")
    assert (element.node, element.weight) == ("a", name)


@pytest.mark.parametrize(
    ("line", "layers", "place"),
    [
        ("c: Conv2D(filters=1, kernel_size=3, strides=2, padding=same) -> d: Conv2D(filters=1, kernel_size=(4, 2), padding=same)",
         [("Conv2D", {"kernel_size": 3, "strides": 2}), ("Conv2D", {"kernel_size": (4, 2)})], (2, 3)),
        ("c: Conv2D(filters=1, kernel_size=3, dilation_rate=2, padding=same) -> d: AveragePooling2D(pool_size=2)",
         [("Conv2D", {"kernel_size": 3, "dilation_rate": 2}), ("AveragePooling2D", {"pool_size": 2, "padding": "valid"})], (0, 5)),
        ("c: ZeroPadding2D(padding=((2, 0), (0, 3))) -> d: Conv2D(filters=1, kernel_size=3, padding=valid)",
         [("ZeroPadding2D", {"padding": ((2, 0), (0, 3))}), ("Conv2D", {"kernel_size": 3, "padding": "valid"})], (3, 10)),
        ("c: Cropping2D(cropping=((2, 1), (1, 0))) -> d: Conv2D(filters=1, kernel_size=3, padding=same)",
         [("Cropping2D", {"cropping": ((2, 1), (1, 0))}), ("Conv2D", {"kernel_size": 3})], (0, 4)),
    ],
)  # fmt: skip
def test_what_is_seen_is_what_has_a_gradient(line, layers, place):
    """Keras layers with weights of 1: the gradient is not 0 exactly where a pixel is seen."""
    import keras
    import tensorflow as tf

    x = tf.ones((1, 11, 13, 1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x
        for name, given in layers:
            if name == "Conv2D":
                given = {"padding": "same", "filters": 1, "kernel_initializer": "ones", **given}
            y = getattr(keras.layers, name)(**given)(y)
        one = y[0, place[0], place[1], 0]
    pixels = np.argwhere(tape.gradient(one, x).numpy()[0, :, :, 0] != 0)
    wanted = tuple(zip(pixels.min(axis=0).tolist(), pixels.max(axis=0).tolist(), strict=True))
    analysis = opgraph.Graph(parse(f"x: Input(shape=(11, 13, 1)) -> {line}")).analyze()
    assert seen_inputs(analysis, "d", place) == {"x": wanted}
