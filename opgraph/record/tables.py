"""From packed vectors to Arrow tables: one table a kind of site, one row a step and site.

Owns column names, types and what is null; knows neither files nor TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from opgraph.record.layout import Layout, Site
from opgraph.record.quantities import Array, Moments, Quantity, SiteKind, quantities

ARROW: Mapping[str, Any] = {
    "float64": pa.float64(),
    "float32": pa.float32(),
    "int64": pa.int64(),
    "string": pa.string(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
HOST_COLUMNS = (
    "step",
    "epoch",
    "index",
    "batch_size",
    "step_time",
    "input_time",
    "fingerprint",
    "time",
)
SITE_COLUMNS: Mapping[SiteKind, tuple[str, ...]] = {
    "output": ("node", "port"),
    "output_grad": ("node", "port", "connected"),
    "weight": ("node", "weight", "connected"),
    "bn": ("node",),
    "steps": (),
}


def make_tables(
    layout: Layout, packed: Array, host: Mapping[str, Sequence[Any]], vectors_every: int
) -> dict[SiteKind, Any]:
    """Tables of several steps, by kind of site.

    Args:
        layout: where each moment stands.
        packed: rows (steps, size) as the compiled step gave them.
        host: what only the training loop knows: `step`, `epoch`, `time`, ... one value a step.
        vectors_every: per-channel vectors are written at multiples of this step number.
    """
    steps = np.asarray(host["step"], dtype=np.int64)
    whole = steps % vectors_every == 0
    found: dict[SiteKind, Any] = {"steps": _step_table(layout, packed, host)}
    found["bn"] = _bn_table(layout, packed, steps, whole)
    for kind in ("output", "output_grad", "weight"):
        found[kind] = _scalar_table(layout, packed, steps, kind)
    return found


def sites_table(layout: Layout) -> Any:
    """What does not change from step to step: shape, type, whether there is a gradient."""
    sites = [site for site in layout.sites if site.kind != "steps"]
    return pa.table(
        {
            "kind": pa.array([site.kind for site in sites], pa.string()),
            "node": pa.array([site.node for site in sites], pa.string()),
            "port": pa.array([site.port for site in sites], pa.int64()),
            "weight": pa.array([site.weight or None for site in sites], pa.string()),
            "shape": pa.array([list(site.shape) for site in sites], pa.list_(pa.int64())),
            "dtype": pa.array([site.dtype for site in sites], pa.string()),
            "connected": pa.array([site.connected for site in sites], pa.bool_()),
        }
    )


def layout_of(table: Any) -> Layout:
    """The layout whose sites a table lists."""
    rows = [
        Site(
            row["kind"],
            row["node"],
            row["port"],
            row["weight"] or "",
            tuple(row["shape"]),
            row["dtype"],
            row["connected"],
        )
        for row in table.to_pylist()
    ]
    return Layout((Site("steps", ""), *rows))


def _step_table(layout: Layout, packed: Array, host: Mapping[str, Sequence[Any]]) -> Any:
    moments = {name: values[:, 0] for name, values in layout.scalars("steps", packed).items()}
    known: dict[str, Any] = {**moments, **{name: np.asarray(v) for name, v in host.items()}}
    columns = {"step": pa.array(known["step"], pa.int64())}
    for quantity in quantities("steps"):
        values = quantity.finish(known)
        columns[quantity.name] = pa.array(values.tolist(), ARROW[quantity.dtype])
    return pa.table(columns)


def _scalar_table(layout: Layout, packed: Array, steps: Array, kind: SiteKind) -> Any:
    sites = layout.of(kind)
    moments = layout.scalars(kind, packed)
    columns = _row_heads(sites, steps, kind)
    for quantity in quantities(kind):
        null = _nulls(quantity, sites, moments)
        with np.errstate(invalid="ignore"):
            values = quantity.finish(moments)
        columns[quantity.name] = _column(quantity, values.reshape(-1), null.reshape(-1))
    return pa.table(columns)


def _bn_table(layout: Layout, packed: Array, steps: Array, whole: Array) -> Any:
    sites = layout.of("bn")
    moments = [layout.vectors(site, packed) for site in sites]
    columns = _row_heads(sites, steps, "bn")
    for quantity in quantities("bn"):
        finished = [quantity.finish(of_site) for of_site in moments]
        if quantity.vector:
            columns[quantity.name] = _vector_column(finished, whole)
        else:
            values = np.stack(finished, axis=1) if finished else np.zeros((len(steps), 0))
            columns[quantity.name] = pa.array(values.reshape(-1), ARROW[quantity.dtype])
    return pa.table(columns)


def _vector_column(finished: Sequence[Array], whole: Array) -> Any:
    """Lists of numbers, row by row; null at the steps at which they are not written."""
    rows = [
        [values[step].astype(np.float32) if whole[step] else None for values in finished]
        for step in range(len(whole))
    ]
    return pa.array([row for of_step in rows for row in of_step], pa.list_(pa.float32()))


def _row_heads(sites: Sequence[Site], steps: Array, kind: SiteKind) -> dict[str, Any]:
    """The columns that say which step and site a row is about."""
    heads = {"step": pa.array(np.repeat(steps, len(sites)), pa.int64())}
    for name in SITE_COLUMNS[kind]:
        heads[name] = pa.array([getattr(site, name) for site in sites] * len(steps))
    return heads


def _nulls(quantity: Quantity, sites: Sequence[Site], moments: Moments) -> Array:
    """Where a quantity does not exist: no gradient there, or nothing to divide by."""
    absent = [any(name not in site.moments for name in quantity.moments) for site in sites]
    shape = next(iter(moments.values())).shape
    null = np.broadcast_to(np.array(absent, dtype=bool), shape)
    return null | (moments[quantity.undefined] == 0) if quantity.undefined else null


def _column(quantity: Quantity, values: Array, null: Array) -> Any:
    if quantity.dtype == "int64":
        values = np.where(null, 0, values).astype(np.int64)
    return pa.array(values, ARROW[quantity.dtype], mask=np.ascontiguousarray(null))
