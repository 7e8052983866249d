"""The inputs that both models are given: real ones or drawn ones, as each of the two takes them.

Owns how inputs of two models are paired and laid out; knows no runtime.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from opgraph.errors import ParityError
from opgraph.parity.axes import fitting, to_second
from opgraph.parity.model import Runner, Shape, Tensor
from opgraph.record import Array

UNKNOWN_AXIS = 16
MOST_INDEX = 2


@dataclass(frozen=True, eq=False)
class Feeds:
    """One batch for both models."""

    left: Mapping[str, Array]
    right: Mapping[str, Array]
    examples: int


def drawn(runner: Runner, examples: int, seed: int) -> list[Array]:
    """A batch drawn from a normal distribution; small whole numbers where integers are wanted."""
    rng = np.random.default_rng(seed)
    return [_draw(tensor, examples, rng) for tensor in runner.inputs]


def _draw(tensor: Tensor, examples: int, rng: np.random.Generator) -> Array:
    shape = [
        (examples if axis == 0 else UNKNOWN_AXIS) if size is None else size
        for axis, size in enumerate(tensor.shape or (None,))
    ]
    if tensor.dtype.startswith(("int", "uint")) and tensor.scale is None:
        return rng.integers(0, MOST_INDEX, shape).astype(tensor.dtype)
    return rng.standard_normal(shape).astype(np.float32)


def batches_of(arrays: Sequence[Array], size: int, count: int | None) -> Iterator[list[Array]]:
    """Given arrays in batches along their first axis; a last one that is not full is left out.

    Raises:
        ParityError: they do not have the same number of examples, or too few.
    """
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1:
        raise ParityError(f"inputs have different numbers of examples: {sorted(lengths)}")
    length = lengths.pop()
    if length < size:
        raise ParityError(f"{length} examples are fewer than one batch of {size}")
    starts = range(0, length - size + 1, size)
    for start in starts if count is None else starts[:count]:
        yield [array[start : start + size] for array in arrays]


def pair(left: Runner, right: Runner, arrays: Sequence[Array]) -> Feeds:
    """A batch as both models take it.

    Raises:
        ParityError: the models have different inputs, or the arrays do not fit.
    """
    if len(left.inputs) != len(right.inputs):
        raise ParityError(
            f"{left.title} has {len(left.inputs)} inputs, {right.title} has {len(right.inputs)}"
        )
    if len(arrays) != len(left.inputs):
        raise ParityError(f"{len(left.inputs)} inputs are needed, {len(arrays)} are given")
    theirs = _paired(left.inputs, right.inputs)
    return Feeds(
        {t.name: _as(a, t.dtype) for t, a in zip(left.inputs, arrays, strict=True)},
        {t.name: _as(_laid_out(a, t), t.dtype) for t, a in zip(theirs, arrays, strict=True)},
        len(arrays[0]),
    )


def _paired(left: Sequence[Tensor], right: Sequence[Tensor]) -> list[Tensor]:
    """Inputs of the second in the order of the first: by name if all are found, else as listed."""
    words = {tensor.name.split(":")[0].split("/")[-1]: tensor for tensor in right}
    for prefix in ("serving_default_", ""):
        found = {name.removeprefix(prefix): tensor for name, tensor in words.items()}
        if all(tensor.name in found for tensor in left):
            return [found[tensor.name] for tensor in left]
    return list(right)


def _laid_out(array: Array, tensor: Tensor) -> Array:
    if tensor.shape is None or _accepts(tensor.shape, array.shape):
        return array
    for axis_order in fitting(array.shape, _filled(tensor.shape, array.shape)):
        return to_second(array, axis_order)
    raise ParityError(
        f"input {tensor.name} wants {_words(tensor.shape)}, received {_words(array.shape)}"
    )


def _accepts(wanted: Shape, shape: tuple[int, ...]) -> bool:
    return len(wanted) == len(shape) and all(
        w is None or w == s for w, s in zip(wanted, shape, strict=True)
    )


def _filled(wanted: Shape, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(shape[0] if w is None and axis == 0 else w or 0 for axis, w in enumerate(wanted))


def _words(shape: Shape) -> str:
    return "x".join("?" if axis is None else str(axis) for axis in shape)


def _as(array: Array, dtype: str) -> Array:
    return array if dtype in ("int8", "uint8") else array.astype(dtype, copy=False)
