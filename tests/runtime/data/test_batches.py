"""Batches: in which order, of what, and whether their fingerprint tells altered data."""

from __future__ import annotations

import struct
import timeit

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opgraph.runtime.data import (
    Split,
    batch_count,
    batches,
    fingerprint,
    in_order,
    permutation,
    take,
)
from opgraph.runtime.data.order import random_words


def split_of(size: int) -> Split:
    images = np.arange(size * 6, dtype=np.float32).reshape(size, 2, 3)
    return Split((images, np.arange(size, dtype=np.int32)), (np.arange(size, dtype=np.int32) % 3,))


@given(
    size=st.integers(1, 100),
    batch_size=st.integers(1, 120),
    epoch=st.integers(0, 5),
    drop_last=st.booleans(),
)
@settings(deadline=None)
def test_batches_walk_the_permutation(
    size: int, batch_size: int, epoch: int, drop_last: bool
) -> None:
    split = split_of(size)
    made = list(batches(split, batch_size, seed=7, epoch=epoch, drop_last=drop_last))
    assert len(made) == batch_count(size, batch_size, drop_last=drop_last)
    seen = [index for batch in made for index in batch.indices.tolist()]
    order = permutation(size, seed=7, epoch=epoch).tolist()
    assert seen == (order[: size // batch_size * batch_size] if drop_last else order)
    for batch in made:
        assert np.array_equal(batch.inputs[0], split.inputs[0][batch.indices])
        assert np.array_equal(batch.inputs[1], batch.indices)
        assert np.array_equal(batch.labels[0], batch.indices % 3)
        assert batch.size == len(batch.indices)
        assert batch.indices.dtype == np.int64


def test_start_leaves_out_batches_and_changes_no_other() -> None:
    split = split_of(20)
    whole = list(batches(split, 3, seed=1, epoch=2))
    resumed = list(batches(split, 3, seed=1, epoch=2, start=4))
    assert [b.fingerprint for b in resumed] == [b.fingerprint for b in whole[4:]]
    assert len(resumed) == 3


def test_evaluation_takes_examples_as_they_stand() -> None:
    made = list(in_order(split_of(7), 3))
    assert [b.indices.tolist() for b in made] == [[0, 1, 2], [3, 4, 5], [6]]


def test_batches_are_copies() -> None:
    split = split_of(6)
    batch = take(split, np.array([0, 1]))
    batch.inputs[0][:] = -1
    assert split.inputs[0].min() == 0


def test_batch_size_must_be_positive() -> None:
    with pytest.raises(ValueError, match=r"^batch_size: expected a positive number, received 0$"):
        next(batches(split_of(3), 0, seed=0, epoch=0))


def test_fingerprint_is_what_its_docstring_says() -> None:
    """Computed again in Python's integers: multilinear sum of 32-bit words, then BLAKE2b."""
    import hashlib

    array = np.arange(1000, dtype=np.float32).reshape(10, 100) * 1.37
    words = struct.unpack("<1000I", array.tobytes())
    factors = [int(word) | 1 for word in random_words(0, 1, 1000)]
    total = sum(w * f for w, f in zip(words, factors, strict=True)) % 2**64
    digest = hashlib.blake2b(b"<f4(10, 100)", digest_size=8)
    digest.update(struct.pack("<QQ", total, 0))
    assert fingerprint(array) == int.from_bytes(digest.digest(), "little")


def test_fingerprints_of_today_are_those_of_tomorrow() -> None:
    assert fingerprint(np.arange(4)) == 0xD58392A0E1F072CA
    assert fingerprint(np.arange(200_000, dtype=np.int32)) == 0xFFBB438139F78840
    assert fingerprint(np.arange(7, dtype=np.uint8)) == 0x75AFC9E51C2333B3


@given(place=st.integers(0, 99_999), bit=st.integers(0, 31), other=st.integers(0, 99_999))
@settings(deadline=None, max_examples=50)
def test_fingerprint_tells_one_and_two_flipped_bits(place: int, bit: int, other: int) -> None:
    array = np.linspace(-1, 1, 100_000, dtype=np.float32)
    before = fingerprint(array)
    words = array.view(np.uint32)
    words[place] ^= np.uint32(1 << bit)
    assert fingerprint(array) != before
    if other != place:
        words[other] ^= np.uint32(1 << bit)
        assert fingerprint(array) != before


def test_fingerprint_tells_order_shape_and_type() -> None:
    array = np.arange(12, dtype=np.int32)
    prints = {
        fingerprint(array),
        fingerprint(array[::-1]),
        fingerprint(array.reshape(3, 4)),
        fingerprint(array.view(np.float32)),
        fingerprint(array[:6], array[6:]),
        fingerprint(array[:5], array[5:]),
    }
    assert len(prints) == 6
    assert fingerprint(array.reshape(3, 4).T.copy().T) == fingerprint(array.reshape(3, 4))


def test_fingerprint_of_a_batch_covers_indices_inputs_and_labels() -> None:
    split = split_of(4)
    batch = take(split, np.array([2, 0]))
    assert batch.fingerprint == fingerprint(batch.indices, *batch.inputs, *batch.labels)


@pytest.mark.slow
def test_fingerprint_of_a_usual_batch_takes_less_than_a_third_of_a_millisecond() -> None:
    images = np.random.default_rng(0).random((32, 32, 32, 3), np.float32)
    times = timeit.repeat(lambda: fingerprint(images), number=20, repeat=20)
    assert min(times) / 20 < 0.3e-3
