"""From the name of some data to arrays that a network can be trained on.

Owns the way from a spec to checked `Data`, and the description that makes the same data again; what
each source looks like stands in a module of its own.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from opgraph.errors import DataError, raise_all
from opgraph.runtime.data.check import one_class, problems
from opgraph.runtime.data.labels import encode, named
from opgraph.runtime.data.order import stratified
from opgraph.runtime.data.result import (
    MOST_BYTES,
    Array,
    Data,
    DataFacts,
    Found,
    InputSpec,
    Part,
    Request,
    Split,
    Wanted,
    want,
)
from opgraph.runtime.data.sources import find

TEST_SHARE = 0.25


def load(
    spec: str,
    inputs: Sequence[InputSpec],
    *,
    num_classes: int | None = None,
    seed: int = 0,
    outputs: Sequence[str] = (),
    vocabulary: Mapping[str, int] | None = None,
    most_bytes: int = MOST_BYTES,
) -> Data:
    """Data for a network, fitted to its inputs, checked, and split into train and test.

    Args:
        spec: `digits`, the name of a Keras dataset, `synthetic:<kind>`, or the path of an `.npz`
            file, a `.csv` file or a folder that holds one folder of pictures for each class.
        inputs: (name, shape of one example, dtype) of each Input node, in graph order.
        num_classes: outputs of the network; what the labels say when left out.
        seed: for synthetic data, and for the split of data that bring none.
        outputs: names of output nodes; an `.npz` may hold the labels under one of them.
        vocabulary: for inputs read by an Embedding, its `input_dim`.
        most_bytes: bound on the memory that the arrays may take.

    Raises:
        DataError: the data cannot be read or do not fit; several findings come as `Problems`.
        MissingDependencyError: a package that reads this source is not installed.
    """
    source, argument = find(spec)
    wanted = want(inputs, vocabulary or {})
    request = Request(spec, argument, wanted, tuple(outputs), num_classes, seed, most_bytes)
    with _files(spec):
        found = source.read(request)
    parts, class_names = _encode(found)
    classes = num_classes or _count_classes(parts, class_names)
    raise_all([error for part in parts for error in problems(part, wanted, classes)])
    raise_all(list(one_class(parts[0], class_names)))
    train, test, split_note = _split(parts, found, wanted, seed)
    names = named(class_names, classes)
    data = Data(train, test, classes, names, {})
    data.description.update(_describe(request, found, data, split_note))
    return data


def peek(spec: str) -> DataFacts:
    """What the data say about the input shape and the number of classes, as cheaply as can be.

    Raises:
        DataError: there are no such data.
    """
    source, argument = find(spec)
    with _files(spec):
        return source.peek(argument)


def recreate(description: Mapping[str, Any]) -> Data:
    """The data of a run again, from their description.

    Raises:
        DataError: the data cannot be read any more, or have changed.
    """
    inputs = [(i["name"], tuple(i["shape"]), i["dtype"]) for i in description["inputs"]]
    vocabulary = {i["name"]: i["vocabulary"] for i in description["inputs"] if i["vocabulary"]}
    data = load(
        description["spec"],
        inputs,
        num_classes=description["num_classes"],
        seed=description["seed"],
        outputs=description["outputs"],
        vocabulary=vocabulary,
        most_bytes=description["most_bytes"],
    )
    if data.fingerprint != description["fingerprint"]:
        raise DataError(
            f"the data have changed: their fingerprint is {data.fingerprint}, it was"
            f" {description['fingerprint']}",
            where=description["spec"],
            hint="steps can be replayed only with the data they were trained on",
        )
    return data


@contextmanager
def _files(spec: str) -> Generator[None]:
    """A file or folder that cannot be opened is an error like the others."""
    try:
        yield
    except OSError as error:
        place = error.filename if isinstance(error.filename, str) else spec
        raise DataError(f"cannot be read ({error.strerror or error})", where=place) from None


def _encode(found: Found) -> tuple[list[Part], tuple[str, ...] | None]:
    parts = [found.train] if found.test is None else [found.train, found.test]
    rows, names = encode([(part.labels, part.label_place) for part in parts])
    encoded = [replace(part, labels=row) for part, row in zip(parts, rows, strict=True)]
    return encoded, names or found.class_names


def _count_classes(parts: list[Part], class_names: tuple[str, ...] | None) -> int:
    largest = max((int(part.labels.max()) for part in parts if len(part.labels)), default=0)
    return max(len(class_names or ()), largest + 1)


def _split(
    parts: list[Part], found: Found, wanted: tuple[Wanted, ...], seed: int
) -> tuple[Split, Split, str]:
    if len(parts) == 2:
        return _pick(parts[0], found, wanted), _pick(parts[1], found, wanted), "as it comes"
    train, test = found.order or stratified(parts[0].labels, TEST_SHARE, seed)
    note = f"stratified, {TEST_SHARE:.0%} for the test, seed {seed}"
    return _pick(parts[0], found, wanted, train), _pick(parts[0], found, wanted, test), note


def _pick(
    part: Part, found: Found, wanted: tuple[Wanted, ...], indices: Array | None = None
) -> Split:
    chosen = slice(None) if indices is None else indices
    divisors = found.divisors or (1.0,) * len(wanted)
    inputs = tuple(
        _finish(array[chosen], divisor, w.dtype)
        for array, divisor, w in zip(part.inputs, divisors, wanted, strict=True)
    )
    labels = part.labels[chosen].astype(np.int32)
    for array in (*inputs, labels):
        array.flags.writeable = False
    return Split(inputs, labels)


def _finish(array: Array, divisor: float, dtype: np.dtype[Any]) -> Array:
    if divisor == 1:
        return np.ascontiguousarray(array, dtype=dtype)
    return np.divide(array, dtype.type(divisor), dtype=dtype)


def _describe(request: Request, found: Found, data: Data, split_note: str) -> dict[str, Any]:
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
        "seed": request.seed,
        "most_bytes": request.most_bytes,
        "fingerprint": data.fingerprint,
    }
