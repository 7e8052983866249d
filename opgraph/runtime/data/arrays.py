"""Data that are handed over as arrays in memory: `(x, y)`.

Owns the ways in which arrays may be handed over, and their names in messages; the arrays are
copied, so that nothing that is done to them later reaches a training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from opgraph.errors import DataError, suggest
from opgraph.runtime.data.fitting import example_of, fitted, tell
from opgraph.runtime.data.load import aims, same_data, wanted_by
from opgraph.runtime.data.memory import require_memory
from opgraph.runtime.data.result import (
    MOST_BYTES,
    Array,
    Data,
    DataFacts,
    InputSpec,
    Part,
    Request,
    TargetSpec,
    want,
)
from opgraph.runtime.data.settle import settle

SPEC = "arrays"
HALVES = ("train", "test")
FORM = "(x, y), or ((x, y), (x_test, y_test)); several inputs or outputs as {'name': array, ...}"
Pair = tuple[Any, Any]


def from_arrays(
    train: Pair,
    test: Pair | None = None,
    *,
    inputs: Sequence[InputSpec],
    targets: Sequence[TargetSpec] | None = None,
    num_classes: int | None = None,
    seed: int = 0,
    vocabulary: Mapping[str, int] | None = None,
    most_bytes: int = MOST_BYTES,
) -> Data:
    """Data for a network from arrays in memory, fitted, checked and split like those of a file.

    Args:
        train: inputs and labels: an array each, or several by name of the node or in order.
        test: inputs and labels to test on; a share of `train` when left out.
        inputs: (name, shape of one example, dtype) of each Input node, in graph order.
        targets: what each trained output asks of its labels; one class each when left out.
        num_classes: outputs of the network; what the labels say when left out.
        seed: for the split.
        vocabulary: for inputs read by an Embedding, its `input_dim`.
        most_bytes: bound on the memory that the copies may take.

    Raises:
        DataError: the arrays do not fit; several findings come as `Problems`.
    """
    wanted = want(inputs, vocabulary or {})
    asked = aims(targets, (), num_classes)
    request = Request(SPEC, SPEC, wanted, (), asked, seed, most_bytes)
    given = [train] if test is None else [train, test]
    places = HALVES if test is not None else ("",)
    parts = [_part(request, pair, half) for pair, half in zip(given, places, strict=True)]
    shapes = [array.shape[1:] for array in parts[0].inputs]
    require_memory(request, sum(len(part.inputs[0]) for part in parts), shapes)
    facts = {"title": "arrays in memory", "replayable": False}
    return settle(request, fitted(request, parts, (), facts))


def recreate_from(description: Mapping[str, Any], data: Any) -> Data:
    """The data of a run again, from the arrays that it was trained on.

    Args:
        description: of the data, as the run has it.
        data: `(x, y)` or `((x, y), (x_test, y_test))` as they were handed over, or a `Data`.

    Raises:
        DataError: they are not the same.
    """
    if isinstance(data, Data):
        return same_data(data, description)
    wanted = wanted_by(description)
    train, test = halves(data, len(wanted["inputs"]))
    return same_data(from_arrays(train, test, **wanted), description)


def peek_arrays(train: Pair) -> DataFacts:
    """What arrays say about a network before it is completed.

    >>> peek_arrays((np.zeros((4, 3)), [0, 1, 0, 1]))
    DataFacts(shape=(3,), num_classes=2, dtype='float32', kind='classes')

    Raises:
        DataError: they are not inputs and labels.
    """
    x, y = _pair(train, SPEC)
    arrays, labels = _several(x), _several(y)
    shape, dtype = None, None
    if len(arrays) == 1:
        array = _array(arrays[0], f"{SPEC}, inputs")
        shape, dtype = example_of(array.shape, array.dtype)
    kind, count = tell(_array(labels[0], f"{SPEC}, labels"))
    return DataFacts(shape, count, dtype, kind)


def halves(data: Any, num_inputs: int = 1) -> tuple[Pair, Pair | None]:
    """What to train and to test on, of `(x, y)` or `((x, y), (x_test, y_test))`.

    Two pairs of arrays are train and test, as Keras hands out its datasets; only for a network
    with two inputs they are its inputs and its labels.

    >>> halves((([1], [0]), ([2], [1])))
    (([1], [0]), ([2], [1]))
    >>> halves(([1, 2], [0, 1]))
    (([1, 2], [0, 1]), None)

    Raises:
        DataError: they are neither.
    """
    first, second = _pair(data, SPEC)
    if not (_is_pair(first) and _is_pair(second)):
        return (first, second), None
    nested = any(isinstance(part, tuple | list | Mapping) for part in (first[0], second[0]))
    if num_inputs == 2 and not nested:
        return (first, second), None
    return first, second


def _is_pair(thing: Any) -> bool:
    return isinstance(thing, tuple) and len(cast("tuple[Any, ...]", thing)) == 2


def _pair(thing: Any, place: str) -> Pair:
    if isinstance(thing, tuple | list):
        pair = cast("Sequence[Any]", thing)
        if len(pair) == 2:
            return pair[0], pair[1]
        received = f"{len(pair)} entries"
    else:
        received = f"a {type(thing).__name__}"
    raise DataError(f"expected inputs and labels, received {received}", where=place, hint=FORM)


def _several(given: Any) -> list[Any]:
    if isinstance(given, Mapping):
        return list(cast("Mapping[str, Any]", given).values())
    return list(cast("tuple[Any, ...]", given)) if isinstance(given, tuple) else [given]


def _part(request: Request, pair: Pair, half: str) -> Part:
    x, y = _pair(pair, f"{SPEC}, {half}" if half else SPEC)
    ends = f" ({half})" if half else ""
    inputs = _named(x, [wanted.name for wanted in request.wanted], "input", ends)
    outputs = [target.output for target in request.targets]
    labels = _named(y, outputs, "output", ends)
    return Part(tuple(inputs.values()), tuple(labels.values()), tuple(inputs), tuple(labels))


def _named(given: Any, names: list[str], what: str, ends: str) -> dict[str, Array]:
    """An array for each name, by the place it has in messages."""
    plain = f"{SPEC}, {'inputs' if what == 'input' else 'labels'}{ends}"
    places = [f"{SPEC}, {what} {name!r}{ends}" if len(names) > 1 else plain for name in names]
    if isinstance(given, Mapping):
        found = _by_name(cast("Mapping[str, Any]", given), names, what, plain)
    elif len(names) == 1:
        found = [given[0] if isinstance(given, tuple) and len(given) == 1 else given]
    elif isinstance(given, tuple | list):
        found = list(cast("Sequence[Any]", given))
    else:
        found = [given]
    if len(found) != len(names):
        raise DataError(
            f"{len(found)} array{'s' * (len(found) != 1)} for {len(names)} {what}s:"
            f" {', '.join(map(repr, names))}",
            where=plain,
            hint=FORM,
        )
    return {place: _array(a, place) for place, a in zip(places, found, strict=True)}


def _by_name(given: Mapping[str, Any], names: list[str], what: str, place: str) -> list[Any]:
    if names == [""] and len(given) == 1:
        return list(given.values())
    missing = [name for name in names if name not in given]
    if missing:
        unused = [str(key) for key in given if key not in names]
        near = suggest(missing[0], unused)
        there = f"there are: {', '.join(map(repr, map(str, given)))}"
        problem = f"no array for {what} {missing[0]!r}"
        hint = f"{near} {there}" if near else there
        raise DataError(problem, where=place, node=missing[0] or None, hint=hint)
    return [given[name] for name in names]


def _array(given: Any, place: str) -> Array:
    """A copy with one entry for each example."""
    try:
        array = np.array(given)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"cannot be made an array ({reason})", where=place) from None
    if array.dtype == object or not array.ndim:
        received = f"a {type(given).__name__}"
        raise DataError(f"expected an array of numbers, received {received}", where=place)
    return array
