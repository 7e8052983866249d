"""Labels as the arrays that an output is compared with: class ids, numbers or flags.

Owns the step from what a source holds (numbers, names, one-hot rows) to arrays of the right shape;
must not know where the labels stand. Whether their values can be used is for `label_check`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from opgraph.errors import DataError
from opgraph.ops import Shape
from opgraph.runtime.data.check import fits
from opgraph.runtime.data.result import Array, TargetSpec

Half = tuple[Array, str]


@dataclass(frozen=True, eq=False, slots=True)
class Encoded:
    """The labels of one output, in the right shape.

    Attributes:
        rows: of each half (train, test): int64 ids, or numbers as they came.
        class_names: where the labels are names of classes.
        notes: what was done to them.
    """

    rows: tuple[Array, ...]
    class_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()


def encode(spec: TargetSpec, halves: Sequence[Half]) -> Encoded:
    """The labels of one output.

    Args:
        spec: what the output asks for.
        halves: labels (to train and to test on) and where they stand.

    >>> spec = TargetSpec("", "classes", (None,))
    >>> encode(spec, [(np.array(["cat", "ant", "cat"]), "y")])
    Encoded(rows=(array([1, 0, 1]),), class_names=('ant', 'cat'), notes=())

    Raises:
        DataError: they are of another kind, or of another shape.
    """
    if spec.kind != "classes":
        return Encoded(tuple(_numbers(spec, labels, place) for labels, place in halves))
    if all(_is_one_hot(spec, labels) for labels, _ in halves):
        place = halves[0][1]
        note = f"{place}: one-hot rows, taken as class ids (the place of the 1)"
        return Encoded(tuple(labels.argmax(axis=-1) for labels, _ in halves), None, (note,))
    rows = [_aligned(spec, labels, place) for labels, place in halves]
    if any(labels.dtype.kind in "US" for labels in rows):
        return _by_name([_text(labels) for labels in rows])
    places = [place for _, place in halves]
    return Encoded(tuple(_whole(a, place) for a, place in zip(rows, places, strict=True)))


def _by_name(rows: list[Array]) -> Encoded:
    """Names of classes as their rank in sorted order."""
    names, ids = np.unique(np.concatenate([a.reshape(-1) for a in rows]), return_inverse=True)
    cuts = np.cumsum([a.size for a in rows])[:-1]
    parts = np.split(ids, cuts)
    shaped = tuple(part.reshape(a.shape) for part, a in zip(parts, rows, strict=True))
    return Encoded(shaped, tuple(str(name) for name in names))


def _is_one_hot(spec: TargetSpec, labels: Array) -> bool:
    """Whether there is one more axis than ids have, with a single 1 in each of its rows."""
    if labels.ndim != len(spec.label_shape) + 2 or labels.shape[-1] < 2:
        return False
    if labels.dtype.kind not in "biuf" or not fits(labels.shape[1:-1], spec.label_shape):
        return False
    if labels.shape[-1] != (spec.num_classes or labels.shape[-1]):
        return False
    flags = bool(np.all((labels == 0) | (labels == 1)))
    return flags and bool(np.all(np.count_nonzero(labels, axis=-1) == 1))


def _aligned(spec: TargetSpec, labels: Array, place: str) -> Array:
    """Labels in the shape that the output asks for, a spare last axis taken off or put on."""
    shape, wanted = labels.shape[1:], spec.label_shape
    if fits(shape, wanted):
        return labels
    if shape[-1:] == (1,) and fits(shape[:-1], wanted):
        return labels[..., 0]
    if wanted[-1:] == (1,) and fits(shape, wanted[:-1]):
        return labels[..., None]
    received = f"labels have shape {labels.shape}; {_expected(spec)} expected"
    raise DataError(received, where=place, node=spec.output or None, hint=_hint(spec, labels))


def _expected(spec: TargetSpec) -> str:
    wanted = spec.label_shape
    if spec.kind == "classes":
        if not wanted:
            return "one whole number or name for each example is"
        return f"class ids of shape {_with_examples(wanted)}, one for each position, are"
    what = "numbers" if spec.kind == "numbers" else "flags (0 or 1)"
    return f"{what} of shape {_with_examples(wanted)}, as output {spec.output!r} gives, are"


def _with_examples(shape: Shape) -> str:
    return f"({', '.join(('examples', *('any' if d is None else str(d) for d in shape)))})"


def _hint(spec: TargetSpec, labels: Array) -> str:
    """What labels of another shape may have been meant to be."""
    turned = labels.T.shape[1:]
    if labels.ndim > 1 and labels.shape[1:] != turned and fits(turned, spec.label_shape):
        return "they look transposed: examples go along the first axis (labels.T)"
    if spec.kind == "classes" and _is_one_hot(
        replace(spec, shape=(*spec.label_shape, None)), labels
    ):
        width, classes = labels.shape[-1], spec.num_classes
        return f"these are one-hot rows of {width} classes; the output tells {classes} apart"
    if spec.kind == "classes":
        return (
            "one-hot rows hold a single 1 each; several yes-or-no answers an example need an"
            " output of sigmoids"
        )
    if spec.kind == "flags" and labels.ndim == 1:
        return "class ids answer a softmax; a sigmoid for each flag takes rows of 0 and 1"
    return "reshape the labels, or give the output as many units as there are numbers"


def _text(labels: Array) -> Array:
    if labels.dtype.kind == "S":
        return np.char.decode(labels, "utf-8", "replace")
    return labels.astype(np.str_)


def _numbers(spec: TargetSpec, labels: Array, place: str) -> Array:
    if labels.dtype.kind not in "biuf":
        problem = f"labels hold {labels.dtype}; output {spec.output!r} is compared with numbers"
        raise DataError(
            problem,
            where=place,
            node=spec.output or None,
            hint="names of classes need an output that ends in a softmax",
        )
    return _aligned(spec, labels, place)


def _whole(labels: Array, place: str) -> Array:
    if labels.dtype.kind in "biu":
        return labels.astype(np.int64)
    if labels.dtype.kind == "f":
        broken = np.argwhere(~(np.isfinite(labels) & (labels == np.rint(labels))))
        if not len(broken):
            return labels.astype(np.int64)
        value, index = labels[tuple(broken[0])].item(), broken[0].tolist()
        spot = f"example {index[0]}" if len(index) == 1 else str(index)
        problem = f"label {value!r} at {spot} is not a whole number"
        raise DataError(problem, where=place, hint="classes are numbered 0, 1, 2, ... or named")
    raise DataError(f"labels hold {labels.dtype}; whole numbers or names are expected", where=place)


def named(class_names: tuple[str, ...] | None, num_classes: int) -> tuple[str, ...]:
    """One name for each class; those without one are called by their number.

    >>> named(("cat", "dog"), 3)
    ('cat', 'dog', '2')
    """
    known = class_names or ()
    return (*known, *(str(number) for number in range(len(known), num_classes)))
