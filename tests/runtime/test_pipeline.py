"""Batches made ahead: the order and the bits are those of NumPy, and the threads end."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")
from scipy.ndimage import map_coordinates

from opgraph.runtime.data import (
    Batch,
    Split,
    batches,
    change_words,
    fingerprint,
    parse_augment,
)
from opgraph.runtime.pipeline import Pipeline, Turn

pytestmark = pytest.mark.tf
ALL = "flip, shift=2, rotate=10, noise=0.05, brightness=0.1, cutout=3"


def split_of(size: int = 50, shape: tuple[int, int, int] = (9, 7, 3), dtype: str = "f4") -> Split:
    random = np.random.default_rng(0)
    pictures = random.random((size, *shape)).astype(dtype)
    rows = random.random((size, 4)).astype("f4")
    labels = np.arange(size, dtype=np.int32) % 3
    return Split((pictures, rows), (labels, labels[:, None].astype("f4") / 2))


def pipeline(text: str = "", split: Split | None = None, size: int = 16, **named: Any) -> Pipeline:
    return Pipeline(split or split_of(), size, augment=parse_augment(text), **named)


def some(source: Pipeline, count: int, epoch: int = 0, position: int = 0) -> list[Turn]:
    with contextlib.closing(source.read(epoch, position)) as turns:
        return list(islice(turns, count))


def by_example(made: list[Batch]) -> dict[int, bytes]:
    return {
        int(i): picture.tobytes()
        for batch in made
        for i, picture in zip(batch.indices, batch.inputs[0], strict=True)
    }


def share(words: np.ndarray, *columns: int) -> np.ndarray:
    """Random words as numbers in [0, 1), in Python's integers."""
    return np.array([[(int(row[c]) >> 11) / 2**53 for c in columns] for row in words])


@pytest.mark.parametrize("drop_last", [False, True])
def test_batches_are_those_of_numpy(drop_last: bool) -> None:
    split = split_of()
    source = pipeline(split=split, seed=5, drop_last=drop_last)
    turns = list(source.read(1, 2, epochs=2))
    expected = [
        *batches(split, 16, seed=5, epoch=1, start=2, drop_last=drop_last),
        *batches(split, 16, seed=5, epoch=2, drop_last=drop_last),
    ]
    per_epoch = 3 if drop_last else 4
    places = [(1, p) for p in range(2, per_epoch)] + [(2, p) for p in range(per_epoch)]
    assert [(turn.epoch, turn.position) for turn in turns] == places
    assert [t.batch.fingerprint for t in turns] == [b.fingerprint for b in expected]
    for turn, batch in zip(turns, expected, strict=True):
        for mine, other in zip(turn.batch.inputs, batch.inputs, strict=True):
            assert np.array_equal(mine, other)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_bits_depend_on_seed_epoch_and_example_alone(dtype: str) -> None:
    """Not on the size of a batch, on threads, on how far ahead, nor on where one begins."""
    split = split_of(dtype=dtype)
    whole = by_example([t.batch for t in some(pipeline(ALL, split, seed=3), 4, epoch=2)])
    assert len(whole) == split.size
    for size, threads, ahead in ((1, 1, 1), (7, 3, 4), (50, 2, 1), (64, 1, 2)):
        other = pipeline(ALL, split, size=size, threads=threads, ahead=ahead, seed=3)
        assert by_example([t.batch for t in some(other, other.per_epoch, epoch=2)]) == whole


def test_any_batch_is_made_again() -> None:
    source = pipeline(ALL, seed=3)
    turns = some(source, 9)
    assert [(t.epoch, t.position) for t in turns] == [(e, p) for e in (0, 1, 2) for p in range(4)][
        :9
    ]
    later = some(pipeline(ALL, seed=3), 4, epoch=1, position=1)
    assert [t.batch.fingerprint for t in later] == [t.batch.fingerprint for t in turns[5:9]]
    for turn in turns:
        again = source.batch(turn.epoch, turn.position)
        assert again.fingerprint == turn.batch.fingerprint
        assert np.array_equal(again.inputs[0], turn.batch.inputs[0])
        assert np.array_equal(again.indices, turn.batch.indices)
    plain = pipeline(seed=3).batch(1, 3)
    assert plain.fingerprint == list(batches(split_of(), 16, seed=3, epoch=1))[3].fingerprint


def test_a_batch_that_there_is_not() -> None:
    with pytest.raises(IndexError, match=r"^batch 4 of epoch 1: expected 0 to 3$"):
        pipeline().batch(1, 4)


def test_order_is_that_of_unchanged_batches_and_only_pictures_change() -> None:
    split = split_of()
    changed, plain = pipeline(ALL, split).batch(0, 0), pipeline(split=split).batch(0, 0)
    assert np.array_equal(changed.indices, plain.indices)
    assert np.array_equal(changed.inputs[1], plain.inputs[1])
    assert not np.array_equal(changed.inputs[0], plain.inputs[0])
    for mine, other in zip(changed.labels, plain.labels, strict=True):
        assert np.array_equal(mine, other)
    assert changed.fingerprint == fingerprint(changed.indices, *changed.inputs, *changed.labels)
    assert changed.fingerprint != plain.fingerprint
    assert [a.dtype for a in changed.inputs] == [a.dtype for a in plain.inputs]


def changes_of(text: str, split: Split | None = None, epoch: int = 0) -> Iterator[Any]:
    """Each picture with its words before and after, of a whole epoch."""
    split = split or split_of()
    words = change_words(split.size, seed=0, epoch=epoch)
    batch = pipeline(text, split, size=split.size).batch(epoch, 0)
    for place, example in enumerate(batch.indices):
        yield words[[example]], split.inputs[0][example], batch.inputs[0][place]


def test_flip_turns_half_of_them() -> None:
    turned = 0
    for words, before, after in changes_of("flip", split_of(400)):
        flips = share(words, 0)[0, 0] < 0.5
        turned += flips
        assert np.array_equal(after, before[:, ::-1] if flips else before)
    assert 160 < turned < 240


def test_shift_moves_by_whole_pixels_and_repeats_the_border() -> None:
    seen: set[tuple[int, int]] = set()
    for words, before, after in changes_of("shift=2", split_of(400)):
        down, right = (int(n) for n in np.floor(share(words, 1, 2)[0] * 5) - 2)
        seen.add((down, right))
        padded = np.pad(before, ((2, 2), (2, 2), (0, 0)), mode="edge")
        expected = padded[2 - down : 2 - down + 9, 2 - right : 2 - right + 7]
        assert np.array_equal(after, expected)
    assert len(seen) == 25


def test_rotate_agrees_with_scipy() -> None:
    angles = []
    for words, before, after in changes_of("rotate=30"):
        angle = np.radians(30) * (2 * share(words, 3)[0, 0] - 1)
        angles.append(np.degrees(angle))
        y, x = np.mgrid[:9, :7]
        dy, dx = y - 4, x - 3
        rows = np.sin(angle) * dx + np.cos(angle) * dy + 4
        columns = np.cos(angle) * dx - np.sin(angle) * dy + 3
        for channel in range(3):
            expected = map_coordinates(
                before[..., channel], [rows, columns], order=1, mode="nearest"
            )
            assert np.abs(after[..., channel] - expected).max() < 1e-5
    assert min(angles) < -20
    assert max(angles) > 20


def test_brightness_is_added_and_stays_in_range() -> None:
    split = split_of()
    low, high = split.inputs[0].min(), split.inputs[0].max()
    more = []
    for words, before, after in changes_of("brightness=0.2", split):
        added = 0.2 * (2 * share(words, 6)[0, 0] - 1) * (float(high) - float(low))
        more.append(added)
        assert np.array_equal(after, np.clip(before + np.float32(added), low, high))
    assert min(more) < -0.1
    assert max(more) > 0.1


def test_cutout_makes_a_square_black() -> None:
    split = split_of()
    black = split.inputs[0].min()
    for words, before, after in changes_of("cutout=3", split):
        top, left = (int(n) for n in np.floor(share(words, 7, 8)[0] * [7, 5]))
        expected = before.copy()
        expected[top : top + 3, left : left + 3] = black
        assert np.array_equal(after, expected)


def test_noise_is_normal_and_different_everywhere() -> None:
    grey = np.full((40, 16, 16, 3), 0.5, np.float32)
    grey[0, 0, 0], grey[0, 0, 1] = 0, 1
    split = Split((grey,), (np.arange(40) % 2,))
    noise = np.stack([a - b for _, b, a in changes_of("noise=0.1", split)])[1:]
    inner = noise[np.abs(noise) < 0.49]
    assert abs(inner.mean()) < 0.002
    assert inner.std() == pytest.approx(0.1, rel=0.02)
    kurtosis = ((inner - inner.mean()) ** 4).mean() / inner.var() ** 2
    assert kurtosis == pytest.approx(3, abs=0.15)
    flat = noise.reshape(len(noise), -1)
    correlated = np.corrcoef(flat) - np.eye(len(flat))
    assert np.abs(correlated).max() < 0.2
    again = np.stack([a - b for _, b, a in changes_of("noise=0.1", split, epoch=1)])[1:]
    assert not np.array_equal(again, noise)


def test_a_change_draws_the_same_beside_others() -> None:
    """The flip and the shift of a picture do not depend on what else is done to it."""
    split = split_of()
    alone = pipeline("flip, shift=1", split).batch(0, 0).inputs[0]
    with_more = pipeline("flip, shift=1, cutout=1", split).batch(0, 0).inputs[0]
    differ = (alone != with_more).any(axis=-1).sum(axis=(1, 2))
    assert differ.max() == 1


def test_changes_are_made_in_their_order() -> None:
    split = split_of()
    first = pipeline("cutout=3, shift=2", split).batch(0, 0)
    second = pipeline("shift=2, cutout=3", split).batch(0, 0)
    assert first.fingerprint != second.fingerprint


def test_all_pictures_of_an_example_change_alike() -> None:
    pictures = split_of().inputs[0]
    split = Split((pictures, pictures[..., :1]), (np.arange(50) % 2,))
    left, right = pipeline("flip, shift=2, rotate=5", split).batch(0, 0).inputs
    assert np.array_equal(left[..., :1], right)


def test_seeds_epochs_and_examples_differ() -> None:
    same = np.broadcast_to(split_of().inputs[0][:1], (30, 9, 7, 3)).copy()
    split = Split((same,), (np.arange(30) % 2,))
    made = [
        pipeline("rotate=20", split, size=30, seed=seed).batch(epoch, 0).inputs[0]
        for seed, epoch in ((0, 0), (0, 1), (1, 0))
    ]
    assert len({picture.tobytes() for batch in made for picture in batch}) == 90


def tasks() -> int:
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208


def workers() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "opgraph-batches"]


def settled(count: Callable[[], int], most: int) -> bool:
    """Whether so few are left, soon."""
    for _ in range(100):
        if count() <= most:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("text", ["", ALL])
def test_threads_end_when_it_is_closed(text: str) -> None:
    source = pipeline(text)
    some(source, 2)
    before = tasks()
    for _ in range(5):
        some(source, 3)
    assert workers() == []
    assert settled(tasks, before)


def test_threads_end_at_the_end_and_when_forgotten() -> None:
    assert len(list(pipeline().read(epochs=2))) == 8
    for turn in pipeline().read():
        assert turn.epoch == 0
        break
    assert settled(lambda: len(workers()), 0)


def failing(source: Pipeline) -> None:
    with contextlib.closing(source.read()) as turns:
        next(turns)
        raise KeyboardInterrupt


@pytest.mark.parametrize("text", ["", ALL])
def test_threads_end_on_exceptions(text: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        failing(pipeline(text))
    assert workers() == []


@pytest.mark.parametrize("text", ["", ALL])
def test_errors_of_the_thread_arrive_where_batches_are_taken(text: str) -> None:
    """Fewer labels than examples: the gathering fails in the thread."""
    split = split_of()
    broken = Split(split.inputs, (split.labels[0][:10],))
    with pytest.raises(IndexError, match="out of bounds"):
        some(pipeline(text, broken), 4)
    assert workers() == []


def test_batches_wait_ready() -> None:
    """Four batches are made while the step computes, no more."""
    split = split_of(200)
    with contextlib.closing(pipeline(split=split, ahead=4).read()) as turns:
        next(turns)
        time.sleep(0.3)
        waits = []
        for _ in range(4):
            started = time.perf_counter()
            next(turns)
            waits.append(time.perf_counter() - started)
    assert min(waits) < 0.005


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"size": 0}, "batch_size: expected a positive number, received 0"),
        ({"threads": 0}, "threads: expected a positive number, received 0"),
        ({"ahead": -1}, "ahead: expected a positive number, received -1"),
    ],
)
def test_numbers_are_positive(named: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        pipeline(**named)


def test_no_batches_in_an_epoch() -> None:
    assert list(pipeline(size=64, drop_last=True).read(epochs=3)) == []
    assert list(pipeline(size=64, drop_last=True).read()) == []
