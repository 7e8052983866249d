"""Labels as class ids.

Owns the step from what a file holds (numbers, names) to ids from 0 and class names; must not know
where the labels stand.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from opgraph.errors import DataError
from opgraph.runtime.data.result import Array


def encode(parts: Sequence[tuple[Array, str]]) -> tuple[list[Array], tuple[str, ...] | None]:
    """Whole numbers as they are, without names; names of classes as their rank in sorted order.

    Args:
        parts: labels (of train and test) and where they stand.

    >>> encode([(np.array(["cat", "ant", "cat"]), "y")])
    ([array([1, 0, 1])], ('ant', 'cat'))

    Raises:
        DataError: the labels are neither.
    """
    rows = [_row(labels, place) for labels, place in parts]
    if not any(labels.dtype.kind in "US" for labels in rows):
        places = [place for _, place in parts]
        return [_whole(labels, place) for labels, place in zip(rows, places, strict=True)], None
    texts = [_text(labels) for labels in rows]
    names, ids = np.unique(np.concatenate(texts), return_inverse=True)
    cuts = np.cumsum([len(labels) for labels in rows])[:-1]
    return list(np.split(ids, cuts)), tuple(str(name) for name in names)


def _row(labels: Array, place: str) -> Array:
    if labels.ndim == 2 and labels.shape[1] == 1:
        return labels[:, 0]
    if labels.ndim == 1:
        return labels
    raise DataError(
        f"labels have shape {labels.shape}; one whole number or name for each example is expected",
        where=place,
        hint="one-hot labels become class ids by labels.argmax(axis=1)",
    )


def _text(labels: Array) -> Array:
    if labels.dtype.kind == "S":
        return np.char.decode(labels, "utf-8", "replace")
    return labels.astype(np.str_)


def _whole(labels: Array, place: str) -> Array:
    if labels.dtype.kind in "biu":
        return labels.astype(np.int64)
    if labels.dtype.kind == "f":
        broken = np.flatnonzero(~(np.isfinite(labels) & (labels == np.rint(labels))))
        if not len(broken):
            return labels.astype(np.int64)
        problem = f"label {labels[broken[0]].item()!r} at example {broken[0]} is not a whole number"
        raise DataError(problem, where=place, hint="classes are numbered 0, 1, 2, ... or named")
    raise DataError(f"labels hold {labels.dtype}; whole numbers or names are expected", where=place)


def named(class_names: tuple[str, ...] | None, num_classes: int) -> tuple[str, ...]:
    """One name for each class; those without one are called by their number.

    >>> named(("cat", "dog"), 3)
    ('cat', 'dog', '2')
    """
    known = class_names or ()
    return (*known, *(str(number) for number in range(len(known), num_classes)))
