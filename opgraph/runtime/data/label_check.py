"""What labels must be before the first step: in range, finite, and worth learning.

Owns these checks and their messages; the shapes are seen to in `labels`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from opgraph.errors import DataError
from opgraph.runtime.data.check import Bad
from opgraph.runtime.data.result import Array, Target

LARGEST = float(np.finfo(np.float32).max)


def wrong_labels(target: Target, labels: Array, place: str, owner: str) -> DataError | None:
    """What is wrong with the labels of an output; None if they can be used.

    Args:
        target: what they are to be.
        labels: ids, or numbers.
        place: where they stand.
        owner: whose classes they are, in words.
    """
    if target.kind == "classes":
        return _outside(target, labels, place, owner)
    if target.kind == "flags":
        bad = Bad.among(labels, lambda block: (block != 0) & (block != 1))
        hint = "flags are 0 (no) or 1 (yes); classes need a softmax, numbers a linear output"
        return bad and bad.labels_error(place, target.output, "neither 0 nor 1", hint)
    bad = labels.dtype.kind == "f" and Bad.among(labels, lambda block: ~np.isfinite(block))
    if bad:
        hint = "correct them, or leave these examples out"
        return bad.labels_error(place, target.output, "NaN or infinite", hint)
    bad = Bad.among(labels, lambda block: (block < -LARGEST) | (block > LARGEST))
    hint = "scale the numbers"
    return bad and bad.labels_error(place, target.output, "beyond the range of float32", hint)


def _outside(target: Target, labels: Array, place: str, owner: str) -> DataError | None:
    classes = target.num_classes or 0
    bad = Bad.among(labels, lambda ids: (ids < 0) | (ids >= classes))
    what = f"outside 0..{classes - 1}, the {classes} classes of {owner}"
    hint = "number the classes from 0, or give the last layer one unit a class"
    return bad and bad.labels_error(place, target.output, what, hint)


def one_class(target: Target, labels: Array, place: str) -> DataError | None:
    """An error for examples to train on that are all of one class."""
    if target.kind != "classes" or labels.min() != labels.max():
        return None
    first = int(labels.reshape(-1)[0])
    name = target.class_names[first] if first < len(target.class_names) else str(first)
    shown = str(first) if name == str(first) else f"{first} ({name!r})"
    return DataError(
        f"all {labels.size:,} labels are {shown}; there is nothing to tell apart",
        where=place,
        node=target.output or None,
        hint="a classifier needs examples of at least two classes",
    )


def warnings(target: Target, labels: Array, place: str) -> Iterator[str]:
    """What can be trained on but will teach nothing, as sentences."""
    if target.kind == "classes":
        return
    columns = labels.reshape(len(labels), -1)
    same = np.flatnonzero(columns.min(axis=0) == columns.max(axis=0))
    if not len(same):
        return
    what = "number" if target.kind == "numbers" else "flag"
    first = columns[0, same[0]].item()
    if columns.shape[1] == 1:
        yield f"{place}: all {len(labels):,} labels are {first!r}; there is nothing to learn"
        return
    verb = "is" if len(same) == 1 else "are"
    yield (
        f"{place}: {len(same)} of {columns.shape[1]} {what}s {verb} the same in all examples, the"
        f" first in column {same[0]} ({first!r}); there is nothing to learn from"
        f" {'it' if len(same) == 1 else 'them'}"
    )
