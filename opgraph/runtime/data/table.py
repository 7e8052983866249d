"""Data in a table: `.csv` or `.tsv`, one example a row, some columns of them the labels.

Owns the way from columns to inputs and labels; rows are read by `rows`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from opgraph.errors import DataError
from opgraph.ops import Shape
from opgraph.runtime.data.fitting import tell
from opgraph.runtime.data.result import (
    MOST_BYTES,
    Array,
    DataFacts,
    Found,
    Part,
    Request,
    TargetSpec,
    Wanted,
)
from opgraph.runtime.data.rows import Choice, Column, Table, read_table

TARGET_MARK = ":target="


def read(request: Request) -> Found:
    """The rows, dealt to the inputs from left to right.

    Raises:
        DataError: a cell, a row or the file cannot be read.
    """
    path, asked = _split(request.argument)
    counts = [_size(spec.label_shape) for spec in request.targets]
    names = tuple(spec.output for spec in request.targets) if counts == [1] * len(counts) else ()
    wanted = sum(count or 0 for count in counts) if None not in counts else 0
    choice = Choice(asked, names if any(names) else (), wanted)
    table = read_table(path, request.most_bytes, choice)
    labels = tuple(_labels(request, table, counts))
    inputs = _deal(table, request)
    part = Part(inputs, labels, (path,) * len(inputs), (path,) * len(labels))
    facts = {"title": f"table {path}", "columns": list(table.columns)}
    facts["label_columns"] = [column.name for column in table.labels]
    notes = tuple({"kind": "arrays", "divided_by": 1.0} for _ in inputs)
    return Found(part, None, notes, (), facts)


def peek(argument: str) -> DataFacts:
    """The number of columns and of classes; the whole table is read."""
    path, asked = _split(argument)
    table = read_table(path, MOST_BYTES, Choice(asked))
    shape = (len(table.columns),)
    if not len(table.numbers):
        return DataFacts(shape, None, "float32")
    columns = [c.numbers() if c.are_numbers else c.classes() for c in table.labels]
    kind, count = tell(columns[0] if len(columns) == 1 else np.stack(columns, axis=1))
    return DataFacts(shape, count, "float32", kind)


def _split(argument: str) -> tuple[str, tuple[str, ...]]:
    """The path of the table, and the columns of labels that were asked for."""
    path, mark, names = argument.partition(TARGET_MARK)
    if not mark:
        return path, ()
    asked = tuple(name.strip() for name in names.split("+"))
    twice = next((name for i, name in enumerate(asked) if name in asked[:i]), None)
    if twice is not None or not all(asked):
        received = f"{twice!r} twice" if twice else f"{names!r}"
        raise DataError(
            f"expected the names of columns after {TARGET_MARK!r}, received {received}",
            where=path,
            hint=f"for example {path}{TARGET_MARK}price or {path}{TARGET_MARK}width+height",
        )
    return path, asked


def _labels(request: Request, table: Table, counts: list[int | None]) -> Iterator[Array]:
    """The columns of labels, dealt to the outputs from left to right."""
    columns = list(table.labels)
    if len(counts) == 1:
        counts = [counts[0] or len(columns)]
    if None in counts or sum(count or 0 for count in counts) != len(columns):
        shapes = ", ".join(f"{t.output!r} {t.label_shape}" for t in request.targets)
        names = ", ".join(repr(column.name) for column in columns)
        raise DataError(
            f"{len(columns)} column{'s' * (len(columns) != 1)} of labels ({names}) cannot be dealt"
            f" to the outputs {shapes}",
            where=_split(request.argument)[0],
            hint="() takes one column, (3,) takes three; name them in order:"
            f" {TARGET_MARK}first+second",
        )
    for spec, count in zip(request.targets, counts, strict=True):
        mine, columns = columns[: count or 0], columns[count or 0 :]
        yield _gather(spec, mine)


def _gather(spec: TargetSpec, columns: list[Column]) -> Array:
    made = [c.classes() if spec.kind == "classes" else c.numbers() for c in columns]
    if len(made) == 1:
        return made[0]
    shape = spec.label_shape
    rows = np.stack(made, axis=1)
    return rows if None in shape else rows.reshape(len(rows), *(dim or 0 for dim in shape))


def _deal(table: Table, request: Request) -> tuple[Array, ...]:
    sizes = [_size(wanted.shape) for wanted in request.wanted]
    width = table.numbers.shape[1]
    if len(sizes) == 1:
        return (_reshape(table.numbers, request.wanted[0], sizes[0]),)
    if None in sizes or sum(size or 0 for size in sizes) != width:
        shapes = ", ".join(f"{w.name!r} {w.shape}" for w in request.wanted)
        raise DataError(
            f"{width} columns of numbers cannot be dealt to the inputs {shapes}",
            where=_split(request.argument)[0],
            hint="the columns are dealt from left to right and must fill all inputs",
        )
    cuts = np.cumsum([size or 0 for size in sizes])[:-1]
    pieces = np.split(table.numbers, cuts, axis=1)
    return tuple(
        _reshape(piece, wanted, size)
        for piece, wanted, size in zip(pieces, request.wanted, sizes, strict=True)
    )


def _size(shape: Shape) -> int | None:
    known = [dim for dim in shape if dim is not None]
    return math.prod(known) if len(known) == len(shape) else None


def _reshape(numbers: Array, wanted: Wanted, size: int | None) -> Array:
    """Rows that hold as many numbers as the input are laid out in its shape, last axis first."""
    if size != numbers.shape[1]:
        return numbers
    return numbers.reshape(len(numbers), *(dim or 0 for dim in wanted.shape))
