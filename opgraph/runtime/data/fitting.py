"""Arrays fitted to the inputs of a network, whether they come from a file or from memory.

Owns what is done to bytes and to pictures without a channel, and what arrays say about a network;
must not know where the arrays stand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from opgraph.ops import Shape
from opgraph.runtime.data.result import Array, Found, Kind, Part, Request, Wanted

PICTURE_WHITE = 255.0
Names = tuple[tuple[str, ...] | None, ...]


def fitted(
    request: Request, parts: Sequence[Part], names: Names, facts: Mapping[str, Any]
) -> Found:
    """Parts (all, or train and test) as a source hands them on, with notes of what was done."""
    wanted = request.wanted
    notes = tuple(_note(w, a) for w, a in zip(wanted, parts[0].inputs, strict=True))
    done = [replace(part, inputs=_fit(part.inputs, wanted)) for part in parts]
    test = done[1] if len(done) == 2 else None
    divisors = tuple(note["divided_by"] for note in notes)
    return Found(done[0], test, notes, names, facts, divisors=divisors)


def example_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[Shape, str]:
    """Shape and type of an example; bytes in two axes are a grey picture, (H, W, 1).

    >>> example_of((60, 28, 28), np.dtype("uint8"))
    ((28, 28, 1), 'float32')
    """
    shape = shape[1:]
    if dtype == np.uint8 and len(shape) > 1:
        return (shape if len(shape) > 2 else (*shape, 1)), "float32"
    return shape, "int32" if dtype.kind in "iu" else "float32"


def tell(labels: Array) -> tuple[Kind, int | None]:
    """What labels look like, and the number of classes: names and whole numbers are classes.

    Fractions are numbers, and so are several whole numbers a row; rows of 0 and 1 are classes when
    each has a single 1, else flags.

    >>> tell(np.array([0, 2, 1])), tell(np.array([0.5, 2.0]))
    (('classes', 3), ('numbers', None))
    >>> tell(np.eye(4)), tell(np.array([[0, 1, 1], [1, 0, 0]]))
    (('classes', 4), ('flags', None))
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.dtype.kind in "US":
        return "classes", len(np.unique(labels))
    if labels.dtype.kind not in "biuf" or not labels.size:
        return "classes", None
    finite = labels[np.isfinite(labels)]
    if (finite != np.rint(finite)).any():
        return "numbers", None
    if labels.ndim == 1:
        return "classes", int(labels.max()) + 1 if finite.size == labels.size else None
    if not ((labels == 0) | (labels == 1)).all():
        return "numbers", None
    if (np.count_nonzero(labels, axis=-1) == 1).all():
        return "classes", labels.shape[-1]
    return "flags", None


def _is_picture(wanted: Wanted, array: Array) -> bool:
    """Bytes in two or more axes for an input that takes fractions: pixels from 0 to 255."""
    return array.dtype == np.uint8 and array.ndim > 2 and not wanted.is_integer


def _note(wanted: Wanted, array: Array) -> dict[str, Any]:
    return {
        "kind": "arrays",
        "divided_by": PICTURE_WHITE if _is_picture(wanted, array) else 1.0,
        "channels": "axis added" if _lacks_channel(wanted, array) else "as they are",
    }


def _lacks_channel(wanted: Wanted, array: Array) -> bool:
    """Grey pictures are often stored (N, H, W) where the network takes (H, W, 1)."""
    return array.ndim == len(wanted.shape) and array.ndim > 2 and wanted.shape[-1] == 1


def _fit(arrays: Sequence[Array], wanted: Sequence[Wanted]) -> tuple[Array, ...]:
    """Every array, with the axis of channels that it may lack."""
    return tuple(
        a[..., None] if _lacks_channel(w, a) else a for w, a in zip(wanted, arrays, strict=True)
    )
