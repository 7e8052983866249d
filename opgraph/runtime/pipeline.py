"""Batches made ahead of the step that takes them, and pictures changed on the way.

Owns the thread that makes batches while the step computes, and the tf.data pipeline in which
pictures are changed in parallel. The order of examples, and what is drawn for each of them, is told
by `runtime.data` as a pure function of (seed, epoch, index). Must not know the network or the loop.

Without changes a batch is a copy of some rows, which NumPy makes in half the time that tf.data
takes, and without a second copy of all examples; with changes tf.data does the work.
"""

from __future__ import annotations

import itertools
import os
import queue
import threading
from collections.abc import Generator, Iterator, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import tensorflow as tf

from opgraph.runtime.changes import Array, Range, Tensor, change_all, settings_of
from opgraph.runtime.data import (
    Batch,
    Change,
    Split,
    batch_count,
    change_words,
    fingerprint,
    is_picture,
    permutation,
    take,
)

AHEAD = 2
CPU = "CPU:0"


class Turn(NamedTuple):
    """A batch and whose turn it is.

    Attributes:
        epoch: from 0.
        position: number of the batch within the epoch, from 0.
        batch: its examples.
    """

    epoch: int
    position: int
    batch: Batch


class _Stretch(NamedTuple):
    """What is left of an epoch: its examples in their order, from one batch on."""

    epoch: int
    position: int
    examples: Array


class Pipeline:
    """The batches of a training, made ahead; the same bits for any number of threads.

    `read` hands them out from any place on; `batch` makes a single one again.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        *,
        seed: int = 0,
        augment: Sequence[Change] = (),
        drop_last: bool = False,
        threads: int | None = None,
        ahead: int = AHEAD,
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            split: the examples.
            batch_size: examples in a batch; the last one of an epoch may have fewer.
            seed: of the training.
            augment: changes to pictures, such as `data.augment`.
            drop_last: leave out a last batch that is not full.
            threads: that change pictures at the same time; as many as there are cores if left out.
            ahead: batches that wait ready.

        Raises:
            ValueError: a number is not positive.
        """
        for name, number in (("batch_size", batch_size), ("threads", threads), ("ahead", ahead)):
            if number is not None and number < 1:
                raise ValueError(f"{name}: expected a positive number, received {number!r}")
        self.split = split
        self.batch_size = batch_size
        self.seed = seed
        self.augment = tuple(augment)
        self.drop_last = drop_last
        self.threads = threads or os.cpu_count() or 1
        self.ahead = ahead
        ways = _Ways(batch_size, self.threads, ahead)
        self.pictures = _Pictures.of(split, self.augment, ways)

    @property
    def per_epoch(self) -> int:
        """Batches in an epoch."""
        return batch_count(self.split.size, self.batch_size, drop_last=self.drop_last)

    def batch(self, epoch: int, position: int) -> Batch:
        """One batch again, without those before it.

        Raises:
            IndexError: an epoch has fewer batches.
        """
        if not 0 <= position < self.per_epoch:
            last = self.per_epoch - 1
            raise IndexError(f"batch {position} of epoch {epoch}: expected 0 to {last}")
        stretch = next(self._stretches(epoch, position))
        examples = stretch.examples[: self.batch_size]
        if self.pictures is None:
            return take(self.split, examples)
        settings = self.pictures.settings(examples, self._words(epoch))
        return self._assemble(examples, self.pictures.changed(examples, settings))

    def read(
        self, epoch: int = 0, position: int = 0, *, epochs: int | None = None
    ) -> Generator[Turn]:
        """The batches from a place on, each made while the ones before it are used.

        Close what is returned (`contextlib.closing`) when it is left before its end: its threads
        end then.

        Args:
            epoch: of the first batch.
            position: of the first batch within its epoch.
            epochs: how many epochs to hand out, the first one included; without end if left out.
        """
        stretches = self._stretches(epoch, position, epochs)
        return _made_ahead(self._made(stretches), self.ahead)

    def _stretches(
        self, epoch: int, position: int, epochs: int | None = None
    ) -> Iterator[_Stretch]:
        numbers = itertools.count(epoch) if epochs is None else range(epoch, epoch + epochs)
        end = min(self.per_epoch * self.batch_size, self.split.size)
        for number in numbers if end else ():
            order = permutation(self.split.size, seed=self.seed, epoch=number).astype(np.int64)
            yield _Stretch(number, position, order[position * self.batch_size : end])
            position = 0

    def _words(self, epoch: int) -> Array:
        return change_words(self.split.size, seed=self.seed, epoch=epoch)

    def _made(self, stretches: Iterator[_Stretch]) -> Generator[Turn]:
        for stretch in stretches:
            batches = self._plain(stretch) if self.pictures is None else self._changed(stretch)
            for position, batch in enumerate(batches, stretch.position):
                yield Turn(stretch.epoch, position, batch)

    def _plain(self, stretch: _Stretch) -> Iterator[Batch]:
        size, examples = self.batch_size, stretch.examples
        return (take(self.split, examples[i : i + size]) for i in range(0, len(examples), size))

    def _changed(self, stretch: _Stretch) -> Iterator[Batch]:
        pictures = cast("_Pictures", self.pictures)
        words = self._words(stretch.epoch)
        settings = pictures.settings(stretch.examples, words)
        for row in pictures.batches(stretch.examples, settings):
            examples, *changed = (tensor.numpy() for tensor in row)
            yield self._assemble(examples, changed)

    def _assemble(self, examples: Array, changed: list[Array]) -> Batch:
        """A batch of changed pictures, everything else as it is."""
        queued = iter(changed)
        inputs = tuple(next(queued) if is_picture(a) else a[examples] for a in self.split.inputs)
        labels = tuple(array[examples] for array in self.split.labels)
        return Batch(examples, inputs, labels, fingerprint(examples, *inputs, *labels))


class _Ways(NamedTuple):
    """How pictures are changed: examples in a batch, threads, and batches that wait ready."""

    batch_size: int
    threads: int
    ahead: int


class _Pictures:
    """The inputs that are pictures, and what is to be done to them."""

    def __init__(self, arrays: Sequence[Array], changes: Sequence[Change], ways: _Ways) -> None:
        self.sizes = [(array.shape[1], array.shape[2]) for array in arrays]
        with tf.device(CPU):
            self.tensors = tuple(map(tf.constant, arrays))
        self.ranges = tuple(map(Range.of, arrays))
        self.changes = tuple(changes)
        self.ways = ways
        one = np.zeros(1, np.int64)
        settings = self.settings(one, change_words(1, seed=0, epoch=0))
        signature = [_any_number_of(array) for array in (one, *settings)]
        self.program = tf.function(self._change, input_signature=signature, autograph=False)
        # A data set traces what it maps; made inside a program it does so once, not each epoch.
        self.dataset = tf.function(self._dataset, input_signature=signature, autograph=False)

    @classmethod
    def of(cls, split: Split, changes: Sequence[Change], ways: _Ways) -> _Pictures | None:
        """None if nothing is to be changed."""
        arrays = [array for array in split.inputs if is_picture(array)]
        return cls(arrays, changes, ways) if arrays and changes else None

    def settings(self, examples: Array, words: Array) -> list[Array]:
        """What each change does to each of these examples, one input after the other."""
        mine = words[examples]
        return [settings_of(change, mine, size) for size in self.sizes for change in self.changes]

    def changed(self, examples: Array, settings: Sequence[Array]) -> list[Array]:
        """The changed pictures of one batch, made at once."""
        with tf.device(CPU):
            _, *made = self.program(*map(tf.constant, (examples, *settings)))
        return [tensor.numpy() for tensor in made]

    def batches(self, examples: Array, settings: Sequence[Array]) -> Iterator[Any]:
        """The examples of each batch, followed by their changed pictures."""
        with tf.device(CPU):
            return iter(self.dataset(*map(tf.constant, (examples, *settings))))

    def _dataset(self, *rows: Tensor) -> Any:
        size, threads, ahead = self.ways
        found = tf.data.Dataset.from_tensor_slices(rows).batch(size)
        mapped = found.map(lambda *row: self.program(*row), num_parallel_calls=threads)
        return mapped.prefetch(ahead).with_options(_options(threads))

    def _change(self, examples: Tensor, *settings: Tensor) -> tuple[Tensor, ...]:
        each = len(self.changes)
        made = [
            change_all(
                self.changes,
                tf.gather(tensor, examples),
                settings[i * each : (i + 1) * each],
                self.ranges[i],
            )
            for i, tensor in enumerate(self.tensors)
        ]
        return (examples, *made)


def _any_number_of(array: Array) -> tf.TensorSpec:
    return tf.TensorSpec((None, *array.shape[1:]), array.dtype)


def _options(threads: int) -> tf.data.Options:
    """Order kept, nothing rewritten or tuned while running, and threads of its own."""
    options = tf.data.Options()
    options.deterministic = True
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    options.threading.private_threadpool_size = threads + 2
    options.threading.max_intra_op_parallelism = 1
    return options


class _End(NamedTuple):
    """There are no more batches, or making one failed."""

    error: BaseException | None


def _made_ahead(turns: Generator[Turn], ahead: int) -> Generator[Turn]:
    """The same turns, made by a thread that runs ahead; it ends with the generator."""
    ready: queue.Queue[Turn | _End] = queue.Queue(ahead)
    stop = threading.Event()
    worker = threading.Thread(
        target=_work, args=(turns, ready, stop), name="opgraph-batches", daemon=True
    )
    worker.start()
    try:
        while not isinstance(item := ready.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        _join(worker, ready)


def _work(turns: Generator[Turn], ready: queue.Queue[Turn | _End], stop: threading.Event) -> None:
    error: BaseException | None = None
    try:
        for turn in turns:
            ready.put(turn)
            if stop.is_set():
                break
    except BaseException as caught:
        error = caught
    turns.close()
    ready.put(_End(error))


def _join(worker: threading.Thread, ready: queue.Queue[Turn | _End]) -> None:
    """Wait for the end of the thread, taking away what it could not hand over."""
    while worker.is_alive():
        try:
            ready.get(timeout=0.01)
        except queue.Empty:
            continue
    worker.join()
