"""The rows of a table: columns of numbers, and columns of labels as they were written.

Owns the reading of rows and the places of bad cells; must not know what the numbers mean.
"""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from opgraph.errors import DataError, suggest
from opgraph.runtime.data.memory import size_text
from opgraph.runtime.data.result import Array

DELIMITERS = ",;\t"
LABEL_NAMES = ("label", "labels", "class", "target", "标签", "类别")
GAPS = "every cell needs a value; fill in or leave out rows with gaps"
FRACTIONS = "fractions are for an output that is compared with numbers (by mse or mae)"
Row = tuple[int, list[str]]


@dataclass(frozen=True)
class Column:
    """A column of labels.

    Attributes:
        name: in the header; its place where there is none.
        place: where it stands, in words.
        cells: as they were written.
        lines: of the file in which they stand.
        path: of the file.
    """

    name: str
    place: str
    cells: Sequence[str]
    lines: Sequence[int]
    path: str

    @property
    def are_numbers(self) -> bool:
        """Whether all cells are numbers, and there are any."""
        return bool(self.cells) and all(map(_is_number, self.cells))

    def classes(self) -> Array:
        """Whole numbers if all cells are numbers, else the names of the classes."""
        if not self.are_numbers:
            return np.array(self.cells, dtype=np.str_)
        self._require(_is_whole, "a class (a whole number or a name)", FRACTIONS)
        return np.array([int(float(cell)) for cell in self.cells], np.int64)

    def numbers(self) -> Array:
        """The cells as numbers."""
        self._require(_is_finite, "a finite number", GAPS)
        return np.array([float(cell) for cell in self.cells], np.float64)

    def _require(self, allowed: Callable[[str], bool], expected: str, hint: str) -> None:
        for line, cell in zip(self.lines, self.cells, strict=True):
            if not allowed(cell):
                _refuse(f"{self.path}:{line}, {self.place}", expected, cell, hint)


@dataclass(frozen=True)
class Table:
    """A table as it was read.

    Attributes:
        columns: names of the columns of numbers; their places where the file names none.
        numbers: one row for each example.
        labels: the columns of labels.
    """

    columns: tuple[str, ...]
    numbers: Array
    labels: tuple[Column, ...]


@dataclass(frozen=True)
class Choice:
    """Which columns hold the labels.

    Attributes:
        asked: their names or places, as the user gave them.
        outputs: names that they may have in the header.
        count: how many there are to be; 0 where the user decides.
    """

    asked: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    count: int = 1


ONE_LABEL = Choice()


def read_table(path: str, most_bytes: int, choice: Choice = ONE_LABEL) -> Table:
    """A table of numbers with columns of labels.

    The labels stand in the columns that were asked for; else in those called after the outputs;
    else in the column whose header is `label` (or `class`, `target`), or in the last ones. A first
    row is a header if it names such a column or none of its other cells is a number.

    Raises:
        DataError: naming line and column.
    """
    with _rows(path) as rows:
        first = next(rows, None)
        if first is None:
            raise DataError("there are no rows", where=path)
        if len(first[1]) < 2:
            problem = "one column only; at least one of numbers and one of labels are expected"
            raise DataError(problem, where=f"{path}:{first[0]}", hint="cells are separated by ','")
        reader = _Reader.of(path, first, most_bytes, choice)
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
    label_at: tuple[int, ...]
    has_header: bool
    most_bytes: int
    numbers: array[float] = field(default_factory=lambda: array("d"))
    labels: list[list[str]] = field(default_factory=list[list[str]])
    lines: array[int] = field(default_factory=lambda: array("q"))

    @classmethod
    def of(cls, path: str, first: Row, most_bytes: int, choice: Choice) -> _Reader:
        """A reader for a table that begins with this row."""
        cells = [cell.strip() for cell in first[1]]
        named = _named_columns([cell.lower() for cell in cells], choice)
        others = [cell for i, cell in enumerate(cells) if i not in (named or (len(cells) - 1,))]
        has_header = not any(map(_is_number, others)) and all(cells)
        names = cells if has_header else [str(i + 1) for i in range(len(cells))]
        label_at = _label_columns(names, named if has_header else None, choice, path)
        if len(label_at) >= len(names):
            problem = "all columns are labels; at least one of numbers is expected"
            raise DataError(problem, where=f"{path}:{first[0]}")
        return cls(path, names, label_at, has_header, most_bytes)

    def add(self, line: int, cells: list[str]) -> None:
        """Take in one row."""
        if len(cells) != len(self.names):
            raise DataError(
                f"{len(cells)} cells, but the first row has {len(self.names)}",
                where=f"{self.path}:{line}",
            )
        labels = [cells[at].strip() for at in self.label_at]
        for at, label in zip(self.label_at, labels, strict=True):
            if not label:
                self._refuse(line, at, "a label", label)
        self.numbers.extend(self._numbers(line, cells))
        self.labels.append(labels)
        self.lines.append(line)
        if 8 * len(self.numbers) > self.most_bytes:
            limit = size_text(self.most_bytes)
            problem = f"more numbers than fit in {limit}, the memory allowed"
            raise DataError(problem, where=f"{self.path}:{line}", hint="use fewer examples")

    def _numbers(self, line: int, cells: list[str]) -> list[float]:
        places = [at for at in range(len(cells)) if at not in self.label_at]
        try:
            numbers = [float(cells[at]) for at in places]
            bad = None if all(map(math.isfinite, numbers)) else _is_finite
        except ValueError:
            numbers, bad = [], _is_number
        if bad is None:
            return numbers
        place = next(at for at in places if not bad(cells[at]))
        self._refuse(line, place, "a finite number", cells[place])

    def _refuse(self, line: int, column: int, expected: str, cell: str) -> NoReturn:
        _refuse(f"{self.path}:{line}, {self._place(column)}", expected, cell)

    def _place(self, column: int) -> str:
        name = f" ({self.names[column]!r})" if self.has_header else ""
        return f"column {column + 1}{name}"

    def table(self) -> Table:
        """Everything taken in."""
        columns = [name for i, name in enumerate(self.names) if i not in self.label_at]
        numbers = np.frombuffer(self.numbers, np.float64) if self.numbers else np.zeros(0)
        labels = tuple(
            Column(
                self.names[at],
                self._place(at),
                [row[number] for row in self.labels],
                self.lines,
                self.path,
            )
            for number, at in enumerate(self.label_at)
        )
        return Table(tuple(columns), numbers.reshape(len(self.labels), len(columns)), labels)


def _named_columns(folded: list[str], choice: Choice) -> tuple[int, ...] | None:
    """Places of the labels, if this first row names them."""
    names = choice.asked or choice.outputs
    if names and all(name.lower() in folded for name in names):
        return tuple(folded.index(name.lower()) for name in names)
    marked = [folded.index(name) for name in LABEL_NAMES if name in folded]
    return (marked[0],) if marked and choice.count == 1 and not choice.asked else None


def _label_columns(
    names: list[str], named: tuple[int, ...] | None, choice: Choice, path: str
) -> tuple[int, ...]:
    """Places of the labels, for a table whose columns have these names."""
    if named is not None:
        return named
    if not choice.asked:
        count = max(1, choice.count)
        return tuple(range(len(names) - count, len(names)))
    missing = next((name for name in choice.asked if name not in names), None)
    if missing is not None:
        near = suggest(missing, names)
        there = f"columns: {', '.join(names[:20])}"
        problem = f"no column called {missing!r} for the labels"
        raise DataError(problem, where=path, hint=f"{near} {there}" if near else there)
    return tuple(names.index(name) for name in choice.asked)


def _refuse(place: str, expected: str, cell: str, hint: str = GAPS) -> NoReturn:
    raise DataError(f"expected {expected}, received {cell[:40]!r}", where=place, hint=hint)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_finite(cell: str) -> bool:
    return _is_number(cell) and math.isfinite(float(cell))


def _is_whole(label: str) -> bool:
    return abs(float(label)) < 2**53 and float(label).is_integer()
