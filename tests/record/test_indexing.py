"""The small language of indices: what NumPy means by it, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opgraph.errors import RunError
from opgraph.record import parse_index, take_index

ARRAY = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
WORDS = [":", "0", "1", "-1", "1:", ":-1", "::2", "::-1", "5:2", "-2:"]


@given(st.lists(st.sampled_from([*WORDS, "..."]), max_size=4))
def test_what_numpy_means_by_it(words: list[str]) -> None:
    if words.count("...") > 1:
        return
    text = ", ".join(words)
    found, axes = take_index(ARRAY, text or "...")
    wanted = eval(f"ARRAY[{text or '...'}]")
    np.testing.assert_array_equal(found, wanted)
    assert len(axes) == wanted.ndim


def test_axes_that_are_left() -> None:
    assert take_index(ARRAY, "[1, ..., 2]")[1] == (1, 2)
    assert take_index(ARRAY, "1,2,3,4")[0] == 119
    assert parse_index("3,", 2) == (3, slice(None))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,0,0,0,0", "5 parts for 4 axes"),
        ("a", "received 'a'"),
        ("", "received ''"),
        ("0,,1", "received ''"),
        ("1.5", "received '1.5'"),
        ("0:1:2:3", "received '0:1:2:3'"),
        ("...,...", "... stands twice"),
        ("::0", "a slice cannot have steps of 0"),
        ("__import__('os')", "received \"__import__('os')\""),
        ("9" * 30, f"received '{'9' * 30}'"),
    ],
)
def test_what_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(RunError) as caught:
        take_index(ARRAY, text)
    expected = "expected numbers, slices and ... joined by commas, such as 0,3:5,:,-1"
    assert str(caught.value) == f"index {text!r}: {expected}; {message}"


def test_what_does_not_fit() -> None:
    with pytest.raises(RunError) as caught:
        take_index(ARRAY, "0,-4")
    assert str(caught.value) == (
        "index '0,-4': axis 1 has 3 elements, received -4\n   the shape is (2, 3, 4, 5)"
    )
