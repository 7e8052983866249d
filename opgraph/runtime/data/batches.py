"""Batches of examples in an order that can be told without having seen the batches before.

Owns batches and their fingerprints; must not know where examples come from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from opgraph.runtime.data.order import permutation, random_words
from opgraph.runtime.data.result import Array, Split

BLOCK = 1 << 16


@dataclass(frozen=True, eq=False, slots=True)
class Batch:
    """Some examples of a split, copied.

    Attributes:
        indices: which examples, int64.
        inputs: one array for each Input node.
        labels: one array for each trained output.
        fingerprint: 64-bit hash of indices, inputs and labels, 0 to 2**64 - 1.
    """

    indices: Array
    inputs: tuple[Array, ...]
    labels: tuple[Array, ...]
    fingerprint: int

    @property
    def size(self) -> int:
        """Number of examples."""
        return len(self.indices)


def batches(
    split: Split,
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    drop_last: bool = False,
    start: int = 0,
) -> Iterator[Batch]:
    """The batches of one epoch, in an order that depends on (seed, epoch, size) alone.

    Args:
        split: the examples.
        batch_size: examples in a batch; the last one may have fewer.
        seed: of the training.
        epoch: from 0.
        drop_last: leave out a last batch that is not full.
        start: first batch to yield, from 0; a resumed training begins in the middle of an epoch.

    Raises:
        ValueError: batch_size is not positive.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size: expected a positive number, received {batch_size!r}")
    order = permutation(split.size, seed=seed, epoch=epoch)
    count = batch_count(split.size, batch_size, drop_last=drop_last)
    for number in range(start, count):
        yield take(split, order[number * batch_size : (number + 1) * batch_size])


def in_order(split: Split, batch_size: int) -> Iterator[Batch]:
    """All examples as they stand, in batches: for evaluation."""
    for first in range(0, split.size, batch_size):
        yield take(split, np.arange(first, min(first + batch_size, split.size)))


def batch_count(size: int, batch_size: int, *, drop_last: bool = False) -> int:
    """Number of batches in an epoch.

    >>> batch_count(10, 4), batch_count(10, 4, drop_last=True)
    (3, 2)
    """
    return size // batch_size if drop_last else -(-size // batch_size)


def take(split: Split, indices: Array) -> Batch:
    """The examples of these indices."""
    indices = indices.astype(np.int64)
    inputs = tuple(array[indices] for array in split.inputs)
    labels = tuple(array[indices] for array in split.labels)
    return Batch(indices, inputs, labels, fingerprint(indices, *inputs, *labels))


def fingerprint(*arrays: Array) -> int:
    """A 64-bit hash of arrays: of their types, shapes and bytes.

    Each block of 32-bit words is multiplied with fixed random odd 64-bit numbers and summed (a
    multilinear hash, which runs at memory speed), and the sums are hashed by BLAKE2b. It tells
    altered data; it does not withstand someone who looks for two arrays with the same hash.

    >>> hex(fingerprint(np.arange(4)))
    '0xd58392a0e1f072ca'
    """
    digest = hashlib.blake2b(digest_size=8)
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(_block_sums(array).tobytes())
    return int.from_bytes(digest.digest(), "little")


def _block_sums(array: Array) -> Array:
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    whole = len(data) // 4 * 4
    words = data[:whole].view(np.uint32)
    tail = int.from_bytes(data[whole:].tobytes(), "little")
    factors = _factors()
    starts = range(0, len(words), BLOCK)
    sums = [
        np.dot(block.astype(np.uint64), factors[: len(block)])
        for block in (words[start : start + BLOCK] for start in starts)
    ]
    return np.array([*sums, tail], dtype=np.uint64)


@cache
def _factors() -> Array:
    return random_words(0, 1, BLOCK) | np.uint64(1)
