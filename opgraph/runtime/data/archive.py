"""Data in an `.npz` file: arrays by name.

Owns the rules by which the names of arrays become inputs and labels, train and test; the file
itself is read by `npy`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from opgraph.errors import DataError, suggest
from opgraph.ops import Shape
from opgraph.runtime.data.memory import require_memory
from opgraph.runtime.data.npy import Archive, Header, open_archive
from opgraph.runtime.data.result import (
    Array,
    DataFacts,
    Found,
    Part,
    Request,
    Wanted,
)

INPUT_NAMES = ("x", "inputs", "images", "data")
LABEL_NAMES = ("y", "labels", "label", "targets")
NAMES_KEYS = ("class_names", "classes")
HALVES = ("_train", "_test")
PICTURE_WHITE = 255.0


def read(request: Request) -> Found:
    """The arrays named after the inputs or `x`, and the labels.

    Raises:
        DataError: an array is missing, damaged, pickled or too large.
    """
    with open_archive(request.argument) as archive:
        reader = _Reader(archive, request)
        parts = [reader.part(half) for half in reader.halves()]
        names = reader.class_names()
    shapes = [array.shape[1:] for array in parts[0].inputs]
    # Bytes grow when they become numbers.
    require_memory(request, sum(len(part.labels) for part in parts), shapes)
    notes = tuple(_note(w, a) for w, a in zip(request.wanted, parts[0].inputs, strict=True))
    fitted = [_fit(part, request.wanted) for part in parts]
    facts = {"title": f"arrays of {request.argument}"}
    test = fitted[1] if len(fitted) == 2 else None
    divisors = tuple(note["divided_by"] for note in notes)
    return Found(fitted[0], test, notes, names, facts, divisors=divisors)


def peek(argument: str) -> DataFacts:
    """Shape and type of the inputs from the headers, classes from the labels."""
    with open_archive(argument) as archive:
        reader = _Reader(archive, Request(argument, argument, ()))
        half = reader.halves()[0]
        shape, dtype = reader.input_header(half)
        labels = reader.find([name + half for name in LABEL_NAMES])
        known = reader.class_names()
        count = len(known) if known else _count(reader, labels)
    return DataFacts(shape, count, dtype)


def _count(reader: _Reader, key: str | None) -> int | None:
    if key is None:
        return None
    labels = reader.array(key)
    if labels.dtype.kind in "US":
        return len(np.unique(labels))
    return int(labels.max()) + 1 if labels.size and np.isfinite(labels.max()) else None


class _Reader:
    """Finds arrays by name and keeps account of the memory they take together."""

    def __init__(self, archive: Archive, request: Request) -> None:
        self.archive = archive
        self.request = request
        self.left = request.most_bytes
        self.used: set[str] = set()

    def find(self, keys: list[str]) -> str | None:
        return next((key for key in keys if key in self.archive.members), None)

    def array(self, key: str) -> Array:
        array = self.archive.read(key, self.left)
        self.left -= array.nbytes
        return array

    def halves(self) -> tuple[str, ...]:
        """Endings of the names, where the file keeps training and test apart."""
        train, test = (any(k.endswith(end) for k in self.archive.members) for end in HALVES)
        return HALVES if test else HALVES[:1] if train else ("",)

    def input_keys(self, wanted: Wanted, half: str) -> list[str]:
        """Names that an input's array may have; `x` only where there is one input."""
        common = INPUT_NAMES if len(self.request.wanted) == 1 else ()
        return [name + half for name in dict.fromkeys((wanted.name, *common))]

    def label_keys(self, half: str) -> list[str]:
        return [name + half for name in dict.fromkeys((*self.request.outputs, *LABEL_NAMES))]

    def part(self, half: str) -> Part:
        """Inputs and labels of the whole file, or of its `_train` or `_test` half."""
        inputs = [
            self.require(self.input_keys(wanted, half), f"input {wanted.name!r}", wanted.name)
            for wanted in self.request.wanted
        ]
        labels = self.require(self.label_keys(half), "the labels", None)
        places = tuple(self.place(key) for key in inputs)
        arrays = tuple(self.examples(key) for key in inputs)
        return Part(arrays, self.examples(labels), places, self.place(labels))

    def examples(self, key: str) -> Array:
        """An array that has an entry for each example."""
        array = self.array(key)
        if not array.ndim:
            raise DataError("is a single number, not one for each example", where=self.place(key))
        return array

    def require(self, keys: list[str], what: str, node: str | None) -> str:
        """The first of these names that there is."""
        found = self.find(keys)
        if found:
            self.used.add(found)
            return found
        present = list(self.archive.members)
        unused = [key for key in present if key not in self.used]
        near = next((s for key in keys if (s := suggest(key, unused))), None)
        there = f"there are: {', '.join(map(repr, present[:20])) or 'none'}"
        raise DataError(
            f"no array for {what}; expected {' or '.join(map(repr, keys))}",
            where=self.request.spec,
            node=node,
            hint=f"{near} {there}" if near else there,
        )

    def class_names(self) -> tuple[str, ...] | None:
        key = self.find(list(NAMES_KEYS))
        if key is None:
            return None
        names = self.array(key)
        if names.ndim != 1 or names.dtype.kind not in "US":
            raise DataError("expected a row of names", where=self.place(key))
        return tuple(str(name) for name in names.astype(str))

    def input_header(self, half: str) -> tuple[Shape | None, str | None]:
        """Shape and type of the examples, where one array can only be the input."""
        labels = set(self.label_keys(half)) | set(NAMES_KEYS)
        others = [k for k in self.archive.members if k.endswith(half) and k not in labels]
        key = self.find([name + half for name in INPUT_NAMES])
        if key is None and len(others) == 1:
            key = others[0]
        if key is None:
            return None, None
        header = self.archive.header(key)
        return _example(header)

    def place(self, key: str) -> str:
        return f"{self.request.spec}, {key!r}"


def _example(header: Header) -> tuple[Shape, str]:
    """Shape and type of an example; bytes in two axes are a grey picture, (H, W, 1)."""
    shape = header.shape[1:]
    if header.dtype == np.uint8 and len(shape) > 1:
        return (shape if len(shape) > 2 else (*shape, 1)), "float32"
    return shape, "int32" if header.dtype.kind in "iu" else "float32"


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


def _fit(part: Part, wanted: tuple[Wanted, ...]) -> Part:
    inputs = tuple(_fit_one(w, array) for w, array in zip(wanted, part.inputs, strict=True))
    return Part(inputs, part.labels, part.places, part.label_place)


def _fit_one(wanted: Wanted, array: Array) -> Array:
    return array[..., None] if _lacks_channel(wanted, array) else array
