"""Choosing elements of a tensor by a text such as `0, 3, :, -1`.

Owns that small language: whole numbers, slices, `:` and `...`. Nothing is evaluated.
"""

from __future__ import annotations

import re

from opgraph.errors import RunError
from opgraph.record.quantities import Array

Part = int | slice
EXPECTED = "expected numbers, slices and ... joined by commas, such as 0,3:5,:,-1"
_PART = re.compile(
    r"(?P<only>[+-]?\d{1,18})|(?P<a>[+-]?\d{1,18})?:(?P<b>[+-]?\d{1,18})?(:(?P<c>[+-]?\d{1,18})?)?"
)


def parse_index(text: str, rank: int) -> tuple[Part, ...]:
    """One number or slice for each axis.

    Args:
        text: the parts, joined by commas; `...` stands for as many `:` as are missing, and so does
            the end.
        rank: axes of the tensor.

    Raises:
        RunError: it cannot be read, or has too many parts.

    >>> parse_index("0, ..., 3:5", 4)
    (0, slice(None, None, None), slice(None, None, None), slice(3, 5, None))
    """
    words = [word.strip() for word in text.strip().strip("[]").split(",")]
    if words[-1] == "" and len(words) > 1:
        words.pop()
    if words.count("...") > 1:
        raise _unreadable(text, "... stands twice")
    gap = words.index("...") if "..." in words else len(words)
    before, after = [
        [_part(word, text) for word in some] for some in (words[:gap], words[gap + 1 :])
    ]
    free = rank - len(before) - len(after)
    if free < 0:
        raise _unreadable(text, f"{len(before) + len(after)} parts for {rank} axes")
    return (*before, *[slice(None)] * free, *after)


def take_index(array: Array, text: str) -> tuple[Array, tuple[int, ...]]:
    """The chosen elements, and which axes are left.

    Raises:
        RunError: the index cannot be read or does not fit the shape.
    """
    parts = parse_index(text, array.ndim)
    for axis, (part, size) in enumerate(zip(parts, array.shape, strict=True)):
        if isinstance(part, int) and not -size <= part < size:
            raise RunError(
                f"axis {axis} has {size} elements, received {part}",
                where=f"index {text!r}",
                hint=f"the shape is {array.shape}",
            )
    left = tuple(axis for axis, part in enumerate(parts) if isinstance(part, slice))
    return array[parts], left


def _part(word: str, text: str) -> Part:
    found = _PART.fullmatch(word)
    if found is None:
        raise _unreadable(text, f"received {word!r}")
    if found["only"] is not None:
        return int(found["only"])
    start, stop, step = (None if found[n] is None else int(found[n]) for n in "abc")
    if step == 0:
        raise _unreadable(text, "a slice cannot have steps of 0")
    return slice(start, stop, step)


def _unreadable(text: str, why: str) -> RunError:
    return RunError(f"{EXPECTED}; {why}", where=f"index {text!r}")
