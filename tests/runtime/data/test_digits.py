"""The digits of scikit-learn, fitted to all kinds of inputs."""

from __future__ import annotations

import builtins
import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from opgraph.errors import MissingDependencyError
from opgraph.runtime.data import Data, DataFacts, load, peek


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits", [("input", (32, 32, 3), None)], num_classes=10)


def test_are_split_as_everyone_splits_them(digits: Data) -> None:
    bunch = load_digits()
    parts = train_test_split(bunch.target, test_size=0.25, random_state=0, stratify=bunch.target)
    assert (digits.train.size, digits.test.size) == (1347, 450)
    assert np.array_equal(digits.train.labels[0], parts[0])
    assert np.array_equal(digits.test.labels[0], parts[1])
    assert np.bincount(digits.test.labels[0]).tolist() == [45, 46, 44, 46, 45, 46, 45, 45, 43, 45]


def test_are_enlarged_as_pillow_does_it(digits: Data) -> None:
    bunch = load_digits()
    whole = np.concatenate([digits.train.inputs[0], digits.test.inputs[0]])
    order = np.concatenate(
        train_test_split(np.arange(1797), test_size=0.25, random_state=0, stratify=bunch.target)
    )
    for place in (0, 5, 1346, 1347, 1796):
        small = (bunch.images[order[place]] / 16).astype(np.float32)
        large = Image.fromarray(small).resize((32, 32), Image.Resampling.BILINEAR)
        for channel in range(3):
            assert np.abs(whole[place, ..., channel] - np.asarray(large)).max() < 1e-6


def test_are_float32_between_0_and_1_and_cannot_be_written_to(digits: Data) -> None:
    pictures = digits.train.inputs[0]
    assert pictures.dtype == np.float32
    assert digits.train.labels[0].dtype == np.int32
    assert (pictures.min(), pictures.max()) == (0, 1)
    with pytest.raises(ValueError, match="read-only"):
        pictures[0] = 0


def test_description_is_json_and_says_what_was_done(digits: Data) -> None:
    assert json.loads(json.dumps(digits.description)) == {
        "spec": "digits",
        "title": "scikit-learn digits: 1797 handwritten digits, 8x8, from UCI",
        "split": "train_test_split(test_size=0.25, random_state=0, stratify=labels)",
        "sizes": {"train": 1347, "test": 450},
        "num_classes": 10,
        "class_names": [str(n) for n in range(10)],
        "inputs": [
            {
                "name": "input",
                "shape": [32, 32, 3],
                "dtype": "float32",
                "vocabulary": None,
                "example_shape": [32, 32, 3],
                "range": [0.0, 1.0],
                "kind": "pictures",
                "native": [8, 8, 1],
                "size": [32, 32, 3],
                "resized": "bilinear, half-pixel centres",
                "channels": "repeated 3 times",
                "divided_by": 16.0,
                "layout": "image",
            }
        ],
        "outputs": [],
        "targets": [
            {
                "output": "",
                "kind": "classes",
                "output_shape": [10],
                "shape": [],
                "num_classes": 10,
                "class_names": [str(n) for n in range(10)],
            }
        ],
        "notes": [],
        "seed": 0,
        "most_bytes": 4 << 30,
        "fingerprint": digits.fingerprint,
    }


def test_fingerprint_is_the_same_everywhere(digits: Data) -> None:
    assert digits.fingerprint == "e6fa072f57e1996b0c2c6a7cf576e88c"


def test_seed_does_not_touch_the_split() -> None:
    first, second = (load("digits", [("x", (8, 8, 1), None)], seed=seed) for seed in (0, 9))
    assert first.fingerprint == second.fingerprint


def test_repr_is_short(digits: Data) -> None:
    assert repr(digits.train) == "Split(1347 examples of float32(32, 32, 3))"
    assert len(repr(digits)) < 300


@pytest.mark.parametrize(
    ("shape", "example"),
    [
        ((64,), (64,)),
        ((100,), (100,)),
        ((None,), (64,)),
        ((8, 8), (8, 8)),
        ((16, None), (16, 8)),
        ((None, None, 1), (8, 8, 1)),
        ((None, None, None), (8, 8, 1)),
        ((7, 5, 3), (7, 5, 3)),
    ],
)
def test_fit_inputs_of_many_shapes(
    load_one: Callable[..., Data], shape: tuple[int | None, ...], example: tuple[int, ...]
) -> None:
    data = load_one("digits", shape)
    assert data.train.inputs[0].shape == (1347, *example)
    assert data.num_classes == 10


def test_rows_are_the_picture_line_by_line(load_one: Callable[..., Data]) -> None:
    image = load_one("digits", (8, 8, 1)).train.inputs[0]
    assert np.array_equal(load_one("digits", (8, 8)).train.inputs[0], image[..., 0])
    assert np.array_equal(load_one("digits", (64,)).train.inputs[0], image.reshape(-1, 64))


def test_two_inputs_get_the_same_digits() -> None:
    data = load("digits", [("a", (8, 8, 1), None), ("b", (64,), "float64")])
    assert np.array_equal(data.train.inputs[0].reshape(-1, 64), data.train.inputs[1])
    assert data.train.inputs[1].dtype == np.float64


FITS = "\n   pictures fit shapes (height, width, 1 or 3), (rows, columns) and (square number,)"


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((7,), None, "takes 7 numbers, which no square picture has (4 or 9 fit)" + FITS),
        ((8, 8, 4), None, "asks for 4 channels; pictures have 1 (grey) or 3 (colour)" + FITS),
        ((8, 8, 1, 1), None, "has shape (8, 8, 1, 1), which cannot hold a picture" + FITS),
        ((), None, "has shape (), which cannot hold a picture" + FITS),
        ((8, 8, 1), "int32", "asks for int32, but pictures are fractions from 0 to 1" + FITS),
        (
            (8, 8, 1),
            "string",
            "asks for dtype 'string'; data are numbers: float32, float64, int32, int64, ...",
        ),
    ],
)
def test_inputs_that_no_picture_fits(
    refusal: Callable[..., str], shape: tuple[int, ...], dtype: str | None, message: str
) -> None:
    assert refusal(load, "digits", [("x", shape, dtype)]) == f"input 'x': {message}"


def test_too_few_classes(refusal: Callable[..., str], load_one: Callable[..., Data]) -> None:
    assert refusal(load_one, "digits", (64,), num_classes=5) == (
        "digits: 896 of 1,797 labels are outside 0..4, the 5 classes of the network; the first, 5,"
        " is at [5]\n"
        "   number the classes from 0, or give the last layer one unit a class"
    )


def test_more_outputs_than_classes_are_allowed(load_one: Callable[..., Data]) -> None:
    data = load_one("digits", (64,), num_classes=12)
    assert data.num_classes == 12
    assert data.class_names[-3:] == ("9", "10", "11")


def test_too_large_an_input_is_refused_before_memory_is_taken(
    refusal: Callable[..., str], load_one: Callable[..., Data]
) -> None:
    assert refusal(load_one, "digits", (3000, 3000, 3)) == (
        "digits: 1,797 examples would take 180.7 GiB of memory; at most 4.0 GiB are allowed\n"
        "   use fewer or smaller examples, or a smaller input"
    )


def test_without_scikit_learn(
    load_one: Callable[..., Data], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingDependencyError) as caught:
        load_one("digits", (64,))
    assert str(caught.value) == (
        "the digits come with scikit-learn, which is not installed: pip install 'opgraph[train]'"
    )


def test_peek_knows_the_classes_without_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtins, "open", _forbidden)
    assert peek("digits") == DataFacts(shape=None, num_classes=10, dtype="float32")


def _forbidden(*_: Any, **__: Any) -> None:
    raise AssertionError("nothing is to be opened")
