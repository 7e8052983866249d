"""Data in an `.npz` file: arrays by name.

Owns the rules by which the names of arrays become inputs and labels, train and test; the file
itself is read by `npy`.
"""

from __future__ import annotations

from opgraph.errors import DataError, suggest
from opgraph.ops import Shape
from opgraph.runtime.data.fitting import example_of, fitted, tell
from opgraph.runtime.data.memory import require_memory
from opgraph.runtime.data.npy import Archive, open_archive
from opgraph.runtime.data.result import Array, DataFacts, Found, Part, Request, Wanted

INPUT_NAMES = ("x", "inputs", "images", "data")
LABEL_NAMES = ("y", "labels", "label", "targets")
NAMES_KEYS = ("class_names", "classes")
HALVES = ("_train", "_test")


def read(request: Request) -> Found:
    """The arrays named after the inputs or `x`, and the labels.

    Raises:
        DataError: an array is missing, damaged, pickled or too large.
    """
    with open_archive(request.argument) as archive:
        reader = _Reader(archive, request)
        parts = [reader.part(half) for half in reader.halves()]
        names = reader.all_class_names()
    shapes = [array.shape[1:] for array in parts[0].inputs]
    # Bytes grow when they become numbers.
    require_memory(request, sum(len(part.inputs[0]) for part in parts), shapes)
    return fitted(request, parts, names, {"title": f"arrays of {request.argument}"})


def peek(argument: str) -> DataFacts:
    """Shape and type of the inputs from the headers, classes from the labels."""
    with open_archive(argument) as archive:
        reader = _Reader(archive, Request(argument, argument, ()))
        half = reader.halves()[0]
        shape, dtype = reader.input_header(half)
        labels = reader.find([name + half for name in LABEL_NAMES])
        known = reader.class_names()
        kind, count = tell(reader.array(labels)) if labels else ("classes", None)
        if known and kind == "classes":
            count = len(known)
    return DataFacts(shape, count, dtype, kind)


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

    def label_keys(self, number: int, half: str) -> list[str]:
        """Names that the labels of a target may have."""
        own = self.request.targets[number].output
        if len(self.request.targets) > 1:
            names = (own, self.numbered(number, half))
        else:
            names = (own, *self.request.outputs, *LABEL_NAMES)
        return [name + half for name in dict.fromkeys(filter(None, names))]

    def numbered(self, number: int, half: str) -> str:
        """`y`, `y1`, `y2` in order, or `y1`, `y2` where there is no `y`."""
        place = number + ("y" + half not in self.archive.members)
        return f"y{place}" if place else "y"

    def part(self, half: str) -> Part:
        """Inputs and labels of the whole file, or of its `_train` or `_test` half."""
        inputs = [
            self.require(self.input_keys(wanted, half), f"input {wanted.name!r}", wanted.name)
            for wanted in self.request.wanted
        ]
        labels = [self.labels(number, half) for number in range(len(self.request.targets))]
        arrays = tuple(self.examples(key) for key in inputs)
        answers = tuple(self.examples(key) for key in labels)
        return Part(arrays, answers, tuple(map(self.place, inputs)), tuple(map(self.place, labels)))

    def labels(self, number: int, half: str) -> str:
        """The name of the labels of a target."""
        several = len(self.request.targets) > 1
        output = self.request.targets[number].output
        what = f"the labels of output {output!r}" if several else "the labels"
        return self.require(self.label_keys(number, half), what, output if several else None)

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

    def all_class_names(self) -> tuple[tuple[str, ...] | None, ...]:
        """Names of classes for each target: under its own name, or common to all of them."""
        outputs = [target.output for target in self.request.targets]
        return tuple(
            self.class_names((*(f"{output}_{key}" for key in NAMES_KEYS if output), *NAMES_KEYS))
            for output in outputs
        )

    def class_names(self, keys: tuple[str, ...] = NAMES_KEYS) -> tuple[str, ...] | None:
        """The row of texts under the first of these names that there is."""
        key = self.find(list(keys))
        if key is None:
            return None
        names = self.array(key)
        if names.ndim != 1 or names.dtype.kind not in "US":
            raise DataError("expected a row of names", where=self.place(key))
        return tuple(str(name) for name in names.astype(str))

    def input_header(self, half: str) -> tuple[Shape | None, str | None]:
        """Shape and type of the examples, where one array can only be the input."""
        labels = {name + half for name in LABEL_NAMES} | set(NAMES_KEYS)
        others = [k for k in self.archive.members if k.endswith(half) and k not in labels]
        key = self.find([name + half for name in INPUT_NAMES])
        if key is None and len(others) == 1:
            key = others[0]
        if key is None:
            return None, None
        header = self.archive.header(key)
        return example_of(header.shape, header.dtype)

    def place(self, key: str) -> str:
        return f"{self.request.spec}, {key!r}"
