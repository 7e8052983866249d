"""Rules about stored numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from opgraph.rules.registry import Example, Hit, rule
from opgraph.rules.view import Known, View

_KERNEL = np.arange(12.0).reshape(4, 3)
_TWINS = Known(arrays={"a": {"kernel": _KERNEL}, "b": {"kernel": _KERNEL}})
_OWN = Known(arrays={"a": {"kernel": _KERNEL}, "b": {"kernel": _KERNEL + 1}})


@rule(
    "OG601",
    "the same weights stored twice",
    severity="warning",
    why="The file and the memory hold the same numbers more than once. In an export it is a shared"
    " layer that was written out for each of its uses; in a training the copies drift apart.",
    fix="Let the second node share the weights of the first (`b = a` in an edge list), or export"
    " with weights shared.",
    example=Example(
        bad="x: Input(shape=(4,)) -> a: Dense(units=3)\ny: Input(shape=(4,)) -> b: Dense(units=3)\n"
        "a, b -> sum: Add",
        good="x: Input(shape=(4,)) -> a: Dense(units=3)\n"
        "y: Input(shape=(4,)) -> b: Dense(units=3)\na, b -> sum: Add",
        known=_TWINS,
        good_known=_OWN,
        said="the kernels of `a` and `b` hold the same numbers",
        good_said="the kernels of `a` and `b` hold different numbers",
    ),
)
def duplicated_weights(view: View) -> Iterator[Hit]:
    """Arrays with the same bytes at nodes that do not share; constant arrays do not count."""
    seen: dict[tuple[Any, ...], tuple[str, str]] = {}
    for name, arrays in view.known.arrays.items():
        if name not in view.graph:
            continue
        for weight, array in arrays.items():
            if (key := _fingerprint(array)) is None:
                continue
            other, other_weight = seen.setdefault(key, (name, weight))
            if view.graph.owner(other) != view.graph.owner(name):
                yield Hit(name, f"its {weight} holds the numbers of {other_weight} of {other!r}")


def _fingerprint(array: Any) -> tuple[Any, ...] | None:
    """What two arrays have in common if they are equal; None for all the same number."""
    array = np.asarray(array)
    if array.size < 2 or bool((array == array.flat[0]).all()):
        return None
    digest = hashlib.blake2b(np.ascontiguousarray(array).tobytes(), digest_size=16).digest()
    return array.shape, str(array.dtype), digest
