"""Made-up data: the same everywhere, and worth learning."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from opgraph.runtime.data import Data, DataFacts, load, peek

Refusal = Callable[..., str]
Load = Callable[..., Data]
CASES = {
    "blobs": ((16,), None),
    "images": ((16, 16, 3), None),
    "sequences": ((24, 4), None),
    "tokens": ((24,), "int32"),
}


def features(kind: str, inputs: np.ndarray) -> np.ndarray:
    """What a simple classifier can use: words counted, waves as spectra, else the numbers."""
    if kind == "tokens":
        return np.stack([np.bincount(row, minlength=1000) for row in inputs])
    if kind == "sequences":
        return np.abs(np.fft.rfft(inputs, axis=1)).mean(2)
    return inputs.reshape(len(inputs), -1)


@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("kind", CASES)
def test_can_be_learned(load_one: Load, kind: str, classes: int) -> None:
    data = load_one(f"synthetic:{kind}", *CASES[kind], num_classes=classes)
    model = LogisticRegression(max_iter=200)
    model.fit(features(kind, data.train.inputs[0]), data.train.labels[0])
    assert model.score(features(kind, data.test.inputs[0]), data.test.labels[0]) > 0.95
    assert set(np.bincount(data.test.labels[0])) == {250 // classes}


@pytest.mark.parametrize("kind", CASES)
def test_depend_on_the_seed_alone(load_one: Load, kind: str) -> None:
    def made(seed: int) -> str:
        return load_one(f"synthetic:{kind}:40", *CASES[kind], seed=seed).fingerprint

    assert made(1) == made(1) != made(2)


@pytest.mark.parametrize(
    ("kind", "fingerprint"),
    [
        ("blobs", "6d9eb2078e52a8e15062a865f9750d32"),
        ("images", "69ca0adbabed5fe8899536b625b442be"),
        ("sequences", "b6546886e9d552e6459dae774238d506"),
        ("tokens", "1a7464565016efc87a57873a3b5931a0"),
    ],
)
def test_are_the_same_on_every_machine(load_one: Load, kind: str, fingerprint: str) -> None:
    assert load_one(f"synthetic:{kind}:40", *CASES[kind]).fingerprint == fingerprint


def test_noise_of_blobs_has_the_stated_variance(load_one: Load) -> None:
    data = load_one("synthetic:blobs:20000", (2,), num_classes=2)
    points, labels = data.train.inputs[0], data.train.labels[0]
    assert points[labels == 0].var(axis=0) == pytest.approx(0.25, rel=0.05)


def test_images_are_between_0_and_1(load_one: Load) -> None:
    pictures = load_one("synthetic:images", (16, 16, 3)).train.inputs[0]
    assert 0 <= pictures.min() < 0.1
    assert 0.9 < pictures.max() <= 1


def test_tokens_stay_within_the_vocabulary(load_one: Load) -> None:
    data = load_one("synthetic:tokens", (30,), "int64", vocabulary={"x": 37}, num_classes=5)
    tokens = data.train.inputs[0]
    assert tokens.dtype == np.int64
    assert (tokens.min(), tokens.max()) == (0, 36)


def test_sizes_and_unsaid_dimensions(load_one: Load) -> None:
    data = load_one("synthetic:sequences:41", (None, 3), num_classes=3)
    assert data.train.inputs[0].shape == (31, 16, 3)
    assert data.test.size == 10
    assert data.num_classes == 3


def test_every_input_gets_what_suits_it() -> None:
    inputs = [("t", (9,), "int32"), ("s", (8, 2), None), ("i", (6, 6, 1), None), ("v", (3,), None)]
    data = load("synthetic:mixed:40", inputs, num_classes=2)
    assert [array.dtype.name for array in data.train.inputs] == ["int32", *["float32"] * 3]
    alone = load("synthetic:tokens:40", inputs[:1], num_classes=2)
    assert np.array_equal(data.train.inputs[0], alone.train.inputs[0])


def test_two_inputs_differ(load_one: Load) -> None:
    data = load("synthetic:blobs:40", [("a", (3,), None), ("b", (3,), None)])
    assert not np.array_equal(*data.train.inputs)


KINDS = (
    "kinds: blobs, images, sequences, tokens, mixed, regression; synthetic:blobs:200 makes 200"
    " examples"
)


@pytest.mark.parametrize(
    ("spec", "shape", "dtype", "message"),
    [
        (
            "synthetic:blbs",
            (3,),
            None,
            "synthetic:blbs: no synthetic data of kind 'blbs'\n   did you mean 'blobs'? " + KINDS,
        ),
        ("synthetic:", (3,), None, "synthetic:: no synthetic data of kind ''\n   " + KINDS),
        *(
            (
                f"synthetic:blobs:{count}",
                (3,),
                None,
                f"synthetic:blobs:{count}: expected a number of examples from 1 to 10,000,000"
                f" after the kind, received {count!r}",
            )
            for count in ("0", "-5", "1e3", "many", "10000001", "٣")
        ),
        (
            "synthetic:blobs",
            (3,),
            "int32",
            "input 'x': asks for int32, but synthetic:blobs makes fractions\n"
            "   synthetic:tokens makes whole numbers",
        ),
        (
            "synthetic:images",
            (3, 3),
            None,
            "input 'x': has shape (3, 3), but synthetic:images fits (height, width, channels)\n"
            "   synthetic:blobs fits any shape",
        ),
        (
            "synthetic:sequences",
            (3,),
            None,
            "input 'x': has shape (3,), but synthetic:sequences fits (steps, numbers)\n"
            "   synthetic:blobs fits any shape",
        ),
        (
            "synthetic:tokens",
            (3, 3),
            "int32",
            "input 'x': has shape (3, 3), but synthetic:tokens fits (steps,)\n"
            "   synthetic:blobs fits any shape",
        ),
        (
            "synthetic:blobs:10000000",
            (100, 100, 100),
            None,
            "synthetic:blobs:10000000: 10,000,000 examples would take 36.4 TiB of memory; at most"
            " 4.0 GiB are allowed\n"
            "   use fewer or smaller examples, or a smaller input",
        ),
    ],
)
def test_kinds_and_inputs_that_do_not_go_together(
    refusal: Refusal,
    load_one: Load,
    spec: str,
    shape: tuple[int, ...],
    dtype: str | None,
    message: str,
) -> None:
    assert refusal(load_one, spec, shape, dtype) == message


def test_too_small_a_vocabulary(refusal: Refusal, load_one: Load) -> None:
    assert refusal(load_one, "synthetic:tokens", (9,), "int32", vocabulary={"x": 5}) == (
        "input 'x': 5 tokens cannot tell 10 classes apart\n   give the Embedding a larger input_dim"
    )


@pytest.mark.parametrize(("kind", "dtype"), [("blobs", "float32"), ("tokens:9", "int32")])
def test_peek_leaves_shapes_to_the_network(kind: str, dtype: str) -> None:
    assert peek(f"synthetic:{kind}") == DataFacts(None, None, dtype)


def test_peek_refuses_what_load_refuses(refusal: Refusal) -> None:
    assert refusal(peek, "synthetic:noise") == (
        "synthetic:noise: no synthetic data of kind 'noise'\n   " + KINDS
    )
