"""Arrays in memory: the ways to hand them over, and what is done to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from opgraph.errors import OpgraphError
from opgraph.runtime.data import (
    Data,
    DataFacts,
    TargetSpec,
    from_arrays,
    halves,
    load,
    peek_arrays,
    recreate,
)

Refusal = Callable[..., str]
X = np.random.default_rng(0).normal(size=(20, 4))
Y = np.arange(20) % 4
INPUT = [("x", (4,), None)]
KIND, PRICE = TargetSpec("kind", "classes", (4,)), TargetSpec("price", "numbers", (1,))
FORM = "(x, y), or ((x, y), (x_test, y_test)); several inputs or outputs as {'name': array, ...}"


def one(*given: Any, **named: Any) -> Data:
    return from_arrays(*given, inputs=INPUT, **named)


def test_are_what_the_same_arrays_in_a_file_are(save_npz: Callable[..., str]) -> None:
    data, file = one((X, Y), seed=3), load(save_npz(x=X, y=Y), INPUT, seed=3)
    assert data.fingerprint == file.fingerprint
    assert data.targets == file.targets
    assert data.description["split"] == file.description["split"]
    assert data.description["spec"] == "arrays"
    assert data.description["replayable"] is False
    json.dumps(data.description)


def test_a_test_set_of_its_own() -> None:
    data = one((X, Y), (X[:8] + 1, Y[:8]))
    assert np.array_equal(data.train.inputs[0], X.astype("f4"))
    assert np.array_equal(data.test.inputs[0], (X[:8] + 1).astype("f4"))
    assert data.description["split"] == "as it comes"


@pytest.mark.parametrize(
    "given",
    [
        (X.tolist(), Y.tolist()),
        [X, Y],
        ((X,), (Y,)),
        (pd.DataFrame(X), pd.Series(Y)),
        ({"x": X}, {"kind": Y}),
    ],
)
def test_ways_to_hand_over_one_input_and_one_output(given: Any) -> None:
    data = one(given, targets=[KIND])
    assert data.fingerprint == one((X, Y)).fingerprint


@pytest.mark.parametrize(
    "given",
    [
        ({"a": X[:, :1], "b": X[:, 1:]}, {"price": X[:, 0], "kind": Y}),
        ((X[:, :1], X[:, 1:]), (Y, X[:, 0])),
        ([X[:, :1], X[:, 1:]], [Y, X[:, 0]]),
    ],
)
def test_several_inputs_and_outputs(given: Any) -> None:
    inputs = [("a", (1,), None), ("b", (3,), "float64")]
    data = from_arrays(given, inputs=inputs, targets=[KIND, PRICE])
    assert [a.shape for a in data.train.inputs] == [(15, 1), (15, 3)]
    assert np.array_equal(data.train.inputs[0], data.train.labels[1])
    assert data.num_classes == 4


def test_changing_an_array_later_changes_nothing() -> None:
    x, y = X.astype("f4"), Y.astype("i4")
    data = one((x, y), (x, y))
    x[:], y[:] = 9, 0
    assert data.train.inputs[0].max() < 9
    assert set(data.test.labels[0].tolist()) == {0, 1, 2, 3}
    with pytest.raises(ValueError, match="read-only"):
        data.train.inputs[0][0] = 0
    assert x.flags.writeable


def test_bytes_are_pictures() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 8, 8), np.uint8)
    data = from_arrays((pixels, Y), inputs=[("x", (8, 8, 1), None)])
    assert data.train.inputs[0].shape == (15, 8, 8, 1)
    assert data.train.inputs[0].max() <= 1
    assert data.description["inputs"][0]["divided_by"] == 255.0
    assert peek_arrays((pixels, Y)) == DataFacts((8, 8, 1), 4, "float32")


@pytest.mark.parametrize(
    ("given", "facts"),
    [
        ((X, Y), DataFacts((4,), 4, "float32")),
        ((X, X[:, 0]), DataFacts((4,), None, "float32", "numbers")),
        (((X, X), Y), DataFacts(None, 4, None)),
        (({"x": X.astype(int)}, {"a": Y % 2, "b": X}), DataFacts((4,), 2, "int32")),
    ],
)
def test_peek_tells_what_arrays_say(given: Any, facts: DataFacts) -> None:
    assert peek_arrays(given) == facts


@pytest.mark.parametrize(
    ("given", "inputs", "split"),
    [
        ((X, Y), 1, False),
        (((X, Y), (X, Y)), 1, True),
        (((X, X), (Y, Y)), 2, False),
        ((((X, X), Y), ((X, X), Y)), 2, True),
        ((({"a": X, "b": X}, Y), ({"a": X, "b": X}, Y)), 2, True),
        (((X, X), Y), 2, False),
        (([X, X], [Y, Y]), 1, False),
    ],
)
def test_train_and_test_are_told_from_inputs_and_labels(
    given: Any, inputs: int, split: bool
) -> None:
    train, test = halves(given, inputs)
    assert (test is not None) == split
    assert train is given[0] if split else train[0] is given[0]


def test_cannot_be_made_again(refusal: Refusal) -> None:
    assert refusal(recreate, one((X, Y)).description) == (
        "arrays: the data were arrays in memory, which cannot be made again from the record\n"
        "   hand over the same arrays once more (data=...)"
    )


def test_a_folder_called_arrays_is_a_folder(place: Any) -> None:
    image = pytest.importorskip("PIL.Image")
    for name in ("a", "b"):
        (place / "arrays" / name).mkdir(parents=True)
        for number in range(3):
            image.new("L", (8, 8), number).save(place / "arrays" / name / f"{number}.png")
    data = load("arrays", [("x", (8, 8, 1), None)])
    assert recreate(data.description).fingerprint == data.fingerprint


@pytest.mark.parametrize(
    ("given", "named", "message"),
    [
        ((X, Y, Y), {}, f"arrays: expected inputs and labels, received 3 entries\n   {FORM}"),
        (X, {}, f"arrays: expected inputs and labels, received a ndarray\n   {FORM}"),
        (
            ({"z": X}, Y),
            {},
            "arrays, inputs: no array for input 'x'\n   there are: 'z'",
        ),
        (
            (X, {"kind": Y, "pric": Y}),
            {"targets": [KIND, PRICE]},
            "arrays, labels: no array for output 'price'\n"
            "   did you mean 'pric'? there are: 'kind', 'pric'",
        ),
        (
            (X, Y),
            {"targets": [KIND, PRICE]},
            f"arrays, labels: 1 array for 2 outputs: 'kind', 'price'\n   {FORM}",
        ),
        (
            (X, (Y, np.full(20, np.nan))),
            {"targets": [KIND, PRICE]},
            "arrays, output 'price': 20 of 20 labels are NaN or infinite; the first, nan, is at"
            " [0, 0]\n   correct them, or leave these examples out",
        ),
        (
            (X, "abc"),
            {},
            "arrays, labels: expected an array of numbers, received a str",
        ),
        (
            (X, [None] * 20),
            {},
            "arrays, labels: expected an array of numbers, received a list",
        ),
        (
            (X[:5], Y),
            {},
            "arrays, labels: 20 examples, but arrays, inputs has 5\n"
            "   each example needs one entry in every array and one label",
        ),
        (
            (X[:0], Y[:0]),
            {},
            "arrays, inputs: there are no examples",
        ),
        (
            (X[:, :3], Y),
            {},
            "arrays, inputs: examples of shape (3,) do not fit input 'x' of shape (4,)\n"
            "   reshape the data, or change the input: --set 'x.shape=(3,)'",
        ),
        (
            (X, Y),
            {"most_bytes": 100},
            "arrays: 20 examples would take 320 B of memory; at most 100 B are allowed\n"
            "   use fewer or smaller examples, or a smaller input",
        ),
    ],
)
def test_arrays_that_cannot_be_used(refusal: Refusal, given: Any, named: Any, message: str) -> None:
    assert refusal(one, given, **named) == message


def test_ragged_lists_are_no_array() -> None:
    with pytest.raises(
        OpgraphError, match=r"^arrays, labels: cannot be made an array \(setting an"
    ):
        one((X, [[1], [1, 2]]))


def test_findings_in_train_and_test_come_together(refusal: Refusal) -> None:
    assert refusal(one, (X, Y - 1), (X * np.inf, Y), num_classes=4) == (
        "arrays, inputs (test): 80 of 80 numbers are NaN or infinite; the first, inf, is at"
        " [0, 0]\n"
        "   correct them, or leave these examples out\n\n"
        "arrays, labels (train): 5 of 20 labels are outside 0..3, the 4 classes of the network; the"
        " first, -1, is at [0]\n"
        "   number the classes from 0, or give the last layer one unit a class"
    )
