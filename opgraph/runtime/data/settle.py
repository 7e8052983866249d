"""From what a source found to checked `Data`: labels encoded, everything checked, split, described.

Owns these steps and the description; must not know the sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from opgraph.errors import DataError, raise_all
from opgraph.runtime.data.check import problems
from opgraph.runtime.data.label_check import one_class, warnings, wrong_labels
from opgraph.runtime.data.labels import Encoded, encode, named
from opgraph.runtime.data.order import stratified
from opgraph.runtime.data.result import (
    Array,
    Data,
    Found,
    Part,
    Request,
    Split,
    Target,
    TargetSpec,
    Wanted,
)

TEST_SHARE = 0.25


@dataclass(frozen=True, eq=False, slots=True)
class _Labels:
    """The labels of one output, with what they are and where they stand."""

    target: Target
    spec: TargetSpec
    rows: tuple[Array, ...]
    places: tuple[str, ...]
    notes: tuple[str, ...]


def settle(request: Request, found: Found) -> Data:
    """The data of a source, encoded, checked and split.

    Raises:
        DataError: they do not fit; several findings come as `Problems`.
    """
    halves = [found.train] if found.test is None else [found.train, found.test]
    _require_labels(request, halves[0])
    errors = [error for half in halves for error in problems(half, request.wanted)]
    if any(len(array) == 0 for half in halves for array in (*half.inputs, *half.labels)):
        raise_all(errors)
    labels: list[_Labels] = []
    for number, spec in enumerate(request.targets):
        try:
            labels.append(_read_labels(request, found, halves, number, spec))
        except DataError as error:
            errors.append(error)
    raise_all([*errors, *_wrong(request, labels)])
    raise_all([e for x in labels if (e := one_class(x.target, x.rows[0], x.places[0]))])
    train, test, split_note = _split(halves, labels, found, request)
    targets = tuple(x.target for x in labels)
    first = next((t for t in targets if t.kind == "classes"), None)
    classes, names = (first.num_classes, first.class_names) if first else (None, ())
    data = Data(train, test, classes, names, {}, targets)
    data.description.update(_describe(request, found, data, labels, split_note))
    return data


def _require_labels(request: Request, part: Part) -> None:
    if len(part.labels) == len(request.targets):
        return
    outputs = ", ".join(repr(spec.output) for spec in request.targets)
    raise DataError(
        f"one label for each example, but the network is trained on {len(request.targets)}"
        f" outputs: {outputs}",
        where=request.spec,
        hint="labels for several outputs come from an .npz, a table, arrays in memory or"
        " synthetic:<kind>",
    )


def _read_labels(
    request: Request, found: Found, halves: list[Part], number: int, spec: TargetSpec
) -> _Labels:
    places = tuple(half.label_places[number] for half in halves)
    encoded = encode(
        spec, [(half.labels[number], p) for half, p in zip(halves, places, strict=True)]
    )
    known = found.class_names[number] if found.class_names else None
    target = _target(spec, encoded, known)
    train = encoded.rows[0]
    notes = (*encoded.notes, *warnings(target, train, places[0]))
    return _Labels(target, spec, encoded.rows, places, notes)


def _target(spec: TargetSpec, encoded: Encoded, known: tuple[str, ...] | None) -> Target:
    names = encoded.class_names or known
    shape = encoded.rows[0].shape[1:]
    if spec.kind != "classes":
        return Target(spec.output, spec.kind, shape, None, names or ())
    largest = max(int(labels.max(initial=0)) for labels in encoded.rows)
    classes = spec.num_classes or max(len(names or ()), largest + 1)
    return Target(spec.output, "classes", shape, classes, named(names, classes))


def _wrong(request: Request, labels: list[_Labels]) -> Iterator[DataError]:
    for entry in labels:
        several = len(request.targets) > 1
        owner = f"output {entry.spec.output!r}" if several else "the network"
        for rows, place in zip(entry.rows, entry.places, strict=True):
            error = wrong_labels(entry.target, rows, place, owner)
            if error:
                yield error


def _split(
    halves: list[Part], labels: list[_Labels], found: Found, request: Request
) -> tuple[Split, Split, str]:
    if len(halves) == 2:
        train, test = (_pick(half, labels, i, found, request) for i, half in enumerate(halves))
        return train, test, "as it comes"
    order, note = _order(labels, found, request.seed)
    train, test = (_pick(halves[0], labels, 0, found, request, chosen) for chosen in order)
    return train, test, note


def _order(labels: list[_Labels], found: Found, seed: int) -> tuple[tuple[Array, Array], str]:
    """Indices to train and to test on, and how they were chosen."""
    share = f"{TEST_SHARE:.0%} for the test, seed {seed}"
    by_class = next((x for x in labels if x.target.kind == "classes" and not x.target.shape), None)
    if by_class is not None:
        order = found.order or stratified(by_class.rows[0], TEST_SHARE, seed)
        return order, f"stratified, {share}"
    size = len(labels[0].rows[0])
    # All of one class: dealt evenly, in an order that depends on the seed alone.
    order = found.order or stratified(np.zeros(size, np.int64), TEST_SHARE, seed)
    return order, f"random (there are no classes to give equal shares of), {share}"


def _pick(
    part: Part,
    labels: list[_Labels],
    half: int,
    found: Found,
    request: Request,
    indices: Array | None = None,
) -> Split:
    chosen = slice(None) if indices is None else indices
    divisors = found.divisors or (1.0,) * len(request.wanted)
    inputs = tuple(
        _finish(array[chosen], divisor, w)
        for array, divisor, w in zip(part.inputs, divisors, request.wanted, strict=True)
    )
    answers = tuple(
        np.array(x.rows[half][chosen], np.int32 if x.target.kind == "classes" else np.float32)
        for x in labels
    )
    for array in (*inputs, *answers):
        array.flags.writeable = False
    return Split(inputs, answers)


def _finish(array: Array, divisor: float, wanted: Wanted) -> Array:
    if divisor == 1:
        return np.ascontiguousarray(array, dtype=wanted.dtype).view()
    return np.divide(array, wanted.dtype.type(divisor), dtype=wanted.dtype)


def _describe(
    request: Request, found: Found, data: Data, labels: list[_Labels], split_note: str
) -> dict[str, Any]:
    inputs = [
        {
            "name": wanted.name,
            "shape": list(wanted.shape),
            "dtype": wanted.dtype.name,
            "vocabulary": wanted.vocabulary,
            "example_shape": list(array.shape[1:]),
            "range": [array.min().item(), array.max().item()],
            **note,
        }
        for wanted, array, note in zip(request.wanted, data.train.inputs, found.notes, strict=True)
    ]
    return {
        "spec": request.spec,
        "split": split_note,
        **found.facts,
        "sizes": {"train": data.train.size, "test": data.test.size},
        "num_classes": data.num_classes,
        "class_names": list(data.class_names),
        "inputs": inputs,
        "outputs": list(request.outputs),
        "targets": [_describe_target(x) for x in labels],
        "notes": [note for x in labels for note in x.notes],
        "seed": request.seed,
        "most_bytes": request.most_bytes,
        "fingerprint": data.fingerprint,
    }


def _describe_target(labels: _Labels) -> dict[str, Any]:
    target = labels.target
    return {
        "output": target.output,
        "kind": target.kind,
        "output_shape": list(labels.spec.shape),
        "shape": list(target.shape),
        "num_classes": target.num_classes,
        "class_names": list(target.class_names),
    }
