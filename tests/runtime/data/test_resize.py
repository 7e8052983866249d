"""Enlarging and shrinking, against Pillow, and against arithmetic by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from opgraph.runtime.data.resize import recolor, resize

SIDES = st.integers(1, 40)


@given(old=st.tuples(SIDES, SIDES), new=st.tuples(SIDES, SIDES), seed=st.integers(0, 99))
@settings(deadline=None)
def test_agrees_with_pillow(old: tuple[int, int], new: tuple[int, int], seed: int) -> None:
    picture = np.random.default_rng(seed).random(old, np.float32)
    theirs = Image.fromarray(picture).resize(new[::-1], Image.Resampling.BILINEAR)
    ours = resize(picture[..., None], *new)[..., 0]
    assert np.abs(ours - np.asarray(theirs)).max() < 3e-7


def test_doubling_mixes_neighbours_three_to_one() -> None:
    row = np.array([0.0, 4.0, 8.0])[None, :, None]
    assert resize(row, 1, 6).ravel().tolist() == [0, 1, 3, 5, 7, 8]


def test_halving_averages_with_a_triangle() -> None:
    row = np.array([0.0, 0.0, 8.0, 0.0, 0.0, 0.0])[None, :, None]
    # Output pixel 1 lies between pixels 2 and 3 and weighs pixels 1 to 4 by 1, 3, 3, 1.
    assert resize(row, 1, 3).ravel()[1] == 3.0


@given(value=st.floats(0, 1), old=SIDES, new=SIDES, by_area=st.booleans())
@settings(deadline=None)
def test_even_pictures_stay_even(value: float, old: int, new: int, by_area: bool) -> None:
    even = np.full((old, old, 1), value)
    assert resize(even, new, new, by_area=by_area) == pytest.approx(value, abs=1e-12)


@given(old=SIDES, new=SIDES, seed=st.integers(0, 99))
@settings(deadline=None)
def test_shrinking_by_area_counts_the_ink(old: int, new: int, seed: int) -> None:
    """Each pixel is cut into `new` equal parts, and each output pixel gathers `old` of them."""
    row = np.random.default_rng(seed).random(old)
    ours = resize(row[None, :, None], 1, new, by_area=True).ravel()
    if new < old:
        assert ours == pytest.approx(np.repeat(row, new).reshape(new, old).mean(1))
    else:
        assert np.array_equal(ours, resize(row[None, :, None], 1, new).ravel())


def test_batches_and_channels_are_resized_alike() -> None:
    pictures = np.random.default_rng(0).random((3, 5, 7, 2))
    together = resize(pictures, 9, 4)
    for n in range(3):
        for c in range(2):
            alone = resize(pictures[n, :, :, c : c + 1], 9, 4)[..., 0]
            assert np.array_equal(together[n, :, :, c], alone)


def test_same_size_changes_nothing() -> None:
    picture = np.random.default_rng(0).random((4, 5, 1))
    assert np.array_equal(resize(picture, 4, 5), picture)


def test_grey_is_repeated_and_colour_weighed() -> None:
    grey = np.array([[[0.5]]])
    assert recolor(grey, 3).tolist() == [[[0.5, 0.5, 0.5]]]
    colour = np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8)
    theirs = np.asarray(Image.fromarray(colour).convert("L"), np.float64)
    assert np.abs(recolor(colour, 1)[..., 0] - theirs).max() <= 0.51
    assert recolor(colour, 4) is None


@pytest.mark.tf
def test_enlarging_agrees_with_tensorflow() -> None:
    import tensorflow as tf

    pictures = np.random.default_rng(0).random((2, 8, 8, 1), np.float32)
    for size in ((32, 32), (28, 28), (9, 17)):
        theirs = tf.image.resize(pictures, size, "bilinear").numpy()
        assert np.abs(resize(pictures, *size) - theirs).max() < 1e-6
