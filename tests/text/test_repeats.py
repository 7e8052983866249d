"""Calls that a text repeats are recognised by their text; what comes of it must be the same."""

import pytest

from opgraph.errors import OpgraphError
from opgraph.text import parse


def test_a_repeated_call_gives_the_same_node():
    text = "x: Input(shape=(8,8,3))\nx -> a: Conv2D(filters=4, kernel_size=3x3)"
    again = (
        text + " -> b: Conv2D(filters=4, kernel_size=3x3) -> c: Conv2D(filters=4, kernel_size=3)"
    )
    graph = parse(again)
    assert graph["a"].given == graph["b"].given == {"filters": 4, "kernel_size": (3, 3)}
    assert graph["c"].given == {"filters": 4, "kernel_size": (3, 3)}


def test_errors_in_a_repeated_call_have_their_own_places():
    text = "x: Input(shape=(8,8,3)) -> a: Conv2D(filter=4)\na -> b: Conv2D(filter=4)\n"
    text += "b -> c: Conv2D(filter=4)"
    with pytest.raises(OpgraphError) as caught:
        parse(text)
    places = [(error.place.line, error.place.column) for error in caught.value.errors]
    assert places == [(1, 38), (2, 16), (3, 16)]


def test_what_follows_a_repeated_call_still_counts():
    graph = parse(
        "x: Input(shape=(8,8,3)) -> a: Conv2D(filters=4) -> b: Conv2D(filters=4)[use_bias=false]"
        " -> c[strides=2]: Conv2D(filters=4)"
    )
    assert graph["a"].given == {"filters": 4}
    assert graph["b"].given == {"filters": 4, "use_bias": False}
    assert graph["c"].given == {"filters": 4, "strides": (2, 2)}


def test_a_setting_given_twice_is_seen_in_a_repeated_call():
    text = "x: Input(shape=(8,8,3)) -> a: Conv2D(filters=4) -> b[filters=5]: Conv2D(filters=4)"
    with pytest.raises(OpgraphError, match="filters"):
        parse(text)
