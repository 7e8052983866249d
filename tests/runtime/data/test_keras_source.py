"""Data that Keras downloads. There may be no network: only the download itself is stood in for."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from opgraph.errors import DataError, MissingDependencyError
from opgraph.runtime.data import Data, DataFacts, Target, TargetSpec, keras_source, peek
from opgraph.runtime.data.keras_names import KERAS_NAMES

Refusal = Callable[..., str]
Load = Callable[..., Data]


@pytest.fixture
def downloaded(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Stand in for the download of one dataset, in the form in which Keras returns it."""

    def stand_in(x: Any, y: Any) -> None:
        monkeypatch.setattr(keras_source, "download", lambda name: ((x, y), (x[:20], y[:20])))

    return stand_in


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("mnist", DataFacts((28, 28, 1), 10, "float32")),
        ("fashion_mnist", DataFacts((28, 28, 1), 10, "float32")),
        ("cifar10", DataFacts((32, 32, 3), 10, "float32")),
        ("cifar100", DataFacts((32, 32, 3), 100, "float32")),
        ("imdb", DataFacts((200,), 2, "int32")),
        ("reuters", DataFacts((200,), 46, "int32")),
        ("boston_housing", DataFacts((13,), None, "float32", "numbers")),
        ("california_housing", DataFacts((8,), None, "float32", "numbers")),
    ],
)
def test_peek_downloads_nothing(
    monkeypatch: pytest.MonkeyPatch, name: str, facts: DataFacts
) -> None:
    monkeypatch.delattr(keras_source, "download")
    assert peek(name) == facts


def test_pictures_keep_the_split_they_come_with(
    downloaded: Callable[..., None], load_one: Load
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 32, 32, 3), np.uint8)
    downloaded(pixels, (np.arange(50) % 10).astype(np.uint8)[:, None])
    data = load_one("cifar10", (32, 32, 3))
    assert (data.train.size, data.test.size, data.num_classes) == (50, 20, 10)
    assert np.allclose(data.train.inputs[0], pixels / 255, atol=1e-7)
    assert data.train.labels[0].tolist() == [n % 10 for n in range(50)]
    assert data.class_names[:2] == ("airplane", "automobile")
    assert data.description["title"] == "keras.datasets.cifar10"
    assert data.description["inputs"][0]["divided_by"] == 255.0


def test_colours_are_kept_where_a_row_has_room_for_them(
    downloaded: Callable[..., None], load_one: Load
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 32, 32, 3), np.uint8)
    downloaded(pixels, np.arange(50) % 10)
    row = load_one("cifar10", (3072,)).train.inputs[0]
    assert np.allclose(row, pixels.reshape(50, -1) / 255, atol=1e-7)
    grey = load_one("cifar10", (1024,)).train.inputs[0]
    assert np.allclose(grey.reshape(50, 32, 32), pixels @ [0.299, 0.587, 0.114] / 255, atol=1e-6)


def test_grey_pictures_get_an_axis_and_any_size(
    downloaded: Callable[..., None], load_one: Load
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 28, 28), np.uint8)
    downloaded(pixels, np.arange(50) % 10)
    assert np.array_equal(
        load_one("mnist", (28, 28, 1)).train.inputs[0][..., 0],
        load_one("mnist", (28, 28)).train.inputs[0],
    )
    assert load_one("mnist", (784,)).train.inputs[0].shape == (50, 784)
    assert load_one("mnist", (32, 32, 3)).train.inputs[0].shape == (50, 32, 32, 3)


def test_texts_are_padded_and_cut_as_keras_does_it(
    downloaded: Callable[..., None], load_one: Load
) -> None:
    texts = np.array(
        [[1, 5, 300, 7], [9, 9, 9, 4, 5, 6, 7, 8, 3], [], *[[n, n + 1] for n in range(47)]], object
    )
    downloaded(texts, np.arange(50) % 2)
    data = load_one("imdb", (6,), "int32", vocabulary={"x": 100})
    assert data.train.inputs[0][:4].tolist() == [
        [0, 0, 1, 5, 2, 7],
        [4, 5, 6, 7, 8, 3],
        [0] * 6,
        [0, 0, 0, 0, 0, 1],
    ]
    assert data.class_names == ("negative", "positive")
    assert data.description["inputs"][0]["vocabulary_used"] == 100


def test_texts_need_a_row(refusal: Refusal, load_one: Load) -> None:
    assert refusal(load_one, "imdb", (6, 6)) == (
        "input 'x': has shape (6, 6), but texts are rows of tokens: (steps,)"
    )


def test_prices_are_not_classes(refusal: Refusal, load_one: Load) -> None:
    assert refusal(load_one, "boston_housing", (13,)) == (
        "boston_housing: its targets are prices, not classes\n"
        "   end the network in one unit without activation, trained by mse"
    )


def test_prices_are_numbers(downloaded: Callable[..., None], load_one: Load) -> None:
    rows, prices = np.random.default_rng(0).random((50, 8)), np.linspace(1, 5, 50)
    downloaded(rows, prices)
    price = TargetSpec("price", "numbers", (1,))
    data = load_one("california_housing", (8,), targets=[price])
    assert np.array_equal(data.train.inputs[0], rows.astype("f4"))
    assert np.array_equal(data.train.labels[0], prices.astype("f4")[:, None])
    assert (data.num_classes, data.class_names) == (None, ())
    assert data.targets == (Target("price", "numbers", (1,)),)


def test_memory_is_bounded_before_the_download(
    monkeypatch: pytest.MonkeyPatch, refusal: Refusal, load_one: Load
) -> None:
    monkeypatch.delattr(keras_source, "download")
    assert refusal(load_one, "mnist", (224, 224, 3)) == (
        "mnist: 70,000 examples would take 39.3 GiB of memory; at most 4.0 GiB are allowed\n"
        "   use fewer or smaller examples, or a smaller input"
    )


@pytest.mark.tf
def test_failed_download_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """The address leads nowhere (a port that nobody listens on), whatever network there is."""
    module = importlib.import_module("keras.src.datasets.mnist")
    dead = partial(module.get_file, "m.npz", "http://127.0.0.1:9/m.npz", cache_dir=str(tmp_path))
    monkeypatch.setattr(module, "get_file", lambda *_, **__: dead())
    with pytest.raises(DataError) as caught:
        keras_source.download("mnist")
    text = re.sub(r"\[Errno \d+\] ", "", str(caught.value))
    assert text == (
        "mnist: could not be downloaded (URL fetch failure on http://127.0.0.1:9/m.npz: None --"
        " Connection refused)\n"
        "   a network is needed the first time; digits and synthetic:<kind> need none"
    )
    assert capfd.readouterr().out == ""


@pytest.mark.tf
def test_names_are_those_of_keras() -> None:
    import keras

    found = {module.name for module in pkgutil.iter_modules(keras.datasets.__path__)}
    assert set(KERAS_NAMES) == found


def test_without_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras.datasets.mnist", None)
    with pytest.raises(MissingDependencyError) as caught:
        keras_source.download("mnist")
    assert str(caught.value) == (
        "'mnist' is downloaded by Keras, which is not installed: pip install 'opgraph[train]'"
    )
