"""Facts as plain data, for `--json`. Unknown is null, never 0."""

from __future__ import annotations

from typing import Any

from opgraph.analysis.fold import Folded
from opgraph.analysis.result import Analysis, NodeFacts, ReceptiveField, Sum
from opgraph.graph import Node
from opgraph.ops import Op, Shape


def as_data(analysis: Analysis) -> dict[str, Any]:
    """All facts of a graph as JSON-able data."""
    totals = analysis.totals
    return {
        "name": analysis.graph.name,
        "nodes": [_node(analysis, fact) for fact in analysis.facts.values()],
        "totals": {
            "params": _sum(totals.params),
            "trainable_params": _sum(totals.trainable),
            "non_trainable_params": _sum(totals.non_trainable),
            "flops": _sum(totals.flops),
            "activation_bytes": _sum(totals.activation_bytes),
            "weight_bytes": _sum(totals.weight_bytes),
        },
        "depth": analysis.depth,
        "critical_path": list(analysis.critical_path),
        "errors": [error.as_dict() for error in analysis.errors],
    }


def folds_as_data(folded: Folded) -> list[dict[str, Any]]:
    """What each fold stands for, as JSON-able data."""
    return [
        {
            "name": name,
            "blocks": [list(unit) for unit in facts.fold.units],
            "like": facts.fold.like,
            "same_weights": facts.shares,
            "ops": dict(facts.ops),
            "inputs": {str(end): _shape(shape) for end, shape in facts.entries.items()},
            "outputs": {str(end): _shape(shape) for end, shape in facts.exits.items()},
            "params": _sum(facts.totals.params),
            "flops": _sum(facts.totals.flops),
        }
        for name, facts in folded.folds.items()
    ]


def _node(analysis: Analysis, fact: NodeFacts) -> dict[str, Any]:
    node = fact.node
    origin = {} if node.origin is None else {"origin": node.origin.as_dict()}
    return {
        "name": node.name,
        "label": node.label,
        "op": node.kind.kind,
        "op_from": "name" if node.guessed else "type",
        "inputs": [str(end) for end in analysis.graph.inputs(node.name)],
        "input_shapes": [_shape(shape) for shape in fact.inputs],
        "output_shapes": [_shape(shape) for shape in fact.outputs],
        "attributes": _attributes(node),
        "shares_weights_of": node.shares,
        "weights": None
        if fact.weights is None
        else {
            name: {"shape": _shape(weight.shape), "trainable": weight.trainable}
            for name, weight in fact.weights.items()
        },
        "trainable_params": None if fact.params is None else fact.params[0],
        "non_trainable_params": None if fact.params is None else fact.params[1],
        "flops": fact.flops,
        "activation_bytes": fact.activation_bytes,
        "weight_bytes": fact.weight_bytes,
        "receptive_field": _field(fact.receptive_field),
        "depth": fact.depth,
        **origin,
    }


def _attributes(node: Node) -> dict[str, Any]:
    """Each attribute with its value and where it comes from; unset options are left out."""
    schema = node.kind.schema()
    values = {name: spec.default for name, spec in schema.items() if not spec.is_required}
    values |= node.explicit()
    shown = [name for name in schema if name in values and not _is_unset(node, name, values)]
    return {name: _attribute(node, name, values[name]) for name in shown}


def _is_unset(node: Node, name: str, values: dict[str, Any]) -> bool:
    return node.kind.schema()[name].option and values[name] is None


def _attribute(node: Node, name: str, value: Any) -> dict[str, Any]:
    data: dict[str, Any] = {"value": plain_value(value), "from": node.provenance(name)}
    if name in node.inferred:
        data["reason"] = node.inferred[name].reason
    return data


def plain_value(value: Any) -> Any:
    """An attribute's value as JSON-able data."""
    if isinstance(value, Op):
        return {"class_name": value.kind, "config": plain_value(value.values())}
    if isinstance(value, dict):
        return {str(key): plain_value(item) for key, item in value.items()}
    return [plain_value(item) for item in value] if isinstance(value, list | tuple) else value


def _shape(shape: Shape | None) -> list[int | None] | None:
    return None if shape is None else list(shape)


def _sum(total: Sum) -> dict[str, int]:
    return {"value": total.value, "nodes_not_counted": total.unknown}


def _field(field: ReceptiveField | None) -> Any:
    if field is None:
        return None
    return "whole input" if field.size is None else [float(size) for size in field.size]
