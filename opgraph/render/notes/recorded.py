"""Notes out of a recorded training: a quantity at one step, or over all of them.

Finds quantities by the record's table, so that a new one can be asked for by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Literal

import numpy as np

from opgraph.errors import RunError
from opgraph.record import Quantity, Record
from opgraph.render.curves import Series, read_series, value_at
from opgraph.render.notes.model import Annotation, Joined, Part

Reduce = Literal["mean", "max", "last"]
# Where a ratio is as it should be: an update of a thousandth of the weight.
WANTED: Mapping[str, float] = {"update_ratio": 1e-3}
NOT_CONNECTED = "not connected"
LISTED = 6


Read = Callable[[Record, Quantity], list[Series]]


def recorded_note(
    record: Record,
    quantity: Quantity,
    name: str,
    step: int | None,
    reduce: Reduce,
    read: Read = read_series,
) -> Annotation:
    """A quantity of all nodes of a run.

    Args:
        record: the run.
        quantity: what of it; one number a step and site.
        name: what the user calls it.
        step: at which step; over all steps when None.
        reduce: the last value, the mean or the largest, where no step is said.
        read: what reads the series.

    Raises:
        RunError: there is no such step, or nothing was measured then.
    """
    if step is not None:
        record.check_step(step)
    found = read(record, quantity)
    if step is not None and all(value_at(series, step) is None for series in found):
        raise _not_then(record, found[0], step)
    values: dict[str, tuple[Part, ...]] = {}
    for series in found:
        number = _reduced(series, reduce) if step is None else value_at(series, step)
        if number is not None:
            part = series.name.removeprefix(series.node).lstrip("/")
            values[series.node] = (*values.get(series.node, ()), Part(part, number))
    for node, part in _without_gradient(record, quantity):
        values[node] = (*values.get(node, ()), Part(part, None, NOT_CONNECTED))
    if quantity.name in WANTED:
        values = _largest_first(record, quantity, values)
    unit = "" if quantity.unit in ("1", "elements") else quantity.unit
    return Annotation(
        name, unit, values, joined_as(quantity), _scope(found, step, reduce),
        WANTED.get(quantity.name),
    )  # fmt: skip


def _largest_first(
    record: Record, quantity: Quantity, values: Mapping[str, tuple[Part, ...]]
) -> dict[str, tuple[Part, ...]]:
    """Parts in the order of their numbers of elements."""
    sizes = {
        (s.node, s.weight): prod(d or 1 for d in s.shape) for s in record.survey.of(quantity.kind)
    }
    return {
        node: tuple(sorted(parts, key=lambda part: -sizes.get((node, part.name), 0)))
        for node, parts in values.items()
    }


def joined_as(quantity: Quantity) -> Joined:
    """What stands for several numbers of a quantity: the sum of counts, else an extreme."""
    if quantity.unit == "elements":
        return "sum"
    last = quantity.name.split("_")[-1]
    return "min" if last == "min" else "size" if last == "mean" else "max"


def _reduced(series: Series, reduce: Reduce) -> float | None:
    """One number for all steps; the last as it is, mean and maximum of those that are finite."""
    if reduce == "last":
        return float(series.values[~series.absent][-1]) if not series.absent.all() else None
    if not series.finite.size:
        return None if series.absent.all() else float("nan")
    return float(np.mean(series.finite) if reduce == "mean" else np.max(series.finite))


def _scope(found: list[Series], step: int | None, reduce: Reduce) -> str:
    """What the numbers are of, in words."""
    if step is not None:
        return f"step {step:,}"
    first, last = (int(found[0].steps[at]) for at in (0, -1))
    if reduce == "last":
        return f"step {last:,}"
    left_out = sum(series.nonfinite for series in found)
    more = f", {left_out:,} non-finite values left out" if left_out else ""
    word = "mean" if reduce == "mean" else "largest"
    return f"{word} over steps {first:,} to {last:,}{more}"


def _not_then(record: Record, series: Series, step: int) -> RunError:
    steps = series.steps.tolist()
    near = sorted(steps, key=lambda at: abs(at - step))[:LISTED]
    listed = ", ".join(map(str, sorted(near)))
    return RunError(
        f"{series.what} was not measured at step {step}",
        where=str(record.path),
        hint=f"the nearest steps with it: {listed}",
    )


def _without_gradient(record: Record, quantity: Quantity) -> list[tuple[str, str]]:
    """Node and part of the sites whose gradient does not exist."""
    kind, is_grad = quantity.kind, quantity.name.startswith("grad_")
    if kind != "output_grad" and not (kind == "weight" and is_grad):
        return []
    sites = [site for site in record.survey.of(kind) if not site.connected]
    return [(s.node, s.weight or (f":{s.port}" if s.port else "")) for s in sites]
