"""Units that are silent: channels of an activation that no element of a batch is above zero in.

Counts them in the lists that a run recorded; the record has no quantity for that number.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow.compute

from opgraph.record import Array, Quantity, Record
from opgraph.render.curves import Series
from opgraph.render.report.numbers import Measured, due_steps
from opgraph.render.report.thinning import make_grid

compute: Any = pyarrow.compute  # its functions are made at import, no checker sees them
LIST = "channel_active"
MOST_STEPS = 200
SILENT = Quantity(
    *("dead_channels", "1", "share of the channels without any element above zero in the batch"),
    *("output", (), lambda _: np.zeros(0)),
)


def silent_channels(record: Record, steps: range, nodes: Iterable[str]) -> Measured | None:
    """How many of the channels of some nodes are silent, at the steps that say so.

    Args:
        record: the run.
        steps: of which steps.
        nodes: activations; the outputs of others may well be below zero.
    """
    quantity = next((q for q in record.survey.quantities("output") if q.name == LIST), None)
    due = due_steps(record, quantity, steps) if quantity else []
    if not due:
        return None
    due = due[:: -(-len(due) // MOST_STEPS)]
    table = record.table("output", steps=due)
    table = table.filter(table[LIST].is_valid())
    found = Measured(SILENT, make_grid(due, len(due)))
    names, numbers = table["node"].to_numpy(), table["step"].to_numpy()
    shares = _silent(table[LIST])
    for node in nodes:
        rows = np.flatnonzero(names == node)
        rows = rows[np.argsort(numbers[rows], kind="stable")]
        if rows.size:
            known = np.zeros(rows.size, bool)
            found.add(Series(SILENT, node, node, "", numbers[rows], shares[rows], known, known))
    return found if found.series else None


def _silent(lists: Any) -> Array:
    """For each list the share of its numbers that are zero."""
    ends = np.cumsum([0, *compute.list_value_length(lists).to_pylist()])
    zeros = np.concatenate([[0], np.cumsum(compute.list_flatten(lists).to_numpy() == 0)])
    return (zeros[ends[1:]] - zeros[ends[:-1]]) / np.maximum(np.diff(ends), 1)
