"""The orders of axes in which one tensor may stand in two models: channels last and first.

Knows shapes alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from opgraph.record import Array

# Channels last to channels first, and back; of rank three to five.
ORDERS = {
    3: ((0, 2, 1),),
    4: ((0, 3, 1, 2), (0, 2, 3, 1)),
    5: ((0, 4, 1, 2, 3), (0, 2, 3, 4, 1)),
}


def fitting(left: tuple[int, ...], right: tuple[int, ...]) -> Iterator[tuple[int, ...] | None]:
    """Orders in which a tensor of the first shape has the second; None for as it is.

    >>> list(fitting((2, 8, 8, 3), (2, 3, 8, 8)))
    [(0, 3, 1, 2)]
    """
    if left == right:
        yield None
    for order in ORDERS.get(len(left), ()):
        if len(right) == len(left) and tuple(left[axis] for axis in order) == right:
            yield order


def to_second(array: Array, order: tuple[int, ...] | None) -> Array:
    """A tensor of the first model with its axes as the second has them."""
    return array if order is None else array.transpose(order)


def to_first(array: Array, order: tuple[int, ...] | None) -> Array:
    """A tensor of the second model with its axes as the first has them."""
    return array if order is None else array.transpose(tuple(np.argsort(order)))
