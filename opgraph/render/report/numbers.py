"""The numbers of a run as the page holds them: every quantity of the record's table, thinned.

Finds quantities by that table, so that a new one shows up by itself. Owns how they are laid out for
the page; must not know how they are shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np

from opgraph.record import Quantity, Record, SiteKind
from opgraph.render.curves import Series, catalogue, read_kind
from opgraph.render.notes.recorded import WANTED, joined_as
from opgraph.render.report.packing import pack_floats
from opgraph.render.report.thinning import Grid, Thinned, make_grid
from opgraph.render.scale import scale_for

MOST_NUMBERS = 4_000_000
LEAST_POINTS, MOST_POINTS = 48, 500
STRETCH_ROWS = 400_000  # rows of a table that are read at a time
SCALED = 4096  # numbers that are looked at to choose a scale
LEFT_OUT = ("epoch", "index")  # they say nothing that the number of the step does not


@dataclass(eq=False)
class Measured:
    """One quantity of a run, thinned, at every site that has a value.

    Attributes:
        quantity: what it is.
        grid: its buckets of steps.
        series: by name of the site.
        nodes: the node of each site, empty for the run itself.
    """

    quantity: Quantity
    grid: Grid
    series: dict[str, Thinned] = field(default_factory=dict[str, Thinned])
    nodes: dict[str, str] = field(default_factory=dict[str, str])

    def add(self, found: Series) -> None:
        """Take in a stretch of steps of one site."""
        thinned = self.series.setdefault(found.name, Thinned(self.grid))
        self.nodes[found.name] = found.node
        thinned.add(found.steps, found.values, found.absent)


def read_numbers(record: Record, steps: range) -> list[Measured]:
    """All quantities that are one number a step and site, in the order of the record's table."""
    found: dict[str, Measured] = {}
    points = _points(record, len(steps))
    for kind, wanted in _by_kind(record).items():
        for stretch in _stretches(record, kind, steps):
            for series in read_kind(record, wanted, nodes=None, steps=stretch):
                name, quantity = series.quantity.full_name, series.quantity
                if name not in found:
                    due = due_steps(record, quantity, steps)
                    found[name] = Measured(quantity, make_grid(due, points))
                found[name].add(series)
    return [found[name] for name in catalogue(record) if name in found]


def _by_kind(record: Record) -> dict[SiteKind, list[Quantity]]:
    found: dict[SiteKind, list[Quantity]] = {}
    for quantity in catalogue(record).values():
        if quantity.name not in LEFT_OUT:
            found.setdefault(quantity.kind, []).append(quantity)
    return found


def _stretches(record: Record, kind: SiteKind, steps: range) -> Iterator[range]:
    """Steps in stretches whose rows fit into memory."""
    length = max(1, STRETCH_ROWS // max(1, len(record.survey.of(kind))))
    for start in range(0, len(steps), length):
        yield steps[start : start + length]


def _points(record: Record, steps: int) -> int:
    """How many buckets there may be, so that all numbers together fit into a page."""
    kinds = _by_kind(record)
    series = sum(len(wanted) * len(record.survey.of(kind)) for kind, wanted in kinds.items())
    most = min(MOST_POINTS, MOST_NUMBERS // max(1, series))
    if steps <= max(most, LEAST_POINTS):
        return max(1, steps)
    return max(LEAST_POINTS, min(MOST_POINTS, MOST_NUMBERS // (3 * max(1, series))))


def due_steps(record: Record, quantity: Quantity, steps: range) -> list[int]:
    """The steps at which a quantity was due; runs of schema 1 measured everything at each."""
    measure = record.survey.measure
    if record.info.schema < 2 or quantity.full_name not in measure.schedules:
        return list(steps)
    return [step for step in steps if measure.is_due(quantity, step)]


class Grids:
    """The grids of all quantities, each once."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._numbers: dict[bytes, int] = {}

    def number(self, grid: Grid) -> int:
        """The number under which the page finds a grid."""
        key = grid.ends.tobytes()
        if key not in self._numbers:
            self._numbers[key] = len(self.rows)
            self.rows.append({"ends": grid.ends.tolist(), "width": grid.width})
        return self._numbers[key]


def numbers_data(
    measured: Sequence[Measured], grids: Grids, nodes: Mapping[str, int], sizes: Mapping[str, int]
) -> list[dict[str, Any]]:
    """The quantities as plain data.

    Args:
        measured: as `read_numbers` finds them.
        grids: where their grids go.
        nodes: the number of each node of the graph.
        sizes: elements of each weight, by name of its site; the largest of a node comes first.
    """
    return [_quantity(one, grids, nodes, sizes) for one in measured]


def _quantity(
    one: Measured, grids: Grids, nodes: Mapping[str, int], sizes: Mapping[str, int]
) -> dict[str, Any]:
    names = [name for name in one.series if one.nodes[name] in nodes or not one.nodes[name]]
    names.sort(key=lambda name: (nodes.get(one.nodes[name], -1), -sizes.get(name, 0)))
    moving = [name for name in names if one.series[name].constant is None]
    packed = {"at": pack_floats(np.array([one.series[name].at for name in moving]))}
    if one.grid.width > 1:
        for part in ("low", "high"):
            packed[part] = pack_floats(np.array([getattr(one.series[n], part) for n in moving]))
    rows = {name: row for row, name in enumerate(moving)}
    quantity = one.quantity
    return {
        "name": quantity.full_name,
        "kind": quantity.kind,
        "unit": quantity.unit,
        "doc": quantity.doc,
        "grid": grids.number(one.grid),
        "joined": joined_as(quantity),
        "wanted": WANTED.get(quantity.name),
        "scale": _scale(one, names),
        "sites": [_site(one, name, nodes, rows.get(name)) for name in names],
        **packed,
    }


def _site(one: Measured, name: str, nodes: Mapping[str, int], row: int | None) -> dict[str, Any]:
    """Where a quantity is: its node, its part, and its row of numbers or its one value."""
    thinned, node = one.series[name], one.nodes[name]
    bad = {str(bucket): int(thinned.bad[bucket]) for bucket in np.flatnonzero(thinned.bad)}
    found: dict[str, Any] = {"node": nodes.get(node, -1)}
    found |= {"part": part} if (part := name.removeprefix(node).lstrip("/")) else {}
    found |= {"row": row} if row is not None else {"value": thinned.constant}
    return found | ({"bad": bad} if bad else {})


def _scale(one: Measured, names: Sequence[str]) -> dict[str, Any] | None:
    """The scale of colour over all sites and steps."""
    ends = (one.series[name] for name in names)
    numbers = np.concatenate([np.concatenate([t.low, t.high]) for t in ends] or [np.zeros(0)])
    numbers = np.unique(numbers[np.isfinite(numbers)])
    few = numbers[:: max(1, len(numbers) // SCALED)].tolist()
    most = [float(numbers[-1])] if len(numbers) else []
    found = scale_for([*few, *most], WANTED.get(one.quantity.name))
    if found is None:
        return None
    ticks = [tick for tick in found.ticks() if isfinite(tick)]
    return {
        "low": found.low, "high": found.high, "ramp": found.ramp, "log": found.log,
        "floor": found.floor, "ticks": ticks,
    }  # fmt: skip
