"""The order of examples is a pure function of (seed, epoch, size), the same everywhere."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opgraph.runtime.data import permutation
from opgraph.runtime.data.order import random_words, stratified, uniform

MASK = (1 << 64) - 1
SEEDS = st.integers(0, MASK)


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x64-10 by its definition in Salmon et al. 2011, in Python's own integers."""
    for _ in range(10):
        left = 0xD2E7470EE14C6C93 * counter[0]
        right = 0xCA5A826395121157 * counter[2]
        counter = [
            (right >> 64) ^ counter[1] ^ key[0],
            right & MASK,
            (left >> 64) ^ counter[3] ^ key[1],
            left & MASK,
        ]
        key = [(key[0] + 0x9E3779B97F4A7C15) & MASK, (key[1] + 0xBB67AE8584CAA73B) & MASK]
    return counter


def test_philox_of_this_file_gives_the_published_answers() -> None:
    """Known answers from the authors' Random123 library (kat_vectors)."""
    assert philox([0] * 4, [0] * 2) == [
        0x16554D9ECA36314C,
        0xDB20FE9D672D0FDC,
        0xD7E772CEE186176B,
        0x7E68B68AEC7BA23B,
    ]
    assert philox([MASK] * 4, [MASK] * 2) == [
        0x87B092C3013FE90B,
        0x438C3C67BE8D0224,
        0x9CC7D7C69CD777B6,
        0xA09CAEBF594F0BA0,
    ]


@given(seed=SEEDS, epoch=SEEDS, size=st.integers(0, 40))
@settings(deadline=None)
def test_words_and_order_follow_from_philox_alone(seed: int, epoch: int, size: int) -> None:
    blocks = [philox([block + 1, 0, 0, 0], [seed, epoch]) for block in range(10)]
    words = [word for block in blocks for word in block][:size]
    assert random_words(seed, epoch, size).tolist() == words
    expected = sorted(range(size), key=lambda i: (words[i], i))
    assert permutation(size, seed=seed, epoch=epoch).tolist() == expected


def test_order_of_today_is_the_order_of_tomorrow() -> None:
    assert permutation(8, seed=0, epoch=0).tolist() == [0, 2, 1, 5, 4, 3, 6, 7]
    assert permutation(8, seed=0, epoch=1).tolist() == [5, 3, 7, 2, 4, 1, 0, 6]
    assert permutation(8, seed=1, epoch=0).tolist() == [3, 5, 2, 7, 0, 6, 1, 4]


@given(seed=SEEDS, epoch=st.integers(0, 10_000), size=st.integers(0, 3000))
@settings(deadline=None)
def test_every_example_comes_once(seed: int, epoch: int, size: int) -> None:
    order = permutation(size, seed=seed, epoch=epoch)
    assert sorted(order.tolist()) == list(range(size))
    assert np.array_equal(order, permutation(size, seed=seed, epoch=epoch))


@given(seed=st.integers(0, 100), epoch=st.integers(0, 100))
@settings(deadline=None)
def test_seed_and_epoch_are_not_interchangeable(seed: int, epoch: int) -> None:
    order = permutation(500, seed=seed, epoch=epoch).tolist()
    assert order != permutation(500, seed=seed, epoch=epoch + 1).tolist()
    assert order != permutation(500, seed=seed + 1, epoch=epoch).tolist()
    if seed != epoch:
        assert order != permutation(500, seed=epoch, epoch=seed).tolist()


def test_order_ignores_the_global_generator() -> None:
    first = permutation(100, seed=3, epoch=4)
    np.random.seed(1)
    assert np.array_equal(first, permutation(100, seed=3, epoch=4))


def test_each_example_comes_first_about_equally_often() -> None:
    firsts = Counter(int(permutation(10, seed=0, epoch=epoch)[0]) for epoch in range(5000))
    chi_squared = sum((count - 500) ** 2 / 500 for count in firsts.values())
    assert len(firsts) == 10
    assert chi_squared < 27.9  # the 0.999 quantile with 9 degrees of freedom


def test_uniform_numbers_are_uniform() -> None:
    numbers = uniform(5, 6, (200_000,))
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert numbers.mean() == pytest.approx(0.5, abs=0.003)
    assert numbers.var() == pytest.approx(1 / 12, abs=0.001)


@given(labels=st.lists(st.integers(0, 4), min_size=2, max_size=200), seed=st.integers(0, 2**63))
@settings(deadline=None)
def test_split_is_a_partition_with_the_same_share_of_each_class(
    labels: list[int], seed: int
) -> None:
    ids = np.array(labels)
    train, test = stratified(ids, 0.25, seed)
    assert sorted([*train.tolist(), *test.tolist()]) == list(range(len(labels)))
    assert len(test) == max(1, int(len(labels) * 0.25 + 0.5))
    assert train.tolist() == sorted(train.tolist())
    assert test.tolist() == sorted(test.tolist())
    for label, count in Counter(labels).items():
        in_test = int((ids[test] == label).sum())
        assert abs(in_test - 0.25 * count) <= 1.5


def test_classes_with_a_single_example_are_trained_on() -> None:
    labels = np.array([0] * 97 + [1, 2, 3])
    train, test = stratified(labels, 0.25, 0)
    assert set(labels[train]) == {0, 1, 2, 3}
    assert set(labels[test]) == {0}


def test_split_depends_on_the_seed_and_on_nothing_else() -> None:
    labels = np.arange(100) % 4
    first = stratified(labels, 0.25, 0)[1].tolist()
    assert first == stratified(labels, 0.25, 0)[1].tolist()
    assert first != stratified(labels, 0.25, 1)[1].tolist()
