"""Labels as class ids.

Owns the step from what a file holds (numbers, names) to ids from 0 and class names; must not know
where the labels stand.
"""

from __future__ import annotations

import numpy as np

from opgraph.errors import DataError
from opgraph.runtime.data.result import Array


def encode(labels: Array, place: str) -> tuple[Array, tuple[str, ...] | None]:
    """Whole numbers as they are, without names; names of classes as their rank in sorted order.

    >>> encode(np.array(["cat", "ant", "cat"]), "y")
    (array([1, 0, 1]), ('ant', 'cat'))

    Raises:
        DataError: the labels are neither.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(
            f"labels have shape {labels.shape}; one whole number or name for each example is"
            " expected",
            where=place,
            hint="one-hot labels become class ids by labels.argmax(axis=1)",
        )
    if labels.dtype.kind in "US":
        names, ids = np.unique(labels.astype(str), return_inverse=True)
        return ids, tuple(str(name) for name in names)
    return _whole(labels, place), None


def _whole(labels: Array, place: str) -> Array:
    if labels.dtype.kind in "biu":
        return labels.astype(np.int64)
    if labels.dtype.kind == "f":
        broken = np.flatnonzero(~(np.isfinite(labels) & (labels == np.rint(labels))))
        if not len(broken):
            return labels.astype(np.int64)
        problem = f"label {labels[broken[0]].item()!r} at example {broken[0]} is not a whole number"
        raise DataError(problem, where=place, hint="classes are numbered 0, 1, 2, ... or named")
    raise DataError(
        f"labels hold {labels.dtype}; whole numbers or names are expected", where=place
    )


def named(class_names: tuple[str, ...] | None, num_classes: int) -> tuple[str, ...]:
    """One name for each class; those without one are called by their number.

    >>> named(("cat", "dog"), 3)
    ('cat', 'dog', '2')
    """
    known = class_names or ()
    return (*known, *(str(number) for number in range(len(known), num_classes)))
