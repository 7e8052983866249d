"""Numbers of a run over its steps, ready to be drawn, tabled or exported.

Owns the names by which quantities are asked for (`loss`, `output.rms`) and a series' own name
(`conv/kernel`). Finds every numeric column by the record's table of quantities, so that a new one
shows up by itself; must not know how a series is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from opgraph.errors import RunError, suggest
from opgraph.graph import matching
from opgraph.record import KINDS, SITE_COLUMNS, Array, Quantity, Record, SiteKind

NUMERIC = ("float64", "float32", "int64")
PER_STEP = ("steps", "values", "absent", "tainted")
RUN_KIND: SiteKind = "steps"


@dataclass(frozen=True, eq=False)
class Series:
    """One quantity at one site of one run, over the steps.

    Attributes:
        quantity: what it is.
        name: node and, where there is one, weight (`conv/kernel`), further port (`lstm:1`); empty
            for what belongs to the whole run.
        node: the node's name; empty for what belongs to the whole run.
        run: what the run is called, where there are several.
        steps: numbers of the steps, ascending.
        values: NaN where there is no value, and where the value is NaN.
        absent: where there is no value at all.
        tainted: where NaN or Inf were among the elements that the value is made from.
    """

    quantity: Quantity
    name: str
    node: str
    run: str
    steps: Array
    values: Array
    absent: Array
    tainted: Array

    @property
    def what(self) -> str:
        """The quantity's name; in full, but for what belongs to the whole run."""
        return self.quantity.name if self.quantity.kind == RUN_KIND else self.quantity.full_name

    @cached_property
    def finite(self) -> Array:
        """The values that are numbers."""
        return self.values[np.isfinite(self.values)]

    @property
    def first(self) -> float | None:
        """The first value that is a number."""
        return float(self.finite[0]) if self.finite.size else None

    @property
    def last(self) -> float | None:
        """The last value that is a number."""
        return float(self.finite[-1]) if self.finite.size else None

    @property
    def min(self) -> float | None:
        """The smallest."""
        return float(self.finite.min()) if self.finite.size else None

    @property
    def median(self) -> float | None:
        """The median."""
        return float(np.median(self.finite)) if self.finite.size else None

    @property
    def max(self) -> float | None:
        """The largest."""
        return float(self.finite.max()) if self.finite.size else None

    @property
    def nonfinite(self) -> int:
        """How many values are NaN or infinite."""
        return int((~np.isfinite(self.values) & ~self.absent).sum())

    def as_dict(self) -> dict[str, Any]:
        """The series as plain data; null where there is no value, words for NaN and infinities."""
        values = [
            None if gone else float(value) if np.isfinite(value) else str(float(value))
            for value, gone in zip(self.values, self.absent, strict=True)
        ]
        heads = {"run": self.run, "what": self.what, "name": self.name, "node": self.node}
        names = ("first", "min", "median", "max", "last", "nonfinite")
        figures = {name: getattr(self, name) for name in names}
        rows = {"steps": self.steps.tolist(), "values": values}
        return {**heads, "unit": self.quantity.unit, **figures, **rows}


def catalogue(record: Record) -> dict[str, Quantity]:
    """What a run measures that is one number a step and site, by full name.

    Those of the whole run come first, its own metrics among them.
    """
    kinds = sorted(KINDS, key=lambda kind: kind != RUN_KIND)
    return {
        quantity.full_name: quantity
        for kind in kinds
        for quantity in record.survey.quantities(kind)
        if quantity.dtype in NUMERIC and not quantity.vector
    }


def find_quantity(word: str, known: Mapping[str, Quantity], *, of_nodes: bool = False) -> Quantity:
    """The quantity that a word names: `loss`, or `output.rms` where the name is not enough.

    Args:
        word: a name, with its kind before it or without.
        known: what there is, as `catalogue` lists it.
        of_nodes: whether nodes were asked for, so that what belongs to the whole run is not meant.

    Raises:
        RunError: there is none, or several have that name.
    """
    if word in known:
        return known[word]
    named = [quantity for quantity in known.values() if quantity.name == word]
    if of_nodes:
        named = [quantity for quantity in named if quantity.kind != RUN_KIND] or named
    if len(named) == 1:
        return named[0]
    if named:
        listed = " or ".join(quantity.full_name for quantity in named)
        raise RunError(f"{word!r} can be {listed}", hint="write the name in full")
    near = suggest(word, [*known, *(quantity.name for quantity in known.values())])
    raise RunError(
        f"no quantity is called {word!r}", hint=near or "opgraph curves RUN --list shows them all"
    )


def recorded_steps(record: Record, steps: range | None) -> range | None:
    """Those of some steps that a run has; None stands for all.

    Raises:
        RunError: there are none.
    """
    last = record.last_step
    if not last:
        hint = "is the training under way?"
        raise RunError("no step is recorded yet", where=str(record.path), hint=hint)
    if steps is None:
        return None
    found = range(steps.start, min(steps.stop, last + 1))
    if not found:
        problem = f"no step from {steps.start:,} on is recorded; the last is {last:,}"
        raise RunError(problem, where=str(record.path))
    return found


def read_series(
    record: Record,
    quantity: Quantity,
    *,
    nodes: str | None = None,
    steps: range | None = None,
    run: str = "",
) -> list[Series]:
    """A quantity at every site of a run that has a value, in the order of the network.

    Args:
        record: the run.
        quantity: what to read.
        nodes: globs over names of nodes, or of weights (`conv*/kernel`), joined by commas.
        steps: which steps; all when left out.
        run: what the run is called.

    Raises:
        RunError: no step is recorded, nothing matches, or nothing was measured.
    """
    where = f"{record.path}, {quantity.full_name}"
    table = record.table(quantity.kind, steps=recorded_steps(record, steps))
    found = _split(table, quantity, run)
    if nodes is not None and quantity.kind != RUN_KIND:
        found = _chosen(found, nodes, where)
    measured = [series for series in found if not series.absent.all()]
    if not measured:
        raise RunError("nothing was measured", where=where,
                       hint="opgraph curves RUN --list shows what there is")  # fmt: skip
    return _without_unmeasured(measured)


def read_kind(
    record: Record, wanted: Sequence[Quantity], *, nodes: str | None, steps: range | None
) -> list[Series]:
    """All series of several quantities of one kind; what was not measured is left out.

    Args:
        record: the run.
        wanted: quantities, all of one kind of site.
        nodes: globs over names of nodes or weights; what belongs to the whole run stays.
        steps: which steps; all when left out.

    Raises:
        RunError: a part of the run is damaged.
    """
    table = record.table(wanted[0].kind, steps=recorded_steps(record, steps))
    sites = _sites(table, wanted[0])
    found = [series for quantity in wanted for series in _split(table, quantity, "", sites)]
    names = {name for series in found for name in (series.name, series.node) if name}
    kept = names if nodes is None else set(matching(nodes, names))
    return [
        series
        for series in found
        if not series.absent.all() and (not series.name or kept & {series.name, series.node})
    ]


def read_lists(
    record: Record, quantity: Quantity, *, nodes: str | None = None, steps: range | None = None
) -> Iterator[tuple[str, int, list[Any]]]:
    """Lists of numbers, such as histograms: name of the site, step, and the list.

    Raises:
        RunError: a part of the run is damaged.
    """
    table = record.table(quantity.kind, steps=recorded_steps(record, steps))
    if not len(table) or quantity.name not in table.column_names:
        return
    column, numbers = table.column(quantity.name), table.column("step")
    for name, node, rows in _sites(table, quantity):
        if nodes is None or matching(nodes, (name, node)):
            for row in rows.tolist():
                found = column[row].as_py()
                if found is not None:
                    yield name, int(numbers[row].as_py()), found


def _without_unmeasured(found: Sequence[Series]) -> list[Series]:
    """Without the steps at which nothing was measured anywhere, because of a schedule."""
    every = np.concatenate([series.steps[~series.absent] for series in found])
    wanted = np.unique(every)
    return [
        series if len(kept) == len(series.steps) else _rows(series, kept)
        for series in found
        for kept in [np.flatnonzero(np.isin(series.steps, wanted))]
    ]


def _rows(series: Series, rows: Array) -> Series:
    parts = {name: getattr(series, name)[rows] for name in PER_STEP}
    return replace(series, **parts)


def own_series(name: str, doc: str, steps: Sequence[int], values: Sequence[float | None]) -> Series:
    """A series of numbers that the record has no quantity for.

    Args:
        name: what they are called.
        doc: what they are, in a few words.
        steps: numbers of the steps, ascending.
        values: a number for each step; None where there is none.
    """
    quantity = Quantity(name, "", doc, RUN_KIND, (), lambda _: np.zeros(0))
    absent = np.array([value is None for value in values])
    numbers = np.array([np.nan if value is None else value for value in values], np.float64)
    none = np.zeros(len(values), dtype=bool)
    return Series(quantity, "", "", "", np.array(steps, np.int64), numbers, absent, none)


def value_at(series: Series, step: int) -> float | None:
    """The value at a step; None where there is none."""
    rows = np.flatnonzero((series.steps == step) & ~series.absent)
    return float(series.values[rows[0]]) if rows.size else None


def _chosen(found: Sequence[Series], nodes: str, where: str) -> list[Series]:
    names = {series.name for series in found} | {series.node for series in found}
    wanted = set(matching(nodes, names))
    if not wanted:
        hint = suggest(nodes, sorted(names)) or f"nodes here: {_some(found)}"
        raise RunError(f"no node matches {nodes!r}", where=where, hint=hint)
    return [series for series in found if wanted & {series.name, series.node}]


def _some(found: Sequence[Series], most: int = 8) -> str:
    nodes = list(dict.fromkeys(series.node for series in found))
    more = f" and {len(nodes) - most} more" if len(nodes) > most else ""
    return ", ".join(nodes[:most]) + more


def _split(
    table: Any, quantity: Quantity, run: str, sites: list[tuple[str, str, Array]] | None = None
) -> list[Series]:
    """One series for each site of a table, whatever columns tell its sites apart."""
    if quantity.name not in table.column_names:
        return []
    column = table.column(quantity.name)
    values = np.asarray(column.to_numpy(), dtype=np.float64)
    absent = np.asarray(column.is_null().to_numpy(), dtype=bool)
    tainted = _tainted(table, quantity)
    steps = np.asarray(table.column("step").to_numpy(), dtype=np.int64)
    found: list[Series] = []
    for name, node, rows in sites or _sites(table, quantity):
        order = rows[np.argsort(steps[rows], kind="stable")]
        parts = (array[order] for array in (steps, values, absent, tainted))
        found.append(Series(quantity, name, node, run, *parts))
    return found


def _tainted(table: Any, quantity: Quantity) -> Array:
    """Rows whose elements had NaN or Inf among them, where the table counts those."""
    prefix = quantity.name.split("_")[0]
    counted = [name for name in (f"{prefix}_nonfinite", "nonfinite") if name in table.column_names]
    if not counted or quantity.dtype == "int64":
        return np.zeros(len(table), dtype=bool)
    return np.nan_to_num(np.asarray(table.column(counted[0]).to_numpy(), dtype=np.float64)) > 0


def _sites(table: Any, quantity: Quantity) -> list[tuple[str, str, Array]]:
    """Name, node and rows of each site, in the order in which they first appear."""
    heads = [name for name in SITE_COLUMNS[quantity.kind] if name != "connected"]
    if not heads:
        return [("", "", np.arange(len(table)))]
    codes, words = _coded(table, heads)
    _, firsts, which = np.unique(codes, return_index=True, return_inverse=True)
    by_site = np.split(np.argsort(which, kind="stable"), np.cumsum(np.bincount(which))[:-1])
    found = []
    for site in np.argsort(firsts, kind="stable"):
        row = int(firsts[site])
        head = {name: words[name][row] for name in heads}
        found.append((_site_name(head), str(head.get("node") or ""), by_site[int(site)]))
    return found


def _coded(table: Any, heads: Sequence[str]) -> tuple[Array, Mapping[str, Any]]:
    """A number for each row that says which site it is of, and the columns to name it by."""
    codes = np.zeros(len(table), dtype=np.int64)
    words: dict[str, Any] = {}
    for name in heads:
        column = table.column(name).combine_chunks().dictionary_encode()
        indices = np.asarray(column.indices.fill_null(-1).to_numpy(zero_copy_only=False)) + 1
        codes = codes * (len(column.dictionary) + 1) + indices
        values = [None, *column.dictionary.to_pylist()]
        words[name] = _Lookup(values, indices)
    return codes, words


@dataclass(frozen=True, eq=False)
class _Lookup:
    """A column with few distinct values, read row by row."""

    values: Sequence[Any]
    indices: Array

    def __getitem__(self, row: int) -> Any:
        return self.values[int(self.indices[row])]


def _site_name(head: Mapping[str, Any]) -> str:
    """A name from what tells a site apart: words joined by `/`, a further port behind a colon.

    >>> _site_name({"node": "lstm", "port": 1}), _site_name({"node": "fc", "weight": "kernel"})
    ('lstm:1', 'fc/kernel')
    """
    name = "/".join(value for value in head.values() if isinstance(value, str) and value)
    ports = [value for value in head.values() if isinstance(value, int) and value]
    return ":".join([name, *map(str, ports)])
