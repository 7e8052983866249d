"""Numbers of a run laid over a graph in viewers of others: Netron and Model Explorer.

Owns the two JSON forms. Netron reads an attachment beside an open model: items of a `kind`
(`model`, `node`, `tensor`) with a `target`, a `name` and a `value`. Model Explorer reads node data:
one number for each node of a graph, and the colours for it. Must not know how a run is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Cividis in eight steps: even in lightness, the same for the colour-blind.
RAMP = ("#00224E", "#213C6B", "#4B546C", "#6C6E72", "#8C8978", "#AEA371", "#D3C164", "#FEE838")
DARK_STEPS = 4  # so many of them want white text
LOG_RANGE = 100.0


@dataclass(frozen=True)
class Reading:
    """A number of a step.

    Attributes:
        node: the node it is of; empty for the whole network.
        part: the weight it is of (`kernel`), further port or slot; empty for the node itself.
        what: the quantity, in full (`weight.grad_norm`).
        value: the number; may be NaN or infinite.
    """

    node: str
    part: str
    what: str
    value: float


def netron_attachment(readings: Iterable[Reading], about: Mapping[str, Any]) -> dict[str, Any]:
    """An attachment for Netron: drop it on the window that shows the model.

    Args:
        readings: the numbers; those of a weight go to the node and to the tensor `node/weight`.
        about: what is said of the whole, such as run and step.

    >>> netron_attachment([Reading("fc", "kernel", "weight.grad_norm", 0.5)], {})["metrics"][0]
    {'kind': 'node', 'target': 'fc', 'name': 'kernel weight.grad_norm', 'value': 0.5}
    """
    metrics: list[dict[str, Any]] = []
    for reading in readings:
        value = _plain(reading.value)
        if not reading.node:
            metrics.append(_item("model", "", reading.what, value))
            continue
        name = f"{reading.part} {reading.what}".strip()
        metrics.append(_item("node", reading.node, name, value))
        if reading.part:
            target = f"{reading.node}/{reading.part}"
            metrics.append(_item("tensor", target, reading.what, value))
    metadata = [_item("model", "", name, value) for name, value in about.items()]
    return {"signature": "netron:attachment", "metadata": metadata, "metrics": metrics}


def _item(kind: str, target: str, name: str, value: Any) -> dict[str, Any]:
    # Netron looks a node up by the first line of its name.
    return {"kind": kind, "target": target.split("\n")[0], "name": name, "value": value}


def _plain(value: float) -> float | str:
    """JSON has no word for NaN and infinities."""
    return value if math.isfinite(value) else str(value)


def node_data(readings: Sequence[Reading], graph_id: str, name: str) -> dict[str, Any]:
    """Node data for Model Explorer: one quantity, coloured from the smallest to the largest.

    A node that has several numbers (kernel and bias) shows the largest. Numbers that are NaN or
    infinite have no place on a scale and are left out.

    Args:
        readings: the numbers, all of one quantity.
        graph_id: what Model Explorer calls the graph.
        name: what the viewer shows in its list.
    """
    results: dict[str, float] = {}
    for reading in readings:
        if reading.node and math.isfinite(reading.value):
            results[reading.node] = max(reading.value, results.get(reading.node, -math.inf))
    shown = {node: {"value": value} for node, value in results.items()}
    return {graph_id: {"results": shown, "name": name, **_colours(list(results.values()))}}


def _colours(values: Sequence[float]) -> dict[str, Any]:
    """An even gradient; steps of equal ratio where the values range far."""
    positive = [value for value in values if value > 0]
    far = bool(positive) and min(values) >= 0 and max(positive) >= LOG_RANGE * min(positive)
    if not far:
        stops = [number / (len(RAMP) - 1) for number in range(len(RAMP))]
        return {"gradient": [{"stop": at, **_step(n)} for n, at in enumerate(stops)]}
    low, high = math.log(min(positive)), math.log(max(positive))
    bounds = [math.exp(low + (high - low) * (n + 1) / len(RAMP)) for n in range(len(RAMP))]
    bounds[-1] = max(positive)  # rounding must not leave the largest outside
    return {"thresholds": [{"value": bound, **_step(n)} for n, bound in enumerate(bounds)]}


def _step(number: int) -> dict[str, str]:
    return {"bgColor": RAMP[number], "textColor": "#FFFFFF" if number < DARK_STEPS else "#000000"}
