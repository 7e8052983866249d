"""What inputs must be before the first step: of the right shape, and finite.

Owns these checks and their messages; must not know where the data come from. Labels are checked in
`label_check`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise, zip_longest

import numpy as np

from opgraph.errors import DataError
from opgraph.ops import Shape
from opgraph.runtime.data.result import Array, Part, Wanted

CHUNK = 1 << 22


def problems(part: Part, wanted: tuple[Wanted, ...]) -> Iterator[DataError]:
    """What is wrong with the inputs and the counts, one error for each array concerned."""
    empty = [place for place, n in _counts(part) if n == 0]
    if empty:
        yield DataError("there are no examples", where=empty[0])
        return
    yield from _unequal(part)
    for array, place, input_ in zip(part.inputs, part.places, wanted, strict=True):
        found = _shape(array, place, input_) or _numbers(array, place, input_)
        if found:
            yield found


def _counts(part: Part) -> list[tuple[str, int]]:
    arrays = (*part.inputs, *part.labels)
    places = (*part.places, *part.label_places)
    return [(place, len(array)) for place, array in zip(places, arrays, strict=True)]


def _unequal(part: Part) -> Iterator[DataError]:
    for (first, n), (second, m) in pairwise(_counts(part)):
        if n != m:
            yield DataError(
                f"{m:,} examples, but {first} has {n:,}",
                where=second,
                hint="each example needs one entry in every array and one label",
            )
            return


def fits(shape: tuple[int, ...], wanted: Shape) -> bool:
    """Whether a shape is one that an input takes; None takes any size.

    >>> fits((5, 3), (None, 3)), fits((5, 3), (5, 3, 1))
    (True, False)
    """
    pairs = zip_longest(shape, wanted, fillvalue=-1)
    return all((asked is None and size != -1) or size == asked for size, asked in pairs)


def _shape(array: Array, place: str, wanted: Wanted) -> DataError | None:
    shape = array.shape[1:]
    if fits(shape, wanted.shape):
        return None
    return DataError(
        f"examples of shape {shape} do not fit input {wanted.name!r} of shape {wanted.shape}",
        where=place,
        node=wanted.name,
        hint=f"reshape the data, or change the input: --set '{wanted.name}.shape={shape}'",
    )


def _numbers(array: Array, place: str, wanted: Wanted) -> DataError | None:
    if array.dtype.kind not in "biuf":
        problem = f"holds {array.dtype}, but input {wanted.name!r} takes numbers"
        return DataError(problem, where=place, node=wanted.name)
    for tell, what, hint in _tests(array, wanted):
        bad = Bad.among(array, tell)
        if bad:
            return bad.error(place, wanted, what, hint)
    return None


def _tests(array: Array, wanted: Wanted) -> Iterator[tuple[Callable[[Array], Array], str, str]]:
    """What marks numbers that cannot be used, what they are, and what to do about them."""
    if array.dtype.kind == "f":
        yield _is_not_finite, "NaN or infinite", "correct them, or leave these examples out"
    if array.dtype.kind == "f" and wanted.is_integer:
        yield _is_not_whole, f"not whole, but the input takes {wanted.dtype}", "round them"
    if wanted.vocabulary is not None or not np.can_cast(array.dtype, wanted.dtype):
        low, high = _limits(wanted)
        yield (lambda block: (block < low) | (block > high), *_limit_text(wanted, high))


def _limits(wanted: Wanted) -> tuple[float, float]:
    if wanted.vocabulary is not None:
        return 0, wanted.vocabulary - 1
    if wanted.is_integer:
        limits = np.iinfo(wanted.dtype)
        return int(limits.min), int(limits.max)
    return float(np.finfo(wanted.dtype).min), float(np.finfo(wanted.dtype).max)


def _limit_text(wanted: Wanted, high: float) -> tuple[str, str]:
    if wanted.vocabulary is not None:
        reader = f"the Embedding behind input {wanted.name!r} has input_dim={wanted.vocabulary}"
        return f"outside 0..{high}: {reader}", "raise input_dim, or map rare tokens to one number"
    return f"beyond the range of {wanted.dtype}", "change the input's dtype, or scale the numbers"


def _is_not_finite(block: Array) -> Array:
    return ~np.isfinite(block)


def _is_not_whole(block: Array) -> Array:
    return block != np.rint(block)


@dataclass(frozen=True, slots=True)
class Bad:
    """Numbers that cannot be used: how many of how many, the first one and where it is."""

    count: int
    total: int
    first: tuple[int, ...]
    value: object

    @classmethod
    def among(cls, array: Array, tell: Callable[[Array], Array]) -> Bad | None:
        """The numbers that `tell` marks, looked for block by block to save memory."""
        rows = max(1, CHUNK // max(1, array[:1].size))
        count, first = 0, None
        for start in range(0, len(array), rows):
            marked = tell(array[start : start + rows])
            found = int(np.count_nonzero(marked))
            if found and first is None:
                index = np.unravel_index(int(marked.argmax()), marked.shape)
                first = (start + int(index[0]), *(int(i) for i in index[1:]))
            count += found
        return None if first is None else cls(count, array.size, first, array[first].item())

    def labels_error(self, place: str, output: str, what: str, hint: str) -> DataError:
        """The error that says so of labels."""
        verb = "is" if self.count == 1 else "are"
        return DataError(
            f"{self.count:,} of {self.total:,} labels {verb} {what}; the first, {self.value!r}, is"
            f" at {list(self.first)}",
            where=place,
            node=output or None,
            hint=hint,
        )

    def error(self, place: str, wanted: Wanted, what: str, hint: str) -> DataError:
        """The error that says so of an input."""
        verb = "is" if self.count == 1 else "are"
        return DataError(
            f"{self.count:,} of {self.total:,} numbers {verb} {what}; the first, {self.value!r},"
            f" is at {list(self.first)}",
            where=place,
            node=wanted.name,
            hint=hint,
        )
