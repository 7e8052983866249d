"""Histograms of a run as the page holds them: shares of elements in bins, at some of the steps.

Owns which steps and bins are kept; must not know how they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from opgraph.record import BINS, KINDS, Array, Quantity, Record, bin_label
from opgraph.render.report.numbers import due_steps
from opgraph.render.report.packing import pack_shares

MOST_SHARES = 1_500_000
MOST_STEPS = 60
USUAL_BINS = 40


def histogram_data(record: Record, steps: range, nodes: Mapping[str, int]) -> dict[str, Any]:
    """All histograms as plain data: labels of the bins, and one entry a quantity and site."""
    wanted = [
        quantity
        for kind in KINDS
        for quantity in record.survey.quantities(kind)
        if quantity.name.endswith("histogram")
    ]
    sites = sum(len(record.survey.of(quantity.kind)) for quantity in wanted)
    most = min(MOST_STEPS, max(4, MOST_SHARES // max(1, sites * USUAL_BINS)))
    found = [
        entry
        for q in wanted
        for entry in _entries(record, q, nodes, _some(due_steps(record, q, steps), most))
    ]
    return {"labels": [bin_label(number) for number in range(BINS)], "all": found}


def _entries(
    record: Record, quantity: Quantity, nodes: Mapping[str, int], steps: list[int]
) -> list[dict[str, Any]]:
    if not steps:
        return []
    table = record.table(quantity.kind, steps=steps)
    if quantity.name not in table.column_names:
        return []
    table = table.filter(table[quantity.name].is_valid())
    rows: dict[tuple[str, str], list[int]] = {}
    parts = _column(table, "weight"), _column(table, "port")
    for row, node in enumerate(table["node"].to_pylist()):
        part = parts[0][row] or (f":{parts[1][row]}" if parts[1][row] else "")
        rows.setdefault((node, part), []).append(row)
    counts = table[quantity.name].combine_chunks().flatten().to_numpy().reshape(-1, BINS)
    numbers = np.asarray(table["step"].to_numpy())
    return [
        _entry(quantity, nodes[node], part, numbers[at], counts[at])
        for (node, part), at in rows.items()
        if node in nodes
    ]


def _column(table: Any, name: str) -> Sequence[Any]:
    return table[name].to_pylist() if name in table.column_names else [None] * len(table)


def _some(due: list[int], most: int) -> list[int]:
    """The first and last of some steps, and others between them, evenly."""
    places = np.unique(np.linspace(0, len(due) - 1, min(most, len(due))).round().astype(int))
    return [due[place] for place in places] if due else []


def _entry(quantity: Quantity, node: int, part: str, steps: Array, counts: Array) -> dict[str, Any]:
    order = np.argsort(steps)
    counts = np.asarray(counts[order], np.float64)
    used = np.flatnonzero(counts.sum(axis=0))
    first, stop = (int(used[0]), int(used[-1]) + 1) if used.size else (0, 1)
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    return {
        "name": quantity.full_name,
        "node": node,
        **({"part": part} if part else {}),
        "steps": steps[order].tolist(),
        "first": first,
        "bins": stop - first,
        "elements": int(totals[0, 0]),
        "shares": pack_shares((counts / totals)[:, first:stop]),
    }
