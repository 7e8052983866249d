"""Data in a table: `.csv` or `.tsv`, one example a row, one column of them the class.

Owns the reading of rows and the places of bad cells; must not know what the numbers mean.
"""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from opgraph.errors import DataError
from opgraph.runtime.data.memory import size_text
from opgraph.runtime.data.result import MOST_BYTES, Array, DataFacts, Found, Part, Request, Wanted

DELIMITERS = ",;\t"
LABEL_NAMES = ("label", "labels", "class", "target", "标签", "类别")
Row = tuple[int, list[str]]


@dataclass(frozen=True)
class Table:
    """A table as it was read.

    Attributes:
        columns: names of the columns of numbers; their places where the file names none.
        numbers: one row for each example.
        labels: the class of each example, as it was written.
    """

    columns: tuple[str, ...]
    numbers: Array
    labels: Array


def read(request: Request) -> Found:
    """The rows, dealt to the inputs from left to right.

    Raises:
        DataError: a cell, a row or the file cannot be read.
    """
    table = read_table(request.argument, request.most_bytes)
    inputs = _deal(table, request)
    part = Part(inputs, table.labels, (request.spec,) * len(inputs), request.spec)
    facts = {"title": f"table {request.argument}", "columns": list(table.columns)}
    notes = tuple({"kind": "arrays", "divided_by": 1.0} for _ in inputs)
    return Found(part, None, notes, None, facts)


def peek(argument: str) -> DataFacts:
    """The number of columns and of classes; the whole table is read."""
    table = read_table(argument, MOST_BYTES)
    labels = table.labels
    if not len(labels):
        return DataFacts((len(table.columns),), None, "float32")
    named = labels.dtype.kind == "U"
    count = len(np.unique(labels)) if named else int(labels.max()) + 1
    return DataFacts((len(table.columns),), count, "float32")


def _deal(table: Table, request: Request) -> tuple[Array, ...]:
    sizes = [_size(wanted) for wanted in request.wanted]
    width = table.numbers.shape[1]
    if len(sizes) == 1:
        return (_reshape(table.numbers, request.wanted[0], sizes[0]),)
    if None in sizes or sum(size or 0 for size in sizes) != width:
        shapes = ", ".join(f"{w.name!r} {w.shape}" for w in request.wanted)
        raise DataError(
            f"{width} columns of numbers cannot be dealt to the inputs {shapes}",
            where=request.spec,
            hint="the columns are dealt from left to right and must fill all inputs",
        )
    cuts = np.cumsum([size or 0 for size in sizes])[:-1]
    pieces = np.split(table.numbers, cuts, axis=1)
    return tuple(
        _reshape(piece, wanted, size)
        for piece, wanted, size in zip(pieces, request.wanted, sizes, strict=True)
    )


def _size(wanted: Wanted) -> int | None:
    known = [dim for dim in wanted.shape if dim is not None]
    return math.prod(known) if len(known) == len(wanted.shape) else None


def _reshape(numbers: Array, wanted: Wanted, size: int | None) -> Array:
    """Rows that hold as many numbers as the input are laid out in its shape, last axis first."""
    if size != numbers.shape[1]:
        return numbers
    return numbers.reshape(len(numbers), *(dim or 0 for dim in wanted.shape))


def read_table(path: str, most_bytes: int) -> Table:
    """A table of numbers with one column of classes.

    The classes stand in the column whose header is `label` (or `class`, `target`), else in the
    last one. A first row is a header if it names such a column or none of its cells is a number.

    Raises:
        DataError: naming line and column.
    """
    with _rows(path) as rows:
        first = next(rows, None)
        if first is None:
            raise DataError("there are no rows", where=path)
        if len(first[1]) < 2:
            problem = "one column only; at least one of numbers and one of classes are expected"
            raise DataError(problem, where=f"{path}:{first[0]}", hint="cells are separated by ','")
        reader = _Reader.of(path, first[1], most_bytes)
        if not reader.has_header:
            reader.add(*first)
        for line, cells in rows:
            reader.add(line, cells)
    return reader.table()


@contextmanager
def _rows(path: str) -> Generator[Iterator[Row]]:
    """Rows with the line they begin at; rows without anything in them are left out."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            first = file.readline(1 << 20)
            file.seek(0)
            delimiter = max(DELIMITERS, key=first.count)
            yield _numbered(csv.reader(file, delimiter=delimiter, strict=True), path)
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8 text (byte 0x{error.object[error.start]:02x})"
        raise DataError(problem, where=path, hint="save the table as UTF-8") from None


def _numbered(reader: Any, path: str) -> Iterator[Row]:
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"cannot be read as a table ({error})", where=f"{path}:{line}"
            ) from None
        if any(cell.strip() for cell in cells):
            yield line, cells
        line = reader.line_num + 1


@dataclass
class _Reader:
    """Collects rows, once the first one has told the columns."""

    path: str
    names: list[str]
    label_at: int
    has_header: bool
    most_bytes: int
    numbers: array[float] = field(default_factory=lambda: array("d"))
    labels: list[str] = field(default_factory=list[str])
    lines: array[int] = field(default_factory=lambda: array("q"))

    @classmethod
    def of(cls, path: str, first: list[str], most_bytes: int) -> _Reader:
        """A reader for a table that begins with this row."""
        folded = [cell.strip().lower() for cell in first]
        marked = [folded.index(name) for name in LABEL_NAMES if name in folded]
        label_at = marked[0] if marked else len(first) - 1
        others = [cell for i, cell in enumerate(first) if i != label_at]
        has_header = not any(_is_number(cell) for cell in others) and all(folded)
        if not has_header:
            label_at = len(first) - 1
        names = first if has_header else [str(i + 1) for i in range(len(first))]
        return cls(path, [name.strip() for name in names], label_at, has_header, most_bytes)

    def add(self, line: int, cells: list[str]) -> None:
        """Take in one row."""
        if len(cells) != len(self.names):
            raise DataError(
                f"{len(cells)} cells, but the first row has {len(self.names)}",
                where=f"{self.path}:{line}",
            )
        label = cells.pop(self.label_at).strip()
        if not label:
            self._refuse(line, self.label_at, "a class", label)
        self.numbers.extend(self._numbers(line, cells))
        self.labels.append(label)
        self.lines.append(line)
        if 8 * len(self.numbers) > self.most_bytes:
            limit = size_text(self.most_bytes)
            problem = f"more numbers than fit in {limit}, the memory allowed"
            raise DataError(problem, where=f"{self.path}:{line}", hint="use fewer examples")

    def _numbers(self, line: int, cells: list[str]) -> list[float]:
        try:
            numbers = [float(cell) for cell in cells]
            bad = None if all(map(math.isfinite, numbers)) else _is_finite
        except ValueError:
            numbers, bad = [], _is_number
        if bad is None:
            return numbers
        place = next(place for place, cell in enumerate(cells) if not bad(cell))
        self._refuse(line, place + (place >= self.label_at), "a finite number", cells[place])

    def _refuse(self, line: int, column: int, expected: str, cell: str) -> NoReturn:
        name = f" ({self.names[column]!r})" if self.has_header else ""
        raise DataError(
            f"expected {expected}, received {cell[:40]!r}",
            where=f"{self.path}:{line}, column {column + 1}{name}",
            hint="every cell needs a value; fill in or leave out rows with gaps",
        )

    def table(self) -> Table:
        """Everything taken in."""
        columns = [name for i, name in enumerate(self.names) if i != self.label_at]
        numbers = np.frombuffer(self.numbers, np.float64) if self.numbers else np.zeros(0)
        return Table(
            tuple(columns), numbers.reshape(len(self.labels), len(columns)), self._classes()
        )

    def _classes(self) -> Array:
        """Whole numbers if all labels are numbers, else the names of the classes."""
        if not self.labels or not all(map(_is_number, self.labels)):
            return np.array(self.labels, dtype=np.str_)
        for line, label in zip(self.lines, self.labels, strict=True):
            if not _is_whole(label):
                self._refuse(line, self.label_at, "a class (a whole number or a name)", label)
        return np.array([int(float(label)) for label in self.labels], np.int64)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_finite(cell: str) -> bool:
    return math.isfinite(float(cell))


def _is_whole(label: str) -> bool:
    return abs(float(label)) < 2**53 and float(label).is_integer()
