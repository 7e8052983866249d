"""TFLite operators on each number, and those that move numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opgraph.formats.exported import Call, Found, Reader, along_one_axis


def plain(kind: str, given: Mapping[str, Any] | None = None) -> Reader:
    """A reader of an operator without options."""

    def read(call: Call) -> Found | None:
        return Found(kind, given or {}) if call.is_data(0) else None

    return read


def leaky(call: Call) -> Found | None:
    """LEAKY_RELU."""
    return Found("LeakyReLU", {"negative_slope": float(f"{call.attr('alpha', 0.0):.7g}")})


def gelu(call: Call) -> Found | None:
    """GELU by the error function."""
    return None if call.attr("approximate", False) else Found("GELU")


def softmax(call: Call) -> Found | None:
    """SOFTMAX over the last axis."""
    return Found("Softmax", {"axis": -1}) if call.attr("beta", 1.0) == 1.0 else None


def concat(call: Call) -> Found | None:
    """CONCATENATION of tensors."""
    rank, axis = call.rank(), call.axis(call.attr("axis", 0))
    if rank is None or axis is None or len(call.data) != len(call.step.inputs):
        return None
    if len(call.data) == 1:
        return Found("Identity")
    return Found("Concatenate", {"axis": -1 if axis == rank - 1 else axis})


def reshape(call: Call) -> Found | None:
    """RESHAPE, SQUEEZE and EXPAND_DIMS that leave the batch alone."""
    before, after = call.shape(0), call.full(call.step.outputs[0])
    if not before or not after or None in (*before[1:], *after[1:]):
        return None
    if (found := along_one_axis(call)) is not None:
        return found
    if before == after:
        return Found("Identity", reads=(call.input(0),))
    if len(after) == 2 and len(before) > 2:
        return Found("Flatten", reads=(call.input(0),))
    target = after[1:]
    return Found("Reshape", {"target_shape": target}, reads=(call.input(0),)) if target else None


def transpose(call: Call) -> Found | None:
    """TRANSPOSE that leaves the batch where it is."""
    perm = call.values(1)
    if not perm or perm[0] or len(perm) < 2 or not call.is_data(0):
        return None
    return Found("Permute", {"dims": tuple(perm[1:])})


def matmul(call: Call) -> Found | None:
    """BATCH_MATMUL of two sequences."""
    turned = call.attr("adj_x", False) or call.attr("adj_y", False)
    rank = call.rank(0) == call.rank(1) == 3
    return Found("Dot", {"axes": (2, 1)}) if rank and call.is_data(0, 1) and not turned else None
