"""What an expression needs, and its values over a record, where those are all recorded.

Owns the way from rows of tables to scopes; computes nothing about networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from opgraph.record.expression.names import Column, Figure, Names, find_all
from opgraph.record.expression.scope import RowScope
from opgraph.record.expression.tree import Expression
from opgraph.record.quantities import SiteKind
from opgraph.record.reader import Record
from opgraph.record.survey import SITE_COLUMNS, Survey
from opgraph.record.tensors import TensorName

Key = tuple[TensorName, str]


@dataclass(frozen=True)
class Needs:
    """What an expression is made from.

    Attributes:
        figures: numbers of the whole step.
        columns: statistics that a run can record, by tensor and name.
        tensors: whole tensors, and those of which a statistic is made that no run records.
    """

    figures: tuple[str, ...]
    columns: Mapping[Key, Column]
    tensors: tuple[TensorName, ...]

    def are_recorded(self, survey: Survey) -> bool:
        """Whether a run has all of it at every step, so that nothing is to be computed again."""
        quantities = (column.quantity.full_name for column in self.columns.values())
        return not self.tensors and all(q in survey.measure.at_every_step for q in quantities)

    def have_columns(self, record: Record) -> bool:
        """Whether they stand in the tables of a run; those of schema 1 have fewer columns."""
        wanted: dict[SiteKind, set[str]] = {"steps": set(self.figures)}
        for column in self.columns.values():
            wanted.setdefault(column.kind, set()).add(column.quantity.name)
        step = record.last_step
        return all(
            names <= set(record.table(kind, steps=step).column_names)
            for kind, names in wanted.items()
        )


def needs(expression: Expression, names: Names, node: str | None = None) -> Needs:
    """What an expression is made from.

    Raises:
        ExpressionError: a name stands for nothing.
    """
    figures: dict[str, None] = {}
    columns: dict[Key, Column] = {}
    tensors: dict[TensorName, None] = {}
    for found in find_all(expression, names, node):
        if isinstance(found, Figure):
            figures[found.name] = None
            continue
        for name in found.names:
            key = name, found.statistic or ""
            if key in names.columns:
                columns[key] = names.columns[key]
            else:
                tensors[name] = None
    return Needs(tuple(figures), columns, tuple(tensors))


def joined(several: Iterable[Needs]) -> Needs:
    """All that several expressions, or one at several nodes, are made from."""
    figures: dict[str, None] = {}
    columns: dict[Key, Column] = {}
    tensors: dict[TensorName, None] = {}
    for one in several:
        figures |= dict.fromkeys(one.figures)
        columns |= one.columns
        tensors |= dict.fromkeys(one.tensors)
    return Needs(tuple(figures), columns, tuple(tensors))


def row_scopes(
    record: Record, needed: Needs, names: Names, steps: Iterable[int]
) -> dict[int, RowScope]:
    """What a record says about some steps, as far as an expression needs it.

    Args:
        record: the run.
        needed: what the expression needs; all of it recorded.
        names: what may be named.
        steps: the steps; those that are not recorded are left out.
    """
    chosen = list(steps)
    table = record.table("steps", steps=chosen)
    figures = {name: _numbers(table[name]) for name in needed.figures}
    read: dict[SiteKind, _Table] = {}
    for column in needed.columns.values():
        if column.kind not in read:
            read[column.kind] = _Table.of(record, column.kind, chosen)
    values = {key: read[column.kind].series(column) for key, column in needed.columns.items()}
    return {
        step: RowScope(
            names,
            {name: float(column[row]) for name, column in figures.items()},
            {key: series.get(step, np.nan) for key, series in values.items()},
        )
        for row, step in enumerate(table["step"].to_pylist())
    }


@dataclass(frozen=True, eq=False)
class _Table:
    """The rows of one kind of site, and which of them belong to a site."""

    words: tuple[str, ...]
    rows: Any
    places: Mapping[tuple[Any, ...], Sequence[int]]

    @classmethod
    def of(cls, record: Record, kind: SiteKind, steps: Sequence[int]) -> _Table:
        words = tuple(name for name in SITE_COLUMNS[kind] if name != "connected")
        rows = record.table(kind, steps=steps)
        places: dict[tuple[Any, ...], list[int]] = {}
        for row, key in enumerate(zip(*(rows[name].to_pylist() for name in words), strict=True)):
            places.setdefault(key, []).append(row)
        return cls(words, rows, places)

    def series(self, column: Column) -> dict[int, float]:
        """A recorded statistic at each step; NaN where it is not defined."""
        key = tuple(getattr(column.site, name) for name in self.words)
        kept = pa.array(self.places.get(key, ()), pa.int64())
        found = self.rows.select(["step", column.quantity.name]).take(kept)
        numbers = _numbers(found[column.quantity.name]).tolist()
        return dict(zip(found["step"].to_pylist(), numbers, strict=True))


def _numbers(column: Any) -> Any:
    """A column as float64, NaN where it is null."""
    return np.array([np.nan if x is None else x for x in column.to_pylist()], np.float64)
