"""The tensors of a step under the names by which anybody may ask for them.

Owns the way from the core's tensors to `StepTensors`; must not know how they were computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from opgraph.record import Array, Survey, TensorName, output_name
from opgraph.runtime.core import BatchTensors, UpdateTensors
from opgraph.runtime.norms import densify

BATCH = ("batch_mean", "batch_variance")
MOVING = ("moving_mean", "moving_variance")
PARTS = ".grad.parts"


def batch_tensors(batch: BatchTensors | None) -> dict[TensorName, Any]:
    """What a forward and backward pass made, by name; nothing that does not exist."""
    if batch is None:
        return {}
    found: dict[TensorName, Any] = {}
    for end, tensor in batch.outputs.items():
        name = output_name(end.node, end.port)
        found |= {name: tensor, name.grad: batch.output_grads[end]}
    for node, bn in batch.bn.items():
        found |= {TensorName(node, what): getattr(bn, what) for what in BATCH}
        for what in MOVING:
            name = TensorName(node, what)
            found |= {name: getattr(bn, f"{what}_before"), name.after: getattr(bn, what)}
    found |= {TensorName(node, "mask"): mask for node, mask in batch.masks.items()}
    found |= {TensorName(node, "mask"): mask for node, mask in batch.inside.items()}
    return {name: tensor for name, tensor in found.items() if tensor is not None}


def part_gradients(grads: Mapping[str, Any]) -> dict[TensorName, Any]:
    """The gradients of one micro-batch, by name; nothing that does not exist."""
    found: dict[TensorName, Any] = {}
    for key, grad in grads.items():
        node, _, own = key.rpartition("/")
        if grad is not None:
            found[TensorName(node, f"{own}{PARTS}")] = densify(grad)[None]
    return found


def update_tensors(update: UpdateTensors | None) -> dict[TensorName, Any]:
    """What an update made, by name; nothing that does not exist."""
    if update is None:
        return {}
    found: dict[TensorName, Any] = {}
    for key, weight in update.weights.items():
        node, _, own = key.rpartition("/")
        name = TensorName(node, own)
        grad = None if weight.grad is None else densify(weight.grad)
        found |= {name: weight.before, name.grad: grad}
        found |= {name.update: weight.after - weight.before, name.after: weight.after}
    for (key, slot), tensor in update.slots.items():
        node, _, own = key.rpartition("/")
        found[TensorName(node, f"{own}.{slot}")] = tensor
    return {name: tensor for name, tensor in found.items() if tensor is not None}


def slots_before(slots: Mapping[tuple[str, str], Any]) -> dict[TensorName, Array]:
    """The optimizer's slots as a step finds them, by name."""
    found: dict[TensorName, Array] = {}
    for (key, slot), variable in slots.items():
        node, _, own = key.rpartition("/")
        found[TensorName(node, f"{own}.{slot}").before] = np.array(variable.numpy())
    return found


def joined_tensors(rows: Sequence[Mapping[TensorName, Array]]) -> dict[TensorName, Array]:
    """The tensors of a step from those of its programs.

    Outputs, their gradients and masks of micro-batches stand one behind the other, as in the whole
    batch; batch statistics are stacked, one row a micro-batch, and so are the gradients that they
    add up to; moving statistics are the first
    before and the last after.
    """
    found: dict[TensorName, list[Array]] = {}
    for row in rows:
        for name, array in row.items():
            found.setdefault(name, []).append(array)
    return {name: _joined(name, arrays) for name, arrays in found.items()}


def _joined(name: TensorName, arrays: Sequence[Array]) -> Array:
    if len(arrays) == 1:
        return arrays[0]
    if name.what in BATCH:
        return np.stack(arrays)
    if name.what.startswith(MOVING):
        return arrays[-1] if name.what.endswith(".after") else arrays[0]
    return np.concatenate(arrays)


def missing_tensors(survey: Survey) -> dict[TensorName, None]:
    """Gradients that do not exist."""
    outputs = {
        output_name(site.node, site.port).grad: None
        for site in survey.of("output_grad")
        if not site.connected
    }
    weights = {
        TensorName(site.node, f"{site.weight}.grad"): None
        for site in survey.of("weight")
        if not site.connected
    }
    return {**outputs, **weights}
