"""What the page says of the graph and of the run beside its numbers, as plain data.

Every text has been made harmless. Looks up, computes nothing; must not know how it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from opgraph.analysis import Analysis, NodeFacts
from opgraph.record import RunInfo
from opgraph.render.attributes import all_attrs
from opgraph.render.cleaning import clean
from opgraph.render.wording import shape_text, sizes_text, value_text
from opgraph.version import __version__

MOST_NAME = 400


def shown_name(name: str) -> str:
    """A name that a page can show: harmless, and not endless."""
    text = clean(name)
    return text if len(text) <= MOST_NAME else f"{text[: MOST_NAME - 1]}…"


def nodes_data(analysis: Analysis) -> list[dict[str, Any]]:
    """All nodes in the order of the network."""
    numbers = {name: number for number, name in enumerate(analysis.facts)}
    return [_node(analysis, facts, numbers) for facts in analysis.facts.values()]


def _node(analysis: Analysis, facts: NodeFacts, numbers: Mapping[str, int]) -> dict[str, Any]:
    node, graph = facts.node, analysis.graph
    attributes = [
        [clean(attr.named), attr.provenance, clean(attr.reason or "")] for attr in all_attrs(node)
    ]
    weights = [
        [clean(name), shape_text(weight.shape), weight.size, weight.trainable]
        for name, weight in (facts.weights or {}).items()
    ]
    field = facts.receptive_field
    return {
        "name": shown_name(node.name),
        "op": clean(node.kind.kind),
        "category": node.kind.category,
        "label": shown_name(node.label or ""),
        "summary": clean(node.kind.summary),
        "inputs": [numbers[end.node] for end in graph.inputs(node.name)],
        "readers": sorted({numbers[edge.target] for edge in graph.edges_from(node.name)}),
        "shapes": [shape_text(shape) for shape in facts.outputs],
        "attributes": attributes,
        "weights": weights,
        "shares": shown_name(node.shares or ""),
        "params": facts.total_params,
        "trainable": None if facts.params is None else facts.params[0],
        "flops": facts.flops,
        "memory": facts.activation_bytes,
        "sees": None if field is None or field.size == () else sizes_text(field.size),
        "depth": facts.depth,
    }


def totals_data(analysis: Analysis) -> dict[str, Any]:
    """Sums over all nodes; each with how many nodes it leaves out."""
    totals = analysis.totals
    named = {
        "params": totals.params,
        "trainable": totals.trainable,
        "flops": totals.flops,
        "memory": totals.activation_bytes,
        "weight_memory": totals.weight_bytes,
    }
    return {name: [total.value, total.unknown] for name, total in named.items()}


def run_data(info: RunInfo, path: Path, steps: range) -> dict[str, Any]:
    """What the run was: how it ended, on what it was trained, and how.

    A path from the root tells of the machine, so that only its last part is kept.
    """
    name = path.resolve().name
    config, outcome = info.config, info.outcome
    optimizer = config.get("optimizer_config") or {}
    settings = optimizer.get("config") if isinstance(optimizer, Mapping) else None
    test = outcome.get("test") or {}
    loss = config.get("loss") or {}
    return {
        "name": shown_name(name),
        "path": shown_name(name if path.is_absolute() else path.as_posix()),
        "status": info.status,
        "error": shown_name(str(outcome.get("error") or "")),
        "first": steps.start,
        "last": steps.stop - 1,
        "planned": config.get("total_steps"),
        "seconds": _figure(outcome.get("seconds")),
        "test": {k: _figure(test.get(k)) for k in ("accuracy", "loss", "size")} if test else None,
        "data": shown_name(str(info.data.get("title") or info.data.get("spec") or "")),
        "batch_size": config.get("batch_size"),
        "loss": shown_name(str(loss.get("name", "") if isinstance(loss, Mapping) else loss)),
        "optimizer": shown_name(str(config.get("optimizer") or "")),
        "settings": _settings(settings),
        "seed": info.seed,
        "created": clean(info.created)[:19],
        "versions": {clean(k): clean(str(v)) for k, v in info.versions.items()},
        "opgraph": __version__,
    }


def _figure(value: Any) -> float | int | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    return value if known else None


def _settings(settings: Any) -> list[list[str]]:
    """What an optimizer was told, but for what is not set."""
    if not isinstance(settings, Mapping):
        return []
    told = {k: v for k, v in settings.items() if v not in (None, False) and k != "name"}
    return [[clean(str(k)), shown_name(value_text(v))[:80]] for k, v in told.items()]
