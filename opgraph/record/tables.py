"""From packed vectors to Arrow tables: one table a kind of site, one row a step and site.

Owns column names, types and what is null; knows neither files nor TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from opgraph.record.layout import Layout, Site
from opgraph.record.quantities import KINDS, Array, Moments, Quantity, SiteKind
from opgraph.record.survey import SITE_COLUMNS, Survey

ARROW: Mapping[str, Any] = {
    "float64": pa.float64(),
    "float32": pa.float32(),
    "int64": pa.int64(),
    "string": pa.string(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
SITE_TYPES: Mapping[str, Any] = {"port": pa.int64(), "connected": pa.bool_()}
STEPS = Site("steps", "")
CARRIED = ("momentum", "calls")


@dataclass(frozen=True, eq=False)
class StepRow:
    """The numbers of one step.

    Attributes:
        packed: the step's vector.
        layout: what stands where in it.
        host: what only the training loop knows: `step`, `epoch`, `time`, ... and `calls`, how many
            batches the network has seen so far.
    """

    packed: Array
    layout: Layout
    host: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of several steps, asked for one moment at a time."""

    rows: Sequence[StepRow]

    @cached_property
    def steps(self) -> Array:
        return np.array([row.host["step"] for row in self.rows], np.int64)

    @cached_property
    def groups(self) -> list[tuple[Layout, Array, Array]]:
        """The rows of each layout: which they are, and their packed vectors."""
        found: dict[int, list[int]] = {}
        for number, row in enumerate(self.rows):
            found.setdefault(id(row.layout), []).append(number)
        return [
            (
                self.rows[numbers[0]].layout,
                np.array(numbers),
                np.stack([self.rows[n].packed for n in numbers]),
            )
            for numbers in found.values()
        ]

    def host(self, name: str) -> list[Any]:
        return [row.host.get(name) for row in self.rows]

    def scalars(self, sites: Sequence[Site], name: str) -> Array:
        """A moment of sites, (steps, sites); NaN where it was not packed."""
        if name == "momentum":
            given = [np.nan if site.momentum is None else site.momentum for site in sites]
            return np.tile(np.array(given, np.float64), (len(self.rows), 1))
        if name == "calls":
            return np.outer(self.host("calls"), [site.calls for site in sites])
        values = np.full((len(self.rows), len(sites)), np.nan)
        for layout, numbers, packed in self.groups:
            values[numbers] = layout.scalars(sites, name, packed)
        return values

    def lacking(self, sites: Sequence[Site], quantity: Quantity) -> Array:
        """Where a moment of a quantity was not packed, (steps, sites): there is no such number."""
        lacks = np.zeros((len(self.rows), len(sites)), bool)
        if quantity.moments == CARRIED:
            lacks[:, [site.momentum is None or not site.connected for site in sites]] = True
            return lacks
        for layout, numbers, _ in self.groups:
            has = [all(layout.has(site, name) for name in quantity.moments) for site in sites]
            lacks[numbers] = ~np.array(has, bool)
        return lacks

    def of_site(self, quantity: Quantity, site: Site) -> Iterator[tuple[Array, Moments | None]]:
        """The moments of a quantity at a site for the rows of each layout, and which rows.

        None where one of them was not packed.
        """
        for layout, numbers, packed in self.groups:
            found = {name: layout.vector(site, name, packed) for name in quantity.moments}
            known = {name: values for name, values in found.items() if values is not None}
            yield numbers, known if len(known) == len(found) else None


def make_tables(survey: Survey, rows: Sequence[StepRow]) -> dict[SiteKind, Any]:
    """Tables of several steps, by kind of site.

    Args:
        survey: what is measured where and when.
        rows: the numbers of the steps, in order.
    """
    taken = _Rows(rows)
    found: dict[SiteKind, Any] = {"steps": _step_table(survey, taken)}
    for kind in KINDS:
        if kind != "steps":
            found[kind] = _site_table(survey, taken, kind)
    return found


def _step_table(survey: Survey, taken: _Rows) -> Any:
    columns = {"step": pa.array(taken.steps, pa.int64())}
    known = taken.rows[0].host if taken.rows else {}
    for quantity in survey.quantities("steps"):
        if quantity.name in known:
            columns[quantity.name] = pa.array(taken.host(quantity.name), ARROW[quantity.dtype])
        elif quantity.dtype in ("string", "timestamp"):
            columns[quantity.name] = pa.array([], ARROW[quantity.dtype])
        else:
            always = np.ones(len(taken.rows), bool)
            columns[quantity.name] = _scalar_column(quantity, [STEPS], taken, always)
    return pa.table(columns)


def _site_table(survey: Survey, taken: _Rows, kind: SiteKind) -> Any:
    sites = survey.of(kind)
    columns = _row_heads(sites, taken.steps, kind)
    for quantity in survey.quantities(kind):
        due = np.array([survey.measure.is_due(quantity, int(step)) for step in taken.steps], bool)
        if quantity.vector:
            columns[quantity.name] = _vector_column(quantity, sites, taken, due)
        else:
            columns[quantity.name] = _scalar_column(quantity, sites, taken, due)
    return pa.table(columns)


def _scalar_column(quantity: Quantity, sites: Sequence[Site], taken: _Rows, due: Array) -> Any:
    moments = {name: taken.scalars(sites, name) for name in quantity.moments}
    null = taken.lacking(sites, quantity) | ~due[:, None]
    if quantity.undefined is not None:
        null = null | (moments[quantity.undefined] == 0)
    with np.errstate(invalid="ignore"):
        values = quantity.finish(moments)
    return _column(quantity, values.reshape(-1), null.reshape(-1))


def _vector_column(quantity: Quantity, sites: Sequence[Site], taken: _Rows, due: Array) -> Any:
    """Lists of numbers, row by row; null at the steps at which they are not measured."""
    values: list[Any] = [None] * (len(due) * len(sites))
    for place, site in enumerate(sites):
        for numbers, moments in taken.of_site(quantity, site):
            wanted = numbers[due[numbers]]
            if moments is None or not len(wanted):
                continue
            finished = quantity.finish(moments).astype(quantity.dtype)
            for number, row in zip(numbers, finished, strict=True):
                if due[number]:
                    values[number * len(sites) + place] = row
    return pa.array(values, pa.list_(ARROW[quantity.dtype]))


def _row_heads(sites: Sequence[Site], steps: Array, kind: SiteKind) -> dict[str, Any]:
    """The columns that say which step and site a row is about."""
    heads = {"step": pa.array(np.repeat(steps, len(sites)), pa.int64())}
    for name in SITE_COLUMNS[kind]:
        values = [getattr(site, name) for site in sites] * len(steps)
        heads[name] = pa.array(values, SITE_TYPES.get(name, pa.string()))
    return heads


def _column(quantity: Quantity, values: Array, null: Array) -> Any:
    if quantity.dtype == "int64":
        values = np.where(null | ~np.isfinite(values), 0, values).astype(np.int64)
    return pa.array(values, ARROW[quantity.dtype], mask=np.ascontiguousarray(null))


def sites_table(survey: Survey) -> Any:
    """What does not change from step to step: shape, type, whether there is a gradient."""
    sites = [site for site in survey.sites if site.kind != "steps"]
    text, whole = pa.string(), pa.int64()

    def column(name: str, kind: Any) -> Any:
        return pa.array([getattr(site, name) or None for site in sites], kind)

    return pa.table(
        {
            "kind": pa.array([site.kind for site in sites], text),
            "node": pa.array([site.node for site in sites], text),
            "port": pa.array([site.port for site in sites], whole),
            "weight": column("weight", text),
            "slot": column("slot", text),
            "shape": pa.array([list(site.shape) for site in sites], pa.list_(whole)),
            "dtype": pa.array([site.dtype for site in sites], text),
            "connected": pa.array([site.connected for site in sites], pa.bool_()),
            "momentum": pa.array([site.momentum for site in sites], pa.float64()),
            "calls": pa.array([site.calls for site in sites], whole),
        }
    )


def sites_of(table: Any) -> tuple[Site, ...]:
    """The sites that a table lists."""
    rows = [
        Site(
            row["kind"],
            row["node"],
            row["port"],
            row["weight"] or "",
            row.get("slot") or "",
            tuple(row["shape"]),
            row["dtype"],
            row["connected"],
            row.get("momentum"),
            row.get("calls", 1),
        )
        for row in table.to_pylist()
    ]
    return (STEPS, *rows)
