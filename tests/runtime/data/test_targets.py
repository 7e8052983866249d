"""Labels of every kind and number: classes, numbers and flags, one output or several."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.utils.class_weight import compute_class_weight

from opgraph.runtime.data import (
    Data,
    DataFacts,
    Target,
    TargetSpec,
    balanced_weights,
    batches,
    load,
    peek,
    recreate,
)

Refusal = Callable[..., str]
Save = Callable[..., str]
INPUT = [("x", (4,), None)]
X = np.random.default_rng(0).normal(size=(20, 4))
Y = np.arange(20) % 4


def classes(output: str = "kind", *shape: int | None) -> TargetSpec:
    return TargetSpec(output, "classes", shape or (4,))


def numbers(output: str = "price", *shape: int | None) -> TargetSpec:
    return TargetSpec(output, "numbers", shape or (1,))


def flags(output: str = "tags", *shape: int | None) -> TargetSpec:
    return TargetSpec(output, "flags", shape or (3,))


def fitted(*targets: TargetSpec, spec: str = "data.npz", **named: Any) -> Data:
    return load(spec, INPUT, targets=targets, **named)


def rows_of(data: Data) -> list[tuple[np.ndarray, ...]]:
    """Inputs and labels of each example, train and test together."""
    return [
        (split.inputs[0][i], *(labels[i] for labels in split.labels))
        for split in (data.train, data.test)
        for i in range(split.size)
    ]


@pytest.mark.parametrize(
    ("shape", "count", "label_shape"),
    [((10,), 10, ()), ((1,), 2, ()), ((), 2, ()), ((7, 5), 5, (7,)), ((None, 5), 5, (None,))],
)
def test_what_an_output_of_scores_asks_for(shape: Any, count: int, label_shape: Any) -> None:
    spec = TargetSpec("out", "classes", shape)
    assert (spec.num_classes, spec.label_shape) == (count, label_shape)
    assert TargetSpec("out", "numbers", shape).label_shape == shape
    assert TargetSpec("out", "flags", shape).num_classes is None


def test_numbers_are_float32_in_the_shape_of_the_output(save_npz: Save) -> None:
    save_npz(x=X, y=X[:, 0] * 3)
    data = fitted(numbers())
    assert data.targets == (Target("price", "numbers", (1,), None, ()),)
    assert (data.num_classes, data.class_names) == (None, ())
    for x, y in rows_of(data):
        assert y.dtype == np.float32
        assert y == pytest.approx([x[0] * 3], rel=1e-6)
    assert (data.train.size, data.test.size) == (15, 5)


def test_split_of_numbers_is_random_and_says_so(save_npz: Save) -> None:
    save_npz(x=X, y=X[:, 0])
    first, second = fitted(numbers(), seed=1), fitted(numbers(), seed=2)
    assert first.description["split"] == (
        "random (there are no classes to give equal shares of), 25% for the test, seed 1"
    )
    assert first.fingerprint == fitted(numbers(), seed=1).fingerprint != second.fingerprint


def test_first_classes_of_one_an_example_decide_the_split(save_npz: Save) -> None:
    save_npz(x=X, price=X[:, 0], seq=np.tile(Y, (6, 1)).T, kind=Y)
    data = fitted(numbers(), classes("seq", 6, 4), classes("kind", 5))
    assert data.description["split"] == "stratified, 25% for the test, seed 0"
    assert sorted(np.bincount(data.test.labels[2])) == [1, 1, 1, 2]
    assert (data.num_classes, len(data.class_names)) == (4, 4)
    assert [a.dtype.name for a in data.train.labels] == ["float32", "int32", "int32"]
    assert [a.shape for a in data.train.labels] == [(15, 1), (15, 6), (15,)]


@pytest.mark.parametrize(
    "names",
    [("kind", "price", "tags"), ("y", "y1", "y2"), ("y1", "y2", "y3"), ("kind", "y2", "y3")],
)
def test_labels_of_several_outputs_by_name_or_in_order(
    save_npz: Save, names: tuple[str, str, str]
) -> None:
    ours = (Y, X[:, 0], X[:, :3] > 0)
    save_npz(x=X, **dict(zip(names, ours, strict=True)))
    data = fitted(classes(), numbers(), flags())
    assert [t.output for t in data.targets] == ["kind", "price", "tags"]
    for x, kind, price, tags in rows_of(data):
        place = int(np.flatnonzero(np.isclose(X[:, 0], x[0], rtol=1e-6))[0])
        assert kind == Y[place]
        assert price == pytest.approx([X[place, 0]], rel=1e-6)
        assert tags.tolist() == (X[place, :3] > 0).tolist()


def test_labels_of_one_output_may_have_the_name_of_any(save_npz: Save) -> None:
    save_npz(x=X, other=Y, kind=Y[::-1])
    data = fitted(classes(), outputs=["other", "kind"])
    assert data.fingerprint != fitted(classes("other"), outputs=["other", "kind"]).fingerprint
    save_npz(x=X, other=Y)
    first = fitted(classes("kind"), outputs=["other", "kind"])
    assert first.fingerprint == fitted(classes("other")).fingerprint


def test_train_and_test_halves_of_several_outputs(save_npz: Save, refusal: Refusal) -> None:
    arrays = {"x_train": X, "kind_train": Y, "price_train": X[:, 0], "x_test": X[:4]}
    save_npz(**arrays, kind_test=Y[:4], price_test=X[:4, 1])
    data = fitted(classes(), numbers())
    assert np.allclose(data.test.labels[1][:, 0], X[:4, 1])
    assert np.array_equal(data.test.labels[0], Y[:4])
    save_npz(**arrays, kind_test=Y[:4])
    assert refusal(fitted, classes(), numbers()) == (
        "data.npz: no array for the labels of output 'price'; expected 'price_test' or 'y2_test'\n"
        "   there are: 'x_train', 'kind_train', 'price_train', 'x_test', 'kind_test'"
    )


def test_names_of_classes_for_each_output(save_npz: Save) -> None:
    save_npz(x=X, a=Y, b=Y % 2, a_class_names=list("pqrs"), b_classes=["no", "yes"])
    data = fitted(classes("a"), classes("b", 2))
    assert [t.class_names for t in data.targets] == [tuple("pqrs"), ("no", "yes")]
    assert data.class_names == tuple("pqrs")


@pytest.mark.parametrize("shape", [(), (6,)])
def test_one_hot_rows_are_taken_and_said(save_npz: Save, shape: tuple[int, ...]) -> None:
    ids = np.broadcast_to(Y.reshape(-1, *[1] * len(shape)), (20, *shape))
    save_npz(x=X, y=np.eye(4)[ids])
    data = fitted(classes("kind", *shape, 4))
    save_npz(x=X, y=ids)
    assert data.fingerprint == fitted(classes("kind", *shape, 4)).fingerprint
    note = "data.npz, 'y': one-hot rows, taken as class ids (the place of the 1)"
    assert data.description["notes"] == [note]


def test_texts_for_each_position(save_npz: Save) -> None:
    words = np.array(["noun", "verb", "dot", "verb"])
    save_npz(x=X, y=words[np.tile(Y, (3, 1)).T])
    data = fitted(classes("tags", 3, 4))
    assert data.class_names == ("dot", "noun", "verb", "3")
    assert data.train.labels[0].shape == (15, 3)


def test_description_recreates_all_targets(save_npz: Save) -> None:
    save_npz(x=X, kind=Y, price=X[:, 0], tags=X[:, :3] > 0)
    data = fitted(classes(), numbers(), flags(), seed=4)
    again = recreate(json.loads(json.dumps(data.description)))
    assert again.fingerprint == data.fingerprint
    assert again.targets == data.targets
    assert again.description == data.description


def test_descriptions_from_before_there_were_targets(save_npz: Save) -> None:
    save_npz(x=X, y=Y)
    data = load("data.npz", INPUT, num_classes=4)
    old = {k: v for k, v in data.description.items() if k not in ("targets", "notes")}
    assert recreate(old).fingerprint == data.fingerprint


def test_fingerprints_cover_all_labels(save_npz: Save) -> None:
    prints, firsts = set(), set()
    for place in (None, 0, 1):
        labels = [Y * 1.0, X[:, 0].copy()]
        if place is not None:
            labels[place][3] += 1
        save_npz(x=X, a=labels[0], b=labels[1])
        data = fitted(numbers("a"), numbers("b"))
        prints.add(data.fingerprint)
        firsts.add(next(batches(data.train, 15, seed=0, epoch=0)).fingerprint)
    assert len(prints) == len(firsts) == 3


@pytest.mark.parametrize(
    ("targets", "arrays", "message"),
    [
        (
            [numbers()],
            {"y": np.where(Y == 2, np.nan, Y)},
            "data.npz, 'y': 5 of 20 labels are NaN or infinite; the first, nan, is at [2, 0]\n"
            "   correct them, or leave these examples out",
        ),
        (
            [numbers()],
            {"y": np.where(Y == 2, -5e38, Y)},
            "data.npz, 'y': 5 of 20 labels are beyond the range of float32; the first, -5e+38, is"
            " at [2, 0]\n   scale the numbers",
        ),
        (
            [numbers("box", 3)],
            {"y": X[:, :3].T},
            "data.npz, 'y': 3 examples, but data.npz, 'x' has 20\n"
            "   each example needs one entry in every array and one label\n\n"
            "data.npz, 'y': labels have shape (3, 20); numbers of shape (examples, 3), as output"
            " 'box' gives, are expected\n"
            "   they look transposed: examples go along the first axis (labels.T)",
        ),
        (
            [numbers("box", 3)],
            {"y": X[:, 0]},
            "data.npz, 'y': labels have shape (20,); numbers of shape (examples, 3), as output"
            " 'box' gives, are expected\n"
            "   reshape the labels, or give the output as many units as there are numbers",
        ),
        (
            [numbers()],
            {"y": np.array(["a", "b"] * 10)},
            "data.npz, 'y': labels hold <U1; output 'price' is compared with numbers\n"
            "   names of classes need an output that ends in a softmax",
        ),
        (
            [classes()],
            {"y": np.eye(5)[Y]},
            "data.npz, 'y': labels have shape (20, 5); one whole number or name for each example is"
            " expected\n"
            "   these are one-hot rows of 5 classes; the output tells 4 apart",
        ),
        (
            [classes()],
            {"y": np.eye(4)[Y] + np.eye(4)[(Y + 1) % 4]},
            "data.npz, 'y': labels have shape (20, 4); one whole number or name for each example is"
            " expected\n"
            "   one-hot rows hold a single 1 each; several yes-or-no answers an example need an"
            " output of sigmoids",
        ),
        (
            [classes("seq", 6, 4)],
            {"y": np.tile(Y[:6], (20, 1)) + 0.5},
            "data.npz, 'y': label 0.5 at [0, 0] is not a whole number\n"
            "   classes are numbered 0, 1, 2, ... or named",
        ),
        (
            [classes("seq", None, 4)],
            {"y": Y},
            "data.npz, 'y': labels have shape (20,); class ids of shape (examples, any), one for"
            " each position, are expected\n"
            "   one-hot rows hold a single 1 each; several yes-or-no answers an example need an"
            " output of sigmoids",
        ),
        (
            [flags()],
            {"y": X[:, :3]},
            "data.npz, 'y': 60 of 60 labels are neither 0 nor 1; the first,"
            f" {float(X[0, 0])!r}, is at [0, 0]\n"
            "   flags are 0 (no) or 1 (yes); classes need a softmax, numbers a linear output",
        ),
        (
            [flags()],
            {"y": Y},
            "data.npz, 'y': labels have shape (20,); flags (0 or 1) of shape (examples, 3), as"
            " output 'tags' gives, are expected\n"
            "   class ids answer a softmax; a sigmoid for each flag takes rows of 0 and 1",
        ),
        (
            [classes(), numbers()],
            {"y": Y},
            "data.npz: no array for the labels of output 'price'; expected 'price' or 'y1'\n"
            "   there are: 'x', 'y'",
        ),
        (
            [classes("a"), classes("b", 3), numbers()],
            {"a": Y - 1, "b": Y, "price": np.full(20, np.inf)},
            "data.npz, 'a': 5 of 20 labels are outside 0..3, the 4 classes of output 'a'; the"
            " first, -1, is at [0]\n"
            "   number the classes from 0, or give the last layer one unit a class\n\n"
            "data.npz, 'b': 5 of 20 labels are outside 0..2, the 3 classes of output 'b'; the"
            " first, 3, is at [3]\n"
            "   number the classes from 0, or give the last layer one unit a class\n\n"
            "data.npz, 'price': 20 of 20 labels are NaN or infinite; the first, inf, is at [0, 0]\n"
            "   correct them, or leave these examples out",
        ),
        (
            [classes("a"), numbers()],
            {"a": Y * 0, "price": X[:, 0]},
            "data.npz, 'a': all 20 labels are 0; there is nothing to tell apart\n"
            "   a classifier needs examples of at least two classes",
        ),
        ([], {"y": Y}, "no output of the network is trained, so no labels are needed"),
    ],
)
def test_labels_that_do_not_fit(
    save_npz: Save, refusal: Refusal, targets: Any, arrays: Any, message: str
) -> None:
    save_npz(x=X, **arrays)
    assert refusal(fitted, *targets) == message


def test_constant_labels_are_noted(save_npz: Save) -> None:
    save_npz(x=X, price=X[:, 0] * 0 + 2.5, box=np.abs(X[:, :3]) * [1, 0, 0], tags=np.eye(3)[Y % 2])
    notes = fitted(numbers(), numbers("box", 3), flags()).description["notes"]
    assert notes == [
        "data.npz, 'price': all 20 labels are 2.5; there is nothing to learn",
        "data.npz, 'box': 2 of 3 numbers are the same in all examples, the first in column 1"
        " (0.0); there is nothing to learn from them",
        "data.npz, 'tags': 1 of 3 flags is the same in all examples, the first in column 2 (0.0);"
        " there is nothing to learn from it",
    ]


def test_sources_with_one_label_an_example(refusal: Refusal) -> None:
    targets = [classes("a", 10), numbers()]
    assert refusal(load, "digits", [("x", (8, 8, 1), None)], targets=targets) == (
        "digits: one label for each example, but the network is trained on 2 outputs: 'a',"
        " 'price'\n"
        "   labels for several outputs come from an .npz, a table, arrays in memory or"
        " synthetic:<kind>"
    )


@pytest.mark.parametrize(
    ("labels", "facts"),
    [
        (X[:, 0], DataFacts((4,), None, "float32", "numbers")),
        (X[:, :2], DataFacts((4,), None, "float32", "numbers")),
        (Y[:, None] + [0, 5], DataFacts((4,), None, "float32", "numbers")),
        (X[:, :3] > 0, DataFacts((4,), None, "float32", "flags")),
        (np.eye(4)[Y], DataFacts((4,), 4, "float32", "classes")),
        (Y.astype("f4"), DataFacts((4,), 4, "float32", "classes")),
        (np.where(Y == 1, np.nan, Y), DataFacts((4,), None, "float32", "classes")),
        (np.array(["a", "b"] * 10), DataFacts((4,), 2, "float32", "classes")),
    ],
)
def test_peek_tells_what_labels_look_like(save_npz: Save, labels: Any, facts: DataFacts) -> None:
    assert peek(save_npz(x=X, y=labels)) == facts


HOUSES = "rooms,size,price,kind\n" + "".join(
    f"{n % 3},{n * n},{n * 1.5},{n % 2}\n" for n in range(1, 9)
)


@pytest.fixture
def houses(place: Path) -> str:
    (place / "h.csv").write_text(HOUSES)
    return "h.csv"


@pytest.mark.parametrize(
    ("spec", "targets", "columns", "labels"),
    [
        ("h.csv", [classes("out", 2)], ["rooms", "size", "price"], ["kind"]),
        ("h.csv:target=price", [numbers("out")], ["rooms", "size", "kind"], ["price"]),
        ("h.csv:target=PRICE", [numbers("out")], ["rooms", "size", "kind"], ["price"]),
        ("h.csv:target=price + size", [numbers("out", 2)], ["rooms", "kind"], ["price", "size"]),
        ("h.csv:target=price+kind", [numbers("p"), classes("k", 2)], ["rooms", "size"], None),
        ("h.csv", [classes("kind", 2), numbers("price")], ["rooms", "size"], ["kind", "price"]),
        ("h.csv", [numbers("p"), classes("k", 2)], ["rooms", "size"], ["price", "kind"]),
        ("h.csv:target=price+size", [numbers("out", None)], ["rooms", "kind"], ["price", "size"]),
    ],
)
def test_columns_of_labels(houses: str, spec: str, targets: Any, columns: Any, labels: Any) -> None:
    data = load(spec, [("x", (len(columns),), None)], targets=targets)
    labels = labels or ["price", "kind"]
    assert data.description["columns"] == columns
    assert data.description["label_columns"] == labels
    header, *lines = (line.split(",") for line in HOUSES.splitlines())
    places = [header.index(name) for name in (*columns, *labels)]
    expected = sorted([float(line[place]) for place in places] for line in lines)
    found = [np.concatenate([np.atleast_1d(part) for part in row]) for row in rows_of(data)]
    assert sorted(row.tolist() for row in found) == expected
    assert recreate(data.description).fingerprint == data.fingerprint


def test_columns_by_number_where_there_is_no_header(place: Path) -> None:
    (place / "h.csv").write_text(HOUSES.partition("\n")[2])
    data = load("h.csv:target=3", [("x", (3,), None)], targets=[numbers()])
    assert data.description["columns"] == ["1", "2", "4"]
    assert sorted(np.concatenate([data.train.labels[0], data.test.labels[0]])[:, 0]) == [
        n * 1.5 for n in range(1, 9)
    ]


@pytest.mark.parametrize(
    ("spec", "targets", "message"),
    [
        (
            "h.csv:target=prise",
            [numbers("price")],
            "h.csv: no column called 'prise' for the labels\n"
            "   did you mean 'price'? columns: rooms, size, price, kind",
        ),
        (
            "h.csv:target=",
            [numbers()],
            "h.csv: expected the names of columns after ':target=', received ''\n"
            "   for example h.csv:target=price or h.csv:target=width+height",
        ),
        (
            "h.csv:target=size+size",
            [numbers("box", 2)],
            "h.csv: expected the names of columns after ':target=', received 'size' twice\n"
            "   for example h.csv:target=price or h.csv:target=width+height",
        ),
        (
            "h.csv:target=size+price",
            [numbers()],
            "h.csv: 2 columns of labels ('size', 'price') cannot be dealt to the outputs 'price'"
            " (1,)\n"
            "   () takes one column, (3,) takes three; name them in order: :target=first+second",
        ),
        (
            "h.csv:target=price",
            [classes("out", 2)],
            "h.csv:2, column 3 ('price'): expected a class (a whole number or a name), received"
            " '1.5'\n"
            "   fractions are for an output that is compared with numbers (by mse or mae)",
        ),
        (
            "h.csv:target=rooms+size+price+kind",
            [numbers("box", 4)],
            "h.csv:1: all columns are labels; at least one of numbers is expected",
        ),
        ("no.csv:target=a", [numbers()], "no.csv: there is no such file"),
    ],
)
def test_columns_that_cannot_be_labels(
    houses: str, refusal: Refusal, spec: str, targets: Any, message: str
) -> None:
    assert refusal(load, spec, [("x", (3,), None)], targets=targets) == message


def test_bad_cells_of_labels_are_named(place: Path, refusal: Refusal) -> None:
    (place / "h.csv").write_text("a,price\n1,2.5\n2,inf\n")
    assert refusal(load, "h.csv", [("x", (1,), None)], targets=[numbers()]) == (
        "h.csv:3, column 2 ('price'): expected a finite number, received 'inf'\n"
        "   every cell needs a value; fill in or leave out rows with gaps"
    )


@pytest.mark.parametrize(
    ("spec", "facts"),
    [
        ("h.csv", DataFacts((3,), 2, "float32", "classes")),
        ("h.csv:target=price", DataFacts((3,), None, "float32", "numbers")),
        ("h.csv:target=price+kind", DataFacts((2,), None, "float32", "numbers")),
        ("synthetic:regression", DataFacts(None, None, "float32", "numbers")),
    ],
)
def test_peek_at_columns(houses: str, spec: str, facts: DataFacts) -> None:
    assert peek(spec) == facts


def test_made_up_numbers_can_be_learned() -> None:
    data = load("synthetic:regression:2000", INPUT, targets=[numbers("out", 3)])
    x, y = data.train.inputs[0], data.train.labels[0]
    products = [x[:, i] * x[:, j] for i in range(4) for j in range(i, 4)]
    model = LinearRegression().fit(np.column_stack([x, *products]), y)
    test = data.test.inputs[0]
    more = [test[:, i] * test[:, j] for i in range(4) for j in range(i, 4)]
    assert model.score(np.column_stack([test, *more]), data.test.labels[0]) > 0.97
    residual = data.test.labels[0] - model.predict(np.column_stack([test, *more]))
    assert residual.std() == pytest.approx(0.05, rel=0.1)


def test_made_up_labels_of_every_kind_follow_from_the_class() -> None:
    targets = [classes("a"), classes("b", 3), numbers(), flags(), classes("seq", 6, 4)]
    data = load("synthetic:blobs:400", INPUT, targets=targets)
    first, second, price, tags, seq = data.train.labels
    assert set(first.tolist()) == {0, 1, 2, 3}
    assert np.array_equal((first + 1) % 3, second)
    assert price.std() > 0.5
    assert tags.shape == (300, 3)
    for column in tags.T:
        assert 0 < column.mean() < 1
        assert all(len(set(column[first == n])) == 1 for n in range(4))
    assert np.array_equal(seq, (first[:, None] + 4 + np.arange(6)) % 4)


@pytest.mark.parametrize(
    ("spec", "fingerprint"),
    [
        ("synthetic:regression:40", "111b3430341d43ac2f7c6bca9dfe6ee1"),
        ("synthetic:blobs:40", "bb935e9dab005d23c7f6dba15e19d15d"),
    ],
)
def test_made_up_labels_are_the_same_everywhere(spec: str, fingerprint: str) -> None:
    targets = [numbers()] if "regression" in spec else [classes(), numbers(), flags()]
    assert load(spec, INPUT, targets=targets).fingerprint == fingerprint


def test_made_up_numbers_are_no_classes(refusal: Refusal) -> None:
    assert refusal(load, "synthetic:regression", INPUT, targets=[classes()]) == (
        "synthetic:regression: makes numbers, but output 'kind' is compared with classes\n"
        "   synthetic:mixed makes labels of any kind"
    )


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    labels = np.array([0, 0, 0, 1, 3, 3])
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=labels)
    assert balanced_weights(labels) == dict(zip([0, 1, 3], expected.tolist(), strict=True))
    assert sum(balanced_weights(labels)[n] for n in labels) == pytest.approx(len(labels))
