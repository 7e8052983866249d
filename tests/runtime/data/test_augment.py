"""The text that names changes to pictures: its reading, its errors, and what it is recorded as."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opgraph.runtime.data import (
    CHANGES,
    Change,
    Data,
    TargetSpec,
    augment_text,
    augmented,
    change_columns,
    change_words,
    load,
    parse_augment,
    permutation,
    recreate,
)
from opgraph.runtime.data.order import EACH, random_words

Refusal = Callable[..., str]
EXAMPLE = "for example 'flip, shift=2, rotate=10, noise=0.05, brightness=0.1, cutout=8'"
NAMES = "changes: flip, shift, rotate, noise, brightness, cutout; " + EXAMPLE
PIXELS = "expected a whole number of pixels, 1 or more"


@pytest.fixture
def pictures() -> Data:
    return load("synthetic:images:40", [("x", (8, 12, 1), None)], num_classes=2)


def test_names_and_amounts_in_their_order() -> None:
    assert parse_augment(" cutout = 3,flip ,rotate=7.5") == (
        Change("cutout", 3),
        Change("flip"),
        Change("rotate", 7.5),
    )
    assert parse_augment("") == parse_augment("  ") == ()


AMOUNTS = {
    "flip": st.just(1.0),
    "shift": st.integers(1, 50).map(float),
    "cutout": st.integers(1, 50).map(float),
    "rotate": st.integers(1, 180).map(float),
    "noise": st.integers(1, 100).map(lambda n: n / 100),
    "brightness": st.integers(1, 100).map(lambda n: n / 100),
}


@given(st.permutations(list(CHANGES)), st.integers(0, 6), st.data())
def test_text_and_changes_are_the_same(order: list[str], count: int, data: st.DataObject) -> None:
    changes = tuple(Change(name, data.draw(AMOUNTS[name])) for name in order[:count])
    assert parse_augment(augment_text(changes)) == changes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flp", f"augment: no change called 'flp'\n   did you mean 'flip'? {NAMES}"),
        ("zoom=2", f"augment: no change called 'zoom'\n   {NAMES}"),
        ("flip,,cutout=1", f"augment: nothing between two commas\n   {NAMES}"),
        ("flip=1", "augment: flip takes no amount, received '1'"),
        ("shift", f"augment: shift: {PIXELS}, received none\n   {EXAMPLE}"),
        ("shift=1.5", f"augment: shift: {PIXELS}, received '1.5'\n   {EXAMPLE}"),
        ("cutout=0", f"augment: cutout: {PIXELS}, received '0'\n   {EXAMPLE}"),
        ("shift=inf", f"augment: shift: {PIXELS}, received 'inf'\n   {EXAMPLE}"),
        (
            "rotate=200",
            "augment: rotate: expected a number (degrees, above 0, up to 180), received '200'\n"
            f"   {EXAMPLE}",
        ),
        (
            "noise=nan",
            f"augment: noise: expected a number (above 0, up to 1), received 'nan'\n   {EXAMPLE}",
        ),
        (
            "noise=0.1, noise=0.2",
            "augment: noise is named twice\n   each change is made once",
        ),
        (
            "noise=x, flip=, brightness=2",
            f"augment: noise: expected a number (above 0, up to 1), received 'x'\n   {EXAMPLE}\n\n"
            "augment: flip takes no amount, received ''\n\n"
            "augment: brightness: expected a number (above 0, up to 1), received '2'\n"
            f"   {EXAMPLE}",
        ),
    ],
)
def test_texts_that_are_wrong(refusal: Refusal, text: str, message: str) -> None:
    assert refusal(parse_augment, text) == message


def test_is_recorded_and_recreated(pictures: Data) -> None:
    data = augmented(pictures, "flip,shift = 2")
    assert data.augment == (Change("flip"), Change("shift", 2))
    assert data.description["augment"] == "flip, shift=2"
    assert "augment" not in pictures.description
    again = recreate(json.loads(json.dumps(data.description)))
    assert again.augment == data.augment
    assert again.description == data.description
    assert again.fingerprint == pictures.fingerprint
    assert augmented(data, "").description == pictures.description
    assert augmented(data, data.augment).augment == data.augment


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "shift=8",
            "augment: shift=8 is too much for pictures with a side of 8\n   use at most 7",
        ),
        (
            "cutout=9, flip, shift=20",
            "augment: cutout=9 is too much for pictures with a side of 8\n   use at most 8\n\n"
            "augment: shift=20 is too much for pictures with a side of 8\n   use at most 7",
        ),
    ],
)
def test_changes_too_large(refusal: Refusal, pictures: Data, text: str, message: str) -> None:
    assert refusal(augmented, pictures, text) == message
    assert augmented(pictures, "shift=7, cutout=8").augment


def test_only_pictures_are_changed(refusal: Refusal) -> None:
    data = load("synthetic:blobs:40", [("x", (6,), None), ("t", (8, 2), None)])
    assert refusal(augmented, data, "flip") == (
        "augment: 'flip' changes pictures, but the examples have the shape (6,), (8, 2)\n"
        "   pictures are (height, width, channels); leave the augmentation out"
    )


def test_labels_beside_pixels_do_not_move(refusal: Refusal) -> None:
    mask = TargetSpec("mask", "classes", (8, 8, 3))
    data = load("synthetic:images:40", [("x", (8, 8, 1), None)], targets=[mask])
    assert refusal(augmented, data, "noise=0.1, rotate=5") == (
        "augment: rotate moves pixels, but the labels of output 'mask' stand beside them and would"
        " not move\n"
        "   noise, brightness and cutout leave everything in its place"
    )
    assert len(augmented(data, "noise=0.1, brightness=0.1, cutout=2").augment) == 3


def test_no_two_changes_draw_from_the_same_words() -> None:
    columns = [column for name in CHANGES for column in change_columns(name)]
    assert len(set(columns)) == len(columns)
    assert max(columns) < EACH


def test_words_depend_on_seed_epoch_and_index_alone() -> None:
    words = change_words(30, seed=4, epoch=7)
    assert np.array_equal(change_words(300, seed=4, epoch=7)[:30], words)
    raw = np.random.Philox(key=np.array([4, (1 << 62) + 7], np.uint64)).random_raw(30 * EACH)
    assert np.array_equal(words.reshape(-1), raw)
    others = [change_words(30, seed=4, epoch=8), change_words(30, seed=5, epoch=7)]
    assert len(np.unique(np.concatenate([words, *others]))) == 3 * 30 * EACH


def test_changes_and_order_are_drawn_apart() -> None:
    """Else which way a picture turns would go with its place in the epoch."""
    assert not set(random_words(0, 3, 1000)) & set(change_words(1000, seed=0, epoch=3).reshape(-1))
    order = permutation(4000, seed=0, epoch=3)
    first = (change_words(4000, seed=0, epoch=3)[order, 0] >> np.uint64(63)).astype(float)
    assert abs(np.corrcoef(first, np.arange(4000))[0, 1]) < 0.05
